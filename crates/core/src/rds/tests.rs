//! Sharer and saver together for forty days, on a plain model of the two accounts; and after each run someone who knows
//! nothing of tags asks whether the promise was kept.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    fixtures::at,
    plan::Plan,
    rds::{
        fixtures::{FAILSAFE, LIVE, automated, cluster, failsafe_run, instance, live_run},
        inventory::{Database, DbSnapshot, DbSnapshotId, DbSnapshotState, KeyState, Quotas},
        save::{self, Save},
        share::{self, Share},
        step::CopyDbSnapshot,
    },
    tags::{self, Tags},
};

/// How long a copy takes.
const COPYING: TimeDelta = TimeDelta::minutes(40);
/// How many automated snapshots RDS keeps.
const AUTOMATED: usize = 2;
/// How many days the saver keeps.
const DAYS: usize = 7;

struct World {
    now: DateTime<Utc>,
    databases: Vec<Database>,
    automated: Vec<DbSnapshot>,
    live: Vec<DbSnapshot>,
    shared_with: BTreeMap<DbSnapshotId, BTreeSet<String>>,
    failsafe: Vec<DbSnapshot>,
    /// Each so manieth copy fails.
    fails: usize,
    copies: usize,
}

impl World {
    fn new(fails: usize) -> Self {
        Self {
            now: at("2026-11-21T00:00:00Z"),
            databases: vec![instance("orders"), cluster("orders"), instance("billing")],
            automated: Vec::new(),
            live: Vec::new(),
            shared_with: BTreeMap::new(),
            failsafe: Vec::new(),
            fails,
            copies: 0,
        }
    }

    /// RDS takes the snapshots of the day at twelve minutes past five.
    fn take(&mut self) {
        for database in &self.databases {
            self.automated.push(automated(database, &self.now.format("%Y-%m-%dT%H:%M").to_string()));
            let of_it = self.automated.iter().filter(|it| it.database == database.id).count();
            if let Some(oldest) = self.automated.iter().position(|it| of_it > AUTOMATED && it.database == database.id) {
                self.automated.remove(oldest);
            }
        }
    }

    /// What was begun long enough ago comes to its end.
    fn finish(&mut self) {
        for copy in self.live.iter_mut().chain(&mut self.failsafe) {
            let is_done = copy.made.is_some_and(|made| self.now - made >= COPYING);
            if copy.state == DbSnapshotState::InProgress && is_done {
                self.copies += 1;
                let fails = self.copies.is_multiple_of(self.fails);
                copy.state = if fails { DbSnapshotState::Failed } else { DbSnapshotState::Available };
            }
        }
    }

    /// A copy as RDS tells of it; of a cluster it does not tell when the data is.
    fn copy(&self, copy: &CopyDbSnapshot, owner: &str, sources: &[DbSnapshot]) -> DbSnapshot {
        let is_source = |it: &&DbSnapshot| copy.source == it.arn || copy.source == it.id.name;
        let is_kind = |it: &&DbSnapshot| it.id.kind == copy.target.kind;
        let source = sources.iter().filter(is_kind).find(is_source).expect("the source is there");
        DbSnapshot {
            id: copy.target.clone(),
            arn: format!("arn:aws:rds:us-east-1:{owner}:{}", copy.target),
            owner: owner.to_owned(),
            state: DbSnapshotState::InProgress,
            made: Some(self.now),
            taken: if source.is_aurora() { Some(self.now) } else { source.taken },
            tags: copy.tags.clone(),
            ..source.clone()
        }
    }

    fn share(&mut self) -> Plan<Share> {
        let inventory = share::Inventory {
            databases: self.databases.clone(),
            automated: self.automated.clone(),
            manual: self.live.clone(),
            shared_with: share::to_look_at(&self.live)
                .into_iter()
                .map(|id| (id.clone(), self.shared_with.get(&id).cloned().unwrap_or_default()))
                .collect(),
            key: KeyState::Usable("arn".to_owned()),
            quotas: Quotas::default(),
        };
        let plan = share::plan(&inventory, &live_run(&tags::stamp(self.now)));
        assert!(plan.refusals.is_empty(), "{:#?}", plan.refusals);
        for action in &plan.actions {
            match action {
                Share::Copy(copy) => {
                    assert!(self.live.iter().all(|it| it.id != copy.target), "{copy}: it is there");
                    let made = self.copy(copy, LIVE, &self.automated);
                    self.live.push(made);
                }
                Share::Share { snapshot, account, .. } => {
                    self.shared_with.entry(snapshot.clone()).or_default().insert(account.clone());
                    self.announced(snapshot);
                }
                Share::Announce { snapshot, .. } => self.announced(snapshot),
                Share::Delete(delete) => self.live.retain(|it| it.id != delete.snapshot),
            }
        }
        plan
    }

