//! Plans the primary snapshots of every enrolled instance, and dates those that could not be dated when they were taken.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    num::NonZeroU16,
};

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    backup::{Backups, home},
    calendar::Unit,
    ids::{InstanceId, Region, SnapshotId, VolumeId},
    inventory::{Instance, Snapshot, Volume},
    layout::{self, Place},
    plan::{Action, Finding, FindingKind, Plan, Reason},
    run::Run,
    tags::{self, BackupPolicy, Choice, DeleteOn, Tags},
};

/// How many data volumes one `CreateSnapshots` call can leave out (EC2 API, `InstanceSpecification`).
const MAX_EXCLUDED: usize = 40;
/// The longest description that EC2 takes, in characters.
const MAX_DESCRIPTION: usize = 255;

/// What the creator reads.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The instances that have a tag `Backup`.
    pub instances: Vec<Instance>,
    /// The volumes that have a tag `Backup`.
    pub volumes: Vec<Volume>,
    /// The automated snapshots of the region.
    pub snapshots: Vec<Snapshot>,
}

/// Plans one backup for each enrolled instance, the one whose last good backup is oldest first.
pub fn plan(inventory: &Inventory, run: &Run) -> Plan<Create> {
    let mut plan = Plan::default();
    let existing = Existing::of(&inventory.snapshots, run);
    let mut dates = Vec::new();
    let mut backups: Vec<(Option<DateTime<Utc>>, Backup)> = Vec::new();
    let mut taken_with: BTreeMap<VolumeId, InstanceId> = BTreeMap::new();
    let excluded = read_exclusions(&inventory.volumes, &mut plan);
    let sharers = sharers(&inventory.instances, run);

    let mut instances: Vec<&Instance> = inventory.instances.iter().collect();
    instances.sort_by(|a, b| a.id.cmp(&b.id));
    for instance in instances {
        let (policy, errors) = BackupPolicy::from_tags(&instance.tags, &run.region, &run.settings.default_retention);
        plan.findings.extend(errors.iter().map(|error| Finding::unreadable(&instance.id, error)));
        let mut dated = BTreeMap::new();
        dates.extend(existing.date_undated(&instance.id, &policy, &sharers, &mut dated));
        let members = match members(instance, &policy, &excluded, &existing, &taken_with) {
            Ok(members) => members,
            Err(reason) => {
                plan.keep(&instance.id, reason);
                continue;
            }
        };
        taken_with.extend(members.iter().map(|volume| (volume.clone(), instance.id.clone())));
        // the whole set has one fate, whatever of it is taken now; and a shared volume that of whoever keeps it longest
        let set: Vec<VolumeId> = instance
            .devices
            .iter()
            .map(|device| device.volume.clone())
            .filter(|volume| !excluded.contains(volume))
            .collect();
        let policies = policies(&policy, &members, &sharers);
        let decision = decide(&policies, run.day(), |unit, count| {
            set.iter().all(|volume| existing.covers(volume, &[], run.day(), unit, count, &dated))
        });
        let copy_to: BTreeSet<&Region> = policies.iter().flat_map(|policy| &policy.copy_to).collect();
        let oldest = members.iter().map(|volume| existing.backups.last_good_at(&home(volume))).min().flatten();
        let backup = Backup::new(instance, members, &excluded, &copy_to, decision, run);
        if backup.fits_one_call() {
            backups.push((oldest, backup));
        } else {
            plan.findings.push(not_consistent(&backup));
            backups.extend(backup.one_by_one().into_iter().map(|backup| (oldest, backup)));
        }
    }
    backups.sort_by_key(|(a, _)| *a);
    plan.actions.extend(backups.into_iter().map(|(_, backup)| Create::Backup(backup)));
    plan.actions.extend(dates.into_iter().map(Create::Date));
    plan
}

fn read_exclusions(volumes: &[Volume], plan: &mut Plan<Create>) -> BTreeSet<VolumeId> {
    let mut excluded = BTreeSet::new();
    for volume in volumes {
        let (choice, error) = Choice::from_tags(&volume.tags);
        plan.findings.extend(error.iter().map(|error| Finding::unreadable(&volume.id, error)));
        if choice == Choice::No {
            excluded.insert(volume.id.clone());
        }
    }
    excluded
}

/// What the enrolled instances ask for that have a volume together with others.
type Sharers = BTreeMap<VolumeId, Vec<BackupPolicy>>;

