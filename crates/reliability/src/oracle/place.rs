//! What is known of one region: what exists, what existed, and since when each thing has been as it is.

use super::Who;
use super::history::{History, Moment, Window};
use super::sets::{Backups, Best};
use super::snap::Snap;
use super::tags::{self, Choice};
use crate::truth::{self, Region, Tags};
use std::collections::{BTreeMap, BTreeSet};

/// A volume by its region and id.
pub(super) type Origin = (String, String);

/// The regions by name.
pub(super) type Places = BTreeMap<String, Place>;

/// One region.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) name: String,
    /// The snapshots that exist.
    pub(super) snapshots: BTreeMap<String, Snap>,
    /// Those that existed.
    pub(super) gone: BTreeMap<String, Snap>,
    /// All instances that were ever seen.
    pub(super) instances: BTreeMap<String, Instance>,
    /// The tags of the volumes.
    pub(super) volumes: BTreeMap<String, History<Tags>>,
    /// Whether its volumes are enrolled; of one that never was there is nothing.
    pub(super) enrolled: BTreeMap<String, History<Enrolled>>,
    pub(super) by_volume: BTreeMap<Origin, Backups>,
    /// Of each origin region and `Backup_Run` the snapshots by volume.
    pub(super) by_run: BTreeMap<(String, String), BTreeMap<String, BTreeSet<String>>>,
}

/// What has changed in a region.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) appeared: Vec<String>,
    pub(super) vanished: Vec<String>,
    /// Snapshots with other tags than before, and those that they had.
    pub(super) retagged: Vec<(String, Tags)>,
    /// Instances and volumes that are not as they were, in words.
    pub(super) others: Vec<String>,
    /// The volumes whose best backup is older than before.
    pub(super) falls: Vec<Fall>,
}

impl Changes {
    pub(super) fn is_any(&self) -> bool {
        !self.appeared.is_empty() || !self.vanished.is_empty() || !self.retagged.is_empty() || !self.others.is_empty()
    }
}

/// A volume whose best backup in a region is, or would be, older than it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fall {
    pub(super) origin: Origin,
    pub(super) from: Best,
    /// Since when it had been that.
    pub(super) since: Moment,
    pub(super) to: Best,
}

/// Whether a volume is enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Enrolled {
    No,
    Perhaps,
    Yes,
}

/// An instance.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) there: History<bool>,
    pub(super) tags: History<Tags>,
    /// The volume at each device.
    pub(super) devices: History<BTreeMap<String, String>>,
}

impl Instance {
    fn new(it: &truth::Instance, at: Moment) -> Self {
        Self {
            there: History::new(at, it.is_there),
            tags: History::new(at, it.tags.clone()),
            devices: History::new(at, it.devices.clone()),
        }
    }

    fn is_still(&self, it: &truth::Instance) -> bool {
        *self.there.now() == it.is_there && *self.tags.now() == it.tags && *self.devices.now() == it.devices
    }

    /// Whether it was there with a readable `Backup=Yes` throughout.
    pub(super) fn asks(&self, window: Window) -> bool {
        self.there.always(window, |there| *there) && self.tags.always(window, |it| tags::choice(it) == Choice::Yes)
    }

    /// Whether it was attached throughout.
    pub(super) fn has(&self, volume: &str, window: Window) -> bool {
        self.devices.always(window, |devices| devices.values().any(|it| it == volume))
    }

    /// Whether it was attached at some time.
    pub(super) fn had(&self, volume: &str, window: Window) -> bool {
        self.devices.ever(window, |devices| devices.values().any(|it| it == volume))
    }

    /// Whether the volume was attached to it all the time.
    pub(super) fn has_had(&self, volume: &str, window: Window) -> bool {
        self.devices.always(window, |devices| devices.values().any(|it| it == volume))
    }
}

impl Place {
    /// A region in which this exists.
    pub(super) fn new(name: &str, region: &Region, at: Moment) -> Self {
        let mut place = Self { name: name.to_owned(), ..Self::default() };
        place.see(region, Who::Operator, at);
        place
    }

