//! Plans the copies of completed primary snapshots into the regions that they name.

mod copies;

pub use self::copies::Copies;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::Arc,
};

use chrono::{DateTime, Utc};

use self::copies::CopyThere;
use crate::{
    ids::{Region, SnapshotId, VolumeId},
    inventory::{Snapshot, SnapshotState},
    layout,
    plan::{Action, Finding, Plan, Reason, Refusal},
    run::Run,
    tags::{self, DeleteOn, TagError, Tags},
};

/// What the copier finds, page by page. What needs no copy does not stay in memory.
#[derive(Clone, Debug)]
pub struct Found {
    run: Run,
    /// The primaries of which it is not yet known what is in each of their destinations, and those read after them.
    waiting: VecDeque<Snapshot>,
    destinations: BTreeMap<Region, Result<Copies, String>>,
    missing: Vec<Missing>,
    /// What is certain.
    plan: Plan<Copy>,
}

/// A primary without a live copy in one destination.
#[derive(Clone, Debug)]
struct Missing {
    taken: DateTime<Utc>,
    /// How many of the same volume are missing there that are newer.
    rank: usize,
    /// Which one of its destination it is, so that destinations take turns.
    turn: usize,
    copy: CopySnapshot,
}

impl Found {
    /// Nothing yet.
    pub fn new(run: &Run) -> Self {
        Self {
            run: run.clone(),
            waiting: VecDeque::new(),
            destinations: BTreeMap::new(),
            missing: Vec::new(),
            plan: Plan::within(run.listed),
        }
    }

    /// A page of the completed automated snapshots of the region.
    pub fn add(&mut self, page: Vec<Snapshot>) {
        self.waiting.extend(page.into_iter().filter(is_primary));
    }

    /// The destinations that are named, and of which nothing has been told yet.
    pub fn unread(&self) -> BTreeSet<Region> {
        let named = self.waiting.iter().flat_map(|primary| tags::destinations(&primary.tags, &self.run.region).0);
        named.filter(|region| !self.destinations.contains_key(region)).collect()
    }

    /// What is in a destination, or why that could not be read.
    pub fn there(&mut self, region: Region, copies: Result<Copies, String>) {
        self.destinations.insert(region, copies);
    }

    /// Judges the primaries in their order, up to the first with a destination of which nothing has been told yet.
    pub fn settle(&mut self) {
        while let Some(primary) = self.waiting.pop_front() {
            let (named, errors) = tags::destinations(&primary.tags, &self.run.region);
            if named.iter().any(|region| !self.destinations.contains_key(region)) {
                self.waiting.push_front(primary);
                return;
            }
            self.judge(&primary, named, &errors);
        }
    }

    /// Whether a primary needs a copy in each destination that it names, and its copies there need tags.
    fn judge(&mut self, primary: &Snapshot, named: BTreeSet<Region>, errors: &[TagError]) {
        for error in errors {
            self.plan.find(Finding::unreadable(&primary.id, error));
        }
        let mut tags_of_copy = None;
        for region in named {
            let Some(Ok(there)) = self.destinations.get(&region) else {
                self.plan.keep(&primary.id, Reason::DestinationUnknown(region));
                continue;
            };
            let mut live = there.of(&primary.id);
            live.retain(|copy| copy.is_live());
            self.plan.actions.extend(live.iter().filter_map(|copy| carry_tags(primary, copy, &region)).map(Copy::Tag));
            if let Err(reason) = may_be_copied(primary, &self.run) {
                self.plan.keep(&primary.id, reason);
            } else if let Some(copy) = live.first() {
                self.plan.keep(&primary.id, Reason::Copied(region, copy.id.clone()));
            } else {
                let tags = tags_of_copy.get_or_insert_with(|| Arc::new(tags_for_copy(primary, &self.run)));
                let copy = CopySnapshot::new(primary, region, Arc::clone(tags), &self.run);
                self.missing.push(Missing { taken: primary.taken(), rank: 0, turn: 0, copy });
            }
        }
    }
}

