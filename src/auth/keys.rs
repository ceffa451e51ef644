//! The Worker's keys: one, or two during a key rotation.

use super::ServiceAccountKey;
use crate::config::ConfigError;

/// The name of the secret that holds the service account's key.
pub const KEY: &str = "GOOGLE_SERVICE_ACCOUNT_KEY";

/// The name of the secret that may hold the key's successor.
pub const NEXT_KEY: &str = "GOOGLE_SERVICE_ACCOUNT_KEY_NEXT";

/// The service account's keys.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The key that is tried first.
    pub first: ServiceAccountKey,
    /// The key that is tried when the first is refused.
    pub second: Option<ServiceAccountKey>,
}

impl Keys {
    /// Reads the keys from the values of the two secrets.
    ///
    /// # Errors
    /// Returns what is missing or wrong.
    pub fn parse(key: Option<&str>, next: Option<&str>) -> Result<Self, ConfigError> {
        let key = key.ok_or_else(|| {
            ConfigError::new(KEY, format!("not set; run `wrangler secret put {KEY} < key.json`"))
        })?;
        let first = ServiceAccountKey::parse(KEY, key)?;
        let Some(next) = next else { return Ok(Self { first, second: None }) };
        let second = ServiceAccountKey::parse(NEXT_KEY, next)?;
        // With a key of another project the proxy would look for its VMs there, and create them
        // there.
        if second.project_id != first.project_id {
            let (other, project) = (&second.project_id, &first.project_id);
            let problem = format!("is for project {other:?}, but {KEY} is for {project:?}");
            return Err(ConfigError::new(NEXT_KEY, problem));
        }
        Ok(Self { first, second: Some(second) })
    }

    /// Returns the key to use and the one to try when that is refused, in reverse order if
    /// `uses_second_key`.
    pub(super) fn in_order(&self, uses_second_key: bool) -> (&ServiceAccountKey, Option<&ServiceAccountKey>) {
        match &self.second {
            Some(second) if uses_second_key => (second, Some(&self.first)),
            second => (&self.first, second.as_ref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(project: &str) -> String {
        let pem = "-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----\\n";
        format!(r#"{{"project_id": "{project}", "client_email": "a@{project}", "private_key": "{pem}"}}"#)
    }

    #[test]
    fn the_next_key_is_optional_and_of_the_same_project() {
        let keys = Keys::parse(Some(&file("p")), None).unwrap();
        assert!(keys.second.is_none());
        assert_eq!(keys.in_order(true).0.secret, KEY);

        let keys = Keys::parse(Some(&file("p")), Some(&file("p"))).unwrap();
        assert!(!format!("{keys:?}").contains("MIIE"), "a private key is in the debug output");
        let in_order = |uses_second_key| {
            let (first, second) = keys.in_order(uses_second_key);
            (first.secret, second.unwrap().secret)
        };
        assert_eq!((in_order(false), in_order(true)), ((KEY, NEXT_KEY), (NEXT_KEY, KEY)));

        for (key, next, problem) in [
            (None, None, "GOOGLE_SERVICE_ACCOUNT_KEY: not set; run"),
            (None, Some(file("p")), "GOOGLE_SERVICE_ACCOUNT_KEY: not set; run"),
            (Some(file("p")), Some(String::new()), "GOOGLE_SERVICE_ACCOUNT_KEY_NEXT: empty; expected"),
            (
                Some(file("p")),
                Some(file("q")),
                "GOOGLE_SERVICE_ACCOUNT_KEY_NEXT: is for project \"q\", but GOOGLE_SERVICE_ACCOUNT_KEY is for \"p\"",
            ),
        ] {
            let error = Keys::parse(key.as_deref(), next.as_deref()).expect_err(problem).to_string();
            assert!(error.starts_with(problem), "{error}");
        }
    }
}
