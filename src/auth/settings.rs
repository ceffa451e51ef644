//! The variables that configure how the Worker authenticates to Google.

use crate::config::ConfigError;

const DEFAULT_IAM_CREDENTIALS_ENDPOINT: &str = "https://iamcredentials.googleapis.com/v1";

/// The settings of the Worker's authentication to Google.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `true` if tokens that the key signs are sent to the API directly (`AUTH = "self_signed"`).
    pub self_signed: bool,
    /// The account whose token is used instead of one of the key's own account
    /// (`IMPERSONATE_SERVICE_ACCOUNT`).
    pub impersonation: Option<Impersonation>,
    /// The project whose quota the calls count against (`QUOTA_PROJECT`). `None` means the
    /// account's own.
    pub quota_project: Option<String>,
}

/// The service account that the Worker impersonates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impersonation {
    /// The account's email address.
    pub email: String,
    /// The base URL of the IAM Service Account Credentials API (`IAM_CREDENTIALS_ENDPOINT`).
    pub endpoint: String,
}

impl Settings {
    /// Reads the Worker's variables and checks them.
    ///
    /// # Errors
    /// Returns the first error.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let self_signed = match variable("AUTH").as_deref() {
            None | Some("token") => false,
            Some("self_signed") => true,
            Some(other) => {
                let problem = format!("{other:?} is not one of \"token\", \"self_signed\"");
                return Err(ConfigError::new("AUTH", problem));
            }
        };
        let email = variable("IMPERSONATE_SERVICE_ACCOUNT");
        if let Some(email) = email.as_ref().filter(|email| !email.contains('@') || !is_made_of(email, "@.-"))
        {
            let problem = format!(
                "{email:?} is not a service account such as \"starter@my-project.iam.gserviceaccount.com\""
            );
            return Err(ConfigError::new("IMPERSONATE_SERVICE_ACCOUNT", problem));
        }
        let impersonation = email.map(|email| {
            let endpoint = variable("IAM_CREDENTIALS_ENDPOINT");
            let endpoint = endpoint.unwrap_or_else(|| DEFAULT_IAM_CREDENTIALS_ENDPOINT.to_owned());
            Impersonation { email, endpoint }
        });
        let quota_project = variable("QUOTA_PROJECT");
        if let Some(project) = quota_project.as_ref().filter(|project| !is_made_of(project, "-.:")) {
            let problem = format!("{project:?} is not a project ID such as \"my-project\"");
            return Err(ConfigError::new("QUOTA_PROJECT", problem));
        }
        Ok(Self { self_signed, impersonation, quota_project })
    }
}

/// Returns whether the value consists of letters, digits and this `punctuation`: it is put into a
/// URL or a header unescaped.
fn is_made_of(value: &str, punctuation: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || punctuation.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        Settings::read(&|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_variables_the_key_is_exchanged_for_a_token() {
        assert_eq!(read(&[]), Ok(Settings::default()));
        assert_eq!(read(&[("AUTH", "token")]), Ok(Settings::default()));
    }

    #[test]
    fn every_variable_is_read() {
        let email = "starter@my-project.iam.gserviceaccount.com";
        let impersonating = |endpoint: &str| Settings {
            self_signed: true,
            impersonation: Some(Impersonation { email: email.to_owned(), endpoint: endpoint.to_owned() }),
            quota_project: Some("example.com:other-1".to_owned()),
        };
        let mut variables = vec![
            ("AUTH", "self_signed"),
            ("IMPERSONATE_SERVICE_ACCOUNT", email),
            ("QUOTA_PROJECT", "example.com:other-1"),
        ];
        assert_eq!(read(&variables), Ok(impersonating("https://iamcredentials.googleapis.com/v1")));
        variables.push(("IAM_CREDENTIALS_ENDPOINT", "http://127.0.0.1:8700/v1"));
        assert_eq!(read(&variables), Ok(impersonating("http://127.0.0.1:8700/v1")));
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_name() {
        for (name, value, reason) in [
            ("AUTH", "jwt", "\"jwt\" is not one of \"token\", \"self_signed\""),
            ("AUTH", "", "\"\" is not one of"),
            ("IMPERSONATE_SERVICE_ACCOUNT", "starter", "\"starter\" is not a service account"),
            ("IMPERSONATE_SERVICE_ACCOUNT", "a@b/../c", "is not a service account"),
            ("IMPERSONATE_SERVICE_ACCOUNT", "", "is not a service account"),
            ("QUOTA_PROJECT", "my project", "is not a project ID"),
            ("QUOTA_PROJECT", "a\r\nb: c", "is not a project ID"),
            ("QUOTA_PROJECT", "", "is not a project ID"),
        ] {
            let error = read(&[(name, value)]).expect_err(reason);
            assert_eq!(error.key, name);
            assert!(error.problem.contains(reason), "{error}");
        }
    }
}
