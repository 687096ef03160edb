//! Readings that lag behind: what was marked, stopped or started a moment ago is not yet seen so.

use std::time::Duration;

use snapkeeper_simulator::{Config, Fault, FaultKind};

use super::{
    A_WHILE, FUNCTION_TIME, Scene, THREE, after_the_next_run, all_run, asked, calls_of_a_quiet_run, each, is_whole,
    key, quick, scene_in, told_of_what_is_left, try_all,
};

/// By how many seconds: less than a step of the run takes, as long as an instance takes to stop, and more than the
/// whole run.
const LAGS: [u64; 3] = [3, 7, 60];

/// An AWS as the others of these tests have it, whose readings may lag behind.
pub(super) fn remembering() -> Config {
    let mut config = quick();
    config.remembers = Duration::from_mins(3);
    config
}

/// Readings by runs that lag so many seconds behind.
pub(super) fn lagging(seconds: u64) -> Fault {
    Fault::any(FaultKind::Stale(Duration::from_secs(seconds))).by(&key())
}

/// One reading, by each lag.
#[test]
fn a_reading_that_lags_behind_leaves_no_instance_stopped() {
    try_all("on demand, one reading lags behind", 50, &positions(), async |(lag, call)| {
        check(lagging(*lag).after(*call)).await
    });
}

/// One reading and all that come after it, by each lag. Where a run cannot see its mark it stops nothing.
#[test]
fn readings_that_lag_behind_from_then_on_leave_no_instance_stopped() {
    try_all("on demand, readings lag behind from then on", 50, &positions(), async |(lag, call)| {
        check(lagging(*lag).after(*call).always()).await
    });
}

/// Each lag at each reading of a run. What is no reading cannot lag behind.
fn positions() -> Vec<(u64, u32)> {
    let calls = (0..).zip(calls_of_a_quiet_run(THREE));
    let readings: Vec<u32> = calls.filter(|(_, action)| action.starts_with("Describe")).map(|(call, _)| call).collect();
    each(&LAGS, readings.into_iter())
}

/// All run when the run is over. That one is told to have failed that has not is no harm: a reading may say so.
async fn check(fault: Fault) -> Result<(), String> {
    let scene: Scene = scene_in(remembering(), THREE).await;
    scene.world.simulator().inject(fault);
    let report = asked(&scene, FUNCTION_TIME).await;
    scene.world.simulator().clear_faults();
    scene.world.pass(A_WHILE).await;
    all_run(&scene)?;
    scene.has_no_duplicates_and_no_bare_snapshots()?;
    if report.succeeded() {
        is_whole(&scene)?;
    }
    told_of_what_is_left(&scene, &report)?;
    after_the_next_run(&scene).await
}
