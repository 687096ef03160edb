//! The calls that change something, and what EC2 makes of them.

use super::acts::is_automated;
use super::failure::{Failure, Kind};
use super::world::World;
use crate::mutant::Mutant;
use crate::oracle::Who;
use crate::truth::{Snapshot, State, Tags, Truth};
use chrono::{DateTime, TimeDelta, Utc};
use snapkeeper_core::copy::CopySnapshot;
use snapkeeper_core::create::Backup;
use snapkeeper_core::ids::VolumeId;
use snapkeeper_core::tags;
use std::fmt;
use std::sync::Arc;

/// How long EC2 wants between two snapshots of one volume.
const BETWEEN_SNAPSHOTS: TimeDelta = TimeDelta::seconds(15);
/// How many snapshots of a volume may be pending or failed. Source: "Amazon EBS quotas", for all but `st1` and `sc1`.
const UNDER_WAY: usize = 5;

/// A call that changes something.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Takes a backup in a region.
    Take(String, Backup),
    /// Makes a copy.
    Copy(CopySnapshot),
    /// Tags a snapshot in a region.
    Tag(String, String, tags::Tags),
    /// Deletes a snapshot in a region.
    Delete(String, String),
}

impl Change {
    /// The API action.
    pub(super) fn action(&self) -> &'static str {
        match self {
            Change::Take(_, backup) if backup.members.len() == 1 => "CreateSnapshot",
            Change::Take(..) => "CreateSnapshots",
            Change::Copy(_) => "CopySnapshot",
            Change::Tag(..) => "CreateTags",
            Change::Delete(..) => "DeleteSnapshot",
        }
    }

    /// The region that is called.
    pub(super) fn region(&self) -> &str {
        match self {
            Change::Take(region, _) | Change::Tag(region, ..) | Change::Delete(region, _) => region,
            Change::Copy(copy) => copy.to.as_str(),
        }
    }

    /// What it is about: a volume, an instance, or a snapshot.
    pub(super) fn subject(&self) -> &str {
        match self {
            Change::Take(_, backup) => match backup.members.as_slice() {
                [only] => only.as_str(),
                _ => backup.instance.as_str(),
            },
            Change::Copy(copy) => copy.source.as_str(),
            Change::Tag(_, snapshot, _) | Change::Delete(_, snapshot) => snapshot,
        }
    }

    /// The snapshots that a look finds, should this have made them: those with the tags that it carries.
    pub(super) fn traces(&self, truth: &Truth) -> Vec<String> {
        let Some(there) = truth.regions.get(self.region()) else { return Vec::new() };
        let has =
            |tags: &Tags, key: &str, value: Option<&str>| value.is_some() && tags.get(key).map(String::as_str) == value;
        let is_trace = |snapshot: &Snapshot| match self {
            Change::Take(_, backup) => {
                let as_asked = |key: &str| has(&snapshot.tags, key, backup.tags.get(key));
                as_asked(tags::BACKUP_RUN)
                    && as_asked(tags::SOURCE_INSTANCE_ID)
                    && !snapshot.tags.contains_key(tags::SOURCE_SNAPSHOT_ID)
                    && backup.takes(&snapshot.of.1.as_str().into())
            }
            Change::Copy(copy) => {
                has(&snapshot.tags, tags::SOURCE_SNAPSHOT_ID, Some(copy.source.as_str()))
                    && snapshot.state != State::Error
            }
            Change::Tag(..) | Change::Delete(..) => false,
        };
        let traces = there.snapshots.iter().filter(|(_, it)| is_automated(&it.tags) && is_trace(it));
        traces.map(|(id, _)| id.clone()).collect()
    }

    /// The volumes of which there is none among these snapshots, though they were to be taken.
    pub(super) fn missing(&self, made: &[String], truth: &Truth) -> Vec<String> {
        let Change::Take(region, backup) = self else { return Vec::new() };
        let volume = |id: &String| Some(&truth.regions.get(region)?.snapshots.get(id)?.of.1);
        let is_there = |member: &str| made.iter().filter_map(volume).any(|it| it == member);
        backup.members.iter().map(ToString::to_string).filter(|it| !is_there(it)).collect()
    }

    /// The same without any tag, and the tags.
    pub(super) fn without_tags(&self) -> (Change, tags::Tags) {
        match self.clone() {
            Change::Take(region, mut backup) => {
                let tags = std::mem::take(&mut backup.tags);
                (Change::Take(region, backup), tags)
            }
            Change::Copy(mut copy) => {
                let tags = Arc::unwrap_or_clone(std::mem::take(&mut copy.tags));
                (Change::Copy(copy), tags)
            }
            other @ (Change::Tag(..) | Change::Delete(..)) => (other, tags::Tags::default()),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} in {}", self.action(), self.subject(), self.region())
    }
}

