//! The heartbeat: https only, to an address from the settings, and never in the way.

use std::{
    io::{BufRead, BufReader},
    process::{ChildStdout, Stdio},
    time::Duration,
};

use snapkeeper_simulator::{Fault, FaultKind};
use snapkeeper_tests::{
    World,
    binaries::{Process, binary},
    python::program,
};

/// An https server that notes what is posted to it.
struct Webhook {
    process: Process,
    lines: BufReader<ChildStdout>,
    url: String,
    authority: String,
}

impl Webhook {
    fn start() -> Self {
        let mut process = Process::start(program("serve_webhook.py").stderr(Stdio::null()));
        let mut lines = BufReader::new(process.output());
        let mut next = || {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            line.trim().to_owned()
        };
        let (url, authority) = (next(), next());
        Self { process, lines, url, authority }
    }

    /// Everything that was posted: the path and the body.
    fn stop(mut self) -> Vec<String> {
        self.process.finish();
        self.lines.lines().map(Result::unwrap).collect()
    }
}

async fn run_creator(world: &World, url: &str, authority: &str) -> (Option<i32>, String) {
    let mut command = binary("snapkeeper");
    command.args(["run", "creator", "--region", "us-east-1", "--endpoint-url", &world.endpoint().unwrap()]);
    command.env("SNAPKEEPER_HEARTBEAT_URL", url).env("SSL_CERT_FILE", authority);
    let output = tokio::process::Command::from(command).kill_on_drop(true).output().await.unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn start_and_success_or_failure_are_told() {
    let world = World::listener().await;
    let webhook = Webhook::start();
    let (status, told) = run_creator(&world, &format!("{}/uuid", webhook.url), &webhook.authority).await;
    assert_eq!((status, told.as_str()), (Some(0), ""));
    world.simulator().inject(Fault::new("DescribeInstances", FaultKind::Deny).always());
    let (status, _) = run_creator(&world, &format!("{}/uuid", webhook.url), &webhook.authority).await;
    assert_eq!(status, Some(1));
    let heard = webhook.stop();
    assert_eq!(
        heard,
        [
            "/uuid/start ",
            "/uuid creator in us-east-1: 0 done",
            "/uuid/start ",
            "/uuid/fail creator in us-east-1: 0 done, 1 failed"
        ]
    );
}

#[tokio::test]
async fn a_webhook_that_does_not_answer_or_sends_elsewhere_fails_no_run() {
    let world = World::listener().await;
    let webhook = Webhook::start();
    for path in ["redirect", "broken", "hang-up"] {
        let url = format!("{}/{path}", webhook.url);
        let (status, told) = run_creator(&world, &url, &webhook.authority).await;
        assert_eq!(status, Some(0), "{path}");
        assert!(told.contains("the heartbeat was not heard"), "{path}: {told}");
        assert!(!told.contains(&format!("/{path}")), "the address stays out of the log: {told}");
    }
    // an authority that nobody vouches for
    let (status, told) = run_creator(&world, &format!("{}/uuid", webhook.url), "/dev/null").await;
    assert_eq!(status, Some(0));
    assert!(told.contains("the heartbeat was not heard"), "{told}");
    let heard = webhook.stop();
    assert!(heard.iter().all(|line| !line.starts_with("/elsewhere")), "no redirect is followed: {heard:?}");
    assert!(heard.iter().all(|line| !line.starts_with("/uuid")), "{heard:?}");
}

#[tokio::test]
async fn a_webhook_that_never_answers_holds_no_run_up() {
    let world = World::listener().await;
    let webhook = Webhook::start();
    let url = format!("{}/silent", webhook.url);
    let run = run_creator(&world, &url, &webhook.authority);
    let (status, told) = tokio::time::timeout(Duration::from_secs(30), run).await.expect("it does not wait for long");
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains("the heartbeat was not heard"), "{told}");
    assert_eq!(webhook.stop(), ["/silent/start ", "/silent creator in us-east-1: 0 done"]);
}