    /// Takes in what exists now, and tells what has changed.
    pub(super) fn see(&mut self, region: &Region, who: Who, at: Moment) -> Changes {
        let mut changes = Changes::default();
        self.see_instances(region, at, &mut changes);
        let mut altered = Vec::new();
        let mut known = self.snapshots.iter().peekable();
        for (id, snapshot) in &region.snapshots {
            while let Some((gone, _)) = known.next_if(|(known, _)| *known < id) {
                changes.vanished.push(gone.clone());
            }
            match known.next_if(|(known, _)| *known == id) {
                Some((_, it)) if it.is_still(snapshot) => {}
                Some(_) => altered.push((id, snapshot)),
                None => changes.appeared.push(id.clone()),
            }
        }
        changes.vanished.extend(known.map(|(id, _)| id.clone()));

        // volumes whose backups may be others now
        let mut touched: BTreeSet<Origin> = BTreeSet::new();
        for id in &changes.vanished {
            let mut lost = BTreeSet::new();
            self.leave(id, &mut lost);
            let Some(mut snap) = self.snapshots.remove(id) else { continue };
            // what vanishes by time alone was asked for by a call that takes effect late
            let by = if who == Who::Time { snap.asked.map_or(who, Who::Run) } else { who };
            snap.gone = Some(at);
            self.gone.insert(id.clone(), snap);
            self.disturb(&lost, at, by);
            touched.append(&mut lost);
        }
        for (id, snapshot) in altered {
            let is_retagged = self.snapshots.get(id).is_some_and(|snap| *snap.tags.now() != snapshot.tags);
            let mut affected = BTreeSet::new();
            self.leave(id, &mut affected);
            if let Some(snap) = self.snapshots.get_mut(id) {
                if is_retagged {
                    changes.retagged.push((id.clone(), snap.tags.now().clone()));
                }
                snap.change(snapshot, &self.name, at);
            }
            self.enter(id, at, &mut affected);
            if is_retagged {
                self.disturb(&affected, at, who);
            }
            touched.append(&mut affected);
        }
        for id in &changes.appeared {
            if let Some(snapshot) = region.snapshots.get(id) {
                self.snapshots.insert(id.clone(), Snap::new(snapshot, &self.name, who, at));
                self.enter(id, at, &mut touched);
            }
        }
        changes.falls.extend(touched.into_iter().filter_map(|origin| self.refresh(origin, at)));
        changes
    }

    fn disturb(&mut self, volumes: &BTreeSet<Origin>, at: Moment, who: Who) {
        for origin in volumes {
            if let Some(backups) = self.by_volume.get_mut(origin) {
                backups.disturbed.push((at, who));
            }
        }
    }

    fn see_instances(&mut self, region: &Region, at: Moment, changes: &mut Changes) {
        let before = changes.others.len();
        for (id, it) in &region.instances {
            match self.instances.get_mut(id) {
                Some(known) if known.is_still(it) => {}
                Some(known) => {
                    known.there.set(at, it.is_there);
                    known.tags.set(at, it.tags.clone());
                    known.devices.set(at, it.devices.clone());
                    changes.others.push(format!("{id} is not as it was"));
                }
                None => {
                    self.instances.insert(id.clone(), Instance::new(it, at));
                    changes.others.push(format!("{id} is new"));
                }
            }
        }
        for (id, known) in &mut self.instances {
            if *known.there.now() && !region.instances.contains_key(id) {
                known.there.set(at, false);
                known.devices.set(at, BTreeMap::new());
                changes.others.push(format!("{id} is gone"));
            }
        }
        for (id, it) in &region.volumes {
            match self.volumes.get_mut(id) {
                Some(known) if *known.now() == it.tags => {}
                Some(known) => {
                    known.set(at, it.tags.clone());
                    changes.others.push(format!("{id} is not as it was"));
                }
                None => {
                    self.volumes.insert(id.clone(), History::new(at, it.tags.clone()));
                    changes.others.push(format!("{id} is new"));
                }
            }
        }
        if self.volumes.len() > region.volumes.len() {
            let gone = self.volumes.keys().filter(|id| !region.volumes.contains_key(*id));
            changes.others.extend(gone.map(|id| format!("{id} is gone")));
            self.volumes.retain(|id, _| region.volumes.contains_key(id));
        }
        if changes.others.len() > before {
            self.enrol(at);
        }
    }

