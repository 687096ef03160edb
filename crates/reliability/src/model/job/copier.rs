//! The copier: see `crates/copier`.

use crate::model::call;
use crate::model::change::Change;
use crate::model::failure::{Failure, Kind};
use crate::model::job::each;
use crate::model::process::{Outcome, Process};
use crate::model::reading::{self, Whose};
use crate::model::world::World;
use crate::mutant::{Mutant, lens};
use snapkeeper_core::copy::{self, Copy, CopySnapshot, Found, TagCopy};
use snapkeeper_core::ids::Region;
use snapkeeper_core::plan::Plan;
use std::collections::BTreeMap;

pub(super) fn plan(world: &mut World, process: &mut Process<'_>) -> Result<Plan<Copy>, Failure> {
    let region = process.region;
    let is_eager = world.mutant == Some(Mutant::PendingIsCopied);
    let whose = if is_eager { Whose::Automated } else { Whose::Completed };
    let mut snapshots = reading::snapshots(world, process, region, whose)?;
    if let Some(mutant) = world.mutant {
        lens::primaries(mutant, &mut snapshots);
    }
    let mut found = Found::new(&process.run);
    found.add(snapshots);
    for region in found.unread() {
        let copies = reading::snapshots(world, process, region.as_str(), Whose::Automated);
        if process.is_dead {
            return Err(Failure::killed());
        }
        let mut copies = copies.map_err(|failure| failure.message);
        if let Some(mutant) = world.mutant {
            lens::copying(mutant, &mut copies);
        }
        found.there(region, copies.map(|copies| copies.iter().collect()));
    }
    let mut plan = copy::plan(found);
    if let Some(mutant) = world.mutant {
        lens::copies(mutant, &mut plan);
    }
    Ok(plan)
}

pub(super) fn apply(world: &mut World, process: &mut Process<'_>, plan: Plan<Copy>) {
    let mut closed = BTreeMap::new();
    each(world, process, plan, |world, process, action, outcome| match action {
        Copy::Snapshot(copy) => make(world, process, copy, &mut closed, outcome),
        Copy::Tag(tag) => set_tags(world, process, tag, outcome),
    });
}

fn set_tags(world: &mut World, process: &mut Process<'_>, tag: TagCopy, outcome: &mut Outcome) {
    let copy = tag.copy.as_str();
    match call::change(world, process, &Change::Tag(tag.region.to_string(), copy.to_owned(), tag.tags)) {
        Ok(_) => outcome.is_done = true,
        Err(failure) if failure.kind == Kind::NotFound => outcome.kept(copy, "gone meanwhile"),
        Err(failure) => outcome.failed(copy, failure),
    }
}

/// Makes one copy, unless its destination takes no more in this run.
fn make(
    world: &mut World,
    process: &mut Process<'_>,
    copy: CopySnapshot,
    closed: &mut BTreeMap<Region, &'static str>,
    outcome: &mut Outcome,
) {
    let (source, to) = (copy.source.clone(), copy.to.clone());
    let source = source.as_str();
    if let Some(why) = closed.get(&to) {
        outcome.unfinished(source, format!("{to} {why}"));
        return;
    }
    if world.mutant == Some(Mutant::AlwaysFull) {
        outcome.unfinished(source, format!("{to} copies as many at once as it can"));
        return;
    }
    match call::create(world, process, &Change::Copy(copy)) {
        Ok(made) => outcome.made(made),
        Err(failure) => match failure.kind {
            Kind::CopiesFull => {
                outcome.unfinished(source, format!("{to} copies as many at once as it can"));
                closed.insert(to, "copies as many at once as it can");
            }
            Kind::NotFound => outcome.kept(source, "gone meanwhile"),
            Kind::Open => {
                outcome.failed(source, format!("to {to}: {failure}"));
                closed.insert(to, "has stopped answering");
            }
            Kind::Throttled
            | Kind::TooSoon
            | Kind::Busy
            | Kind::InUse
            | Kind::Refused
            | Kind::Denied
            | Kind::Killed => outcome.failed(source, format!("to {to}: {failure}")),
        },
    }
}
