//! A case: the fleet, the job, and what of AWS counts in it; and the least that the job can cost.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// How many things EC2 puts on a page.
const PAGE: usize = 1_000;
/// The regions to which copies go, in their order.
pub(crate) const DESTINATIONS: [&str; 3] = ["us-west-2", "eu-west-1", "ap-southeast-2"];

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Job {
    /// A backup of every enrolled instance.
    Creator,
    /// Copies of the newest backups.
    Copier,
    /// The deletion of what is due.
    Manager,
}

impl Job {
    /// The name of the function, and of the command's job.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Creator => "creator",
            Self::Copier => "copier",
            Self::Manager => "manager",
        }
    }

    /// What the Python programs call it.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Creator => "create",
            Self::Copier => "copy",
            Self::Manager => "delete",
        }
    }
}

/// What of AWS counts in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// AWS's buckets and a latency, in real time: how long it takes.
    Buckets,
    /// Neither, and our own limiter off: what it computes and holds.
    RatesOff,
    /// AWS's buckets and a latency, in virtual time: sizes that take hours.
    Virtual,
    /// As `Buckets`, where one call in a hundred goes wrong.
    Faults,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Case {
    /// What is to be done.
    pub(crate) job: Job,
    /// What of AWS counts.
    pub(crate) mode: Mode,
    /// How many instances are enrolled.
    pub(crate) instances: usize,
    /// How many volumes each of them has.
    pub(crate) volumes: usize,
    /// How many backups there are of each.
    pub(crate) backups: usize,
    /// How many of a hundred snapshots are due.
    pub(crate) due_percent: usize,
    /// To how many regions copies go.
    pub(crate) destinations: usize,
}

impl Case {
    /// The creator's, with the backups of one day before.
    pub(crate) fn creator(mode: Mode, instances: usize, volumes: usize) -> Self {
        Self { job: Job::Creator, mode, instances, volumes, backups: 1, due_percent: 0, destinations: 0 }
    }

    /// The copier's: of two backups of each volume, the older is copied already.
    pub(crate) fn copier(mode: Mode, instances: usize, destinations: usize) -> Self {
        Self { job: Job::Copier, mode, instances, volumes: 1, backups: 2, due_percent: 0, destinations }
    }

    /// The manager's: ten backups of each volume.
    pub(crate) fn manager(mode: Mode, snapshots: usize, due_percent: usize) -> Self {
        Self {
            job: Job::Manager,
            mode,
            instances: snapshots.div_ceil(10),
            volumes: 1,
            backups: 10,
            due_percent,
            destinations: 0,
        }
    }

    /// How many snapshots there are in the home region, without the few that nobody may delete.
    pub(crate) fn snapshots(&self) -> usize {
        self.instances * self.volumes * self.backups
    }

    /// How many of them are due.
    pub(crate) fn due(&self) -> usize {
        self.snapshots() * self.due_percent / 100
    }

    /// How many calls of each action that changes something are needed at least, in each region that it changes.
    fn changes(&self) -> usize {
        match self.job {
            Job::Creator => self.instances,
            // the newest backup of each volume
            Job::Copier => self.instances * self.volumes,
            Job::Manager => self.due(),
        }
    }

    /// The least possible calls: each page of 1,000 of what the decision depends on, once, and one call for each set,
    /// copy and deletion.
    pub(crate) fn least_calls(&self) -> u64 {
        let pages = |things: usize| things.div_ceil(PAGE).max(1);
        let (instances, snapshots) = (pages(self.instances), pages(self.snapshots()));
        let calls = match self.job {
            // the instances, the volumes with a choice of their own, the snapshots of this run, of which there are none yet
            Job::Creator => instances + 1 + 1 + self.changes(),
            // the snapshots at home, the copies there
            Job::Copier => {
                let copied = self.instances * self.volumes * (self.backups - 1);
                snapshots + self.destinations * (pages(copied) + self.changes())
            }
            // the snapshots, the enrolled instances and volumes, what images use, what is locked
            Job::Manager => snapshots + instances + 3 + self.changes(),
        };
        calls as u64
    }

    /// How long the buckets alone make it take: those of the regions that are changed work side by side, and so do those
    /// of `CreateSnapshot` and `CreateSnapshots`, which both take a snapshot of a single volume.
    pub(crate) fn bound(&self) -> Duration {
        let (burst, refill) = match self.job {
            Job::Creator if self.volumes == 1 => (200, 10),
            Job::Creator | Job::Manager => (100, 5),
            Job::Copier => (50, 5),
        };
        Duration::from_millis((self.changes().saturating_sub(burst) * 1_000 / refill) as u64)
    }

