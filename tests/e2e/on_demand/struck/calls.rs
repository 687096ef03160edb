//! Calls that go wrong: each of a run, by each kind of fault, once and from then on.

use std::time::Duration;

use snapkeeper_simulator::{Fault, FaultKind};

use super::{
    A_WHILE, FUNCTION_TIME, Scene, THREE, TWO, after_the_next_run, all_run, asked, calls_of_a_quiet_run, config, each,
    is_whole, key, of, places, scene, told_of_what_is_left, try_all,
};
use crate::faults::{status, status_after};

/// Each kind of fault at each call, once.
#[test]
fn a_fault_at_any_call_leaves_no_instance_stopped() {
    let kinds = [
        FaultKind::Throttle,
        FaultKind::Deny,
        FaultKind::CutBefore,
        FaultKind::CutAfter,
        status(500, "InternalError"),
        status(503, "Unavailable"),
        status_after(500, "InternalError"),
        FaultKind::Slow(Duration::from_mins(1)),
        FaultKind::Late(Duration::from_secs(3)),
    ];
    let positions = each(&kinds, places(&calls_of_a_quiet_run(THREE)));
    try_all("on demand, struck once", 250, &positions, async |(kind, call)| {
        let scene = scene(THREE).await;
        scene.world.simulator().inject(Fault::any(kind.clone()).after(*call).by(&key()));
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
    });
}

/// Each kind of fault at each call and all that come after it, until the run is over.
#[test]
fn trouble_that_lasts_leaves_no_instance_stopped_after_the_next_run() {
    let kinds = [
        FaultKind::Throttle,
        FaultKind::Deny,
        FaultKind::CutBefore,
        FaultKind::CutAfter,
        status(500, "InternalError"),
        status(503, "Unavailable"),
        status_after(500, "InternalError"),
    ];
    let positions = each(&kinds, places(&calls_of_a_quiet_run(TWO)));
    try_all("on demand, struck from then on", 120, &positions, async |(kind, call)| {
        let scene = scene(TWO).await;
        scene.world.simulator().inject(Fault::any(kind.clone()).after(*call).by(&key()).always());
        let report = asked(&scene, FUNCTION_TIME).await;
        scene.world.simulator().clear_faults();
        scene.world.pass(A_WHILE).await;
        scene.has_no_duplicates_and_no_bare_snapshots()?;
        told_of_what_is_left(&scene, &report)?;
        after_the_next_run(&scene).await
    });
}

/// Every second call is struck.
#[test]
fn trouble_that_comes_and_goes_leaves_no_instance_stopped() {
    let kinds = [FaultKind::Throttle, FaultKind::CutBefore, FaultKind::CutAfter, status(500, "InternalError")];
    let positions = each(&kinds, 0..8);
    try_all("on demand, struck again and again", 32, &positions, async |(kind, seed)| {
        let mut config = config();
        config.seed = u64::from(*seed);
        let scene = Scene::set_in(of(config)).await;
        scene.world.simulator().inject(Fault::any(kind.clone()).one_in(2).always().by(&key()));
        let report = asked(&scene, FUNCTION_TIME).await;
        scene.world.simulator().clear_faults();
        scene.world.pass(A_WHILE).await;
        told_of_what_is_left(&scene, &report)?;
        after_the_next_run(&scene).await
    });
}
