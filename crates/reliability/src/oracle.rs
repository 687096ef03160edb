//! The promises, each a predicate on what truly exists and what has happened to it.
//!
//! Written from the promises, without `core`'s judgement: nothing of `core` is used here.

mod alerts;
mod copier;
mod copies;
mod creator;
mod dates;
mod deletions;
mod healed;
mod history;
mod manager;
mod numbers;
mod place;
mod primaries;
mod retention;
mod rules;
mod runs;
#[cfg(test)]
mod scene;
mod sets;
mod snap;
mod tags;
#[cfg(test)]
mod tests;
mod tries;
mod watcher;

use crate::script::{Job, Setting};
use crate::truth::{Tags, Truth};
use chrono::{DateTime, TimeDelta, Utc};
use copies::Copied;
use history::Moment;
use place::{Changes, Place, Places};
use primaries::Taken;
use rules::Rules;
use runs::{Broken, Running, Runs};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is promised, whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// 1. Nothing is deleted but an own, automated, dated, due, unheld, unused, unlocked snapshot that is not the last good one.
    DeletesOnlyWhatMayGo,
    /// 2. A reading that did not come to its end deletes nothing.
    AbsenceIsNoEvidence,
    /// 3. No snapshot ever exists without the tags that its later life needs.
    TaggedFromTheStart,
    /// 4. At most one snapshot per volume and run; after an open outcome at most one extra.
    OneEach,
    /// 5. A set with a failed member never counts as a backup.
    SetsAreWhole,
    /// 6. One bad item harms no other; nothing is left out in silence.
    NothingInSilence,
    /// 7. After the faults stop, everything is as promised within two runs.
    Heals,
    /// 7. The watcher has reported every gap meanwhile.
    GapsAreReported,
    /// 8. Reported numbers are the true numbers.
    NumbersAreTrue,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub promise: Promise,
    /// When it showed.
    pub at: DateTime<Utc>,
    /// What happened, in words.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}: {}", self.at.format("%Y-%m-%d %H:%M:%S"), self.promise, self.what)
    }
}

/// Who changed what exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A job, in the run of this number.
    Run(u32),
    /// An operator, or somebody else in the account.
    Operator,
    /// Time: a snapshot or copy came to its end, a lock expired, a call took effect late.
    Time,
}

/// A run as the oracle sees it.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Its number.
    pub run: u32,
    /// The job.
    pub job: Job,
    /// Its region.
    pub region: String,
    /// The scheduled instant.
    pub instant: DateTime<Utc>,
    /// Its readings show at least what had been so for that long: the greatest staleness that may strike them.
    pub lag: TimeDelta,
    /// Whether it is cut off after a time: then it may leave things for the next run.
    pub has_deadline: bool,
}

/// What a run told of itself.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Whether it says that it did what it is for.
    pub succeeded: bool,
    /// What was done: the resource and the ids of what was made.
    pub applied: Vec<(String, Vec<String>)>,
    /// What failed: the resource and why.
    pub failed: Vec<(String, String)>,
    /// What is left over: the resource and why.
    pub unfinished: Vec<(String, String)>,
    /// What was left alone: the resource and why.
    pub kept: Vec<(String, String)>,
    /// The kind, such as `no_recent_backup`, the resource, and what is wrong.
    pub findings: Vec<(String, String, String)>,
    /// Calls by action, repeats included; `None` where none are made (the model).
    pub calls: Option<BTreeMap<String, u64>>,
    /// What its calls that change something were truly about: volumes, instances, snapshots. It does not tell this itself;
    /// `None` where it is not known.
    pub asked: Option<BTreeSet<String>>,
    /// The messages that truly arrived from it at the alert topic, with subject and text. It does not tell this itself;
    /// `None` where there is no topic.
    pub messages: Option<Vec<(String, String)>>,
}

/// Watches what truly exists.
#[derive(Debug)]
pub struct Oracle {
    rules: Rules,
    places: Places,
    runs: Runs,
    taken: Taken,
    copied: Copied,
    violations: Vec<Violation>,
    /// How many things have happened.
    order: u64,
}

impl Oracle {
    /// An oracle over a world in which nothing has happened yet, and in which the jobs are told this.
    pub fn new(setting: &Setting, truth: &Truth) -> Oracle {
        let at = Moment { at: truth.now, order: 0 };
        let places = truth.regions.iter().map(|(name, region)| (name.clone(), Place::new(name, region, at))).collect();
        Self {
            rules: Rules::of(setting),
            places,
            runs: Runs::new(),
            taken: Taken::new(),
            copied: Copied::new(),
            violations: Vec::new(),
            order: 0,
        }
    }

    /// A run begins.
    pub fn begin(&mut self, run: Begun, truth: &Truth) {
        let at = self.tick(truth);
        self.runs.insert(run.run, Running::new(run, at, &self.rules));
    }