/// Plans a copy for each primary and destination without a live one, each volume's newest first, and the tags that
/// copies made earlier lack.
///
/// As long as a volume's copies fail in a destination, only its newest primary is tried there: each try leaves a
/// snapshot in `error` behind, which counts against quotas until its day comes.
pub fn plan(mut found: Found) -> Plan<Copy> {
    // of a destination of which nothing has been told by now nothing is known
    while let Some(primary) = found.waiting.pop_front() {
        let (named, errors) = tags::destinations(&primary.tags, &found.run.region);
        found.judge(&primary, named, &errors);
    }
    let Found { destinations, mut missing, mut plan, .. } = found;
    for (region, there) in &destinations {
        if let Err(cause) = there {
            let cause = format!("could not be looked into: {cause}");
            plan.refusals.push(Refusal { resource: region.to_string(), cause });
        }
    }
    missing.sort_by(|a, b| (a.volume_there(), Reverse(a.age())).cmp(&(b.volume_there(), Reverse(b.age()))));
    for of_volume in missing.chunk_by_mut(|a, b| a.volume_there() == b.volume_there()) {
        for (rank, Missing { copy, rank: place, .. }) in of_volume.iter_mut().enumerate() {
            let there = destinations.get(&copy.to).and_then(|there| there.as_ref().ok());
            *place = rank;
            copy.after = there.and_then(|there| there.last_failed(&copy.volume)).cloned();
            if let (Some(failed), 1..) = (&copy.after, rank) {
                plan.keep(&copy.source, Reason::CopiesFail(copy.to.clone(), failed.clone()));
            }
        }
    }
    missing.retain(|it| it.rank == 0 || it.copy.after.is_none());
    missing.sort_by_key(|it| (it.rank, Reverse(it.taken)));
    // each region has a rate limit of its own: they take turns
    for of_run in missing.chunk_by_mut(|a, b| (a.rank, a.taken) == (b.rank, b.taken)) {
        let mut turns: BTreeMap<Region, usize> = BTreeMap::new();
        for Missing { copy, turn, .. } in of_run {
            let turns = turns.entry(copy.to.clone()).or_default();
            *turns += 1;
            *turn = *turns;
        }
    }
    missing.sort_by_key(|it| (it.rank, Reverse(it.taken), it.turn));
    plan.actions.extend(missing.into_iter().map(|it| Copy::Snapshot(it.copy)));
    plan
}

impl Missing {
    fn volume_there(&self) -> (&Region, &VolumeId) {
        (&self.copy.to, &self.copy.volume)
    }

    fn age(&self) -> (DateTime<Utc>, &SnapshotId) {
        (self.taken, &self.copy.source)
    }
}

/// The own snapshots among `snapshots` that are no copies themselves: copies are never copied.
#[cfg(test)]
pub(crate) fn primaries(snapshots: &[Snapshot]) -> impl Iterator<Item = &Snapshot> {
    snapshots.iter().filter(|snapshot| is_primary(snapshot))
}

fn is_primary(snapshot: &Snapshot) -> bool {
    snapshot.is_automated() && snapshot.copy_of().is_none()
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
fn carry_tags(primary: &Snapshot, copy: &CopyThere, region: &Region) -> Option<TagCopy> {
    let mut tags = Tags::default();
    if let Some(value) = primary.tags.get(tags::KEEP_FOREVER).filter(|_| !copy.is_kept_forever) {
        tags.set(tags::KEEP_FOREVER, value);
    }
    if let (DeleteOn::Day(day), true) = (primary.delete_on(), copy.is_undated) {
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
    /// The tags of the copy, in memory once for all of a primary's destinations.
    pub tags: Arc<Tags>,
    /// The alias or id of the destination's KMS key; `None` leaves the choice to AWS.
    pub kms_key: Option<String>,
    /// The volume's last copy there, if it failed.
    pub after: Option<SnapshotId>,
}

impl CopySnapshot {
    fn new(primary: &Snapshot, to: Region, tags: Arc<Tags>, run: &Run) -> Self {
        Self {
            source: primary.id.clone(),
            volume: primary.volume(),
            from: run.region.clone(),
            to,
            description: primary.description.clone(),
            tags,
            kms_key: run.settings.copy_kms_key.clone(),
            after: None,
        }
    }
}

/// The tags of a primary's copies, the same wherever they are.
fn tags_for_copy(primary: &Snapshot, run: &Run) -> Tags {
    let mut own: Tags = [
        (tags::TYPE, tags::AUTOMATED.to_owned()),
        (tags::SOURCE_SNAPSHOT_ID, primary.id.to_string()),
        (tags::SOURCE_VOLUME_ID, primary.volume().to_string()),
        (tags::SOURCE_REGION, run.region.to_string()),
    ]
    .into_iter()
    .collect();
    for key in [tags::DELETE_ON, tags::KEEP_FOREVER, tags::BACKUP_RUN, tags::BACKUP_REQUEST, tags::SOURCE_INSTANCE_ID] {
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
    own.and_what_fits_of(name.into_iter().chain(rest))
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
mod reference;
#[cfg(test)]
mod tests;
