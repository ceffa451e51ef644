//! Pauses between tries.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The next try of a call: its time, and the number of failed tries before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub at: Timestamp,
    failed: u32,
}

impl Attempt {
    /// Returns a first try at `at`.
    pub fn new(at: Timestamp) -> Self {
        Self { at, failed: 0 }
    }

    /// Returns the next try after this one failed at `now`. The pause is 500 ms at first, then
    /// doubles up to `longest`. It varies by up to a quarter, derived from `seed`, so that several
    /// objects do not retry at the same time.
    pub fn again(self, now: Timestamp, longest: Duration, seed: u64) -> Self {
        let pause = doubled(Duration::from_millis(500), self.failed, longest);
        let quarters = mix(seed ^ u64::from(self.failed)) % 512;
        let jittered = pause * 3 / 4 + pause * u32::try_from(quarters).unwrap_or(0) / 1024;
        Self { at: now + jittered, failed: self.failed.saturating_add(1) }
    }

    /// Returns the same try at another time.
    pub fn moved_to(self, at: Timestamp) -> Self {
        Self { at, ..self }
    }
}

/// Returns `first`, doubled `times` times, but at most `longest`.
pub(super) fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(longest)
}

/// Spreads neighbouring numbers evenly, with the finalizer of SplitMix64.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_stay_within_a_quarter() {
        let longest = Duration::from_secs(8);
        for seed in 0..100 {
            let mut attempt = Attempt::new(Timestamp::default());
            for expected in [500, 1000, 2000, 4000, 8000, 8000] {
                let now = attempt.at;
                attempt = attempt.again(now, longest, seed);
                let pause = crate::time::millis(attempt.at.since(now));
                assert!((expected * 3 / 4..=expected * 5 / 4).contains(&pause), "{pause} for {expected}");
            }
        }
    }

    #[test]
    fn doubling_does_not_overflow() {
        let longest = Duration::from_secs(60);
        assert_eq!(doubled(Duration::from_secs(10), 500, longest), longest);
        assert_eq!(doubled(Duration::from_secs(10), 0, longest), Duration::from_secs(10));
    }
}
