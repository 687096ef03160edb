//! What each planted bug bends: the run, what was read, what was planned, what is told. What bends the readings and calls
//! themselves, and how a plan is carried out, is in `model`.

use super::Mutant;
use crate::oracle::Told;
use chrono::{DateTime, Datelike, TimeDelta, Utc, Weekday};
use snapkeeper_core::copy::Copy;
use snapkeeper_core::create::{self, Create};
use snapkeeper_core::delete::{DeleteSnapshot, Holds, Why};
use snapkeeper_core::enrolment::Enrolled;
use snapkeeper_core::ids::{SnapshotId, VolumeId};
use snapkeeper_core::inventory::{Instance, Snapshot, SnapshotState};
use snapkeeper_core::plan::{Plan, Reason, Refusal};
use snapkeeper_core::retention::Retention;
use snapkeeper_core::run::{Job, Run};
use snapkeeper_core::tags::{self, Choice, DeleteOn, Tags};
use std::collections::{BTreeMap, BTreeSet};

/// Bends the run.
pub(crate) fn run(mutant: Mutant, run: &mut Run, now: DateTime<Utc>, skew: TimeDelta) {
    if mutant == Mutant::WallClockInsteadOfEventTime {
        run.instant = now + skew;
    }
    if mutant == Mutant::RunTagFromNow && run.job == Job::Creator {
        run.instant = now;
    }
    if mutant == Mutant::ADayEarly && run.job == Job::Manager {
        run.instant += TimeDelta::days(1);
    }
    if mutant == Mutant::LocalTimeZone {
        run.settings.time_zone = "America/Los_Angeles".parse().unwrap_or(run.settings.time_zone);
    }
    if mutant == Mutant::NoBrake {
        run.settings.max_delete_percent = 100;
    }
}

/// Bends what the creator reads.
pub(crate) fn creation(mutant: Mutant, inventory: &mut create::Inventory, run: &Run) {
    if mutant == Mutant::SetMemberIgnored {
        each_its_own_set(&mut inventory.snapshots);
    }
    if mutant == Mutant::ExcludedVolumeTaken {
        inventory.volumes.clear();
    }
    for instance in &mut inventory.instances {
        let Some(retention) = instance.tags.get(tags::RETENTION).map(str::parse::<Retention>) else { continue };
        match retention {
            Ok(retention) if mutant == Mutant::WeeklyTiedToSunday && run.day().weekday() != Weekday::Sun => {
                // the finest term comes first
                let told = retention.to_string();
                let finest = told.split(' ').next().unwrap_or_default();
                instance.tags.set(tags::RETENTION, finest);
            }
            Err(_) if mutant == Mutant::DefaultWhenUnreadable => {
                instance.tags = without(&instance.tags, tags::RETENTION);
            }
            Ok(_) | Err(_) => {}
        }
    }
}

/// Bends what the creator plans.
pub(crate) fn creations(mutant: Mutant, plan: &mut Plan<Create>, inventory: &create::Inventory, run: &Run) {
    if mutant == Mutant::UndatedNeverDated {
        plan.actions.retain(|action| matches!(action, Create::Backup(_)));
    }
    let retentions = inventory.instances.iter().filter_map(|instance| instance.tags.get(tags::RETENTION));
    if mutant == Mutant::OneBadTagAbortsRun && retentions.map(str::parse::<Retention>).any(|read| read.is_err()) {
        plan.actions.clear();
        plan.kept.clear();
        plan.findings.clear();
        let cause = "invalid literal for int() with base 10".to_owned();
        plan.refusals.push(Refusal { resource: run.region.to_string(), cause });
    }
}

/// Bends what the copier takes for primaries.
pub(crate) fn primaries(mutant: Mutant, snapshots: &mut [Snapshot]) {
    for snapshot in snapshots {
        if mutant == Mutant::PendingIsCopied && snapshot.state == SnapshotState::Pending {
            snapshot.state = SnapshotState::Completed;
        }
        if mutant == Mutant::CopyOfACopy && snapshot.copy_of().is_some() {
            snapshot.tags = without(&snapshot.tags, tags::SOURCE_SNAPSHOT_ID);
            snapshot.tags.set(tags::COPY_DEST, crate::script::FAR);
        }
    }
}

/// Bends what the copier finds in a destination.
pub(crate) fn copying(mutant: Mutant, there: &mut Result<Vec<Snapshot>, String>) {
    match there {
        Ok(copies) if mutant == Mutant::CopiesNotChecked => copies.clear(),
        Ok(copies) if mutant == Mutant::FailedCopyCounts => completed(copies, &[SnapshotState::Error]),
        Err(_) if mutant == Mutant::SilentDestinationIsEmpty => *there = Ok(Vec::new()),
        Ok(_) | Err(_) => {}
    }
}

