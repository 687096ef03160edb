//! Whatever happens to a run that stops instances, at whatever call: what ran before, runs after it, or after the next
//! run of the creator if the process was killed or its time was over.
//!
//! Nothing is left to chance: each call of the run is struck by each kind of fault, once and from then on, each reading
//! lags behind, the process is killed before and after each call, the deadline and the Ctrl-C come at every instant,
//! and before each call somebody else acts, or another run. Each test prints how many positions it has tried, and fails
//! if there were fewer than `docs/reliability.md` says.

mod calls;
mod ends;
mod others;
mod pairs;
mod slow;
mod stale;

use std::{collections::BTreeMap, time::Duration};

use chrono::{SecondsFormat, TimeDelta};
use snapkeeper_aws::SharedHttpClient;
use snapkeeper_core::run::Job;
use snapkeeper_lambda::{Context, Deadline, Report};
use snapkeeper_simulator::{Config, InstanceState, Reply};
use snapkeeper_tests::{World, policies, world::instant};

use super::{A_WHILE, INSTANCES, MARK, NOW, Scene, config, of, stop_all_of_john_and_jane};
use crate::{
    peers::HOME,
    positions::{played, try_all},
};

/// What a function has.
const FUNCTION_TIME: Duration = Duration::from_mins(15);
/// Long enough that a run which was killed counts as dead.
const UNTIL_DEAD: Duration = Duration::from_mins(31);

/// Two instances that run and one that is stopped.
const THREE: &[&str] = &["web-1", "web-2", "db"];
/// One that runs and one that is stopped.
const TWO: &[&str] = &["web-1", "db"];

/// A simulated AWS in which an instance stops and starts within three looks each, so that a run makes few calls.
fn quick() -> Config {
    let mut config = config();
    (config.stop_time, config.start_time) = (Duration::from_secs(7), Duration::from_secs(4));
    config
}

/// A scene of these instances, of all of which snapshots are asked for.
async fn scene(names: &[&str]) -> Scene {
    scene_in(quick(), names).await
}

/// The same in such an AWS.
async fn scene_in(config: Config, names: &[&str]) -> Scene {
    let (stops, starts) = (config.stop_time, config.start_time);
    let world = of(config);
    let mut ids = BTreeMap::new();
    for (name, data, tags) in INSTANCES.into_iter().filter(|(name, ..)| names.contains(name)) {
        ids.insert(name, launched(&world, name, data, tags));
    }
    let moment = Duration::from_secs(1);
    world.pass(starts + moment).await;
    ask_ec2(&world, "StopInstances", &[("InstanceId.1", &ids["db"])]).expect("it runs");
    world.pass(stops + moment).await;
    world.until(NOW).await;
    world.simulator().forget_calls();
    Scene { world, ids }
}

