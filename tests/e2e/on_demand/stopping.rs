//! Instances that are stopped before and started after: what runs, runs again, and what cannot be stopped is not touched.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use snapkeeper_core::{plan::FindingKind, run::Job};
use snapkeeper_lambda::{Deadline, Report};
use snapkeeper_simulator::{Call, Fault, FaultKind, InstanceState};
use snapkeeper_tests::World;

use super::{A_WHILE, MARK, NOW, STOP_TIME, Scene, config, made, of, stop_all_of_john_and_jane};
use crate::peers::HOME;

/// Long after a run that was killed at [`NOW`] can be alive.
const LATER: &str = "2026-11-21T05:31:00Z";

#[tokio::test(start_paused = true)]
async fn it_is_marked_stopped_taken_started_and_unmarked_and_no_longer_down_than_that_takes() {
    let scene = Scene::set().await;
    let report = scene.ask(json!({ "instances": [scene.id("web-1")], "stop": true })).await;
    assert!(report.succeeded(), "{:?}", report.failed);
    let calls = scene.world.simulator().calls();
    let steps: Vec<&Call> = calls.iter().filter(|call| !call.action.starts_with("Describe")).collect();
    let actions: Vec<&str> = steps.iter().map(|call| call.action.as_str()).collect();
    // the first StartInstances is a dry run: what could not be started again is not stopped; and the second mark is for
    // what another run may have taken off
    let (before, after) =
        (["CreateTags", "StartInstances", "StopInstances"], ["CreateTags", "CreateSnapshots", "StartInstances"]);
    assert_eq!(actions, [&before[..], &after, &["DeleteTags"]].concat());
    let between = |one: usize, other: usize| steps[other].at - steps[one].at;
    let stop_time = TimeDelta::from_std(STOP_TIME).expect("a short time");
    assert!(between(2, 4) >= stop_time, "it had stopped when it was taken: {}", between(2, 4));
    assert!(between(2, 4) <= stop_time + TimeDelta::seconds(20), "and not long: {}", between(2, 4));
    assert!(between(4, 5) <= TimeDelta::seconds(2), "nobody waited for completion: {}", between(4, 5));
    scene.world.pass(A_WHILE).await;
    assert_eq!(scene.is_as_before(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn what_was_stopped_before_stays_stopped_and_what_runs_runs_again() {
    let scene = Scene::set().await;
    let report = scene.ask(stop_all_of_john_and_jane()).await;
    assert!(report.succeeded(), "{:?}", report.failed);
    assert_eq!((made(&scene, "StopInstances"), made(&scene, "StartInstances")), (2, 4), "two of them dry");
    assert_eq!(made(&scene, "DeleteTags"), 2);
    for name in ["web-1", "web-2"] {
        let state = scene.look(name).state;
        assert!(matches!(state, InstanceState::Pending | InstanceState::Running), "{name} is {state:?} at the end");
    }
    scene.world.pass(A_WHILE).await;
    assert_eq!(scene.is_as_before(), Ok(()));
    assert_eq!(scene.taken().len(), 4);
    assert_eq!(scene.has_no_duplicates_and_no_bare_snapshots(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stopped_is_an_error_and_not_touched() {
    let world = of(config());
    let operator = world.operator(HOME).await;
    let tags = [("Env", "PROD"), ("Name", "one of many")];
    let plain = operator.run_instance(&[], &tags).await;
    let spot = operator.run_spot_instance(&tags).await;
    let store = operator.run_instance_of_instance_store(&tags).await;
    world.pass(A_WHILE).await;
    world.until(NOW).await;
    world.simulator().forget_calls();
    let report = world.on_demand(HOME, NOW, &json!({ "tags": {"tag:Env": "PROD"}, "stop": true })).await;
    let mut failed: Vec<&str> = report.failed.iter().map(|it| it.resource.as_str()).collect();
    failed.sort_unstable();
    let mut expected = [spot.as_str(), store.as_str()];
    expected.sort_unstable();
    assert_eq!(failed, expected, "{:?}", report.failed);
    assert_eq!(report.applied.iter().map(|it| it.resource.as_str()).collect::<Vec<_>>(), [plain]);
    let names = |call: &Call, id: &str| call.params.iter().any(|(_, value)| value == id);
    for call in world.simulator().calls().iter().filter(|call| !call.action.starts_with("Describe")) {
        assert!(!names(call, &spot) && !names(call, &store), "{call:?}");
    }

    // and as they run, they are taken
    let at = "2026-11-21T05:10:00Z";
    world.until(at).await;
    let report = world.on_demand(HOME, at, &json!({ "instances": [spot, store] })).await;
    assert!(report.succeeded() && report.applied.len() == 2, "{:?}", report.failed);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_is_an_error_and_not_touched() {
    for stop in [false, true] {
        let scene = Scene::set().await;
        let operator = scene.world.operator(HOME).await;
        operator.stop(scene.id("web-2")).await;
        operator.start(scene.id("db")).await;
        scene.world.simulator().forget_calls();
        let ids = [scene.id("web-1"), scene.id("web-2"), scene.id("db")];
        let report = scene.ask(json!({ "instances": ids, "stop": stop })).await;
        assert_eq!(report.applied.len(), 1, "{:?}", report.applied);
        let told = format!("{:?}", report.failed);
        assert!(told.contains(ids[1]) && told.contains(ids[2]), "{told}");
        assert_eq!(scene.count().into_keys().collect::<Vec<_>>(), ["web-1"]);
        scene.world.pass(A_WHILE).await;
        assert_eq!(scene.look("web-2").state, InstanceState::Stopped, "whoever stopped it wanted it so");
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_run_has_stopped_is_an_error_and_not_touched() {
    let scene = Scene::set().await;
    let operator = scene.world.operator(HOME).await;
    operator.tag(scene.id("db"), MARK, "2026-11-21T04:59:00Z").await;
    scene.world.simulator().forget_calls();
    for mode in ["stop", "stopped", "verbose"] {
        let report = scene.ask(json!({ "instances": [scene.id("db")], mode: true })).await;
        assert!(report.failed.iter().any(|it| it.resource == scene.id("db")), "{mode}: {:?}", report.failed);
    }
    let calls = scene.world.simulator().calls();
    assert!(calls.iter().all(|call| call.action.starts_with("Describe")), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_marked_is_not_stopped() {
    for kind in [FaultKind::Deny, FaultKind::Throttle, FaultKind::CutBefore] {
        let scene = Scene::set().await;
        let web_1 = scene.id("web-1");
        scene.world.simulator().inject(Fault::new("CreateTags", kind.clone()).on(web_1).always());
        let report = scene.ask(stop_all_of_john_and_jane()).await;
        assert!(report.failed.iter().any(|it| it.resource == web_1), "{kind:?}: {:?}", report.failed);
        assert_eq!((made(&scene, "StopInstances"), made(&scene, "StartInstances")), (1, 2), "{kind:?}: the other one");
        scene.world.simulator().clear_faults();
        scene.world.pass(A_WHILE).await;
        assert_eq!(scene.is_as_before(), Ok(()), "{kind:?}");
        assert_eq!(scene.count().get("web-1"), None, "{kind:?}: as it was asked for, or not at all");
    }
}

/// The stack's parameter `AllowStop` is `false` unless somebody says otherwise.
#[tokio::test(start_paused = true)]
async fn a_creator_that_may_not_stop_stops_nothing_and_says_so() {
    let scene = Scene::set_in(World::of(snapkeeper_simulator::Simulator::new(config()))).await;
    let report = scene.ask(stop_all_of_john_and_jane()).await;
    assert_eq!(report.failed.len(), 2, "{:?}", report.failed);
    assert!(report.failed.iter().all(|it| it.cause.contains("UnauthorizedOperation")), "{:?}", report.failed);
    assert_eq!(scene.is_as_before(), Ok(()));
    assert_eq!(scene.count().into_keys().collect::<Vec<_>>(), ["db"]);
    // nor does it need to
    let report = scene.world.on_demand(HOME, LATER, &json!({ "tags": {"tag:Name": "web-*"} })).await;
    assert!(report.succeeded(), "{:?}", report.failed);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_refused_costs_no_instance_its_start() {
    for code in ["IncorrectState", "UnauthorizedOperation", "SnapshotLimitExceeded"] {
        let scene = Scene::set().await;
        for volume in scene.look("web-1").devices.values() {
            scene.world.simulator().refuse_snapshots_of(volume, code);
        }
        let report = scene.ask(stop_all_of_john_and_jane()).await;
        assert!(!report.succeeded(), "{code}");
        assert!(report.failed.iter().all(|it| it.cause.contains(code)), "{code}: {:?}", report.failed);
        scene.world.pass(A_WHILE).await;
        assert_eq!(scene.is_as_before(), Ok(()), "{code}");
        assert_eq!(scene.count().into_keys().collect::<Vec<_>>(), ["db", "web-2"], "{code}");
    }
}

/// One that hangs for an hour on its way down.
#[tokio::test(start_paused = true)]
async fn what_is_still_stopping_when_time_is_over_is_started_by_a_later_run() {
    let mut config = config();
    config.stop_time = Duration::from_hours(1);
    // the stopped one of the scene is long stopped
    let scene = Scene::set_in(of(config)).await;
    scene.world.pass(Duration::from_hours(1)).await;
    let mut context = scene.world.context(Job::Creator, HOME, "2026-11-21T06:00:00Z");
    context.deadline = Deadline::within(Duration::from_mins(15));
    let report = scene.world.on_demand_in(context, &stop_all_of_john_and_jane(), None).await;
    assert!(!report.succeeded());
    for name in ["web-1", "web-2"] {
        let told: Vec<_> = report.failed.iter().filter(|it| it.resource == scene.id(name)).collect();
        assert!(!told.is_empty(), "{name}: {:?}, {:?}", report.failed, report.unfinished);
        assert!(scene.look(name).tags.contains_key(MARK), "{name}");
    }
    scene.world.until("2026-11-21T07:30:00Z").await;
    let next = scene.world.run(Job::Creator, HOME, "2026-11-21T07:30:00Z").await;
    assert!(next.failed.is_empty(), "{:?}", next.failed);
    scene.world.pass(A_WHILE).await;
    assert_eq!(scene.is_as_before(), Ok(()));
}

/// Whoever does it wants it so, and nobody waits for ever.
#[tokio::test(start_paused = true)]
async fn an_instance_that_is_terminated_meanwhile_ends_nothing_but_its_own_part() {
    for after in [5, 25, 31, 33] {
        let scene = Scene::set().await;
        let terminate = async {
            tokio::time::sleep(Duration::from_secs(after)).await;
            scene.world.operator(HOME).await.terminate(scene.id("web-1")).await;
        };
        let asked = tokio::time::timeout(Duration::from_hours(1), scene.ask(stop_all_of_john_and_jane()));
        let (report, ()) = tokio::join!(asked, terminate);
        report.unwrap_or_else(|_| panic!("after {after} s: it never ends"));
        scene.world.pass(A_WHILE).await;
        let web_2 = scene.look("web-2");
        assert_eq!((web_2.state, web_2.tags.get(MARK)), (InstanceState::Running, None), "after {after} s");
        assert_eq!(scene.count().get("web-2"), Some(&1), "after {after} s");
    }
}

/// Its owner stops it after the plan was made, before it is marked or before it is stopped.
#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_stopped_meanwhile_stays_stopped() {
    for action in ["DescribeSnapshots", "CreateTags"] {
        let scene = Scene::set().await;
        let slow = Fault::new(action, FaultKind::Slow(Duration::from_secs(20)));
        scene.world.simulator().inject(slow);
        let stop = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            scene.world.operator(HOME).await.stop(scene.id("web-2")).await;
        };
        let (report, ()) = tokio::join!(scene.ask(json!({ "instances": [scene.id("web-2")], "stop": true })), stop);
        let told = format!("{:?}", report.failed);
        assert!(told.contains("somebody") && told.contains(scene.id("web-2")), "{action}: {told}");
        scene.world.pass(A_WHILE).await;
        let web_2 = scene.look("web-2");
        assert_eq!((web_2.state, web_2.tags.get(MARK)), (InstanceState::Stopped, None), "{action}");
        assert!(scene.taken().is_empty(), "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_run_marks_meanwhile_is_left_to_it() {
    let scene = Scene::set().await;
    let theirs = "2026-11-21T05:00:05Z another";
    scene.world.simulator().inject(Fault::new("CreateTags", FaultKind::Slow(Duration::from_secs(20))));
    let mark = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        scene.world.operator(HOME).await.tag(scene.id("web-2"), MARK, theirs).await;
    };
    let (report, ()) = tokio::join!(scene.ask(json!({ "instances": [scene.id("web-2")], "stop": true })), mark);
    assert!(format!("{:?}", report.failed).contains("another run is at it"), "{:?}", report.failed);
    assert_eq!(made(&scene, "StopInstances"), 0);
    assert_eq!(scene.look("web-2").tags.get(MARK).map(String::as_str), Some(theirs));
}

#[tokio::test(start_paused = true)]
async fn the_next_scheduled_run_starts_what_a_run_that_was_killed_has_stopped() {
    let scene = abandoned("2026-11-21T04:59:00Z").await;
    let report = scheduled(&scene, "2026-11-21T05:28:00Z").await;
    assert!(report.succeeded(), "{:?}", report.failed);
    assert_eq!(scene.look("web-2").state, InstanceState::Stopped, "the run may still live");
    let found: Vec<_> = report.findings.iter().map(|it| (it.kind, it.resource.as_str())).collect();
    assert_eq!(found, [(FindingKind::LeftStopped, scene.id("web-2"))], "and that is told");
    let watched = scene.world.run_well(Job::Watcher, HOME, "2026-11-21T05:28:00Z").await;
    assert!(watched.findings.iter().any(|it| it.kind == FindingKind::LeftStopped), "{:?}", watched.findings);
    assert!(each_taken_of_web_1(&scene, "2026-11-21T05:28:00Z"));

    let report = scheduled(&scene, LATER).await;
    assert!(report.succeeded() && report.findings.is_empty(), "{:?}, {:?}", report.failed, report.findings);
    assert!(report.applied.iter().any(|step| step.resource == scene.id("web-2")), "{:?}", report.applied);
    assert!(each_taken_of_web_1(&scene, LATER));
    scene.world.pass(A_WHILE).await;
    assert_eq!(scene.is_as_before(), Ok(()));
    assert!(!scene.count().contains_key("web-2"), "nobody has asked this run for a snapshot");
}

#[tokio::test(start_paused = true)]
async fn an_operator_need_not_wait_for_it() {
    let scene = abandoned(NOW).await;
    let report = scene.world.recover(HOME, "2026-11-21T05:00:10Z").await;
    assert!(report.succeeded(), "{:?}", report.failed);
    scene.world.pass(A_WHILE).await;
    assert_eq!(scene.is_as_before(), Ok(()));
    assert!(scene.taken().is_empty(), "it takes nothing");
    let again = scene.world.recover(HOME, "2026-11-21T05:01:00Z").await;
    assert!(again.succeeded() && again.applied.is_empty(), "{:?}", again.applied);
}

#[tokio::test(start_paused = true)]
async fn what_runs_loses_its_mark_when_it_was_started_for_certain() {
    let scene = Scene::set().await;
    scene.world.operator(HOME).await.tag(scene.id("web-2"), MARK, "2026-11-21T04:00:00Z").await;
    scene.world.simulator().forget_calls();
    let report = scheduled(&scene, LATER).await;
    assert!(report.succeeded(), "{:?}", report.failed);
    // to start what runs does nothing, and a reading that says so may be old
    assert_eq!((made(&scene, "DeleteTags"), made(&scene, "StartInstances")), (1, 1));
    assert_eq!(scene.is_as_before(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_starts_nothing() {
    let scene = abandoned("2026-11-21T04:00:00Z").await;
    scene.world.until(LATER).await;
    let report = scene.world.dry_run(Job::Creator, HOME, LATER).await;
    assert!(report.planned.iter().any(|step| step.resource == scene.id("web-2")), "{:?}", report.planned);
    assert_eq!((scene.look("web-2").state, made(&scene, "StartInstances")), (InstanceState::Stopped, 0));
}

/// A mark that is old, and a call that fails: backups are taken all the same, and the run fails.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_recovered_stops_no_backup_and_fails_the_run() {
    for action in ["StartInstances", "DeleteTags"] {
        let scene = abandoned("2026-11-21T04:00:00Z").await;
        scene.world.simulator().inject(Fault::new(action, FaultKind::Deny).always());
        scene.world.until(LATER).await;
        let mut context = scene.world.context(Job::Creator, HOME, LATER);
        context.deadline = Deadline::within(Duration::from_mins(15));
        let report = scene.world.run_in(&context).await;
        assert!(!report.succeeded(), "{action}");
        assert!(each_taken_of_web_1(&scene, LATER), "{action}: {:?}", report.failed);
        scene.world.simulator().clear_faults();
        let after = "2026-11-21T06:30:00Z";
        let report = scheduled(&scene, after).await;
        assert!(report.succeeded(), "{action}: {:?}", report.failed);
        scene.world.pass(A_WHILE).await;
        assert_eq!(scene.is_as_before(), Ok(()), "{action}");
    }
}

/// A scene in which a run has been killed that had stopped `web-2`, marked at this instant.
async fn abandoned(mark: &str) -> Scene {
    let scene = Scene::set().await;
    let operator = scene.world.operator(HOME).await;
    operator.tag(scene.id("web-2"), MARK, mark).await;
    operator.stop(scene.id("web-2")).await;
    scene.world.pass(STOP_TIME).await;
    scene.world.simulator().forget_calls();
    scene
}

/// The creator as its schedule runs it.
async fn scheduled(scene: &Scene, at: &str) -> Report {
    scene.world.until(at).await;
    Box::pin(scene.world.run(Job::Creator, HOME, at)).await
}

/// Whether a run has backed up the one instance that is enrolled.
fn each_taken_of_web_1(scene: &Scene, at: &str) -> bool {
    let taken = crate::peers::taken(&scene.world, at);
    let its_own = scene.look("web-1").devices;
    its_own.len() == 2 && its_own.values().all(|volume| taken[volume] == 1)
}
