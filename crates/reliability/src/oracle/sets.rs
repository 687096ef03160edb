//! Which snapshots can be restored from: completed, and their sets with them.

use super::Who;
use super::history::{History, Moment};
use super::place::{Fall, Origin, Place};
use super::snap::Snap;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// A volume's best backup: whether it is good, rather than only completed, and when it was taken.
pub(super) type Best = Option<(bool, DateTime<Utc>)>;

/// The snapshots of one volume in one region.
#[derive(Debug)]
pub(super) struct Backups {
    /// By when they were taken.
    pub(super) ids: BTreeSet<(DateTime<Utc>, String)>,
    pub(super) best: History<Best>,
    /// When a completed snapshot on which the best depends vanished or got other tags, and by whom.
    pub(super) disturbed: Vec<(Moment, Who)>,
    /// Whether there ever was a snapshot whose tags, by an operator's hand, tell of another volume than it holds.
    pub(super) is_confused: bool,
}

impl Backups {
    pub(super) fn new(at: Moment) -> Self {
        Self { ids: BTreeSet::new(), best: History::new(at, None), disturbed: Vec::new(), is_confused: false }
    }
}

impl Place {
    /// The volume's best backup, `without` a snapshot.
    pub(super) fn best(&self, origin: &Origin, without: Option<&str>) -> Best {
        let backups = self.by_volume.get(origin)?;
        let mut completed = None;
        for (taken, id) in backups.ids.iter().rev().filter(|(_, id)| Some(id.as_str()) != without) {
            let Some(snap) = self.snapshots.get(id).filter(|snap| snap.is_completed()) else { continue };
            if self.missing(snap, without).is_none() {
                return Some((true, *taken));
            }
            completed = completed.or(Some((false, *taken)));
        }
        completed
    }

    /// Whether the snapshot is a good backup.
    pub(super) fn is_good(&self, snap: &Snap) -> bool {
        snap.counts() && snap.is_completed() && self.missing(snap, None).is_none()
    }

    /// A volume of the snapshot's set of which its run has nothing completed here.
    pub(super) fn missing<'a>(&'a self, snap: &'a Snap, without: Option<&str>) -> Option<&'a str> {
        let members = snap.read.key.as_ref().and_then(|key| self.by_run.get(key));
        let others = |ids: &BTreeSet<String>, such: &dyn Fn(&Snap) -> bool| {
            ids.iter().filter(|id| Some(id.as_str()) != without).any(|id| self.snapshots.get(id).is_some_and(such))
        };
        let is_there = |volume: &str| {
            members.and_then(|members| members.get(volume)).is_some_and(|ids| others(ids, &Snap::is_completed))
        };
        if let Some(set) = &snap.read.set {
            return set.iter().map(String::as_str).find(|volume| !is_there(volume));
        }
        let of_instance = |ids: &BTreeSet<String>| others(ids, &|it: &Snap| it.read.instance == snap.read.instance);
        members
            .into_iter()
            .flatten()
            .find(|(volume, ids)| of_instance(ids) && !is_there(volume))
            .map(|(volume, _)| volume.as_str())
    }

    /// The volumes whose best backup may depend on this snapshot: its own, and those that were taken together with it.
    pub(super) fn depending_on(&self, snap: &Snap) -> Vec<Origin> {
        let mut found = vec![snap.of.clone()];
        let Some(members) = snap.read.key.as_ref().and_then(|key| self.by_run.get(key)) else { return found };
        let belongs = |id: &String| {
            let set = self.snapshots.get(id).map(|it| it.read.set.as_ref());
            set.is_some_and(|set| set.is_none_or(|set| set.contains(&snap.of.1)))
        };
        for (volume, ids) in members {
            if *volume != snap.of.1 && ids.iter().any(belongs) {
                found.push((snap.of.0.clone(), volume.clone()));
            }
        }
        found
    }

