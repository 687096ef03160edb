//! What an operator does, or somebody else in the account.

use super::world::{Due, World};
use crate::oracle::Who;
use crate::script::{Act, Pick};
use crate::truth::{Instance, State, Tags, Volume};
use chrono::TimeDelta;
use std::collections::BTreeMap;

/// The device of every root volume.
const ROOT: &str = "/dev/xvda";
/// How long a terminated instance is still listed.
const LISTED_AFTER_TERMINATION: TimeDelta = TimeDelta::hours(1);

/// What was picked: its region and its id.
pub(super) enum Picked {
    Instance(String, String),
    Volume(String, String),
    Snapshot(String, String),
}

impl World {
    /// Does what an operator does. Where there is nothing to do it to, nothing happens.
    pub(super) fn act(&mut self, act: &Act) {
        self.remember();
        if self.acts(act).is_some() {
            self.oracle.see(&self.truth, Who::Operator);
        }
    }

    /// `None` if nothing happened.
    fn acts(&mut self, act: &Act) -> Option<()> {
        match act {
            Act::Launch { region, data, tags } => self.launch(region, *data, tags),
            Act::Tag(pick, key, value) => {
                let picked = self.pick(pick)?;
                self.tags_of(&picked)?.insert(key.clone(), value.clone());
                Some(())
            }
            Act::Untag(pick, key) => {
                let picked = self.pick(pick)?;
                self.tags_of(&picked)?.remove(key).map(|_| ())
            }
            Act::Terminate(pick) => self.terminate(pick),
            Act::Detach(pick) => {
                let Picked::Instance(region, id) = self.pick(pick)? else { return None };
                let instance = self.truth.regions.get_mut(&region)?.instances.get_mut(&id)?;
                let last = instance.devices.keys().rfind(|device| Some(*device) != instance.root.as_ref())?.clone();
                instance.devices.remove(&last).map(|_| ())
            }
            Act::Attach(pick) => {
                let Picked::Instance(region, id) = self.pick(pick)? else { return None };
                let taken = &self.truth.regions.get(&region)?.instances.get(&id)?.devices;
                let device = ('f'..='z').map(device).find(|device| !taken.contains_key(device))?;
                let volume = self.make_volume(&region)?;
                let instance = self.truth.regions.get_mut(&region)?.instances.get_mut(&id)?;
                instance.devices.insert(device, volume);
                Some(())
            }
            Act::Snapshot(pick, tags) => {
                let Picked::Volume(region, id) = self.pick(pick)? else { return None };
                self.last_taken.insert(id.clone(), self.truth.now);
                let tags = tags.iter().cloned().collect();
                self.begin(&region, (region.clone(), id), None, tags);
                Some(())
            }
            Act::Delete(pick) => {
                let Picked::Snapshot(region, id) = self.pick(pick)? else { return None };
                let there = self.truth.regions.get_mut(&region)?;
                // EC2 refuses an operator as well
                let is_free = there.snapshots.get(&id).is_some_and(|it| !it.locked && it.images.is_empty());
                if is_free { there.snapshots.remove(&id).map(|_| ()) } else { None }
            }
            Act::Lock(pick, days) => {
                let Picked::Snapshot(region, id) = self.pick(pick)? else { return None };
                // one in error cannot be locked
                if self.truth.regions.get(&region)?.snapshots.get(&id)?.state == State::Error {
                    return None;
                }
                self.lock(&region, &id, self.truth.now + TimeDelta::days((*days).into()));
                Some(())
            }
            Act::Image(pick) => {
                let Picked::Snapshot(region, id) = self.pick(pick)? else { return None };
                let image = self.id("ami");
                let snapshot = self.truth.regions.get_mut(&region)?.snapshots.get_mut(&id)?;
                if snapshot.state != State::Completed {
                    return None;
                }
                snapshot.images.insert(image.clone());
                self.images.insert((region, image), id);
                Some(())
            }
            Act::Deregister(region) => {
                let first = self.images.keys().find(|(there, _)| there == region)?.clone();
                let snapshot = self.images.remove(&first)?;
                self.truth.regions.get_mut(region)?.snapshots.get_mut(&snapshot)?.images.remove(&first.1);
                Some(())
            }
            Act::DateAll(region, day) => {
                let snapshots = self.truth.regions.get_mut(region)?.snapshots.values_mut();
                for snapshot in snapshots.filter(|snapshot| is_automated(&snapshot.tags)) {
                    snapshot.tags.insert("DeleteOn".to_owned(), day.clone());
                }
                Some(())
            }
        }
    }

