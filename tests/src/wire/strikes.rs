//! Which calls of the jobs go wrong, and how.
//!
//! It is decided here, not by the simulator's own faults, so that it is known which call was struck by what: the one fault
//! that strikes is handed to the simulator just before the call, which uses it up.

use std::{collections::BTreeSet, time::Duration};

use chrono::TimeDelta;
use snapkeeper_reliability::script::{Fault, Job, Reach, When};
use snapkeeper_simulator::{FaultKind, mix};

use super::call::Call;

/// What is waiting to strike.
#[derive(Debug)]
pub(super) struct Strikes {
    seed: u64,
    /// How many faults there have ever been.
    placed: u64,
    waiting: Vec<Waiting>,
    /// The regions that do not answer.
    pub(super) down: BTreeSet<String>,
    /// The instances, volumes and snapshots that the jobs may name in no change.
    pub(super) denied: BTreeSet<String>,
}

/// A fault that is waiting to strike.
#[derive(Debug)]
struct Waiting {
    action: Option<String>,
    region: Option<String>,
    kind: Fault,
    when: When,
    /// Its place among all that there have ever been.
    place: u64,
    /// How many calls matched it so far.
    matched: u32,
}

impl Strikes {
    pub(super) fn new(seed: u64) -> Strikes {
        Strikes { seed, placed: 0, waiting: Vec::new(), down: BTreeSet::new(), denied: BTreeSet::new() }
    }

    pub(super) fn add(&mut self, action: Option<String>, region: Option<String>, kind: Fault, when: When) {
        self.waiting.push(Waiting { action, region, kind, when, place: self.placed, matched: 0 });
        self.placed += 1;
    }

    /// All is well again.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.down.clear();
        self.denied.clear();
    }

    /// Whether the call is to change what the jobs may not change.
    pub(super) fn denies(&self, call: &Call) -> bool {
        !call.reads() && call.about().any(|id| self.denied.contains(id))
    }

    /// The fault that strikes this call: of those that are due, the one that came first.
    pub(super) fn strike(&mut self, call: &Call) -> Option<Fault> {
        let mut struck = None;
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.matches(call)) {
            let nth = waiting.matched;
            waiting.matched += 1;
            let is_due = match waiting.when {
                When::After(calls) => nth == calls,
                When::OneIn(calls) => {
                    mix(mix(self.seed ^ waiting.place) ^ u64::from(nth)).is_multiple_of(u64::from(calls.max(1)))
                }
                When::From(calls) => nth >= calls,
            };
            if is_due && struck.is_none() {
                struck = Some(waiting.kind);
            }
        }
        struck
    }

    /// By how much a reading of a job in its region may lag behind, at most.
    pub(super) fn lag(&self, job: Job, region: &str) -> TimeDelta {
        let mut longest = 0;
        for waiting in self.waiting.iter().filter(|waiting| !waiting.is_spent()) {
            let may_strike = job.may_read(region, waiting.action.as_deref(), waiting.region.as_deref());
            if let Fault::Stale(seconds) = waiting.kind
                && may_strike
            {
                longest = longest.max(seconds);
            }
        }
        TimeDelta::seconds(longest.into())
    }
}

impl Waiting {
    fn matches(&self, call: &Call) -> bool {
        let makes_sense = match self.kind.reach() {
            Reach::All => true,
            Reach::Readings => call.reads(),
            Reach::LaterPages => call.is_for_a_later_page(),
        };
        makes_sense
            && self.action.as_deref().is_none_or(|action| action == call.action)
            && self.region.as_deref().is_none_or(|region| region == call.region)
    }

    fn is_spent(&self) -> bool {
        match self.when {
            When::After(calls) => self.matched > calls,
            When::OneIn(_) | When::From(_) => false,
        }
    }
}

