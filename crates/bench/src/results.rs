//! What was measured, as it is kept beside the document: a part that is measured again takes the place of what was there.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use snapkeeper_simulator::Simulator;

use crate::{
    billing::LONGEST,
    case::{Case, Mode, extrapolated},
    contenders::{Contender, Spent},
    judge::Correctness,
    surroundings::Surroundings,
};

/// Everything that was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// On what, with what, how.
    pub(crate) surroundings: Surroundings,
    /// One for each run.
    pub(crate) runs: Vec<Run>,
    /// How long it takes to begin.
    pub(crate) cold_starts: Vec<ColdStart>,
    /// How large the programs are.
    pub(crate) sizes: Vec<Size>,
    /// Runs that came to no end.
    pub(crate) failures: Vec<Failure>,
}

/// A run that came to no end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) case: Case,
    pub(crate) contender: Contender,
    pub(crate) round: usize,
    pub(crate) cause: String,
}

/// One run of one contender.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) case: Case,
    pub(crate) contender: Contender,
    /// Of several of the same.
    pub(crate) round: usize,
    pub(crate) spent: Spent,
    pub(crate) calls: Calls,
    pub(crate) right: Right,
}

/// What was called.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calls {
    /// How many calls, throttled ones among them.
    pub(crate) all: u64,
    /// How many were throttled, by the buckets or by a fault.
    pub(crate) throttled: u64,
    /// All, by action.
    pub(crate) by_action: BTreeMap<String, u64>,
}

/// What became of the account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Right {
    /// What was to be protected: volumes; of a copier, copies.
    pub(crate) wanted: usize,
    /// Of these, what is not.
    pub(crate) unprotected: usize,
    pub(crate) orphans: usize,
    pub(crate) duplicates: usize,
    pub(crate) wrongly_deleted: usize,
    /// Of what is due, what is still there.
    pub(crate) left: usize,
}

/// How long one start took, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ColdStart {
    /// A function's name, or `boto3`.
    pub(crate) of: String,
    /// From the start of the process to the first event asked for; of boto3 until it is imported and has one client.
    pub(crate) to_event: f64,
    /// From the event to the first call to AWS, if it was measured.
    pub(crate) to_call: Option<f64>,
}

/// How large a program is, in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Size {
    pub(crate) of: String,
    pub(crate) binary: u64,
    pub(crate) zip: u64,
}

impl From<&Correctness> for Right {
    fn from(found: &Correctness) -> Self {
        Self {
            wanted: found.volumes,
            unprotected: found.volumes.saturating_sub(found.protected),
            orphans: found.orphans,
            duplicates: found.duplicates,
            wrongly_deleted: found.wrongly_deleted,
            left: found.left,
        }
    }
}

impl Right {
    /// Whether all is as it should be.
    pub(crate) fn is_all_zero(&self) -> bool {
        let Self { wanted: _, unprotected, orphans, duplicates, wrongly_deleted, left } = self;
        [unprotected, orphans, duplicates, wrongly_deleted, left].into_iter().all(|count| *count == 0)
    }
}

impl Calls {
    /// What a simulator has been called since it was last told to forget.
    pub(crate) fn of(simulator: &Simulator) -> Self {
        let mut calls = Self::default();
        for (kind, count) in simulator.call_counts() {
            calls.all += count.calls;
            calls.throttled += count.throttled;
            *calls.by_action.entry(kind.action).or_default() += count.calls;
        }
        calls
    }
}

impl Run {
    /// The calls, as a multiple of the least possible.
    pub(crate) fn calls_ratio(&self) -> f64 {
        ratio(self.calls.all, self.case.least_calls())
    }

    /// The share of calls that were throttled.
    pub(crate) fn throttled_share(&self) -> f64 {
        ratio(self.calls.throttled, self.calls.all.max(1))
    }

    /// The computing for a thousand calls, in seconds.
    pub(crate) fn cpu_per_thousand(&self) -> f64 {
        self.spent.cpu * 1_000.0 / ratio(self.calls.all.max(1), 1)
    }

    /// How long it takes with the buckets and this latency, and whether that is extrapolated.
    pub(crate) fn wall(&self, latency: Duration) -> (f64, bool) {
        match self.case.mode {
            Mode::Buckets | Mode::Virtual | Mode::Faults => (self.spent.wall, false),
            Mode::RatesOff => {
                let wall = Duration::from_secs_f64(self.spent.wall.max(0.0));
                let side_by_side = self.contender.side_by_side();
                (extrapolated(wall, &self.calls.by_action, latency, side_by_side).as_secs_f64(), true)
            }
        }
    }

