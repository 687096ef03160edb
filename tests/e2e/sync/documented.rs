//! The example of `docs/sync.md`, read out of it, and run: by the command with the file, by the function's settings, and on
//! moto as far as moto can. Twice each: the second run finds all in sync.

use std::path::PathBuf;

use serde_json::{Value, json};
use snapkeeper_core::sync::{SyncState::InSync, config::Config as SyncConfig};
use snapkeeper_simulator::{Config, DbSnapshotState, ImageState};
use snapkeeper_tests::{
    World,
    binaries::binary,
    world::{ACCOUNT, START, instant},
};

use super::{COPIES_TAKE, KEY, build, newest_automated, own_db_snapshots, own_images, run_well, states, world};
use crate::peers::{HOME, IRELAND, WEST};

/// What the documentation shows.
pub(super) fn example() -> &'static str {
    let page = include_str!("../../../docs/sync.md");
    let (_, shown) = page.split_once("<!-- example -->\n```yaml\n").expect("an example in docs/sync.md");
    shown.split_once("```").expect("its end").0
}

/// A file of this test alone, which goes with it.
pub(super) struct File(pub(super) PathBuf);

impl File {
    pub(super) fn of(name: &str, text: &str) -> Self {
        let place = std::env::temp_dir().join(format!("snapkeeper-{}-{name}", std::process::id()));
        std::fs::write(&place, text).expect("a file");
        Self(place)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What the example is about: images of the web servers, of which one is the newest in production, and the database.
pub(super) async fn made(world: &World) {
    let production = ("Environment", "Production");
    build(world, HOME, "web-1", &[("Sync-Identifier", "web"), production]).await;
    build(world, HOME, "web-2", &[("Sync-Identifier", "web"), production]).await;
    build(world, HOME, "web-3", &[("Sync-Identifier", "web"), ("Environment", "Staging")]).await;
    world.operator(HOME).await.create_db_instance("orders", &[]).await;
    // past the hour at which the day's automated snapshot is taken
    world.until("2026-11-21T06:00:00Z").await;
}

#[test]
fn the_example_has_two_jobs_and_says_the_same_as_json() {
    let read = SyncConfig::read("docs/sync.md", example()).expect("it can be read");
    let names: Vec<&str> = read.jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["sync_orders", "sync_web"]);
    let text = json!({
        "aws_client_config": { "aws_account_id": "123456789012" },
        "sync_web": {
            "sync_type": "ec2_ami", "source_region": "us-east-1", "destination_region": "us-west-2",
            "sync_identifier": "web", "filters": ["tag:Environment=Production"], "newest": true,
            "max_images_to_retain": 3,
        },
        "sync_orders": {
            "sync_type": "rds_automated_snapshot", "source_region": "us-east-1",
            "destination_region": ["us-west-2", "eu-west-1"], "db_instance": "orders", "kms_key_id": "alias/dr",
            "max_snapshots_to_retain": 2,
        },
    });
    assert_eq!(SyncConfig::read("a file", &text.to_string()), Ok(read));
}

/// The other examples can be read as well.
#[test]
fn every_job_that_the_documentation_shows_can_be_read() {
    let page = include_str!("../../../docs/sync.md");
    let shown: Vec<&str> = page.split("```yaml\n").skip(1).filter_map(|it| it.split("```").next()).collect();
    assert!(shown.len() >= 3, "{shown:?}");
    for text in shown {
        let read = SyncConfig::read("docs/sync.md", text);
        assert!(read.as_ref().is_ok_and(|config| !config.jobs.is_empty()), "{text}\n{read:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_example_keeps_both_present_and_a_second_run_makes_nothing() {
    let world = world(Config::starting(instant(START)), example());
    made(&world).await;
    let first = run_well(&world).await;
    assert_eq!(first.results.len(), 2);
    world.pass(COPIES_TAKE).await;
    for _ in 0..2 {
        let again = run_well(&world).await;
        assert!(again.applied.iter().all(|step| step.made.is_empty()), "{:?}", again.applied);
        assert_eq!(states(&again, "sync_web"), [(WEST.to_owned(), InSync)]);
        assert_eq!(states(&again, "sync_orders"), [(IRELAND.to_owned(), InSync), (WEST.to_owned(), InSync)]);
    }
    let images = own_images(&world, WEST);
    let [image] = images.as_slice() else { panic!("{images:?}") };
    assert_eq!((image.name.as_str(), image.state), ("web-2", ImageState::Available));
    for region in [WEST, IRELAND] {
        let snapshots = own_db_snapshots(&world, region, "db:orders");
        let [snapshot] = snapshots.as_slice() else { panic!("{snapshots:?}") };
        let source = newest_automated(&world, "db:orders").expect("an automated one");
        assert_eq!(snapshot.id, source.id.replacen("rds:", "sync-us-east-1-", 1), "{region}");
        assert_eq!(snapshot.state, DbSnapshotState::Available);
    }
    assert!(own_images(&world, IRELAND).is_empty() && own_images(&world, HOME).is_empty());
}

#[tokio::test]
async fn the_command_takes_it_from_a_file_and_tells_of_each_job() {
    let world = World::listening(snapkeeper_simulator::Simulator::new(Config::starting(instant(START)))).await;
    for region in [WEST, IRELAND] {
        world.simulator().create_key(ACCOUNT, region, KEY);
    }
    made(&world).await;
    let file = File::of("example.yaml", example());
    let sync = async |arguments: &[&str]| {
        let mut command = binary("snapkeeper");
        command.args(["sync", "--config"]).arg(&file.0).args(["--region", HOME]).args(arguments);
        command.args(["--endpoint-url", &world.endpoint().expect("an address")]);
        let output = tokio::process::Command::from(command).kill_on_drop(true).output().await.expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{told}{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let planned = sync(&["--dry-run"]).await;
    for told in ["sync_web", "sync_orders", "would copy", WEST, IRELAND] {
        assert!(planned.contains(told), "{told}\n{planned}");
    }
    assert!(own_images(&world, WEST).is_empty(), "{planned}");
    let report: Value = serde_json::from_str(&sync(&["--output", "json"]).await).expect("a report");
    assert_eq!(states_in(&report), ["sync_orders created created", "sync_web created"]);
    world.pass(COPIES_TAKE).await;
    let report: Value = serde_json::from_str(&sync(&["--output", "json"]).await).expect("a report");
    assert_eq!(states_in(&report), ["sync_orders in_sync in_sync", "sync_web in_sync"]);
    let copy = own_images(&world, WEST).remove(0);
    let web = &report["results"][1];
    assert_eq!(web["synced"][0]["resource"], copy.id, "{web}");
    assert_eq!(web["errors"], json!([]));
    let text = sync(&[]).await;
    assert!(text.contains("sync_web") && text.contains(&copy.id) && text.contains("in sync"), "{text}");
    assert_eq!(own_images(&world, WEST).len(), 1);
}

/// Each job of a report and how its destinations stand.
pub(super) fn states_in(report: &Value) -> Vec<String> {
    let results = report["results"].as_array().expect("results");
    let words = |result: &Value| {
        let states = result["synced"].as_array().expect("destinations").iter().filter_map(|it| it["state"].as_str());
        let name = result["name"].as_str().expect("a name");
        std::iter::once(name).chain(states).collect::<Vec<_>>().join(" ")
    };
    let mut all: Vec<String> = results.iter().map(words).collect();
    all.sort_unstable();
    all
}
