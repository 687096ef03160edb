//! What looks on while a script is played: the oracle, what truly exists, and the story.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, SecondsFormat, Utc};
use snapkeeper_lambda::Report;
use snapkeeper_reliability::{
    oracle::{Oracle, Violation, Who},
    script::{REGIONS, Script, Setting},
    truth::Truth,
};
use snapkeeper_simulator::Simulator;

use super::{
    in_a_line,
    strikes::Strikes,
    truth::{self, Origins},
};

/// What all runs of a script share.
pub(super) type Shared = Arc<Mutex<Watch>>;

/// Takes it in hand. Never held over an await.
pub(super) fn lock(watch: &Shared) -> MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What looks on.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) simulator: Simulator,
    pub(super) setting: Setting,
    pub(super) strikes: Strikes,
    /// Whether requests of the jobs are refused for the clock by which they are dated.
    pub(super) refuses_clock: bool,
    /// The volumes whose snapshots fail or are refused.
    pub(super) bad_volumes: BTreeSet<String>,
    /// Calls of the jobs.
    pub(super) calls: u64,
    /// What struck them.
    pub(super) struck: BTreeMap<String, u64>,
    /// How many readings that lag behind showed something else than what was so.
    pub(super) differing: u64,
    /// What the runs reported, by their numbers.
    pub(super) reports: BTreeMap<u32, Report>,
    pub(super) story: Vec<String>,
    oracle: Oracle,
    truth: Truth,
    origins: Origins,
    /// When the next lock of each region ends.
    locks: BTreeMap<String, DateTime<Utc>>,
    /// The simulator's count of changes at the last look.
    changes: u64,
}

impl Watch {
    /// Looks on from now, when nothing is there yet.
    pub(super) fn new(simulator: Simulator, script: &Script) -> Watch {
        let truth = Truth::empty(simulator.now(), &REGIONS);
        Watch {
            setting: script.setting,
            strikes: Strikes::new(script.seed),
            refuses_clock: false,
            bad_volumes: BTreeSet::new(),
            calls: 0,
            struck: BTreeMap::new(),
            differing: 0,
            reports: BTreeMap::new(),
            story: Vec::new(),
            oracle: Oracle::new(&script.setting, &truth),
            truth,
            origins: Origins::new(),
            locks: BTreeMap::new(),
            changes: simulator.changes(),
            simulator,
        }
    }

    /// Sees what time has done since the last look. To be called before anybody does anything.
    pub(super) fn time_passes(&mut self) {
        let now = self.simulator.now();
        let changes = self.simulator.changes();
        let a_lock_ended = self.locks.values().any(|end| *end <= now);
        self.truth.now = now;
        if changes != self.changes || a_lock_ended {
            self.look_everywhere(changes);
            self.judge(|oracle, truth| oracle.see(truth, Who::Time));
        }
    }

    /// Sees what a call of a run has done, which is in one region.
    pub(super) fn run_acted(&mut self, run: u32, region: &str) {
        let changes = self.simulator.changes();
        if changes != self.changes {
            self.changes = changes;
            self.look(region);
            self.judge(|oracle, truth| oracle.see(truth, Who::Run(run)));
        }
    }

    /// Sees what an operator has done.
    pub(super) fn operator_acted(&mut self) {
        let changes = self.simulator.changes();
        if changes != self.changes {
            self.look_everywhere(changes);
            self.judge(|oracle, truth| oracle.see(truth, Who::Operator));
        }
    }

    /// Lets the oracle hear or see something more. What time has done must have been seen.
    pub(super) fn judge(&mut self, ask: impl FnOnce(&mut Oracle, &Truth)) {
        let known = self.oracle.violations().len();
        ask(&mut self.oracle, &self.truth);
        for broken in self.oracle.violations().iter().skip(known) {
            self.story.push(format!("BROKEN  {}", in_a_line(broken)));
        }
    }

    /// Adds a line to the story.
    pub(super) fn tell(&mut self, what: impl std::fmt::Display) {
        let now = self.simulator.now().to_rfc3339_opts(SecondsFormat::Millis, true);
        self.story.push(format!("{now}  {what}"));
    }

    /// Counts what struck a call.
    pub(super) fn count(&mut self, kind: &str) {
        *self.struck.entry(kind.to_owned()).or_default() += 1;
    }

    /// The promises that were broken so far.
    pub(super) fn violations(&self) -> Vec<Violation> {
        self.oracle.violations().to_vec()
    }

    fn look_everywhere(&mut self, changes: u64) {
        self.changes = changes;
        for region in REGIONS {
            self.look(region);
        }
    }

    fn look(&mut self, region: &str) {
        let (seen, lock_ends) = truth::region(&self.simulator, region, &mut self.origins);
        self.truth.now = self.simulator.now();
        self.truth.regions.insert(region.to_owned(), seen);
        match lock_ends {
            Some(end) => self.locks.insert(region.to_owned(), end),
            None => self.locks.remove(region),
        };
    }
}
