//! From what a zone's clock shows to the moment at which it does.

use std::time::Duration;

use crate::time::{millis, Timestamp};

/// Of a clock that is not changed.
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// How far a zone's clock is ahead of UTC, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset(i64);

impl Offset {
    /// So many seconds ahead; negative in the west.
    pub const fn from_secs(seconds: i32) -> Self {
        Self(seconds as i64 * 1000)
    }
}

/// What a zone's clock is ahead of UTC at a moment; `None` if there is no such zone.
pub type Offsets<'a> = &'a dyn Fn(&str, Timestamp) -> Option<Offset>;

/// The offset at the end of a date in English, as `3/29/2026, GMT+02:00`; with seconds in the distant past.
pub(crate) fn parse_offset(text: &str) -> Option<Offset> {
    let (_, offset) = text.rsplit_once("GMT")?;
    let digits = offset.bytes().filter(u8::is_ascii_digit).map(|digit| i32::from(digit - b'0'));
    let seconds: i32 = digits.zip([36_000, 3600, 600, 60, 10, 1]).map(|(digit, unit)| digit * unit).sum();
    Some(Offset::from_secs(if offset.starts_with('-') { -seconds } else { seconds }))
}

/// How many days after the beginning of 1970 it is by the clock.
pub(super) fn local_day(at: Timestamp, offset: &dyn Fn(Timestamp) -> Option<Offset>) -> Option<i64> {
    Some((i64::try_from(at.as_millis()).ok()? + offset(at)?.0).div_euclid(DAY_MILLIS))
}

/// The first moment at which the clock shows so much after the midnight that begins `day`, or more. So a time that
/// the clock skips is that of the jump, and of one that it shows twice the first.
pub(super) fn instant_of(
    day: i64,
    after_midnight: Duration,
    offset: &dyn Fn(Timestamp) -> Option<Offset>,
) -> Option<Timestamp> {
    let wall = day * DAY_MILLIS + i64::try_from(millis(after_midnight)).ok()?;
    let moment = |millis: i64| Some(Timestamp::from_millis(u64::try_from(millis).ok()?));
    let ahead = |millis: i64| Some(offset(moment(millis)?)?.0);
    // No clock is a day off, and none is changed twice in two days.
    let (before, after) = (ahead(wall - DAY_MILLIS)?, ahead(wall + DAY_MILLIS)?);
    if before == after || ahead(wall - before)? == before {
        return moment(wall - before);
    }
    let (mut early, mut late) = (wall - after, wall - before);
    if ahead(early)? == after {
        return moment(early);
    }
    while late - early > 1 {
        let middle = early + (late - early) / 2;
        let side = if ahead(middle)? == before { &mut early } else { &mut late };
        *side = middle;
    }
    moment(late)
}
