//! A VM that serves: how long it stays up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Action, FailureKind};
use super::state::State;
use super::Lifecycle;
use crate::time::Timestamp;
use crate::vm::Endpoint;

/// How long a VM may take to say whether it is busy. After that it is taken for idle.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// A VM that serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Up {
    /// Where.
    pub endpoint: Endpoint,
    /// When the VM last said that it is busy. It is asked again after the idle time.
    busy_at: Option<Timestamp>,
    /// When it was last looked at because nobody asked for it.
    #[serde(default)]
    pub(super) looked_at: Option<Timestamp>,
    /// Since when it has been asked whether it is busy. A lost object has not asked.
    #[serde(skip)]
    asked_at: Option<Timestamp>,
}

impl Up {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, busy_at: None, looked_at: None, asked_at: None }
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked_at.is_some()
    }
}

impl Lifecycle {
    /// When the running VM goes down, or is asked whether it is busy, if nobody asks for it before; `None` if it
    /// is not running, or never goes down.
    pub fn idle_deadline(&self) -> Option<Timestamp> {
        let (State::Running(up), Some((idle_timeout, _))) = (&self.state, self.policy.on_idle) else {
            return None;
        };
        let last_activity = self.last_activity.unwrap_or(self.since);
        let used_at = up.busy_at.map_or(last_activity, |busy_at| busy_at.max(last_activity));
        self.awake_until().max(Some(used_at + idle_timeout))
    }

    pub(super) fn running_deadline(&self, up: &Up) -> Option<Timestamp> {
        let idle_at = match up.asked_at {
            Some(asked_at) => Some(asked_at + ASK_TIMEOUT),
            None => self.idle_deadline(),
        };
        let look_at = self.look_at(up);
        idle_at.into_iter().chain(look_at).chain(self.usage.check_at(&self.policy.limits)).min()
    }

    pub(super) fn drive_running(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        self.end_if_used_up(now);
        let idle = self.idle_deadline().is_some_and(|deadline| now >= deadline);
        let State::Running(up) = &mut self.state else { return };
        match up.asked_at {
            Some(asked_at) if now >= asked_at + ASK_TIMEOUT => self.is_idle(now),
            Some(_) => {}
            None if !idle => {}
            None => {
                let last_activity = self.last_activity.unwrap_or(self.since);
                match self.policy.busy_limit {
                    Some(limit) if now < last_activity + limit => {
                        up.asked_at = Some(now);
                        actions.push(Action::AskIfBusy(up.endpoint));
                    }
                    _ => self.is_idle(now),
                }
            }
        }
    }

    /// Brings the VM down if it has run this month for as long as it may.
    pub(super) fn end_if_used_up(&mut self, now: Timestamp) {
        let State::Running(_) = self.state else { return };
        if let Some(over) = self.usage.over(&self.policy.limits, true, now) {
            self.remember(FailureKind::OverLimit, over.reason, now);
            self.begin_sleep(self.policy.way_down(), now);
        }
    }

    /// The VM has said whether it is busy.
    pub(super) fn asked(&mut self, generation: u64, busy: bool, now: Timestamp) {
        let State::Running(up) = &mut self.state else { return };
        if up.asked_at.take().is_none() || up.endpoint.generation != generation {
            return;
        }
        if busy {
            up.busy_at = Some(now);
        } else {
            self.is_idle(now);
        }
    }

    /// Brings the VM down, unless somebody has asked for it while it was asked whether it is busy.
    fn is_idle(&mut self, now: Timestamp) {
        let idle = self.idle_deadline().is_some_and(|deadline| now >= deadline);
        let State::Running(up) = &mut self.state else { return };
        up.asked_at = None;
        if let (true, Some((_, mutation))) = (idle, self.policy.on_idle) {
            self.begin_sleep(mutation, now);
        }
    }
}
