//! The life of one VM as a pure state machine: no clock, no I/O, nothing of the platform.
//!
//! [`Lifecycle::handle`] takes an event and the time and returns what has to be done; [`Lifecycle::deadline`]
//! says when to call again with [`Event::Timer`] if nothing else happens. Whoever drives it persists it after
//! each event and before the actions, so that it can be lost at any moment: after [`Event::Loaded`] it asks
//! again for whatever was under way, with the same request id, which makes the call idempotent.
//!
//! Each state has a file of its own, with its reactions (`on_*`). A reaction returns where the state leads
//! (`Next`), and `transition` alone takes the VM there.
//!
//! | state | the VM | leads to |
//! |---|---|---|
//! | `down.rs` | does not exist, or is stopped or suspended | starting, stopping |
//! | `starting/` | is looked at, created, started or resumed, and probed | running, failed, stopping |
//! | `running.rs` | serves | starting, stopping |
//! | `stopping.rs` | is stopped, suspended or deleted | down, starting |
//! | `failed.rs` | is not ready, and may be running | starting, stopping, down |

mod action;
mod alarm;
mod backoff;
mod context;
mod down;
mod down_kind;
mod event;
mod failed;
mod failure;
mod keep_awake;
mod limits;
mod next;
mod policy;
mod progress;
mod running;
mod starting;
mod state;
mod status;
mod stopping;
#[cfg(test)]
pub(crate) mod tests;
mod timers;
mod zone_search;

use serde::{Deserialize, Serialize};

pub use crate::vm::{Endpoint, ReadyToken, Seed};
pub use action::{Action, CallId, Outcome};
pub use event::{Event, ProbeResult};
pub use failure::{Failure, FailureKind};
pub use limits::Limits;
pub use policy::Policy;
pub use progress::{Phase, Progress};
pub use timers::Timer;

use crate::schedule::Plan;
use crate::time::Timestamp;
use crate::vm::VmState;
use context::{Context, Ended};
use down_kind::DownKind;
use failed::Failed;
use keep_awake::ScheduleState;
use limits::ClientHash;
use next::Next;
use running::Running;
use starting::Starting;
use state::State;
use stopping::Stopping;
use timers::Deadlines;
use zone_search::ZoneSearch;

/// The life of one VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lifecycle {
    state: State,
    context: Context,
}

impl Lifecycle {
    /// A VM of which nothing is known yet. `identity` is a random number.
    pub fn new(identity: u64, policy: Policy, now: Timestamp) -> Self {
        let context = Context::new(identity, policy, ZoneSearch::default(), now);
        Self { state: State::Down(DownKind::Absent), context }
    }

    /// A VM whose history has been lost: it may be in any state and any of its zones, and must not be left running for
    /// ever.
    pub fn recovered(identity: u64, policy: Policy, now: Timestamp) -> Self {
        let state = State::Failed(Failed { may_run_since: Some(now), unresolved: None });
        let search = ZoneSearch::through(&policy.zones);
        Self { state, context: Context::new(identity, policy, search, now) }
    }

    /// The machine as it was read from storage, with the policy of the configuration that was stored beside it.
    #[must_use]
    pub fn restored(mut self, policy: Policy) -> Self {
        self.context.policy = policy;
        self
    }

    /// Follows a changed configuration. What failed with the old one may be tried at once with the new, and an
    /// instance in a zone that is not among the configured ones any more is stopped.
    pub fn configure(&mut self, policy: Policy, now: Timestamp) {
        let shown = self.vm_state();
        let Self { state, context: cx } = self;
        cx.now = now;
        cx.policy = policy;
        cx.cannot_suspend = false;
        if let Some(last) = &mut cx.last_failure {
            last.failure.retry_at = now;
        }
        cx.schedule.try_at = now;
        let next = match state {
            State::Starting(starting) if !cx.is_in_removed_zone() => starting.on_zone_kept(),
            _ if !cx.is_in_removed_zone() => Next::Stay,
            State::Down(_) => Next::Down(cx.settle_down(DownKind::Absent)),
            State::Starting(starting) => starting.on_zone_removed(),
            State::Running(running) => running.on_zone_removed(),
            State::Failed(failed) => failed.on_zone_removed(cx),
            // It is on its way down already.
            State::Stopping(_) => Next::Stay,
        };
        self.transition(next);
        self.note_change(shown);
    }

