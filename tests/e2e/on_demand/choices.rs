//! Each way to choose instances and to say how they are taken, alone and together.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::{Value, json};
use snapkeeper_core::run::Job;
use snapkeeper_simulator::{InstanceState, Snapshot};
use snapkeeper_tests::world::ACCOUNT;

use super::{MARK, NOW, Scene, made};
use crate::peers::{HOME, LONG_AFTER, deleted, standing, tag};

#[tokio::test(start_paused = true)]
async fn tags_choose_as_in_filters_of_ec2() {
    check(json!({ "tags": {"tag:Env": "PROD"} }), &[("db", 1), ("web-1", 2)]).await;
    check(json!({ "tags": {"tag:Env": ["PROD", "TEST"]} }), &[("db", 1), ("web-1", 2), ("web-2", 1)]).await;
    check(json!({ "tags": {"tag:Name": "web-*"} }), &[("web-1", 2), ("web-2", 1)]).await;
    check(json!({ "tags": {"tag:Name": "web-?", "tag:Env": "*ES*"} }), &[("web-2", 1)]).await;
    check(json!({ "tags": {"tag:Env": "PROD", "tag:Owner": "John"} }), &[("web-1", 2)]).await;
    check(json!({ "tags": {"tag:Env": "prod"} }), &[]).await;
}

