//! Timers.
//!
//! All that a task waits for at once is one timer of the runtime's, which cost a warm request more than what they are
//! for. They cannot be shared further: each belongs to the request that set it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use js_sys::Function;
use wasm_bindgen::prelude::{wasm_bindgen, Closure};
use wasm_bindgen::{JsCast, JsValue};

use super::clock::now;
use super::executor::{current, in_callback};
use crate::time::{millis, Timestamp};

/// Waits.
pub(crate) fn sleep(duration: Duration) -> Sleep {
    Sleep { duration, set: None }
}

/// The future of [`sleep`]; the time begins when it is first polled.
pub(crate) struct Sleep {
    duration: Duration,
    set: Option<Set>,
}

/// A place among those that a task waits for.
#[derive(Clone, Copy)]
struct Set {
    task: u32,
    number: u32,
}

#[wasm_bindgen]
extern "C" {
    /// Calls `callback` with `task`.
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, milliseconds: i32, task: u32) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(handle: &JsValue);
}

/// The timers that run. One callback serves them all: a closure each would be registered for finalization each.
struct Timers {
    callback: Function,
    clocks: RefCell<Vec<Clock>>,
    count: Cell<u32>,
}

/// What one task waits for.
struct Clock {
    task: u32,
    sleepers: Vec<Sleeper>,
    timer: Option<Timer>,
}

struct Sleeper {
    number: u32,
    until: Timestamp,
    waker: Waker,
}

/// The runtime's timer: not later than the first sleeper.
struct Timer {
    at: Timestamp,
    handle: JsValue,
}

thread_local! {
    static TIMERS: Timers = Timers::new();
}

impl Timers {
    fn new() -> Self {
        let callback = Closure::<dyn FnMut(u32)>::new(|task| {
            let due = TIMERS.with(|timers| timers.ring(task, now()));
            in_callback(|| due.into_iter().for_each(Waker::wake));
        });
        Self {
            callback: callback.into_js_value().unchecked_into(),
            clocks: RefCell::default(),
            count: Cell::default(),
        }
    }

    fn set(&self, duration: Duration, waker: Waker) -> Set {
        let set = Set { task: current(), number: self.count.get() };
        self.count.set(set.number.wrapping_add(1));
        let now = now();
        let until = now + duration;
        let sleeper = Sleeper { number: set.number, until, waker };
        let mut clocks = self.clocks.borrow_mut();
        if let Some(clock) = of_task(&mut clocks, set.task) {
            clock.sleepers.push(sleeper);
            self.wind(clock, now);
        } else {
            let mut clock = Clock { task: set.task, sleepers: vec![sleeper], timer: None };
            self.wind(&mut clock, now);
            clocks.push(clock);
        }
        set
    }

    /// The timer of a task has rung. Returns whom to wake.
    fn ring(&self, task: u32, now: Timestamp) -> Vec<Waker> {
        let mut clocks = self.clocks.borrow_mut();
        let Some(clock) = of_task(&mut clocks, task) else { return Vec::new() };
        // It has rung, whatever the time is said to be.
        let now = clock.timer.take().map_or(now, |timer| timer.at.max(now));
        let (due, rest) = clock.sleepers.drain(..).partition(|sleeper| sleeper.until <= now);
        clock.sleepers = rest;
        self.wind(clock, now);
        let due: Vec<Sleeper> = due;
        due.into_iter().map(|sleeper| sleeper.waker).collect()
    }

    /// Sees to it that the clock rings in time for the first sleeper.
    fn wind(&self, clock: &mut Clock, now: Timestamp) {
        let Some(at) = clock.sleepers.iter().map(|sleeper| sleeper.until).min() else { return };
        if clock.timer.as_ref().is_some_and(|timer| timer.at <= at) {
            return;
        }
        if let Some(later) = clock.timer.take() {
            clear_timeout(&later.handle);
        }
        // setTimeout takes a signed 32-bit number of milliseconds: 24 days.
        let milliseconds = i32::try_from(millis(at.since(now))).unwrap_or(i32::MAX);
        clock.timer = Some(Timer { at, handle: set_timeout(&self.callback, milliseconds, clock.task) });
    }

    /// Whether it is still waited for; then `waker` is woken.
    fn is_set(&self, set: Set, waker: &Waker) -> bool {
        let mut clocks = self.clocks.borrow_mut();
        let sleepers = of_task(&mut clocks, set.task).map(|clock| clock.sleepers.iter_mut());
        let sleeper = sleepers.and_then(|mut sleepers| sleepers.find(|sleeper| sleeper.number == set.number));
        sleeper.map(|sleeper| sleeper.waker.clone_from(waker)).is_some()
    }

    fn give_up(&self, set: Set) {
        let mut clocks = self.clocks.borrow_mut();
        let Some(clock) = of_task(&mut clocks, set.task) else { return };
        clock.sleepers.retain(|sleeper| sleeper.number != set.number);
        if !clock.sleepers.is_empty() {
            return;
        }
        if let Some(timer) = &clock.timer {
            clear_timeout(&timer.handle);
        }
        clocks.retain(|clock| clock.task != set.task);
    }
}

/// What a task waits for, if it waits.
fn of_task(clocks: &mut [Clock], task: u32) -> Option<&mut Clock> {
    clocks.iter_mut().find(|clock| clock.task == task)
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        TIMERS.with(|timers| match self.set {
            None => {
                self.set = Some(timers.set(self.duration, context.waker().clone()));
                Poll::Pending
            }
            Some(set) if timers.is_set(set, context.waker()) => Poll::Pending,
            Some(_) => Poll::Ready(()),
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(set) = self.set {
            TIMERS.with(|timers| timers.give_up(set));
        }
    }
}