    /// The schedule is another one. What was planned by the old one is off.
    pub fn forget_plan(&mut self) {
        self.context.schedule = ScheduleState::default();
    }

    /// Takes what the schedule means now. The event for which the plan was made follows at once, and with its actions come
    /// those of the plan: it may be the very request that keeps the VM up.
    pub fn set_plan(&mut self, plan: Plan, now: Timestamp) {
        let shown = self.vm_state();
        self.context.now = now;
        self.start_if_called();
        self.context.schedule.set_plan(plan);
        self.note_change(shown);
    }

    /// Takes an event that happened at `now` and returns what has to be done, in this order.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Action> {
        let shown = self.vm_state();
        self.context.now = now;
        if let Event::Loaded { seed } = event {
            // Nothing is done yet: it may have been loaded by the very request that keeps the VM up.
            self.on_loaded(seed);
        } else {
            self.context.usage.roll_over_month(now);
            self.react(event);
            self.run_timers();
            self.note_change(shown);
        }
        std::mem::take(&mut self.context.actions)
    }

    /// When [`Event::Timer`] is due if nothing else happens before.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.next_timer().map(|(_, at)| at)
    }

    /// What is due next if nothing else happens before, and when.
    pub fn next_timer(&self) -> Option<(Timer, Timestamp)> {
        let Self { state, context: cx } = self;
        let mut deadlines = Deadlines::default();
        match state {
            State::Down(kind) => kind.deadlines(cx, &mut deadlines),
            State::Starting(starting) => starting.deadlines(cx, &mut deadlines),
            State::Running(running) => running.deadlines(cx, &mut deadlines),
            State::Stopping(stopping) => stopping.deadlines(cx, &mut deadlines),
            State::Failed(failed) => failed.deadlines(cx, &mut deadlines),
        }
        deadlines.set(Timer::ScheduleStart, cx.schedule.wake_at());
        deadlines.next()
    }

    fn react(&mut self, event: Event) {
        let Self { state, context: cx } = self;
        let next = match event {
            Event::Wake { unreachable, force, client } => return self.wake(unreachable, force, client),
            Event::Touch => {
                cx.last_activity = Some(cx.now);
                Next::Stay
            }
            Event::TakeDown(take_down) => {
                cx.schedule.override_schedule(cx.now);
                match state {
                    State::Down(kind) => kind.on_take_down(take_down),
                    State::Starting(starting) => starting.on_take_down(take_down, cx),
                    State::Running(running) => running.on_take_down(take_down),
                    State::Stopping(stopping) => stopping.on_take_down(take_down, cx),
                    State::Failed(failed) => failed.on_take_down(take_down),
                }
            }
            Event::Responded { call, result, token_took } => match (state, cx.end_call(call)) {
                (State::Starting(starting), Some(Ended::Call)) => {
                    starting.on_response(result, token_took, cx)
                }
                (State::Starting(starting), Some(Ended::Look)) => starting.on_early_look(result, cx),
                (State::Running(running), Some(Ended::Look)) => running.on_look(result, cx),
                (State::Stopping(stopping), Some(Ended::Call)) => stopping.on_response(result, cx),
                _ => Next::Stay,
            },
            Event::Probed { generation, result } => match state {
                State::Starting(starting) => starting.on_probed(generation, result, cx),
                _ => Next::Stay,
            },
            Event::BusyChecked { generation, busy } => match state {
                State::Running(running) => running.on_busy_checked(generation, busy, cx),
                _ => Next::Stay,
            },
            Event::ReadyPushed { token } => match state {
                State::Starting(starting) => starting.on_ready_pushed(&token, cx),
                _ => Next::Stay,
            },
            Event::Loaded { .. } | Event::Timer => Next::Stay,
        };
        self.transition(next);
    }

    fn wake(&mut self, unreachable: Option<u64>, force: bool, client: Option<String>) {
        let cx = &mut self.context;
        let client = client.map(|client| ClientHash::new(cx.identity, &client));
        cx.last_activity = Some(cx.now);
        cx.schedule.clear_override();
        if force {
            cx.last_failure = None;
        }
        if let State::Running(running) = &self.state {
            let next = running.stop_when_exhausted(cx);
            self.transition(next);
        }
        let Self { state, context: cx } = self;
        let next = match state {
            State::Down(kind) => kind.on_wake(force, client, cx),
            State::Starting(starting) => starting.on_wake(cx),
            State::Running(running) => running.on_wake(unreachable, cx),
            State::Stopping(stopping) => stopping.on_wake(force, client, cx),
            State::Failed(failed) => failed.on_wake(force, client, cx),
        };
        self.transition(next);
    }

    /// The object has been lost, and all that was under way with it.
    fn on_loaded(&mut self, seed: Seed) {
        let Self { state, context: cx } = self;
        cx.seed = Some(seed);
        cx.forget_calls();
        if let State::Starting(starting) = state {
            starting.on_loaded(cx);
        }
    }

    /// Does what is due: calls, probes, and giving up.
    fn run_timers(&mut self) {
        self.follow_schedule();
        // A start that is given up may have to go down at once.
        loop {
            let Self { state, context: cx } = self;
            let next = match state {
                State::Down(kind) => kind.on_timers(cx),
                State::Starting(starting) => starting.on_timers(cx),
                State::Running(running) => running.on_timers(cx),
                State::Stopping(stopping) => stopping.on_timers(cx),
                State::Failed(failed) => failed.on_timers(cx),
            };
            if let Next::Stay = next {
                return;
            }
            self.transition(next);
        }
    }

    /// Starts the VM if its time has come, or if it is to be awake and is not.
    fn follow_schedule(&mut self) {
        self.start_if_called();
        let cx = &mut self.context;
        cx.schedule.end_window(cx.now);
        let is_due = cx.scheduled_start_at().is_some_and(|at| cx.now >= at);
        if let (State::Down(_) | State::Failed(_), true) = (&self.state, is_due) {
            self.start_scheduled();
        }
    }

    fn start_if_called(&mut self) {
        if self.context.schedule.take_wake(self.context.now) {
            self.start_scheduled();
        }
    }

    /// As a request does; but none waits for it.
    fn start_scheduled(&mut self) {
        if let State::Running(_) = self.state {
            self.context.last_activity = Some(self.context.now);
            self.context.schedule.clear_override();
        } else {
            self.wake(None, false, None);
        }
    }

    /// Takes the VM where its state leads.
    fn transition(&mut self, next: Next) {
        let cx = &mut self.context;
        let to = match next {
            Next::Stay => return,
            Next::Start(begin) => State::Starting(Starting::new(begin, cx)),
            Next::Run(endpoint) => State::Running(Running::new(endpoint)),
            Next::Stop(stop) => State::Stopping(Stopping::new(stop, cx)),
            Next::Fail { may_run_since, unresolved } => State::Failed(Failed { may_run_since, unresolved }),
            Next::Down(kind) => State::Down(kind),
        };
        // What was under way was for the state that is left.
        cx.forget_calls();
        self.state = to;
    }

    /// Notes since when the VM shows what it shows.
    fn note_change(&mut self, shown: VmState) {
        if self.vm_state() != shown {
            self.context.since = self.context.now;
        }
    }
}
