//! The keys that the Worker holds: one, or two while one takes the other's place.

use super::ServiceAccountKey;
use crate::config::ConfigError;

/// The secret that holds the service account's key.
pub const KEY: &str = "GOOGLE_SERVICE_ACCOUNT_KEY";

/// The secret that may hold the key that comes after it.
pub const NEXT_KEY: &str = "GOOGLE_SERVICE_ACCOUNT_KEY_NEXT";

/// The service account's keys.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The one that is in use.
    pub first: ServiceAccountKey,
    /// The one that is tried when the first is refused.
    pub second: Option<ServiceAccountKey>,
}

impl Keys {
    /// Reads what the secrets hold.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn parse(key: Option<&str>, next: Option<&str>) -> Result<Self, ConfigError> {
        let key = key.ok_or_else(|| {
            ConfigError::new(KEY, format!("not set; run `wrangler secret put {KEY} < key.json`"))
        })?;
        let first = ServiceAccountKey::parse(KEY, key)?;
        let Some(next) = next else { return Ok(Self { first, second: None }) };
        let second = ServiceAccountKey::parse(NEXT_KEY, next)?;
        // With the other key the proxy would look for its VMs in the other project, and create them there.
        if second.project_id != first.project_id {
            let (other, project) = (&second.project_id, &first.project_id);
            let problem = format!("is for project {other:?}, but {KEY} is for {project:?}");
            return Err(ConfigError::new(NEXT_KEY, problem));
        }
        Ok(Self { first, second: Some(second) })
    }

    /// The key to use, and the one to try when that is refused; the other way round if `swapped`.
    pub(super) fn in_order(&self, swapped: bool) -> (&ServiceAccountKey, Option<&ServiceAccountKey>) {
        match &self.second {
            Some(second) if swapped => (second, Some(&self.first)),
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
        assert!(!format!("{keys:?}").contains("MIIE"), "a private key shows in the debug output");
        let in_order = |swapped| {
            let (first, second) = keys.in_order(swapped);
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
