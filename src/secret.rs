//! Comparison of secrets.

use subtle::ConstantTimeEq;

/// Returns the bearer token of an `Authorization` header (RFC 6750).
pub(crate) fn bearer_in(authorization: &str) -> Option<&str> {
    let (scheme, given) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| given.trim())
}

/// Returns whether an `Authorization` header has this bearer token.
pub(crate) fn is_bearer(authorization: &str, token: &str) -> bool {
    bearer_in(authorization).is_some_and(|given| equal(given, token))
}

/// Compares in constant time: the duration does not reveal how much of a guess was right.
pub(crate) fn equal(given: &str, token: &str) -> bool {
    given.as_bytes().ct_eq(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_equal_or_not() {
        assert!(equal("secret", "secret"));
        for guess in ["", "secre", "secrets", "Secret"] {
            assert!(!equal(guess, "secret"), "{guess}");
        }
    }
}
