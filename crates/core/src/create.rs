//! Plans the primary snapshots of every enrolled instance, and dates those that could not be dated when they were taken.

mod fate;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, NaiveDate, Utc};

use self::fate::{Decision, Existing, Sharers, decide, policies};
use crate::{
    backup::home,
    ids::{InstanceId, Region, SnapshotId, VolumeId},
    inventory::{Instance, Snapshot, Volume},
    layout::{self, Place},
    plan::{Action, Finding, FindingKind, Plan, Reason},
    run::Run,
    tags::{self, BackupPolicy, Choice, Tags},
};

/// How many data volumes one `CreateSnapshots` call can leave out (EC2 API, `InstanceSpecification`).
const MAX_EXCLUDED: usize = 40;
/// The longest description that EC2 takes, in characters.
const MAX_DESCRIPTION: usize = 255;

/// What the creator reads.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The instances that have a tag `Backup`; on demand, those that were asked for.
    pub instances: Vec<Instance>,
    /// Instances that share volumes with these and are backed up another time: they have a say in how long what is shared is
    /// kept, and where it is copied to.
    pub sharers: Vec<Instance>,
    /// The volumes that have a tag `Backup`.
    pub volumes: Vec<Volume>,
    /// The automated snapshots of the region.
    pub snapshots: Vec<Snapshot>,
}

/// Plans one backup for each enrolled instance, the one whose last good backup is oldest first.
pub fn plan(inventory: &Inventory, run: &Run) -> Plan<Create> {
    let Inventory { instances, sharers, volumes, snapshots } = inventory;
    let sharers = fate::sharers(instances.iter().chain(sharers), run);
    let mut dates = Vec::new();
    let Plan { actions, kept, kept_unlisted, listed, findings, findings_unlisted, refusals, measures } =
        backups(instances, &sharers, volumes, &Existing::of(snapshots, run, None), run, &mut dates);
    let actions = actions.into_iter().map(Create::Backup).chain(dates.into_iter().map(Create::Date)).collect();
    Plan { actions, kept, kept_unlisted, listed, findings, findings_unlisted, refusals, measures }
}

/// Plans one backup for each of these instances that is enrolled, for a run that was asked for by hand, by the request of
/// this id, and dates nothing that is there already.
pub(crate) fn plan_backups(
    instances: &[Instance],
    volumes: &[Volume],
    snapshots: &[Snapshot],
    run: &Run,
    request: &str,
) -> Plan<Backup> {
    let sharers = fate::sharers(instances, run);
    let existing = Existing::of(snapshots, run, Some(request)).without_undated();
    backups(instances, &sharers, volumes, &existing, run, &mut Vec::new())
}

fn backups(
    instances: &[Instance],
    sharers: &Sharers,
    volumes: &[Volume],
    existing: &Existing<'_>,
    run: &Run,
    dates: &mut Vec<Date>,
) -> Plan<Backup> {
    let mut plan = Plan::within(run.listed);
    let mut backups: Vec<(Option<DateTime<Utc>>, Backup)> = Vec::new();
    let mut taken_with: BTreeMap<VolumeId, InstanceId> = BTreeMap::new();
    let excluded = read_exclusions(volumes, &mut plan);

    let mut instances: Vec<&Instance> = instances.iter().collect();
    instances.sort_by(|a, b| a.id.cmp(&b.id));
    for instance in instances {
        let (policy, errors) = BackupPolicy::from_tags(&instance.tags, &run.region, &run.settings.default_retention);
        plan.findings.extend(errors.iter().map(|error| Finding::unreadable(&instance.id, error)));
        let mut dated = BTreeMap::new();
        dates.extend(existing.date_undated(&instance.id, &policy, sharers, &mut dated));
        let members = match members(instance, &policy, &excluded, existing, &taken_with) {
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
        let policies = policies(&policy, &members, sharers);
        let decision = decide(&policies, run.day(), |unit, count| {
            set.iter().all(|volume| existing.covers(volume, &[], run.day(), unit, count, &dated))
        });
        let copy_to: BTreeSet<&Region> = policies.iter().flat_map(|policy| &policy.copy_to).collect();
        let oldest = members.iter().map(|volume| existing.backups.last_good_at(&home(volume))).min().flatten();
        let (copy_to, too_many) = what_fits_one_tag(&copy_to);
        plan.findings.extend(too_many.map(|regions| not_copied(instance, &regions)));
        let backup = Backup::new(instance, members, &excluded, copy_to, decision, run);
        if backup.fits_one_call() {
            backups.push((oldest, backup));
        } else {
            plan.findings.push(not_consistent(&backup));
            backups.extend(backup.one_by_one().into_iter().map(|backup| (oldest, backup)));
        }
    }
    backups.sort_by_key(|(a, _)| *a);
    plan.actions = backups.into_iter().map(|(_, backup)| backup).collect();
    plan
}

fn read_exclusions(volumes: &[Volume], plan: &mut Plan<Backup>) -> BTreeSet<VolumeId> {
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
    for device in instance.devices.iter().filter(|device| !excluded.contains(&device.volume)) {
        if existing.of_this_run.contains(&device.volume) {
            reason = Reason::AlreadyTaken;
        } else if let Some(other) = taken_with.get(&device.volume) {
            reason = Reason::TakenWith(other.clone());
        } else {
            members.push(device.volume.clone());
        }
    }
    if members.is_empty() { Err(reason) } else { Ok(members) }
}

/// As many of the regions as one value of a tag can name, and the others, if there are any: instances that share a volume
/// may name more together than each of them can.
fn what_fits_one_tag(regions: &BTreeSet<&Region>) -> (Option<String>, Option<String>) {
    let mut lists = [String::new(), String::new()];
    for region in regions {
        let fits = lists[0].len() + 1 + region.as_str().len() <= tags::MAX_VALUE;
        let list = &mut lists[usize::from(!fits)];
        if !list.is_empty() {
            list.push(' ');
        }
        list.push_str(region.as_str());
    }
    let [named, others] = lists.map(|list| (!list.is_empty()).then_some(list));
    (named, others)
}

fn not_copied(instance: &Instance, regions: &str) -> Finding {
    Finding {
        kind: FindingKind::CopyMissing,
        resource: instance.id.to_string(),
        what: format!(
            "the instances that share its volumes name more regions than one tag can: no copies to {regions}"
        ),
        since: None,
        todo: "name fewer regions in Copy_Dest".to_owned(),
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
#[expect(clippy::large_enum_variant, reason = "nearly all are backups")]
pub enum Create {
    /// Takes a backup.
    Backup(Backup),
    /// Dates a snapshot that was taken while the tag `Retention` could not be read.
    Date(Date),
}

impl fmt::Display for Create {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backup(backup) => fmt::Display::fmt(backup, f),
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
    fate: Fate,
    label: Option<String>,
}

/// What becomes of a backup in time.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Dated(Decision),
    /// The tag `Retention` could not be read.
    Undated,
    /// It was asked for to be kept.
    Protected,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dated(Decision { delete_on, because }) => write!(f, "kept until {delete_on}: {because}"),
            Self::Undated => f.write_str("undated: its tag Retention cannot be read"),
            Self::Protected => f.write_str("kept forever"),
        }
    }
}

