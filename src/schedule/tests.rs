//! Comparison of plans with the clocks of real time zones, minute by minute.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Offset as _, TimeZone as _, Timelike as _};
use chrono_tz::Tz;

use super::local_time::parse_offset;
use super::*;
use crate::config::check_schedule;

const MINUTE: u64 = 60_000;

fn at(rfc3339: &str) -> Timestamp {
    let time = DateTime::parse_from_rfc3339(rfc3339).unwrap();
    Timestamp::from_millis(u64::try_from(time.timestamp_millis()).unwrap())
}

fn in_zone(zone: Tz, at: Timestamp) -> DateTime<Tz> {
    zone.timestamp_millis_opt(i64::try_from(at.as_millis()).unwrap()).unwrap()
}

fn offset(zone: &str, at: Timestamp) -> Option<Offset> {
    let zone: Tz = zone.parse().ok()?;
    Some(Offset::from_secs(in_zone(zone, at).offset().fix().local_minus_utc()))
}

fn vm(keep_awake: &[&str], wake_at: &[&str]) -> Vm {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Vm { keep_awake: texts(keep_awake), wake_at: texts(wake_at), ..Vm::default() }
}

fn planned(keep_awake: &[&str], wake_at: &[&str], now: &str) -> (String, String) {
    let plan = Plan::of(&vm(keep_awake, wake_at), self::at(now), &offset);
    let text = |time: Option<Timestamp>| time.map_or("never".to_owned(), |time| time.to_rfc3339());
    (text(plan.awake_until), text(plan.wake_at))
}

#[test]
fn a_schedule_means_something_at_any_moment() {
    let office = &["Mon-Fri 08:00-18:00 Europe/Berlin"][..];
    for (windows, wakes, now, awake_until, wake_at) in [
        // A Monday, in winter and in summer.
        (office, &[][..], "2026-11-23T06:59:59Z", "never", "2026-11-23T07:00:00.000Z"),
        (office, &[], "2026-11-23T07:00:00Z", "2026-11-23T17:00:00.000Z", "2026-11-24T07:00:00.000Z"),
        (office, &[], "2026-11-23T17:00:00Z", "never", "2026-11-24T07:00:00.000Z"),
        (office, &[], "2026-07-06T06:00:00Z", "2026-07-06T16:00:00.000Z", "2026-07-07T06:00:00.000Z"),
        // Over the weekend, on which summer time ends.
        (office, &[], "2026-10-23T16:00:00Z", "never", "2026-10-26T07:00:00.000Z"),
        (office, &["daily 05:00 UTC"], "2026-10-23T16:00:00Z", "never", "2026-10-24T05:00:00.000Z"),
        (&[], &["Sun 07:55 UTC"], "2026-11-22T07:55:00Z", "never", "2026-11-29T07:55:00.000Z"),
        (&[], &[], "2026-11-22T07:55:00Z", "never", "never"),
        // Windows that touch or overlap are one, whatever their zones.
        (
            &["Mon 08:00-12:00 UTC", "Mon 13:00-14:00 Europe/Berlin", "Mon 12:30-15:00 UTC"],
            &[],
            "2026-11-23T09:00:00Z",
            "2026-11-23T15:00:00.000Z",
            "2026-11-30T08:00:00.000Z",
        ),
        (
            &["Fri-Mon 22:00-06:00 UTC"],
            &[],
            "2026-11-24T05:00:00Z",
            "2026-11-24T06:00:00.000Z",
            "2026-11-27T22:00:00.000Z",
        ),
        (
            &["Sat,Sun 00:00-24:00 UTC"],
            &[],
            "2026-11-21T12:00:00Z",
            "2026-11-23T00:00:00.000Z",
            "2026-11-28T00:00:00.000Z",
        ),
        // The days on which the clock changes are an hour shorter and longer.
        (
            &["Sun 00:00-24:00 Europe/Berlin"],
            &[],
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00.000Z",
            "2026-04-04T22:00:00.000Z",
        ),
        (
            &["Sun 00:00-24:00 Europe/Berlin"],
            &[],
            "2026-10-24T22:00:00Z",
            "2026-10-25T23:00:00.000Z",
            "2026-10-31T23:00:00.000Z",
        ),
        // The clock skips 02:30, which means the instant of the change; or shows it twice, which
        // means the first.
        (&[], &["Sun 02:30 Europe/Berlin"], "2026-03-28T12:00:00Z", "never", "2026-03-29T01:00:00.000Z"),
        (&[], &["Sun 02:30 Europe/Berlin"], "2026-10-24T12:00:00Z", "never", "2026-10-25T00:30:00.000Z"),
        (&[], &["Sun 02:30 Europe/Berlin"], "2026-10-25T00:30:00Z", "never", "2026-11-01T01:30:00.000Z"),
        // A zone whose clock changes by half an hour.
        (
            &[],
            &["Sun 02:15 Australia/Lord_Howe"],
            "2026-10-03T00:00:00Z",
            "never",
            "2026-10-03T15:30:00.000Z",
        ),
        // Samoa had no 30 December 2011, a Friday.
        (&["Fri 08:00-18:00 Pacific/Apia"], &[], "2011-12-24T12:00:00Z", "never", "2012-01-05T18:00:00.000Z"),
    ] {
        let expected = (awake_until.to_owned(), wake_at.to_owned());
        assert_eq!(planned(windows, wakes, now), expected, "{windows:?} {wakes:?} at {now}");
    }
}