/// Bends what the copier plans.
pub(crate) fn copies(mutant: Mutant, plan: &mut Plan<Copy>) {
    let lost = if mutant == Mutant::KeepForeverNotCarried {
        tags::KEEP_FOREVER
    } else if matches!(mutant, Mutant::CopiesUndated | Mutant::LaterDatesNotCarried) {
        tags::DELETE_ON
    } else {
        return;
    };
    for action in &mut plan.actions {
        match action {
            Copy::Snapshot(_) if mutant == Mutant::LaterDatesNotCarried => {}
            Copy::Snapshot(copy) => copy.tags = without(&copy.tags, lost).into(),
            Copy::Tag(tag) => tag.tags = without(&tag.tags, lost),
        }
    }
    plan.actions.retain(|action| !matches!(action, Copy::Tag(tag) if tag.tags == Tags::default()));
}

/// Bends what the manager takes for enrolled instances.
pub(crate) fn enrolled_instances(mutant: Mutant, instances: &mut Vec<Instance>) {
    if mutant == Mutant::UnreadableMeansNotEnrolled {
        instances.retain(|instance| Choice::from_tags(&instance.tags).0 != Choice::Unreadable);
    }
}

/// Bends what the manager reads.
pub(crate) fn deletion(mutant: Mutant, snapshots: &mut [Snapshot], holds: &mut Holds) {
    if mutant == Mutant::InUseIgnored {
        holds.in_use.clear();
    }
    if mutant == Mutant::LockIgnored {
        holds.locked.clear();
    }
    if mutant == Mutant::ErrorCountsAsGood {
        completed(snapshots, &[SnapshotState::Error]);
    }
    if mutant == Mutant::PendingCountsAsGood {
        completed(snapshots, &[SnapshotState::Pending]);
    }
    if mutant == Mutant::NewestCountsAsGood {
        newest_completed(snapshots);
    }
    if mutant == Mutant::SetMemberIgnored {
        each_its_own_set(snapshots);
    }
    for snapshot in snapshots {
        if mutant == Mutant::KeepForeverOnlyWhenLast
            && snapshot.tags.iter().last().is_some_and(|(last, _)| last != tags::KEEP_FOREVER)
        {
            snapshot.tags = without(&snapshot.tags, tags::KEEP_FOREVER);
        }
        if mutant == Mutant::DeletesUntagged && snapshot.tags.has(tags::DELETE_ON) {
            snapshot.tags.set(tags::TYPE, tags::AUTOMATED);
        }
        if mutant == Mutant::CopiesUnawareOfOrigin {
            snapshot.tags = without(&snapshot.tags, tags::SOURCE_SNAPSHOT_ID);
        }
    }
}

/// Bends what the manager plans.
pub(crate) fn deletions(
    mutant: Mutant,
    plan: &mut Plan<DeleteSnapshot>,
    snapshots: &[Snapshot],
    holds: &Holds,
    run: &Run,
) {
    if mutant == Mutant::DeleteOnEqualsToday {
        plan.actions.retain(|action| matches!(action.why, Why::Failed(_)) || action.why == Why::Due(run.day()));
    }
    if mutant == Mutant::BrakeAlways && !plan.actions.is_empty() {
        for action in std::mem::take(&mut plan.actions) {
            plan.keep(action.snapshot, Reason::Brake);
        }
        let cause = "brake: too many are due at once: nothing was deleted".to_owned();
        plan.refusals.push(Refusal { resource: run.region.to_string(), cause });
    }
    if mutant == Mutant::FailedLinger {
        plan.actions.retain(|action| !matches!(action.why, Why::Failed(_)));
    }
    if mutant == Mutant::GoneVolumesForgotten {
        let is_enrolled = |snapshot: &Snapshot| {
            snapshot.copy_of().is_some() || holds.enrolment.of_volume(&snapshot.volume()) != Enrolled::No
        };
        let managed: BTreeSet<&SnapshotId> =
            snapshots.iter().filter(|snapshot| is_enrolled(snapshot)).map(|snapshot| &snapshot.id).collect();
        plan.actions.retain(|action| managed.contains(&action.snapshot));
    }
    if mutant == Mutant::MinimumWithoutDecrement {
        let mut counts: BTreeMap<VolumeId, u32> = BTreeMap::new();
        for snapshot in snapshots.iter().filter(|it| it.state == SnapshotState::Completed) {
            *counts.entry(snapshot.volume()).or_default() += 1;
        }
        let is_last_good = |reason: &Reason| matches!(reason, Reason::LastGood | Reason::LastGoodPerhaps(_));
        let held: BTreeSet<&str> =
            plan.kept.iter().filter(|it| is_last_good(&it.reason)).map(|it| it.resource.as_str()).collect();
        for snapshot in snapshots.iter().filter(|snapshot| held.contains(snapshot.id.as_str())) {
            if let DeleteOn::Day(due) = snapshot.delete_on()
                && counts.get(&snapshot.volume()).is_some_and(|count| *count > 1)
            {
                plan.actions.push(DeleteSnapshot { snapshot: snapshot.id.clone(), why: Why::Due(due) });
            }
        }
    }
}

