//! The service account's key file, as `gcloud iam service-accounts keys create` writes it.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::AuthError;

/// The fields of a key file that are used. See <https://cloud.google.com/iam/docs/keys-create-delete>.
#[derive(Clone, Deserialize)]
pub struct ServiceAccountKey {
    /// The project that the account, and so the VM, belongs to.
    pub project_id: String,
    /// The account: the assertion's `iss`.
    pub client_email: String,
    /// The key's id: the assertion's `kid`.
    #[serde(default)]
    pub private_key_id: Option<String>,
    /// Where assertions are exchanged for tokens.
    #[serde(default = "default_token_uri")]
    pub token_uri: String,
    pub(super) private_key: String,
}

impl ServiceAccountKey {
    /// Reads a key file and checks that it is whole. The private key itself is only read when it signs.
    ///
    /// # Errors
    /// [`AuthError::Key`] that says what is missing or wrong; it never quotes the file.
    pub fn parse(json: &str) -> Result<Self, AuthError> {
        let wrong = |problem: String| Err(AuthError::Key(problem));
        if json.trim().is_empty() {
            return wrong("is empty: it must hold the service account's key file (JSON)".to_owned());
        }
        // The messages are our own: those of serde quote what they do not like.
        let Ok(file) = serde_json::from_str::<Value>(json) else {
            return wrong(
                "is not JSON: it must hold the service account's key file as downloaded".to_owned(),
            );
        };
        let Value::Object(fields) = &file else {
            return wrong("is JSON, but not a service account's key file, which is an object".to_owned());
        };
        for name in ["project_id", "client_email", "private_key", "private_key_id", "token_uri"] {
            let required = !matches!(name, "private_key_id" | "token_uri");
            match fields.get(name) {
                Some(Value::String(_)) => {}
                None if !required => {}
                None => {
                    let problem = format!("is not a service account's key file: `{name}` is missing");
                    return wrong(problem);
                }
                Some(_) => {
                    let problem = format!("is not a service account's key file: `{name}` is not a string");
                    return wrong(problem);
                }
            }
        }
        let Ok(key) = serde_json::from_value::<Self>(file) else {
            return wrong("is not a service account's key file".to_owned());
        };
        for (name, value) in [
            ("project_id", &key.project_id),
            ("client_email", &key.client_email),
            ("private_key", &key.private_key),
            ("token_uri", &key.token_uri),
        ] {
            if value.trim().is_empty() {
                return wrong(format!("is not a service account's key file: `{name}` is empty"));
            }
        }
        if !key.private_key.contains("PRIVATE KEY-----") {
            return wrong("has a `private_key` that is not in PEM".to_owned());
        }
        Ok(key)
    }
}

impl fmt::Debug for ServiceAccountKey {
    /// Without the private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccountKey")
            .field("project_id", &self.project_id)
            .field("client_email", &self.client_email)
            .finish_non_exhaustive()
    }
}

fn default_token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----\\n";

    #[test]
    fn a_key_file_is_read() {
        let json = format!(
            r#"{{"type": "service_account", "project_id": "p", "private_key_id": "k", "private_key": "{PEM}",
            "client_email": "a@p.iam.gserviceaccount.com", "client_id": "1"}}"#
        );
        let key = ServiceAccountKey::parse(&json).unwrap();
        assert_eq!(key.project_id, "p");
        assert_eq!(key.token_uri, "https://oauth2.googleapis.com/token");
        assert!(!format!("{key:?}").contains("MIIE"), "the private key shows in the debug output");
    }

    #[test]
    fn what_is_no_key_file_is_refused_with_the_reason() {
        for (json, reason) in [
            ("", "is empty"),
            ("not json", "is not JSON"),
            ("{\"project_id\": \"p\"", "is not JSON"),
            ("{}", "`project_id` is missing"),
            ("\"{\\\"private_key\\\": \\\"MIIE\\\"}\"", "is JSON, but not"),
            ("[\"MIIE\"]", "is JSON, but not"),
            (r#"{"project_id": "p", "client_email": "a"}"#, "`private_key` is missing"),
            (r#"{"project_id": "p", "client_email": "", "private_key": "x"}"#, "`client_email` is empty"),
            (r#"{"project_id": "p", "client_email": "a", "private_key": "x"}"#, "not in PEM"),
            (r#"{"project_id": 1}"#, "`project_id` is not a string"),
        ] {
            let error = ServiceAccountKey::parse(json).expect_err(reason).to_string();
            assert!(error.starts_with("GOOGLE_SERVICE_ACCOUNT_KEY ") && error.contains(reason), "{error}");
            assert!(!error.contains("MIIE"), "the file is quoted: {error}");
        }
    }
}
