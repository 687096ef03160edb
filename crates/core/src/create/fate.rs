//! How long a backup lives: by whose tags, and whether its week, month or year has another one that lives as long.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU16,
};

use chrono::NaiveDate;

use super::Date;
use crate::{
    backup::{Backups, Life, home},
    calendar::Unit,
    ids::{InstanceId, SnapshotId, VolumeId},
    inventory::{Instance, Snapshot},
    run::Run,
    tags::{self, BackupPolicy, Choice, DeleteOn},
};

/// The region's automated snapshots, seen from this run.
pub(super) struct Existing<'a> {
    run: &'a Run,
    pub(super) backups: Backups,
    /// The volumes that this run has taken already.
    pub(super) of_this_run: BTreeSet<VolumeId>,
    undated: BTreeMap<InstanceId, Vec<&'a Snapshot>>,
}

impl<'a> Existing<'a> {
    /// `request` is what was asked for by hand, if this run is not one of the schedule: several runs may be of the same
    /// instant.
    pub(super) fn of(snapshots: &'a [Snapshot], run: &'a Run, request: Option<&str>) -> Self {
        let mut of_this_run = BTreeSet::new();
        let mut undated: BTreeMap<InstanceId, Vec<&Snapshot>> = BTreeMap::new();
        for snapshot in snapshots.iter().filter(|snapshot| snapshot.is_automated() && snapshot.copy_of().is_none()) {
            // in whatever state: one run takes one snapshot of a volume, and the next run mends what failed
            let is_of_its_kind = match request {
                Some(id) => snapshot.tags.get(tags::BACKUP_REQUEST) == Some(id),
                None => !snapshot.tags.has(tags::SCRIPTED),
            };
            if is_of_its_kind && snapshot.tags.get(tags::BACKUP_RUN) == Some(&run.stamp()) {
                of_this_run.insert(snapshot.volume());
            }
            if snapshot.delete_on() == DeleteOn::Unsaid
                && !snapshot.is_kept_forever()
                && let Some(instance) = snapshot.tags.get(tags::SOURCE_INSTANCE_ID)
            {
                undated.entry(instance.into()).or_default().push(snapshot);
            }
        }
        for snapshots in undated.values_mut() {
            snapshots.sort_by_key(|snapshot| (snapshot.taken(), snapshot.id.clone()));
        }
        Self { run, backups: Backups::of(snapshots), of_this_run, undated }
    }

    /// The same, where nothing that is undated is to be dated.
    pub(super) fn without_undated(self) -> Self {
        Self { undated: BTreeMap::new(), ..self }
    }

    /// Whether the week, month or year of `day` has a good backup of the volume, other than `except`, that lives its
    /// full span.
    pub(super) fn covers(
        &self,
        volume: &VolumeId,
        except: &[&SnapshotId],
        day: NaiveDate,
        unit: Unit,
        count: NonZeroU16,
        dated: &BTreeMap<SnapshotId, NaiveDate>,
    ) -> bool {
        self.backups.of_volume(&home(volume)).any(|other| {
            let taken = self.run.day_of(other.taken());
            let lives_until = |until: NaiveDate| match (dated.get(&other.id()).copied(), other.life()) {
                (_, Life::Forever) | (None, Life::Unreadable) => true,
                (Some(date), _) | (None, Life::Until(date)) => date >= until,
                // it is dated after this one, and then has this one to go by
                (None, Life::Undated) => false,
            };
            unit.same(taken, day)
                && !except.contains(&&other.id())
                && lives_until(unit.after(taken, count.get()))
                && other.is_good()
        })
    }

    /// Dates the instance's undated snapshots from the day on which they were taken, set by set, the oldest first.
    pub(super) fn date_undated(
        &self,
        instance: &InstanceId,
        policy: &BackupPolicy,
        sharers: &Sharers,
        dated: &mut BTreeMap<SnapshotId, NaiveDate>,
    ) -> Vec<Date> {
        let undated = self.undated.get(instance).map_or(&[][..], Vec::as_slice);
        let mut dates = Vec::new();
        for set in undated.chunk_by(|a, b| a.taken() == b.taken()) {
            let mut volumes: Vec<VolumeId> = set.iter().flat_map(|snapshot| self.backups.set_of(snapshot)).collect();
            volumes.extend(set.iter().map(|snapshot| snapshot.volume()));
            let members: Vec<&SnapshotId> = set.iter().map(|snapshot| &snapshot.id).collect();
            let taken = self.run.day_of(set[0].taken());
            let covered =
                |unit, count| volumes.iter().all(|volume| self.covers(volume, &members, taken, unit, count, dated));
            let policies = policies(policy, &volumes, sharers);
            // a tag that was taken away is not one that can be read again
            if !policies.iter().all(|policy| policy.says_retention) {
                continue;
            }
            let Some(Decision { delete_on, .. }) = decide(&policies, taken, covered) else { continue };
            for snapshot in set {
                dated.insert(snapshot.id.clone(), delete_on);
                dates.push(Date { snapshot: snapshot.id.clone(), taken, delete_on });
            }
        }
        dates
    }
}

/// What the enrolled instances ask for that have a volume together with others.
pub(super) type Sharers = BTreeMap<VolumeId, Vec<BackupPolicy>>;

pub(super) fn sharers<'a>(instances: impl IntoIterator<Item = &'a Instance>, run: &Run) -> Sharers {
    let mut sharers = Sharers::new();
    for instance in instances.into_iter().filter(|instance| instance.is_there()) {
        let policy = BackupPolicy::from_tags(&instance.tags, &run.region, &run.settings.default_retention).0;
        if policy.backup == Choice::Yes {
            for device in &instance.devices {
                sharers.entry(device.volume.clone()).or_default().push(policy.clone());
            }
        }
    }
    sharers.retain(|_, policies| policies.len() > 1);
    sharers
}

/// The instance's policy, and those of the instances with which it shares these volumes.
pub(super) fn policies<'a>(own: &'a BackupPolicy, volumes: &[VolumeId], sharers: &'a Sharers) -> Vec<&'a BackupPolicy> {
    std::iter::once(own).chain(volumes.iter().filter_map(|volume| sharers.get(volume)).flatten()).collect()
}

/// The day from which a backup may be deleted, and why then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) delete_on: NaiveDate,
    pub(super) because: String,
}

/// Decides by the policy that lets go last of what was taken on `day`; `None` if one cannot be read.
pub(super) fn decide(
    policies: &[&BackupPolicy],
    day: NaiveDate,
    covered: impl Fn(Unit, NonZeroU16) -> bool,
) -> Option<Decision> {
    let decisions: Option<Vec<Decision>> = policies
        .iter()
        .map(|policy| {
            let retention = policy.retention.as_ref()?;
            let (delete_on, first_of) = retention.decide(day, &covered);
            let by_default = if policy.says_retention { "" } else { " by default" };
            let first = first_of.map_or_else(String::new, |unit| format!(", first good one of its {}", unit.name()));
            Some(Decision { delete_on, because: format!("{retention}{by_default}{first}") })
        })
        .collect();
    decisions?.into_iter().max_by_key(|decision| decision.delete_on)
}