impl Backup {
    fn new(
        instance: &Instance,
        members: Vec<VolumeId>,
        excluded: &BTreeSet<VolumeId>,
        copy_to: Option<String>,
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
        if let Some(regions) = copy_to {
            tags.set(tags::COPY_DEST, regions);
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
            fate: decision.map_or(Fate::Undated, Fate::Dated),
            label: None,
        }
    }

    /// The same, as one that was asked for by hand.
    #[must_use]
    pub(crate) fn asked_for(mut self, label: Option<&str>, protected: bool) -> Self {
        self.tags.set(tags::SCRIPTED, tags::YES);
        if protected {
            self.fate = Fate::Protected;
            self.tags = self.tags.iter().filter(|(key, _)| *key != tags::DELETE_ON).collect();
            self.tags.set(tags::KEEP_FOREVER, tags::YES);
            self.tags.set(tags::STATE, tags::PROTECTED);
        }
        self.label = label.map(str::to_owned);
        self
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

    /// `NAME (INSTANCE) - VOLUME (DEVICE) - REGION`, or how many volumes, and the label where there is one; within what
    /// EC2 takes.
    pub fn description(&self) -> String {
        let volumes = match self.members.as_slice() {
            [only] => {
                let place = self.layout.iter().find(|place| place.volume == *only);
                place.map_or_else(|| only.to_string(), |place| format!("{only} ({})", place.device))
            }
            several => format!("{} volumes", several.len()),
        };
        let (instance, region) = (&self.instance, &self.region);
        let label = self.label.as_ref().map_or_else(String::new, |label| format!(" - {label}"));
        let Some(name) = self.instance_tags.get(tags::NAME).filter(|name| !name.is_empty()) else {
            return format!("{instance} - {volumes} - {region}{label}");
        };
        let rest = format!(" ({instance}) - {volumes} - {region}{label}");
        let room = MAX_DESCRIPTION.saturating_sub(rest.chars().count());
        let name: String = name.chars().take(room).collect();
        format!("{name}{rest}")
    }

    /// Whether a `CreateSnapshots` call takes this volume: a member, or one that was attached since.
    pub fn takes(&self, volume: &VolumeId) -> bool {
        let is_new = || self.members.len() > 1 && self.layout.iter().all(|place| place.volume != *volume);
        self.members.contains(volume) || is_new()
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

impl fmt::Display for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // whatever was typed, it stays on its line
        let name = self.instance_tags.get(tags::NAME);
        let name = name.map_or_else(String::new, |name| format!(" ({})", name.escape_debug()));
        match self.members.as_slice() {
            [volume] => write!(f, "snapshot {volume} of {}{name}", self.instance)?,
            volumes => write!(f, "snapshot {} volumes of {}{name} together", volumes.len(), self.instance)?,
        }
        write!(f, ", {}", self.fate)
    }
}

#[cfg(test)]
mod tests;
