//! The check whether a request wakes its VM, and keeps it awake.

use worker::Env;

use super::context::RequestContext;
use crate::config::ConfigError;
use crate::platform::env::{secret, Secret};
use crate::vm::Vm;
use crate::wake::{blocked_by, client};

/// The check of one request against the rules of `wake`.
pub(super) struct WakeCheck<'a> {
    cx: &'a RequestContext<'a>,
    /// `true` if the request keeps its VM awake.
    pub is_activity: bool,
}

/// The result of a check.
pub(super) enum Verdict {
    /// The request wakes its VM. The client is set if its wakes are counted.
    Wakes { client: Option<String> },
    /// The request does not wake its VM, by this rule.
    Blocked(&'static str),
}

impl<'a> WakeCheck<'a> {
    /// Checks whether the request is activity. Where every request is, nothing of the request is
    /// read.
    ///
    /// # Errors
    /// As [`wake_secret`].
    pub fn new(cx: &'a RequestContext<'a>) -> Result<Self, ConfigError> {
        let check = Self { cx, is_activity: true };
        let is_activity = cx.vm.wake.counts_as_activity || check.blocked_by()?.is_none();
        Ok(Self { is_activity, ..check })
    }

    /// Checks whether the request wakes its VM.
    ///
    /// # Errors
    /// As [`wake_secret`].
    pub fn verdict(&self) -> Result<Verdict, ConfigError> {
        if let Some(rule) = self.blocked_by()? {
            return Ok(Verdict::Blocked(rule));
        }
        let is_counted = self.cx.vm.wake.wakes_per_hour.is_some();
        Ok(Verdict::Wakes { client: if is_counted { client(self.cx) } else { None } })
    }

    /// Returns the rule by which the request does not wake its VM; `None` means that it does.
    fn blocked_by(&self) -> Result<Option<&'static str>, ConfigError> {
        let secret = wake_secret(self.cx.vm, self.cx.env)?;
        Ok(blocked_by(&self.cx.vm.wake, secret.as_deref(), self.cx))
    }
}

/// Returns the secret that wakes a VM; `None` means that it needs none.
///
/// # Errors
/// The Worker has no such secret, or an empty one, which would admit everybody.
pub(super) fn wake_secret(vm: &Vm, env: &Env) -> Result<Option<String>, ConfigError> {
    let Some(name) = &vm.wake.secret else { return Ok(None) };
    match secret(env, name) {
        Some(Secret::Own(text)) if !text.is_empty() => Ok(Some(text)),
        _ => {
            let problem = format!("the Worker has no secret of its own named {name:?}");
            Err(ConfigError::new("wake.secret", problem))
        }
    }
}
