//! Conversion from the local time of a zone to points in time.

use std::time::Duration;

use crate::time::{millis, Timestamp};

/// The length of a day on which the clock does not change.
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// The milliseconds by which a zone's clock is ahead of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset(i64);

impl Offset {
    /// Returns the offset of `seconds` ahead of UTC. Zones west of it have negative offsets.
    pub const fn from_secs(seconds: i32) -> Self {
        Self(seconds as i64 * 1000)
    }
}

/// A function that returns a zone's offset from UTC at a point in time. `None` means that the zone
/// is unknown.
pub type Offsets<'a> = &'a dyn Fn(&str, Timestamp) -> Option<Offset>;

/// Parses the offset at the end of a date that the runtime formats in English, such as
/// `3/29/2026, GMT+02:00`. Offsets of the distant past have seconds.
pub(crate) fn parse_offset(text: &str) -> Option<Offset> {
    let (_, offset) = text.rsplit_once("GMT")?;
    let digits = offset.bytes().filter(u8::is_ascii_digit).map(|digit| i32::from(digit - b'0'));
    let seconds: i32 = digits.zip([36_000, 3600, 600, 60, 10, 1]).map(|(digit, unit)| digit * unit).sum();
    Some(Offset::from_secs(if offset.starts_with('-') { -seconds } else { seconds }))
}

/// Returns the number of days since 1 January 1970 by the zone's clock.
pub(super) fn local_day(at: Timestamp, offset: &dyn Fn(Timestamp) -> Option<Offset>) -> Option<i64> {
    Some((i64::try_from(at.as_millis()).ok()? + offset(at)?.0).div_euclid(DAY_MILLIS))
}

/// Returns the first instant at which the clock shows `after_midnight` of `day`, or later. For a
/// local time that the clock skips, that is the instant of the change; for one that it shows twice,
/// it is the first of the two.
pub(super) fn instant_of(
    day: i64,
    after_midnight: Duration,
    offset: &dyn Fn(Timestamp) -> Option<Offset>,
) -> Option<Timestamp> {
    let local = day * DAY_MILLIS + i64::try_from(millis(after_midnight)).ok()?;
    let instant = |millis: i64| Some(Timestamp::from_millis(u64::try_from(millis).ok()?));
    let ahead = |millis: i64| Some(offset(instant(millis)?)?.0);
    // No offset is as large as a day, and no clock changes twice within two days.
    let (before, after) = (ahead(local - DAY_MILLIS)?, ahead(local + DAY_MILLIS)?);
    if before == after || ahead(local - before)? == before {
        return instant(local - before);
    }
    let (mut early, mut late) = (local - after, local - before);
    if ahead(early)? == after {
        return instant(early);
    }
    while late - early > 1 {
        let middle = early + (late - early) / 2;
        let side = if ahead(middle)? == before { &mut early } else { &mut late };
        *side = middle;
    }
    instant(late)
}
