//! A plan: what to do, what to leave alone and why, and what the operator should know.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use crate::{
    ids::{ImageId, InstanceId, Region, SnapshotId},
    plain::plain,
    rds::inventory::DbSnapshotId,
    tags::TagError,
};

/// What one job decided. Carrying it out decides nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<A> {
    /// What to do, the most urgent first.
    pub actions: Vec<A>,
    /// What to leave alone, and why: the first ones.
    pub kept: Vec<Kept>,
    /// How many more to leave alone, by the kind of reason.
    pub kept_unlisted: BTreeMap<&'static str, usize>,
    /// How many to leave alone, and how many to [`find`](Plan::find), one by one.
    pub listed: usize,
    /// What the operator should know.
    pub findings: Vec<Finding>,
    /// How much more the operator should know.
    pub findings_unlisted: usize,
    /// Why the job refuses to do what it otherwise would: fails the run.
    pub refusals: Vec<Refusal>,
    /// Numbers worth watching over time, by their names as metrics.
    pub measures: BTreeMap<&'static str, Measure>,
}

impl<A> Default for Plan<A> {
    fn default() -> Self {
        Self {
            actions: Vec::new(),
            kept: Vec::new(),
            kept_unlisted: BTreeMap::new(),
            listed: usize::MAX,
            findings: Vec::new(),
            findings_unlisted: 0,
            refusals: Vec::new(),
            measures: BTreeMap::new(),
        }
    }
}

impl<A> Plan<A> {
    /// One that lists so many of what it leaves alone, and of what it finds, and counts the others.
    pub fn within(listed: usize) -> Self {
        Self { listed, ..Self::default() }
    }

    /// Leaves a resource alone.
    pub fn keep(&mut self, resource: impl fmt::Display, reason: Reason) {
        if self.kept.len() < self.listed {
            self.kept.push(Kept { resource: resource.to_string(), reason });
        } else {
            *self.kept_unlisted.entry(reason.kind()).or_default() += 1;
        }
    }

    /// Leaves alone what another plan does.
    pub fn keep_also(&mut self, kept: Vec<Kept>, unlisted: BTreeMap<&'static str, usize>) {
        for Kept { resource, reason } in kept {
            self.keep(resource, reason);
        }
        for (kind, count) in unlisted {
            *self.kept_unlisted.entry(kind).or_default() += count;
        }
    }

    /// Tells the operator something of which there may be as much as there are snapshots.
    pub fn find(&mut self, finding: Finding) {
        if self.findings.len() < self.listed {
            self.findings.push(finding);
        } else {
            self.findings_unlisted += 1;
        }
    }
}

/// One step of a plan. Its `Display` is the step in words, `delete snap-0a, due 2026-12-01`.
pub trait Action: fmt::Display {
    /// The id of what it acts on.
    fn resource(&self) -> String;
}

/// A resource that is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its id.
    pub resource: String,
    /// Why.
    pub reason: Reason,
}

/// What a job refuses to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it is about.
    pub resource: String,
    /// Why, and what to do.
    pub cause: String,
}

/// A number worth watching over time. In a report it is just the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Measure {
    /// How many.
    Count(u64),
    /// How long.
    Seconds(u64),
}

impl Measure {
    /// The number.
    pub fn value(self) -> u64 {
        match self {
            Self::Count(number) | Self::Seconds(number) => number,
        }
    }

    /// Its unit, as `CloudWatch` calls it.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Count(_) => "Count",
            Self::Seconds(_) => "Seconds",
        }
    }
}

