//! What is wrong in a configuration is told before anything is done, all of it at once, each with the file and the key.

use std::process::Output;

use snapkeeper_core::run::Job::Syncer;
use snapkeeper_simulator::{Config, Simulator};
use snapkeeper_tests::{
    World,
    binaries::binary,
    world::{START, instant},
};

use super::documented::File;
use crate::peers::HOME;

/// A job without a fault, to which something is added or in which something is replaced.
const GOOD: &str = "sync_web:
  sync_type: ec2_ami
  source_region: us-east-1
  destination_region: us-west-2
  sync_identifier: web
";

/// What is wrong, and what each line of the error must hold.
const WRONG: [(&str, &[&str]); 27] = [
    ("", &[]),
    ("{}", &["sync_"]),
    ("- a list", &["sync_"]),
    ("aws_client_config:\n  profile: ops\n", &["sync_"]),
    ("sync_web: yes", &["sync_web"]),
    ("sync_web: {sync_type: ec2_ami", &["YAML"]),
    ("sync_web:\n  sync_type: ec2_amy\n", &["sync_web.sync_type", "ec2_ami"]),
    ("+client_config: {}\n", &["client_config", "aws_client_config"]),
    ("+aws_client_config:\n  profil: ops\n", &["aws_client_config.profil", "profile"]),
    ("+  sync_identifer: web\n", &["sync_web.sync_identifer", "sync_identifier"]),
    ("+  max_images_to_retain: 0\n", &["sync_web.max_images_to_retain", "1"]),
    ("+  max_images_to_retain: many\n", &["sync_web.max_images_to_retain", "many"]),
    ("+  newest: sometimes\n", &["sync_web.newest", "true"]),
    ("+  filters: [Environment]\n", &["sync_web.filters", "Environment", "="]),
    ("+  filters: [\"=web\"]\n", &["sync_web.filters"]),
    ("+  filters: [\"name=\"]\n", &["sync_web.filters"]),
    ("+  ami_owner: us\n", &["sync_web.ami_owner", "us"]),
    ("+  db_instance: orders\n", &["sync_web.db_instance"]),
    ("+  source_region: us-east-1\n", &["source_region"]),
    ("-  source_region: us-east-1\n", &["sync_web.source_region"]),
    ("-  destination_region: us-west-2\n", &["sync_web.destination_region"]),
    ("-  sync_identifier: web\n", &["sync_web", "sync_identifier", "filters"]),
    ("+  aws_client_config:\n    aws_account_id: \"12\"\n", &["sync_web.aws_client_config.aws_account_id", "twelve"]),
    ("+  aws_client_config:\n    role_arn: admin\n", &["sync_web.aws_client_config.role_arn", "admin"]),
    ("+  aws_client_config:\n    endpoint_url: 127.0.0.1\n", &["sync_web.aws_client_config.endpoint_url"]),
    (
        "+  aws_client_config:\n    aws_secret_access_key: wJalrXUtnFEMI\n",
        &["sync_web.aws_client_config.aws_secret_access_key", "profile", "role_arn"],
    ),
    ("/us-west-2/mars/", &["sync_web.destination_region", "mars"]),
];

/// The text of a row of [`WRONG`].
fn text(row: &str) -> String {
    if let Some(more) = row.strip_prefix('+') {
        // further keys of the job stand before what is not of it
        if more.starts_with(' ') { format!("{GOOD}{more}") } else { format!("{more}{GOOD}") }
    } else if let Some(less) = row.strip_prefix('-').filter(|it| it.starts_with("  ")) {
        GOOD.replace(less, "")
    } else if let Some(change) = row.strip_prefix('/') {
        let (from, to) = change.trim_end_matches('/').split_once('/').expect("what takes the place of what");
        GOOD.replace(from, to)
    } else {
        row.to_owned()
    }
}

async fn world() -> World {
    World::listening(Simulator::new(Config::starting(instant(START)))).await
}

async fn sync(world: &World, arguments: &[&str]) -> Output {
    let mut command = binary("snapkeeper");
    command.arg("sync").args(arguments).args(["--region", HOME]);
    command.args(["--endpoint-url", &world.endpoint().expect("an address")]);
    tokio::process::Command::from(command).kill_on_drop(true).output().await.expect("it runs")
}

#[tokio::test]
async fn each_error_names_the_file_the_key_and_what_was_expected_and_nothing_is_done() {
    let world = world().await;
    for (row, told) in WRONG {
        let file = File::of("wrong.yaml", &text(row));
        let place = file.0.display().to_string();
        let output = sync(&world, &["--config", &place]).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{row}: {error}");
        assert!(error.contains(&place), "{row}: {error}");
        for part in told {
            assert!(error.contains(part), "{row}: `{part}` in\n{error}");
        }
        assert!(!error.contains("wJalrXUtnFEMI"), "a key is shown: {error}");
        assert_eq!(output.stdout, b"", "{row}");
    }
    assert_eq!(world.simulator().calls(), [], "nothing was asked of AWS");
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let world = world().await;
    let text = "sync_a:\n  sync_type: ec2_ami\nsync_b:\n  sync_type: rds_automated_snapshot\n  source_region: us-east-1\n  \
                destination_region: us-east-1\n  db_instance: a\n  db_cluster: b\nsomething: else\n";
    let file = File::of("all.yaml", text);
    let output = sync(&world, &["--config", &file.0.display().to_string()]).await;
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in
        ["sync_a.source_region", "sync_a.destination_region", "sync_b.destination_region", "db_cluster", "something"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named_and_so_is_a_call_without_one() {
    let world = world().await;
    let output = sync(&world, &["--config", "/nonexistent/sync.yaml"]).await;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("/nonexistent/sync.yaml"), "{error}");
    let output = sync(&world, &[]).await;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("--config"), "{error}");
}

/// The same in a setting: nothing is done, and the run fails with all that is wrong.
#[tokio::test(start_paused = true)]
async fn a_setting_that_cannot_be_read_stops_the_run_before_anything() {
    let wrong = format!("{GOOD}  newest: sometimes\nsync_b: {{}}\n");
    let world = super::world(Config::starting(instant(START)), &wrong);
    let report = Box::pin(super::run(&world)).await;
    assert!(!report.succeeded());
    let told: Vec<String> = report.failed.iter().map(|it| format!("{}: {}", it.resource, it.cause)).collect();
    let told = told.join("\n");
    for part in ["SNAPKEEPER_SYNC_CONFIG", "sync_web.newest", "sync_b.sync_type"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let key = world.access_key(Syncer, HOME);
    let calls = world.simulator().calls();
    let changes = calls.iter().filter(|call| call.caller == key && !call.action.starts_with("Describe"));
    assert_eq!(changes.count(), 0);
}
