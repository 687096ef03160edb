//! What goes wrong: which calls are struck, and what else does not work.

use super::acts::Picked;
use super::world::World;
use crate::script::{Fault, Job, Reach, Trouble, When};
use crate::truth::State;
use chrono::TimeDelta;
use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// How long a snapshot takes when nothing is wrong.
const SNAPSHOT_TIME: TimeDelta = TimeDelta::minutes(10);
/// How long a copy takes when nothing is wrong.
const COPY_TIME: TimeDelta = TimeDelta::minutes(30);

/// What is wrong at the time.
pub(super) struct Troubles {
    /// How long a snapshot takes that is begun now.
    pub(super) snapshot_time: TimeDelta,
    /// How long a copy takes that is begun now.
    pub(super) copy_time: TimeDelta,
    /// The code with which snapshots of a volume are refused.
    pub(super) refusals: BTreeMap<String, String>,
    /// The regions in which the key for copies is disabled.
    pub(super) keys_off: BTreeSet<String>,
    /// The instances, volumes and snapshots that the jobs may name in no change.
    denied: BTreeSet<String>,
    /// Whether requests dated by a wrong clock are refused.
    clock_refused: bool,
    /// How often each fault has struck, and a kill or a region that is down.
    pub(super) struck: BTreeMap<&'static str, u64>,
    down: BTreeSet<String>,
    /// Of a volume, how many of its next snapshots fail.
    failures: BTreeMap<String, u32>,
    faults: Vec<Armed>,
    rng: Rng,
}

/// A fault that waits for calls.
struct Armed {
    action: Option<String>,
    region: Option<String>,
    kind: Fault,
    when: When,
    /// How many matching calls there were.
    passed: u32,
}

impl Troubles {
    pub(super) fn new(seed: u64) -> Troubles {
        Troubles {
            snapshot_time: SNAPSHOT_TIME,
            copy_time: COPY_TIME,
            refusals: BTreeMap::new(),
            keys_off: BTreeSet::new(),
            denied: BTreeSet::new(),
            clock_refused: false,
            struck: BTreeMap::new(),
            down: BTreeSet::new(),
            failures: BTreeMap::new(),
            faults: Vec::new(),
            rng: Rng::with_seed(seed),
        }
    }

    /// Ends them all.
    pub(super) fn calm(&mut self) {
        self.snapshot_time = SNAPSHOT_TIME;
        self.copy_time = COPY_TIME;
        self.refusals.clear();
        self.keys_off.clear();
        self.denied.clear();
        self.clock_refused = false;
        self.down.clear();
        self.failures.clear();
        self.faults.clear();
    }

    /// Whether a region does not answer.
    pub(super) fn is_down(&self, region: &str) -> bool {
        self.down.contains(region)
    }

    /// Whether a call is refused for what it is to change, or for the clock by which it is dated, before any fault can
    /// strike it.
    pub(super) fn refuses(&mut self, changed: Option<&str>, is_clock_wrong: bool) -> bool {
        let why = if self.clock_refused && is_clock_wrong {
            "clock refused"
        } else if changed.is_some_and(|it| self.denied.contains(it)) {
            "denied for one resource"
        } else {
            return false;
        };
        self.count(why);
        true
    }

    /// The greatest staleness that can strike a reading of a job in its region now.
    pub(super) fn lag(&self, job: Job, region: &str) -> TimeDelta {
        let mut longest = 0;
        for fault in &self.faults {
            // one that has struck strikes no more
            let is_spent = matches!(fault.when, When::After(calls) if fault.passed > calls);
            let may_strike = job.may_read(region, fault.action.as_deref(), fault.region.as_deref());
            if let Fault::Stale(seconds) = fault.kind
                && !is_spent
                && may_strike
            {
                longest = longest.max(seconds);
            }
        }
        TimeDelta::seconds(longest.into())
    }

    /// Counts what struck a call.
    pub(super) fn count(&mut self, kind: &'static str) {
        *self.struck.entry(kind).or_default() += 1;
    }

    /// How many readings were stale so far.
    pub(super) fn stale(&self) -> u64 {
        self.struck.get(Fault::Stale(0).name()).copied().unwrap_or_default()
    }

    /// Whether the next snapshot of a volume fails. Each time it is asked, one failure is used up.
    pub(super) fn fails(&mut self, volume: &str) -> bool {
        match self.failures.get_mut(volume) {
            Some(times) if *times > 0 => {
                *times -= 1;
                true
            }
            Some(_) | None => false,
        }
    }

    /// The fault that strikes a call: of those that match and whose turn it is, the one that came first.
    pub(super) fn strike(&mut self, action: &str, region: &str, is_later_page: bool) -> Option<Fault> {
        let mut strikes = None;
        for fault in &mut self.faults {
            let matches = fault.action.as_deref().is_none_or(|wanted| wanted == action)
                && fault.region.as_deref().is_none_or(|wanted| wanted == region)
                && match fault.kind.reach() {
                    Reach::All => true,
                    Reach::Readings => action.starts_with("Describe"),
                    Reach::LaterPages => is_later_page,
                };
            if !matches {
                continue;
            }
            let its_turn = match fault.when {
                When::After(calls) => fault.passed == calls,
                When::OneIn(calls) => self.rng.u32(..calls.max(1)) == 0,
                When::From(calls) => fault.passed >= calls,
            };
            fault.passed = fault.passed.saturating_add(1);
            if its_turn && strikes.is_none() {
                strikes = Some(fault.kind);
            }
        }
        if let Some(fault) = strikes {
            self.count(fault.name());
        }
        strikes
    }
}