/// Why a resource is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Not one of Snapkeeper's snapshots.
    NotAutomated,
    /// The operator wants it kept.
    KeepForever,
    /// It has no `DeleteOn`.
    Undated,
    /// Its `DeleteOn` cannot be read.
    UnreadableDate,
    /// Its day has not come.
    NotDue(NaiveDate),
    /// An image uses it.
    InUse(ImageId),
    /// It is locked.
    Locked,
    /// It is in the Recycle Bin.
    InRecycleBin,
    /// It is in a state that EC2 did not have when this was written.
    UnknownState,
    /// It is the last good restore point of an enrolled volume.
    LastGood,
    /// It is the last good restore point of a volume that may be enrolled.
    LastGoodPerhaps(String),
    /// The brake held the whole plan.
    Brake,
    /// The instance is not enrolled.
    NotEnrolled,
    /// The operator left it out.
    OptedOut,
    /// Its tag `Backup` cannot be read.
    UnreadableBackup,
    /// It is terminated or about to be.
    Gone,
    /// The instance has no EBS volume to back up.
    NoVolumes,
    /// This run has a snapshot of it already.
    AlreadyTaken,
    /// This run takes it with another instance to which it is attached as well.
    TakenWith(InstanceId),
    /// It has the copy already.
    Copied(Region, SnapshotId),
    /// Its own day of deletion has come.
    Expired(NaiveDate),
    /// It is not completed.
    NotCompleted,
    /// It lies in the archive tier.
    Archived,
    /// The volume's copies fail there: first another one must succeed.
    CopiesFail(Region, SnapshotId),
    /// The destination could not be looked into.
    DestinationUnknown(Region),
    /// There is no automated snapshot of the database yet.
    NothingToCopy,
    /// There is a copy already, or one is being made.
    CopyThere(DbSnapshotId),
    /// This copy failed or goes, and has the name as long as it is there.
    NameNotFree(DbSnapshotId),
    /// As many copies are under way into the region as AWS makes at once.
    CopiesUnderWay(Region),
    /// The key for copies cannot be used.
    KeyNotUsable,
    /// It is the newest copy of its source.
    NewestCopy,
    /// The database's newest copy is not shared yet.
    NewestNotShared(DbSnapshotId),
    /// It was shared, and the failsafe account still has time to save it.
    HasItsTime,
    /// AWS does not tell of when its data is.
    NoInstant,
    /// It was asked for by its id, and by tags that it does not have.
    LacksTags(String),
    /// The copy of the newest one is not there yet.
    NewestNotThere(Region),
    /// An instance or a launch template uses the image.
    ImageInUse,
}

