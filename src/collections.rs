//! Filling maps.

/// A map or a set of these entries, put in one by one. `collect()` would sort them first, which takes 13 KiB of the
/// compressed Worker.
pub(crate) fn collect_unsorted<M: Default + Extend<E>, E>(entries: impl IntoIterator<Item = E>) -> M {
    let mut map = M::default();
    map.extend(entries);
    map
}
