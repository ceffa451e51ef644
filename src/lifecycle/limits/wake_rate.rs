//! The wake rate limit: how often each client has woken a VM.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::{Limits, OverLimit, HOUR};
use crate::time::Timestamp;

/// The maximum number of wakes that are kept. It is small because all of them are written at each
/// store; `max_starts_per_hour` limits the starts that more clients cause.
const MAX_WAKES: usize = 256;

/// A hash that identifies a client without its address, which must not be in the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientHash(u32);

impl ClientHash {
    /// Hashes a client. The `identity` is the salt, so the hashes of two VMs cannot be compared.
    pub fn new(identity: u64, client: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (identity, client).hash(&mut hasher);
        // Half of the hash is enough to tell so few clients apart.
        Self(hasher.finish() as u32)
    }
}

/// The clients that have woken the VM within the last hour, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WakeRateLimit(Vec<(ClientHash, Timestamp)>);

impl WakeRateLimit {
    /// Counts a client's wake.
    ///
    /// # Errors
    /// The client has reached the limit.
    pub fn count(
        &mut self,
        client: Option<ClientHash>,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<(), OverLimit> {
        self.0.retain(|(_, at)| now.since(*at) < HOUR);
        let (Some(client), Some(max)) = (client, limits.wakes_per_hour) else { return Ok(()) };
        let newest = usize::try_from(max).unwrap_or(usize::MAX).saturating_sub(1);
        let mut own = self.0.iter().rev().filter(|(other, _)| *other == client);
        if let Some((_, at)) = own.nth(newest) {
            let reason =
                format!("a client has woken the VM {max} times within an hour (wake.wakes_per_hour)");
            return Err(OverLimit { reason, until: *at + HOUR });
        }
        if self.0.len() >= MAX_WAKES {
            self.0.remove(0);
        }
        self.0.push((client, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { starts_per_hour: None, hours_per_month: None, wakes_per_hour: Some(2) };

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    fn client(name: &str) -> Option<ClientHash> {
        Some(ClientHash::new(7, name))
    }

    #[test]
    fn each_client_is_counted_for_itself_over_any_hour() {
        let mut wakes = WakeRateLimit::default();
        assert_eq!(wakes.count(client("a"), &LIMITS, at(0)), Ok(()));
        assert_eq!(wakes.count(client("a"), &LIMITS, at(600)), Ok(()));
        let over = wakes.count(client("a"), &LIMITS, at(700)).unwrap_err();
        assert_eq!(over.until, at(3600));
        assert_eq!(wakes.count(client("b"), &LIMITS, at(700)), Ok(()));
        assert_eq!(wakes.count(None, &LIMITS, at(700)), Ok(()), "a client that is not counted");
        assert_eq!(wakes.count(client("a"), &LIMITS, at(3600)), Ok(()));
        assert_eq!(wakes.count(client("a"), &LIMITS, at(3601)).unwrap_err().until, at(4200));
    }

    #[test]
    fn a_lower_limit_holds_at_once() {
        let mut wakes = WakeRateLimit::default();
        for second in [0, 10] {
            assert_eq!(wakes.count(client("a"), &LIMITS, at(second)), Ok(()));
        }
        let one = Limits { wakes_per_hour: Some(1), ..LIMITS };
        assert_eq!(wakes.count(client("a"), &one, at(20)).unwrap_err().until, at(3610));
    }

    #[test]
    fn what_is_kept_is_bounded_and_goes_after_an_hour() {
        let mut wakes = WakeRateLimit::default();
        for number in 0..1000 {
            assert_eq!(wakes.count(client(&number.to_string()), &LIMITS, at(number)), Ok(()));
        }
        assert_eq!(wakes.0.len(), MAX_WAKES);
        assert_eq!(wakes.count(None, &LIMITS, at(999 + 3600)), Ok(()));
        assert_eq!(wakes, WakeRateLimit::default());
    }

    #[test]
    fn an_address_is_not_kept() {
        let mut wakes = WakeRateLimit::default();
        let limits = &LIMITS;
        assert_eq!(wakes.count(Some(ClientHash::new(1, "203.0.113.7")), limits, at(0)), Ok(()));
        let stored = serde_json::to_string(&wakes).unwrap();
        assert!(!stored.contains("203"), "{stored}");
        assert_eq!(serde_json::from_str::<WakeRateLimit>(&stored).unwrap(), wakes);
        assert_ne!(ClientHash::new(1, "203.0.113.7"), ClientHash::new(2, "203.0.113.7"));
    }
}