/// Lets the manager delete the copies whose source is not among `sources`, held ones excepted.
pub(crate) fn copies_without_source(
    plan: &mut Plan<DeleteSnapshot>,
    snapshots: &[Snapshot],
    sources: &BTreeSet<SnapshotId>,
    run: &Run,
) {
    let planned: BTreeSet<SnapshotId> = plan.actions.iter().map(|action| action.snapshot.clone()).collect();
    for copy in snapshots.iter().filter(|copy| !planned.contains(&copy.id) && !copy.is_kept_forever()) {
        if copy.copy_of().is_some_and(|source| !sources.contains(&source)) {
            plan.actions.push(DeleteSnapshot { snapshot: copy.id.clone(), why: Why::Due(run.day()) });
        }
    }
}

/// Bends what the watcher reads.
pub(crate) fn watching(mutant: Mutant, snapshots: &mut [Snapshot]) {
    if mutant == Mutant::WatcherCountsPending {
        completed(snapshots, &[SnapshotState::Pending]);
    }
    if mutant == Mutant::WatcherCountsFailed {
        completed(snapshots, &[SnapshotState::Error]);
    }
    if mutant == Mutant::WatcherSilentOnSets || mutant == Mutant::SetMemberIgnored {
        each_its_own_set(snapshots);
    }
}

/// Bends what a job tells of its run.
pub(crate) fn told(mutant: Mutant, told: &mut Told, job: Job) {
    if mutant == Mutant::DeleteFailuresToldAsDeleted && job == Job::Manager {
        told.applied.extend(told.failed.drain(..).map(|(resource, _)| (resource, Vec::new())));
        told.succeeded = true;
    }
    if mutant == Mutant::ReportMadeMissing {
        told.applied.clear();
    }
    if mutant == Mutant::UnfinishedNotTold {
        told.unfinished.clear();
        told.succeeded = told.failed.is_empty();
    }
    if mutant == Mutant::FailureToldAsSuccess {
        told.succeeded = true;
    }
}

/// Makes snapshots in these states completed ones.
fn completed(snapshots: &mut [Snapshot], states: &[SnapshotState]) {
    for snapshot in snapshots {
        if states.contains(&snapshot.state) {
            snapshot.state = SnapshotState::Completed;
        }
    }
}

/// Makes each volume's newest snapshot a completed one.
fn newest_completed(snapshots: &mut [Snapshot]) {
    let mut newest: BTreeMap<VolumeId, (DateTime<Utc>, SnapshotId)> = BTreeMap::new();
    for snapshot in snapshots.iter() {
        let this = (snapshot.taken(), snapshot.id.clone());
        let last = newest.entry(snapshot.volume()).or_insert_with(|| this.clone());
        *last = this.max(last.clone());
    }
    let newest: BTreeSet<SnapshotId> = newest.into_values().map(|(_, id)| id).collect();
    for snapshot in snapshots.iter_mut().filter(|snapshot| newest.contains(&snapshot.id)) {
        snapshot.state = SnapshotState::Completed;
    }
}

/// Makes each snapshot the only member of its set.
fn each_its_own_set(snapshots: &mut [Snapshot]) {
    for snapshot in snapshots {
        let others = snapshot.tags.iter().filter(|(key, _)| !key.starts_with(tags::SOURCE_DEVICES));
        let mut tags: Tags = others.collect();
        tags.set(tags::SOURCE_DEVICES, format!("/dev/xvda={}", snapshot.volume()));
        snapshot.tags = tags;
    }
}

fn without(tags: &Tags, key: &str) -> Tags {
    tags.iter().filter(|(other, _)| *other != key).collect()
}