    /// How long it takes as a multiple of what the buckets alone would; none where that is too short to tell.
    pub(crate) fn bound_ratio(&self, latency: Duration) -> Option<f64> {
        let bound = self.case.bound().as_secs_f64();
        (bound > 0.0).then(|| self.wall(latency).0 / bound)
    }

    /// Whether it would be through before Lambda cuts it off. Ours goes on in the next invocation.
    pub(crate) fn ends_in_time(&self, latency: Duration) -> bool {
        self.contender == Contender::Function || self.wall(latency).0 <= LONGEST.as_secs_f64()
    }
}

#[expect(clippy::cast_precision_loss, reason = "of some millions")]
fn ratio(count: u64, of: u64) -> f64 {
    count as f64 / of as f64
}

impl Results {
    /// What was measured before, if anything.
    pub(crate) fn read(path: &Path) -> Self {
        fs::read_to_string(path).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Keeps it.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }

    /// Adds a run in the place of an earlier one.
    pub(crate) fn add(&mut self, run: Run) {
        self.forget(&run.case, run.contender, run.round);
        self.runs.push(run);
        self.runs.sort_by(|a, b| (&a.case, a.contender, a.round).cmp(&(&b.case, b.contender, b.round)));
    }

    /// Notes that a run came to no end: an earlier one tells nothing any more.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.forget(&failure.case, failure.contender, failure.round);
        self.failures.push(failure);
    }

    fn forget(&mut self, case: &Case, contender: Contender, round: usize) {
        self.runs.retain(|other| (&other.case, other.contender, other.round) != (case, contender, round));
        self.failures.retain(|other| (&other.case, other.contender, other.round) != (case, contender, round));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(case: Case, wall: f64, all: u64) -> Run {
        let by_action = BTreeMap::from([("CreateSnapshots".to_owned(), all)]);
        Run {
            case,
            contender: Contender::Custodian,
            round: 0,
            spent: Spent { wall, cpu: 2.0, ..Spent::default() },
            calls: Calls { all, throttled: all / 10, by_action },
            right: Right::default(),
        }
    }

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} and not {expected}");
    }

    #[test]
    fn ratios_are_to_the_least_possible() {
        let latency = Duration::from_millis(50);
        let run = run(Case::creator(Mode::Buckets, 1_000, 2), 270.0, 2_006);
        close(run.calls_ratio(), 2.0);
        close(run.throttled_share(), 200.0 / 2_006.0);
        close(run.cpu_per_thousand(), 2_000.0 / 2_006.0);
        close(run.bound_ratio(latency).unwrap(), 1.5);
        assert!(run.ends_in_time(latency));
    }

    #[test]
    fn what_was_measured_without_buckets_is_extrapolated() {
        let latency = Duration::from_millis(50);
        let run = run(Case::creator(Mode::RatesOff, 10_000, 2), 60.0, 10_000);
        assert!(run.wall(latency).1);
        close(run.wall(latency).0, 1_980.0);
        assert!(!run.ends_in_time(latency));
        assert_eq!(self::run(Case::creator(Mode::Buckets, 100, 2), 60.0, 100).bound_ratio(latency), None);
    }

    #[test]
    fn a_run_takes_the_place_of_an_earlier_one() {
        let mut results = Results::default();
        let case = Case::creator(Mode::Buckets, 100, 1);
        results.add(run(case.clone(), 9.0, 100));
        results.add(Run { round: 1, ..run(case.clone(), 8.0, 100) });
        results.add(run(case, 7.0, 100));
        let walls: Vec<String> = results.runs.iter().map(|run| run.spent.wall.to_string()).collect();
        assert_eq!(walls, ["7", "8"]);
        let case = Case::creator(Mode::Buckets, 100, 1);
        let failure = Failure { case: case.clone(), contender: Contender::Custodian, round: 1, cause: String::new() };
        results.fail(failure);
        assert_eq!((results.runs.len(), results.failures.len()), (1, 1));
        results.add(Run { round: 1, ..run(case, 8.0, 100) });
        assert_eq!((results.runs.len(), results.failures.len()), (2, 0));
    }
}
