//! The service account's key file, in the form that `gcloud iam service-accounts keys create`
//! writes.

use std::fmt;

use base64ct::{Base64, Encoding};
use serde_json::Value;

use crate::config::ConfigError;

const DEFAULT_TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// The fields of a key file that are used. See
/// <https://cloud.google.com/iam/docs/keys-create-delete>.
#[derive(Clone)]
pub struct ServiceAccountKey {
    /// The name of the Worker's secret that holds the key.
    pub secret: &'static str,
    /// The project that the account, and therefore the VM, belongs to.
    pub project_id: String,
    /// The account's email address: the `iss` of the JWTs that it signs.
    pub client_email: String,
    /// The key's ID: the `kid` of the JWTs that it signs.
    pub private_key_id: Option<String>,
    /// The URL at which assertions are exchanged for tokens.
    pub token_uri: String,
    pub(super) private_key: String,
}

impl ServiceAccountKey {
    /// Reads the key file that `secret` holds, as JSON or its base64, and checks that no field is
    /// missing. The private key itself is read only when it signs.
    ///
    /// # Errors
    /// Returns what is missing or wrong. The file is never quoted.
    pub fn parse(secret: &'static str, text: &str) -> Result<Self, ConfigError> {
        let wrong = |problem: &str| Err(ConfigError::new(secret, problem));
        if text.trim().is_empty() {
            return wrong("empty; expected the service account's key file (JSON)");
        }
        // serde's own messages are not used: they quote the input that they reject.
        let Some(file) = serde_json::from_str(text).ok().or_else(|| from_base64(text)) else {
            return wrong(
                "not valid JSON: expected the service account's key file as downloaded, or its base64",
            );
        };
        let Value::Object(_) = &file else {
            return wrong("not a service account's key file, which is a JSON object");
        };
        let field = |name: &str| match file.get(name) {
            Some(Value::String(value)) if !value.trim().is_empty() => Ok(Some(value.clone())),
            Some(Value::String(_)) => Err("is empty"),
            Some(_) => Err("is not a string"),
            None => Ok(None),
        };
        let no_key_file = |name: &str, problem: &str| {
            ConfigError::new(secret, format!("not a service account's key file: `{name}` {problem}"))
        };
        let optional = |name: &str| field(name).map_err(|problem| no_key_file(name, problem));
        let required = |name: &str| optional(name)?.ok_or_else(|| no_key_file(name, "is missing"));
        let key = Self {
            secret,
            project_id: required("project_id")?,
            client_email: required("client_email")?,
            private_key: required("private_key")?,
            private_key_id: optional("private_key_id")?,
            token_uri: optional("token_uri")?.unwrap_or_else(|| DEFAULT_TOKEN_URI.to_owned()),
        };
        if !key.private_key.contains("PRIVATE KEY-----") {
            return wrong("has a `private_key` that is not in PEM");
        }
        Ok(key)
    }

    /// Returns a configuration error of this key.
    pub(super) fn error(&self, problem: String) -> ConfigError {
        ConfigError::new(self.secret, problem)
    }
}

/// Decodes base64 that may be broken into lines.
fn from_base64(text: &str) -> Option<Value> {
    let text: String = text.split_ascii_whitespace().collect();
    serde_json::from_slice(&Base64::decode_vec(&text).ok()?).ok()
}

impl fmt::Debug for ServiceAccountKey {
    /// Leaves out the private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccountKey")
            .field("secret", &self.secret)
            .field("project_id", &self.project_id)
            .field("client_email", &self.client_email)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::KEY;

    const PEM: &str = "-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----\\n";

    #[test]
    fn a_key_file_is_read_as_it_is_and_in_base64() {
        let json = format!(
            r#"{{"type": "service_account", "project_id": "p", "private_key_id": "k", "private_key": "{PEM}",
            "client_email": "a@p.iam.gserviceaccount.com", "client_id": "1"}}"#
        );
        let one_line = Base64::encode_string(json.as_bytes());
        let lines: String = one_line
            .as_bytes()
            .chunks(76)
            .flat_map(|line| [line, b"\r\n"])
            .flatten()
            .map(|b| *b as char)
            .collect();
        for text in [json, one_line, lines] {
            let key = ServiceAccountKey::parse(KEY, &text).unwrap();
            assert_eq!(key.project_id, "p");
            assert_eq!(key.client_email, "a@p.iam.gserviceaccount.com");
            assert_eq!(key.private_key_id.as_deref(), Some("k"));
            assert_eq!(key.token_uri, "https://oauth2.googleapis.com/token");
            assert!(key.private_key.contains("MIIE"));
            assert!(!format!("{key:?}").contains("MIIE"), "the private key is in the debug output");
        }
    }

    #[test]
    fn what_is_no_key_file_is_refused_with_the_reason() {
        for (json, reason) in [
            ("", "empty; expected"),
            ("not json", "not valid JSON"),
            ("{\"project_id\": \"p\"", "not valid JSON"),
            ("TUlJRQ==", "not valid JSON"),
            ("W10=", "not a service account's key file"),
            ("{}", "`project_id` is missing"),
            ("\"{\\\"private_key\\\": \\\"MIIE\\\"}\"", "not a service account's key file"),
            ("[\"MIIE\"]", "not a service account's key file"),
            (r#"{"project_id": "p", "client_email": "a"}"#, "`private_key` is missing"),
            (r#"{"project_id": "p", "client_email": "", "private_key": "x"}"#, "`client_email` is empty"),
            (r#"{"project_id": "p", "client_email": "a", "private_key": "x"}"#, "not in PEM"),
            (r#"{"project_id": 1}"#, "`project_id` is not a string"),
            (
                r#"{"project_id": "p", "client_email": "a", "private_key": "x", "token_uri": 7}"#,
                "`token_uri` is not a string",
            ),
        ] {
            let error = ServiceAccountKey::parse(KEY, json).expect_err(reason).to_string();
            assert!(error.starts_with("GOOGLE_SERVICE_ACCOUNT_KEY: ") && error.contains(reason), "{error}");
            assert!(!error.contains("MIIE"), "the file is quoted: {error}");
        }
    }
}
