//! What must never be, whatever happens: judged by what the simulator truly holds, never by what the job says.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use snapkeeper_core::run::Job::Syncer;
use snapkeeper_simulator::{DbDeletion, DbSnapshot, DbSnapshotState, Deregistration, Image, ImageState, InstanceState};
use snapkeeper_tests::{World, world::ACCOUNT};

use super::{check, unit_of};
use crate::peers::{HOME, IRELAND, WEST};

/// Where anything may be.
const REGIONS: [&str; 3] = [HOME, WEST, IRELAND];
/// The tags without which a copy of a database would not be known again.
const NEEDED: [&str; 4] = ["Snapkeeper_Sync", "Sync-From-us-east-1", "Source_Database", "Source_Region"];

/// The image or the snapshots with which something can be started, by region and by what they are of.
type Good = BTreeMap<(&'static str, String), BTreeSet<(DateTime<Utc>, String)>>;

/// Whoever watches.
pub(super) struct Oracle {
    /// What is not ours, as it was found: images, snapshots behind images, and database snapshots, by region and id.
    foreign: BTreeMap<(&'static str, String), String>,
    /// What there was at the last look.
    good: Good,
    /// How many deletions of each kind were judged.
    judged: [usize; 3],
    /// The access key of the job.
    key: String,
}

impl Oracle {
    /// Takes everything that is there for somebody else's.
    pub(super) fn of(world: &World) -> Self {
        let key = world.access_key(Syncer, HOME);
        let mut oracle = Self { foreign: BTreeMap::new(), good: Good::new(), judged: [0; 3], key };
        oracle.learn(world);
        oracle
    }

    /// Somebody has made, changed or deleted something by hand: what is not the job's is theirs as it is now.
    pub(super) fn learn(&mut self, world: &World) {
        self.judged = counted(world);
        self.good = good(world);
        self.foreign = foreign(world);
    }

    /// Looks. An error says what must never be.
    pub(super) fn look(&mut self, world: &World) -> Result<(), String> {
        let now = good(world);
        let [images, snapshots, databases] = self.judged;
        for deregistration in world.simulator().deregistrations().iter().skip(images) {
            self.judge_image(world, deregistration, &now)?;
        }
        for deletion in world.simulator().deletions().iter().skip(snapshots).filter(|it| it.caller == self.key) {
            let is_own = deletion.snapshot.tags.contains_key("Snapkeeper_Sync") && deletion.region != HOME;
            check(is_own, || format!("deleted, and not its own: {deletion:?}"))?;
            let is_held = deletion.snapshot.tags.contains_key("KeepForever");
            check(!is_held, || format!("deleted, and held: {deletion:?}"))?;
        }
        for deletion in world.simulator().db_deletions().iter().skip(databases) {
            self.judge_snapshot(deletion, &now)?;
        }
        self.judged = counted(world);
        let there = foreign(world);
        for (id, before) in &self.foreign {
            let after = there.get(id);
            check(after == Some(before), || format!("{id:?} is not ours, and was changed: {before}\nnow {after:?}"))?;
        }
        for ((region, unit), before) in &self.good {
            let after = now.get(&(*region, unit.clone())).map_or(0, BTreeSet::len);
            let is_well = before.is_empty() || after > 0;
            check(is_well, || format!("{unit} was present in {region}, and is no more"))?;
        }
        self.good = now;
        for region in REGIONS {
            nothing_twice(world, region)?;
        }
        Ok(())
    }

    /// Whether an image that the job deregistered was its to deregister, and a newer one stayed.
    fn judge_image(&mut self, world: &World, gone: &Deregistration, now: &Good) -> Result<(), String> {
        let Deregistration { caller, region, image, .. } = gone;
        let Some(region) = REGIONS.into_iter().find(|it| it == region) else { return Err(format!("{gone:?}")) };
        let unit = (region, unit_of_image(image));
        let copy = (image.created_at, image.id.clone());
        if *caller != self.key {
            self.forget(region, &image.id, &unit, &copy);
            return Ok(());
        }
        let is_own = image.tags.contains_key("Snapkeeper_Sync") && region != HOME;
        check(is_own, || format!("deregistered, and not its own: {gone:?}"))?;
        check(!image.tags.contains_key("KeepForever"), || format!("deregistered, and held: {gone:?}"))?;
        if image.state == ImageState::Failed {
            return Ok(());
        }
        check(image.state == ImageState::Available, || format!("deregistered in the making: {gone:?}"))?;
        let mut instances = world.simulator().instances(ACCOUNT, region).into_iter();
        let user = instances.find(|it| it.image_id == image.id && it.state != InstanceState::Terminated);
        check(user.is_none(), || format!("deregistered, and used by {user:?}"))?;
        self.newer_stays(&unit, &copy, now)
    }

    /// The same of a database snapshot.
    fn judge_snapshot(&mut self, gone: &DbDeletion, now: &Good) -> Result<(), String> {
        let DbDeletion { caller, region, snapshot, .. } = gone;
        let Some(region) = REGIONS.into_iter().find(|it| it == region) else { return Err(format!("{gone:?}")) };
        let unit = (region, unit_of(snapshot));
        let copy = (snapshot.taken_at, snapshot.id.clone());
        if *caller != self.key {
            self.forget(region, &format!("{}:{}", unit.1, snapshot.id), &unit, &copy);
            return Ok(());
        }
        let is_own = !snapshot.is_automated && snapshot.tags.contains_key("Snapkeeper_Sync") && region != HOME;
        check(is_own, || format!("deleted, and not its own: {gone:?}"))?;
        check(!snapshot.tags.contains_key("KeepForever"), || format!("deleted, and held: {gone:?}"))?;
        match snapshot.state {
            DbSnapshotState::Failed => Ok(()),
            DbSnapshotState::Available => self.newer_stays(&unit, &copy, now),
            DbSnapshotState::Creating | DbSnapshotState::Copying => Err(format!("deleted in the making: {gone:?}")),
        }
    }

    /// Whether something newer was there before, or has become good since by another run.
    fn newer_stays(
        &mut self,
        unit: &(&'static str, String),
        copy: &(DateTime<Utc>, String),
        now: &Good,
    ) -> Result<(), String> {
        let newest = now.get(unit).and_then(BTreeSet::last).cloned();
        let good = self.good.entry(unit.clone()).or_default();
        good.remove(copy);
        let newest = good.last().cloned().max(newest);
        check(newest.as_ref() > Some(copy), || format!("{copy:?} of {unit:?} is gone, the newest that there was"))
    }

    /// Somebody else has deleted it.
    fn forget(
        &mut self,
        region: &'static str,
        id: &str,
        unit: &(&'static str, String),
        copy: &(DateTime<Utc>, String),
    ) {
        self.foreign.remove(&(region, id.to_owned()));
        if self.good.get_mut(unit).is_some_and(|good| good.remove(copy) && good.is_empty()) {
            self.good.remove(unit);
        }
    }
}

/// How many deletions there were: of images, of snapshots, and of database snapshots.
fn counted(world: &World) -> [usize; 3] {
    let simulator = world.simulator();
    [simulator.deregistrations().len(), simulator.deletions().len(), simulator.db_deletions().len()]
}

/// No source has two copies in a region that are there or on their way, and all copies have their tags.
fn nothing_twice(world: &World, region: &str) -> Result<(), String> {
    let mut sources: BTreeSet<String> = BTreeSet::new();
    for image in world.simulator().images(ACCOUNT, region) {
        let Some(from) = &image.source else { continue };
        if image.state == ImageState::Failed || image.source_instance.is_some() {
            continue;
        }
        check(sources.insert(from.image.clone()), || {
            format!("a second copy of {} in {region}: {image:?}", from.image)
        })?;
        let is_marked = image.tags.get("Snapkeeper_Sync").is_some_and(|it| it == "Yes");
        let told = image.tags.get("Sync-From-us-east-1").is_some_and(|it| it.ends_with(&from.image));
        check(is_marked && told, || format!("{} lacks tags: {:?}", image.id, image.tags))?;
    }
    for snapshot in world.simulator().db_snapshots(ACCOUNT, region) {
        let DbSnapshot { source: Some(from), id, state, tags, .. } = &snapshot else { continue };
        if *state == DbSnapshotState::Failed {
            continue;
        }
        check(sources.insert(from.clone()), || format!("a second copy of {from} in {region}: {snapshot:?}"))?;
        let lacking = NEEDED.iter().find(|key| !tags.contains_key(**key));
        check(lacking.is_none(), || format!("{id} lacks {lacking:?}: {tags:?}"))?;
    }
    Ok(())
}

/// Everything that the job has not made, as far as it may not change it, in words.
fn foreign(world: &World) -> BTreeMap<(&'static str, String), String> {
    let mut all = BTreeMap::new();
    for region in REGIONS {
        for image in world.simulator().images(ACCOUNT, region) {
            if !image.tags.contains_key("Snapkeeper_Sync") {
                all.insert((region, image.id.clone()), format!("{} {:?}", image.name, untouched(&image.tags)));
            }
        }
        for snapshot in world.simulator().snapshots(ACCOUNT, region) {
            if !snapshot.tags.contains_key("Snapkeeper_Sync") {
                all.insert((region, snapshot.id.clone()), format!("{:?}", snapshot.tags));
            }
        }
        for snapshot in world.simulator().db_snapshots(ACCOUNT, region) {
            // what RDS takes, it deletes by itself
            if !snapshot.is_automated && !snapshot.tags.contains_key("Snapkeeper_Sync") {
                let words = format!("{:?} {:?}", snapshot.tags, snapshot.shared_with);
                all.insert((region, format!("{}:{}", unit_of(&snapshot), snapshot.id)), words);
            }
        }
    }
    all
}

/// The tags of a source but for those that tell of its copies.
fn untouched(tags: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    let traces = ["Sync-us-west-2", "Sync-eu-west-1"];
    tags.iter()
        .filter(|(key, _)| !traces.contains(&key.as_str()))
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect()
}

/// What can be started from in the destinations, of what the job has made.
fn good(world: &World) -> Good {
    let mut good = Good::new();
    for region in [WEST, IRELAND] {
        for image in world.simulator().images(ACCOUNT, region) {
            if image.tags.contains_key("Snapkeeper_Sync") && image.state == ImageState::Available {
                let of = good.entry((region, unit_of_image(&image))).or_default();
                of.insert((image.created_at, image.id));
            }
        }
        for snapshot in world.simulator().db_snapshots(ACCOUNT, region) {
            if snapshot.tags.contains_key("Snapkeeper_Sync") && snapshot.state == DbSnapshotState::Available {
                let of = good.entry((region, unit_of(&snapshot))).or_default();
                of.insert((snapshot.taken_at, snapshot.id));
            }
        }
    }
    good
}

/// What an image is of, from build to build.
fn unit_of_image(image: &Image) -> String {
    image.tags.get("Sync-Identifier").cloned().unwrap_or_else(|| image.name.clone())
}