    /// Something changed. Called after every single change, with who made it: one call, one act of an operator, one ending.
    pub fn see(&mut self, truth: &Truth, who: Who) {
        let at = self.tick(truth);
        let mut seen: Vec<(&String, Changes)> = Vec::new();
        for (name, region) in &truth.regions {
            if let Some(place) = self.places.get_mut(name) {
                let changes = place.see(region, who, at);
                if changes.is_any() {
                    seen.push((name, changes));
                }
            } else {
                self.places.insert(name.clone(), Place::new(name, region, at));
            }
        }
        let mut broken = Broken::new();
        for (name, changes) in &seen {
            for id in &changes.appeared {
                self.appeared(name, id, who, at, &mut broken);
            }
            for id in &changes.vanished {
                self.vanished(name, id, changes, who, &mut broken);
            }
            for (id, before) in &changes.retagged {
                self.retagged(name, (id.as_str(), before), who, at, &mut broken);
            }
            if let Who::Run(run) = who {
                let told = |it: &String| format!("run {run} changed what jobs never change: {it}, in {name}");
                broken.extend(changes.others.iter().map(|it| (Promise::DeletesOnlyWhatMayGo, told(it))));
            }
        }
        self.tell(at, broken);
    }

    /// A run asks for the deletion of a snapshot, whatever comes of it. Called before the call takes effect.
    pub fn asks_to_delete(&mut self, run: u32, region: &str, snapshot: &str, truth: &Truth) {
        let at = self.tick(truth);
        let mut broken = Broken::new();
        if let Some(snap) = self.places.get_mut(region).and_then(|place| place.snapshots.get_mut(snapshot)) {
            snap.asked = Some(run);
        }
        if let Some(running) = self.runs.get_mut(&run) {
            running.has_asked = true;
            deletions::asked(&self.places, running, region, snapshot, &mut broken);
        }
        self.tell(at, broken);
    }

    /// A run cannot know whether a call of its own that creates took effect, or whether there is already what it is about to create:
    /// the answer was lost, or a reading may have hidden it. `of`: a volume, an instance, or a copied snapshot; `None`: all that it
    /// creates, which counts once a run, however many readings were stale.
    pub fn doubts(&mut self, run: u32, of: Option<&str>) {
        if let Some(running) = self.runs.get_mut(&run) {
            let creates = match running.begun.job {
                Job::Creator | Job::Copier => true,
                Job::Manager | Job::Watcher => false,
            };
            if creates && (of.is_some() || !running.doubts.contains(&None)) {
                running.doubts.push(of.map(str::to_owned));
            }
        }
    }

    /// A reading of this run ended with an error, in this region. What it does not find out after it has begun to delete,
    /// such as why a deletion was refused, is no evidence that it deletes by.
    pub fn could_not_read(&mut self, run: u32, region: &str, what: &str) {
        if let Some(running) = self.runs.get_mut(&run)
            && !running.has_asked
        {
            running.unread.insert(region.to_owned());
            if what == "DescribeSnapshots" {
                running.unlisted.insert(region.to_owned());
            }
        }
    }

    /// A call of this run that creates had no certain answer, in this region. What may have become of it is another matter:
    /// see [`Oracle::doubts`].
    pub fn had_no_answer(&mut self, run: u32, region: &str) {
        if let Some(running) = self.runs.get_mut(&run) {
            running.unanswered.insert(region.to_owned());
        }
    }

    /// A run is over. `told` is what it reported, `None` if it was killed. `calls`: the true count of its calls by action, where calls are made.
    pub fn end(&mut self, run: u32, told: Option<&Told>, calls: Option<&BTreeMap<String, u64>>, truth: &Truth) {
        let at = self.tick(truth);
        let Some(running) = self.runs.get_mut(&run) else { return };
        running.ended = Some(at);
        let Some(told) = told else { return };
        running.unfinished.clone_from(&told.unfinished);
        match running.begun.job {
            Job::Copier => running.full = copier::full(&self.places, &self.rules, running.window),
            Job::Manager => running.is_braked = manager::is_braked(&self.places, &self.rules, running, told),
            Job::Creator | Job::Watcher => {}
        }
        let (running, places) = (&*running, &self.places);
        let mut broken = Broken::new();
        broken.extend(running.silence_about_home(told).map(|why| (Promise::NothingInSilence, why)));
        match running.begun.job {
            Job::Creator => {
                if let Some(place) = places.get(&running.begun.region) {
                    creator::ended(place, running, told, &mut broken);
                }
            }
            Job::Copier => copier::ended(places, running, told, &mut broken),
            Job::Manager => manager::ended(places, running, told, &mut broken),
            Job::Watcher => watcher::ended(places, &self.rules, running, told, &mut broken),
        }
        if let Some(place) = places.get(&running.begun.region) {
            tries::ended(place, running, told, &mut broken);
        }
        numbers::ended(places, running, told, calls, &mut broken);
        alerts::ended(running, told, &mut broken);
        self.tell(at, broken);
    }

