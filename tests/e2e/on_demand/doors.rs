//! The payload of the function and the options of the command: the same snapshots, in the simulator and in moto.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use aws_credential_types::Credentials;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use snapkeeper_simulator::{Fault, FaultKind};
use snapkeeper_tests::{
    World,
    binaries::binary,
    operator,
    runtime_api::{Posted, invoke, invoke_as},
};

use super::{MARK, Scene};
use crate::peers::HOME;

/// The topics that some cases name.
const DONE: &str = "arn:aws:sns:us-east-1:123456789012:done";
const ERRORS: &str = "arn:aws:sns:us-east-1:123456789012:errors";

/// By which way somebody asks.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// A test invoke of the creator's function.
    Payload,
    /// `snapkeeper snapshot`.
    Command,
}

/// The same asked for by either way, and what must come of it.
struct Case {
    payload: Value,
    options: Vec<String>,
    /// Of which instances snapshots are taken.
    taken: &'static [&'static str],
    /// Of which it is an error.
    failed: &'static [&'static str],
    /// What each snapshot has, and how many days it is kept, if it is not kept for ever. `None` is what the instance says.
    protected: bool,
    days: Option<i64>,
    label: &'static str,
}

/// A snapshot, without what differs from world to world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Taken {
    instance: String,
    device: String,
    /// With names in place of ids.
    description: String,
    /// How many days it is kept.
    days: Option<i64>,
    /// Those that hold neither ids nor instants.
    tags: BTreeMap<String, String>,
}

#[tokio::test]
async fn payload_and_command_give_the_same_snapshots_in_the_simulator() {
    // over HTTP time is real, so instances take none to stop and to start
    Box::pin(check(World::listener().await, World::listener().await)).await;
}

#[tokio::test]
async fn payload_and_command_give_the_same_snapshots_in_moto() {
    Box::pin(check(World::moto(), World::moto())).await;
}

/// What only the command knows.
#[tokio::test]
async fn the_command_waits_and_recovers_in_moto() {
    let scene = Scene::set_in(World::moto()).await;
    let operator = scene.world.operator(HOME).await;
    let web_1 = scene.id("web-1");
    let (succeeded, told) = commanded(&scene.world, &["-i", web_1, "--wait"].map(str::to_owned)).await;
    assert!(succeeded, "{told}");
    let states: Vec<String> =
        operator.automated().await.iter().filter_map(|snapshot| Some(snapshot.state()?.as_str().to_owned())).collect();
    assert_eq!(states, ["completed", "completed"]);

    operator.tag(web_1, MARK, "2026-11-21T05:00:00Z 6ba1c3d8-1f4a2c0").await;
    operator.stop(web_1).await;
    let (succeeded, told) = commanded(&scene.world, &["--recover".to_owned()]).await;
    assert!(succeeded && told.contains(&format!("start {web_1} ")), "{told}");
    check_states(&scene).await;
    assert_eq!(operator.automated().await.len(), 2, "it takes nothing");
}

/// moto evaluates the actions of the policy, and has its own opinion of all calls.
#[tokio::test]
async fn moto_finds_nothing_wrong_under_the_policies() {
    let scene = Scene::set_in(World::moto_where_instances_may_be_stopped()).await;
    let payload = json!({ "tags": {"tag:Env": "PROD"}, "stop": true, "label": "x", "retention": "2w" });
    let report = scene.ask(payload).await;
    assert!(report.succeeded(), "{:?}", report.failed);
    assert_eq!(report.applied.len(), 2);
    check_states(&scene).await;
}

/// Lambda tries again what failed, under the same id.
#[tokio::test]
async fn an_event_that_is_tried_again_takes_and_stops_nothing_twice() {
    let scene = Scene::set_in(World::listener().await).await;
    let volume = scene.look("web-2").devices.into_values().next().expect("a volume");
    scene.world.simulator().inject(Fault::new("CreateSnapshot", FaultKind::Deny).on(&volume).always());
    let payload = json!({ "tags": {"tag:Name": "web-*"}, "stop": true });
    for is_last in [false, true] {
        let mut function = binary("creator");
        function.env("AWS_REGION", HOME).env("AWS_ENDPOINT_URL", scene.world.endpoint().expect("an address"));
        let far = "2100-01-01T00:00:00Z".parse().expect("an instant");
        let (posted, _) = invoke_as(function, vec![("8476a536".to_owned(), payload.clone())], far).await;
        assert_eq!(matches!(posted[0], Posted::Response(_)), is_last, "{posted:?}");
        if !is_last {
            scene.world.simulator().clear_faults();
            scene.world.simulator().forget_calls();
            // in another second, it would be another run
            tokio::time::sleep(Duration::from_millis(1_100)).await;
        }
    }
    assert_eq!(scene.count(), BTreeMap::from([("web-1", 2), ("web-2", 1)]));
    assert_eq!(super::made(&scene, "StopInstances"), 1, "the one of which there was no snapshot");
    let taken = scene.taken();
    let of = |key: &str| taken.iter().map(|snapshot| snapshot.tags[key].clone()).collect::<BTreeSet<_>>();
    assert_eq!((of("Backup_Request").len(), of("Backup_Run").len()), (1, 1), "it is one run");
    check_states(&scene).await;
}

