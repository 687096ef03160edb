//! The watcher: see `crates/watcher`.

use crate::model::failure::Failure;
use crate::model::job::each;
use crate::model::process::Process;
use crate::model::reading::{self, Which, Whose};
use crate::model::world::World;
use crate::mutant::lens;
use snapkeeper_core::delete;
use snapkeeper_core::enrolment::Enrolment;
use snapkeeper_core::notice::Notice;
use snapkeeper_core::plan::Plan;
use snapkeeper_core::watch::{self, Inventory};
use std::collections::BTreeMap;

pub(super) fn plan(world: &mut World, process: &mut Process<'_>) -> Result<Plan<Notice>, Failure> {
    let region = process.region;
    let instances = reading::instances(world, process, region, Which::All)?;
    let volumes = reading::volumes(world, process, region, Which::All)?;
    let mut deletion = delete::Inventory {
        snapshots: reading::snapshots(world, process, region, Whose::Own)?,
        enrolment: Enrolment::of(&instances, &volumes),
        in_use: reading::in_use(world, process, region)?,
        locked: reading::locked(world, process, region)?,
        ..delete::Inventory::default()
    };
    let asked = delete::regions_to_ask(&deletion, &process.run);
    deletion.elsewhere = reading::enrolments(world, process, &asked);
    let mut destinations = BTreeMap::new();
    for region in watch::destinations(&instances, &deletion.snapshots, &process.run) {
        let copies = reading::snapshots(world, process, region.as_str(), Whose::Automated);
        destinations.insert(region, copies.map_err(|failure| failure.message));
    }
    if process.is_dead {
        return Err(Failure::killed());
    }
    let mut inventory = Inventory { instances, volumes, deletion, destinations, ..Inventory::default() };
    if let Some(mutant) = world.mutant {
        lens::watching(mutant, &mut inventory);
    }
    Ok(watch::plan(&inventory, &process.run))
}

/// There is nobody to send a digest to: the findings are in the report.
pub(super) fn apply(world: &mut World, process: &mut Process<'_>, plan: Plan<Notice>) {
    each(world, process, plan, |_, _, _, outcome| outcome.is_done = true);
}