/// Starts an instance that may hibernate, in no time and without a client: there are hundreds of scenes.
fn launched(world: &World, name: &str, data: &[&str], tags: &[(&str, &str)]) -> String {
    let mut params: Vec<(String, String)> = [
        ("ImageId", "ami-12345678"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("HibernationOptions.Configured", "true"),
        ("TagSpecification.1.ResourceType", "instance"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (number, device) in (1..).zip(["/dev/xvda"].iter().chain(data)) {
        params.push((format!("BlockDeviceMapping.{number}.DeviceName"), (*device).to_owned()));
        params.push((format!("BlockDeviceMapping.{number}.Ebs.VolumeSize"), "8".to_owned()));
    }
    for (number, (key, value)) in (1..).zip(tags.iter().chain([&("Name", name)])) {
        params.push((format!("TagSpecification.1.Tag.{number}.Key"), (*key).to_owned()));
        params.push((format!("TagSpecification.1.Tag.{number}.Value"), (*value).to_owned()));
    }
    let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let made = ask_ec2(world, "RunInstances", &params).expect("RunInstances");
    made.text("instanceId").expect("an id")
}

/// Calls EC2 as somebody else, in no time.
fn ask_ec2(world: &World, action: &str, parameters: &[(&str, &str)]) -> Result<Reply, String> {
    world.simulator().call("ec2", HOME, action, parameters)
}

/// The access key of the run.
fn key() -> String {
    policies::access_key(Job::Creator, HOME)
}

/// The calls that a run makes of these instances when nothing disturbs it, by action.
fn calls_of_a_quiet_run(names: &[&str]) -> Vec<String> {
    let calls = played(async || {
        let scene = scene(names).await;
        let report = asked(&scene, FUNCTION_TIME).await;
        assert!(report.succeeded(), "{:?}", report.failed);
        scene.world.pass(A_WHILE).await;
        assert_eq!(scene.is_as_before().and_then(|()| is_whole(&scene)), Ok(()));
        calls_by_run(&scene)
    });
    assert!(calls.len() > 15, "{calls:?}");
    calls
}

/// The calls that runs have made, by action.
fn calls_by_run(scene: &Scene) -> Vec<String> {
    let (calls, key) = (scene.world.simulator().calls(), key());
    calls.into_iter().filter(|call| call.caller == key).map(|call| call.action).collect()
}

/// The places of a run's calls.
fn places(calls: &[String]) -> std::ops::Range<u32> {
    0..u32::try_from(calls.len()).expect("a few")
}

/// Each of these at each of those calls.
fn each<T: Clone>(all: &[T], calls: impl Iterator<Item = u32> + Clone) -> Vec<(T, u32)> {
    all.iter().flat_map(|one| calls.clone().map(move |call| (one.clone(), call))).collect()
}

/// Asks for snapshots, within this time.
async fn asked(scene: &Scene, time: Duration) -> Report {
    asked_through(scene, time, None).await
}

/// The same through this client, if it is not to be the usual one.
async fn asked_through(scene: &Scene, time: Duration, client: Option<SharedHttpClient>) -> Report {
    let mut context = scene.world.context(Job::Creator, HOME, NOW);
    context.deadline = Deadline::within(time);
    Box::pin(scene.world.on_demand_in(context, &stop_all_of_john_and_jane(), client)).await
}

async fn in_context(scene: &Scene, context: Context) -> Report {
    Box::pin(scene.world.on_demand_in(context, &stop_all_of_john_and_jane(), None)).await
}

/// The creator runs by its schedule, half an hour later, when the trouble is over: everything is as before.
async fn after_the_next_run(scene: &Scene) -> Result<(), String> {
    next_run(scene).await?;
    scene.is_as_before()
}

/// The creator runs by its schedule, half an hour later, when the trouble is over.
async fn next_run(scene: &Scene) -> Result<(), String> {
    scene.world.pass(UNTIL_DEAD).await;
    let report = Box::pin(scene.world.run(Job::Creator, HOME, &now(scene))).await;
    if !report.succeeded() {
        return Err(format!("the next run fails: {:?}, {:?}", report.failed, report.unfinished));
    }
    scene.world.pass(A_WHILE).await;
    Ok(())
}

/// Those that ran when somebody asked.
fn ran(scene: &Scene) -> impl Iterator<Item = &'static str> {
    scene.ids.keys().copied().filter(|name| *name != "db")
}

/// What ran, runs, whatever its mark says.
fn all_run(scene: &Scene) -> Result<(), String> {
    for name in ran(scene) {
        let state = scene.look(name).state;
        if state != InstanceState::Running {
            return Err(format!("{name} is {state:?}"));
        }
    }
    Ok(())
}

/// Whatever is not as before is marked, so that the next run finds it, and the run has failed.
fn told_of_what_is_left(scene: &Scene, report: &Report) -> Result<(), String> {
    for name in ran(scene) {
        let instance = scene.look(name);
        let is_marked = instance.tags.contains_key(MARK);
        if instance.state != InstanceState::Running && !is_marked {
            return Err(format!("{name} is {:?}, and not marked", instance.state));
        }
        if is_marked && report.succeeded() {
            return Err(format!("{name} is {:?} and marked, and the run has not failed", instance.state));
        }
    }
    Ok(())
}

/// Each volume was taken.
fn is_whole(scene: &Scene) -> Result<(), String> {
    let taken = scene.count();
    let expected: BTreeMap<&str, usize> =
        scene.ids.keys().map(|name| (*name, scene.look(name).devices.len())).collect();
    if taken == expected {
        return Ok(());
    }
    Err(format!("it is said to have succeeded, and took {taken:?}, not {expected:?}"))
}

/// The simulator's time, in whole seconds.
fn now(scene: &Scene) -> String {
    let now = scene.world.simulator().now() + TimeDelta::milliseconds(999);
    assert!(now > instant(NOW));
    now.to_rfc3339_opts(SecondsFormat::Secs, true)
}
