//! One entry of a schedule, such as `Mon-Fri 08:00-18:00 Europe/Berlin`.

use std::time::Duration;

use super::local_time::{instant_of, local_day, Offsets, DAY};
use crate::time::Timestamp;

const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const EVERY_DAY: u8 = 0b111_1111;

const MINUTE: Duration = Duration::from_secs(60);

/// A window or a wake on some days of the week, in the local time of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// The days on which it begins, as a bit mask. Monday is the lowest bit.
    days: u8,
    /// The beginning, after midnight.
    from: Duration,
    /// The end, after the same midnight: later than `from` in a window, equal to it in a wake.
    to: Duration,
    pub zone: &'a str,
}

/// The part of an entry that is wrong, and its expected form.
pub(crate) type Mistake<'a> = (&'a str, &'static str);

impl<'a> Entry<'a> {
    /// Parses a window.
    ///
    /// # Errors
    /// Returns the first mistake.
    pub fn window(text: &'a str) -> Result<Self, Mistake<'a>> {
        let form = "days, a window and a time zone, such as \"Mon-Fri 08:00-18:00 Europe/Berlin\"";
        Self::read(text, form, "a time window such as \"08:00-18:00\" or \"22:00-06:00\"", |times| {
            let (from, to) = times.split_once('-')?;
            let (from, to) = (time(from)?, time(to)?);
            let to = if to < from { to + DAY } else { to };
            Some((from, to)).filter(|_| from < DAY && from < to)
        })
    }

    /// Parses a wake.
    ///
    /// # Errors
    /// Returns the first mistake.
    pub fn wake(text: &'a str) -> Result<Self, Mistake<'a>> {
        let form = "days, a time and a time zone, such as \"Mon-Fri 07:55 Europe/Berlin\"";
        Self::read(text, form, "a time such as \"07:55\"", |text| {
            time(text).filter(|time| *time < DAY).map(|time| (time, time))
        })
    }

    fn read(
        text: &'a str,
        form: &'static str,
        times_form: &'static str,
        times: fn(&str) -> Option<(Duration, Duration)>,
    ) -> Result<Self, Mistake<'a>> {
        let mut parts = text.split_ascii_whitespace();
        let (Some(names), Some(span), Some(zone), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err((text, form));
        };
        let days =
            days(names).ok_or((names, "a list of days such as \"Mon-Fri\", \"Sat,Sun\" or \"daily\""))?;
        let (from, to) = times(span).ok_or((span, times_form))?;
        Ok(Self { days, from, to, zone })
    }

    /// Appends the beginnings and ends of the occurrences from yesterday, which may still last, to
    /// 14 days ahead. Two weeks are enough for the next occurrence even if a zone skips a day by
    /// moving across the date line.
    pub fn occurrences(&self, now: Timestamp, offsets: Offsets, all: &mut Vec<(Timestamp, Timestamp)>) {
        let offset = |at| offsets(self.zone, at);
        let Some(today) = local_day(now, &offset) else { return };
        for day in today - 1..=today + 14 {
            // 1970 began on a Thursday.
            let is_its_day = self.days & 1 << (day + 3).rem_euclid(7) != 0;
            let span = || Some((instant_of(day, self.from, &offset)?, instant_of(day, self.to, &offset)?));
            all.extend(is_its_day.then(span).flatten());
        }
    }
}

/// Parses days: `Mon-Fri`, `Mon,Wed,Fri`, `Fri-Mon`, `daily` or `*`.
fn days(text: &str) -> Option<u8> {
    if ["daily", "*"].contains(&text) {
        return Some(EVERY_DAY);
    }
    let day = |name: &str| NAMES.iter().position(|known| *known == name);
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        (first..=first + (last + 7 - first) % 7).for_each(|day| days |= 1 << (day % 7));
    }
    Some(days)
}

/// Parses `HH:MM`, from 00:00 to 24:00.
fn time(text: &str) -> Option<Duration> {
    let [h1, h2, b':', m1, m2] = text.as_bytes() else { return None };
    let number = |tens: &u8, ones: &u8| {
        let all_digits = tens.is_ascii_digit() && ones.is_ascii_digit();
        all_digits.then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
    };
    let (hours, minutes) = (number(h1, h2)?, number(m1, m2)?);
    Some(MINUTE * (hours * 60 + minutes)).filter(|time| minutes < 60 && *time <= DAY)
}
