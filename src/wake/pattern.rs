//! Patterns, in which `*` stands for any text.

/// Whether the whole text is as the pattern says.
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return text == pattern };
    text.strip_prefix(first).is_some_and(|left| ends_like(left, rest))
}

/// Whether something in the text is as the pattern says; both in lower case.
pub(super) fn has(text: &str, pattern: &str) -> bool {
    pattern.split('*').try_fold(text, after).is_some()
}

/// Whether the text ends as the pattern says, whatever is before.
fn ends_like(text: &str, pattern: &str) -> bool {
    match pattern.rsplit_once('*') {
        Some((parts, last)) => {
            parts.split('*').try_fold(text, after).is_some_and(|left| left.ends_with(last))
        }
        None => text.ends_with(pattern),
    }
}

/// What is left after a part. The first place where it stands leaves the most for the rest.
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
            assert!(is_like(like, pattern), "{like} {pattern}");
            assert!(pattern == "*" || !is_like(unlike, pattern), "{unlike} {pattern}");
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
            assert_eq!(has(text, pattern), is_there, "{text} {pattern}");
        }
    }
}
