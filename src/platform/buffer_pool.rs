//! Memory of the runtime's that streams are read into, used again.
//!
//! New memory is cleared, and stays until the garbage collector comes round to it: thousands of requests a second go
//! through so much of it that none is ever in a CPU's cache.

use std::cell::RefCell;

use js_sys::{ArrayBuffer, Uint8Array};

/// Pieces of memory of one size.
pub(crate) struct Memory {
    size: u32,
    /// How many are kept.
    most: usize,
    idle: RefCell<Vec<ArrayBuffer>>,
}

impl Memory {
    /// Pieces of `size` bytes, of which `most` at most are kept while nobody uses them.
    pub const fn new(size: u32, most: usize) -> Self {
        Self { size, most, idle: RefCell::new(Vec::new()) }
    }

    /// A piece, with anything in it.
    pub fn take(&self) -> Uint8Array {
        match self.idle.borrow_mut().pop() {
            Some(idle) => Uint8Array::new(&idle),
            None => Uint8Array::new_with_length(self.size),
        }
    }

    /// Takes back the piece that `part` is of. Nobody may look at it any more.
    pub fn give_back(&self, part: &Uint8Array) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.most {
            idle.push(part.buffer());
        }
    }
}
