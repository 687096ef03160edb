//! The watcher: see `crates/watcher`.

use crate::model::failure::Failure;
use crate::model::job::each;
use crate::model::process::Process;
use crate::model::reading::{self, Which, Whose};
use crate::model::world::World;
use crate::mutant::lens;
use snapkeeper_core::delete::Holds;
use snapkeeper_core::enrolment::Enrolment;
use snapkeeper_core::notice::Notice;
use snapkeeper_core::plan::Plan;
use snapkeeper_core::rds;
use snapkeeper_core::watch::{self, Seen};

pub(super) fn plan(world: &mut World, process: &mut Process<'_>) -> Result<Plan<Notice>, Failure> {
    let region = process.region;
    let mut seen = Seen::new(&process.run);
    let instances = reading::instances(world, process, region, Which::All)?;
    seen.add_instances(&instances);
    let volumes = reading::volumes(world, process, region, Which::All)?;
    seen.add_volumes(&volumes);
    look(world, process, &mut seen);
    let mut snapshots = reading::snapshots(world, process, region, Whose::Own)?;
    if let Some(mutant) = world.mutant {
        lens::watching(mutant, &mut snapshots);
    }
    seen.add_snapshots(&snapshots);
    look(world, process, &mut seen);
    let mut holds = Holds {
        enrolment: Enrolment::of(&instances, &volumes),
        in_use: reading::in_use(world, process, region)?,
        locked: reading::locked(world, process, region)?,
        ..Holds::default()
    };
    holds.elsewhere = reading::enrolments(world, process, &seen.regions_to_ask(&holds));
    if process.is_dead {
        return Err(Failure::killed());
    }
    Ok(watch::plan(seen, &holds, &Ok(rds::watch::Inventory::default())))
}

/// Looks into the destinations that have been named since the last time.
fn look(world: &mut World, process: &mut Process<'_>, seen: &mut Seen) {
    for region in seen.unread() {
        let copies = reading::snapshots(world, process, region.as_str(), Whose::Automated);
        seen.there(region, copies.map(|copies| copies.iter().collect()).map_err(|failure| failure.message));
    }
}

/// There is nobody to send a digest to: the findings are in the report.
pub(super) fn apply(world: &mut World, process: &mut Process<'_>, plan: Plan<Notice>) {
    each(world, process, plan, |_, _, _, outcome| outcome.is_done = true);
}
