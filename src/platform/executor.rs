//! Running futures.
//!
//! A future goes on in the very callback of the promise or timer that it waited for. `wasm_bindgen_futures` gives each
//! step a microtask of its own, and `queueMicrotask()` is dear in the Workers runtime: it took 7 % of a warm request.

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

/// Runs a future up to where it first has to wait, and on from there whenever it can. The promise is for what it gives.
pub(crate) fn run(future: impl Future<Output = JsValue> + 'static) -> Promise {
    // Boxed once, here: it is some kilobytes that would be moved with all that has it in it.
    let mut future = Some(Box::pin(future));
    Promise::new(&mut |resolve, _| {
        let Some(future) = future.take() else { return };
        let future = async move {
            let value = future.await;
            // To resolve a promise does not fail.
            let _ = resolve.call1(&JsValue::UNDEFINED, &value);
        };
        TASKS.with(|tasks| {
            let number = tasks.add(Box::pin(future));
            tasks.in_callback(|| tasks.wake(number));
        });
    })
}

/// Runs a future beside the present code. In a Durable Object it goes on when the request has been answered.
pub(crate) fn spawn(future: impl Future<Output = ()> + 'static) {
    TASKS.with(|tasks| {
        let number = tasks.add(Box::pin(future));
        tasks.wake(number);
    });
}

/// The name of the task that is going on. Outside of them, as in a Durable Object, each name is another.
pub(super) fn current() -> u32 {
    TASKS.with(|tasks| match tasks.current.get() {
        0 => tasks.name(),
        name => name,
    })
}

/// Does what a callback of the runtime is for, and lets those go on whom it wakes.
pub(super) fn in_callback(work: impl FnOnce()) {
    TASKS.with(|tasks| tasks.in_callback(work));
}

thread_local! {
    static TASKS: Tasks = Tasks::new();
}

struct Tasks {
    /// By their numbers; those that have ended leave their places to others.
    places: RefCell<Vec<Option<Task>>>,
    free: RefCell<Vec<usize>>,
    /// Those that can go on, in the order of their wakes.
    woken: RefCell<VecDeque<usize>>,
    is_running: Cell<bool>,
    /// The name of the task that is going on, or zero; and the last name that was given.
    current: Cell<u32>,
    last_name: Cell<u32>,
    /// Whoever is woken by other code, which may hold what they need, goes on after it.
    resolved: Promise,
    later: Function,
}

struct Task {
    /// No other one has it, as its place.
    name: u32,
    future: Pin<Box<dyn Future<Output = ()>>>,
    waker: Waker,
}

impl Tasks {
    fn new() -> Self {
        let later = Closure::<dyn FnMut()>::new(|| in_callback(|| {}));
        Self {
            places: RefCell::default(),
            free: RefCell::default(),
            woken: RefCell::default(),
            is_running: Cell::default(),
            current: Cell::default(),
            last_name: Cell::default(),
            resolved: Promise::resolve(&JsValue::UNDEFINED),
            later: later.into_js_value().unchecked_into(),
        }
    }

    fn add(&self, future: Pin<Box<dyn Future<Output = ()>>>) -> usize {
        let mut places = self.places.borrow_mut();
        let number = self.free.borrow_mut().pop().unwrap_or(places.len());
        let task = Some(Task { name: self.name(), future, waker: Waker::from(Arc::new(Number(number))) });
        match places.get_mut(number) {
            Some(place) => *place = task,
            None => places.push(task),
        }
        number
    }

    fn name(&self) -> u32 {
        let name = self.last_name.get().wrapping_add(1).max(1);
        self.last_name.set(name);
        name
    }

    fn wake(&self, number: usize) {
        let is_first = self.woken.borrow().is_empty();
        self.woken.borrow_mut().push_back(number);
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
            let Some(number) = next else { break };
            self.poll(number);
        }
        self.is_running.set(false);
    }

    fn poll(&self, number: usize) {
        let task = self.places.borrow_mut().get_mut(number).and_then(Option::take);
        // It may have ended since it was woken.
        let Some(mut task) = task else { return };
        self.current.set(task.name);
        let polled = task.future.as_mut().poll(&mut Context::from_waker(&task.waker));
        self.current.set(0);
        if polled == Poll::Ready(()) {
            self.free.borrow_mut().push(number);
        } else if let Some(place) = self.places.borrow_mut().get_mut(number) {
            *place = Some(task);
        }
    }
}

/// A task, for whoever wakes it. A wake that comes too late may meet another task, which looks and finds nothing new.
struct Number(usize);

impl Wake for Number {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        TASKS.with(|tasks| tasks.wake(self.0));
    }
}
