//! The heartbeat: https only, to an address from the settings, and never in the way.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{ChildStdout, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use snapkeeper_core::run::Job;
use snapkeeper_lambda::{Continuation, Reach};
use snapkeeper_simulator::{Fault, FaultKind};
use snapkeeper_tests::{
    World,
    binaries::{Process, binary},
    python::program,
};
use tracing_subscriber::{filter::LevelFilter, util::SubscriberInitExt};

/// An https server on loopback that notes what is posted to it.
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

    /// A reach that takes it in, which nothing that is deployed has.
    fn reach(&self) -> Reach {
        Reach::with_loopback(Some(&fs::read(&self.authority).unwrap())).unwrap()
    }

    /// Everything that was posted: the path and the body.
    fn stop(mut self) -> Vec<String> {
        self.process.finish();
        self.lines.lines().map(Result::unwrap).collect()
    }
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs the creator with a webhook that it can reach. Returns whether it succeeded, and what it logged.
async fn run_creator(world: &World, url: &str, reach: Reach) -> (bool, String) {
    invoke_creator(world, url, reach, None).await
}

/// The same, as one invocation of several if there is a continuation.
async fn invoke_creator(world: &World, url: &str, reach: Reach, continuation: Option<Continuation>) -> (bool, String) {
    let mut context = world.context(Job::Creator, "us-east-1", "2026-11-21T05:00:00Z");
    context.run.settings.heartbeat_url = Some(url.parse().unwrap());
    context.reach = reach;
    context.continuation = continuation;
    let log = Log::default();
    let writer = log.clone();
    let warnings = tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_ansi(false);
    let logs = warnings.with_writer(move || writer.clone()).finish().set_default();
    let report = world.run_in(&context).await;
    drop(logs);
    let logged = log.0.lock().unwrap().clone();
    (report.succeeded(), String::from_utf8(logged).unwrap())
}

#[tokio::test]
async fn start_and_success_or_failure_are_told() {
    let world = World::in_process();
    let webhook = Webhook::start();
    let url = format!("{}/uuid", webhook.url);
    let (succeeded, told) = run_creator(&world, &url, webhook.reach()).await;
    assert_eq!((succeeded, told.as_str()), (true, ""));
    world.simulator().inject(Fault::new("DescribeInstances", FaultKind::Deny).always());
    let (succeeded, _) = run_creator(&world, &url, webhook.reach()).await;
    assert!(!succeeded);
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

/// Of several invocations the first one tells the start, and the last one the end: one that could not begin is tried again.
#[tokio::test]
async fn a_run_of_several_invocations_is_told_once() {
    let webhook = Webhook::start();
    let url = format!("{}/uuid", webhook.url);
    let refusing = World::in_process();
    refusing.simulator().inject(Fault::new("DescribeInstances", FaultKind::Deny).always());
    let first = Some(Continuation::default());
    let (succeeded, _) = invoke_creator(&refusing, &url, webhook.reach(), first).await;
    assert!(!succeeded);
    let second = || Continuation { invocations: 1, ..Continuation::default() };
    let (succeeded, _) = invoke_creator(&refusing, &url, webhook.reach(), Some(second())).await;
    assert!(!succeeded);
    let world = World::in_process();
    let (succeeded, told) = invoke_creator(&world, &url, webhook.reach(), Some(second())).await;
    assert_eq!((succeeded, told.as_str()), (true, ""));
    let failed = Continuation { failed: true, ..second() };
    let (succeeded, _) = invoke_creator(&world, &url, webhook.reach(), Some(failed)).await;
    assert!(!succeeded);
    let heard = webhook.stop();
    assert_eq!(
        heard,
        ["/uuid/start ", "/uuid creator in us-east-1: 0 done", "/uuid/fail creator in us-east-1: 0 done"]
    );
}

/// The command as it is shipped, which trusts the authority, but not what is near.
#[tokio::test]
async fn what_is_shipped_calls_no_webhook_on_loopback() {
    let world = World::listener().await;
    let webhook = Webhook::start();
    let named = format!("{}/uuid", webhook.url);
    let literal = named.replace("localhost", "127.0.0.1");
    assert_ne!(named, literal);
    for url in [named, literal] {
        let mut command = binary("snapkeeper");
        command.args(["run", "creator", "--region", "us-east-1", "--endpoint-url", &world.endpoint().unwrap()]);
        command.env("SNAPKEEPER_HEARTBEAT_URL", &url).env("SSL_CERT_FILE", &webhook.authority);
        let output = tokio::process::Command::from(command).kill_on_drop(true).output().await.unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert!(told.contains("it leads to a loopback address, where no webhook may be"), "{url}: {told}");
        assert!(!told.contains("uuid"), "the address stays out of the log: {told}");
    }
    assert_eq!(webhook.stop(), [""; 0]);
}

#[tokio::test]
async fn a_webhook_that_does_not_answer_or_sends_elsewhere_fails_no_run() {
    let world = World::in_process();
    let webhook = Webhook::start();
    for path in ["redirect", "broken", "hang-up"] {
        let url = format!("{}/{path}", webhook.url);
        let (succeeded, told) = run_creator(&world, &url, webhook.reach()).await;
        assert!(succeeded, "{path}");
        assert!(told.contains("the heartbeat was not heard"), "{path}: {told}");
        assert!(!told.contains(&format!("/{path}")), "the address stays out of the log: {told}");
    }
    // an authority that nobody vouches for
    let reach = Reach::with_loopback(None).unwrap();
    let (succeeded, told) = run_creator(&world, &format!("{}/uuid", webhook.url), reach).await;
    assert!(succeeded);
    assert!(told.contains("the heartbeat was not heard"), "{told}");
    let heard = webhook.stop();
    assert!(heard.iter().all(|line| !line.starts_with("/elsewhere")), "no redirect is followed: {heard:?}");
    assert!(heard.iter().all(|line| !line.starts_with("/uuid")), "{heard:?}");
}

#[tokio::test]
async fn a_webhook_that_never_answers_holds_no_run_up() {
    let world = World::in_process();
    let webhook = Webhook::start();
    let url = format!("{}/silent", webhook.url);
    let run = run_creator(&world, &url, webhook.reach());
    let (succeeded, told) =
        tokio::time::timeout(Duration::from_secs(30), run).await.expect("it does not wait for long");
    assert!(succeeded, "{told}");
    assert!(told.contains("the heartbeat was not heard"), "{told}");
    assert_eq!(webhook.stop(), ["/silent/start ", "/silent creator in us-east-1: 0 done"]);
}