#[tokio::test(start_paused = true)]
async fn ids_choose_and_with_tags_both_must_hold() {
    let ids = Scene::set().await.ids;
    // the same world has the same ids each time
    check(json!({ "instances": [ids["other"]] }), &[("other", 1)]).await;
    check(json!({ "instances": [ids["db"], ids["web-2"], ids["db"]] }), &[("db", 1), ("web-2", 1)]).await;
    check(json!({ "instances": [ids["web-1"]], "tags": {"tag:Env": "PROD"} }), &[("web-1", 2)]).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_named_but_lacks_a_tag_is_left_alone_and_that_is_told() {
    for more in [json!({}), json!({ "stop": true }), json!({ "dry_run": true })] {
        let scene = Scene::set().await;
        let [web_1, web_2, db] = ["web-1", "web-2", "db"].map(|name| scene.id(name));
        let tags = json!({"tag:Owner": "John", "tag:Env": ["PROD", "DEV"]});
        let report = scene.ask(with(json!({ "instances": [web_1, web_2, db], "tags": tags }), more.clone())).await;
        assert!(report.succeeded(), "{more}: {:?}", report.failed);
        let steps = if report.dry_run || more["dry_run"] == true { &report.planned } else { &report.applied };
        assert_eq!(steps.iter().map(|step| step.resource.as_str()).collect::<Vec<_>>(), [web_1], "{more}");
        let mut kept: Vec<(&str, &str)> = report.kept.iter().map(|it| (&*it.resource, &*it.cause)).collect();
        kept.sort_unstable();
        let mut expected = vec![
            (web_2, "not tagged Env=PROD or DEV, as was asked for"),
            (db, "not tagged Owner=John, as was asked for"),
        ];
        expected.sort_unstable();
        assert_eq!(kept, expected, "{more}");
        scene.world.pass(super::A_WHILE).await;
        assert_eq!(scene.is_as_before(), Ok(()), "{more}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_not_enrolled_and_whoever_opted_out_is_taken_when_asked_for() {
    let scene = Scene::set().await;
    scene.world.operator(HOME).await.tag(scene.id("other"), "Backup", "No").await;
    scene.ask(json!({ "instances": [scene.id("other")] })).await;
    assert_eq!(scene.count(), BTreeMap::from([("other", 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_is_left_out_is_left_out_here_as_well() {
    let scene = Scene::set().await;
    let operator = scene.world.operator(HOME).await;
    let data = operator.volumes(scene.id("web-1")).await.remove("/dev/sdf").expect("a volume");
    operator.tag(&data, "Backup", "No").await;
    scene.ask(json!({ "instances": [scene.id("web-1")] })).await;
    let taken = scene.taken();
    assert_eq!(taken.len(), 1);
    assert_ne!(taken[0].volume_id, data);
}

#[tokio::test(start_paused = true)]
async fn a_set_is_of_one_call_and_so_of_one_moment() {
    let scene = Scene::set().await;
    scene.ask(json!({ "instances": [scene.id("web-1")] })).await;
    assert_eq!((made(&scene, "CreateSnapshots"), made(&scene, "CreateSnapshot")), (1, 0));
    let taken = scene.taken();
    assert!(taken.iter().all(|snapshot| snapshot.start_time == taken[0].start_time));
}

#[tokio::test(start_paused = true)]
async fn snapshots_have_the_tags_of_any_other_and_scripted() {
    for (more, expected) in [
        (json!({}), Some(3)),
        (json!({ "retention": "30d" }), Some(30)),
        (json!({ "protected": true }), None),
        (json!({ "stop": true, "retention": "2w" }), Some(14)),
        (json!({ "stop": true, "protected": true, "label": "x", "verbose": true }), None),
    ] {
        let scene = Scene::set().await;
        let report = scene.ask(with(json!({ "instances": [scene.id("web-1")] }), more.clone())).await;
        assert!(report.succeeded(), "{more}: {:?}", report.failed);
        let taken = scene.taken();
        assert_eq!(taken.len(), 2, "{more}");
        for snapshot in taken {
            let is = |key: &str, value: &str| assert_eq!(tag(&snapshot, key), Some(value), "{more}: {key}");
            is("Type", "Automated");
            is("Scripted", "Yes");
            is("Backup_Run", NOW);
            is("Source_InstanceId", scene.id("web-1"));
            is("Source_Region", HOME);
            is("Name", "web-1");
            assert!(tag(&snapshot, "Source_Devices").is_some(), "{more}");
            assert!(tag(&snapshot, "Backup_Request").is_some(), "{more}");
            assert_eq!(days(&snapshot), expected, "{more}");
            let held = expected.is_none().then_some("Protected");
            assert_eq!(tag(&snapshot, "State"), held, "{more}");
            assert_eq!(tag(&snapshot, "KeepForever"), held.map(|_| "Yes"), "{more}");
        }
        assert_eq!(scene.look("web-1").tags.get(MARK), None, "{more}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_tag_of_its_own_an_instance_has_the_default_retention() {
    let scene = Scene::set().await;
    scene.ask(json!({ "instances": [scene.id("db")] })).await;
    assert_eq!(scene.taken().iter().map(days).collect::<Vec<_>>(), [Some(7)]);
}

#[tokio::test(start_paused = true)]
async fn a_label_stands_in_the_descriptions() {
    let scene = Scene::set().await;
    scene.ask(json!({ "tags": {"tag:Name": "web-*"}, "label": "before upgrade" })).await;
    let taken = scene.taken();
    assert_eq!(taken.len(), 3);
    for Snapshot { description, .. } in taken {
        assert!(description.contains("before upgrade") && description.contains("web-"), "{description}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_where_it_is_stopped_already() {
    let scene = Scene::set().await;
    let report = scene.ask(json!({ "tags": {"tag:Env": "PROD"}, "stopped": true })).await;
    assert_eq!(scene.count(), BTreeMap::from([("db", 1)]));
    assert_eq!(report.failed.len(), 1, "{:?}", report.failed);
    assert_eq!(report.failed[0].resource, scene.id("web-1"), "an error is flagged for the one that runs");
    assert_eq!((made(&scene, "StopInstances"), made(&scene, "StartInstances"), made(&scene, "CreateTags")), (0, 0, 0));
    assert_eq!(scene.is_as_before(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_what_the_run_does_and_changes_nothing() {
    for payload in [json!({ "tags": {"tag:Env": "PROD"} }), json!({ "tags": {"tag:Env": "PROD"}, "stop": true })] {
        let scene = Scene::set().await;
        let dry = scene.ask(with(payload.clone(), json!({ "dry_run": true }))).await;
        assert!(dry.dry_run && dry.succeeded() && dry.applied.is_empty(), "{:?}", dry.failed);
        let calls = scene.world.simulator().calls();
        assert!(calls.iter().all(|call| call.action.starts_with("Describe")), "{calls:?}");
        let done = scene.ask(payload).await;
        let steps = |steps: &[snapkeeper_lambda::Step]| -> Vec<(String, String)> {
            steps.iter().map(|step| (step.resource.clone(), step.what.clone())).collect()
        };
        assert_eq!(dry.planned.len(), 2);
        assert_eq!(steps(&dry.planned), steps(&done.applied));
    }
}

/// As any other of Snapkeeper's snapshots; what is protected stays.
#[tokio::test(start_paused = true)]
async fn the_manager_expires_what_is_not_protected() {
    let scene = Scene::set().await;
    let by_hand = scene.ask(json!({ "instances": [scene.id("other")] })).await;
    let protected = scene
        .world
        .on_demand(HOME, "2026-11-21T05:00:01Z", &json!({ "instances": [scene.id("db")], "protected": true }))
        .await;
    scene.world.until(LONG_AFTER).await;
    scene.world.run_well(Job::Manager, HOME, LONG_AFTER).await;
    assert_eq!(deleted(&scene.world).into_iter().collect::<Vec<_>>(), by_hand.applied[0].made);
    assert_eq!(standing(&scene.world, HOME).into_iter().collect::<Vec<_>>(), protected.applied[0].made);
}

/// Two at once, as fast as somebody can ask; and a scheduled run of the same hour.
#[tokio::test(start_paused = true)]
async fn requests_of_different_seconds_and_the_schedule_do_not_get_into_each_others_way() {
    let scene = Scene::set().await;
    let payload = json!({ "instances": [scene.id("web-1")] });
    for second in 1..=2 {
        // EC2 wants some seconds between two snapshots of a volume; the run waits for it
        let at = format!("2026-11-21T05:00:0{second}Z");
        let report = scene.world.on_demand(HOME, &at, &payload).await;
        assert!(report.succeeded(), "{:?}", report.failed);
    }
    scene.world.run_well(Job::Creator, HOME, NOW).await;
    assert_eq!(scene.count(), BTreeMap::from([("web-1", 6)]));
}

/// As schedules send them: of one instant, and with an instance in common.
#[tokio::test(start_paused = true)]
async fn different_requests_of_one_second_are_two_and_the_same_one_twice_is_one() {
    let scene = Scene::set().await;
    let one = json!({ "instances": [scene.id("web-1")] });
    let other = json!({ "tags": {"tag:Env": "PROD"}, "label": "x" });
    for (is_first, expected) in [(true, [1, 2]), (false, [0, 0])] {
        let (one, other) = tokio::join!(scene.ask(one.clone()), scene.ask(other.clone()));
        assert!(one.succeeded() && other.succeeded(), "{:?}, {:?}", one.failed, other.failed);
        assert_eq!([one.applied.len(), other.applied.len()], expected, "{is_first}");
        assert_eq!(scene.count(), BTreeMap::from([("db", 1), ("web-1", 4)]), "{is_first}");
    }
}

#[tokio::test(start_paused = true)]
async fn whose_retention_cannot_be_read_is_an_error_unless_it_is_said_and_not_touched() {
    for (more, taken) in
        [(json!({ "stop": true }), 0), (json!({ "retention": "2w" }), 1), (json!({ "protected": true }), 1)]
    {
        let scene = Scene::set().await;
        scene.world.operator(HOME).await.tag(scene.id("web-2"), "Retention", "abc").await;
        scene.world.simulator().forget_calls();
        let report = scene.ask(with(json!({ "tags": {"tag:Name": "web-?"} }), more.clone())).await;
        let failed: Vec<(&str, &str)> = report.failed.iter().map(|it| (&*it.resource, &*it.cause)).collect();
        let cause = "its tag Retention is \"abc\": correct it, or give --retention; it was not touched";
        assert_eq!(failed, if taken == 0 { vec![(scene.id("web-2"), cause)] } else { Vec::new() }, "{more}");
        assert_eq!(scene.count().get("web-1"), Some(&2), "{more}");
        assert_eq!(scene.count().get("web-2").copied().unwrap_or_default(), taken, "{more}");
        scene.world.pass(super::A_WHILE).await;
        assert_eq!(scene.is_as_before(), Ok(()), "{more}");
    }
}

#[tokio::test(start_paused = true)]
async fn more_instances_than_a_page_holds_are_all_taken() {
    let mut config = super::config();
    config.page_size = 5;
    let world = super::of(config);
    let operator = world.operator(HOME).await;
    operator.run_instances(23, &[], &[("Env", "PROD"), ("Name", "many")]).await;
    world.until(NOW).await;
    let report = world.on_demand(HOME, NOW, &json!({ "tags": {"tag:Env": "PROD"}, "stop": true })).await;
    assert!(report.succeeded(), "{:?}", report.failed);
    assert_eq!(world.simulator().snapshots(ACCOUNT, HOME).len(), 23);
    world.pass(super::A_WHILE).await;
    let instances = world.simulator().instances(ACCOUNT, HOME);
    assert!(instances.iter().all(|it| it.state == InstanceState::Running && !it.tags.contains_key(MARK)));
}

/// A payload takes so many snapshots of each of these instances, and of no other.
async fn check(payload: Value, expected: &[(&'static str, usize)]) {
    for more in [json!({}), json!({ "stop": true })] {
        let scene = Scene::set().await;
        let payload = with(payload.clone(), more);
        scene.ask(payload.clone()).await;
        assert_eq!(scene.count(), expected.iter().copied().collect(), "{payload}");
        scene.world.pass(super::A_WHILE).await;
        assert_eq!(scene.is_as_before(), Ok(()), "{payload}");
        assert_eq!(scene.has_no_duplicates_and_no_bare_snapshots(), Ok(()), "{payload}");
    }
}

/// Both payloads in one.
fn with(payload: Value, more: Value) -> Value {
    let mut both = payload;
    let object = both.as_object_mut().expect("an object");
    object.extend(more.as_object().expect("an object").clone());
    both
}

/// How many days lie between the run of a snapshot and the day of its deletion.
fn days(snapshot: &Snapshot) -> Option<i64> {
    let date = |text: &str| -> NaiveDate { text[..10].parse().expect("a date") };
    let run = date(tag(snapshot, "Backup_Run").expect("a run"));
    tag(snapshot, "DeleteOn").map(|delete_on| (date(delete_on) - run).num_days())
}
