//! Patterns in which `*` matches any string.

/// Returns whether the pattern matches the whole text.
pub(super) fn matches_all(text: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return text == pattern };
    text.strip_prefix(first).is_some_and(|left| matches_end(left, rest))
}

/// Returns whether the pattern matches a part of the text. Both are in lower case.
pub(super) fn contains_match(text: &str, pattern: &str) -> bool {
    pattern.split('*').try_fold(text, after).is_some()
}

/// Returns whether the pattern matches the end of the text.
fn matches_end(text: &str, pattern: &str) -> bool {
    match pattern.rsplit_once('*') {
        Some((parts, last)) => {
            parts.split('*').try_fold(text, after).is_some_and(|left| left.ends_with(last))
        }
        None => text.ends_with(pattern),
    }
}

/// Returns the rest of the text after the first occurrence of `part`, which leaves the longest rest
/// for the remaining parts.
fn after<'t>(text: &'t str, part: &str) -> Option<&'t str> {
    text.split_once(part).map(|(_, left)| left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (pattern, like, unlike) in [
            ("/", "/", "/a"),
            ("/healthz", "/healthz", "/healthz/x"),
            ("/api/*", "/api/", "/api"),
            ("/api/*", "/api/a/b", "/v2/api/a"),
            ("*.php", "/a/b.php", "/b.php/x"),
            ("*", "", "-"),
            ("/a*b*c", "/a-b-b-c", "/a-c-b"),
            ("/a*b*c", "/abc", "/ab"),
            ("/a*a", "/a-a", "/a"),
            ("/**/x", "/a//x", "/x"),
        ] {
            assert!(matches_all(like, pattern), "{like} {pattern}");
            assert!(pattern == "*" || !matches_all(unlike, pattern), "{unlike} {pattern}");
        }
    }

    #[test]
    fn an_agent_is_found_anywhere() {
        for (pattern, text, is_there) in [
            ("probe", "my-probe/1.0", true),
            ("probe", "curl/8", false),
            ("mozilla*acme", "mozilla/5.0 (acme)", true),
            ("acme*mozilla", "mozilla/5.0 (acme)", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(contains_match(text, pattern), is_there, "{text} {pattern}");
        }
    }
}