impl World {
    /// What EC2 makes of a call that arrives, and the ids of what it makes by it.
    pub(super) fn carry_out(&mut self, change: &Change, who: Who) -> Result<Vec<String>, Failure> {
        let made = match change {
            Change::Take(region, backup) => self.take(region, backup),
            Change::Copy(copy) => self.copy(copy),
            Change::Tag(region, id, tags) => self.tag(region, id, tags),
            Change::Delete(region, id) => self.delete(region, id),
        };
        match &made {
            Ok(made) => {
                self.oracle.see(&self.truth, who);
                self.tell(format_args!("{change}: done {made:?}"));
            }
            Err(failure) => self.tell(format_args!("{change}: refused, {failure}")),
        }
        made
    }

    fn take(&mut self, region: &str, backup: &Backup) -> Result<Vec<String>, Failure> {
        let volumes = self.chosen(region, backup)?;
        let now = self.truth.now;
        for volume in &volumes {
            if let Some(code) = self.troubles.refusals.get(volume) {
                let message = format!("a snapshot of volume {volume} is not possible now");
                return Err(Failure::coded(code, &message));
            }
            let last = self.last_taken.get(volume).copied();
            // of runs at once each is a step behind the other, however long the steps of the first took here
            let at_once = |last: DateTime<Utc>| self.at_once_since.is_some_and(|since| last >= since);
            if last.is_some_and(|last| now - last < BETWEEN_SNAPSHOTS || at_once(last)) {
                let message = format!("the rate of snapshots has been exceeded for {volume}");
                return Err(Failure::coded("SnapshotCreationPerVolumeRateExceeded", &message));
            }
        }
        for volume in &volumes {
            let there = self.truth.regions.get(region).into_iter().flat_map(|there| there.snapshots.values());
            // failed ones count as well
            let counts = |it: &&Snapshot| it.copy_of.is_none() && it.of.1 == *volume && it.state != State::Completed;
            if there.filter(counts).count() >= UNDER_WAY {
                let message = format!("volume {volume} has as many snapshots under way as it may");
                return Err(Failure::coded("ConcurrentSnapshotLimitExceeded", &message));
            }
        }
        self.remember();
        let mut fails = false;
        for volume in &volumes {
            // where one member of a set fails, all do
            fails |= self.troubles.fails(volume);
        }
        let tags = plain(&backup.tags);
        let mut made = Vec::new();
        for volume in volumes {
            self.last_taken.insert(volume.clone(), now);
            let id = self.begin(region, (region.to_owned(), volume), None, tags.clone());
            if fails {
                self.doom(region, &id);
            }
            made.push(id);
        }
        Ok(made)
    }

    /// The volumes of which a call takes snapshots: the one that it names, or those of its instance without the
    /// excluded ones.
    fn chosen(&self, region: &str, backup: &Backup) -> Result<Vec<String>, Failure> {
        let there = self.truth.regions.get(region).ok_or_else(Failure::unanswered)?;
        if let [only] = backup.members.as_slice() {
            let volume = only.as_str();
            return if there.volumes.contains_key(volume) {
                Ok(vec![volume.to_owned()])
            } else {
                Err(Failure::coded("InvalidVolume.NotFound", &format!("the volume {volume} does not exist")))
            };
        }
        let id = backup.instance.as_str();
        let Some(instance) = there.instances.get(id) else {
            return Err(Failure::coded("InvalidInstanceID.NotFound", &format!("the instance {id} does not exist")));
        };
        if !instance.is_there {
            return Err(Failure::coded("IncorrectInstanceState", &format!("the instance {id} is terminated")));
        }
        let excluded: Vec<&str> = backup.excluded_data().into_iter().map(VolumeId::as_str).collect();
        for volume in &excluded {
            if !instance.devices.values().any(|attached| attached == volume) {
                let message = format!("volume {volume} is not attached to {id}");
                return Err(Failure::coded("InvalidParameterValue", &message));
            }
        }
        let root = instance.root.as_ref().filter(|_| backup.excludes_boot());
        let devices = instance
            .devices
            .iter()
            .filter(|(device, volume)| Some(*device) != root && !excluded.contains(&volume.as_str()));
        let volumes: Vec<String> = devices.map(|(_, volume)| volume.clone()).collect();
        if volumes.is_empty() {
            let message = format!("instance {id} has no volume to take a snapshot of");
            return Err(Failure::coded("InvalidParameterValue", &message));
        }
        Ok(volumes)
    }

