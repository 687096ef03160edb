//! The same name of a database in two regions: the saver of one keeps second copies where the other's first copies lie.

use snapkeeper_core::{
    plan::FindingKind,
    run::Job::{self, RdsSaver, RdsSharer, Watcher},
};
use snapkeeper_tests::{
    Estate, World,
    estate::{ENROLLED, FAILSAFE, HOME, LIVE, LIVE_KEY, SAVER_KEY, Side, WEST, sdk_tags},
    world::keys_in,
};

use super::{COPIES_TAKE, Scene, config, own_of, tag};

const FIRST: &str = "2026-11-21";
const DAYS: [&str; 5] = [FIRST, "2026-11-22", "2026-11-23", "2026-11-24", "2026-11-25"];

/// In the west nothing is shared any more after the first day. What was saved there stays, however many newer second copies
/// from home lie beside it; and these expire there.
#[tokio::test(start_paused = true)]
async fn each_region_keeps_the_newest_copy_of_its_own_database() {
    let mut config = config();
    config.accounts.extend(keys_in(FAILSAFE, WEST));
    let estate = Estate::of(config).with_second_copies().with_failsafe("RETENTION", "1d");
    estate.simulator().create_key(LIVE, WEST, LIVE_KEY);
    estate.simulator().share_key(LIVE, WEST, LIVE_KEY, FAILSAFE);
    let live = estate.live.beside(LIVE).with("FAILSAFE_ACCOUNT", FAILSAFE).with("FAILSAFE_KMS_KEY", LIVE_KEY);
    let failsafe = estate.failsafe.beside(FAILSAFE).with("LIVE_ACCOUNT", LIVE).with("SAVER_KMS_KEY", SAVER_KEY);
    let failsafe = failsafe.with("RETENTION", "1d");
    let call = live.operator(WEST).await.rds.create_db_instance().db_instance_identifier("orders").engine("postgres");
    let call = call.db_instance_class("db.t3.micro").allocated_storage(20).storage_encrypted(true);
    // at another time than that of home: two copies of one name cannot lie in one region
    let call = call.backup_retention_period(7).preferred_backup_window("07:00-07:30");
    call.set_tags(sdk_tags(ENROLLED)).send().await.expect("CreateDBInstance");
    let mut scene = Scene::set_in(estate).await;

    for day in DAYS {
        scene.until(&format!("{day}T06:00:00Z")).await;
        for _ in 0..2 {
            scene.run_well(RdsSharer).await.expect("the sharer");
            if day == FIRST {
                runs_well(&mut scene, &live, RdsSharer).await;
            }
            scene.pass(COPIES_TAKE).await;
        }
        for _ in 0..3 {
            scene.run_well(RdsSaver).await.expect("the saver");
            runs_well(&mut scene, &failsafe, RdsSaver).await;
            scene.pass(COPIES_TAKE).await;
        }
        scene.look().expect("nothing that must not be");
    }
    let there = own_of(&scene.estate, Side::Failsafe, WEST, "db:orders");
    let of = |region: &str| there.iter().filter(|it| tag(it, "Source_Region") == Some(region)).collect::<Vec<_>>();
    assert_eq!(of(WEST).len(), 1, "{there:?}");
    assert!((1..=2).contains(&of(HOME).len()), "{there:?}");
    assert!(of(HOME).iter().any(|it| it.id == "failsafe-orders-2026-11-25-05-00"), "{there:?}");
    // and it is told that it is old
    let told = Box::pin(failsafe.run(Watcher, WEST, &scene.estate.now())).await;
    let found: Vec<(FindingKind, &str)> = told.findings.iter().map(|it| (it.kind, it.resource.as_str())).collect();
    assert_eq!(found, [(FindingKind::NotFailsafe, "db:orders")], "{:?}", told.findings);
}

/// Runs a job in the west.
async fn runs_well(scene: &mut Scene, world: &World, job: Job) {
    let report = Box::pin(world.run(job, WEST, &scene.estate.now())).await;
    scene.look().expect("nothing that must not be");
    assert!(report.succeeded(), "the {job} in the west: {:?}", report.failed);
}
