//! Planted bugs: does the oracle find what others got wrong?
//!
//! Each is a bend of what a job reads, decides, does or tells in the model world. `core` has no switch for any of it,
//! and nothing of it ships.

mod hunt;
pub(crate) mod lens;

pub use hunt::{Found, hunt, median};

use crate::oracle::Promise;
use std::fmt;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`what` says it of each")]
pub enum Mutant {
    KeepForeverOnlyWhenLast,
    DeleteOnEqualsToday,
    ADayEarly,
    WallClockInsteadOfEventTime,
    LocalTimeZone,
    NoBrake,
    BrakeAlways,
    InUseIgnored,
    LockIgnored,
    DeletesUntagged,
    FailedLinger,
    ErrorCountsAsGood,
    PendingCountsAsGood,
    NewestCountsAsGood,
    MinimumWithoutDecrement,
    SetMemberIgnored,
    UnreadableMeansNotEnrolled,
    SilenceMeansNotEnrolled,
    AbsenceAsEvidence,
    DeletesAfterAFailedReading,
    UnreadHomeIsEmpty,
    CopiesUnawareOfOrigin,
    GoneVolumesForgotten,
    FirstPageOnly,
    OneFailureStopsTheRest,
    OneFailureStopsTheRestAndSaysSo,
    TagsAfterCreation,
    BlindRetryOfCreates,
    RunTagFromNow,
    OneBadTagAbortsRun,
    DefaultWhenUnreadable,
    WeeklyTiedToSunday,
    ExcludedVolumeTaken,
    UndatedNeverDated,
    CopyOfACopy,
    PendingIsCopied,
    CopiesNotChecked,
    SilentDestinationIsEmpty,
    FailedCopyCounts,
    AlwaysFull,
    CopiesUndated,
    LaterDatesNotCarried,
    KeepForeverNotCarried,
    WatcherCountsPending,
    WatcherCountsFailed,
    WatcherSilentOnSets,
    DeleteFailuresToldAsDeleted,
    ReportMadeMissing,
    UnfinishedNotTold,
    FailureToldAsSuccess,
}

impl Mutant {
    /// Every planted bug.
    pub const ALL: [Mutant; 50] = [
        Self::KeepForeverOnlyWhenLast,
        Self::DeleteOnEqualsToday,
        Self::ADayEarly,
        Self::WallClockInsteadOfEventTime,
        Self::LocalTimeZone,
        Self::NoBrake,
        Self::BrakeAlways,
        Self::InUseIgnored,
        Self::LockIgnored,
        Self::DeletesUntagged,
        Self::FailedLinger,
        Self::ErrorCountsAsGood,
        Self::PendingCountsAsGood,
        Self::NewestCountsAsGood,
        Self::MinimumWithoutDecrement,
        Self::SetMemberIgnored,
        Self::UnreadableMeansNotEnrolled,
        Self::SilenceMeansNotEnrolled,
        Self::AbsenceAsEvidence,
        Self::DeletesAfterAFailedReading,
        Self::UnreadHomeIsEmpty,
        Self::CopiesUnawareOfOrigin,
        Self::GoneVolumesForgotten,
        Self::FirstPageOnly,
        Self::OneFailureStopsTheRest,
        Self::OneFailureStopsTheRestAndSaysSo,
        Self::TagsAfterCreation,
        Self::BlindRetryOfCreates,
        Self::RunTagFromNow,
        Self::OneBadTagAbortsRun,
        Self::DefaultWhenUnreadable,
        Self::WeeklyTiedToSunday,
        Self::ExcludedVolumeTaken,
        Self::UndatedNeverDated,
        Self::CopyOfACopy,
        Self::PendingIsCopied,
        Self::CopiesNotChecked,
        Self::SilentDestinationIsEmpty,
        Self::FailedCopyCounts,
        Self::AlwaysFull,
        Self::CopiesUndated,
        Self::LaterDatesNotCarried,
        Self::KeepForeverNotCarried,
        Self::WatcherCountsPending,
        Self::WatcherCountsFailed,
        Self::WatcherSilentOnSets,
        Self::DeleteFailuresToldAsDeleted,
        Self::ReportMadeMissing,
        Self::UnfinishedNotTold,
        Self::FailureToldAsSuccess,
    ];

