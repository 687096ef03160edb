//! Runs that end early: killed, cut off by their deadline, interrupted.

use std::time::Duration;

use snapkeeper_core::run::Job;
use snapkeeper_lambda::Deadline;
use snapkeeper_tests::mortal::{Death, Mortal};

use super::{
    A_WHILE, FUNCTION_TIME, NOW, Scene, THREE, after_the_next_run, all_run, asked, calls_of_a_quiet_run, config,
    in_context, is_whole, now, places, scene, scene_in, stop_all_of_john_and_jane, told_of_what_is_left, try_all,
};
use crate::peers::HOME;

/// The process is killed, and the schedule runs the creator half an hour later.
#[test]
fn a_run_that_is_killed_at_any_call_is_mended_by_the_next_run() {
    try_all("on demand, killed, and the next run", 56, &deaths(), async |death| {
        let scene = scene(THREE).await;
        killed(&scene, *death).await?;
        scene.has_no_duplicates_and_no_bare_snapshots()?;
        after_the_next_run(&scene).await
    });
}

/// The process is killed, and whoever ran it starts at once what it has stopped. What is still on its way down then is
/// waited for, or told of.
#[test]
fn a_run_that_is_killed_at_any_call_is_mended_by_hand() {
    try_all("on demand, killed, and recovered", 56, &deaths(), async |death| {
        let scene = scene(THREE).await;
        killed(&scene, *death).await?;
        let recovered = Box::pin(scene.world.recover(HOME, &now(&scene))).await;
        scene.world.pass(A_WHILE).await;
        if recovered.succeeded() {
            return scene.is_as_before();
        }
        let again = Box::pin(scene.world.recover(HOME, &now(&scene))).await;
        if !again.succeeded() {
            return Err(format!("recovered in vain: {:?}", again.failed));
        }
        scene.world.pass(A_WHILE).await;
        scene.is_as_before()
    });
}

/// The function has so many seconds.
#[test]
fn a_deadline_at_any_instant_leaves_no_instance_stopped_after_the_next_run() {
    let all: Vec<u64> = (1..=300).collect();
    try_all("on demand, cut off by the deadline", 300, &all, async |seconds| {
        let scene = scene_in(config(), THREE).await;
        let begun = tokio::time::Instant::now();
        let report = asked(&scene, Duration::from_secs(*seconds)).await;
        let took = begun.elapsed();
        if took > Duration::from_secs(*seconds) {
            return Err(format!("it took {took:?}: nobody would have read its report"));
        }
        scene.world.pass(A_WHILE).await;
        told_of_what_is_left(&scene, &report)?;
        scene.has_no_duplicates_and_no_bare_snapshots()?;
        after_the_next_run(&scene).await
    });
}

/// With a function's time all goes well, and nothing is stopped that could not be started.
#[test]
fn time_enough_leaves_nothing_to_a_later_run() {
    let all: Vec<u64> = (600..=900).step_by(60).collect();
    try_all("on demand, with time enough", 6, &all, async |seconds| {
        let scene = scene_in(config(), THREE).await;
        let report = asked(&scene, Duration::from_secs(*seconds)).await;
        scene.world.pass(A_WHILE).await;
        if !report.succeeded() {
            return Err(format!("{:?}, {:?}", report.failed, report.unfinished));
        }
        is_whole(&scene)?;
        scene.is_as_before()
    });
}

/// Ctrl-C at the terminal, at any half second. The process lives on until what it has stopped is started.
#[test]
fn an_interrupt_at_any_instant_leaves_no_instance_stopped() {
    let all: Vec<u64> = (0..=120).collect();
    try_all("on demand, interrupted", 120, &all, async |halves| {
        let scene = scene_in(config(), THREE).await;
        let context = scene.world.context(Job::Creator, HOME, NOW);
        let cancel = context.cancel.clone();
        let interrupt = async {
            tokio::time::sleep(Duration::from_millis(halves * 500)).await;
            cancel.cancel();
        };
        let (report, ()) = tokio::join!(in_context(&scene, context), interrupt);
        scene.world.pass(A_WHILE).await;
        all_run(&scene)?;
        scene.has_no_duplicates_and_no_bare_snapshots()?;
        if report.succeeded() {
            is_whole(&scene)?;
        }
        scene.is_as_before()
    });
}

/// Before and after each call.
fn deaths() -> Vec<Death> {
    places(&calls_of_a_quiet_run(THREE)).flat_map(|call| [false, true].map(|after| Death { call, after })).collect()
}

/// Asks for snapshots, and is killed.
async fn killed(scene: &Scene, death: Death) -> Result<(), String> {
    let mut context = scene.world.context(Job::Creator, HOME, NOW);
    context.deadline = Deadline::within(FUNCTION_TIME);
    let way = Mortal::new(death, scene.world.simulator().http_client());
    let payload = stop_all_of_john_and_jane();
    let run = scene.world.on_demand_in(context, &payload, Some(way.client()));
    match way.alive(run).await {
        None => Ok(()),
        Some(report) => Err(format!("it was not killed, for it made too few calls: {:?}", report.calls)),
    }
}
