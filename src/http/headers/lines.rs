//! The headers of a message, in one string.

use std::ops::Range;

/// The headers of a message as the runtime lists them: names in lower case, repeated headers joined
/// by commas.
pub(crate) struct HeaderLines {
    text: String,
    /// The ranges of each name and value.
    pub(super) fields: Vec<(Range<usize>, Range<usize>)>,
}

impl HeaderLines {
    /// Takes a line per header, `name,value`: one string costs many times less to get from the
    /// runtime than a list.
    pub fn from_lines(text: String) -> Self {
        let (mut fields, mut begin, mut comma) = (Vec::with_capacity(32), 0, None);
        let mut ends = |comma: Option<usize>, begin: usize, end: usize| {
            fields.extend(comma.map(|comma| (begin..comma, comma + 1..end)));
        };
        // A name has no comma, and neither has a line break (RFC 9110, section 5).
        for (at, byte) in text.bytes().enumerate() {
            if byte == b'\n' {
                ends(comma.take(), begin, at);
                begin = at + 1;
            } else if byte == b',' && comma.is_none() {
                comma = Some(at);
            }
        }
        ends(comma, begin, text.len());
        Self { text, fields }
    }

    /// Returns the value of a header.
    pub fn get(&self, wanted: &str) -> Option<&str> {
        let is_wanted = |name: &Range<usize>| name.len() == wanted.len() && self.part(name) == wanted;
        self.fields.iter().find_map(|(name, value)| is_wanted(name).then(|| self.part(value)))
    }

    /// Returns the name and value of each header.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (self.part(name), self.part(value)))
    }

    fn part(&self, at: &Range<usize>) -> &str {
        self.text.get(at.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(list: &[(&str, &str)]) -> HeaderLines {
        let lines: Vec<String> = list.iter().map(|(name, value)| format!("{name},{value}")).collect();
        HeaderLines::from_lines(lines.join("\n"))
    }

    #[test]
    fn values_with_commas_stay_whole() {
        let headers = request(&[("accept", "text/html, */*"), ("x-empty", ""), ("cookie", "a=1; b=2")]);
        assert_eq!(headers.get("accept"), Some("text/html, */*"));
        assert_eq!(headers.get("x-empty"), Some(""));
        assert_eq!(headers.get("x-none"), None);
        assert_eq!(headers.iter().count(), 3);
        assert_eq!(request(&[]).iter().count(), 0);
    }

    #[test]
    fn lines_that_are_no_headers_are_none() {
        for (lines, expected) in [
            ("", vec![]),
            ("\n\n", vec![]),
            ("no comma\na,1", vec![("a", "1")]),
            ("a,1\n", vec![("a", "1")]),
            ("a,\u{e9}\nb,\u{20ac}2", vec![("a", "\u{e9}"), ("b", "\u{20ac}2")]),
            (",nameless", vec![("", "nameless")]),
        ] {
            let headers = HeaderLines::from_lines(lines.to_owned());
            assert_eq!(headers.iter().collect::<Vec<_>>(), expected, "{lines:?}");
        }
    }
}