impl Reason {
    /// The reason as a key for counts.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotAutomated => "not_automated",
            Self::KeepForever => "keep_forever",
            Self::Undated => "undated",
            Self::UnreadableDate => "unreadable_date",
            Self::NotDue(_) => "not_due",
            Self::InUse(_) => "in_use",
            Self::Locked => "locked",
            Self::InRecycleBin => "in_recycle_bin",
            Self::UnknownState => "unknown_state",
            Self::LastGood => "last_good",
            Self::LastGoodPerhaps(_) => "last_good_perhaps",
            Self::Brake => "brake",
            Self::NotEnrolled => "not_enrolled",
            Self::OptedOut => "opted_out",
            Self::UnreadableBackup => "unreadable_backup",
            Self::Gone => "gone",
            Self::NoVolumes => "no_volumes",
            Self::AlreadyTaken => "already_taken",
            Self::TakenWith(_) => "taken_with_another",
            Self::Copied(..) => "copied",
            Self::Expired(_) => "expired",
            Self::NotCompleted => "not_completed",
            Self::Archived => "archived",
            Self::CopiesFail(..) => "copies_fail",
            Self::DestinationUnknown(_) => "destination_unknown",
            Self::NothingToCopy => "nothing_to_copy",
            Self::CopyThere(_) => "copy_there",
            Self::NameNotFree(_) => "name_not_free",
            Self::CopiesUnderWay(_) => "copies_under_way",
            Self::KeyNotUsable => "key_not_usable",
            Self::NewestCopy => "newest_copy",
            Self::NewestNotShared(_) => "newest_not_shared",
            Self::HasItsTime => "has_its_time",
            Self::NoInstant => "no_instant",
            Self::LacksTags(_) => "lacks_tags",
            Self::NewestNotThere(_) => "newest_not_there",
            Self::ImageInUse => "image_in_use",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAutomated => f.write_str("not made by Snapkeeper"),
            Self::KeepForever => f.write_str("KeepForever"),
            Self::Undated => f.write_str("no DeleteOn"),
            Self::UnreadableDate => f.write_str("DeleteOn cannot be read"),
            Self::NotDue(day) => write!(f, "not due before {day}"),
            Self::InUse(image) => write!(f, "used by {image}"),
            Self::Locked => f.write_str("locked"),
            Self::InRecycleBin => f.write_str("in the Recycle Bin"),
            Self::UnknownState => f.write_str("in a state that is not known"),
            Self::LastGood => f.write_str("last good backup of an enrolled volume"),
            Self::LastGoodPerhaps(why) => write!(f, "last good backup of a volume that may be enrolled: {why}"),
            Self::Brake => f.write_str("due, but the brake holds"),
            Self::NotEnrolled => f.write_str("not enrolled"),
            Self::OptedOut => f.write_str("Backup=No"),
            Self::UnreadableBackup => f.write_str("tag Backup cannot be read"),
            Self::Gone => f.write_str("terminated"),
            Self::NoVolumes => f.write_str("no EBS volume to back up"),
            Self::AlreadyTaken => f.write_str("this run has it already"),
            Self::TakenWith(instance) => write!(f, "shared volume, taken with {instance}"),
            Self::Copied(region, copy) => write!(f, "{region} has {copy}"),
            Self::Expired(day) => write!(f, "expired on {day}"),
            Self::NotCompleted => f.write_str("not completed"),
            Self::Archived => f.write_str("in the archive tier, which cannot be copied from"),
            Self::CopiesFail(region, copy) => {
                write!(f, "copies of its volume fail in {region} ({copy}): the newest is tried first")
            }
            Self::DestinationUnknown(region) => write!(f, "{region} could not be looked into"),
            Self::NothingToCopy => f.write_str("no automated snapshot yet"),
            Self::CopyThere(copy) => write!(f, "{copy} is there or on its way"),
            Self::NameNotFree(copy) => write!(f, "{copy} failed or goes: its name must be free first"),
            Self::CopiesUnderWay(region) => {
                write!(f, "as many copies are under way into {region} as AWS makes at once: the next run goes on")
            }
            Self::KeyNotUsable => f.write_str("the key for its copy cannot be used"),
            Self::NewestCopy => f.write_str("the newest copy"),
            Self::NewestNotShared(newest) => write!(f, "{newest} is newer, but not shared yet"),
            Self::HasItsTime => f.write_str("shared, and there is still time to save it"),
            Self::NoInstant => f.write_str("AWS does not tell of when its data is"),
            Self::LacksTags(tags) => write!(f, "not tagged {tags}, as was asked for"),
            Self::NewestNotThere(region) => write!(f, "the copy of the newest one is not available in {region} yet"),
            Self::ImageInUse => f.write_str("an instance or a launch template uses it"),
        }
    }
}

/// Something that is not as the tags promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The kind of thing that is wrong.
    pub kind: FindingKind,
    /// The id of what it is about.
    pub resource: String,
    /// What is wrong.
    pub what: String,
    /// Since when, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// What the operator can do.
    pub todo: String,
}

impl Finding {
    /// The same, fit for one line each.
    #[must_use]
    pub fn plain(self) -> Self {
        Self { resource: plain(&self.resource), what: plain(&self.what), todo: plain(&self.todo), ..self }
    }

    /// A tag that cannot be read.
    pub fn unreadable(resource: impl fmt::Display, error: &TagError) -> Self {
        Self {
            kind: FindingKind::UnreadableTag,
            resource: resource.to_string(),
            what: error.to_string(),
            since: None,
            todo: format!("correct the tag {}", error.key),
        }
    }
}

