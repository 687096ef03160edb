//! Plans the copies of completed primary snapshots into the regions that they name.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, Utc};

use crate::{
    ids::{Region, SnapshotId, VolumeId},
    inventory::{Snapshot, SnapshotState},
    layout,
    plan::{Action, Finding, Plan, Reason, Refusal},
    run::Run,
    tags::{self, DeleteOn, Tags},
};

/// What the copier reads.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The completed automated snapshots of the region.
    pub snapshots: Vec<Snapshot>,
    /// Of each destination the automated snapshots, or why they could not be read.
    pub destinations: BTreeMap<Region, Result<Vec<Snapshot>, String>>,
}

/// The regions that the primaries among `snapshots` name.
pub fn destinations(snapshots: &[Snapshot], run: &Run) -> BTreeSet<Region> {
    primaries(snapshots).flat_map(|primary| tags::destinations(&primary.tags, &run.region).0).collect()
}

/// Plans a copy for each primary and destination without a live one, each volume's newest first, and the tags that
/// copies made earlier lack.
///
/// As long as a volume's copies fail in a destination, only its newest primary is tried there: each try leaves a
/// snapshot in `error` behind, which counts against quotas until its day comes.
pub fn plan(inventory: &Inventory, run: &Run) -> Plan<Copy> {
    let mut plan = Plan::default();
    let mut missing: BTreeMap<(&Region, VolumeId), Vec<&Snapshot>> = BTreeMap::new();
    let mut destinations: BTreeMap<&Region, Copies<'_>> = BTreeMap::new();
    for (region, copies) in &inventory.destinations {
        match copies {
            Ok(there) => {
                destinations.insert(region, Copies::among(there));
            }
            Err(cause) => {
                let cause = format!("could not be looked into: {cause}");
                plan.refusals.push(Refusal { resource: region.to_string(), cause });
            }
        }
    }
    for primary in primaries(&inventory.snapshots) {
        let (named, errors) = tags::destinations(&primary.tags, &run.region);
        plan.findings.extend(errors.iter().map(|error| Finding::unreadable(&primary.id, error)));
        for region in named {
            let Some((region, there)) = destinations.get_key_value(&region) else {
                plan.keep(&primary.id, Reason::DestinationUnknown(region));
                continue;
            };
            let live: Vec<&Snapshot> = there.of(primary).iter().filter(|copy| is_live(copy)).copied().collect();
            plan.actions.extend(live.iter().filter_map(|copy| carry_tags(primary, copy, region)).map(Copy::Tag));
            match may_be_copied(primary, run) {
                Err(reason) => plan.keep(&primary.id, reason),
                Ok(()) => match live.first() {
                    Some(copy) => plan.keep(&primary.id, Reason::Copied((*region).clone(), copy.id.clone())),
                    None => missing.entry((region, primary.volume())).or_default().push(primary),
                },
            }
        }
    }
    let mut copies: Vec<(usize, Reverse<DateTime<Utc>>, CopySnapshot)> = Vec::new();
    for ((region, volume), mut primaries) in missing {
        primaries.sort_by_key(|primary| Reverse((primary.taken(), primary.id.clone())));
        let failed = destinations.get(region).and_then(|there| there.last_failed(&volume));
        for (rank, primary) in primaries.into_iter().enumerate() {
            if let (Some(failed), 1..) = (failed, rank) {
                plan.keep(&primary.id, Reason::CopiesFail(region.clone(), failed.id.clone()));
                continue;
            }
            let copy = CopySnapshot::new(primary, region.clone(), failed.map(|copy| copy.id.clone()), run);
            copies.push((rank, Reverse(primary.taken()), copy));
        }
    }
    copies.sort_by(|(rank_a, taken_a, _), (rank_b, taken_b, _)| (rank_a, taken_a).cmp(&(rank_b, taken_b)));
    plan.actions.extend(copies.into_iter().map(|(_, _, copy)| Copy::Snapshot(copy)));
    plan
}

/// Snapkeeper's copies in one destination.
pub(crate) struct Copies<'a> {
    by_source: BTreeMap<SnapshotId, Vec<&'a Snapshot>>,
    /// The last copy of each volume that came to an end or may do so.
    last: BTreeMap<VolumeId, &'a Snapshot>,
}

impl<'a> Copies<'a> {
    pub(crate) fn among(there: &'a [Snapshot]) -> Self {
        let mut copies = Self { by_source: BTreeMap::new(), last: BTreeMap::new() };
        let mut sorted: Vec<&Snapshot> = there.iter().filter(|copy| copy.is_automated()).collect();
        sorted.sort_by_key(|copy| copy.started);
        for copy in sorted {
            if let Some(source) = copy.copy_of() {
                copies.by_source.entry(source).or_default().push(copy);
                copies.last.insert(copy.volume(), copy);
            }
        }
        copies
    }

    /// The copies of `primary` in any state, the oldest first.
    pub(crate) fn of(&self, primary: &Snapshot) -> &[&'a Snapshot] {
        self.by_source.get(&primary.id).map_or(&[], Vec::as_slice)
    }

    /// The volume's last copy, if it failed.
    fn last_failed(&self, volume: &VolumeId) -> Option<&'a Snapshot> {
        self.last.get(volume).copied().filter(|copy| copy.state == SnapshotState::Error)
    }
}

