//! The rules for `wake`.

use super::ensure::{check, each, in_key, option, require, Rule};
use super::rules;
use crate::config::ConfigError;
use crate::vm::{AsleepResponse, WakePolicy};

/// Checks a `wake` table. The keys of errors are relative to it.
pub(super) fn check_wake(wake: &WakePolicy) -> Result<(), ConfigError> {
    let lists: [(&str, &[String], Rule); 5] = [
        ("methods", &wake.methods, rules::method),
        ("ignore_paths", &wake.ignore_paths, rules::path_pattern),
        ("ignore_user_agents", &wake.ignore_user_agents, rules::agent_pattern),
        ("countries", &wake.countries, rules::country),
        ("ignore_countries", &wake.ignore_countries, rules::country),
    ];
    for (key, texts, rule) in lists {
        each(key, texts, rule)?;
    }
    option("header", &wake.header, rules::header)?;
    option("secret", &wake.secret, rules::secret)?;
    require(wake.wakes_per_hour != Some(0), "wakes_per_hour", "must be at least 1")?;
    for (index, response) in wake.asleep_response.iter().enumerate() {
        in_key(&format!("asleep_response[{index}]"), check_response(response))?;
    }
    Ok(())
}

fn check_response(response: &AsleepResponse) -> Result<(), ConfigError> {
    option("path", &response.path, rules::path_pattern)?;
    option("user_agent", &response.user_agent, rules::agent_pattern)?;
    let status = response.status;
    check((200..600).contains(&status), "status", || format!("{status} is not a status from 200 to 599"))?;
    // https://fetch.spec.whatwg.org/#null-body-status
    let has_none = matches!(status, 204 | 205 | 304) && !response.body.is_empty();
    check(!has_none, "body", || format!("cannot be combined with status {status}, which has no body"))?;
    in_key("content_type", rules::media_type(&response.content_type))
}