#[test]
fn what_never_ends_has_no_next_beginning() {
    let (awake_until, wake_at) = planned(&["* 00:00-24:00 UTC"], &[], "2026-11-23T07:00:00Z");
    assert!(awake_until.as_str() > "2026-12-06", "{awake_until}");
    assert_eq!(wake_at, "never");
}

/// Returns what a zone's clock shows each minute, in minutes since the beginning of the year 1, a
/// Monday.
fn shown(zone: Tz, from: u64, to: u64) -> Vec<(u64, i64)> {
    let show = |at: u64| {
        let time = in_zone(zone, Timestamp::from_millis(at * MINUTE)).naive_local();
        i64::from(time.num_days_from_ce() - 1) * 1440 + i64::from(time.hour() * 60 + time.minute())
    };
    (from..to).map(|at| (at, show(at))).collect()
}

/// Returns, for each of these days, when the clock first shows `after_midnight` of it, or later.
fn reached(shown: &[(u64, i64)], days: &[i64], after_midnight: i64) -> BTreeMap<i64, u64> {
    let (mut reached, mut latest) = (BTreeMap::new(), shown[0].1);
    for (at, now) in shown {
        for passed in latest + 1..=*now {
            let begun = passed - after_midnight;
            if begun.rem_euclid(1440) == 0 && days.contains(&begun.div_euclid(1440).rem_euclid(7)) {
                reached.insert(begun.div_euclid(1440), *at);
            }
        }
        latest = latest.max(*now);
    }
    reached
}

#[test]
fn plans_are_those_of_a_clock_that_is_looked_at_each_minute() {
    let zones = [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "America/Sao_Paulo",
        "Pacific/Apia",
        "Africa/Casablanca",
        "America/St_Johns",
        "Asia/Tehran",
        "UTC",
    ];
    let windows: [(&str, &[i64], (i64, i64)); 6] = [
        ("Mon-Fri 08:00-18:00", &[0, 1, 2, 3, 4], (480, 1080)),
        ("Fri-Mon 22:00-06:00", &[4, 5, 6, 0], (1320, 1800)),
        ("Sat,Sun 01:30-02:30", &[5, 6], (90, 150)),
        ("daily 02:15-03:15", &[0, 1, 2, 3, 4, 5, 6], (135, 195)),
        ("Sun 00:00-24:00", &[6], (0, 1440)),
        ("Thu-Fri 23:45-00:15", &[3, 4], (1425, 1455)),
    ];
    // Periods with a change in each of these zones: Samoa's over the date line in 2011, Brazil's
    // until 2019.
    for (from, to) in [
        ("2011-12-20T00:00:00Z", "2012-04-08T00:00:00Z"),
        ("2018-10-25T00:00:00Z", "2018-11-10T00:00:00Z"),
        ("2019-02-10T00:00:00Z", "2019-02-20T00:00:00Z"),
        ("2026-03-01T00:00:00Z", "2026-04-10T00:00:00Z"),
        ("2026-09-20T00:00:00Z", "2026-11-10T00:00:00Z"),
    ] {
        let (from, to) = (at(from).as_millis() / MINUTE, at(to).as_millis() / MINUTE);
        for name in zones {
            // Includes windows that began before, and those that follow.
            let shown = shown(name.parse().unwrap(), from - 3 * 1440, to + 15 * 1440);
            for (text, days, (begin, end)) in windows {
                let (begins, ends) = (reached(&shown, days, begin), reached(&shown, days, end));
                let end = |day| ends.get(day).copied().unwrap_or(u64::MAX);
                let occurrences: Vec<_> = begins.iter().map(|(day, begin)| (*begin, end(day))).collect();
                check_plans(&format!("{text} {name}"), &occurrences, from, to);
            }
        }
    }
}

