//! Helpers for strings.

/// Splits before the first occurrence of an ASCII character. Without one, the second part is empty.
/// Every request calls this, and a loop executes less code than the standard library's searches,
/// which are optimized for longer strings.
pub(crate) fn split_at_byte(text: &str, at: u8) -> (&str, &str) {
    text.split_at(text.bytes().position(|byte| byte == at).unwrap_or(text.len()))
}