    /// Whose best backup would be older without this snapshot.
    pub(super) fn would_fall(&self, id: &str) -> Vec<Fall> {
        let Some(snap) = self.snapshots.get(id).filter(|snap| snap.counts() && snap.is_completed()) else {
            return Vec::new();
        };
        let fall = |origin: Origin| {
            let backups = self.by_volume.get(&origin)?;
            let (from, since, to) = (*backups.best.now(), backups.best.since(), self.best(&origin, Some(id)));
            (to < from).then_some(Fall { origin, from, since, to })
        };
        self.depending_on(snap).into_iter().filter_map(fall).collect()
    }

    /// Finds the volume's best backup anew, and tells if it is older than before.
    pub(super) fn refresh(&mut self, origin: Origin, at: Moment) -> Option<Fall> {
        let to = self.best(&origin, None);
        let backups = self.by_volume.get_mut(&origin)?;
        let (from, since) = (*backups.best.now(), backups.best.since());
        backups.best.set(at, to);
        (to < from).then_some(Fall { origin, from, since, to })
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOME, Scene, day};
    use super::*;
    use crate::truth::State;

    fn best(scene: &Scene, volume: &str) -> Best {
        let at = Moment { at: scene.truth.now, order: 0 };
        let place = Place::new(HOME, &scene.truth.regions[HOME], at);
        let origin = (HOME.to_owned(), volume.to_owned());
        let found = place.best(&origin, None);
        assert_eq!(place.by_volume.get(&origin).and_then(|it| *it.best.now()), found, "what is remembered is the same");
        found
    }

    #[test]
    fn a_set_that_lacks_a_member_is_no_good_backup() {
        let mut scene = Scene::new();
        scene.backup("snap-a1", "vol-a", day(1)).set("vol-a vol-b");
        assert_eq!(best(&scene, "vol-a"), Some((false, day(1))), "of vol-b there is nothing");
        scene.backup("snap-b1", "vol-b", day(1)).set("vol-a vol-b").state(State::Pending);
        assert_eq!(best(&scene, "vol-a"), Some((false, day(1))), "vol-b's is pending");
        assert_eq!(best(&scene, "vol-b"), None);
        scene.snapshot(HOME, "snap-b1").state = State::Completed;
        assert_eq!(best(&scene, "vol-a"), Some((true, day(1))));
        scene.backup("snap-a2", "vol-a", day(2)).set("vol-a vol-b");
        assert_eq!(best(&scene, "vol-a"), Some((true, day(1))), "a later half is not better");
        scene.backup("snap-a3", "vol-a", day(3)).set("vol-a vol-b:excluded");
        assert_eq!(best(&scene, "vol-a"), Some((true, day(3))), "a volume that was left out is not missing");
    }

    #[test]
    fn without_source_devices_the_set_is_what_the_run_has_of_the_instance() {
        let mut scene = Scene::new();
        scene.backup("snap-a1", "vol-a", day(1)).without("Source_Devices");
        assert_eq!(best(&scene, "vol-a"), Some((true, day(1))));
        scene.backup("snap-b1", "vol-b", day(1)).without("Source_Devices").state(State::Error);
        assert_eq!(best(&scene, "vol-a"), Some((false, day(1))));
    }

    #[test]
    fn what_would_fall_is_told_of_the_whole_set() {
        let mut scene = Scene::new();
        scene.backup("snap-a1", "vol-a", day(1)).set("vol-a vol-b");
        scene.backup("snap-b1", "vol-b", day(1)).set("vol-a vol-b");
        scene.backup("snap-a2", "vol-a", day(2));
        let place = Place::new(HOME, &scene.truth.regions[HOME], Moment { at: scene.truth.now, order: 0 });
        let volumes = |id: &str| place.would_fall(id).into_iter().map(|it| it.origin.1).collect::<Vec<_>>();
        assert_eq!(volumes("snap-a1"), ["vol-b"], "vol-a has a later one, but vol-b's set would lack it");
        assert_eq!(volumes("snap-b1"), ["vol-b"]);
        assert_eq!(volumes("snap-a2"), ["vol-a"]);
    }

    #[test]
    fn snapshots_that_are_not_automated_are_no_backups() {
        let mut scene = Scene::new();
        scene.backup("snap-a1", "vol-a", day(1)).without("Type");
        assert_eq!(best(&scene, "vol-a"), None);
    }
}
