//! What somebody could do with the keys of a job, if the job's policy let them.

use snapkeeper_core::run::Job;

use super::variants::STATEMENT;
use crate::peers::{HOME, WEST};

/// A region that is no job's business.
pub(super) const ELSEWHERE: &str = "eu-central-1";
/// What a snapshot needs to be taken for Snapkeeper's own.
pub(super) const OWN: &[(&str, &str)] = &[("Type", "Automated")];
/// The tag of an instance that a run has stopped.
pub(super) const MARK: &str = "Snapkeeper_Stopped";
/// A key of another account, which lets this one use it.
const KEY_OF_OTHERS: &str = "arn:aws:kms:us-west-2:210987654321:key/0a1b2c3d";
/// Another one, where the instances are.
const KEY_OF_OTHERS_AT_HOME: &str = "arn:aws:kms:us-east-1:210987654321:key/4e5f6a7b";
/// A topic of the same name as that for alerts, in another region.
const TOPIC_THERE: &str = "arn:aws:sns:us-west-2:123456789012:alerts";

/// A call that a policy stops.
pub(super) struct Attack {
    /// The job whose keys are used.
    pub(super) job: Job,
    /// The statement that stops it, and what in it.
    pub(super) sid: &'static str,
    pub(super) what: &'static str,
    pub(super) call: Call,
}

/// A call that changes something, and the job whose work it is, if any.
pub(super) struct Write {
    pub(super) of: Option<Job>,
    pub(super) call: Call,
}

