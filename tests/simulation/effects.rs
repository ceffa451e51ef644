//! The driver's outputs: storage, calls, probes, replies, timer and alarm. The object may be lost
//! between any two of them.

use std::time::Duration;

use vmproxy::driver::{Output, Reply, Ticket};
use vmproxy::lifecycle::{Event, Outcome};
use vmproxy::time::Timestamp;
use vmproxy::VmState;

use super::configuration;
use super::event_queue::{About, WorldEvent};
use super::host::Sent;
use super::scenario::Fault;
use super::world::World;

impl World {
    /// Carries out the outputs, and may lose the object between any two of them.
    pub fn carry_out(&mut self, outputs: Vec<Output>, event: &Event) {
        self.note(|| format!("driver: {event:?} -> {}", brief(&outputs)));
        let refuses = outputs
            .iter()
            .any(|output| matches!(output, Output::Reply { reply: Reply::Outcome(Outcome::Failed(_)), .. }));
        // The actions are the outputs between `Store` and `Publish`.
        let mut is_acting = false;
        for output in outputs {
            let loss = match output {
                Output::Store => {
                    if self.loses_object(Fault::LossBeforePersist) {
                        return;
                    }
                    self.store(event, refuses);
                    is_acting = true;
                    Some(Fault::LossBeforeActions)
                }
                Output::Publish => {
                    is_acting = false;
                    Some(Fault::LossBeforeAlarm)
                }
                Output::SetTimer(at) => {
                    self.set_timer(at);
                    None
                }
                Output::SetAlarm(at) => {
                    self.set_alarm(at);
                    None
                }
                Output::Reply { to, reply } => {
                    self.reply(to, &reply);
                    is_acting.then_some(Fault::LossAmongActions)
                }
                Output::Call { id, call, zone, .. } => {
                    let settings = self.known().settings;
                    let about =
                        About { zone: configuration::number(&zone), settings, token: self.present_token() };
                    let number = self.object.number();
                    self.observe_call(&call, about);
                    let Some(memory) = &mut self.object.memory else { return };
                    memory.calls.push((number, id));
                    self.send_call(number, call, about);
                    Some(Fault::LossAmongActions)
                }
                Output::Probe { endpoint, .. } => {
                    let number = self.object.number();
                    self.observe_probe(endpoint);
                    let Some(memory) = &mut self.object.memory else { return };
                    memory.probes.push((number, endpoint.generation));
                    let takes = self.random.between(Duration::from_millis(1), Duration::from_millis(80));
                    self.plan_in(takes, WorldEvent::ProbeArrives { probe: number, endpoint });
                    Some(Fault::LossAmongActions)
                }
                Output::CheckBusy { endpoint, .. } => {
                    let number = self.object.number();
                    self.observe_busy_check();
                    let Some(memory) = &mut self.object.memory else { return };
                    memory.busy_checks.push(number);
                    let takes = self.random.between(Duration::from_millis(1), Duration::from_millis(80));
                    self.plan_in(takes, WorldEvent::BusyCheckArrives { check: number, endpoint });
                    Some(Fault::LossAmongActions)
                }
                Output::Log(..) | Output::Show(..) => None,
            };
            if loss.is_some_and(|fault| self.loses_object(fault)) {
                return;
            }
        }
    }

    fn loses_object(&mut self, at: Fault) -> bool {
        let strikes = self.strikes(at);
        if strikes {
            self.lose_object();
        }
        strikes
    }

    fn store(&mut self, event: &Event, refuses: bool) {
        let Some(record) = self.object.memory.as_ref().and_then(|memory| memory.driver.record()) else {
            return;
        };
        let before = self.object.stored.replace(record.clone()).map(|before| before.lifecycle.vm_state());
        let initial = if self.object.unreadable { VmState::Failed } else { VmState::Absent };
        self.object.unreadable = false;
        if before.is_none() {
            self.coverage.transition(None, initial);
            self.coverage.state(initial);
        }
        // Registers a new token before anything is done with it.
        self.present_token();
        self.observe_transition(event, refuses, before.unwrap_or(initial));
    }

    /// Sends a reply of the object.
    fn reply(&mut self, to: Vec<Ticket>, reply: &Reply) {
        if let Reply::Outcome(outcome) = reply {
            self.observe_release(outcome);
        }
        for ticket in to {
            let Some(memory) = &mut self.object.memory else { return };
            match (memory.tickets.remove(&ticket), reply) {
                (Some(Sent::Wake { request: Some(request), .. }), Reply::Outcome(outcome)) => {
                    let takes = self.random.between(Duration::from_millis(1), Duration::from_millis(60));
                    let lost = self.strikes(Fault::LostMessage);
                    let outcome = outcome.clone();
                    let next = if lost {
                        WorldEvent::NoReply { request }
                    } else {
                        WorldEvent::Replied { request, outcome }
                    };
                    self.plan_in(takes, next);
                }
                (Some(Sent::TakeDown(_)), reply) => {
                    let how = if *reply == Reply::Done { "is down" } else { "refused" };
                    self.coverage.count("waited for down", how);
                }
                (Some(Sent::Touch { isolate }), Reply::Endpoint(endpoint)) => {
                    let takes = self.random.between(Duration::from_millis(1), Duration::from_millis(60));
                    self.plan_in(takes, WorldEvent::Reported { isolate, endpoint: *endpoint });
                }
                _ => {}
            }
        }
    }

    fn set_timer(&mut self, at: Timestamp) {
        let timer = self.object.number();
        let late = Duration::from_millis(self.random.below(5));
        self.plan_in(at.since(self.now) + late, WorldEvent::Timer { timer });
        if let Some(memory) = &mut self.object.memory {
            memory.timer = Some(timer);
        }
    }

    pub fn set_alarm(&mut self, at: Timestamp) {
        let alarm = self.object.number();
        self.object.alarm = Some((alarm, at));
        let longest = Duration::from_millis(if self.strikes(Fault::LateAlarm) { 30_000 } else { 200 });
        let late = self.random.between(Duration::ZERO, longest);
        let wait = at.since(self.now) + late;
        self.plan_in(wait, WorldEvent::Alarm { alarm, duplicate: false });
        if self.strikes(Fault::DoubleAlarm) {
            let later = self.random.between(Duration::ZERO, Duration::from_secs(20));
            self.plan_in(wait + later, WorldEvent::Alarm { alarm, duplicate: true });
        }
    }
}

/// Returns the outputs as a line of the trace, without the VM's configuration.
fn brief(outputs: &[Output]) -> String {
    let brief = outputs.iter().map(|output| match output {
        Output::Call { id, call, zone, .. } => format!("{call:?} as {id:?} in {zone}"),
        Output::Probe { endpoint, .. } => format!("Probe({endpoint:?})"),
        Output::CheckBusy { endpoint, .. } => format!("CheckBusy({endpoint:?})"),
        output => format!("{output:?}"),
    });
    brief.collect::<Vec<_>>().join(", ")
}