impl World {
    /// From now on something is wrong.
    pub(super) fn trouble(&mut self, trouble: &Trouble) {
        match trouble {
            Trouble::Calls { action, region, kind, when } => {
                let (action, region) = (action.clone(), region.clone());
                self.troubles.faults.push(Armed { action, region, kind: *kind, when: *when, passed: 0 });
            }
            Trouble::Down(region) => {
                self.troubles.down.insert(region.clone());
            }
            Trouble::Up(region) => {
                self.troubles.down.remove(region);
            }
            Trouble::Fails(volume, times) => {
                if let Some(Picked::Volume(_, id)) = self.pick(volume) {
                    self.troubles.failures.insert(id, *times);
                }
            }
            Trouble::Refused(volume, code) => {
                if let Some(Picked::Volume(_, id)) = self.pick(volume) {
                    self.troubles.refusals.insert(id, code.clone());
                }
            }
            Trouble::Denied(what) => {
                if let Some(Picked::Instance(_, id) | Picked::Volume(_, id) | Picked::Snapshot(_, id)) = self.pick(what)
                {
                    self.troubles.denied.insert(id);
                }
            }
            Trouble::ClockRefused => self.troubles.clock_refused = true,
            Trouble::KeyOff(region) => self.disable_key(region),
            Trouble::SlowCopies(hours) => self.troubles.copy_time = TimeDelta::hours((*hours).into()),
            Trouble::SlowSnapshots(hours) => self.troubles.snapshot_time = TimeDelta::hours((*hours).into()),
        }
    }

    /// Disables the key for copies in a region: those in the making fail as well.
    fn disable_key(&mut self, region: &str) {
        self.troubles.keys_off.insert(region.to_owned());
        let Some(there) = self.truth.regions.get(region).filter(|_| self.setting.with_key) else { return };
        let pending = there.snapshots.iter().filter(|(_, it)| it.state == State::Pending && it.copy_of.is_some());
        let pending: Vec<String> = pending.map(|(id, _)| id.clone()).collect();
        for id in pending {
            self.doom(region, &id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn armed(action: Option<&str>, kind: Fault, when: When) -> Troubles {
        let mut troubles = Troubles::new(1);
        troubles.faults.push(Armed { action: action.map(str::to_owned), region: None, kind, when, passed: 0 });
        troubles
    }

    #[test]
    fn a_fault_strikes_only_the_calls_that_it_is_for() {
        let mut troubles = armed(Some("DeleteSnapshot"), Fault::Throttled, When::After(1));
        let mut strike = |action: &str| troubles.strike(action, "us-east-1", false).is_some();
        let calls = ["CopySnapshot", "DeleteSnapshot", "CopySnapshot", "DeleteSnapshot", "DeleteSnapshot"];
        assert_eq!(calls.map(&mut strike), [false, false, false, true, false]);
        assert_eq!(troubles.struck, BTreeMap::from([("throttled", 1)]));
    }

    #[test]
    fn readings_lag_no_more_when_the_fault_is_spent() {
        let mut troubles = armed(None, Fault::Stale(90), When::After(1));
        for lag in [90, 90, 0] {
            assert_eq!(troubles.lag(Job::Watcher, "us-east-1"), TimeDelta::seconds(lag));
            let _ = troubles.strike("DescribeImages", "us-east-1", false);
        }
    }

    #[test]
    fn readings_lag_only_where_the_fault_can_strike_them() {
        let lag = |action: Option<&str>, region: Option<&str>, job: Job| {
            let mut troubles = armed(action, Fault::Stale(90), When::From(0));
            troubles.faults[0].region = region.map(str::to_owned);
            troubles.lag(job, "us-east-1").num_seconds()
        };
        for (action, region, lags) in [
            (None, None, [90, 90, 90, 90]),
            (None, Some("us-east-1"), [90, 90, 90, 90]),
            (None, Some("us-west-2"), [0, 90, 90, 90]),
            (Some("DescribeSnapshots"), None, [90, 90, 90, 90]),
            (Some("DescribeVolumes"), None, [90, 0, 90, 90]),
            (Some("DescribeImages"), None, [0, 0, 90, 90]),
        ] {
            let jobs = [Job::Creator, Job::Copier, Job::Manager, Job::Watcher];
            assert_eq!(jobs.map(|job| lag(action, region, job)), lags, "{action:?} {region:?}");
        }
    }

    #[test]
    fn a_token_expires_only_on_later_pages() {
        let mut troubles = armed(None, Fault::Expired, When::From(0));
        assert_eq!(troubles.strike("DescribeImages", "us-east-1", false), None);
        assert_eq!(troubles.strike("DescribeImages", "us-east-1", true), Some(Fault::Expired));
    }

    #[test]
    fn one_resource_is_denied_and_a_wrong_clock_refused() {
        let mut troubles = Troubles::new(1);
        troubles.denied.insert("vol-1".to_owned());
        assert!(troubles.refuses(Some("vol-1"), true));
        assert!(!troubles.refuses(Some("vol-2"), true) && !troubles.refuses(None, true));
        troubles.clock_refused = true;
        assert!(troubles.refuses(None, true) && !troubles.refuses(None, false));
        assert_eq!(troubles.struck, BTreeMap::from([("clock refused", 1), ("denied for one resource", 1)]));
        troubles.calm();
        assert!(!troubles.refuses(Some("vol-1"), true));
    }

    #[test]
    fn one_in_so_many_strikes_about_so_often() {
        let mut troubles = armed(None, Fault::Denied, When::OneIn(4));
        let struck = (0..1_000).filter(|_| troubles.strike("CreateTags", "us-east-1", false).is_some()).count();
        assert!((150..350).contains(&struck), "{struck}");
    }
}
