//! What there truly is, looked at without copying it.

use crate::model::database::{Database, DatabaseKind};
use crate::model::db_snapshot::DbSnapshot;
use crate::model::image::Image;
use crate::model::instance::Instance;
use crate::model::region::Region;
use crate::model::snapshot::Snapshot;
use crate::model::volume::Volume;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// What an account truly has in a region, at an instant. Every map is by id; those of databases by kind and id.
#[derive(Debug)]
pub struct Sight<'a> {
    /// The instant.
    pub now: DateTime<Utc>,
    /// Its instances, terminated ones for an hour more.
    pub instances: &'a BTreeMap<String, Instance>,
    /// Its volumes.
    pub volumes: &'a BTreeMap<String, Volume>,
    /// Its snapshots.
    pub snapshots: &'a BTreeMap<String, Snapshot>,
    /// Its images.
    pub images: &'a BTreeMap<String, Image>,
    /// Its DB instances and clusters.
    pub databases: &'a BTreeMap<(DatabaseKind, String), Database>,
    /// Its snapshots of databases.
    pub db_snapshots: &'a BTreeMap<(DatabaseKind, String), DbSnapshot>,
}

impl<'a> Sight<'a> {
    pub(crate) fn of(region: &'a Region, now: DateTime<Utc>) -> Sight<'a> {
        let Region { instances, volumes, snapshots, images, databases, db_snapshots, .. } = region;
        Sight { now, instances, volumes, snapshots: snapshots.all(), images, databases, db_snapshots }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{ACCOUNT, Look as _, call, instance, simulator, snapshot, volume};
    use crate::{Fault, FaultKind, SnapshotState};
    use std::time::Duration;

    const REGION: &str = "us-east-1";

    #[tokio::test(start_paused = true)]
    async fn a_look_shows_what_is_there_by_now() {
        let sim = simulator();
        let (instance, snapshot) = (instance(&sim, REGION), snapshot(&sim, REGION));
        let seen = sim.look(ACCOUNT, REGION, |sight| {
            let state = sight.snapshots.get(&snapshot).map(|one| one.state);
            (sight.now, sight.instances.contains_key(&instance), sight.volumes.len(), sight.images.len(), state)
        });
        assert_eq!(seen, (sim.now(), true, 2, 0, Some(SnapshotState::Completed)));
        assert_eq!(sim.look(ACCOUNT, "us-west-2", |sight| sight.volumes.len()), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_is_seen_until_it_is_over() {
        let sim = simulator();
        let id = snapshot(&sim, REGION);
        let is_locked = || sim.look(ACCOUNT, REGION, |sight| sight.snapshots[&id].is_locked(sight.now));
        assert!(!is_locked());
        let lock = [("SnapshotId", id.as_str()), ("LockMode", "governance"), ("LockDuration", "1")];
        call(&sim, REGION, "LockSnapshot", &lock).ok();
        assert!(is_locked());
        sim.skip(Duration::from_hours(24));
        assert!(!is_locked());
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_counted_and_readings_are_not() {
        let sim = simulator();
        let (volume, before) = (volume(&sim, REGION), sim.changes());
        let create = || call(&sim, REGION, "CreateSnapshot", &[("VolumeId", &volume)]);
        call(&sim, REGION, "DescribeSnapshots", &[]).ok();
        sim.inject(Fault::new("CreateSnapshot", FaultKind::Throttle));
        assert_eq!(create().status, 503);
        assert!(sim.snapshots(ACCOUNT, REGION).is_empty());
        assert_eq!(sim.changes(), before, "nothing happened");
        create().ok();
        assert_eq!(sim.changes(), before + 1, "a call");
        sim.skip(Duration::from_mins(1));
        assert_eq!(sim.changes(), before + 2, "time");
        sim.refuse_snapshots_of(&volume, "IncorrectState");
        assert_eq!(sim.changes(), before + 3, "the owner");
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_call_is_counted_when_it_takes_effect() {
        let sim = simulator();
        let (volume, before) = (volume(&sim, REGION), sim.changes());
        sim.inject(Fault::new("CreateSnapshot", FaultKind::Late(Duration::from_secs(10))));
        call(&sim, REGION, "CreateSnapshot", &[("VolumeId", &volume)]);
        assert_eq!(sim.changes(), before);
        sim.skip(Duration::from_secs(10));
        assert_eq!(sim.changes(), before + 1);
    }
}