/// Checks the plans of a window at regular times, and around each of its beginnings and ends.
fn check_plans(text: &str, occurrences: &[(u64, u64)], from: u64, to: u64) {
    let vm = vm(&[text], &[]);
    let edges = occurrences.iter().flat_map(|(begin, end)| [*begin, *end, begin - 1, end - 1]);
    let instants = (from..to).step_by(977).chain(edges.filter(|edge| (from..to).contains(edge)));
    let time = |minutes: u64| Some(Timestamp::from_millis(minutes * MINUTE));
    for now in instants {
        let mut expected = Plan::default();
        for (begin, end) in occurrences.iter().filter(|(begin, end)| begin < end && now < *end) {
            if time(*begin) > expected.awake_until.max(time(now)) {
                expected.wake_at = time(*begin);
                break;
            }
            expected.awake_until = expected.awake_until.max(time(*end));
        }
        let now = Timestamp::from_millis(now * MINUTE);
        assert_eq!(Plan::of(&vm, now, &offset), expected, "{text} at {}", now.to_rfc3339());
    }
}

#[test]
fn the_runtimes_texts_are_read() {
    for (text, seconds) in [
        ("3/29/2026, GMT+02:00", 7200),
        ("1/1/2026, GMT-03:30", -12_600),
        ("1/1/2026, GMT+05:45", 20_700),
        ("1/1/2026, GMT+00:00", 0),
        ("1/1/2026, GMT", 0),
        ("1/1/1900, GMT-00:44:30", -2670),
    ] {
        assert_eq!(parse_offset(text), Some(Offset::from_secs(seconds)), "{text}");
    }
    assert_eq!(parse_offset("1/1/2026"), None);
}

#[test]
fn what_is_wrong_is_named() {
    for (keep_awake, wake_at, error) in [
        ("Mon-Fri 08:00-18:00", "", "keep_awake[0]: \"Mon-Fri 08:00-18:00\" is not days, a window and a time zone, such as \"Mon-Fri 08:00-18:00 Europe/Berlin\""),
        ("Mo-Fr 08:00-18:00 UTC", "", "keep_awake[0]: \"Mo-Fr\" is not a list of days such as \"Mon-Fri\", \"Sat,Sun\" or \"daily\""),
        ("Mon, 08:00-18:00 UTC", "", "keep_awake[0]: \"Mon,\" is not a list of days such as \"Mon-Fri\", \"Sat,Sun\" or \"daily\""),
        ("Mon 8-18 UTC", "", "keep_awake[0]: \"8-18\" is not a time window such as \"08:00-18:00\" or \"22:00-06:00\""),
        ("Mon 08:00-08:00 UTC", "", "keep_awake[0]: \"08:00-08:00\" is not a time window such as \"08:00-18:00\" or \"22:00-06:00\""),
        ("Mon 24:00-08:00 UTC", "", "keep_awake[0]: \"24:00-08:00\" is not a time window such as \"08:00-18:00\" or \"22:00-06:00\""),
        ("Mon 08:00-24:01 UTC", "", "keep_awake[0]: \"08:00-24:01\" is not a time window such as \"08:00-18:00\" or \"22:00-06:00\""),
        ("Mon 08:00-18:60 UTC", "", "keep_awake[0]: \"08:00-18:60\" is not a time window such as \"08:00-18:00\" or \"22:00-06:00\""),
        ("Mon 08:00-18:00 +01:00", "", "keep_awake[0]: \"+01:00\": unknown time zone (expected an IANA name such as \"Europe/Berlin\")"),
        ("", "Mon 07:55 Europe/Berlim", "wake_at[0]: \"Europe/Berlim\": unknown time zone (expected an IANA name such as \"Europe/Berlin\")"),
        ("", "Mon 24:00 UTC", "wake_at[0]: \"24:00\" is not a time such as \"07:55\""),
        ("", "Mon 07:55-08:00 UTC", "wake_at[0]: \"07:55-08:00\" is not a time such as \"07:55\""),
        ("", "07:55 UTC", "wake_at[0]: \"07:55 UTC\" is not days, a time and a time zone, such as \"Mon-Fri 07:55 Europe/Berlin\""),
    ] {
        let texts = |text: &'static str| if text.is_empty() { vec![] } else { vec![text] };
        let vm = vm(&texts(keep_awake), &texts(wake_at));
        let found = check_schedule(&vm, |name| name.parse::<Tz>().is_ok());
        assert_eq!(found.unwrap_err().to_string(), error);
    }
}
