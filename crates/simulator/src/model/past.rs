//! What was there before: for readings that lag behind.

use crate::model::Place;
use crate::model::region::Region;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What each place held, as far back as it is to be remembered.
#[derive(Debug)]
pub(crate) struct Past {
    remembers: Duration,
    /// What was there, the oldest first, and until when: at that instant it was something else.
    versions: BTreeMap<Place, VecDeque<(DateTime<Utc>, Region)>>,
}

impl Past {
    /// Remembers for so long; nothing at all, and at no cost, where that is no time.
    pub(crate) fn new(remembers: Duration) -> Past {
        Past { remembers, versions: BTreeMap::new() }
    }

    /// Is told before something changes in a place, what has been there; nothing at first.
    pub(crate) fn keep(&mut self, place: &Place, now: DateTime<Utc>, region: Option<&Region>) {
        if self.remembers.is_zero() {
            return;
        }
        let oldest = ago(now, self.remembers);
        let versions = self.versions.entry(place.clone()).or_default();
        while versions.front().is_some_and(|(until, _)| *until <= oldest) {
            versions.pop_front();
        }
        // what is there only between two changes of one instant was there for no time
        if versions.back().is_none_or(|(until, _)| *until < now) {
            versions.push_back((now, region.cloned().unwrap_or_default()));
        }
    }

    /// What was in a place so long ago, if that is something else than now, and remembered.
    pub(crate) fn at(&mut self, place: &Place, now: DateTime<Utc>, lag: Duration) -> Option<&mut Region> {
        let then = ago(now, lag.min(self.remembers));
        let versions = self.versions.get_mut(place)?;
        let index = versions.partition_point(|(until, _)| *until <= then);
        versions.get_mut(index).map(|(_, region)| region)
    }
}

/// The instant so long before another; the first one that there is, where that is too long.
fn ago(now: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    let by = TimeDelta::from_std(by).ok();
    by.and_then(|by| now.checked_sub_signed(by)).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ACCOUNT, Look as _, call, simulator, simulator_with, snapshot, volume};
    use crate::{Fault, FaultKind, Simulator};

    const REGION: &str = "us-east-1";

    fn remembering(remembers: Duration) -> Simulator {
        simulator_with(|config| config.remembers = remembers)
    }

    fn after(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The text of these elements in a reading that lags so many seconds behind.
    #[track_caller]
    fn seen(sim: &Simulator, lag: u64, action: &str, element: &str) -> Vec<String> {
        sim.inject(Fault::new(action, FaultKind::Stale(after(lag))));
        let own: &[(&str, &str)] = if action == "DescribeSnapshots" { &[("Owner.1", "self")] } else { &[] };
        call(sim, REGION, action, own).ok().texts(element)
    }

    #[track_caller]
    fn snapshots(sim: &Simulator, lag: u64) -> Vec<String> {
        seen(sim, lag, "DescribeSnapshots", "snapshotId")
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_reading_shows_what_was_there() {
        let sim = remembering(Duration::from_mins(10));
        let volume = volume(&sim, REGION);
        sim.skip(after(5));
        let id = call(&sim, REGION, "CreateSnapshot", &[("VolumeId", &volume)]).ok().first("snapshotId");
        let made = [id.clone()];
        sim.skip(after(30));
        assert!(snapshots(&sim, 31).is_empty(), "not yet visible");
        assert_eq!(snapshots(&sim, 30), made);
        assert_eq!(snapshots(&sim, 0), made);
        call(&sim, REGION, "DeleteSnapshot", &[("SnapshotId", &id)]).ok();
        sim.skip(after(5));
        assert_eq!(snapshots(&sim, 6), made, "still there");
        assert!(snapshots(&sim, 5).is_empty());
        assert!(snapshots(&sim, 36).is_empty(), "not yet, still");
        assert!(sim.snapshots(ACCOUNT, REGION).is_empty(), "the truth");
        assert_eq!(seen(&sim, 40, "DescribeVolumes", "volumeId"), [volume]);
        assert!(seen(&sim, 41, "DescribeVolumes", "volumeId").is_empty(), "before anything was there");
    }

    #[tokio::test(start_paused = true)]
    async fn a_tag_is_seen_late() {
        let sim = remembering(Duration::from_mins(10));
        let id = volume(&sim, REGION);
        sim.skip(after(10));
        call(&sim, REGION, "CreateTags", &[("ResourceId.1", &id), ("Tag.1.Key", "Backup")]).ok();
        sim.skip(after(10));
        assert!(seen(&sim, 11, "DescribeVolumes", "key").is_empty());
        assert_eq!(seen(&sim, 10, "DescribeVolumes", "key"), ["Backup"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_time_did_is_seen_late_too() {
        let sim = remembering(Duration::from_mins(10));
        snapshot(&sim, REGION);
        sim.skip(after(40));
        let statuses = |lag| seen(&sim, lag, "DescribeSnapshots", "status");
        assert_eq!((statuses(41), statuses(40)), (vec!["pending".to_owned()], vec!["completed".to_owned()]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_owner_did_is_seen_late_too() {
        let sim = remembering(Duration::from_mins(10));
        let id = snapshot(&sim, REGION);
        sim.archive(ACCOUNT, REGION, &id);
        sim.skip(after(10));
        let tiers = |lag| seen(&sim, lag, "DescribeSnapshots", "storageTier");
        assert_eq!((tiers(11), tiers(10)), (vec!["standard".to_owned()], vec!["archive".to_owned()]));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_remembered_unless_it_is_asked_for() {
        let sim = simulator();
        let id = snapshot(&sim, REGION);
        assert_eq!(snapshots(&sim, 3600), [id]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_reading_reaches_further_back_than_is_remembered() {
        let sim = remembering(Duration::from_mins(2));
        let id = snapshot(&sim, REGION);
        sim.skip(Duration::from_mins(4));
        call(&sim, REGION, "DeleteSnapshot", &[("SnapshotId", &id)]).ok();
        sim.skip(Duration::from_mins(1));
        assert_eq!(snapshots(&sim, 3600), [id]);
        sim.skip(Duration::from_mins(1));
        assert!(snapshots(&sim, 3600).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_reading_is_never_stale() {
        let sim = remembering(Duration::from_mins(10));
        let volume = volume(&sim, REGION);
        sim.skip(after(5));
        sim.inject(Fault::new("CreateSnapshot", FaultKind::Stale(after(60))));
        call(&sim, REGION, "CreateSnapshot", &[("VolumeId", &volume)]).ok();
        assert_eq!(sim.snapshots(ACCOUNT, REGION).len(), 1);
    }

    #[test]
    fn what_is_too_old_is_forgotten() {
        let mut past = Past::new(after(60));
        let place = Place::new(ACCOUNT, REGION);
        let at = |seconds| DateTime::<Utc>::default() + after(seconds);
        for second in [0, 10, 10, 50, 80] {
            past.keep(&place, at(second), None);
        }
        let kept: Vec<DateTime<Utc>> = past.versions[&place].iter().map(|(until, _)| *until).collect();
        assert_eq!(kept, [at(50), at(80)]);
    }
}