/// The own snapshots among `snapshots` that are no copies themselves: copies are never copied.
pub(crate) fn primaries(snapshots: &[Snapshot]) -> impl Iterator<Item = &Snapshot> {
    snapshots.iter().filter(|snapshot| snapshot.is_automated() && snapshot.copy_of().is_none())
}

/// Whether a copy is one, or may become one. One in `error` is none.
pub(crate) fn is_live(copy: &Snapshot) -> bool {
    match copy.state {
        SnapshotState::Pending | SnapshotState::Completed | SnapshotState::Unknown => true,
        SnapshotState::Error | SnapshotState::InRecycleBin => false,
    }
}

fn may_be_copied(primary: &Snapshot, run: &Run) -> Result<(), Reason> {
    match primary.delete_on() {
        DeleteOn::Day(day) if day <= run.day() && !primary.is_kept_forever() => return Err(Reason::Expired(day)),
        DeleteOn::Day(_) | DeleteOn::Unsaid | DeleteOn::Unreadable(_) => {}
    }
    if primary.state != SnapshotState::Completed {
        return Err(Reason::NotCompleted);
    }
    if primary.archived { Err(Reason::Archived) } else { Ok(()) }
}

/// What the copy lacks of what its later life needs: a hold, or a date given after it was made.
fn carry_tags(primary: &Snapshot, copy: &Snapshot, region: &Region) -> Option<TagCopy> {
    let mut tags = Tags::default();
    if let Some(value) = primary.tags.get(tags::KEEP_FOREVER).filter(|_| !copy.is_kept_forever()) {
        tags.set(tags::KEEP_FOREVER, value);
    }
    if let (DeleteOn::Day(day), DeleteOn::Unsaid) = (primary.delete_on(), copy.delete_on()) {
        tags.set(tags::DELETE_ON, day.to_string());
    }
    (tags != Tags::default()).then(|| TagCopy { copy: copy.id.clone(), region: region.clone(), tags })
}

/// What the copier does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Copy {
    /// Makes a copy.
    Snapshot(CopySnapshot),
    /// Gives a copy the tags that its primary got after it was made.
    Tag(TagCopy),
}

impl fmt::Display for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Snapshot(CopySnapshot { source, volume, to, after, .. }) => {
                write!(f, "copy {source} of {volume} to {to}: ")?;
                match after {
                    None => f.write_str("no copy there yet"),
                    Some(failed) => write!(f, "its last copy there failed ({failed})"),
                }
            }
            Self::Tag(TagCopy { copy, region, tags }) => {
                write!(f, "tag {copy} in {region} as its primary:")?;
                tags.iter().try_for_each(|(key, value)| write!(f, " {key}={}", value.escape_debug()))
            }
        }
    }
}

impl Action for Copy {
    fn resource(&self) -> String {
        match self {
            Self::Snapshot(copy) => copy.source.to_string(),
            Self::Tag(tag) => tag.copy.to_string(),
        }
    }
}

/// Copies a snapshot into another region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySnapshot {
    /// The primary.
    pub source: SnapshotId,
    /// The volume that it holds.
    pub volume: VolumeId,
    /// The primary's region.
    pub from: Region,
    /// The destination.
    pub to: Region,
    /// The description, the primary's own.
    pub description: String,
    /// The tags of the copy.
    pub tags: Tags,
    /// The alias or id of the destination's KMS key; `None` leaves the choice to AWS.
    pub kms_key: Option<String>,
    /// The volume's last copy there, if it failed.
    pub after: Option<SnapshotId>,
}

impl CopySnapshot {
    fn new(primary: &Snapshot, to: Region, after: Option<SnapshotId>, run: &Run) -> Self {
        let mut own: Tags = [
            (tags::TYPE, tags::AUTOMATED.to_owned()),
            (tags::SOURCE_SNAPSHOT_ID, primary.id.to_string()),
            (tags::SOURCE_VOLUME_ID, primary.volume().to_string()),
            (tags::SOURCE_REGION, run.region.to_string()),
        ]
        .into_iter()
        .collect();
        for key in
            [tags::DELETE_ON, tags::KEEP_FOREVER, tags::BACKUP_RUN, tags::BACKUP_REQUEST, tags::SOURCE_INSTANCE_ID]
        {
            if let Some(value) = primary.tags.get(key) {
                own.set(key, value);
            }
        }
        let places = layout::read(&primary.tags);
        if let Some(places) = &places {
            layout::write(places, &mut own);
        }
        // Name before the rest, should there be more tags than fit; and a layout that was written anew stands alone
        let is_old = |key: &str| places.is_some() && layout::is_key(key);
        let rest = primary.tags.iter().filter(|(key, _)| ![tags::NAME, tags::COPY_DEST].contains(key) && !is_old(key));
        let name = primary.tags.get(tags::NAME).map(|name| (tags::NAME, name));
        Self {
            source: primary.id.clone(),
            volume: primary.volume(),
            from: run.region.clone(),
            to,
            description: primary.description.clone(),
            tags: own.and_what_fits_of(name.into_iter().chain(rest)),
            kms_key: run.settings.copy_kms_key.clone(),
            after,
        }
    }
}

/// Tags for a copy that is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagCopy {
    /// The copy.
    pub copy: SnapshotId,
    /// The region in which it is.
    pub region: Region,
    /// The tags to add.
    pub tags: Tags,
}

#[cfg(test)]
mod tests;