    fn copy(&mut self, copy: &CopySnapshot) -> Result<Vec<String>, Failure> {
        let (from, to, id) = (copy.from.as_str(), copy.to.as_str(), copy.source.as_str());
        if self.troubles.is_down(from) {
            return Err(Failure::coded("Unavailable", &format!("the source region {from} does not answer")));
        }
        let source = self.truth.regions.get(from).and_then(|there| there.snapshots.get(id));
        let Some(source) = source else {
            return Err(Failure::coded("InvalidSnapshot.NotFound", &format!("the snapshot {id} does not exist")));
        };
        let is_whole = source.state == State::Completed;
        if !is_whole && self.mutant != Some(Mutant::PendingIsCopied) {
            return Err(Failure::coded("IncorrectState", &format!("the snapshot {id} is not completed")));
        }
        let of = source.of.clone();
        let there = self.truth.regions.get(to).ok_or_else(Failure::unanswered)?;
        let is_under_way = |it: &&Snapshot| it.copy_of.is_some() && it.state == State::Pending;
        if there.snapshots.values().filter(is_under_way).count() >= self.setting.copies_at_once {
            return Err(Failure::coded("ResourceLimitExceeded", "too many copies are under way"));
        }
        self.remember();
        let made = self.begin(to, of, Some((from.to_owned(), id.to_owned())), plain(&copy.tags));
        // EC2 looks at the key only after it has accepted the call
        let has_key = copy.kms_key.is_none() || !self.troubles.keys_off.contains(to);
        if !has_key || !is_whole {
            self.doom(to, &made);
        }
        Ok(vec![made])
    }

    fn tag(&mut self, region: &str, id: &str, tags: &tags::Tags) -> Result<Vec<String>, Failure> {
        self.remember();
        let snapshot = self.truth.regions.get_mut(region).and_then(|there| there.snapshots.get_mut(id));
        let Some(snapshot) = snapshot else {
            return Err(Failure::coded("InvalidSnapshot.NotFound", &format!("the snapshot {id} does not exist")));
        };
        snapshot.tags.extend(plain(tags));
        Ok(Vec::new())
    }

    /// Deletes a snapshot, as far as the manager's policy and EC2 let it.
    fn delete(&mut self, region: &str, id: &str) -> Result<Vec<String>, Failure> {
        self.remember();
        let there = self.truth.regions.get_mut(region).ok_or_else(Failure::unanswered)?;
        let Some(snapshot) = there.snapshots.get(id) else {
            return Err(Failure::coded("InvalidSnapshot.NotFound", &format!("the snapshot {id} does not exist")));
        };
        if !is_automated(&snapshot.tags) || snapshot.tags.contains_key(tags::KEEP_FOREVER) {
            return Err(Failure::coded("UnauthorizedOperation", "the policy of the manager denies it"));
        }
        if let Some(image) = snapshot.images.first() {
            return Err(Failure::coded("InvalidSnapshot.InUse", &format!("the snapshot {id} is in use by {image}")));
        }
        if snapshot.locked {
            return Err(Failure { kind: Kind::Refused, message: format!("SnapshotLocked: {id}") });
        }
        there.snapshots.remove(id);
        Ok(Vec::new())
    }
}

/// Tags as the truth has them.
fn plain(tags: &tags::Tags) -> Tags {
    tags.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
