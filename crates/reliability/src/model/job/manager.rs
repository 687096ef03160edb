//! The manager: see `crates/manager`.

use crate::model::call;
use crate::model::change::Change;
use crate::model::failure::{Failure, Kind};
use crate::model::job::each;
use crate::model::process::{Outcome, Process};
use crate::model::reading::{self, Whose};
use crate::model::world::World;
use crate::mutant::{Mutant, lens};
use snapkeeper_core::delete::{self, DeleteSnapshot, Found, Holds};
use snapkeeper_core::ids::{Region, SnapshotId};
use snapkeeper_core::inventory::Snapshot;
use snapkeeper_core::plan::Plan;
use std::collections::BTreeSet;

pub(super) fn plan(world: &mut World, process: &mut Process<'_>) -> Result<Plan<DeleteSnapshot>, Failure> {
    let region = process.region;
    let is_greedy = world.mutant == Some(Mutant::DeletesUntagged);
    let whose = if is_greedy { Whose::Own } else { Whose::Automated };
    let is_lax = world.mutant == Some(Mutant::DeletesAfterAFailedReading);
    let mut snapshots = reading::snapshots(world, process, region, whose)?;
    let mut holds = Holds {
        enrolment: or_nothing(is_lax, reading::enrolment(world, process, region))?,
        in_use: or_nothing(is_lax, reading::in_use(world, process, region))?,
        locked: or_nothing(is_lax, reading::locked(world, process, region))?,
        ..Holds::default()
    };
    if let Some(mutant) = world.mutant {
        lens::deletion(mutant, &mut snapshots, &mut holds);
    }
    let found = Found::of(&snapshots, &process.run);
    let asked = delete::regions_to_ask(&found, &holds, &process.run);
    holds.elsewhere = reading::enrolments(world, process, &asked);
    if process.is_dead {
        return Err(Failure::killed());
    }
    let Some(mutant) = world.mutant else { return Ok(delete::plan(found, &holds, &process.run)) };
    if mutant == Mutant::SilenceMeansNotEnrolled {
        for region in asked {
            holds.elsewhere.entry(region).or_default();
        }
    }
    let mut plan = delete::plan(found, &holds, &process.run);
    lens::deletions(mutant, &mut plan, &snapshots, &holds, &process.run);
    if mutant == Mutant::AbsenceAsEvidence {
        let sources = sources(world, process, &snapshots);
        lens::copies_without_source(&mut plan, &snapshots, &sources, &process.run);
    }
    Ok(plan)
}

/// What the mutant that goes on after a failed reading takes it for: nothing.
fn or_nothing<T: Default>(is_lax: bool, read: Result<T, Failure>) -> Result<T, Failure> {
    match read {
        Err(failure) if is_lax && failure.kind != Kind::Killed => Ok(T::default()),
        read => read,
    }
}

/// What the mutant that takes absence for evidence reads: the snapshots of the regions that copies came from. What
/// cannot be read is not there.
fn sources(world: &mut World, process: &mut Process<'_>, snapshots: &[Snapshot]) -> BTreeSet<SnapshotId> {
    let regions: BTreeSet<Region> = snapshots.iter().filter_map(Snapshot::copied_from).collect();
    let mut found = BTreeSet::new();
    for region in regions {
        let there = reading::snapshots(world, process, region.as_str(), Whose::Automated).unwrap_or_default();
        found.extend(there.into_iter().map(|snapshot| snapshot.id));
    }
    found
}

pub(super) fn apply(world: &mut World, process: &mut Process<'_>, plan: Plan<DeleteSnapshot>) {
    each(world, process, plan, |world, process, action, outcome| delete(world, process, &action.snapshot, outcome));
}

fn delete(world: &mut World, process: &mut Process<'_>, snapshot: &SnapshotId, outcome: &mut Outcome) {
    let (region, id) = (process.region, snapshot.as_str());
    let Err(failure) = call::change(world, process, &Change::Delete(region.to_owned(), id.to_owned())) else {
        outcome.is_done = true;
        return;
    };
    match failure.kind {
        // gone already
        Kind::NotFound => outcome.is_done = true,
        Kind::InUse => outcome.kept(id, &failure.message),
        Kind::Refused | Kind::Denied | Kind::Busy => match reading::is_held(world, process, region, snapshot) {
            Ok(true) => outcome.kept(id, "held meanwhile"),
            Ok(false) | Err(_) => outcome.failed(id, failure),
        },
        Kind::Throttled | Kind::TooSoon | Kind::CopiesFull | Kind::Open | Kind::Killed => outcome.failed(id, failure),
    }
}
