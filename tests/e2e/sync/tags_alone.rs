//! Jobs that no configuration names: an image tagged `Sync-Identifier` and `Copy_Dest`, a database tagged `Backup_Sync`.

use snapkeeper_core::{
    plan::FindingKind,
    run::Job::Syncer,
    sync::SyncState::{Created, InSync},
};
use snapkeeper_simulator::{Config, Simulator};
use snapkeeper_tests::{
    World,
    policies::syncer_with_all,
    world::{ACCOUNT, START, instant},
};

use super::{COPIES_TAKE, KEY, build, own_db_snapshots, own_images, run, run_well, states, world as world_with};
use crate::{
    peers::{HOME, IRELAND, WEST},
    policies::TOPIC,
};

/// A world without a configuration.
fn world() -> World {
    let world = World::of(Simulator::new(Config::starting(instant(START))));
    for region in [WEST, IRELAND] {
        world.simulator().create_key(ACCOUNT, region, KEY);
    }
    world.with_policy(Syncer, syncer_with_all(HOME, TOPIC)).with("COPY_KMS_KEY", KEY)
}

#[tokio::test(start_paused = true)]
async fn images_and_databases_say_themselves_where_they_are_to_be_present() {
    let world = world();
    let home = world.operator(HOME).await;
    build(&world, HOME, "web-1", &[("Sync-Identifier", "web"), ("Copy_Dest", WEST)]).await;
    build(&world, HOME, "web-2", &[("Sync-Identifier", "web"), ("Copy_Dest", "us-west-2, eu-west-1")]).await;
    // neither of these says both
    build(&world, HOME, "worker-1", &[("Sync-Identifier", "worker")]).await;
    build(&world, HOME, "mail-1", &[("Copy_Dest", WEST)]).await;
    home.create_db_instance("orders", &[("Backup_Sync", WEST)]).await;
    home.create_db_cluster("shop", &[("Backup_Sync", "us-west-2 eu-west-1")]).await;
    home.create_db_instance("scratch", &[]).await;
    world.pass(COPIES_TAKE).await;

    let first = run_well(&world).await;
    assert!(first.findings.is_empty(), "{:?}", first.findings);
    let to_both = |state| vec![(IRELAND.to_owned(), state), (WEST.to_owned(), state)];
    for (name, expected) in
        [("web", to_both(Created)), ("db:orders", vec![(WEST.to_owned(), Created)]), ("cluster:shop", to_both(Created))]
    {
        let mut states = states(&first, name);
        states.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(states, expected, "{name}");
    }
    assert_eq!(first.results.len(), 3, "{:?}", first.results);
    world.pass(COPIES_TAKE).await;
    let again = run_well(&world).await;
    assert!(again.applied.iter().all(|step| step.made.is_empty()), "{:?}", again.applied);
    assert_eq!(states(&again, "web"), to_both(InSync));
    for region in [WEST, IRELAND] {
        let names: Vec<String> = own_images(&world, region).into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["web-2"], "{region}");
        assert_eq!(own_db_snapshots(&world, region, "cluster:shop").len(), 1, "{region}");
    }
    assert_eq!(own_db_snapshots(&world, WEST, "db:orders").len(), 1);
    assert!(own_db_snapshots(&world, IRELAND, "db:orders").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_value_that_cannot_be_read_is_found_and_stops_nothing_else() {
    let world = world();
    build(&world, HOME, "web-1", &[("Sync-Identifier", "web"), ("Copy_Dest", "us-east-1 us-west-2")]).await;
    let home = world.operator(HOME).await;
    home.create_db_instance("orders", &[("Backup_Sync", "mars")]).await;
    world.pass(COPIES_TAKE).await;
    let report = run_well(&world).await;
    let found: Vec<(FindingKind, &str)> = report.findings.iter().map(|it| (it.kind, it.what.as_str())).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    for (kind, what) in found {
        assert_eq!(kind, FindingKind::UnreadableTag, "{what}");
        let (tag, value) = if what.contains("Backup_Sync") { ("Backup_Sync", "mars") } else { ("Copy_Dest", HOME) };
        assert!(what.contains(tag) && what.contains(value), "{what}");
    }
    assert_eq!(states(&report, "web"), [(WEST.to_owned(), Created)]);
    assert_eq!(own_images(&world, WEST).len(), 1);
}

/// An encrypted database without a key for its copies: that job fails before it tries.
#[tokio::test(start_paused = true)]
async fn an_encrypted_database_needs_the_setting_of_the_key() {
    let world = World::of(Simulator::new(Config::starting(instant(START))));
    let world = world.with_policy(Syncer, syncer_with_all(HOME, TOPIC));
    world.operator(HOME).await.create_db_instance("orders", &[("Backup_Sync", WEST)]).await;
    world.pass(COPIES_TAKE).await;
    let report = run(&world).await;
    let told = super::result(&report, "db:orders");
    assert!(told.errors.iter().any(|it| it.contains("SNAPKEEPER_COPY_KMS_KEY")), "{told:?}");
    let calls = world.simulator().calls();
    assert!(calls.iter().all(|call| call.action != "CopyDBSnapshot"), "it is not even tried");
}

/// A configuration and tags that ask for the same: it is there once.
#[tokio::test(start_paused = true)]
async fn what_file_and_tags_both_ask_for_is_there_once() {
    let text = "sync_web:\n  sync_type: ec2_ami\n  source_region: us-east-1\n  destination_region: us-west-2\n  \
                sync_identifier: web\n";
    let world = world_with(Config::starting(instant(START)), text);
    build(&world, HOME, "web-1", &[("Sync-Identifier", "web"), ("Copy_Dest", WEST)]).await;
    for _ in 0..3 {
        let report = run_well(&world).await;
        assert_eq!(report.results.len(), 2, "{:?}", report.results);
        assert_eq!(own_images(&world, WEST).len(), 1, "{:?}", report.results);
        world.pass(COPIES_TAKE).await;
    }
}
