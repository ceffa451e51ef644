//! The buffer that a response's body is read into.
//!
//! Each piece takes the runtime 50 µs, however large it is, and a buffer should not be cleared and
//! paged in for nothing. So after a piece that filled its buffer the next buffer is twice as large,
//! and a piece that filled only a part of it is copied, and the buffer reused.

use std::cell::Cell;

use js_sys::Uint8Array;

/// The size of a body's first buffer.
const SMALLEST: u32 = 64 * 1024;

/// The largest buffer. A larger one saves no time.
const LARGEST: u32 = 2 * 1024 * 1024;

/// The memory that all bodies on their way through this isolate share, which has 128 MiB for
/// everything (<https://developers.cloudflare.com/workers/platform/limits/#memory>). While a piece
/// is sent, the runtime has copies of it.
const SHARED: u32 = 16 * 1024 * 1024;

thread_local! {
    static BODIES: Cell<u32> = const { Cell::new(0) };
}

/// The buffer of one body, which adapts its size.
pub(super) struct ReadBuffer {
    size: u32,
    reusable: Option<Uint8Array>,
}

impl ReadBuffer {
    pub fn new() -> Self {
        BODIES.set(BODIES.get() + 1);
        Self { size: SMALLEST, reusable: None }
    }

    /// Returns the buffer for the next piece, which is at most `limit` bytes long.
    pub fn next(&mut self, limit: u64) -> Uint8Array {
        let size = size_of(self.size, BODIES.get(), limit);
        match self.reusable.take().map(|piece| piece.buffer()) {
            Some(buffer) if buffer.byte_length() >= size => {
                Uint8Array::new_with_byte_offset_and_length(&buffer, 0, size)
            }
            _ => Uint8Array::new_with_length(size),
        }
    }

    /// Returns the data of a piece for the client: with the piece's buffer, unless the buffer is to
    /// be reused.
    pub fn detach(&mut self, data: Uint8Array, piece: Uint8Array) -> Uint8Array {
        let size = piece.buffer().byte_length();
        if data.length() < size / 4 {
            self.reusable = Some(piece);
            return data.slice(0, data.length());
        }
        if piece.length() == size {
            self.size = size.saturating_mul(2).clamp(SMALLEST, LARGEST);
        }
        data
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        BODIES.set(BODIES.get().saturating_sub(1));
    }
}

/// Returns the size of the next buffer while this many bodies are on their way.
fn size_of(size: u32, bodies: u32, limit: u64) -> u32 {
    let share = (SHARED / bodies.max(1)).max(SMALLEST);
    u32::try_from(limit).unwrap_or(u32::MAX).min(size).min(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_bodies_share_what_one_may_have() {
        for (size, bodies, limit, expected) in [
            (LARGEST, 1, u64::MAX, LARGEST),
            (LARGEST, 8, u64::MAX, LARGEST),
            (LARGEST, 64, u64::MAX, 256 * 1024),
            (LARGEST, 100_000, u64::MAX, SMALLEST),
            (SMALLEST, 1, u64::MAX, SMALLEST),
            (LARGEST, 1, 7, 7),
            (LARGEST, 0, u64::MAX, LARGEST),
        ] {
            assert_eq!(size_of(size, bodies, limit), expected, "{size} {bodies} {limit}");
        }
    }
}
