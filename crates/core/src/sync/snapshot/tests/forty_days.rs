//! Sync for forty days, on a plain model of source and destination; and after each run someone who knows nothing of
//! tags asks whether the promise was kept.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::*;

/// How long a copy takes.
const COPYING: TimeDelta = TimeDelta::minutes(40);
/// How many automated snapshots RDS keeps.
const AUTOMATED: usize = 3;

struct World {
    now: DateTime<Utc>,
    database: Database,
    automated: Vec<DbSnapshot>,
    there: Vec<DbSnapshot>,
    /// Each so manieth copy fails.
    fails: usize,
    copies: usize,
}

impl World {
    fn new(database: Database, fails: usize) -> Self {
        // taken by hand, and nobody's business
        let by_hand = DbSnapshot {
            id: DbSnapshotId { kind: database.id.kind, name: "before-upgrade".to_owned() },
            tags: Tags::default(),
            ..automated(&database, "2026-10-01T10:00")
        };
        let now = at("2026-11-21T00:00:00Z");
        Self { now, database, automated: Vec::new(), there: vec![by_hand], fails, copies: 0 }
    }

    /// RDS takes the snapshot of the day.
    fn take(&mut self) {
        self.automated.push(automated(&self.database, &self.now.format("%Y-%m-%dT%H:%M").to_string()));
        if self.automated.len() > AUTOMATED {
            self.automated.remove(0);
        }
    }

    /// What was begun long enough ago comes to its end.
    fn finish(&mut self) {
        for copy in &mut self.there {
            let is_done = copy.made.is_some_and(|made| self.now - made >= COPYING);
            if copy.state == InProgress && is_done {
                self.copies += 1;
                let fails = self.copies.is_multiple_of(self.fails);
                copy.state = if fails { Failed } else { DbSnapshotState::Available };
            }
        }
    }

    fn sync(&mut self, max: u16) -> (Plan<SyncSnapshot>, Vec<Synced>) {
        let inventory = of(self.automated.clone(), self.there.clone());
        let done = plan(&inventory, &job(&self.database, max), &run(&tags::stamp(self.now)));
        for action in &done.0.actions {
            match action {
                SyncSnapshot::Copy(copy) => self.copy(copy),
                SyncSnapshot::Tag { arn, tags, .. } => {
                    let source = self.automated.iter_mut().find(|it| it.arn == *arn).expect("the source is there");
                    for (key, value) in tags.iter() {
                        source.tags.set(key, value);
                    }
                }
                SyncSnapshot::Delete(delete) => self.there.retain(|it| it.id != delete.snapshot),
            }
        }
        done
    }

    /// A copy as RDS makes it; of a cluster it does not tell when the data is.
    fn copy(&mut self, copy: &CopyDbSnapshot) {
        assert!(self.there.iter().all(|it| it.id != copy.target), "{copy}: it is there");
        let source = self.automated.iter().find(|it| it.arn == copy.source).expect("the source is there");
        let made = DbSnapshot {
            id: copy.target.clone(),
            arn: synced(copy).resource,
            state: InProgress,
            made: Some(self.now),
            taken: if source.is_aurora() { Some(self.now) } else { source.taken },
            tags: copy.tags.clone(),
            ..source.clone()
        };
        self.there.push(made);
    }

    /// The moments of the data that can be restored, by what the names say.
    fn good(&self) -> BTreeSet<&str> {
        let copies =
            self.there.iter().filter(|it| it.is_available() && it.id.name.starts_with("sync-us-east-1-orders-"));
        copies.map(|it| it.id.name.as_str()).collect()
    }
}

/// Forty days with a run each `hours`, of which `max` stay; every `fails`th copy fails.
fn forty_days(database: Database, hours: i64, max: u16, fails: usize) {
    let mut world = World::new(database, fails);
    let most = usize::from(max);
    let mut had = 0;
    for quarter in 0..40 * 24 * 4_i64 {
        world.now = at("2026-11-21T00:00:00Z") + TimeDelta::minutes(quarter * 15 + 12);
        world.finish();
        if quarter % 96 == 20 {
            world.take();
        }
        if quarter % (hours * 4) == 0 {
            world.sync(max);
        }
        let good = world.good().len();
        assert!(good >= had, "{}: {good} are left of {had}", world.now);
        had = had.max(good.min(most));
        // the one that was in the making, until the next run lets the oldest go
        assert!(good <= most + 1, "{}: {:?}", world.now, world.good());
        assert!(world.there.iter().any(|it| it.id.name == "before-upgrade"), "{}", world.now);
        if quarter > 4 * 96 && hours < 24 {
            // a day old at most, and two where a copy failed
            let newest = world.good().last().map(|name| (*name).to_owned()).expect("there is one");
            let oldest_day = (world.now - TimeDelta::days(2)).format("%Y-%m-%d").to_string();
            let day = newest.trim_start_matches("sync-us-east-1-orders-").get(..10).map(str::to_owned);
            assert!(day >= Some(oldest_day), "{}: {newest}", world.now);
        }
    }
    assert_eq!(had, most);
    if fails == usize::MAX {
        // and then it comes to rest
        for _ in 0..4 {
            world.sync(max);
            world.now += COPYING;
            world.finish();
        }
        let (plan, synced) = world.sync(max);
        assert!(plan.actions.is_empty() && plan.refusals.is_empty(), "{:#?}", plan.actions);
        assert_eq!(synced.iter().map(|it| it.state).collect::<Vec<_>>(), [SyncState::InSync]);
        let told = named("Sync-us-west-2", &world.automated.last().expect("there is one").tags).map(str::to_owned);
        assert_eq!(told, synced.first().map(|it| it.resource.clone()), "the source tells of its copy");
    }
}

#[test]
fn for_forty_days_the_newest_copies_are_there_and_never_too_many() {
    for database in [instance("orders"), cluster("orders")] {
        forty_days(database.clone(), 1, 2, usize::MAX);
        forty_days(database.clone(), 24, 3, usize::MAX);
        forty_days(database.clone(), 1, 1, usize::MAX);
        forty_days(database, 1, 2, 3);
    }
}
