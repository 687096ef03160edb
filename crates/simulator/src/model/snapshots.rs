//! The snapshots of a place: by id, and found by what describes ask for most.

use crate::model::ids::Kind;
use crate::model::snapshot::Snapshot;
use crate::model::tags::Tags;
use crate::wire::error::Error;
use std::collections::{BTreeMap, BTreeSet};

/// The filters by which snapshots are found without looking at all of them, the choosiest first. They are those with
/// which a backup asks for the snapshots of some volumes or instances, and for what an earlier call has made.
pub(crate) const INDEXED: [&str; 4] = ["volume-id", "tag:Source_SnapshotId", "tag:Source_InstanceId", "tag:Backup_Run"];

/// The snapshots of a place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshots {
    by_id: BTreeMap<String, Snapshot>,
    index: BTreeSet<Entry>,
}

/// That a filter finds a snapshot by a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    filter: &'static str,
    value: Box<str>,
    id: Box<str>,
}

impl Snapshots {
    /// All of them, by id.
    pub(crate) fn all(&self) -> &BTreeMap<String, Snapshot> {
        &self.by_id
    }

    /// The ids of those that a filter of [`INDEXED`] finds by one of these values.
    pub(crate) fn having<'a>(
        &'a self,
        filter: &'static str,
        values: &'a BTreeSet<String>,
    ) -> impl Iterator<Item = &'a str> {
        values.iter().flat_map(move |value| {
            let first = Entry { filter, value: value.as_str().into(), id: "".into() };
            let of_value = move |entry: &&Entry| entry.filter == filter && *entry.value == **value;
            self.index.range(first..).take_while(of_value).map(|entry| &*entry.id)
        })
    }

    /// One that is to be changed in anything but its id, its volume and its tags.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Snapshot> {
        self.by_id.get_mut(id)
    }

    /// All that are to be changed so.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Snapshot> {
        self.by_id.values_mut()
    }

    /// Adds one.
    pub(crate) fn insert(&mut self, snapshot: Snapshot) {
        self.index.extend(entries(&snapshot));
        self.by_id.insert(snapshot.id.clone(), snapshot);
    }

    /// Adds many at once, which leaves the maps denser than one by one.
    pub(crate) fn insert_all(&mut self, snapshots: Vec<Snapshot>) {
        self.index.append(&mut snapshots.iter().flat_map(entries).collect());
        self.by_id.append(&mut snapshots.into_iter().map(|snapshot| (snapshot.id.clone(), snapshot)).collect());
    }

    /// Takes one out, if it is there.
    pub(crate) fn remove(&mut self, id: &str) {
        if let Some(snapshot) = self.by_id.remove(id) {
            self.forget(&snapshot);
        }
    }

    /// Gives one other tags.
    pub(crate) fn set_tags(&mut self, id: &str, tags: Tags) -> Result<(), Error> {
        let mut snapshot = self.by_id.remove(id).ok_or_else(|| Kind::Snapshot.not_found(id))?;
        self.forget(&snapshot);
        snapshot.tags = tags;
        self.insert(snapshot);
        Ok(())
    }

    fn forget(&mut self, snapshot: &Snapshot) {
        for entry in entries(snapshot) {
            self.index.remove(&entry);
        }
    }
}

/// What a snapshot is found by.
fn entries(snapshot: &Snapshot) -> Vec<Entry> {
    let value_of = |filter: &'static str| match filter.strip_prefix("tag:") {
        Some(key) => snapshot.tags.get(key),
        None => Some(&snapshot.volume_id),
    };
    let entry = |filter| {
        let value = value_of(filter)?;
        Some(Entry { filter, value: value.as_str().into(), id: snapshot.id.as_str().into() })
    };
    INDEXED.into_iter().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use crate::Simulator;
    use crate::testing::{ACCOUNT, Look as _, call, simulator, snapshot};

    const REGION: &str = "us-east-1";

    #[track_caller]
    fn check(sim: &Simulator, filter: &str, value: &str, expected: &[&str]) {
        let params = [("Owner.1", "self"), ("Filter.1.Name", filter), ("Filter.1.Value.1", value)];
        assert_eq!(call(sim, REGION, "DescribeSnapshots", &params).ok().texts("snapshotId"), expected, "{filter}");
    }

    fn tag(sim: &Simulator, action: &str, id: &str, value: &str) {
        let tag = [("ResourceId.1", id), ("Tag.1.Key", "Backup_Run"), ("Tag.1.Value", value)];
        call(sim, REGION, action, &tag).ok();
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_is_found_by_what_it_has_now() {
        let sim = simulator();
        let ids = [snapshot(&sim, REGION), snapshot(&sim, REGION)];
        let id = ids[0].as_str();
        let volume = sim.look(ACCOUNT, REGION, |sight| sight.snapshots[id].volume_id.clone());
        check(&sim, "volume-id", &volume, &[id]);
        check(&sim, "volume-id", "vol-00000000", &[]);
        check(&sim, "snapshot-id", id, &[id]);
        check(&sim, "tag:Backup_Run", "one", &[]);
        tag(&sim, "CreateTags", id, "one");
        check(&sim, "tag:Backup_Run", "one", &[id]);
        check(&sim, "tag:Backup_Run", "on*", &[id]);
        tag(&sim, "CreateTags", id, "two");
        check(&sim, "tag:Backup_Run", "one", &[]);
        check(&sim, "tag:Backup_Run", "two", &[id]);
        tag(&sim, "DeleteTags", id, "two");
        check(&sim, "tag:Backup_Run", "two", &[]);
        call(&sim, REGION, "DeleteSnapshot", &[("SnapshotId", id)]).ok();
        check(&sim, "volume-id", &volume, &[]);
    }

    #[tokio::test(start_paused = true)]
    async fn others_snapshots_are_found_beside_ones_own() {
        let sim = simulator();
        snapshot(&sim, REGION);
        let params = [("Filter.1.Name", "volume-id"), ("Filter.1.Value.1", "vol-ffffffff")];
        assert_eq!(call(&sim, REGION, "DescribeSnapshots", &params).ok().texts("snapshotId").len(), 3);
        assert_eq!(call(&sim, REGION, "DescribeSnapshots", &[]).ok().texts("snapshotId").len(), 4);
    }
}
