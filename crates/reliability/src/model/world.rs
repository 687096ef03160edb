//! The model world: what truly exists, what time will bring, and what was.

use super::change::Change;
use super::troubles::Troubles;
use crate::mutant::Mutant;
use crate::oracle::{Oracle, Who};
use crate::script::{Fault, REGIONS, START, Script, Setting, Step, Trouble};
use crate::truth::{Snapshot, State, Tags, Truth};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

/// What exists in the model world, and what the truth alone does not tell.
pub(super) struct World {
    pub(super) setting: Setting,
    pub(super) mutant: Option<Mutant>,
    pub(super) truth: Truth,
    pub(super) oracle: Oracle,
    pub(super) troubles: Troubles,
    pub(super) past: Past,
    /// How many runs have begun.
    pub(super) runs: u32,
    /// Since when each instance has run and each volume has been attached.
    pub(super) since: BTreeMap<String, DateTime<Utc>>,
    /// The snapshot of each image, by the image's region and id: in the order of their making.
    pub(super) images: BTreeMap<(String, String), String>,
    /// When each volume was last snapshotted.
    pub(super) last_taken: BTreeMap<String, DateTime<Utc>>,
    /// Since when the run that is under way has been so twice at once, if it has.
    pub(super) at_once_since: Option<DateTime<Utc>>,
    /// What was told, one line per thing that happened; `None` if nobody asked.
    pub(super) log: Option<Vec<String>>,
    /// Until when each snapshot is locked, by region and id.
    locks: BTreeMap<(String, String), DateTime<Utc>>,
    /// The pending snapshots that will fail, by region and id.
    doomed: BTreeSet<(String, String)>,
    /// What time will bring, in its order; what comes at one instant, in the order in which it was begun.
    due: BTreeMap<(DateTime<Utc>, u64), Due>,
    count: u64,
}

/// What time brings.
#[expect(clippy::large_enum_variant, reason = "few are waited for at a time")]
pub(super) enum Due {
    /// A snapshot or copy ends.
    End(String, String),
    /// A terminated instance is listed no more.
    Forget(String, String),
    /// A lock expires.
    Unlock(String, String),
    /// A call takes effect late.
    Effect(Change),
}

impl World {
    /// The world as it is when a script begins.
    pub(super) fn new(script: &Script, mutant: Option<Mutant>, tells: bool) -> World {
        let truth = Truth::empty(START.parse().unwrap_or_default(), &REGIONS);
        World {
            setting: script.setting,
            mutant,
            oracle: Oracle::new(&script.setting, &truth),
            truth,
            troubles: Troubles::new(script.seed),
            past: Past::reaching(longest_lag(script)),
            runs: 0,
            since: BTreeMap::new(),
            images: BTreeMap::new(),
            last_taken: BTreeMap::new(),
            at_once_since: None,
            log: tells.then(Vec::new),
            locks: BTreeMap::new(),
            doomed: BTreeSet::new(),
            due: BTreeMap::new(),
            count: 0,
        }
    }

    /// Lets time pass until an instant, if it has not come yet.
    pub(super) fn pass_to(&mut self, at: DateTime<Utc>) {
        while let Some(entry) = self.due.first_entry() {
            if entry.key().0 > at {
                break;
            }
            let ((when, _), due) = entry.remove_entry();
            self.truth.now = self.truth.now.max(when);
            self.happen(due);
        }
        self.truth.now = self.truth.now.max(at);
    }

    /// Lets so many seconds pass.
    pub(super) fn wait(&mut self, seconds: u32) {
        self.pass_to(self.truth.now + TimeDelta::seconds(seconds.into()));
    }

    /// Ends all troubles, and all that is pending.
    pub(super) fn calm(&mut self) {
        self.troubles.calm();
        let ends = self.due.iter().filter(|(_, due)| matches!(due, Due::End(..)));
        let ends: Vec<(DateTime<Utc>, u64)> = ends.map(|(key, _)| *key).collect();
        for key in ends {
            if let Some(due) = self.due.remove(&key) {
                self.happen(due);
            }
        }
    }

    /// Must be called before anything changes: keeps what was.
    pub(super) fn remember(&mut self) {
        self.past.keep(&self.truth);
    }

    /// Writes into the story what happened, if anybody asked for it.
    pub(super) fn tell(&mut self, what: fmt::Arguments<'_>) {
        if let Some(log) = &mut self.log {
            log.push(format!("{}  {what}", self.truth.now.format("%m-%d %H:%M:%S")));
        }
    }

    /// A new id. Those that come later are greater.
    pub(super) fn id(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("{kind}-{:08x}", self.count)
    }

    /// Brings something about later.
    pub(super) fn schedule(&mut self, at: DateTime<Utc>, due: Due) {
        self.count += 1;
        self.due.insert((at, self.count), due);
    }

