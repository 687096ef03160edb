//! What the watcher finds in each account, and that it finds nothing where all is well.

use std::collections::BTreeSet;

use snapkeeper_core::{
    plan::FindingKind,
    run::Job::{RdsSaver, RdsSharer},
};
use snapkeeper_lambda::Report;
use snapkeeper_tests::{
    Estate,
    estate::{ENROLLED, FAILSAFE, HOME, LIVE, LIVE_KEY, SAVER_KEY, Side},
};

use super::{COPIES_TAKE, STRANGER, Scene, UNITS, available, config, own_of, stages::Stage};

/// What is found, by kind and by what it is about.
type Found = BTreeSet<(FindingKind, String)>;

#[tokio::test(start_paused = true)]
async fn nothing_is_found_where_all_is_well_or_still_has_its_time() {
    for stage in Stage::ALL {
        let scene = Box::pin(stage.reached()).await;
        // that nothing has ever come is told from the first
        let is_silent = match stage {
            Stage::NothingYet | Stage::Copying | Stage::Copied | Stage::Unannounced | Stage::Shared => true,
            Stage::NextDay | Stage::Superseded | Stage::Saving | Stage::Saved | Stage::Due => false,
        };
        let there = if is_silent { of(FindingKind::NotFailsafe, &[LIVE]) } else { Found::new() };
        assert_eq!(found(&scene).await, [Found::new(), there], "{stage:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_days_without_the_sharer_are_found_in_both_accounts() {
    let mut scene = well().await;
    for day in ["2026-11-22", "2026-11-23"] {
        scene.until(&format!("{day}T12:00:00Z")).await;
        scene.run_well(RdsSaver).await.expect("the saver");
    }
    let lacking = of(FindingKind::NotFailsafe, &UNITS);
    assert_eq!(found(&scene).await, [lacking.clone(), lacking]);
    assert_eq!(scene.heals(2).await, Ok(()));
    assert_eq!(found(&scene).await, [Found::new(), Found::new()], "and no more when it is mended");
}

#[tokio::test(start_paused = true)]
async fn two_days_without_the_saver_are_found_where_it_does_not_run() {
    let mut scene = well().await;
    for at in ["2026-11-22T06:00:00Z", "2026-11-22T06:30:00Z", "2026-11-23T06:00:00Z", "2026-11-23T06:30:00Z"] {
        scene.until(at).await;
        scene.run_well(RdsSharer).await.expect("the sharer");
    }
    scene.until("2026-11-23T14:00:00Z").await;
    let mut expected = of(FindingKind::NotFailsafe, &UNITS);
    expected.extend(of(
        FindingKind::NotSaved,
        &["snapshot:failsafe-orders-2026-11-22-05-00", "cluster-snapshot:failsafe-shop-2026-11-22-05-00"],
    ));
    assert_eq!(found(&scene).await, [Found::new(), expected]);
    assert_eq!(scene.heals(2).await, Ok(()));
    assert_eq!(found(&scene).await[1], Found::new());
}

/// The key's policy does not let the failsafe account use it.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_shared_is_found() {
    let estate = Estate::of(config()).with_live("FAILSAFE_KMS_KEY", "alias/own");
    estate.simulator().create_key(LIVE, HOME, "alias/own");
    let mut scene = Scene::set_in(estate).await;
    scene.rounds(2).await.expect("nothing that must not be");
    let report = Box::pin(scene.estate.run(RdsSaver)).await;
    assert_eq!(report.failed.len(), UNITS.len(), "{:?}", report.failed);
    assert!(report.failed.iter().all(|it| it.cause.contains("KMSKeyNotAccessibleFault")), "{:?}", report.failed);
    scene.until("2026-11-22T14:00:00Z").await;
    let shared = ["snapshot:failsafe-orders-2026-11-21-05-00", "cluster-snapshot:failsafe-shop-2026-11-21-05-00"];
    let [_, there] = found(&scene).await;
    let mut expected = of(FindingKind::NotSaved, &shared);
    expected.extend(of(FindingKind::NotFailsafe, &[LIVE]));
    assert_eq!(there, expected);
}

/// The key of what is saved is disabled, in the failsafe account.
#[tokio::test(start_paused = true)]
async fn a_key_without_which_nothing_saved_can_be_restored_is_found() {
    let scene = well().await;
    let key = own_of(&scene.estate, Side::Failsafe, HOME, "db:orders").remove(0).kms_key_id.expect("encrypted");
    scene.estate.simulator().disable_key(FAILSAFE, HOME, SAVER_KEY);
    assert_eq!(found(&scene).await, [Found::new(), of(FindingKind::KeyBlocks, &[&key])]);
}

/// Somebody else shares snapshots that are named as ours are.
#[tokio::test(start_paused = true)]
async fn an_account_that_shares_and_is_not_named_is_found() {
    let scene = well().await;
    let stranger = scene.estate.live.beside(STRANGER).operator(HOME).await;
    let call = stranger.rds.create_db_instance().db_instance_identifier("theirs").engine("postgres");
    let call = call.db_instance_class("db.t3.micro").allocated_storage(20).backup_retention_period(7);
    call.send().await.expect("CreateDBInstance");
    scene.pass(COPIES_TAKE).await;
    stranger.db_snapshot_by_hand("theirs", "failsafe-theirs", &[]).await;
    scene.pass(COPIES_TAKE).await;
    stranger.share_db_snapshot("failsafe-theirs", FAILSAFE).await;
    assert_eq!(found(&scene).await, [Found::new(), of(FindingKind::NotSaved, &[STRANGER])]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_disabled_is_told_before_anything_is_tried() {
    let mut scene = Scene::set().await;
    scene.estate.simulator().disable_key(LIVE, HOME, LIVE_KEY);
    let report = Box::pin(scene.estate.run(RdsSharer)).await;
    scene.look().expect("nothing was done");
    assert!(report.failed.iter().any(|it| it.resource == LIVE_KEY), "{:?}", report.failed);
    assert!(!report.calls.keys().any(|action| action.starts_with("CopyDB")), "{:?}", report.calls);
    let [here, _] = found(&scene).await;
    assert_eq!(here, of(FindingKind::KeyBlocks, &[LIVE_KEY]));
}

/// As many snapshots as AWS takes: what does not fit waits, and the operator hears of it before.
#[tokio::test(start_paused = true)]
async fn a_quota_that_is_full_defers_and_is_found() {
    let mut config = config();
    // two are made by hand
    config.db_snapshot_limit = 2;
    let mut scene = Scene::set_in(Estate::of(config)).await;
    let report = scene.run_well(RdsSharer).await.expect("it goes on in the next run");
    assert_eq!((report.applied.len(), report.unfinished.len()), (1, 1), "{:?}", report.unfinished);
    assert!(report.unfinished[0].cause.contains("SnapshotQuotaExceeded"), "{:?}", report.unfinished);
    assert!(report.findings.iter().any(|it| it.kind == FindingKind::QuotaNear), "{:?}", report.findings);
    let [here, _] = found(&scene).await;
    assert!(here.iter().all(|(kind, _)| *kind == FindingKind::QuotaNear) && !here.is_empty(), "{here:?}");
}

/// AWS makes 20 copies at once into a region, 5 of Aurora: the others wait, the database whose last copy is oldest first.
#[tokio::test(start_paused = true)]
async fn more_copies_than_aws_makes_at_once_wait_for_the_next_run() {
    let mut scene = Scene::set().await;
    let live = scene.estate.operator(Side::Live).await;
    for number in 0..7 {
        live.create_db_cluster(&format!("cluster-{number}"), ENROLLED).await;
    }
    scene.pass(COPIES_TAKE).await;
    let mut copied = Vec::new();
    for _ in 0..2 {
        let report = scene.run_well(RdsSharer).await.expect("no call is refused");
        assert_eq!(report.unfinished, [], "planned for, not run into");
        copied.push(report.applied.iter().filter(|step| step.resource.starts_with("cluster:")).count());
        scene.pass(COPIES_TAKE).await;
    }
    assert_eq!(copied, [5, 3]);
}

/// Somebody shares a copy with an account that is nobody's business.
#[tokio::test(start_paused = true)]
async fn a_copy_that_a_stranger_sees_is_found() {
    let scene = well().await;
    let name = "failsafe-orders-2026-11-21-05-00";
    scene.estate.operator(Side::Live).await.share_db_snapshot(name, STRANGER).await;
    let [here, _] = found(&scene).await;
    assert_eq!(here, of(FindingKind::SharedWithStranger, &[&format!("snapshot:{name}")]));
    let report = Box::pin(scene.estate.run(RdsSharer)).await;
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
}

/// What AWS cannot share is told, and not tried: Multi-AZ clusters, encryption by the engine, no backups at all.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_shared_is_found() {
    let mut scene = well().await;
    let simulator = scene.estate.simulator();
    let tags = [("Tags.Tag.1.Key", "Failsafe"), ("Tags.Tag.1.Value", "Yes")];
    let make = |action: &str, parameters: &[(&str, &str)]| {
        simulator.call("rds", HOME, action, &[parameters, &tags].concat()).expect(action)
    };
    make("CreateDBCluster", &[("DBClusterIdentifier", "multi-az"), ("Engine", "postgres")]);
    let instance = [("DBInstanceClass", "db.t3.micro"), ("AllocatedStorage", "20")];
    let unsaved = [("DBInstanceIdentifier", "unsaved"), ("Engine", "postgres"), ("BackupRetentionPeriod", "0")];
    make("CreateDBInstance", &[&instance[..], &unsaved].concat());
    let vault = [("DBInstanceIdentifier", "vault"), ("Engine", "oracle-ee"), ("BackupRetentionPeriod", "7")];
    let tde = [("TdeCredentialArn", "arn:aws:secretsmanager:us-east-1:123456789012:secret:tde")];
    make("CreateDBInstance", &[&instance[..], &vault, &tde].concat());
    scene.pass(COPIES_TAKE).await;
    let mut expected = of(FindingKind::Unshareable, &["cluster:multi-az", "db:vault"]);
    expected.extend(of(FindingKind::NotFailsafe, &["db:unsaved"]));
    let [here, _] = found(&scene).await;
    assert_eq!(here, expected);
    let report = scene.run_well(RdsSharer).await.expect("the sharer");
    assert_eq!(report.applied, [], "nothing is tried");
    assert_eq!(report.findings.len(), 3, "{:?}", report.findings);
}

/// A day on which all was as it should be.
async fn well() -> Scene {
    let mut scene = Scene::set().await;
    assert_eq!(Box::pin(scene.heals(2)).await, Ok(()));
    assert_eq!(available(&scene.estate, Side::Failsafe, HOME, "db:orders").len(), 1, "in {FAILSAFE}");
    scene
}

/// What the watcher of each account finds.
async fn found(scene: &Scene) -> [Found; 2] {
    let (live, failsafe) = (scene.estate.watch(Side::Live).await, scene.estate.watch(Side::Failsafe).await);
    [live, failsafe].map(|report: Report| {
        assert!(report.succeeded(), "{:?}", report.failed);
        report.findings.into_iter().map(|it| (it.kind, it.resource)).collect()
    })
}

/// Findings of one kind about these.
fn of(kind: FindingKind, resources: &[&str]) -> Found {
    resources.iter().map(|resource| (kind, (*resource).to_owned())).collect()
}
