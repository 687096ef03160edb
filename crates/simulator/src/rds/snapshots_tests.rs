use crate::testing::{ACCOUNT, Look as _, Reply, cluster, database, rds, simulator, simulator_with};
use crate::{DbSnapshotState, Fault, FaultKind, Simulator};
use std::time::Duration;

const REGION: &str = "us-east-1";

fn create(sim: &Simulator, id: &str, more: &[(&str, &str)]) -> Reply {
    let params = [("DBInstanceIdentifier", "orders"), ("DBSnapshotIdentifier", id)];
    rds(sim, REGION, "CreateDBSnapshot", &[params.as_slice(), more].concat())
}

fn delete(sim: &Simulator, id: &str) -> Reply {
    rds(sim, REGION, "DeleteDBSnapshot", &[("DBSnapshotIdentifier", id)])
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_tells_its_times_when_it_is_made() {
    let sim = simulator();
    database(&sim, REGION, "orders", &[("Tags.Tag.1.Key", "Team"), ("CopyTagsToSnapshot", "true")]);
    let made = create(&sim, "By-Hand", &[("Tags.Tag.1.Key", "Team"), ("Tags.Tag.1.Value", "mine")]).ok();
    assert_eq!((made.first("Status"), made.first("DBSnapshotIdentifier")), ("creating".into(), "by-hand".into()));
    assert_eq!((made.texts("Key"), made.first("Value")), (vec!["Team".to_owned()], "mine".into()));
    assert!(made.text("SnapshotCreateTime").is_none() && made.text("OriginalSnapshotCreateTime").is_none());
    sim.skip(Duration::from_mins(5));
    let told = rds(&sim, REGION, "DescribeDBSnapshots", &[("DBSnapshotIdentifier", "by-hand")]).ok();
    for (element, expected) in [
        ("Status", "available"),
        ("PercentProgress", "100"),
        ("SnapshotType", "manual"),
        ("SnapshotCreateTime", "2026-11-21T05:00:00.000Z"),
        ("OriginalSnapshotCreateTime", "2026-11-21T05:00:00.000Z"),
        ("Encrypted", "false"),
        ("DBSnapshotArn", "arn:aws:rds:us-east-1:123456789012:snapshot:by-hand"),
    ] {
        assert_eq!(told.first(element), expected, "{element}");
    }
    assert_eq!(create(&sim, "by-hand", &[]).code(), "DBSnapshotAlreadyExists");
}

#[tokio::test(start_paused = true)]
async fn a_clusters_snapshot_tells_its_time_from_the_first() {
    let sim = simulator();
    cluster(&sim, REGION, "shop", "aurora-mysql", &[]);
    let params = [("DBClusterIdentifier", "shop"), ("DBClusterSnapshotIdentifier", "by-hand")];
    let made = rds(&sim, REGION, "CreateDBClusterSnapshot", &params).ok();
    let time = made.first("SnapshotCreateTime");
    assert_eq!((made.first("Status"), time), ("creating".into(), "2026-11-21T05:00:00.000Z".into()));
    assert_eq!(made.first("DBClusterSnapshotArn"), "arn:aws:rds:us-east-1:123456789012:cluster-snapshot:by-hand");
    assert_eq!(rds(&sim, REGION, "CreateDBClusterSnapshot", &params).code(), "DBClusterSnapshotAlreadyExistsFault");
}

#[tokio::test(start_paused = true)]
async fn only_what_is_manual_and_made_can_be_deleted() {
    let sim = simulator();
    database(&sim, REGION, "orders", &[]);
    create(&sim, "by-hand", &[]).ok();
    assert_eq!(delete(&sim, "by-hand").code(), "InvalidDBSnapshotState");
    assert_eq!(delete(&sim, "none").code(), "DBSnapshotNotFound");
    sim.skip(Duration::from_mins(5));
    assert_eq!(delete(&sim, "rds:orders-2026-11-21-05-00").code(), "InvalidDBSnapshotState");
    assert_eq!(delete(&sim, "by-hand").ok().first("Status"), "deleted");
    assert_eq!(delete(&sim, "by-hand").status, 404);
    let deletions = sim.db_deletions();
    assert_eq!(deletions.len(), 1);
    assert_eq!((deletions[0].caller.as_str(), deletions[0].snapshot.id.as_str()), ("AKID", "by-hand"));
    assert!(sim.deletions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_region_holds_so_many_manual_snapshots_of_a_kind() {
    let sim = simulator_with(|config| config.db_snapshot_limit = 2);
    database(&sim, REGION, "orders", &[]);
    cluster(&sim, REGION, "shop", "aurora-mysql", &[]);
    create(&sim, "one", &[]).ok();
    create(&sim, "two", &[]).ok();
    assert_eq!(create(&sim, "three", &[]).code(), "SnapshotQuotaExceeded");
    let other = [("DBClusterIdentifier", "shop"), ("DBClusterSnapshotIdentifier", "one")];
    rds(&sim, REGION, "CreateDBClusterSnapshot", &other).ok();
    let told = rds(&sim, REGION, "DescribeAccountAttributes", &[]).ok();
    let names = ["DBInstances", "DBClusters", "ManualSnapshots", "ManualClusterSnapshots"];
    assert_eq!(told.texts("AccountQuotaName"), names);
    assert_eq!((told.texts("Used"), told.texts("Max")), (texts(["1", "1", "2", "1"]), texts(["40", "40", "2", "2"])));
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_takes_as_long_as_was_set_or_ends_when_it_is_hurried() {
    let sim = simulator();
    database(&sim, REGION, "orders", &[("BackupRetentionPeriod", "0")]);
    sim.set_db_snapshot_time(Duration::from_hours(24 * 7));
    create(&sim, "slow", &[]).ok();
    sim.skip(Duration::from_hours(24));
    let state = || sim.db_snapshots(ACCOUNT, REGION)[0].state;
    assert_eq!(state(), DbSnapshotState::Creating);
    sim.hurry(ACCOUNT, REGION);
    assert_eq!(state(), DbSnapshotState::Available);
}

#[tokio::test(start_paused = true)]
async fn faults_strike_rds_as_they_do_ec2() {
    let sim = simulator_with(|config| config.remembers = Duration::from_hours(1));
    database(&sim, REGION, "orders", &[]);
    sim.skip(Duration::from_mins(10));
    sim.inject(Fault::new("CreateDBSnapshot", FaultKind::Deny));
    let denied = create(&sim, "one", &[]);
    assert_eq!((denied.status, denied.code().as_str()), (403, "AccessDenied"));
    sim.inject(Fault::new("CreateDBSnapshot", FaultKind::CutAfter).on("one"));
    assert_eq!(create(&sim, "one", &[]).status, 0);
    assert_eq!(create(&sim, "one", &[]).code(), "DBSnapshotAlreadyExists");
    sim.skip(Duration::from_mins(10));
    let listed = || rds(&sim, REGION, "DescribeDBSnapshots", &[]).ok().texts("DBSnapshotIdentifier");
    sim.inject(Fault::new("DescribeDBSnapshots", FaultKind::Stale(Duration::from_mins(11))));
    assert_eq!(listed(), ["rds:orders-2026-11-21-05-00"]);
    assert_eq!(listed(), ["one", "rds:orders-2026-11-21-05-00"]);
    sim.region_down(REGION);
    assert_eq!(create(&sim, "two", &[]).status, 0);
}
