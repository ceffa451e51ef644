//! The URL of a request.

use crate::text::split_at_byte;

/// A request's URL in parts, none of which is decoded or normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestUrl<'a> {
    /// `https` or `http`.
    pub scheme: &'a str,
    /// The host, with its port if it has one.
    pub authority: &'a str,
    /// The path.
    pub path: &'a str,
    /// The path and the query.
    pub target: &'a str,
}

impl<'a> RequestUrl<'a> {
    /// Parses an absolute URL of the runtime, and drops its fragment.
    pub fn parse(url: &'a str) -> Self {
        let (url, _) = split_at_byte(url, b'#');
        let (scheme, rest) = split_at_byte(url, b':');
        let (scheme, rest) = rest.strip_prefix("://").map_or(("http", url), |rest| (scheme, rest));
        let (authority, target) = split_at_byte(rest, b'/');
        let target = if target.is_empty() { "/" } else { target };
        let (path, _) = split_at_byte(target, b'?');
        Self { scheme, authority, path, target }
    }

    /// Returns the host without its port.
    pub fn host(&self) -> &'a str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => host,
            _ => self.authority,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = RequestUrl::parse("http://[::1]:8787/a?b");
        assert_eq!((url.scheme, url.authority, url.path, url.target), ("http", "[::1]:8787", "/a", "/a?b"));
        assert_eq!(url.host(), "[::1]");
        assert_eq!(RequestUrl::parse("http://[::1]/").host(), "[::1]");
    }
}
