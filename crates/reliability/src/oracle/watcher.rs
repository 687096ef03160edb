//! At the end of a watcher's run: each gap that stood all the while is reported, and no alarm is false.

use super::creator::{has_unreadable_day, unreadable};
use super::place::{Instance, Place, Places};
use super::runs::{Broken, Running, mentions};
use super::sets::Best;
use super::snap::Snap;
use super::tags::{self, Due};
use super::{Promise, Rules, Told};
use crate::truth::{State, Tags};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// A watcher's run is over, and told this.
pub(super) fn ended(places: &Places, rules: &Rules, running: &Running, told: &Told, broken: &mut Broken) {
    let Some(place) = places.get(&running.begun.region) else { return };
    if running.came_to_nothing(told) {
        return;
    }
    let watch = Watch { places, place, running, told, edge: running.begun.instant - rules.rpo };
    let mut wrong = Vec::new();
    for (id, it) in place.instances.iter().filter(|(_, it)| it.asks(running.window)) {
        let Some((volume, why)) = watch.no_recent_backup(id, it) else { continue };
        if watch.has_recent_part(volume) {
            broken.push((Promise::SetsAreWhole, format!("{running} {why}, but for part of a set")));
        }
        wrong.push(why);
    }
    wrong.extend(watch.false_alarms());
    for (id, snap) in &place.snapshots {
        wrong.extend(watch.deletion(id, snap));
        wrong.extend(watch.primary(id, snap));
    }
    watch.copies(&mut wrong);
    broken.extend(wrong.into_iter().map(|why| (Promise::GapsAreReported, format!("{running} {why}"))));
    unreadable(place, running, told, Promise::GapsAreReported, broken);
}

struct Watch<'a> {
    places: &'a Places,
    place: &'a Place,
    running: &'a Running,
    told: &'a Told,
    /// What is older is a gap.
    edge: DateTime<Utc>,
}

