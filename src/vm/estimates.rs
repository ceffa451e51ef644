//! How long cold starts take, as far as the last ones tell.

use serde::Serialize;

use super::{ColdStartRecord, StartKind};

/// How long a cold start takes, by how it is made; nothing for a kind of which there was none yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StartEstimates {
    /// A stopped instance is started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<PhaseEstimates>,
    /// A suspended instance is resumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<PhaseEstimates>,
    /// The instance is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<PhaseEstimates>,
}

/// How long each phase takes, as [`ColdStartRecord`] has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PhaseEstimates {
    /// Getting access tokens.
    pub token: Percentiles,
    /// Until Compute Engine says that the instance runs, tokens aside.
    pub api: Percentiles,
    /// Until the instance's port takes a connection.
    pub boot: Percentiles,
    /// Until its health path answers 2xx.
    pub app: Percentiles,
    /// All of it.
    pub total: Percentiles,
}

/// The usual and the slow case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Half of them took no longer, in milliseconds.
    pub median_ms: u64,
    /// Nine in ten took no longer, in milliseconds.
    pub p90_ms: u64,
}

impl StartEstimates {
    /// What the records tell.
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
    /// What the records of one kind tell.
    pub fn of(records: &[ColdStartRecord], kind: StartKind) -> Option<Self> {
        let spread = |phase: fn(&ColdStartRecord) -> u64| {
            let times: Vec<u64> = records.iter().filter(|record| record.kind == kind).map(phase).collect();
            Percentiles::of(&times)
        };
        Some(Self {
            token: spread(|record| record.token_ms)?,
            api: spread(|record| record.api_ms)?,
            boot: spread(|record| record.boot_ms)?,
            app: spread(|record| record.app_ms)?,
            total: spread(|record| record.total_ms)?,
        })
    }
}

impl Percentiles {
    fn of(times: &[u64]) -> Option<Self> {
        // By the nearest rank: a time that was really taken. They are too few to be worth the code of a sort.
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
        let spread = |times: &[u64]| Percentiles::of(times).map(|s| (s.median_ms, s.p90_ms));
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[7]), Some((7, 7)));
        assert_eq!(spread(&[9, 1]), Some((1, 9)));
        assert_eq!(spread(&[3, 1, 2]), Some((2, 3)));
        assert_eq!(spread(&[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]), Some((5, 9)));
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
