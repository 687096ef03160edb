//! `snapkeeper snapshot`, as a user runs it. What comes of each option is in `on_demand`.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use snapkeeper_simulator::{Config, Simulator};
use snapkeeper_tests::{
    World,
    binaries::binary,
    operator::{Operator, tag},
    world::{START, instant},
};
use tokio::process::{Child, Command};

use super::{err, out, snapkeeper};

const HERE: &str = "us-east-1";
const MARK: &str = "Snapkeeper_Stopped";

/// A world in which an instance takes half a minute to stop.
async fn slow() -> World {
    let stop_time = Duration::from_secs(30);
    World::listening(Simulator::new(Config { stop_time, ..Config::starting(instant(START)) })).await
}

/// The command, under way.
fn begun(world: &World, arguments: &[&str]) -> Child {
    let mut command = binary("snapkeeper");
    command.arg("snapshot").args(arguments).args(["--region", HERE, "--endpoint-url", &world.endpoint().unwrap()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Command::from(command).kill_on_drop(true).spawn().unwrap()
}

/// The end of a command, while the time of its world passes.
async fn ended(world: &World, mut child: Child) -> Output {
    for _ in 0..240 {
        if child.try_wait().unwrap().is_some() {
            return child.wait_with_output().await.unwrap();
        }
        world.pass(Duration::from_secs(5)).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("it does not end");
}

async fn until_it_stops(operator: &Operator, instance: &str) {
    for _ in 0..600 {
        if operator.state(instance).await == "stopping" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it is not stopped");
}

#[tokio::test]
async fn what_cannot_be_understood_is_told_and_nothing_is_asked_of_aws() {
    const ID: &str = "i-0123456789abcdef0";
    for (arguments, told) in [
        (&["--label", "before"][..], "neither instances nor tags"),
        (&[], "neither instances nor tags"),
        (&["--filter", "{}"], "--filter: neither instances nor tags"),
        (&["--filter", "{"], "not JSON"),
        (&["--filter", r#"{"instance": ["i-0123456789abcdef0"]}"#], "--filter: it has the key `instance`"),
        (&["--filter", r#"{"tags": {"Env": "PROD"}}"#], "--filter: tags has the key `Env`"),
        (&["-i", ID, "--filter", r#"{"tags": {}}"#], "--filter: tags is {}"),
        (&["-i", "web-1"], "instances has \"web-1\""),
        (&["-t", "Env"], "expected KEY=VALUE"),
        (&["-t", "=PROD"], "expected a key before `=`"),
        (&["-t", "tag:Env=PROD"], "expected Env=PROD"),
        (&["-i", ID, "-s", "-p"], "cannot be used with"),
        (&["-i", ID, "--retention", "2weeks"], "retention is \"2weeks\""),
        (&["-i", ID, "--protected", "--retention", "7d"], "never expires"),
        (&["-i", ID, "--sns-arn", "alerts"], "sns-arn is \"alerts\""),
        (&["-i", ID, "--sns-arn-error", "alerts"], "sns-arn-error is \"alerts\""),
        (&["--recover", "-i", ID], "cannot be used with"),
        (&["--recover", "--stop"], "cannot be used with"),
        (&[ID], "unexpected argument"),
    ] {
        let output = snapkeeper(None, &[&["snapshot", "--region", HERE][..], arguments].concat()).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(err(&output).contains(told), "{arguments:?}: {}", err(&output));
        assert_eq!(out(&output), "", "{arguments:?}");
    }
}

#[tokio::test]
async fn flags_and_filter_add_up() {
    let world = World::listener().await;
    let operator = world.operator(HERE).await;
    let mut ids = Vec::new();
    for (env, name) in [("PROD", "web-1"), ("TEST", "web-2"), ("DEV", "web-3"), ("PROD", "db-1")] {
        ids.push(operator.run_instance(&[], &[("Env", env), ("Name", name)]).await);
    }
    let filter = format!(r#"{{"instances": ["{}", "{}"], "tags": {{"tag:Env": "PROD"}}}}"#, ids[0], ids[0]);
    let arguments = ["snapshot", "--region", HERE, "-f", &filter, "-i", &ids[1], "-t", "Env=TEST", "Name=web-*"];
    let output = snapkeeper(Some(&world), &arguments).await;
    assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
    let taken = operator.automated().await;
    let mut of: Vec<String> = taken.iter().filter_map(|snapshot| tag(snapshot, "Source_InstanceId")).collect();
    of.sort_unstable();
    let mut expected = vec![ids[0].clone(), ids[1].clone()];
    expected.sort_unstable();
    assert_eq!(of, expected);
    assert!(taken.iter().all(|snapshot| tag(snapshot, "Scripted").as_deref() == Some("Yes")));
}

#[tokio::test]
async fn a_dry_run_tells_what_would_be_taken_and_does_nothing() {
    let world = World::listener().await;
    let operator = world.operator(HERE).await;
    let instance = operator.run_instance(&["/dev/sdf"], &[("Name", "web")]).await;
    let arguments = ["snapshot", "--region", HERE, "-i", &instance, "--stop", "--protected", "--dry-run", "--wait"];
    let output = snapkeeper(Some(&world), &arguments).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    let expected = format!(
        "  would stop {instance}; snapshot 2 volumes of {instance} (web) together, kept forever; start it again"
    );
    assert_eq!(text.lines().nth(1), Some(expected.as_str()), "{text}");
    assert_eq!(err(&output), "");
    assert!(operator.automated().await.is_empty());
    assert_eq!(operator.state(&instance).await, "running");
}

#[tokio::test]
async fn an_instance_that_is_not_there_is_named_and_nothing_is_taken() {
    let world = World::listener().await;
    let operator = world.operator(HERE).await;
    let instance = operator.run_instance(&[], &[]).await;
    let arguments = ["snapshot", "--region", HERE, "-i", &instance, "i-0123456789abcdef0", "--stop"];
    let output = snapkeeper(Some(&world), &arguments).await;
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(out(&output).contains("✗ failed i-0123456789abcdef0: "), "{}", out(&output));
    assert!(operator.automated().await.is_empty());
    assert_eq!(operator.state(&instance).await, "running");
}

#[tokio::test]
async fn with_wait_it_ends_when_all_is_completed_and_fails_with_what_is_not() {
    let world = World::listener().await;
    let operator = world.operator(HERE).await;
    let (good, bad) = (operator.run_instance(&["/dev/sdf"], &[]).await, operator.run_instance(&[], &[]).await);
    let output = ended(&world, begun(&world, &["-i", &good, "--wait", "--output", "json"])).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON document on standard output");
    let made = report["applied"][0]["made"].as_array().map_or(0, Vec::len);
    assert_eq!(made, 2, "{report}");
    let mut states = operator.automated().await.into_iter().map(|snapshot| snapshot.state);
    assert!(states.all(|state| state.is_some_and(|state| state.as_str() == "completed")));
    assert_eq!(err(&output), "", "no bars in a pipe");

    let volume = operator.volumes(&bad).await.into_values().next().unwrap();
    world.simulator().fail_snapshots_of(&volume, 1);
    let output = ended(&world, begun(&world, &["-i", &bad, "--wait"])).await;
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let told = out(&output);
    assert!(told.contains(": ended in error ("), "{told}");
    let failed = operator.automated().await;
    let failed = failed.iter().find(|snapshot| snapshot.volume_id() == Some(volume.as_str())).unwrap();
    assert_eq!(told.matches(failed.snapshot_id().unwrap()).count(), 1, "{told}");
}

#[tokio::test]
async fn with_verbose_each_step_is_told_on_standard_error() {
    let world = World::listener().await;
    let operator = world.operator(HERE).await;
    let instance = operator.run_instance(&[], &[]).await;
    let output = ended(&world, begun(&world, &["-i", &instance, "--stop", "--verbose", "--output", "json"])).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(err(&output).contains(&instance), "{}", err(&output));
    serde_json::from_slice::<Value>(&output.stdout).expect("one JSON document on standard output");
}

#[tokio::test]
async fn with_verbose_each_step_is_told_whatever_else_is_not_to_be_logged() {
    let world = World::listener().await;
    let instance = world.operator(HERE).await.run_instance(&[], &[]).await;
    for (level, options) in [("warn", &["--verbose"][..]), ("off", &["--verbose"]), ("warn", &[])] {
        let mut command = binary("snapkeeper");
        command.args(["snapshot", "--region", HERE, "--endpoint-url", &world.endpoint().unwrap(), "-i", &instance]);
        command.args(options).env("RUST_LOG", level);
        let output = Command::from(command).kill_on_drop(true).output().await.unwrap();
        let is_told = err(&output).contains("taking its snapshots");
        assert_eq!(is_told, !options.is_empty(), "{level}: {}", err(&output));
        // EC2 wants some seconds between two snapshots of a volume
        world.settle().await;
    }
}

/// Twice, and by `kill` as well: before the instance is started again, nothing ends the command. A terminal that is
/// closed interrupts nothing.
#[cfg(unix)]
#[tokio::test]
async fn after_ctrl_c_what_was_stopped_is_started() {
    check_signals(&["-INT", "-HUP", "-INT", "-TERM"], (INTERRUPTED, 3), 1).await;
}

/// Ctrl-\.
#[cfg(unix)]
#[tokio::test]
async fn after_sigquit_what_was_stopped_is_started() {
    check_signals(&["-QUIT", "-QUIT"], (INTERRUPTED, 2), 1).await;
}

/// They would halt it, or end it, between stop and start.
#[cfg(unix)]
#[tokio::test]
async fn after_ctrl_z_and_signals_that_mean_nothing_it_goes_on_to_its_end() {
    check_signals(&["-TSTP", "-USR1", "-USR2", "-ALRM", "-HUP"], ("not now: an instance may be stopped", 1), 0).await;
}

/// What is wrong with the call is wrong also if nobody can be told.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_error_that_cannot_be_written_changes_no_exit_status() {
    let mut command = binary("snapkeeper");
    command.args(["snapshot", "--region", HERE]).stderr(std::fs::File::create("/dev/full").unwrap());
    let status = Command::from(command).kill_on_drop(true).status().await.unwrap();
    assert_eq!(status.code(), Some(2));
}

#[cfg(unix)]
const INTERRUPTED: &str = "interrupted: nothing new is begun";

/// Sends these signals to a command when its instance is stopping. So many of them are answered, with this; the command
/// ends with this status, and the instance runs again.
#[cfg(unix)]
async fn check_signals(signals: &[&str], (answer, answered): (&str, usize), status: i32) {
    let world = slow().await;
    let operator = world.operator(HERE).await;
    let instance = operator.run_instance(&[], &[]).await;
    world.pass(Duration::from_mins(1)).await;
    let child = begun(&world, &["-i", &instance, "--stop", "--wait"]);
    until_it_stops(&operator, &instance).await;
    let id = child.id().expect("it is under way").to_string();
    for signal in signals {
        let sent = Command::new("kill").args([*signal, id.as_str()]).status().await.unwrap();
        assert!(sent.success(), "{signal}");
        // signals that come together count as one
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let output = ended(&world, child).await;
    assert_eq!(output.status.code(), Some(status), "{signals:?}: {}{}", out(&output), err(&output));
    let told = err(&output).matches(answer).count();
    assert_eq!(told, answered, "{signals:?}: {}", err(&output));
    world.pass(Duration::from_mins(1)).await;
    assert_eq!(operator.state(&instance).await, "running", "{signals:?}");
    assert_eq!(operator.tag_of_instance(&instance, MARK).await, None, "{signals:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn what_a_killed_run_has_stopped_is_started_by_recover() {
    let world = slow().await;
    let operator = world.operator(HERE).await;
    let instance = operator.run_instance(&[], &[]).await;
    let by_operator = operator.run_instance(&[], &[]).await;
    world.pass(Duration::from_mins(1)).await;
    operator.stop(&by_operator).await;
    let mut child = begun(&world, &["-i", &instance, "--stop"]);
    until_it_stops(&operator, &instance).await;
    child.kill().await.unwrap();
    world.pass(Duration::from_mins(1)).await;
    assert_eq!(operator.state(&instance).await, "stopped");
    assert!(operator.tag_of_instance(&instance, MARK).await.is_some());

    let dry = snapkeeper(Some(&world), &["snapshot", "--recover", "--dry-run", "--region", HERE]).await;
    assert_eq!(dry.status.code(), Some(0), "{}", err(&dry));
    assert!(out(&dry).contains(&format!("would start {instance} ")), "{}", out(&dry));
    assert_eq!(operator.state(&instance).await, "stopped");

    let output = ended(&world, begun(&world, &["--recover"])).await;
    assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
    assert!(out(&output).contains(&format!("✓ start {instance} ")), "{}", out(&output));
    world.pass(Duration::from_mins(1)).await;
    assert_eq!(operator.state(&instance).await, "running");
    assert_eq!(operator.tag_of_instance(&instance, MARK).await, None);
    assert_eq!(operator.state(&by_operator).await, "stopped", "nobody's but the operator's");
    assert!(operator.automated().await.is_empty(), "nothing is taken");
}