impl Watch<'_> {
    /// What is older is a gap for certain.
    fn long_ago(&self) -> DateTime<Utc> {
        self.edge - TimeDelta::hours(1)
    }

    fn found(&self, kind: &str, resource: &str) -> bool {
        self.told.findings.iter().any(|(of, about, _)| of == kind && about == resource)
    }

    /// Tells if the finding is missing.
    fn expect(&self, kind: &str, resource: &str, why: impl FnOnce() -> String) -> Option<String> {
        (!self.found(kind, resource)).then(|| format!("does not report {kind} of {resource}: {}", why()))
    }

    /// Whether the volume's best backup was always such.
    fn best(&self, volume: &str, such: impl Fn(&Best) -> bool) -> bool {
        let origin = (self.place.name.clone(), volume.to_owned());
        match self.place.by_volume.get(&origin) {
            Some(backups) if backups.is_confused => false,
            Some(backups) if backups.best.existed(self.running.window) => {
                backups.best.within(self.running.window).all(such)
            }
            Some(backups) => such(&None) && backups.best.all().all(such),
            None => such(&None),
        }
    }

    /// The volume that has no recent backup, where that is not reported.
    fn no_recent_backup<'i>(&self, id: &str, it: &'i Instance) -> Option<(&'i str, String)> {
        let window = self.running.window;
        let is_old = |best: &Best| !matches!(best, Some((true, at)) if *at >= self.long_ago());
        let lacking = it.devices.now().values().find(|volume| {
            let attached = it.devices.such_since(|devices| devices.values().any(|it| it == *volume));
            attached.is_some_and(|since| since.at < self.long_ago())
                && !self.place.was_left_out(volume, window)
                && self.best(volume, is_old)
        })?;
        let why = || format!("{lacking} has no good backup since {}", tags::stamp(self.edge));
        Some((lacking.as_str(), self.expect("no_recent_backup", id, why)?))
    }

    /// Whether the volume, which has no recent good backup, has a recent completed snapshot.
    fn has_recent_part(&self, volume: &str) -> bool {
        let backups = self.place.by_volume.get(&(self.place.name.clone(), volume.to_owned()));
        let is_part = |(taken, id): &(DateTime<Utc>, String)| {
            *taken >= self.edge && self.place.snapshots.get(id).is_some_and(Snap::is_completed)
        };
        backups.is_some_and(|it| it.ids.iter().rev().any(is_part))
    }

    fn false_alarms(&self) -> Vec<String> {
        let window = self.running.window;
        let is_recent = |best: &Best| matches!(best, Some((true, at)) if *at >= self.edge);
        let mut wrong = Vec::new();
        for (_, id, what) in self.told.findings.iter().filter(|(kind, ..)| kind == "no_recent_backup") {
            let Some(it) = self.place.instances.get(id) else {
                wrong.push(format!("reports no_recent_backup of {id}, which never was"));
                continue;
            };
            let volumes: BTreeSet<&String> = it.devices.within(window).flat_map(BTreeMap::values).collect();
            let wanted: Vec<&String> = volumes.into_iter().filter(|it| !self.place.is_left_out(it, window)).collect();
            if !wanted.is_empty() && wanted.iter().all(|volume| self.best(volume, is_recent)) {
                wrong.push(format!(
                    "reports no_recent_backup of {id} ({what}), but {wanted:?} have good ones since {}",
                    tags::stamp(self.edge)
                ));
            }
        }
        wrong
    }

    /// What should be gone, or of which that cannot be told.
    fn deletion(&self, id: &str, snap: &Snap) -> Option<String> {
        let (window, day) = (self.running.window, self.running.day());
        let is_own = |it: &Tags| tags::is_automated(it) && !tags::is_held(it);
        let is_late = |it: &Tags| is_own(it) && matches!(tags::due(it), Due::Day(due) if due < day);
        if snap.tags.always(window, is_late) {
            return self.expect("not_deleted", id, || format!("it is due since {:?}", snap.due()));
        }
        let instance = tags::get(snap.tags.now(), tags::INSTANCE);
        let is_undated =
            |it: &Tags| is_own(it) && tags::due(it) == Due::Unsaid && tags::get(it, tags::INSTANCE) == instance;
        if snap.tags.always(window, is_undated) {
            return self.expect("undated", instance.unwrap_or(id), || format!("{id} has no DeleteOn"));
        }
        if has_unreadable_day(&snap.tags, window) {
            return self.expect("unreadable_tag", id, || "its DeleteOn".to_owned());
        }
        None
    }

    /// What has become of the primaries that matter.
    fn primary(&self, id: &str, snap: &Snap) -> Option<String> {
        let window = self.running.window;
        if !snap.was_primary(window) {
            return None;
        }
        let taken = snap.read.taken;
        let is_not_newer = |best: &Best| !matches!(best, Some((true, at)) if *at > taken);
        if snap.state.always(window, |it| *it == State::Pending) && snap.begun < self.long_ago() {
            return self.expect("stuck_pending", id, || format!("it was begun at {}", tags::stamp(snap.begun)));
        }
        if snap.state.always(window, |it| *it == State::Error) && self.best(&snap.of.1, is_not_newer) {
            return self.expect("failed", id, || format!("the snapshot of {} ended in error", snap.of.1));
        }
        let is_lasting = |it: &Tags| it == snap.tags.now() && !tags::due(it).has_come(self.running.day());
        let is_whole = !snap.state.always(window, |it| *it == State::Completed)
            || !snap.tags.always(window, is_lasting)
            || !self.best(&snap.of.1, is_not_newer);
        if is_whole {
            return None;
        }
        let lost = self.lost_member(snap)?;
        // somebody may have spoiled it while the watcher was reading
        let origin = (snap.of.0.clone(), lost.to_owned());
        let is_disturbed = self.place.by_volume.get(&origin).and_then(|it| it.disturbed.last());
        if is_disturbed.is_some_and(|(at, _)| !window.covers(*at)) {
            return None;
        }
        let instance = snap.read.instance.as_deref().unwrap_or_default();
        let is_told = self.told.findings.iter().any(|(kind, about, what)| {
            kind == "incomplete_set" && (about == id || mentions(what, lost) || mentions(what, instance))
        });
        (!is_told).then(|| format!("does not report incomplete_set of {id}: of {lost} its run {taken} has nothing"))
    }

    /// A member of the set of which there was nothing, neither completed nor pending, all the while.
    fn lost_member<'s>(&self, snap: &'s Snap) -> Option<&'s str> {
        let window = self.running.window;
        let (set, key) = (snap.read.set.as_ref()?, snap.read.key.as_ref()?);
        let members = self.place.by_run.get(key)?;
        let was_there = |it: &Snap| it.state.ever(window, |it| *it != State::Error);
        let is_there = |volume: &String| {
            let ids = members.get(volume).into_iter().flatten();
            ids.filter_map(|id| self.place.snapshots.get(id)).any(was_there)
        };
        let was_lately = |volume: &String| {
            self.place
                .gone
                .values()
                .any(|it| it.of.1 == *volume && it.read.key.as_ref() == Some(key) && it.was_there(window))
        };
        set.iter().find(|volume| !is_there(volume) && !was_lately(volume)).map(String::as_str)
    }

    /// Copies that are not where they are promised.
    fn copies(&self, wrong: &mut Vec<String>) {
        let (region, window, day) = (&self.running.begun.region, self.running.window, self.running.day());
        let mut copies: BTreeMap<&str, BTreeMap<&str, Vec<&Snap>>> = BTreeMap::new();
        for (id, snap) in &self.place.snapshots {
            let is_wanted = snap.was_primary(window)
                && snap.state.always(window, |it| *it == State::Completed)
                && snap.tags.always(window, |it| tags::is_held(it) || !tags::due(it).has_come(day));
            if !is_wanted {
                continue;
            }
            for to in &tags::destinations(snap.tags.now(), region).0 {
                if !snap.tags.always(window, |it| tags::destinations(it, region).0.contains(to)) {
                    continue;
                }
                if self.running.unlisted.contains(to) {
                    wrong.extend(self.expect("destination_unknown", to, || "it could not be read".to_owned()));
                    continue;
                }
                let Some((to, there)) = self.places.get_key_value(to) else { continue };
                let there = copies.entry(to.as_str()).or_insert_with(|| self.copies_in(there));
                let of_it = there.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
                let Some(why) = self.wrong_copy(snap, of_it) else { continue };
                let is_told =
                    self.told.findings.iter().any(|(kind, about, what)| {
                        kind.starts_with("copy_") && *about == snap.of.1 && mentions(what, to)
                    });
                if !is_told {
                    wrong.push(format!("does not report {why} of {} in {to}, copied from {id}", snap.of.1));
                }
            }
        }
    }

    /// The copies here of this region's primaries, by primary.
    fn copies_in<'p>(&self, place: &'p Place) -> BTreeMap<&'p str, Vec<&'p Snap>> {
        let mut copies: BTreeMap<&str, Vec<&Snap>> = BTreeMap::new();
        for (_, copy) in place.there(self.running.window) {
            if let Some((from, primary)) = &copy.copy_of
                && *from == self.running.begun.region
            {
                copies.entry(primary.as_str()).or_default().push(copy);
            }
        }
        copies
    }

    /// The finding that these copies of a primary ask for.
    fn wrong_copy(&self, primary: &Snap, copies: &[&Snap]) -> Option<&'static str> {
        let window = self.running.window;
        let was = |copy: &Snap, state: State| copy.state.ever(window, |it| *it == state);
        if copies.iter().any(|copy| was(copy, State::Completed)) {
            return None;
        }
        let pending: Vec<&&Snap> = copies.iter().filter(|copy| was(copy, State::Pending)).collect();
        if !pending.is_empty() {
            let is_stuck = |copy: &Snap| {
                copy.is_counterpart()
                    && copy.begun < self.long_ago()
                    && copy.state.always(window, |it| *it == State::Pending)
            };
            return pending.iter().all(|copy| is_stuck(copy)).then_some("copy_stuck");
        }
        if copies.iter().any(|copy| copy.gone.is_none() && copy.is_counterpart() && copy.state.existed(window)) {
            return Some("copy_failed");
        }
        (copies.is_empty() && primary.read.taken < self.long_ago()).then_some("copy_missing")
    }
}

#[cfg(test)]
mod tests;