    /// Its size in words.
    pub(crate) fn size(&self) -> String {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let Self { instances, volumes, destinations, due_percent, .. } = self;
        let count = crate::table::thousands;
        match self.job {
            Job::Creator => {
                format!("{} instances × {volumes} volume{}", count(*instances as u64), plural(*volumes))
            }
            Job::Copier => {
                format!("{} snapshots → {destinations} region{}", count(*instances as u64), plural(*destinations))
            }
            Job::Manager => format!("{} snapshots, {due_percent} % due", count(self.snapshots() as u64)),
        }
    }
}

/// How long the buckets make these calls take, in one region: the slowest action's.
pub(crate) fn bound_of(calls: &BTreeMap<String, u64>) -> Duration {
    let seconds = calls.iter().map(|(action, count)| {
        let (burst, refill): (u64, u64) = match action.as_str() {
            "CreateSnapshot" | "CreateSnapshots" | "DeleteSnapshot" => (100, 5),
            "CreateTags" | "DeleteTags" => (100, 10),
            _ if action.starts_with("Describe") || action.starts_with("Get") => (100, 20),
            _ => (50, 5),
        };
        Duration::from_millis(count.saturating_sub(burst) * 1_000 / refill)
    });
    seconds.max().unwrap_or_default()
}

/// How long calls that were counted without latency and buckets would take with them: their own time and the latency of
/// each, so many side by side, or what the buckets make of them if that is longer.
pub(crate) fn extrapolated(
    wall: Duration,
    calls: &BTreeMap<String, u64>,
    latency: Duration,
    side_by_side: u32,
) -> Duration {
    let count: u64 = calls.values().sum();
    #[expect(clippy::cast_precision_loss, reason = "of some thousands of calls")]
    let waited = latency.mul_f64(count as f64 / f64::from(side_by_side.max(1)));
    (wall + waited).max(bound_of(calls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_calls_are_the_pages_and_one_for_each_change() {
        for (case, least) in [
            (Case::creator(Mode::Buckets, 100, 1), 1 + 1 + 1 + 100),
            (Case::creator(Mode::Buckets, 1_000, 8), 1 + 1 + 1 + 1_000),
            (Case::creator(Mode::Virtual, 50_000, 2), 50 + 1 + 1 + 50_000),
            (Case::copier(Mode::Buckets, 1_000, 1), 2 + 1 + 1_000),
            (Case::copier(Mode::Buckets, 1_000, 3), 2 + 3 * (1 + 1_000)),
            (Case::manager(Mode::Buckets, 1_000, 20), 1 + 1 + 3 + 200),
            (Case::manager(Mode::Virtual, 500_000, 1), 500 + 50 + 3 + 5_000),
        ] {
            assert_eq!(case.least_calls(), least, "{case:?}");
        }
    }

    #[test]
    fn the_bound_is_what_the_buckets_make_of_the_changes() {
        for (case, seconds) in [
            (Case::creator(Mode::Buckets, 100, 8), 0),
            (Case::creator(Mode::Buckets, 1_000, 1), 80),
            (Case::creator(Mode::Buckets, 1_000, 2), 180),
            (Case::creator(Mode::Virtual, 10_000, 8), 1_980),
            (Case::copier(Mode::Buckets, 1_000, 3), 190),
            (Case::manager(Mode::Buckets, 1_000, 20), 20),
            (Case::manager(Mode::Buckets, 1_000, 1), 0),
        ] {
            assert_eq!(case.bound(), Duration::from_secs(seconds), "{case:?}");
        }
    }

    #[test]
    fn what_is_extrapolated_is_the_longer_of_latency_and_buckets() {
        let calls = |of: &[(&str, u64)]| -> BTreeMap<String, u64> {
            of.iter().map(|(action, count)| ((*action).to_owned(), *count)).collect()
        };
        let extrapolated = |of: &[(&str, u64)]| {
            extrapolated(Duration::from_secs(10), &calls(of), Duration::from_millis(50), 2).as_secs()
        };
        assert_eq!(extrapolated(&[("CreateSnapshots", 100)]), 12);
        assert_eq!(extrapolated(&[("CreateSnapshots", 10_000)]), 1_980);
        assert_eq!(extrapolated(&[("CreateSnapshot", 1_000), ("CreateTags", 1_000)]), 180);
        assert_eq!(extrapolated(&[("DescribeSnapshots", 4_000)]), 195);
        assert_eq!(extrapolated(&[("CopySnapshot", 2_050)]), 400);
        assert_eq!(extrapolated(&[]), 10);
    }
}