/// The fault in the simulator's words.
pub(super) fn kind_of(fault: Fault) -> FaultKind {
    let internal = || "InternalError".to_owned();
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    match fault {
        Fault::Throttled => FaultKind::Throttle,
        Fault::Internal => FaultKind::Status { status: 500, code: internal() },
        Fault::Unavailable => FaultKind::Status { status: 503, code: "Unavailable".to_owned() },
        Fault::CutBefore => FaultKind::CutBefore,
        Fault::CutAfter => FaultKind::CutAfter,
        Fault::InternalAfter => FaultKind::StatusAfter { status: 500, code: internal() },
        Fault::Late(by) => FaultKind::Late(seconds(by)),
        Fault::Slow(by) => FaultKind::Slow(seconds(by)),
        Fault::Stale(by) => FaultKind::Stale(seconds(by)),
        Fault::Denied => FaultKind::Deny,
        Fault::Expired => FaultKind::Status { status: 400, code: "InvalidPaginationToken".to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(action: &str, region: &str) -> Call {
        Call { service: "ec2".to_owned(), region: region.to_owned(), action: action.to_owned(), params: Vec::new() }
    }

    /// Which of these many readings are struck.
    fn struck(strikes: &mut Strikes, calls: usize) -> Vec<usize> {
        (0..calls).filter(|_| strikes.strike(&call("DescribeImages", "us-east-1")).is_some()).collect()
    }

    #[test]
    fn a_fault_strikes_when_it_is_to() {
        let check = |when: When, expected: &[usize]| {
            let mut strikes = Strikes::new(7);
            strikes.add(None, None, Fault::Throttled, when);
            assert_eq!(struck(&mut strikes, 4), expected, "{when:?}");
        };
        check(When::After(0), &[0]);
        check(When::After(2), &[2]);
        check(When::OneIn(1), &[0, 1, 2, 3]);
        check(When::From(2), &[2, 3]);
        check(When::From(0), &[0, 1, 2, 3]);
    }

    #[test]
    fn readings_lag_behind_only_where_a_fault_can_strike_them() {
        let mut strikes = Strikes::new(7);
        let (images, west) = (Some("DescribeImages".to_owned()), Some("us-west-2".to_owned()));
        strikes.add(images, None, Fault::Stale(20), When::From(0));
        strikes.add(Some("DescribeSnapshots".to_owned()), west, Fault::Stale(400), When::From(0));
        for (job, region, seconds) in [
            (Job::Creator, "us-east-1", 0),
            (Job::Creator, "us-west-2", 400),
            (Job::Copier, "us-east-1", 400),
            (Job::Manager, "us-east-1", 400),
        ] {
            assert_eq!(strikes.lag(job, region), TimeDelta::seconds(seconds), "{job:?} {region}");
        }
    }

    #[test]
    fn one_in_four_is_about_a_quarter_and_the_same_every_time() {
        let quarter = || {
            let mut strikes = Strikes::new(7);
            strikes.add(None, None, Fault::Throttled, When::OneIn(4));
            struck(&mut strikes, 4_000)
        };
        assert!((900..1_100).contains(&quarter().len()), "{}", quarter().len());
        assert_eq!(quarter(), quarter());
    }

    #[test]
    fn only_changes_that_name_what_is_denied_are_denied() {
        let mut strikes = Strikes::new(7);
        strikes.denied.insert("snap-1".to_owned());
        let named = |action: &str, name: &str, value: &str| Call {
            params: vec![(name.to_owned(), value.to_owned())],
            ..call(action, "us-east-1")
        };
        for (denied, action, name, value) in [
            (true, "DeleteSnapshot", "SnapshotId", "snap-1"),
            (true, "CopySnapshot", "SourceSnapshotId", "snap-1"),
            (true, "CreateTags", "ResourceId.1", "snap-1"),
            (false, "DeleteSnapshot", "SnapshotId", "snap-2"),
            (false, "CopySnapshot", "TagSpecification.1.Tag.1.Value", "snap-1"),
            (false, "DescribeSnapshots", "SnapshotId", "snap-1"),
        ] {
            assert_eq!(strikes.denies(&named(action, name, value)), denied, "{action} {name} {value}");
        }
        strikes.clear();
        assert!(!strikes.denies(&named("DeleteSnapshot", "SnapshotId", "snap-1")));
    }

    #[test]
    fn a_fault_strikes_only_what_it_is_meant_for() {
        let mut strikes = Strikes::new(7);
        strikes.add(Some("CopySnapshot".to_owned()), Some("us-west-2".to_owned()), Fault::Denied, When::From(0));
        strikes.add(None, None, Fault::Stale(90), When::After(0));
        strikes.add(None, None, Fault::Expired, When::From(0));
        let lag = |strikes: &Strikes| strikes.lag(Job::Manager, "us-east-1");
        assert_eq!(lag(&strikes), TimeDelta::seconds(90));
        assert_eq!(strikes.strike(&call("CopySnapshot", "us-east-1")), None);
        assert_eq!(strikes.strike(&call("CopySnapshot", "us-west-2")), Some(Fault::Denied));
        assert_eq!(strikes.strike(&call("DescribeImages", "us-west-2")), Some(Fault::Stale(90)));
        assert_eq!(lag(&strikes), TimeDelta::zero(), "spent");
        let mut later = call("DescribeImages", "us-west-2");
        later.params.push(("NextToken".to_owned(), "0123".to_owned()));
        assert_eq!(strikes.strike(&later), Some(Fault::Expired));
    }
}
