//! What is allowed of who may wake a VM.

use super::ensure::{at, check, need};
use super::{rule, ConfigError};
use crate::vm::{AsleepResponse, WakePolicy};

type Rule = fn(&str) -> Result<(), ConfigError>;

/// Checks who may wake a VM; keys are relative to that.
pub(super) fn check_wake(wake: &WakePolicy) -> Result<(), ConfigError> {
    let lists: [(&str, &[String], Rule); 5] = [
        ("methods", &wake.methods, rule::method),
        ("ignore_paths", &wake.ignore_paths, rule::path_pattern),
        ("ignore_user_agents", &wake.ignore_user_agents, rule::agent_pattern),
        ("countries", &wake.countries, rule::country),
        ("ignore_countries", &wake.ignore_countries, rule::country),
    ];
    for (key, texts, rule) in lists {
        for (index, text) in texts.iter().enumerate() {
            rule(text).map_err(|error| error.below(&format!("{key}[{index}]")))?;
        }
    }
    let texts: [(&str, &Option<String>, Rule); 2] =
        [("header", &wake.header, rule::header), ("secret", &wake.secret, rule::secret)];
    check_options(&texts)?;
    need(wake.wakes_per_hour != Some(0), "wakes_per_hour", "must be at least 1")?;
    for (index, response) in wake.asleep_response.iter().enumerate() {
        at(&format!("asleep_response[{index}]"), check_response(response))?;
    }
    Ok(())
}

fn check_response(response: &AsleepResponse) -> Result<(), ConfigError> {
    check_options(&[
        ("path", &response.path, rule::path_pattern),
        ("user_agent", &response.user_agent, rule::agent_pattern),
    ])?;
    let status = response.status;
    check((200..600).contains(&status), "status", || format!("{status} is not a status from 200 to 599"))?;
    // https://fetch.spec.whatwg.org/#null-body-status
    let has_none = matches!(status, 204 | 205 | 304) && !response.body.is_empty();
    check(!has_none, "body", || format!("cannot be with status {status}, which has none"))?;
    at("content_type", rule::media_type(&response.content_type))
}

fn check_options(options: &[(&str, &Option<String>, Rule)]) -> Result<(), ConfigError> {
    options
        .iter()
        .try_for_each(|(key, text, rule)| text.as_deref().map_or(Ok(()), |text| at(key, rule(text))))
}