fn sharers(instances: &[Instance], run: &Run) -> Sharers {
    let mut sharers = Sharers::new();
    for instance in instances.iter().filter(|instance| instance.is_there()) {
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
fn policies<'a>(own: &'a BackupPolicy, volumes: &[VolumeId], sharers: &'a Sharers) -> Vec<&'a BackupPolicy> {
    std::iter::once(own).chain(volumes.iter().filter_map(|volume| sharers.get(volume)).flatten()).collect()
}

/// The day from which a backup may be deleted, and why then.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Decision {
    delete_on: NaiveDate,
    because: String,
}

/// Decides by the policy that lets go last of what was taken on `day`; `None` if one cannot be read.
fn decide(policies: &[&BackupPolicy], day: NaiveDate, covered: impl Fn(Unit, NonZeroU16) -> bool) -> Option<Decision> {
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

/// The volumes of the instance that this run has yet to take, or why there are none.
fn members(
    instance: &Instance,
    policy: &BackupPolicy,
    excluded: &BTreeSet<VolumeId>,
    existing: &Existing<'_>,
    taken_with: &BTreeMap<VolumeId, InstanceId>,
) -> Result<Vec<VolumeId>, Reason> {
    match policy.backup {
        Choice::Yes => {}
        Choice::No => return Err(Reason::OptedOut),
        Choice::Unsaid => return Err(Reason::NotEnrolled),
        Choice::Unreadable => return Err(Reason::UnreadableBackup),
    }
    if !instance.is_there() {
        return Err(Reason::Gone);
    }
    if instance.devices.is_empty() {
        return Err(Reason::NoVolumes);
    }
    let mut reason = Reason::OptedOut;
    let mut members = Vec::new();
    for device in &instance.devices {
        if excluded.contains(&device.volume) {
        } else if existing.of_this_run.contains(&device.volume) {
            reason = Reason::AlreadyTaken;
        } else if let Some(other) = taken_with.get(&device.volume) {
            reason = Reason::TakenWith(other.clone());
        } else {
            members.push(device.volume.clone());
        }
    }
    if members.is_empty() { Err(reason) } else { Ok(members) }
}

/// The region's automated snapshots, seen from this run.
struct Existing<'a> {
    run: &'a Run,
    backups: Backups<'a>,
    of_this_run: BTreeSet<VolumeId>,
    undated: BTreeMap<InstanceId, Vec<&'a Snapshot>>,
}

impl<'a> Existing<'a> {
    fn of(snapshots: &'a [Snapshot], run: &'a Run) -> Self {
        let mut of_this_run = BTreeSet::new();
        let mut undated: BTreeMap<InstanceId, Vec<&Snapshot>> = BTreeMap::new();
        for snapshot in snapshots.iter().filter(|snapshot| snapshot.is_automated() && snapshot.copy_of().is_none()) {
            // in whatever state: one run takes one snapshot of a volume, and the next run mends what failed
            if snapshot.tags.get(tags::BACKUP_RUN) == Some(&run.stamp()) {
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

    /// Whether the week, month or year of `day` has a good backup of the volume, other than `except`, that lives its
    /// full span.
    fn covers(
        &self,
        volume: &VolumeId,
        except: &[&SnapshotId],
        day: NaiveDate,
        unit: Unit,
        count: NonZeroU16,
        dated: &BTreeMap<SnapshotId, NaiveDate>,
    ) -> bool {
        self.backups.of_volume(&home(volume)).iter().any(|other| {
            let taken = self.run.day_of(other.taken());
            let lives_until = |until: NaiveDate| match (dated.get(&other.id).copied(), other.delete_on()) {
                (Some(date), _) | (None, DeleteOn::Day(date)) => date >= until,
                // it is dated after this one, and then has this one to go by
                (None, DeleteOn::Unsaid) => false,
                (None, DeleteOn::Unreadable(_)) => true,
            };
            !except.contains(&&other.id)
                && unit.same(taken, day)
                && (other.is_kept_forever() || lives_until(unit.after(taken, count.get())))
                && self.backups.is_good(other)
        })
    }

    /// Dates the instance's undated snapshots from the day on which they were taken, set by set, the oldest first.
    fn date_undated(
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

fn not_consistent(backup: &Backup) -> Finding {
    Finding {
        kind: FindingKind::NotConsistent,
        resource: backup.instance.to_string(),
        what: format!(
            "{} volumes are left out, more than one CreateSnapshots call can exclude ({MAX_EXCLUDED}): \
             the others are taken one by one",
            backup.excluded_data().len()
        ),
        since: None,
        todo: "tag fewer of its volumes Backup=No".to_owned(),
    }
}

/// What the creator does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Create {
    /// Takes a backup.
    Backup(Backup),
    /// Dates a snapshot that was taken while the tag `Retention` could not be read.
    Date(Date),
}

impl fmt::Display for Create {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backup(backup) => {
                let name = backup.instance_tags.get(tags::NAME).map_or_else(String::new, |name| format!(" ({name})"));
                match backup.members.as_slice() {
                    [volume] => write!(f, "snapshot {volume} of {}{name}", backup.instance)?,
                    volumes => write!(f, "snapshot {} volumes of {}{name} together", volumes.len(), backup.instance)?,
                }
                match &backup.decision {
                    Some(Decision { delete_on, because }) => write!(f, ", kept until {delete_on}: {because}"),
                    None => write!(f, ", undated: its tag Retention cannot be read"),
                }
            }
            Self::Date(Date { snapshot, taken, delete_on }) => {
                write!(f, "date {snapshot}, taken undated on {taken}: kept until {delete_on}")
            }
        }
    }
}

impl Action for Create {
    fn resource(&self) -> String {
        match self {
            Self::Backup(backup) => backup.instance.to_string(),
            Self::Date(date) => date.snapshot.to_string(),
        }
    }
}

/// The tag `DeleteOn` for a snapshot that has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Date {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The day on which it was taken.
    pub taken: NaiveDate,
    /// The day that follows for it.
    pub delete_on: NaiveDate,
}

/// One backup of one instance: a `CreateSnapshot` of its only member, or a `CreateSnapshots` of several, which are
/// then crash-consistent with each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The instance.
    pub instance: InstanceId,
    /// The volumes to take, at least one.
    pub members: Vec<VolumeId>,
    /// The tags for each snapshot.
    pub tags: Tags,
    instance_tags: Tags,
    region: Region,
    root: Option<VolumeId>,
    layout: Vec<Place>,
    decision: Option<Decision>,
}

impl Backup {
    fn new(
        instance: &Instance,
        members: Vec<VolumeId>,
        excluded: &BTreeSet<VolumeId>,
        copy_to: &BTreeSet<&Region>,
        decision: Option<Decision>,
        run: &Run,
    ) -> Self {
        let layout: Vec<Place> = instance
            .devices
            .iter()
            .map(|device| Place {
                device: device.name.clone(),
                volume: device.volume.clone(),
                excluded: excluded.contains(&device.volume),
            })
            .collect();
        let mut tags: Tags = [
            (tags::TYPE, tags::AUTOMATED.to_owned()),
            (tags::BACKUP_RUN, run.stamp()),
            (tags::SOURCE_INSTANCE_ID, instance.id.to_string()),
            (tags::SOURCE_REGION, run.region.to_string()),
        ]
        .into_iter()
        .collect();
        if let Some(Decision { delete_on, .. }) = &decision {
            tags.set(tags::DELETE_ON, delete_on.to_string());
        }
        if !copy_to.is_empty() {
            let regions: Vec<&str> = copy_to.iter().map(|region| region.as_str()).collect();
            tags.set(tags::COPY_DEST, regions.join(" "));
        }
        layout::write(&layout, &mut tags);
        let name = instance.tags.get(tags::NAME).map(|name| (tags::NAME, name));
        Self {
            instance: instance.id.clone(),
            members,
            tags: tags.and_what_fits_of(name),
            instance_tags: name.into_iter().collect(),
            region: run.region.clone(),
            root: instance
                .devices
                .iter()
                .find(|device| Some(&device.name) == instance.root_device.as_ref())
                .map(|device| device.volume.clone()),
            layout,
            decision,
        }
    }

    /// Whether a `CreateSnapshots` call must leave out the root volume.
    pub fn excludes_boot(&self) -> bool {
        self.root.as_ref().is_some_and(|root| !self.members.contains(root))
    }

    /// The data volumes that a `CreateSnapshots` call must leave out.
    pub fn excluded_data(&self) -> Vec<&VolumeId> {
        self.layout
            .iter()
            .map(|place| &place.volume)
            .filter(|volume| Some(*volume) != self.root.as_ref() && !self.members.contains(volume))
            .collect()
    }

    /// Whether one call can take the members and leave out the others.
    pub fn fits_one_call(&self) -> bool {
        self.members.len() == 1 || self.excluded_data().len() <= MAX_EXCLUDED
    }

    /// `NAME (INSTANCE) - VOLUME (DEVICE) - REGION`, or how many volumes; within what EC2 takes.
    pub fn description(&self) -> String {
        let volumes = match self.members.as_slice() {
            [only] => {
                let place = self.layout.iter().find(|place| place.volume == *only);
                place.map_or_else(|| only.to_string(), |place| format!("{only} ({})", place.device))
            }
            several => format!("{} volumes", several.len()),
        };
        let (instance, region) = (&self.instance, &self.region);
        let Some(name) = self.instance_tags.get(tags::NAME).filter(|name| !name.is_empty()) else {
            return format!("{instance} - {volumes} - {region}");
        };
        let rest = format!(" ({instance}) - {volumes} - {region}");
        let room = MAX_DESCRIPTION.saturating_sub(rest.chars().count());
        let name: String = name.chars().take(room).collect();
        format!("{name}{rest}")
    }

    /// The same backup without a volume that EC2 will not snapshot now; `None` if nothing would be left.
    #[must_use]
    pub fn without(&self, volume: &VolumeId) -> Option<Self> {
        let members: Vec<VolumeId> = self.members.iter().filter(|member| *member != volume).cloned().collect();
        (!members.is_empty()).then(|| Self { members, ..self.clone() })
    }

    /// The same volumes, each by a call of its own.
    pub fn one_by_one(&self) -> Vec<Self> {
        self.members.iter().map(|member| Self { members: vec![member.clone()], ..self.clone() }).collect()
    }
}

#[cfg(test)]
mod tests;