async fn check(one: World, other: World) {
    let by_payload = Scene::set_in(one).await;
    let by_command = Scene::set_in(other).await;
    for scene in [&by_payload, &by_command] {
        Box::pin(make_topics(&scene.world)).await;
    }
    let cases = cases(&by_payload.ids).into_iter().zip(cases(&by_command.ids));
    for (number, (case, same_case)) in cases.enumerate() {
        let one = asked(&by_payload, Way::Payload, &case).await;
        let other = asked(&by_command, Way::Command, &same_case).await;
        assert_eq!(one, other, "case {number}: {} and {:?}", case.payload, same_case.options);
        let mut instances: Vec<&str> = one.iter().map(|taken| taken.instance.as_str()).collect();
        instances.dedup();
        assert_eq!(instances, case.taken, "case {number}: {}", case.payload);
        for Taken { instance, description, days, tags, .. } in &one {
            let what = format!("case {number}: {}: {instance}", case.payload);
            assert!(description.contains(case.label), "{what}: {description}");
            let has = |key: &str| tags.get(key).map(String::as_str);
            assert_eq!((has("Type"), has("Scripted")), (Some("Automated"), Some("Yes")), "{what}");
            let held = case.protected.then_some(("Protected", "Yes")).unzip();
            assert_eq!((has("State"), has("KeepForever")), held, "{what}");
            let kept = case.days.unwrap_or(if instance == "web-1" { 3 } else { 7 });
            assert_eq!(*days, (!case.protected).then_some(kept), "{what}");
        }
        for scene in [&by_payload, &by_command] {
            check_states(scene).await;
            // EC2 wants some seconds between two snapshots of a volume
            scene.world.settle().await;
        }
    }
    for Scene { world, .. } in [&by_payload, &by_command].into_iter().filter(|scene| !scene.world.is_moto()) {
        let told: Vec<String> = world.simulator().published().into_iter().map(|it| it.topic_arn).collect();
        assert_eq!(told, [DONE, ERRORS], "nobody else is told, and nobody twice");
    }
}

/// The topics that are told of the cases that name them. One that is not there would be a failure.
async fn make_topics(world: &World) {
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new(HOME))
        .credentials_provider(Credentials::new("AKIDTEST", "secret", None, None, "test"))
        .endpoint_url(world.endpoint().expect("an address"));
    let sns = aws_sdk_sns::Client::new(&Box::pin(config.load()).await);
    for topic in [DONE, ERRORS] {
        let made = sns.create_topic().name(topic.rsplit(':').next().expect("a name")).send().await;
        assert_eq!(made.expect("CreateTopic").topic_arn(), Some(topic));
    }
}

/// What ran runs, what was stopped is stopped, and nothing is marked.
async fn check_states(scene: &Scene) {
    let operator = scene.world.operator(HOME).await;
    for (name, id) in &scene.ids {
        let state = operator.state(id).await;
        assert_eq!(state, if *name == "db" { "stopped" } else { "running" }, "{name}");
        assert_eq!(operator.tag_of_instance(id, MARK).await, None, "{name}");
    }
}

/// All options, alone and together.
fn cases(ids: &BTreeMap<&'static str, String>) -> Vec<Case> {
    let [web_1, web_2, db] = ["web-1", "web-2", "db"].map(|name| ids[name].as_str());
    let filter = json!({ "instances": [web_1], "tags": {"tag:Env": ["PROD", "TEST"], "tag:Name": "web-*"} });
    vec![
        case(json!({ "tags": {"tag:Env": "PROD"} }), &["--tag", "Env=PROD"], &["db", "web-1"]),
        case(
            json!({ "tags": {"tag:Env": ["PROD", "TEST"]} }),
            &["-t", "Env=PROD", "-t", "Env=TEST"],
            &["db", "web-1", "web-2"],
        ),
        case(json!({ "tags": {"tag:Name": "web-*"} }), &["-t", "Name=web-*"], &["web-1", "web-2"]),
        case(
            json!({ "tags": {"tag:Env": "PROD", "tag:Owner": "John"} }),
            &["-t", "Env=PROD", "-t", "Owner=John"],
            &["web-1"],
        ),
        case(json!({ "instances": [web_2, db] }), &["-i", web_2, "--instance", db], &["db", "web-2"]),
        case(filter.clone(), &["--filter", &filter.to_string()], &["web-1"]),
        Case {
            label: "before upgrade",
            ..case(
                json!({ "instances": [web_1], "label": "before upgrade" }),
                &["-i", web_1, "-l", "before upgrade"],
                &["web-1"],
            )
        },
        Case {
            protected: true,
            ..case(json!({ "instances": [db], "protected": true }), &["-i", db, "--protected"], &["db"])
        },
        Case {
            days: Some(30),
            ..case(json!({ "instances": [db], "retention": "30d" }), &["-i", db, "--retention", "30d"], &["db"])
        },
        Case {
            failed: &["web-1"],
            ..case(json!({ "tags": {"tag:Env": "PROD"}, "stopped": true }), &["-t", "Env=PROD", "-p"], &["db"])
        },
        case(json!({ "tags": {"tag:Env": "PROD"}, "dry_run": true }), &["-t", "Env=PROD", "--dry-run"], &[]),
        case(json!({ "tags": {"tag:Env": "PROD"}, "stop": true }), &["-t", "Env=PROD", "-s"], &["db", "web-1"]),
        Case {
            label: "all at once",
            days: Some(14),
            ..case(
                json!({
                    "instances": [web_1], "tags": {"tag:Owner": "John"}, "stop": true, "label": "all at once",
                    "retention": "2w", "verbose": true,
                }),
                &[
                    "-i",
                    web_1,
                    "-t",
                    "Owner=John",
                    "--stop",
                    "--label",
                    "all at once",
                    "--retention",
                    "2w",
                    "--verbose",
                ],
                &["web-1"],
            )
        },
        Case {
            label: "for ever",
            protected: true,
            ..case(
                json!({ "instances": [db], "stopped": true, "label": "for ever", "protected": true }),
                &["-i", db, "--stopped", "--label", "for ever", "--protected"],
                &["db"],
            )
        },
        case(json!({ "instances": [db], "sns-arn": DONE }), &["-i", db, "--sns-arn", DONE], &["db"]),
        Case {
            failed: &["web-1"],
            ..case(
                json!({ "tags": {"tag:Env": "PROD"}, "stopped": true, "sns-arn-error": ERRORS }),
                &["-t", "Env=PROD", "--stopped", "--sns-arn-error", ERRORS],
                &["db"],
            )
        },
    ]
}