    /// Picks by number, in the order of making, which is that of the ids.
    pub(super) fn pick(&self, pick: &Pick) -> Option<Picked> {
        match pick {
            Pick::Instance(region, nth) => {
                let there = self.truth.regions.get(region)?;
                let ids = there.instances.iter().filter(|(_, instance)| instance.is_there).map(|(id, _)| id);
                Some(Picked::Instance(region.clone(), nth_of(ids.collect(), *nth)?))
            }
            Pick::Volume(region, nth) => {
                let there = self.truth.regions.get(region)?;
                let instances = there.instances.values().filter(|instance| instance.is_there);
                let mut ids: Vec<&String> = instances.flat_map(|instance| instance.devices.values()).collect();
                ids.sort();
                ids.dedup();
                Some(Picked::Volume(region.clone(), nth_of(ids, *nth)?))
            }
            Pick::Snapshot(region, nth) => {
                let there = self.truth.regions.get(region)?;
                Some(Picked::Snapshot(region.clone(), nth_of(there.snapshots.keys().collect(), *nth)?))
            }
            Pick::Automated(region, nth) => {
                let there = self.truth.regions.get(region)?;
                let ids = there.snapshots.iter().filter(|(_, it)| is_automated(&it.tags)).map(|(id, _)| id);
                Some(Picked::Snapshot(region.clone(), nth_of(ids.collect(), *nth)?))
            }
        }
    }

    fn tags_of(&mut self, picked: &Picked) -> Option<&mut Tags> {
        match picked {
            Picked::Instance(region, id) => Some(&mut self.truth.regions.get_mut(region)?.instances.get_mut(id)?.tags),
            Picked::Volume(region, id) => Some(&mut self.truth.regions.get_mut(region)?.volumes.get_mut(id)?.tags),
            Picked::Snapshot(region, id) => Some(&mut self.truth.regions.get_mut(region)?.snapshots.get_mut(id)?.tags),
        }
    }

    fn launch(&mut self, region: &str, data: u8, tags: &[(String, String)]) -> Option<()> {
        let mut devices = BTreeMap::from([(ROOT.to_owned(), self.make_volume(region)?)]);
        for letter in ('f'..='z').take(data.into()) {
            devices.insert(device(letter), self.make_volume(region)?);
        }
        let id = self.id("i");
        self.since.insert(id.clone(), self.truth.now);
        let tags = tags.iter().cloned().collect();
        let instance = Instance { tags, is_there: true, devices, root: Some(ROOT.to_owned()) };
        self.truth.regions.get_mut(region)?.instances.insert(id, instance);
        Some(())
    }

    /// The root volume goes with the instance, the others stay.
    fn terminate(&mut self, pick: &Pick) -> Option<()> {
        let Picked::Instance(region, id) = self.pick(pick)? else { return None };
        let there = self.truth.regions.get_mut(&region)?;
        let instance = there.instances.get_mut(&id)?;
        instance.is_there = false;
        let devices = std::mem::take(&mut instance.devices);
        if let Some(root) = instance.root.as_ref().and_then(|root| devices.get(root)) {
            there.volumes.remove(root);
        }
        self.schedule(self.truth.now + LISTED_AFTER_TERMINATION, Due::Forget(region, id));
        Some(())
    }

    fn make_volume(&mut self, region: &str) -> Option<String> {
        let id = self.id("vol");
        let created = self.truth.now;
        self.truth.regions.get_mut(region)?.volumes.insert(id.clone(), Volume { created, tags: Tags::new() });
        self.since.insert(id.clone(), created);
        Some(id)
    }
}

/// Whether these are the tags of one of Snapkeeper's snapshots.
pub(super) fn is_automated(tags: &Tags) -> bool {
    tags.get("Type").is_some_and(|value| value == "Automated")
}

fn nth_of(ids: Vec<&String>, nth: usize) -> Option<String> {
    let nth = nth.checked_rem(ids.len())?;
    ids.get(nth).map(|id| (*id).clone())
}

fn device(letter: char) -> String {
    format!("/dev/sd{letter}")
}
