//! How much of an answer's body is read at a time.
//!
//! Each piece takes the runtime 50 µs, however large it is, and must not be cleared and paged in for nothing. So the
//! next one may be twice as large when one has come in full; and what only a part of the room has come of is copied,
//! and the room used again.

use std::cell::Cell;

use js_sys::Uint8Array;

/// What a body begins with.
const SMALLEST: u32 = 64 * 1024;

/// Above this it is only memory.
const LARGEST: u32 = 2 * 1024 * 1024;

/// What all bodies on their way through this isolate share, which has 128 MiB for everything
/// (<https://developers.cloudflare.com/workers/platform/limits/#memory>). While a piece is sent the runtime has copies of it.
const SHARED: u32 = 16 * 1024 * 1024;

thread_local! {
    static BODIES: Cell<u32> = const { Cell::new(0) };
}

/// Where a body is read into, piece by piece.
pub(super) struct Room {
    size: u32,
    kept: Option<Uint8Array>,
}

impl Room {
    pub fn new() -> Self {
        BODIES.set(BODIES.get() + 1);
        Self { size: SMALLEST, kept: None }
    }

    /// Room for the next piece, which is no longer than `limit`.
    pub fn next(&mut self, limit: u64) -> Uint8Array {
        let size = size_of(self.size, BODIES.get(), limit);
        match self.kept.take().map(|kept| kept.buffer()) {
            Some(buffer) if buffer.byte_length() >= size => {
                Uint8Array::new_with_byte_offset_and_length(&buffer, 0, size)
            }
            _ => Uint8Array::new_with_length(size),
        }
    }

    /// The data of a piece, to give away: with the piece's memory, unless that is to be used again.
    pub fn give(&mut self, data: Uint8Array, piece: Uint8Array) -> Uint8Array {
        let room = piece.buffer().byte_length();
        if data.length() < room / 4 {
            self.kept = Some(piece);
            return data.slice(0, data.length());
        }
        if piece.length() == room {
            self.size = room.saturating_mul(2).clamp(SMALLEST, LARGEST);
        }
        data
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        BODIES.set(BODIES.get().saturating_sub(1));
    }
}

/// How much is read next, of so many bodies on their way.
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
