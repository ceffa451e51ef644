//! The executor of futures.
//!
//! A future resumes within the callback of the promise or timer that it waited for.
//! `wasm_bindgen_futures` queues a microtask for each step, and `queueMicrotask()` is expensive in
//! the Workers runtime: it took 7 % of a warm request.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};

use super::then::then;

/// Runs a future as a task, at once up to its first wait. Returns a promise for its output.
pub(crate) fn run(future: impl Future<Output = JsValue> + 'static) -> Promise {
    // Boxed once, here: the future is some kilobytes, which each wrapper would move.
    run_boxed(Box::pin(future))
}

/// Not generic: its code is needed once.
fn run_boxed(future: Pin<Box<dyn Future<Output = JsValue>>>) -> Promise {
    let mut future = Some(future);
    Promise::new(&mut |resolve, _| {
        let Some(future) = future.take() else { return };
        let future = async move {
            let value = future.await;
            // Resolving a promise does not fail.
            let _ = resolve.call1(&JsValue::UNDEFINED, &value);
        };
        EXECUTOR.with(|executor| {
            let slot = executor.add(Box::pin(future));
            executor.in_callback(|| executor.wake(slot));
        });
    })
}

/// Runs a future as a task beside the present code. In a Durable Object the task outlives the
/// request.
pub(crate) fn spawn(future: impl Future<Output = ()> + 'static) {
    EXECUTOR.with(|executor| {
        let slot = executor.add(Box::pin(future));
        executor.wake(slot);
    });
}

/// Returns the id of the running task. Outside of tasks, as in a Durable Object, each call returns
/// a new id.
pub(super) fn current() -> TaskId {
    EXECUTOR.with(|executor| match executor.current.get() {
        0 => executor.next_id(),
        id => id,
    })
}

/// Does the work of a callback of the runtime, then polls the tasks that the work woke.
pub(super) fn in_callback(work: impl FnOnce()) {
    EXECUTOR.with(|executor| executor.in_callback(work));
}

thread_local! {
    static EXECUTOR: Executor = Executor::new();
}

/// Identifies a task for as long as the isolate lives. Zero is no task.
pub(super) type TaskId = u32;

struct Executor {
    /// The tasks. The slot of one that has ended is reused.
    slots: RefCell<Vec<Option<Task>>>,
    free: RefCell<Vec<usize>>,
    /// The slots of the tasks to poll, in the order of their wakes.
    woken: RefCell<VecDeque<usize>>,
    is_running: Cell<bool>,
    /// The running task, or zero.
    current: Cell<TaskId>,
    last_id: Cell<TaskId>,
    /// Tasks that are woken outside of a callback are polled in a later one: the code that wakes
    /// may hold what they need.
    resolved: Promise,
    later: Function,
}

struct Task {
    id: TaskId,
    future: Pin<Box<dyn Future<Output = ()>>>,
    waker: Waker,
}

impl Executor {
    fn new() -> Self {
        let later = Closure::<dyn FnMut()>::new(|| in_callback(|| {}));
        Self {
            slots: RefCell::default(),
            free: RefCell::default(),
            woken: RefCell::default(),
            is_running: Cell::default(),
            current: Cell::default(),
            last_id: Cell::default(),
            resolved: Promise::resolve(&JsValue::UNDEFINED),
            later: later.into_js_value().unchecked_into(),
        }
    }

    fn add(&self, future: Pin<Box<dyn Future<Output = ()>>>) -> usize {
        let mut slots = self.slots.borrow_mut();
        let slot = self.free.borrow_mut().pop().unwrap_or(slots.len());
        let task = Some(Task { id: self.next_id(), future, waker: Waker::from(Arc::new(Slot(slot))) });
        match slots.get_mut(slot) {
            Some(free) => *free = task,
            None => slots.push(task),
        }
        slot
    }

    fn next_id(&self) -> TaskId {
        let id = self.last_id.get().wrapping_add(1).max(1);
        self.last_id.set(id);
        id
    }

    fn wake(&self, slot: usize) {
        let is_first = self.woken.borrow().is_empty();
        self.woken.borrow_mut().push_back(slot);
        if is_first && !self.is_running.get() {
            then(&self.resolved, &self.later, &self.later);
        }
    }

    fn in_callback(&self, work: impl FnOnce()) {
        let is_nested = self.is_running.replace(true);
        work();
        if is_nested {
            return;
        }
        loop {
            let next = self.woken.borrow_mut().pop_front();
            let Some(slot) = next else { break };
            self.poll(slot);
        }
        self.is_running.set(false);
    }

    fn poll(&self, slot: usize) {
        let task = self.slots.borrow_mut().get_mut(slot).and_then(Option::take);
        // The task may have ended since the wake.
        let Some(mut task) = task else { return };
        self.current.set(task.id);
        let polled = task.future.as_mut().poll(&mut Context::from_waker(&task.waker));
        self.current.set(0);
        if polled == Poll::Ready(()) {
            self.free.borrow_mut().push(slot);
        } else if let Some(free) = self.slots.borrow_mut().get_mut(slot) {
            *free = Some(task);
        }
    }
}

/// Wakes the task in a slot. A late wake may reach another task, which is then polled for nothing.
struct Slot(usize);

impl Wake for Slot {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        EXECUTOR.with(|executor| executor.wake(self.0));
    }
}