/// The kinds of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// An instance that a run on demand has stopped, and that is not started yet.
    LeftStopped,
    /// An enrolled instance without a good backup within the RPO.
    NoRecentBackup,
    /// A database without a copy for the failsafe account, or in it, within the RPO.
    NotFailsafe,
    /// A shared copy that the failsafe account has not saved within the RPO.
    NotSaved,
    /// A database whose snapshots AWS does not share.
    Unshareable,
    /// A key under which nothing can be copied so that it can be shared, or that saved copies need and cannot use.
    KeyBlocks,
    /// An own copy that is shared with somebody else than the failsafe account.
    SharedWithStranger,
    /// A volume of which there is no snapshot at all.
    Unprotected,
    /// A snapshot that ended in `error`.
    Failed,
    /// A set that lacks a member.
    IncompleteSet,
    /// A snapshot that stays `pending`.
    StuckPending,
    /// A copy that is not there.
    CopyMissing,
    /// A copy that ended in `error`.
    CopyFailed,
    /// A copy that stays `pending`.
    CopyStuck,
    /// A destination that cannot be looked into.
    DestinationUnknown,
    /// The databases could not be looked at.
    DatabasesUnknown,
    /// A quota of manual database snapshots that is nearly used up.
    QuotaNear,
    /// A tag that cannot be read.
    UnreadableTag,
    /// A snapshot without a `DeleteOn`.
    Undated,
    /// A snapshot that is due but still there.
    NotDeleted,
    /// A backup that is not crash-consistent across its volumes.
    NotConsistent,
    /// An announcement that does not agree with what is shared.
    FalseAnnouncement,
}

impl FindingKind {
    /// Every kind, the gravest first.
    pub const ALL: [FindingKind; 22] = [
        Self::LeftStopped,
        Self::NoRecentBackup,
        Self::NotFailsafe,
        Self::NotSaved,
        Self::Unshareable,
        Self::KeyBlocks,
        Self::SharedWithStranger,
        Self::Unprotected,
        Self::Failed,
        Self::IncompleteSet,
        Self::StuckPending,
        Self::CopyMissing,
        Self::CopyFailed,
        Self::CopyStuck,
        Self::DestinationUnknown,
        Self::DatabasesUnknown,
        Self::QuotaNear,
        Self::UnreadableTag,
        Self::Undated,
        Self::NotDeleted,
        Self::NotConsistent,
        Self::FalseAnnouncement,
    ];

    /// The kind as a heading.
    pub fn heading(self) -> &'static str {
        match self {
            Self::LeftStopped => "Instances that a run has stopped",
            Self::NoRecentBackup => "Enrolled, but no recent good backup",
            Self::NotFailsafe => "Databases without a recent failsafe copy",
            Self::NotSaved => "Shared, but not saved",
            Self::Unshareable => "Databases whose snapshots AWS does not share",
            Self::KeyBlocks => "Keys that cannot be used",
            Self::SharedWithStranger => "Copies shared with others than the failsafe account",
            Self::Unprotected => "Volumes without any snapshot",
            Self::Failed => "Snapshots that failed",
            Self::IncompleteSet => "Incomplete multi-volume sets",
            Self::StuckPending => "Snapshots stuck in pending",
            Self::CopyMissing => "Copies missing",
            Self::CopyFailed => "Copies that failed",
            Self::CopyStuck => "Copies stuck in pending",
            Self::DestinationUnknown => "Regions that could not be looked into",
            Self::DatabasesUnknown => "Databases that could not be looked at",
            Self::QuotaNear => "Quotas nearly used up",
            Self::UnreadableTag => "Tags that cannot be read",
            Self::Undated => "Snapshots without DeleteOn",
            Self::NotDeleted => "Expired, but still there",
            Self::NotConsistent => "Not crash-consistent",
            Self::FalseAnnouncement => "Announcements that do not agree with what is shared",
        }
    }
}

#[cfg(test)]
mod tests;
