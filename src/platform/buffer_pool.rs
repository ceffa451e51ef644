//! JavaScript buffers that streams are read into, reused.
//!
//! The runtime clears a new buffer, and the garbage collector frees it late: thousands of requests
//! a second go through so much memory that none of it is ever in a CPU's cache.

use std::cell::RefCell;

use js_sys::{ArrayBuffer, Uint8Array};

/// Buffers of one size.
pub(crate) struct BufferPool {
    size: u32,
    /// The number of idle buffers to keep.
    most: usize,
    idle: RefCell<Vec<ArrayBuffer>>,
}

impl BufferPool {
    /// Creates a pool of buffers of `size` bytes, which keeps at most `most` idle ones.
    pub const fn new(size: u32, most: usize) -> Self {
        Self { size, most, idle: RefCell::new(Vec::new()) }
    }

    /// Returns a buffer. Its content is arbitrary.
    pub fn acquire(&self) -> Uint8Array {
        match self.idle.borrow_mut().pop() {
            Some(idle) => Uint8Array::new(&idle),
            None => Uint8Array::new_with_length(self.size),
        }
    }

    /// Takes back the buffer that `part` is a view of. No other view of it may be used afterwards.
    pub fn release(&self, part: &Uint8Array) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.most {
            idle.push(part.buffer());
        }
    }
}