    /// Begins a snapshot, or a copy.
    pub(super) fn begin(
        &mut self,
        region: &str,
        of: (String, String),
        copy_of: Option<(String, String)>,
        tags: Tags,
    ) -> String {
        let id = self.id("snap");
        let time = if copy_of.is_some() { self.troubles.copy_time } else { self.troubles.snapshot_time };
        let begun = self.truth.now;
        let snapshot =
            Snapshot { of, copy_of, state: State::Pending, begun, tags, locked: false, images: BTreeSet::new() };
        if let Some(there) = self.truth.regions.get_mut(region) {
            there.snapshots.insert(id.clone(), snapshot);
        }
        self.schedule(begun + time, Due::End(region.to_owned(), id.clone()));
        id
    }

    /// Lets a pending snapshot fail when its time has come.
    pub(super) fn doom(&mut self, region: &str, id: &str) {
        self.doomed.insert((region.to_owned(), id.to_owned()));
    }

    /// Locks a snapshot until an instant, or longer if it is locked for longer.
    pub(super) fn lock(&mut self, region: &str, id: &str, until: DateTime<Utc>) {
        if let Some(snapshot) = self.truth.regions.get_mut(region).and_then(|there| there.snapshots.get_mut(id)) {
            snapshot.locked = true;
            let lock = self.locks.entry((region.to_owned(), id.to_owned())).or_insert(until);
            *lock = until.max(*lock);
            self.schedule(until, Due::Unlock(region.to_owned(), id.to_owned()));
        }
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::End(region, id) => self.end(region, id),
            Due::Forget(region, id) => {
                self.remember();
                let there = self.truth.regions.get_mut(&region);
                if there.and_then(|there| there.instances.remove(&id)).is_some() {
                    self.oracle.see(&self.truth, Who::Time);
                }
            }
            Due::Unlock(region, id) => self.unlock(region, id),
            Due::Effect(change) => {
                self.tell(format_args!("takes effect late: {change}"));
                // nobody is there any more to hear that it was refused
                let _ = self.carry_out(&change, Who::Time);
            }
        }
    }

    fn end(&mut self, region: String, id: String) {
        self.remember();
        let key = (region, id);
        let fails = self.doomed.remove(&key);
        let there = self.truth.regions.get_mut(&key.0);
        // it may have been deleted meanwhile
        if let Some(snapshot) = there.and_then(|there| there.snapshots.get_mut(&key.1)) {
            snapshot.state = if fails { State::Error } else { State::Completed };
            // "if the snapshot creation fails, the lock is cancelled"
            snapshot.locked &= !fails;
            let state = snapshot.state;
            self.oracle.see(&self.truth, Who::Time);
            self.tell(format_args!("{} in {} is {state:?}", key.1, key.0));
        }
    }

    fn unlock(&mut self, region: String, id: String) {
        let key = (region, id);
        if self.locks.get(&key).is_none_or(|until| *until > self.truth.now) {
            return;
        }
        self.remember();
        self.locks.remove(&key);
        let there = self.truth.regions.get_mut(&key.0);
        if let Some(snapshot) = there.and_then(|there| there.snapshots.get_mut(&key.1)) {
            snapshot.locked = false;
            self.oracle.see(&self.truth, Who::Time);
            self.tell(format_args!("the lock of {} in {} expires", key.1, key.0));
        }
    }
}

/// What was, as far back as a stale reading can reach.
pub(super) struct Past {
    reach: TimeDelta,
    /// What was true until each instant, the oldest first.
    versions: VecDeque<(DateTime<Utc>, Truth)>,
}

impl Past {
    fn reaching(reach: TimeDelta) -> Past {
        Past { reach, versions: VecDeque::new() }
    }

    /// What was true at an instant, where that is not what is true now.
    pub(super) fn at(&self, then: DateTime<Utc>) -> Option<&Truth> {
        self.versions.iter().find(|(until, _)| *until > then).map(|(_, truth)| truth)
    }

    /// Keeps what has been true until now, once for each instant at which something changes.
    fn keep(&mut self, truth: &Truth) {
        let now = truth.now;
        if self.reach.is_zero() || self.versions.back().is_some_and(|(until, _)| *until >= now) {
            return;
        }
        while self.versions.front().is_some_and(|(until, _)| *until <= now - self.reach) {
            self.versions.pop_front();
        }
        self.versions.push_back((now, truth.clone()));
    }
}

/// The greatest staleness that can strike a reading of this script.
fn longest_lag(script: &Script) -> TimeDelta {
    let mut longest = 0;
    for step in &script.steps {
        if let Step::Trouble(Trouble::Calls { kind: Fault::Stale(seconds), .. }) = step {
            longest = longest.max(*seconds);
        }
    }
    TimeDelta::seconds(longest.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_what_was_true_until_something_changed() {
        let at = |minute: i64| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::minutes(minute);
        let mut past = Past::reaching(TimeDelta::minutes(30));
        let mut truth = Truth::empty(at(0), &["us-east-1"]);
        // at 10 a region comes, at 20 another
        for (minute, region) in [(10, "us-west-2"), (20, "eu-west-1")] {
            truth.now = at(minute);
            past.keep(&truth);
            past.keep(&truth);
            truth.regions.insert(region.to_owned(), crate::truth::Region::default());
        }
        let regions = |minute: i64| past.at(at(minute)).map(|then| then.regions.len());
        assert_eq!([9, 10, 19, 20].map(regions), [Some(1), Some(2), Some(2), None]);
    }
}
