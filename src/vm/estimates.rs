//! Estimates of how long cold starts take, based on the last ones.

use serde::Serialize;

use super::{ColdStartRecord, StartKind};

/// Estimates of how long a cold start takes, by its kind. `None` means that there was no start of
/// that kind yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StartEstimates {
    /// Starts of a stopped instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<PhaseEstimates>,
    /// Starts that resume a suspended instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<PhaseEstimates>,
    /// Starts that create the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<PhaseEstimates>,
}

/// Estimates of how long each phase of [`ColdStartRecord`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PhaseEstimates {
    /// The time for getting access tokens.
    pub token: Percentiles,
    /// The time until Compute Engine reports that the instance runs, without `token`.
    pub api: Percentiles,
    /// The time until the instance's port accepts a connection.
    pub boot: Percentiles,
    /// The time until the health path responds with 2xx.
    pub app: Percentiles,
    /// The total time.
    pub total: Percentiles,
}

/// The usual and the slow case of a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// The median, in milliseconds.
    pub median_ms: u64,
    /// The ninth decile, in milliseconds.
    pub p90_ms: u64,
}

impl StartEstimates {
    /// Returns the estimates that follow from the records.
    pub fn of(records: &[ColdStartRecord]) -> Self {
        let phases = |kind| PhaseEstimates::of(records, kind);
        Self {
            start: phases(StartKind::Start),
            resume: phases(StartKind::Resume),
            create: phases(StartKind::Create),
        }
    }
}

impl PhaseEstimates {
    /// Returns the estimates that follow from the records of one kind. `None` means that there are
    /// none.
    pub fn of(records: &[ColdStartRecord], kind: StartKind) -> Option<Self> {
        let percentiles = |phase: fn(&ColdStartRecord) -> u64| {
            let times: Vec<u64> = records.iter().filter(|record| record.kind == kind).map(phase).collect();
            Percentiles::of(&times)
        };
        Some(Self {
            token: percentiles(|record| record.token_ms)?,
            api: percentiles(|record| record.api_ms)?,
            boot: percentiles(|record| record.boot_ms)?,
            app: percentiles(|record| record.app_ms)?,
            total: percentiles(|record| record.total_ms)?,
        })
    }
}

impl Percentiles {
    fn of(times: &[u64]) -> Option<Self> {
        // Uses the nearest-rank method, so the result is a measured time. There are too few times
        // to justify the code of a sort.
        let rank = |percent: usize| {
            let enough = |time: &u64| {
                let no_longer = times.iter().filter(|other| *other <= time).count();
                no_longer * 100 >= times.len() * percent
            };
            times.iter().copied().filter(enough).min()
        };
        Some(Self { median_ms: rank(50)?, p90_ms: rank(90)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: StartKind, total_ms: u64) -> ColdStartRecord {
        ColdStartRecord { kind, boot_ms: total_ms / 2, total_ms, ..ColdStartRecord::default() }
    }

    #[test]
    fn the_usual_and_the_slow_case_are_times_that_were_taken() {
        let percentiles = |times: &[u64]| Percentiles::of(times).map(|s| (s.median_ms, s.p90_ms));
        assert_eq!(percentiles(&[]), None);
        assert_eq!(percentiles(&[7]), Some((7, 7)));
        assert_eq!(percentiles(&[9, 1]), Some((1, 9)));
        assert_eq!(percentiles(&[3, 1, 2]), Some((2, 3)));
        assert_eq!(percentiles(&[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]), Some((5, 9)));
    }

    #[test]
    fn each_kind_has_its_own_expectation() {
        let records = [
            record(StartKind::Create, 60_000),
            record(StartKind::Start, 20_000),
            record(StartKind::Found, 100),
            record(StartKind::Start, 30_000),
        ];
        let expected = StartEstimates::of(&records);
        assert_eq!(expected.start.map(|phases| phases.total.median_ms), Some(20_000));
        assert_eq!(expected.start.map(|phases| phases.boot.p90_ms), Some(15_000));
        assert_eq!(expected.create.map(|phases| phases.total.p90_ms), Some(60_000));
        assert_eq!(expected.resume, None);
    }
}
