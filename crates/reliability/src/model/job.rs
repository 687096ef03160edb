//! The jobs: each reads, plans by `core`, and carries the plan out as its crate does.

mod copier;
mod creator;
mod manager;
mod watcher;

use super::failure::{Failure, Kind};
use super::process::{Outcome, Process};
use super::world::World;
use crate::mutant::Mutant;
use crate::script::{Job, Run};
use snapkeeper_core::plan::{Action, Plan};

/// Starts a job, as its schedule does.
pub(super) fn start(world: &mut World, run: &Run) {
    world.pass_to(run.at);
    match run.job {
        Job::Creator => deliver(world, run, creator::plan, creator::apply),
        Job::Copier => deliver(world, run, copier::plan, copier::apply),
        Job::Manager => deliver(world, run, manager::plan, manager::apply),
        Job::Watcher => deliver(world, run, watcher::plan, watcher::apply),
    }
}

/// Delivers an event: once, or twice at once. Then both read and plan before either does anything.
fn deliver<A>(
    world: &mut World,
    start: &Run,
    plan: impl Fn(&mut World, &mut Process<'_>) -> Result<Plan<A>, Failure>,
    apply: impl Fn(&mut World, &mut Process<'_>, Plan<A>),
) {
    let began = world.truth.now;
    let deliveries = if start.twice { 2 } else { 1 };
    let mut planned = Vec::new();
    for nth in 0..deliveries {
        let Some(mut process) = Process::begin(world, start, nth == 0) else { return };
        let plan = plan(world, &mut process);
        planned.push((process, plan));
    }
    for (nth, (mut process, plan)) in planned.into_iter().enumerate() {
        world.at_once_since = (nth > 0).then_some(began);
        match plan {
            Ok(plan) => apply(world, &mut process, plan),
            // nobody hears of it
            Err(failure) if failure.kind == Kind::Killed => {}
            Err(failure) => process.told.failed.push((start.region.clone(), failure.message)),
        }
        process.end(world);
    }
    world.at_once_since = None;
}

/// Carries out a plan: each action on its own, none stopping another.
fn each<A: Action>(
    world: &mut World,
    process: &mut Process<'_>,
    plan: Plan<A>,
    mut act: impl FnMut(&mut World, &mut Process<'_>, A, &mut Outcome),
) {
    process.tell_plan(plan.kept, plan.findings, plan.refusals);
    let mut is_stopped = false;
    for action in plan.actions {
        let resource = action.resource();
        let mut outcome = Outcome::default();
        if is_stopped {
            outcome.failed(&resource, "stopped");
        } else if process.actions_left == 0 {
            outcome.unfinished(&resource, "no time left");
        } else {
            process.actions_left -= 1;
            act(world, process, action, &mut outcome);
        }
        if process.is_dead {
            return;
        }
        let has_failed = !outcome.failed.is_empty();
        process.tell_outcome(resource, outcome);
        if has_failed && world.mutant == Some(Mutant::OneFailureStopsTheRest) {
            return;
        }
        is_stopped |= has_failed && world.mutant == Some(Mutant::OneFailureStopsTheRestAndSaysSo);
    }
}