    /// Its name, `one-bad-tag-aborts-run`.
    pub fn name(self) -> &'static str {
        self.about().0
    }

    /// What it is, and whose bug it was, where that is known.
    pub fn what(self) -> &'static str {
        self.about().1
    }

    /// The promises that it is meant to break. Only by one of these does it count as found.
    pub fn meant(self) -> &'static [Promise] {
        match self {
            Self::KeepForeverOnlyWhenLast
            | Self::ADayEarly
            | Self::NoBrake
            | Self::InUseIgnored
            | Self::LockIgnored
            | Self::DeletesUntagged
            | Self::ErrorCountsAsGood
            | Self::PendingCountsAsGood
            | Self::NewestCountsAsGood
            | Self::MinimumWithoutDecrement
            | Self::UnreadableMeansNotEnrolled
            | Self::CopiesUnawareOfOrigin => &[Promise::DeletesOnlyWhatMayGo],
            // what it deletes too early, and what it writes
            Self::WallClockInsteadOfEventTime => &[Promise::DeletesOnlyWhatMayGo, Promise::TaggedFromTheStart],
            Self::SilenceMeansNotEnrolled | Self::AbsenceAsEvidence | Self::DeletesAfterAFailedReading => {
                &[Promise::AbsenceIsNoEvidence]
            }
            Self::LocalTimeZone
            | Self::TagsAfterCreation
            | Self::DefaultWhenUnreadable
            | Self::WeeklyTiedToSunday
            | Self::ExcludedVolumeTaken
            | Self::CopyOfACopy
            | Self::PendingIsCopied
            | Self::CopiesUndated => &[Promise::TaggedFromTheStart],
            // what it writes, and what it takes again
            Self::RunTagFromNow => &[Promise::TaggedFromTheStart, Promise::OneEach],
            // on copies that it makes, and on those that are there already
            Self::KeepForeverNotCarried => &[Promise::TaggedFromTheStart, Promise::Heals],
            Self::BlindRetryOfCreates | Self::CopiesNotChecked | Self::SilentDestinationIsEmpty => &[Promise::OneEach],
            Self::SetMemberIgnored => &[Promise::SetsAreWhole],
            Self::DeleteOnEqualsToday
            | Self::FailedLinger
            | Self::GoneVolumesForgotten
            | Self::BrakeAlways
            | Self::FirstPageOnly
            | Self::FailedCopyCounts
            | Self::AlwaysFull => &[Promise::NothingInSilence, Promise::Heals],
            Self::OneFailureStopsTheRest
            | Self::OneFailureStopsTheRestAndSaysSo
            | Self::UnreadHomeIsEmpty
            | Self::OneBadTagAbortsRun
            | Self::UnfinishedNotTold => &[Promise::NothingInSilence],
            Self::UndatedNeverDated | Self::LaterDatesNotCarried => &[Promise::Heals],
            Self::WatcherCountsPending | Self::WatcherCountsFailed => &[Promise::GapsAreReported],
            Self::WatcherSilentOnSets => &[Promise::SetsAreWhole, Promise::GapsAreReported],
            Self::DeleteFailuresToldAsDeleted | Self::ReportMadeMissing | Self::FailureToldAsSuccess => {
                &[Promise::NumbersAreTrue]
            }
        }
    }

    #[expect(clippy::too_many_lines, reason = "a table")]
    fn about(self) -> (&'static str, &'static str) {
        match self {
            Self::KeepForeverOnlyWhenLast => (
                "keep-forever-only-when-last",
                "KeepForever is honoured only where it is the last tag in the answer (joshtrichards: a loop)",
            ),
            Self::DeleteOnEqualsToday => (
                "delete-on-equals-today",
                "only what is due today is deleted: a missed day leaks for ever (joshtrichards PR 3)",
            ),
            Self::ADayEarly => ("a-day-early", "the manager deletes a day early"),
            Self::WallClockInsteadOfEventTime => {
                ("wall-clock-instead-of-event-time", "the run's instant is the machine's clock, not the event's time")
            }
            Self::LocalTimeZone => ("local-time-zone", "days begin where the machine is, in Los Angeles (c7n #5728)"),
            Self::NoBrake => ("no-brake", "a tag or script gone wrong deletes everything that it dates"),
            Self::BrakeAlways => ("brake-always", "the brake holds whatever is due"),
            Self::InUseIgnored => ("in-use-ignored", "snapshots of images are to be deleted (c7n #9138, #9444)"),
            Self::LockIgnored => ("lock-ignored", "locked snapshots are to be deleted"),
            Self::DeletesUntagged => {
                ("deletes-untagged", "hand-made snapshots with a DeleteOn are to be deleted (sebdah)")
            }
            Self::FailedLinger => {
                ("failed-linger", "failed snapshots stay until their day, and five of them stop a volume's backups")
            }
            Self::ErrorCountsAsGood => {
                ("error-counts-as-good", "the manager counts failed snapshots as good (ebs_snapper, sebdah)")
            }
            Self::PendingCountsAsGood => ("pending-counts-as-good", "the manager counts pending snapshots as good"),
            Self::NewestCountsAsGood => {
                ("newest-counts-as-good", "a volume's newest snapshot is its last good one, whatever its state")
            }
            Self::MinimumWithoutDecrement => (
                "minimum-without-decrement",
                "the last good one is kept only if it is the only one: nobody counts down (ebs_snapper)",
            ),
            Self::SetMemberIgnored => ("set-member-ignored", "each member of a set is a good backup by itself"),
            Self::UnreadableMeansNotEnrolled => {
                ("unreadable-means-not-enrolled", "a typing error in Backup takes the last good backup's protection")
            }
            Self::SilenceMeansNotEnrolled => (
                "silence-means-not-enrolled",
                "in a region that does not answer nothing is enrolled, so the last copies go",
            ),
            Self::AbsenceAsEvidence => (
                "absence-as-evidence",
                "copies go whose source is not in the list, even if that could not be read (ebs_snapper replication)",
            ),
            Self::DeletesAfterAFailedReading => (
                "deletes-after-a-failed-reading",
                "the manager takes instances, images or locks that it could not read for none",
            ),
            Self::UnreadHomeIsEmpty => {
                ("unread-home-is-empty", "what a job cannot read of its own region counts as nothing, and all is well")
            }
            Self::CopiesUnawareOfOrigin => {
                ("copies-unaware-of-origin", "the bogus VolumeId of copies is taken for their volume")
            }
            Self::GoneVolumesForgotten => (
                "gone-volumes-forgotten",
                "snapshots of volumes that are enrolled no more are never cleaned up (ebs_snapper #14, DLM)",
            ),
            Self::FirstPageOnly => {
                ("first-page-only", "only the first page of each list is read (joshtrichards, ebs_snapper)")
            }
            Self::OneFailureStopsTheRest => (
                "one-failure-stops-the-rest",
                "what fails stops what comes after it, unsaid (c7n #9138, #9444: the chunk of 50)",
            ),
            Self::OneFailureStopsTheRestAndSaysSo => (
                "one-failure-stops-the-rest-and-says-so",
                "what fails stops what comes after it, and that is listed as failed as well",
            ),
            Self::TagsAfterCreation => (
                "tags-after-creation",
                "snapshots and copies are created bare and tagged by a second call (cmachler #13, osiegmar PR 5)",
            ),
            Self::BlindRetryOfCreates => {
                ("blind-retry-of-creates", "a creation without an answer is made again without looking (c7n #3454)")
            }
            Self::RunTagFromNow => (
                "run-tag-from-now",
                "the run is named by the moment of its start, so that a retried event takes everything again",
            ),
            Self::OneBadTagAbortsRun => (
                "one-bad-tag-aborts-run",
                "an unreadable Retention aborts the run for all (joshtrichards: int(\"2w\"))",
            ),
            Self::DefaultWhenUnreadable => {
                ("default-when-unreadable", "an unreadable Retention is taken for the default")
            }
            Self::WeeklyTiedToSunday => (
                "weekly-tied-to-sunday",
                "only Sunday's backup can be the weekly one: a missed run loses the week (shelvery)",
            ),
            Self::ExcludedVolumeTaken => ("excluded-volume-taken", "volumes that are left out are taken all the same"),
            Self::UndatedNeverDated => {
                ("undated-never-dated", "what was taken while Retention could not be read stays undated for ever")
            }
            Self::CopyOfACopy => ("copy-of-a-copy", "copies carry Copy_Dest on and are copied again"),
            Self::PendingIsCopied => {
                ("pending-is-copied", "a pending snapshot is copied: the copy ends in error (joshtrichards 0.0.4)")
            }
            Self::CopiesNotChecked => {
                ("copies-not-checked", "a copy is made again because nobody looked whether there is one (c7n)")
            }
            Self::SilentDestinationIsEmpty => (
                "silent-destination-is-empty",
                "a destination that cannot be read counts as empty: everything is copied again",
            ),
            Self::FailedCopyCounts => (
                "failed-copy-counts",
                "a copy in error counts as a copy and is never made again (aws-step-functions-ebs-snapshot-mgmt #2)",
            ),
            Self::AlwaysFull => {
                ("always-full", "every destination copies as many as it can, so that the next run goes on")
            }
            Self::CopiesUndated => ("copies-undated", "copies do not get the day of their deletion"),
            Self::LaterDatesNotCarried => (
                "later-dates-not-carried",
                "a day that a primary gets later does not reach the copies that are there already",
            ),
            Self::KeepForeverNotCarried => ("keep-forever-not-carried", "KeepForever does not reach the copies"),
            Self::WatcherCountsPending => ("watcher-counts-pending", "the watcher takes pending snapshots for backups"),
            Self::WatcherCountsFailed => ("watcher-counts-failed", "the watcher takes failed snapshots for backups"),
            Self::WatcherSilentOnSets => ("watcher-silent-on-sets", "the watcher takes part of a set for a backup"),
            Self::DeleteFailuresToldAsDeleted => {
                ("delete-failures-told-as-deleted", "failed deletions are listed as deleted (c7n #10000)")
            }
            Self::ReportMadeMissing => ("report-made-missing", "the report leaves out what was made"),
            Self::UnfinishedNotTold => ("unfinished-not-told", "what the time limit leaves over is not told"),
            Self::FailureToldAsSuccess => (
                "failure-told-as-success",
                "the run succeeds whatever failed (aws-step-functions-ebs-snapshot-mgmt #2, aws-maintenance #12)",
            ),
        }
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_mutant_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = Mutant::ALL.iter().map(|mutant| mutant.name()).collect();
        assert_eq!(names.len(), Mutant::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
    }

    #[test]
    fn all_are_all() {
        assert!(Mutant::ALL.is_sorted());
        assert_eq!(Mutant::ALL.last().map(|last| *last as usize), Some(Mutant::ALL.len() - 1));
    }
}
