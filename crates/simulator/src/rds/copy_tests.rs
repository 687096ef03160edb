use crate::testing::{ACCOUNT, Look as _, Reply, cluster, database, rds, simulator, simulator_with};
use crate::{DbSnapshot, DbSnapshotState, Simulator};
use std::time::Duration;

const REGION: &str = "us-east-1";
const ELSEWHERE: &str = "eu-west-1";
const OTHER: &str = "210987654321";
const AUTOMATED: &str = "rds:orders-2026-11-21-05-00";
const OF_CLUSTER: &str = "rds:shop-2026-11-21-05-00";

/// A simulator with a key that can be shared, and a database whose automated snapshot is available.
fn with_database(more: &[(&str, &str)]) -> Simulator {
    let sim = simulator();
    sim.create_key(ACCOUNT, REGION, "alias/live");
    sim.create_key(OTHER, REGION, "alias/safe");
    database(&sim, REGION, "orders", more);
    sim.skip(Duration::from_mins(5));
    sim
}

fn copy_by(sim: &Simulator, key: &str, region: &str, source: &str, to: &str, more: &[(&str, &str)]) -> Reply {
    let params = [("SourceDBSnapshotIdentifier", source), ("TargetDBSnapshotIdentifier", to)];
    sim.ask(key, "rds", region, "CopyDBSnapshot", &[params.as_slice(), more].concat())
}

fn copy(sim: &Simulator, to: &str, more: &[(&str, &str)]) -> Reply {
    copy_by(sim, "AKID", REGION, AUTOMATED, to, more)
}

fn copy_cluster(sim: &Simulator, to: &str, more: &[(&str, &str)]) -> Reply {
    let params = [("SourceDBClusterSnapshotIdentifier", OF_CLUSTER), ("TargetDBClusterSnapshotIdentifier", to)];
    rds(sim, REGION, "CopyDBClusterSnapshot", &[params.as_slice(), more].concat())
}

#[track_caller]
fn found(sim: &Simulator, account: &str, region: &str, id: &str) -> DbSnapshot {
    sim.db_snapshots(account, region).into_iter().find(|one| one.id == id).unwrap()
}

#[track_caller]
fn check_state(sim: &Simulator, id: &str, expected: DbSnapshotState) {
    assert_eq!(found(sim, ACCOUNT, REGION, id).state, expected);
}

/// A copy that is shared with the other account, under a key that is so too: its ARN.
#[track_caller]
fn shared(sim: &Simulator) -> String {
    copy(sim, "failsafe-orders", &[("KmsKeyId", "alias/live")]).ok();
    sim.skip(Duration::from_mins(10));
    let share = [
        ("DBSnapshotIdentifier", "failsafe-orders"),
        ("AttributeName", "restore"),
        ("ValuesToAdd.AttributeValue.1", OTHER),
    ];
    rds(sim, REGION, "ModifyDBSnapshotAttribute", &share).ok();
    sim.share_key(ACCOUNT, REGION, "alias/live", OTHER);
    found(sim, ACCOUNT, REGION, "failsafe-orders").arn
}

#[tokio::test(start_paused = true)]
async fn a_copy_keeps_the_time_of_its_data() {
    let sim = with_database(&[("StorageEncrypted", "true")]);
    let tags = [("KmsKeyId", "alias/live"), ("Tags.Tag.1.Key", "Type"), ("Tags.Tag.1.Value", "Automated")];
    let begun = copy(&sim, "failsafe-orders", &tags).ok();
    assert_eq!((begun.first("Status"), begun.text("SnapshotCreateTime")), ("creating".into(), None));
    assert_eq!(begun.texts("Key"), ["Type"]);
    sim.skip(Duration::from_secs(599));
    check_state(&sim, "failsafe-orders", DbSnapshotState::Creating);
    sim.skip(Duration::from_secs(1));
    let told = rds(&sim, REGION, "DescribeDBSnapshots", &[("DBSnapshotIdentifier", "failsafe-orders")]).ok();
    for (element, expected) in [
        ("Status", "available"),
        ("SnapshotType", "manual"),
        ("SnapshotCreateTime", "2026-11-21T05:05:00.000Z"),
        ("OriginalSnapshotCreateTime", "2026-11-21T05:00:00.000Z"),
        ("SourceDBSnapshotIdentifier", "arn:aws:rds:us-east-1:123456789012:snapshot:rds:orders-2026-11-21-05-00"),
    ] {
        assert_eq!(told.first(element), expected, "{element}");
    }
    let source = found(&sim, ACCOUNT, REGION, AUTOMATED);
    assert_ne!(found(&sim, ACCOUNT, REGION, "failsafe-orders").kms_key_id, source.kms_key_id);
}