    /// After calm and two rounds of all jobs, everything pending having ended: everything must be as promised.
    pub fn healed(&mut self, truth: &Truth) {
        let at = self.tick(truth);
        let wrong = healed::healed(&self.places, &self.runs, truth.now);
        self.tell(at, wrong.into_iter().map(|why| (Promise::Heals, why)).collect());
    }

    /// The promises that were broken so far.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// One more thing happens.
    fn tick(&mut self, truth: &Truth) -> Moment {
        self.order += 1;
        Moment { at: truth.now, order: self.order }
    }

    fn tell(&mut self, at: Moment, mut broken: Broken) {
        broken.dedup();
        self.violations.extend(broken.into_iter().map(|(promise, what)| Violation { promise, at: at.at, what }));
    }

    /// A snapshot has appeared. By time alone only a call can make one that takes effect late.
    fn appeared(&mut self, region: &str, id: &str, who: Who, at: Moment, broken: &mut Broken) {
        let Some(place) = self.places.get(region) else { return };
        let Some(snap) = place.snapshots.get(id) else { return };
        let maker = match (who, &snap.copy_of) {
            (Who::Operator, _) => return,
            (Who::Run(run), _) => Some(run),
            (Who::Time, None) => primaries::made_late(&self.runs, region, snap, at.at),
            (Who::Time, Some(source)) => copies::made_late(&self.runs, source, at.at),
        };
        let Some(running) = maker.and_then(|run| self.runs.get_mut(&run)) else {
            broken
                .push((Promise::TaggedFromTheStart, format!("{id} appeared in {region}, and no run can have made it")));
            return;
        };
        running.made.push((region.to_owned(), id.to_owned()));
        let running = &*running;
        let one_too_many = if snap.copy_of.is_some() {
            copies::appeared(&self.places, running, region, id, broken);
            let run = running.begun.run;
            copies::count(&mut self.copied, &self.places, &self.runs, run, (region, id))
        } else {
            primaries::appeared(place, &self.rules, running, id, broken);
            let event = running.begun.instant;
            primaries::count(&mut self.taken, &self.places, &self.runs, event, (region, id))
        };
        broken.extend(one_too_many.map(|why| (Promise::OneEach, why)));
    }

    /// A snapshot has vanished. By time alone only a call can delete one that takes effect late.
    fn vanished(&mut self, region: &str, id: &str, changes: &Changes, who: Who, broken: &mut Broken) {
        let Some(snap) = self.places.get(region).and_then(|place| place.gone.get(id)) else { return };
        if snap.is_primary_of_a_run() {
            primaries::uncount(&mut self.taken, region, id, snap);
        }
        let run = match who {
            Who::Operator => return,
            Who::Run(run) => Some(run),
            Who::Time => snap.asked,
        };
        let Some(running) = run.and_then(|run| self.runs.get_mut(&run)) else {
            broken
                .push((Promise::DeletesOnlyWhatMayGo, format!("{id} vanished from {region}, and nobody asked for it")));
            return;
        };
        running.deleted.push(id.to_owned());
        deletions::vanished(&self.places, running, region, id, &changes.falls, broken);
        if let Some(why) = deletions::is_past_brake(&self.places, &self.rules, running) {
            running.is_past_brake = true;
            broken.push((Promise::DeletesOnlyWhatMayGo, why));
        }
    }

    /// A snapshot has other tags than before. By time alone only a call can change them that takes effect late.
    fn retagged(&mut self, region: &str, (id, before): (&str, &Tags), who: Who, at: Moment, broken: &mut Broken) {
        let Some(snap) = self.places.get(region).and_then(|place| place.snapshots.get(id)) else { return };
        match who {
            Who::Operator => {
                let tells = |it: &Tags| {
                    tags::is_automated(it).then(|| [tags::BACKUP_RUN, tags::SNAPSHOT].map(|key| it.get(key).cloned()))
                };
                if snap.is_primary_of_a_run() && tags::is_automated(before) && tells(before) != tells(snap.tags.now()) {
                    primaries::uncount(&mut self.taken, region, id, snap);
                }
            }
            Who::Run(run) => {
                if let Some(running) = self.runs.get(&run) {
                    primaries::retagged(&self.places, &self.rules, running, region, (id, before), broken);
                }
            }
            Who::Time => {
                broken.extend(primaries::retagged_late(
                    &self.places,
                    &self.rules,
                    &self.runs,
                    region,
                    (id, before),
                    at.at,
                ));
            }
        }
    }
}
