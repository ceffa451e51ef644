//! What the object does for its lifecycle: calls, probes, answers, and the alarm that takes it up again.

use std::time::Duration;

use vmproxy::lifecycle::{Action, Outcome};
use vmproxy::time::Timestamp;

use crate::simulation::agenda::{About, Happening};
use crate::simulation::scenario::Fault;
use crate::simulation::world::World;

impl World {
    /// Does what the lifecycle asks for.
    pub(super) fn act(&mut self, action: Action, about: About) {
        let number = self.object.number();
        match action {
            Action::Call(id, what) => {
                self.witness_call(&what, about);
                let Some(memory) = &mut self.object.memory else { return };
                memory.calls.push((number, id));
                self.send_call(number, what, about);
            }
            Action::Probe(endpoint) => {
                self.witness_probe(endpoint);
                let Some(memory) = &mut self.object.memory else { return };
                memory.probes.push((number, endpoint.generation));
                let takes = self.random.between(Duration::from_millis(1), Duration::from_millis(80));
                self.plan_in(takes, Happening::ProbeArrives { probe: number, endpoint });
            }
            Action::CheckBusy(endpoint) => {
                self.witness_question();
                let Some(memory) = &mut self.object.memory else { return };
                memory.questions.push(number);
                let takes = self.random.between(Duration::from_millis(1), Duration::from_millis(80));
                self.plan_in(takes, Happening::Question { asking: number, endpoint });
            }
            Action::ReleaseDown(result) => {
                let Some(memory) = &mut self.object.memory else { return };
                for _ in std::mem::take(&mut memory.waiting_for_down) {
                    self.coverage
                        .count("waited for down", if result.is_ok() { "is down" } else { "refused" });
                }
            }
            Action::Release(outcome) => self.release(&outcome),
        }
    }

    fn release(&mut self, outcome: &Outcome) {
        self.witness_release(outcome);
        let Some(memory) = &mut self.object.memory else { return };
        for (_, request) in std::mem::take(&mut memory.waiting) {
            let takes = self.random.between(Duration::from_millis(1), Duration::from_millis(60));
            let lost = self.strikes(Fault::LostMessage);
            let outcome = outcome.clone();
            let told =
                if lost { Happening::Unanswered { request } } else { Happening::Told { request, outcome } };
            self.plan_in(takes, told);
        }
    }

    /// Sets timer and alarm for the next deadline.
    pub(super) fn schedule(&mut self) {
        let Some(memory) = &self.object.memory else { return };
        let Some(lifecycle) = &memory.lifecycle else { return };
        let (now, deadline, busy) = (self.now, lifecycle.deadline(), lifecycle.is_busy());
        let alarm = lifecycle.new_alarm(memory.alarm_at, now);
        if let (Some(deadline), true) = (deadline, busy) {
            let timer = self.object.number();
            let late = Duration::from_millis(self.random.below(5));
            self.plan_in(deadline.since(now) + late, Happening::Timer { timer });
            if let Some(memory) = &mut self.object.memory {
                memory.timer = Some(timer);
            }
        }
        if let Some(at) = alarm {
            if let Some(memory) = &mut self.object.memory {
                memory.alarm_at = Some(at);
            }
            self.set_alarm(at);
        }
    }

    pub(super) fn set_alarm(&mut self, at: Timestamp) {
        let alarm = self.object.number();
        self.object.alarm = Some((alarm, at));
        let longest = Duration::from_millis(if self.strikes(Fault::LateAlarm) { 30_000 } else { 200 });
        let late = self.random.between(Duration::ZERO, longest);
        let wait = at.since(self.now) + late;
        self.plan_in(wait, Happening::Alarm { alarm, duplicate: false });
        if self.strikes(Fault::DoubleAlarm) {
            let later = self.random.between(Duration::ZERO, Duration::from_secs(20));
            self.plan_in(wait + later, Happening::Alarm { alarm, duplicate: true });
        }
    }
}