    fn announced(&mut self, snapshot: &DbSnapshotId) {
        let stamp = tags::stamp(self.now);
        for copy in self.live.iter_mut().filter(|it| it.id == *snapshot) {
            copy.tags.set(tags::FAILSAFE_ANNOUNCED, stamp.as_str());
        }
    }

    fn save(&mut self) -> Plan<Save> {
        let is_shared = |it: &&DbSnapshot| self.shared_with.get(&it.id).is_some_and(|with| with.contains(FAILSAFE));
        let shared: Vec<DbSnapshot> =
            self.live.iter().filter(is_shared).map(|it| DbSnapshot { tags: Tags::default(), ..it.clone() }).collect();
        let inventory = save::Inventory {
            shared: shared.clone(),
            manual: self.failsafe.clone(),
            elsewhere: BTreeMap::new(),
            announced: None,
            quotas: BTreeMap::new(),
        };
        let plan = save::plan(&inventory, &failsafe_run(&tags::stamp(self.now)));
        assert!(plan.refusals.is_empty(), "{:#?}", plan.refusals);
        for action in &plan.actions {
            match action {
                Save::Copy(copy) => {
                    assert!(self.failsafe.iter().all(|it| it.id != copy.target), "{copy}: it is there");
                    let made = self.copy(copy, FAILSAFE, &shared);
                    self.failsafe.push(made);
                }
                Save::Delete(delete) => self.failsafe.retain(|it| it.id != delete.snapshot),
            }
        }
        plan
    }

    /// How many available saved copies there are of each database.
    fn saved(&self) -> Vec<usize> {
        let good = |database: &Database| {
            self.failsafe.iter().filter(|it| it.database == database.id && it.is_available()).count()
        };
        self.databases.iter().map(good).collect()
    }

    /// How old the data of a database's newest available saved copy is.
    fn age_of(&self, database: &Database) -> Option<TimeDelta> {
        let copies = self.failsafe.iter().filter(|it| it.database == database.id && it.is_available());
        copies.filter_map(DbSnapshot::data_at).max().map(|newest| self.now - newest)
    }
}

/// Forty days with a sharer each quarter of an hour and a saver each `hours`; every `fails`th copy fails.
fn forty_days(hours: i64, fails: usize) {
    let mut world = World::new(fails);
    let mut had_one = vec![false; world.databases.len()];
    for quarter in 0..40 * 24 * 4_i64 {
        world.now = at("2026-11-21T00:00:00Z") + TimeDelta::minutes(quarter * 15 + 12);
        world.finish();
        if quarter % 96 == 20 {
            world.take();
        }
        world.share();
        if quarter % (hours * 4) == 0 {
            world.save();
        }
        let saved = world.saved();
        for (had_one, count) in had_one.iter_mut().zip(&saved) {
            assert!(!*had_one || *count > 0, "{}: nothing is saved any more", world.now);
            *had_one |= *count > 0;
            // one of each day that is kept, and one that is due today or tomorrow while the saver does not run
            assert!(*count <= DAYS + 2, "{}: {saved:?} are saved", world.now);
        }
        // of each database today's, yesterday's and the one before, which have their time, and one under way
        assert!(world.live.len() <= 4 * world.databases.len(), "{}: {:#?}", world.now, world.live);
        if quarter > 3 * 96 {
            for database in &world.databases {
                let age = world.age_of(database);
                assert!(age.is_some_and(|age| age <= TimeDelta::hours(60)), "{}: {}: {age:?}", world.now, database.id);
            }
        }
    }
    assert!(had_one.iter().all(|had_one| *had_one));
    // and then it comes to rest
    for _ in 0..8 {
        world.now += COPYING;
        world.finish();
        world.share();
        world.save();
    }
    let (shares, saves) = (world.share().actions, world.save().actions);
    let is_failing = fails < 10;
    assert!(is_failing || (shares.is_empty() && saves.is_empty()), "{shares:#?} {saves:#?}");
}

#[test]
fn for_forty_days_there_is_always_a_saved_copy_and_never_too_many() {
    forty_days(1, usize::MAX);
    forty_days(24, usize::MAX);
    forty_days(1, 5);
}

#[test]
fn a_saver_that_stood_still_takes_up_the_newest_again() {
    let mut world = World::new(usize::MAX);
    for day in 0..12_i64 {
        world.now = at("2026-11-21T05:12:00Z") + TimeDelta::days(day);
        world.take();
        for _ in 0..3 {
            world.share();
            world.now += COPYING;
            world.finish();
            // it stands still for a week
            if !(3..10).contains(&day) {
                world.save();
            }
        }
    }
    world.now += COPYING;
    world.finish();
    for database in &world.databases {
        let age = world.age_of(database);
        assert!(age.is_some_and(|age| age < TimeDelta::hours(24)), "{}: {age:?}", database.id);
    }
}
