//! The lifecycle of one VM as a pure state machine, without clock, I/O or platform types.
//!
//! [`Lifecycle::handle`] takes an event and the time, and returns the actions to carry out.
//! [`Lifecycle::deadline`] returns the time of the next call with [`Event::Timer`] if no other
//! event occurs before. The caller stores the lifecycle after each event and before the actions, so
//! it may be lost at any time: after [`Lifecycle::prepare`] with a seed it repeats the calls that
//! were in progress with the same request ids, which makes them idempotent.
//!
//! Each state has its own file, with its reactions (`on_*`). A reaction returns the next state
//! (`Next`), and only `transition` assigns it.
//!
//! | file | the VM | next states |
//! |---|---|---|
//! | `down.rs` | does not exist, or is stopped or suspended | starting, stopping |
//! | `starting/` | is created, started or resumed, and probed | running, failed, stopping |
//! | `running.rs` | is ready and serves requests | starting, stopping |
//! | `stopping.rs` | is being stopped, suspended or deleted | down, starting |
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
pub use alarm::NextCall;
pub use event::{Event, ProbeResult};
pub use failure::{Failure, FailureKind};
pub use limits::Limits;
pub use policy::Policy;
pub use progress::{Phase, Progress};
pub use status::View;
pub use timers::Timer;

use crate::schedule::Plan;
use crate::time::Timestamp;
use crate::vm::VmState;
use context::{Context, EndedCall};
use down_kind::DownKind;
use failed::Failed;
use keep_awake::ScheduleState;
use limits::ClientHash;
use next::Next;
use running::Running;
use starting::Starting;
use state::State;
use stopping::Stopping;
use zone_search::ZoneSearch;

/// The lifecycle of one VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lifecycle {
    state: State,
    context: Context,
}

impl Lifecycle {
    /// Creates the lifecycle of a new VM, which is absent. `identity` is a random number.
    pub fn new(identity: u64, policy: Policy, now: Timestamp) -> Self {
        let context = Context::new(identity, policy, ZoneSearch::default(), now);
        Self { state: State::Down(DownKind::Absent), context }
    }

    /// Creates the lifecycle of a VM whose history has been lost. The VM may be in any state and in
    /// any of its zones, and must not be left running forever.
    pub fn recovered(identity: u64, policy: Policy, now: Timestamp) -> Self {
        let state = State::Failed(Failed { may_run_since: Some(now), unresolved: None });
        let search = ZoneSearch::through(&policy.zones);
        Self { state, context: Context::new(identity, policy, search, now) }
    }

    /// Completes a lifecycle that was read from storage with the policy of the configuration that
    /// was stored with it.
    #[must_use]
    pub fn restored(mut self, policy: Policy) -> Self {
        self.context.policy = policy;
        self
    }

    /// Applies a changed configuration. A start that failed with the old configuration may be
    /// retried at once, and an instance in a zone that is no longer configured is stopped.
    pub fn configure(&mut self, policy: Policy, now: Timestamp) {
        let before = self.state.vm_state();
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
            // The VM is already going down.
            State::Stopping(_) => Next::Stay,
        };
        self.transition(next);
        self.record_state_change(before);
    }

    /// Discards the plan of a schedule that is no longer configured.
    pub fn forget_plan(&mut self) {
        self.context.schedule = ScheduleState::default();
    }

    /// Takes in what precedes the next event: a new plan of the schedule, if one is due, and the
    /// seed, if the lifecycle has just been loaded. The caller passes the event immediately
    /// afterwards, and [`handle`](Self::handle) returns the actions for all of it: the event may be
    /// the request that keeps the VM up.
    pub fn prepare(&mut self, plan: Option<Plan>, seed: Option<Seed>, now: Timestamp) {
        if let Some(plan) = plan {
            self.set_plan(plan, now);
        }
        if let Some(seed) = seed {
            self.context.now = now;
            self.on_loaded(seed);
        }
    }

    /// Handles an event that occurred at `now`. Returns the actions to carry out, in this order.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Action> {
        let before = self.state.vm_state();
        self.context.now = now;
        self.context.usage.roll_over_month(now);
        self.react(event);
        self.run_timers();
        self.record_state_change(before);
        std::mem::take(&mut self.context.actions)
    }

    fn set_plan(&mut self, plan: Plan, now: Timestamp) {
        let before = self.state.vm_state();
        self.context.now = now;
        self.start_if_wake_due();
        self.context.schedule.set_plan(plan);
        self.record_state_change(before);
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
                (State::Starting(starting), Some(EndedCall::State)) => {
                    starting.on_response(result, token_took, cx)
                }
                (State::Starting(starting), Some(EndedCall::Look)) => starting.on_early_look(result, cx),
                (State::Running(running), Some(EndedCall::Look)) => running.on_look(result, cx),
                (State::Stopping(stopping), Some(EndedCall::State)) => stopping.on_response(result, cx),
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
            Event::Timer => Next::Stay,
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

    /// Forgets the calls and probes that were in progress: the object that made them was lost.
    fn on_loaded(&mut self, seed: Seed) {
        let Self { state, context: cx } = self;
        cx.seed = Some(seed);
        cx.forget_calls();
        if let State::Starting(starting) = state {
            starting.on_loaded(cx);
        }
    }

    /// Runs the timers that are due: calls, probes and timeouts.
    fn run_timers(&mut self) {
        self.follow_schedule();
        // The next state may have due timers too: after a startup timeout, the VM may have to go
        // down at once.
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

    /// Starts the VM if a scheduled start is due, or if a window is open and the VM is not up.
    fn follow_schedule(&mut self) {
        self.start_if_wake_due();
        let cx = &mut self.context;
        cx.schedule.end_window(cx.now);
        let is_due = cx.scheduled_start_at().is_some_and(|at| cx.now >= at);
        if let (State::Down(_) | State::Failed(_), true) = (&self.state, is_due) {
            self.start_scheduled();
        }
    }

    fn start_if_wake_due(&mut self) {
        if self.context.schedule.take_wake(self.context.now) {
            self.start_scheduled();
        }
    }

    /// Starts the VM as a request does, but without a request that waits for it.
    fn start_scheduled(&mut self) {
        if let State::Running(_) = self.state {
            self.context.last_activity = Some(self.context.now);
            self.context.schedule.clear_override();
        } else {
            self.wake(None, false, None);
        }
    }

    /// Assigns the next state.
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
        // The calls in progress belong to the previous state.
        cx.forget_calls();
        self.state = to;
    }

    /// Records the time at which the visible state changed from `before`.
    fn record_state_change(&mut self, before: VmState) {
        if self.state.vm_state() != before {
            self.context.since = self.context.now;
        }
    }
}
