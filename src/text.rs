//! Texts, taken apart.

/// What comes before an ASCII character, and the rest. Every request goes through it, and a loop is less code to run
/// than the standard library's searches, which are made for longer texts.
pub(crate) fn split_at_byte(text: &str, at: u8) -> (&str, &str) {
    text.split_at(text.bytes().position(|byte| byte == at).unwrap_or(text.len()))
}