/// A call, by what it does to a [`Scene`](super::scene::Scene).
#[derive(Debug)]
pub(super) enum Call {
    ReadSnapshots(&'static str),
    ReadImages(&'static str),
    /// Takes a snapshot of an instance's volume, with these tags.
    Take(Whose, &'static [(&'static str, &'static str)]),
    /// Takes a set of an instance.
    TakeSet(Whose),
    /// Copies a snapshot into a region, with these tags.
    Copy(Which, &'static str, &'static [(&'static str, &'static str)]),
    /// Copies a snapshot to where copies go, encrypted with this key.
    CopyWithKey(Which, &'static str),
    /// Sets a tag.
    Tag(Which, &'static str, &'static str),
    /// Takes a tag off.
    Untag(Which, &'static str),
    Delete(Which),
    Lock(Which),
    /// Sets a tag on an instance.
    TagInstance(Whose, &'static str),
    /// Takes a tag off an instance, or all.
    UntagInstance(Whose, Option<&'static str>),
    Start(Whose),
    /// Starts an instance that has a volume with this key.
    StartWithKey(Whose, &'static str),
    Stop(Whose),
    Terminate,
    /// Asks KMS, in a region, what a key is.
    SeeKey(&'static str, &'static str),
    /// Tells a topic of a failure.
    Publish(&'static str),
}

impl Call {
    /// With which code it fails where it is not allowed.
    pub(super) fn refusal(&self) -> &'static str {
        match self {
            // EC2 accepts the call, and the copy ends so, or the instance
            Self::CopyWithKey(..) => "error",
            Self::StartWithKey(..) => "stopped",
            Self::Publish(_) => "AuthorizationError",
            Self::SeeKey(..) => "AccessDeniedException",
            Self::ReadSnapshots(_)
            | Self::ReadImages(_)
            | Self::Take(..)
            | Self::TakeSet(_)
            | Self::Copy(..)
            | Self::Tag(..)
            | Self::Untag(..)
            | Self::Delete(_)
            | Self::Lock(_)
            | Self::TagInstance(..)
            | Self::UntagInstance(..)
            | Self::Start(_)
            | Self::Stop(_)
            | Self::Terminate => "UnauthorizedOperation",
        }
    }
}

/// An instance of a [`Scene`](super::scene::Scene).
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose {
    Enrolled,
    /// Without the tag `Backup`, and running.
    NotEnrolled,
    /// Enrolled, where copies go, and running. A run has marked it, and not stopped it yet.
    EnrolledThere,
    /// Stopped, by a run that has marked it and was killed.
    Marked,
    /// The same, where copies go.
    MarkedThere,
    /// Stopped by the operator.
    Stopped,
}

/// A snapshot of a [`Scene`](super::scene::Scene).
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    /// What the creator took.
    Primary,
    /// What the creator took, and the operator holds.
    Held,
    /// Made by hand.
    ByHand,
    /// Shared by somebody else with all the world.
    OfOthers,
    /// What the copier made of [`Which::Primary`].
    Copy,
    /// A copy that somebody put where the instances are.
    CopyAtHome,
    /// A copy where nothing is to be copied to.
    CopyElsewhere,
    /// A copy of somebody else, where copies go.
    CopyOfOthers,
    /// A snapshot of a volume where copies go.
    PrimaryThere,
}

const fn attack(job: Job, sid: &'static str, what: &'static str, call: Call) -> Attack {
    Attack { job, sid, what, call }
}

const REGION_OF_INSTANCES: &str = "region of arn:aws:ec2:us-east-1:123456789012:instance/*";
const REGION_OF_SNAPSHOTS: &str = "region of arn:aws:ec2:us-east-1:*:snapshot/*";
const REGION_OF_TOPIC: &str = "region of arn:aws:sns:us-east-1:123456789012:alerts";
const ACCOUNT_OF_KEYS: &str = "account of arn:aws:kms:*:123456789012:key/*";

/// For each condition, each `Deny`, and each region and account of a resource what it stops, and nothing else does.
pub(super) const ATTACKS: &[Attack] = &[
    attack(Job::Creator, "ReadHome", "StringEquals aws:RequestedRegion", Call::ReadSnapshots(ELSEWHERE)),
    attack(Job::Creator, "TakeSetsOfInstances", REGION_OF_INSTANCES, Call::TakeSet(Whose::EnrolledThere)),
    attack(
        Job::Creator,
        "TakeVolumes",
        "region of arn:aws:ec2:us-east-1:123456789012:volume/*",
        Call::Take(Whose::EnrolledThere, OWN),
    ),
    attack(
        Job::Creator,
        "MakeOnlyAutomatedSnapshots",
        "StringEquals aws:RequestTag/Type",
        Call::Take(Whose::Enrolled, &[]),
    ),
    attack(
        Job::Creator,
        "MakeOnlyAutomatedSnapshots",
        "StringEquals aws:RequestTag/Type",
        Call::Take(Whose::Enrolled, &[("Type", "Manual")]),
    ),
    attack(Job::Creator, "MakeOnlyAutomatedSnapshots", REGION_OF_SNAPSHOTS, Call::Take(Whose::EnrolledThere, OWN)),
    attack(
        Job::Creator,
        "TagSnapshotsInTheCallThatMakesThem",
        REGION_OF_SNAPSHOTS,
        Call::Take(Whose::EnrolledThere, OWN),
    ),
    // what is taken for Snapkeeper's own is deleted on the day that the next tag names
    attack(
        Job::Creator,
        "TagSnapshotsInTheCallThatMakesThem",
        "StringEquals ec2:CreateAction",
        Call::Tag(Which::ByHand, "Type", "Automated"),
    ),
    attack(
        Job::Creator,
        "DateOwnSnapshotsLater",
        "StringEquals aws:ResourceTag/Type",
        Call::Tag(Which::ByHand, "DeleteOn", "2026-11-21"),
    ),
    attack(
        Job::Creator,
        "DateOwnSnapshotsLater",
        "Null aws:ResourceTag/Source_SnapshotId",
        Call::Tag(Which::CopyAtHome, "DeleteOn", "2026-11-21"),
    ),
    attack(
        Job::Creator,
        "DateOwnSnapshotsLater",
        "ForAllValues:StringEquals aws:TagKeys",
        Call::Tag(Which::Primary, "Copy_Dest", ELSEWHERE),
    ),
    attack(
        Job::Creator,
        "DateOwnSnapshotsLater",
        REGION_OF_SNAPSHOTS,
        Call::Tag(Which::PrimaryThere, "DeleteOn", "2026-11-21"),
    ),
    // whoever stopped it wanted it so
    attack(Job::Creator, "StartWhatWasStopped", "Null aws:ResourceTag/Snapkeeper_Stopped", Call::Start(Whose::Stopped)),
    attack(Job::Creator, "StartWhatWasStopped", REGION_OF_INSTANCES, Call::Start(Whose::MarkedThere)),
    attack(
        Job::Creator,
        "LetEc2GrantItselfTheKeysOfWhatIsStarted",
        "region of arn:aws:kms:us-east-1:123456789012:key/*",
        Call::StartWithKey(Whose::MarkedThere, "alias/own"),
    ),
    attack(
        Job::Creator,
        "LetEc2GrantItselfTheKeysOfWhatIsStarted",
        "account of arn:aws:kms:us-east-1:123456789012:key/*",
        Call::StartWithKey(Whose::Marked, KEY_OF_OTHERS_AT_HOME),
    ),
    // a call that names no tag means all of them
    attack(
        Job::Creator,
        "TakeOffTheMarkOfWhatWasStopped",
        "Null aws:TagKeys",
        Call::UntagInstance(Whose::Enrolled, None),
    ),
    attack(
        Job::Creator,
        "TakeOffTheMarkOfWhatWasStopped",
        "ForAllValues:StringEquals aws:TagKeys",
        Call::UntagInstance(Whose::Enrolled, Some("Backup")),
    ),
    attack(
        Job::Creator,
        "TakeOffTheMarkOfWhatWasStopped",
        REGION_OF_INSTANCES,
        Call::UntagInstance(Whose::EnrolledThere, Some(MARK)),
    ),
    attack(Job::Creator, "TellOfFailures", REGION_OF_TOPIC, Call::Publish(TOPIC_THERE)),
    // any other tag may be what somebody's policy goes by
    attack(
        Job::Creator,
        "MarkWhatIsToBeStopped",
        "ForAllValues:StringEquals aws:TagKeys",
        Call::TagInstance(Whose::NotEnrolled, "Owner"),
    ),
    attack(Job::Creator, "MarkWhatIsToBeStopped", REGION_OF_INSTANCES, Call::TagInstance(Whose::EnrolledThere, MARK)),
    attack(Job::Creator, "StopWhatIsMarked", "Null aws:ResourceTag/Snapkeeper_Stopped", Call::Stop(Whose::NotEnrolled)),
    attack(Job::Creator, "StopWhatIsMarked", REGION_OF_INSTANCES, Call::Stop(Whose::EnrolledThere)),
    attack(
        Job::Creator,
        "TellTopicsOfRequests",
        "region of arn:aws:sns:us-east-1:123456789012:done",
        Call::Publish("arn:aws:sns:us-west-2:123456789012:done"),
    ),
    attack(
        Job::Creator,
        "TellTopicsOfRequests",
        "region of arn:aws:sns:us-east-1:123456789012:errors",
        Call::Publish("arn:aws:sns:us-west-2:123456789012:errors"),
    ),
    attack(Job::Copier, "ReadHome", "StringEquals aws:RequestedRegion", Call::ReadSnapshots(ELSEWHERE)),
    attack(Job::Copier, "ReadDestinations", "StringLike aws:RequestedRegion", Call::ReadSnapshots(ELSEWHERE)),
    attack(Job::Copier, "CopyOwnSnapshots", "StringEquals ec2:Owner", Call::Copy(Which::OfOthers, WEST, OWN)),
    attack(
        Job::Copier,
        "MakeOnlyAutomatedCopiesInDestinations",
        "StringEquals aws:RequestTag/Type",
        Call::Copy(Which::Primary, WEST, &[]),
    ),
    attack(
        Job::Copier,
        "MakeOnlyAutomatedCopiesInDestinations",
        "StringLike aws:RequestedRegion",
        Call::Copy(Which::Primary, ELSEWHERE, OWN),
    ),
    attack(
        Job::Copier,
        "TagCopiesInTheCallThatMakesThem",
        "StringEquals ec2:CreateAction",
        Call::Tag(Which::ByHand, "Type", "Automated"),
    ),
    attack(
        Job::Copier,
        "CarryHoldAndDateOverToOwnCopies",
        "StringEquals aws:ResourceTag/Type",
        Call::Tag(Which::CopyOfOthers, "DeleteOn", "2026-11-21"),
    ),
    attack(
        Job::Copier,
        "CarryHoldAndDateOverToOwnCopies",
        "Null aws:ResourceTag/Source_SnapshotId",
        Call::Tag(Which::PrimaryThere, "DeleteOn", "2026-11-21"),
    ),
    attack(
        Job::Copier,
        "CarryHoldAndDateOverToOwnCopies",
        "ForAllValues:StringEquals aws:TagKeys",
        Call::Tag(Which::Copy, "Source_Region", ELSEWHERE),
    ),
    attack(
        Job::Copier,
        "CarryHoldAndDateOverToOwnCopies",
        "StringLike aws:RequestedRegion",
        Call::Tag(Which::CopyElsewhere, "DeleteOn", "2026-11-21"),
    ),
    attack(
        Job::Copier,
        "LetEc2UseTheKeysOfSnapshots",
        ACCOUNT_OF_KEYS,
        Call::CopyWithKey(Which::Primary, KEY_OF_OTHERS),
    ),
    attack(
        Job::Copier,
        "LetEc2GrantItselfTheKeysOfSnapshots",
        ACCOUNT_OF_KEYS,
        Call::CopyWithKey(Which::Primary, KEY_OF_OTHERS),
    ),
    attack(Job::Copier, "TellOfFailures", REGION_OF_TOPIC, Call::Publish(TOPIC_THERE)),
    attack(Job::Manager, "ReadHome", "StringEquals aws:RequestedRegion", Call::ReadSnapshots(ELSEWHERE)),
    attack(
        Job::Manager,
        "DeleteOnlyAutomatedSnapshots",
        "StringEquals aws:ResourceTag/Type",
        Call::Delete(Which::ByHand),
    ),
    attack(Job::Manager, "DeleteOnlyAutomatedSnapshots", REGION_OF_SNAPSHOTS, Call::Delete(Which::PrimaryThere)),
    attack(Job::Manager, "NeverDeleteWhatIsKeptForever", STATEMENT, Call::Delete(Which::Held)),
    attack(Job::Manager, "TellOfFailures", REGION_OF_TOPIC, Call::Publish(TOPIC_THERE)),
    attack(Job::Watcher, "ReadHome", "StringEquals aws:RequestedRegion", Call::ReadImages(ELSEWHERE)),
    attack(
        Job::Watcher,
        "SeeWhetherTheKeyCanBeUsed",
        "region of arn:aws:kms:us-east-1:123456789012:key/*",
        Call::SeeKey(ELSEWHERE, "alias/aws/rds"),
    ),
    attack(
        Job::Watcher,
        "SeeWhetherTheKeyCanBeUsed",
        "account of arn:aws:kms:us-east-1:123456789012:key/*",
        Call::SeeKey(HOME, KEY_OF_OTHERS_AT_HOME),
    ),
    attack(Job::Watcher, "TellWhatIsNotProtected", REGION_OF_TOPIC, Call::Publish(TOPIC_THERE)),
];

/// What each job does, the last of it what none does. What goes before leaves what follows possible.
pub(super) const WRITES: [Write; 18] = [
    Write { of: Some(Job::Creator), call: Call::Take(Whose::Enrolled, OWN) },
    Write { of: Some(Job::Creator), call: Call::TakeSet(Whose::Enrolled) },
    Write { of: Some(Job::Creator), call: Call::TakeSet(Whose::NotEnrolled) },
    Write { of: Some(Job::Creator), call: Call::Start(Whose::Marked) },
    Write { of: Some(Job::Creator), call: Call::UntagInstance(Whose::Marked, Some(MARK)) },
    Write { of: Some(Job::Creator), call: Call::Tag(Which::Primary, "DeleteOn", "2026-12-24") },
    Write { of: Some(Job::Copier), call: Call::Copy(Which::Primary, WEST, OWN) },
    Write { of: Some(Job::Copier), call: Call::Tag(Which::Copy, "KeepForever", "") },
    Write { of: Some(Job::Manager), call: Call::Delete(Which::Primary) },
    Write { of: None, call: Call::Delete(Which::Held) },
    Write { of: None, call: Call::Tag(Which::ByHand, "Type", "Automated") },
    Write { of: None, call: Call::Untag(Which::Held, "KeepForever") },
    Write { of: None, call: Call::Lock(Which::Held) },
    // the creator may do the next two only where the stack lets it stop instances
    Write { of: None, call: Call::TagInstance(Whose::NotEnrolled, MARK) },
    Write { of: None, call: Call::Stop(Whose::NotEnrolled) },
    Write { of: None, call: Call::Start(Whose::Stopped) },
    Write { of: None, call: Call::UntagInstance(Whose::Enrolled, Some("Backup")) },
    Write { of: None, call: Call::Terminate },
];
