//! Calls that are throttled: no tag is lost, nothing is made twice, and nothing stays stopped.

use serde_json::json;
use snapkeeper_core::run::Job;
use snapkeeper_lambda::Report;
use snapkeeper_simulator::{Fault, FaultKind, InstanceState, Rates};
use snapkeeper_tests::{policies, world::ACCOUNT};

use super::{A_WHILE, MARK, NOW, Scene, config, made, of, stop_all_of_john_and_jane};
use crate::peers::{HOME, calls_of, each_taken_once};

/// The calls that change something, and how many of each a run makes that nothing disturbs: of two instances that run
/// and one that is stopped, one of them with two volumes.
const CHANGES: [(&str, u64); 6] = [
    // each of them marked before, and once more when it is being stopped
    ("CreateTags", 4),
    ("StopInstances", 2),
    ("CreateSnapshots", 1),
    ("CreateSnapshot", 2),
    // each of them once as a dry run
    ("StartInstances", 4),
    ("DeleteTags", 2),
];

#[tokio::test(start_paused = true)]
async fn a_throttled_call_is_repeated_until_it_passes() {
    for (action, calls) in CHANGES {
        for times in [1, 3, 5] {
            let fault = Fault::new(action, FaultKind::Throttle).times(times);
            let (scene, report) = struck(fault).await;
            let what = format!("{action} throttled {times} times");
            assert!(report.succeeded(), "{what}: {:?}", report.failed);
            // a volume alone on its instance may be taken by the other action while the one is throttled
            let by_the_other =
                if action == "CreateSnapshot" { calls_of(&report, "CreateSnapshots").saturating_sub(1) } else { 0 };
            assert_eq!(calls_of(&report, action) + by_the_other, calls + u64::from(times), "{what}");
            check(&scene, &what);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_calls_that_change_something_throttled_at_once() {
    let scene = Scene::set().await;
    for (action, _) in CHANGES {
        scene.world.simulator().inject(Fault::new(action, FaultKind::Throttle).times(4));
    }
    let report = scene.ask(stop_all_of_john_and_jane()).await;
    scene.world.pass(A_WHILE).await;
    assert!(report.succeeded(), "{:?}", report.failed);
    check(&scene, "all");
}

/// What is throttled for ever fails alone: the instance is started, or was never stopped.
#[tokio::test(start_paused = true)]
async fn what_is_throttled_for_ever_stops_nothing_for_long() {
    for action in ["CreateTags", "StopInstances", "CreateSnapshots"] {
        let scene = Scene::set().await;
        let web_1 = scene.id("web-1");
        scene.world.simulator().inject(Fault::new(action, FaultKind::Throttle).on(web_1).always());
        let report = scene.ask(stop_all_of_john_and_jane()).await;
        assert!(report.failed.iter().any(|it| it.resource == web_1), "{action}: {:?}", report.failed);
        scene.world.pass(A_WHILE).await;
        assert_eq!(scene.is_as_before(), Ok(()), "{action}");
        assert_eq!(scene.count().into_keys().collect::<Vec<_>>(), ["db", "web-2"], "{action}");
        assert_eq!(scene.has_no_duplicates_and_no_bare_snapshots(), Ok(()), "{action}");
    }
}

/// Another tool has used the account's rates up, of every call that changes something.
#[tokio::test(start_paused = true)]
async fn a_storm_passes_and_all_run_again() {
    let mut config = config();
    config.rates = Rates::Aws;
    let world = of(config);
    let instances =
        world.operator(HOME).await.run_instances(60, &["/dev/sdf"], &[("Env", "PROD"), ("Name", "one")]).await;
    world.until(NOW).await;
    let nobody = "i-00000000";
    for (action, name) in [
        ("CreateTags", "ResourceId.1"),
        ("StopInstances", "InstanceId.1"),
        ("CreateSnapshots", "InstanceSpecification.InstanceId"),
        ("StartInstances", "InstanceId.1"),
        ("DeleteTags", "ResourceId.1"),
    ] {
        for _ in 0..100 {
            let tag = [(name, nobody), ("Tag.1.Key", "x")];
            let parameters = if name == "ResourceId.1" { &tag[..] } else { &tag[..1] };
            assert!(world.simulator().call("ec2", HOME, action, parameters).is_err(), "{action}");
        }
    }
    world.simulator().forget_calls();
    let report = world.on_demand(HOME, NOW, &json!({ "tags": {"tag:Env": "PROD"}, "stop": true })).await;
    assert!(report.succeeded(), "{:?}", report.failed);
    let its_own = policies::access_key(Job::Creator, HOME);
    let calls = world.simulator().calls().into_iter().filter(|call| call.caller == its_own);
    let throttled = calls.filter(|call| format!("{:?}", call.answer).contains("RequestLimitExceeded")).count();
    assert!(throttled > 0, "it was no storm");
    assert_eq!(report.applied.len(), 60);
    assert!(each_taken_once(&world, NOW, 120));
    let is_tagged = |key: &str| world.simulator().snapshots(ACCOUNT, HOME).iter().all(|it| it.tags.contains_key(key));
    assert!(["Type", "Scripted", "DeleteOn", "Backup_Run", "Source_InstanceId"].into_iter().all(is_tagged));
    world.pass(A_WHILE).await;
    let there = world.simulator().instances(ACCOUNT, HOME);
    assert_eq!(there.len(), instances.len());
    assert!(there.iter().all(|it| it.state == InstanceState::Running && !it.tags.contains_key(MARK)));
}

/// What comes of a run that this strikes, and what it leaves.
async fn struck(fault: Fault) -> (Scene, Report) {
    let scene = Scene::set().await;
    scene.world.simulator().inject(fault);
    let report = scene.ask(stop_all_of_john_and_jane()).await;
    scene.world.pass(A_WHILE).await;
    (scene, report)
}

/// Each volume was taken once, with all its tags, and all is as before.
#[track_caller]
fn check(scene: &Scene, what: &str) {
    assert_eq!(scene.is_as_before(), Ok(()), "{what}");
    assert_eq!(scene.has_no_duplicates_and_no_bare_snapshots(), Ok(()), "{what}");
    assert_eq!(scene.count().into_iter().collect::<Vec<_>>(), [("db", 1), ("web-1", 2), ("web-2", 1)], "{what}");
    assert!(made(scene, "StartInstances") >= 2, "{what}");
}
