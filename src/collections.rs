//! Helpers for collections.

/// Collects the entries into a map or a set by inserting them one by one. `collect()` would sort
/// them first; the code of that sort adds 13 KiB to the compressed Worker.
pub(crate) fn collect_unsorted<M: Default + Extend<E>, E>(entries: impl IntoIterator<Item = E>) -> M {
    let mut map = M::default();
    map.extend(entries);
    map
}