#[tokio::test(start_paused = true)]
async fn a_clusters_copy_tells_the_time_of_its_source() {
    let sim = simulator();
    cluster(&sim, REGION, "shop", "aurora-mysql", &[]);
    sim.skip(Duration::from_mins(5));
    let begun = copy_cluster(&sim, "failsafe-shop", &[]).ok();
    let time = begun.first("SnapshotCreateTime");
    assert_eq!((begun.first("Status"), time), ("copying".into(), "2026-11-21T05:00:00.000Z".into()));
    let id = [("DBClusterSnapshotIdentifier", "failsafe-shop")];
    rds(&sim, REGION, "DeleteDBClusterSnapshot", &id).ok();
    copy_cluster(&sim, "failsafe-shop", &[]).ok();
    sim.skip(Duration::from_mins(10));
    check_state(&sim, "failsafe-shop", DbSnapshotState::Available);
}

#[tokio::test(start_paused = true)]
async fn a_copy_under_the_name_of_one_that_was_cancelled_takes_its_own_time() {
    let sim = simulator();
    cluster(&sim, REGION, "shop", "aurora-mysql", &[]);
    sim.skip(Duration::from_mins(5));
    copy_cluster(&sim, "failsafe-shop", &[]).ok();
    sim.skip(Duration::from_mins(6));
    rds(&sim, REGION, "DeleteDBClusterSnapshot", &[("DBClusterSnapshotIdentifier", "failsafe-shop")]).ok();
    copy_cluster(&sim, "failsafe-shop", &[]).ok();
    sim.skip(Duration::from_mins(6));
    check_state(&sim, "failsafe-shop", DbSnapshotState::Copying);
    sim.skip(Duration::from_mins(4));
    check_state(&sim, "failsafe-shop", DbSnapshotState::Available);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_the_key_of_a_copy() {
    let sim = with_database(&[]);
    copy(&sim, "failsafe-orders", &[]).ok();
    assert_eq!(copy(&sim, "Failsafe-Orders", &[]).code(), "DBSnapshotAlreadyExists");
    assert_eq!(copy(&sim, "failsafe--orders", &[]).code(), "InvalidParameterValue");
    let none = copy_by(&sim, "AKID", REGION, "rds:orders-2026-11-20-05-00", "other", &[]);
    assert_eq!(none.code(), "DBSnapshotNotFound");
    let early = copy_by(&sim, "AKID", REGION, "failsafe-orders", "other", &[]);
    assert_eq!(early.code(), "InvalidDBSnapshotState");
}

#[tokio::test(start_paused = true)]
async fn tags_come_along_only_where_that_is_asked_for() {
    let sim =
        with_database(&[("CopyTagsToSnapshot", "true"), ("Tags.Tag.1.Key", "Team"), ("Tags.Tag.1.Value", "shop")]);
    let own = [("Tags.Tag.1.Key", "Type"), ("Tags.Tag.1.Value", "Automated")];
    copy(&sim, "plain", &own).ok();
    copy(&sim, "tagged", &[own.as_slice(), &[("CopyTags", "true")]].concat()).ok();
    let keys = |id: &str| found(&sim, ACCOUNT, REGION, id).tags.into_keys().collect::<Vec<String>>();
    assert_eq!(keys("plain"), ["Type"]);
    assert_eq!(keys("tagged"), ["Team", "Type"]);
}

#[tokio::test(start_paused = true)]
async fn another_account_copies_what_is_shared_under_a_key_of_its_own() {
    let sim = with_database(&[("StorageEncrypted", "true")]);
    let arn = shared(&sim);
    let save = |more: &[(&str, &str)]| copy_by(&sim, OTHER, REGION, &arn, "failsafe-orders", more);
    assert_eq!(save(&[]).code(), "KMSKeyNotAccessibleFault", "no key named");
    assert_eq!(save(&[("KmsKeyId", "alias/live")]).code(), "KMSKeyNotAccessibleFault", "not there");
    save(&[("KmsKeyId", "alias/safe"), ("CopyTags", "true")]).ok();
    sim.skip(Duration::from_mins(10));
    let saved = found(&sim, OTHER, REGION, "failsafe-orders");
    assert_eq!((saved.state, saved.owner.as_str()), (DbSnapshotState::Available, OTHER));
    assert_eq!(saved.taken_at, found(&sim, ACCOUNT, REGION, AUTOMATED).taken_at);
    assert!(saved.tags.is_empty() && saved.shared_with.is_empty());
    assert_eq!(copy_by(&sim, "111111111111", REGION, &arn, "mine", &[]).code(), "DBSnapshotNotFound");
}

#[tokio::test(start_paused = true)]
async fn a_share_is_worth_nothing_without_its_key() {
    let sim = with_database(&[("StorageEncrypted", "true")]);
    copy(&sim, "failsafe-orders", &[("KmsKeyId", "alias/live")]).ok();
    sim.skip(Duration::from_mins(10));
    let share = [
        ("DBSnapshotIdentifier", "failsafe-orders"),
        ("AttributeName", "restore"),
        ("ValuesToAdd.AttributeValue.1", OTHER),
    ];
    rds(&sim, REGION, "ModifyDBSnapshotAttribute", &share).ok();
    let arn = found(&sim, ACCOUNT, REGION, "failsafe-orders").arn;
    let save = || copy_by(&sim, OTHER, REGION, &arn, "failsafe-orders", &[("KmsKeyId", "alias/safe")]);
    assert_eq!(save().code(), "KMSKeyNotAccessibleFault");
    sim.share_key(ACCOUNT, REGION, "alias/live", OTHER);
    sim.disable_key(ACCOUNT, REGION, "alias/live");
    assert_eq!(save().code(), "KMSKeyNotAccessibleFault");
    sim.create_key(ACCOUNT, REGION, "alias/live");
    save().ok();
    sim.disable_key(ACCOUNT, REGION, "alias/live");
    assert_eq!(found(&sim, OTHER, REGION, "failsafe-orders").state, DbSnapshotState::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_copy_ends_with_its_source_or_its_key() {
    let sim = with_database(&[("StorageEncrypted", "true")]);
    let arn = shared(&sim);
    copy_by(&sim, OTHER, REGION, &arn, "one", &[("KmsKeyId", "alias/safe")]).ok();
    rds(&sim, REGION, "DeleteDBSnapshot", &[("DBSnapshotIdentifier", "failsafe-orders")]).ok();
    assert_eq!(found(&sim, OTHER, REGION, "one").state, DbSnapshotState::Failed);
    copy(&sim, "two", &[("KmsKeyId", "alias/live")]).ok();
    sim.disable_key(ACCOUNT, REGION, "alias/live");
    check_state(&sim, "two", DbSnapshotState::Failed);
    assert_eq!(copy(&sim, "three", &[("KmsKeyId", "alias/live")]).code(), "KMSKeyNotAccessibleFault");
    sim.skip(Duration::from_mins(10));
    check_state(&sim, "two", DbSnapshotState::Failed);
    rds(&sim, REGION, "DeleteDBSnapshot", &[("DBSnapshotIdentifier", "two")]).ok();
    sim.create_key(ACCOUNT, REGION, "alias/live");
    copy(&sim, "two", &[("KmsKeyId", "alias/live")]).ok();
}

#[tokio::test(start_paused = true)]
async fn the_next_copies_fail_where_that_is_asked_for() {
    let sim = with_database(&[]);
    sim.fail_db_copies(1);
    sim.set_db_copy_time(Duration::from_mins(1));
    for id in ["one", "two"] {
        copy(&sim, id, &[]).ok();
        check_state(&sim, id, DbSnapshotState::Creating);
    }
    sim.skip(Duration::from_mins(1));
    check_state(&sim, "one", DbSnapshotState::Failed);
    check_state(&sim, "two", DbSnapshotState::Available);
    let told = rds(&sim, REGION, "DescribeDBSnapshots", &[("DBSnapshotIdentifier", "one")]).ok();
    assert_eq!(told.first("Status"), "failed");
}

#[tokio::test(start_paused = true)]
async fn another_region_wants_a_key_of_its_own() {
    let sim = with_database(&[("StorageEncrypted", "true")]);
    sim.create_key(ACCOUNT, ELSEWHERE, "alias/there");
    let arn = found(&sim, ACCOUNT, REGION, AUTOMATED).arn;
    let there = |source: &str, more: &[(&str, &str)]| copy_by(&sim, "AKID", ELSEWHERE, source, "copy", more);
    assert_eq!(there(AUTOMATED, &[("KmsKeyId", "alias/there")]).code(), "DBSnapshotNotFound", "by name");
    assert_eq!(there(&arn, &[]).code(), "KMSKeyNotAccessibleFault");
    let live = "arn:aws:kms:us-east-1:123456789012:alias/live";
    assert_eq!(there(&arn, &[("KmsKeyId", live)]).code(), "KMSKeyNotAccessibleFault", "of the other region");
    sim.region_down(REGION);
    let down = there(&arn, &[("KmsKeyId", "alias/there")]);
    assert_eq!((down.status, down.code().as_str()), (503, "ServiceUnavailable"));
    sim.region_up(REGION);
    let begun = there(&arn, &[("KmsKeyId", "alias/there")]).ok();
    assert_eq!((begun.first("Status"), begun.first("SourceRegion")), ("pending".into(), REGION.into()));
    sim.skip(Duration::from_mins(1));
    let told = || sim.ask("AKID", "rds", ELSEWHERE, "DescribeDBSnapshots", &[]).ok().first("Status");
    assert_eq!(told(), "creating");
    sim.skip(Duration::from_mins(9));
    assert_eq!(told(), "available");
}

#[tokio::test(start_paused = true)]
async fn so_many_copies_are_in_progress_at_once() {
    let sim = simulator_with(|config| config.db_copies_at_once = 6);
    database(&sim, REGION, "orders", &[]);
    cluster(&sim, REGION, "shop", "aurora-mysql", &[]);
    sim.skip(Duration::from_mins(5));
    for number in 0..5 {
        copy_cluster(&sim, &format!("copy-{number}"), &[]).ok();
    }
    assert_eq!(copy_cluster(&sim, "copy-5", &[]).code(), "SnapshotQuotaExceeded", "Aurora");
    copy(&sim, "copy-0", &[]).ok();
    assert_eq!(copy(&sim, "copy-1", &[]).code(), "SnapshotQuotaExceeded");
    sim.skip(Duration::from_mins(10));
    copy(&sim, "copy-1", &[]).ok();
    copy_cluster(&sim, "copy-5", &[]).ok();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_copied_is_refused() {
    let sim = simulator();
    sim.create_key(ACCOUNT, REGION, "alias/live");
    cluster(&sim, REGION, "shop", "mysql", &[]);
    sim.skip(Duration::from_mins(5));
    assert_eq!(copy_cluster(&sim, "one", &[]).code(), "InvalidDBClusterSnapshotStateFault", "Multi-AZ");
    let sim = simulator();
    sim.create_key(ACCOUNT, REGION, "alias/live");
    cluster(&sim, REGION, "shop", "aurora-mysql", &[]);
    sim.skip(Duration::from_mins(5));
    let encrypted = copy_cluster(&sim, "one", &[("KmsKeyId", "alias/live")]);
    assert_eq!(encrypted.code(), "InvalidParameterCombination", "unencrypted Aurora");
    copy_cluster(&sim, "one", &[]).ok();
    let sim = with_database(&[("TdeCredentialArn", "arn:x")]);
    let arn = found(&sim, ACCOUNT, REGION, AUTOMATED).arn;
    let there = copy_by(&sim, "AKID", ELSEWHERE, &arn, "copy", &[]);
    assert_eq!(there.code(), "InvalidParameterCombination", "TDE");
    copy(&sim, "copy", &[]).ok();
}

#[tokio::test(start_paused = true)]
async fn a_copy_outlives_its_database() {
    let sim = with_database(&[]);
    copy(&sim, "failsafe-orders", &[]).ok();
    sim.skip(Duration::from_mins(10));
    let delete = [("DBInstanceIdentifier", "orders"), ("SkipFinalSnapshot", "true")];
    rds(&sim, REGION, "DeleteDBInstance", &delete).ok();
    let left: Vec<String> = sim.db_snapshots(ACCOUNT, REGION).into_iter().map(|one| one.id).collect();
    assert_eq!(left, ["failsafe-orders"]);
}
