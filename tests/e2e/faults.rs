//! What goes wrong in AWS, on the way to it and in between, and what the jobs make of it.

mod answers;
mod buckets;
mod deadlines;
mod garbled;
mod guards;
mod healing;
mod races;
mod readings;
mod sets;
mod telling;

use std::collections::BTreeSet;

use snapkeeper_core::run::Job;
use snapkeeper_lambda::{Report, Told};
use snapkeeper_simulator::{Call, Config, FaultKind, Simulator, Snapshot, SnapshotState};
use snapkeeper_tests::{
    World,
    world::{START, instant},
};

use crate::peers::{HOME, WEST, automated, back_up, tag};

/// When the jobs of a busy account run.
const NOW: &str = "2026-11-28T06:00:00Z";
/// The jobs that change anything.
const CHANGING: [Job; 3] = [Job::Creator, Job::Copier, Job::Manager];

/// The simulated AWS of every world that says nothing else.
fn simulator() -> Simulator {
    Simulator::new(Config::starting(instant(START)))
}

/// A world in which each job has something to do at [`NOW`]: the creator one volume and one set to snapshot and four
/// snapshots to date, the copier five snapshots to copy, the manager one to delete.
async fn busy() -> World {
    busy_in(World::of(simulator())).await
}

/// Makes a world busy.
async fn busy_in(world: World) -> World {
    let operator = world.operator(HOME).await;
    operator.run_instance(&[], &[("Backup", "Yes"), ("Copy_Dest", WEST)]).await;
    let tags = [("Backup", "Yes"), ("Copy_Dest", WEST), ("Retention", "a while")];
    let pair = operator.run_instance(&["/dev/sdf"], &tags).await;
    back_up(&world, "2026-11-21T05:00:00Z").await;
    back_up(&world, "2026-11-22T05:00:00Z").await;
    operator.tag(&pair, "Retention", "30d").await;
    world.until(NOW).await;
    world.simulator().forget_calls();
    world
}

/// What is there, but for what failed, in words without the ids of snapshots: two worlds in which the same was done in
/// another order are alike, and a duplicate is a line twice.
fn state(world: &World) -> Vec<String> {
    let mut lines = Vec::new();
    for region in [HOME, WEST] {
        for Snapshot { state, mut tags, volume_id, .. } in automated(world, region) {
            if state == SnapshotState::Error {
                continue;
            }
            let copied = tags.remove("Source_SnapshotId").is_some();
            lines.push(format!("{region} {volume_id} copied: {copied} {tags:?}"));
        }
    }
    lines.sort_unstable();
    lines
}

/// The state in which a job without any fault leaves a busy world, and its report.
async fn undisturbed(job: Job) -> (Vec<String>, Report) {
    let world = busy().await;
    let before = state(&world);
    let report = world.run_well(job, HOME, NOW).await;
    assert_ne!(state(&world), before, "the {job} had something to do");
    (state(&world), report)
}

/// An error answer without effect.
pub(crate) fn status(status: u16, code: &str) -> FaultKind {
    FaultKind::Status { status, code: code.to_owned() }
}

/// An error answer although the call took effect.
pub(crate) fn status_after(status: u16, code: &str) -> FaultKind {
    FaultKind::StatusAfter { status, code: code.to_owned() }
}

/// The calls that change something.
fn changing(world: &World) -> Vec<Call> {
    let calls = world.simulator().calls().into_iter();
    calls.filter(|call| !call.action.starts_with("Describe")).collect()
}

/// The calls of an action.
fn made(world: &World, action: &str) -> Vec<Call> {
    world.simulator().calls().into_iter().filter(|call| call.action == action).collect()
}

/// The ids of what a report says was made.
fn told(report: &Report) -> BTreeSet<String> {
    report.applied.iter().flat_map(|step| step.made.iter().cloned()).collect()
}

/// What these are about.
fn resources(failed: &[Told]) -> BTreeSet<String> {
    failed.iter().map(|it| it.resource.clone()).collect()
}

/// Whether all of these have all the tags that their later life needs.
fn are_tagged(snapshots: &[Snapshot]) -> bool {
    let needed = ["Type", "DeleteOn", "Backup_Run", "Source_InstanceId", "Source_Region", "Source_Devices"];
    snapshots.iter().all(|snapshot| needed.iter().all(|key| tag(snapshot, key).is_some()))
}
