//! The creator: see `crates/creator`.

use crate::model::call;
use crate::model::change::Change;
use crate::model::failure::{Failure, Kind};
use crate::model::job::each;
use crate::model::process::{Outcome, Process};
use crate::model::reading::{self, Which, Whose};
use crate::model::world::World;
use crate::mutant::lens;
use snapkeeper_core::create::{self, Backup, Create, Date, Inventory};
use snapkeeper_core::plan::Plan;
use snapkeeper_core::tags;

pub(super) fn plan(world: &mut World, process: &mut Process<'_>) -> Result<Plan<Create>, Failure> {
    let region = process.region;
    let mut inventory = Inventory {
        sharers: Vec::new(),
        instances: reading::instances(world, process, region, Which::WithChoice)?,
        volumes: reading::volumes(world, process, region, Which::WithChoice)?,
        snapshots: reading::snapshots(world, process, region, Whose::Automated)?,
    };
    let Some(mutant) = world.mutant else { return Ok(create::plan(&inventory, &process.run)) };
    lens::creation(mutant, &mut inventory, &process.run);
    let mut plan = create::plan(&inventory, &process.run);
    lens::creations(mutant, &mut plan, &inventory, &process.run);
    Ok(plan)
}

pub(super) fn apply(world: &mut World, process: &mut Process<'_>, plan: Plan<Create>) {
    each(world, process, plan, |world, process, action, outcome| match action {
        Create::Backup(backup) => take(world, process, backup, outcome),
        Create::Date(date) => set_date(world, process, &date, outcome),
    });
}

fn set_date(world: &mut World, process: &mut Process<'_>, date: &Date, outcome: &mut Outcome) {
    let snapshot = date.snapshot.as_str();
    let tags: tags::Tags = [(tags::DELETE_ON, date.delete_on.to_string())].into_iter().collect();
    let change = Change::Tag(process.region.to_owned(), snapshot.to_owned(), tags);
    match call::change(world, process, &change) {
        Ok(_) => outcome.is_done = true,
        Err(failure) if failure.kind == Kind::NotFound => outcome.kept(snapshot, "gone meanwhile"),
        Err(failure) => outcome.failed(snapshot, failure),
    }
}

/// Takes one backup; where EC2 refuses a set because of one volume, the others without it.
fn take(world: &mut World, process: &mut Process<'_>, backup: Backup, outcome: &mut Outcome) {
    let region = process.region;
    let mut to_take = vec![backup];
    while let Some(backup) = to_take.pop() {
        let change = Change::Take(region.to_owned(), backup.clone());
        let failure = match call::create(world, process, &change) {
            Ok(made) => {
                for volume in &change.missing(&made, &world.truth) {
                    outcome.failed(volume, "this run has snapshots of others of its set, but none of it was found");
                }
                outcome.made(made);
                continue;
            }
            Err(failure) => failure,
        };
        let is_gone = failure.kind == Kind::NotFound;
        let instance = backup.instance.as_str();
        let named = |id: &str| failure.message.contains(id);
        let blamed = backup.members.iter().find(|volume| named(volume.as_str()));
        match (backup.members.as_slice(), blamed) {
            _ if named(instance) && reading::is_gone(world, process, region, instance) => {
                outcome.kept(instance, "gone meanwhile");
            }
            ([only], _) if is_gone => outcome.kept(only.as_str(), "gone meanwhile"),
            ([only], _) => outcome.failed(only.as_str(), &failure),
            (_, Some(volume)) if failure.may_be_of_one_volume() => {
                if is_gone {
                    outcome.kept(volume.as_str(), "gone meanwhile");
                } else {
                    outcome.failed(volume.as_str(), &failure);
                }
                let rest = backup.without(volume).into_iter();
                to_take.extend(rest.flat_map(|rest| if rest.fits_one_call() { vec![rest] } else { rest.one_by_one() }));
            }
            (_, None) if failure.may_be_of_one_volume() => {
                outcome.failed(instance, format!("{failure}; its volumes are taken one by one"));
                to_take.extend(backup.one_by_one());
            }
            _ => outcome.failed(instance, &failure),
        }
    }
}