/// A case in which nothing goes wrong, and nothing is said of how long to keep.
fn case(payload: Value, options: &[&str], taken: &'static [&'static str]) -> Case {
    let options = options.iter().map(|option| (*option).to_owned()).collect();
    Case { payload, options, taken, failed: &[], protected: false, days: None, label: "" }
}

/// What is newly taken when this is asked for by this way.
async fn asked(scene: &Scene, way: Way, case: &Case) -> Vec<Taken> {
    let operator = scene.world.operator(HOME).await;
    let before = operator.automated_ids().await;
    let (succeeded, told) = match way {
        Way::Payload => invoked(&scene.world, &case.payload).await,
        Way::Command => commanded(&scene.world, &case.options).await,
    };
    assert_eq!(succeeded, case.failed.is_empty(), "{way:?} {}: {told}", case.payload);
    for name in case.failed {
        assert!(told.contains(scene.id(name)), "{way:?} {}: {told}", case.payload);
    }
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for (name, id) in &scene.ids {
        names.insert(id.clone(), (*name).to_owned());
        names.extend(
            operator.volumes(id).await.into_iter().map(|(device, volume)| (volume, format!("{name} {device}"))),
        );
    }
    let mut taken = Vec::new();
    for snapshot in operator.automated().await {
        if before.iter().any(|id| Some(id.as_str()) == snapshot.snapshot_id()) {
            continue;
        }
        let tag = |key: &str| operator::tag(&snapshot, key);
        let run: DateTime<Utc> = tag("Backup_Run").expect("a run").parse().expect("an instant");
        let delete_on: Option<NaiveDate> = tag("DeleteOn").map(|day| day.parse().expect("a day"));
        let mut description = snapshot.description().unwrap_or_default().to_owned();
        for (id, name) in &names {
            description = description.replace(id, name);
        }
        let of_everyone = ["Type", "Scripted", "State", "KeepForever", "Name", "Source_Region", "Copy_Dest"];
        taken.push(Taken {
            instance: names[&tag("Source_InstanceId").expect("an instance")].clone(),
            device: names[snapshot.volume_id().expect("a volume")].clone(),
            description,
            days: delete_on.map(|day| (day - run.date_naive()).num_days()),
            tags: of_everyone.into_iter().filter_map(|key| Some((key.to_owned(), tag(key)?))).collect(),
        });
    }
    taken.sort();
    taken
}

/// Whether the function succeeded, and what it posted.
async fn invoked(world: &World, payload: &Value) -> (bool, String) {
    let mut function = binary("creator");
    function.env("AWS_REGION", HOME).env("AWS_ENDPOINT_URL", world.endpoint().expect("an address"));
    let far = "2100-01-01T00:00:00Z".parse().expect("an instant");
    let (mut posted, output) = invoke(function, vec![payload.clone()], far).await;
    match posted.remove(0) {
        Posted::Response(report) => (true, report.to_string()),
        Posted::Error(error) => (false, format!("{error}\n{output}")),
    }
}

/// Whether the command succeeded, and what it printed.
async fn commanded(world: &World, options: &[String]) -> (bool, String) {
    let mut command = binary("snapkeeper");
    command.args(["snapshot", "--region", HOME, "--endpoint-url", &world.endpoint().expect("an address")]);
    command.args(options);
    let output = tokio::process::Command::from(command).kill_on_drop(true).output().await.expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}