    /// Reads anew which volumes are enrolled.
    fn enrol(&mut self, at: Moment) {
        let mut enrolled: BTreeMap<&str, Enrolled> = BTreeMap::new();
        for instance in self.instances.values().filter(|it| *it.there.now()) {
            let by_instance = match tags::choice(instance.tags.now()) {
                Choice::Yes => Enrolled::Yes,
                Choice::Unreadable => Enrolled::Perhaps,
                Choice::No | Choice::Unsaid => continue,
            };
            for volume in instance.devices.now().values() {
                let is_left_out = self.volumes.get(volume).is_some_and(|it| tags::choice(it.now()) == Choice::No);
                if !is_left_out {
                    let entry = enrolled.entry(volume.as_str()).or_insert(Enrolled::No);
                    *entry = by_instance.max(*entry);
                }
            }
        }
        for (volume, history) in &mut self.enrolled {
            history.set(at, enrolled.remove(volume.as_str()).unwrap_or(Enrolled::No));
        }
        for (volume, is) in enrolled {
            self.enrolled.insert(volume.to_owned(), History::new(at, is));
        }
    }

    /// Takes a snapshot out of the indices; `affected`: the volumes whose best backup may be another one then.
    fn leave(&mut self, id: &str, affected: &mut BTreeSet<Origin>) {
        let Some(snap) = self.snapshots.get(id).filter(|snap| snap.counts()) else { return };
        if snap.is_completed() {
            affected.extend(self.depending_on(snap));
        }
        if let Some(backups) = self.by_volume.get_mut(&snap.of) {
            backups.ids.remove(&(snap.read.taken, id.to_owned()));
        }
        if let Some(key) = &snap.read.key
            && let Some(members) = self.by_run.get_mut(key)
            && let Some(ids) = members.get_mut(&snap.of.1)
        {
            ids.remove(id);
            if ids.is_empty() {
                members.remove(&snap.of.1);
            }
        }
    }

    /// Puts a snapshot into the indices.
    fn enter(&mut self, id: &str, at: Moment, affected: &mut BTreeSet<Origin>) {
        let Some(snap) = self.snapshots.get(id) else { return };
        if snap.read.automated && !snap.read.sound {
            for origin in [Some(&snap.of), snap.read.claimed.as_ref()].into_iter().flatten() {
                self.by_volume.entry(origin.clone()).or_insert_with(|| Backups::new(at)).is_confused = true;
            }
        }
        if !snap.counts() {
            return;
        }
        let backups = self.by_volume.entry(snap.of.clone()).or_insert_with(|| Backups::new(at));
        backups.ids.insert((snap.read.taken, id.to_owned()));
        if let Some(key) = &snap.read.key {
            let members = self.by_run.entry(key.clone()).or_default();
            members.entry(snap.of.1.clone()).or_default().insert(id.to_owned());
        }
        if snap.is_completed() {
            affected.extend(self.depending_on(snap));
        }
    }

    /// A snapshot that exists or existed.
    pub(super) fn known(&self, id: &str) -> Option<&Snap> {
        self.snapshots.get(id).or_else(|| self.gone.get(id))
    }

    /// The snapshots that were there at some time in the window.
    pub(super) fn there(&self, window: Window) -> impl Iterator<Item = (&String, &Snap)> {
        self.snapshots.iter().chain(self.gone.iter().filter(move |(_, snap)| snap.was_there(window)))
    }

    /// Whether the operator left the volume out throughout.
    pub(super) fn is_left_out(&self, volume: &str, window: Window) -> bool {
        self.volumes.get(volume).is_some_and(|it| it.always(window, |it| tags::choice(it) == Choice::No))
    }

    /// Whether the operator left the volume out at some time.
    pub(super) fn was_left_out(&self, volume: &str, window: Window) -> bool {
        self.volumes.get(volume).is_some_and(|it| it.ever(window, |it| tags::choice(it) == Choice::No))
    }
}
