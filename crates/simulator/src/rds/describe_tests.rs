use crate::testing::{ACCOUNT, Look as _, Reply, database, rds, simulator, simulator_with};
use crate::{Fault, FaultKind, Simulator};
use std::time::Duration;

const REGION: &str = "us-east-1";
const OTHER: &str = "210987654321";

/// A database with an automated and two manual snapshots, of which one is shared with the other account, and one with
/// everyone.
fn with_shared() -> Simulator {
    let sim = simulator_with(|config| config.remembers = Duration::from_hours(1));
    database(&sim, REGION, "orders", &[("Tags.Tag.1.Key", "Team"), ("CopyTagsToSnapshot", "true")]);
    for (id, with) in [("for-other", OTHER), ("for-all", "all")] {
        let params = [("DBInstanceIdentifier", "orders"), ("DBSnapshotIdentifier", id)];
        rds(&sim, REGION, "CreateDBSnapshot", &params).ok();
        sim.skip(Duration::from_mins(5));
        let share =
            [("DBSnapshotIdentifier", id), ("AttributeName", "restore"), ("ValuesToAdd.AttributeValue.1", with)];
        rds(&sim, REGION, "ModifyDBSnapshotAttribute", &share).ok();
    }
    sim
}

fn ask(sim: &Simulator, key: &str, params: &[(&str, &str)]) -> Reply {
    sim.ask(key, "rds", REGION, "DescribeDBSnapshots", params)
}

#[track_caller]
fn check(sim: &Simulator, key: &str, params: &[(&str, &str)], expected: &[&str]) {
    let listed = ask(sim, key, params).ok().texts("DBSnapshotIdentifier");
    let short: Vec<&str> = listed.iter().map(|id| id.rsplit(':').next().unwrap()).collect();
    assert_eq!(short, expected, "{params:?}");
}

#[tokio::test(start_paused = true)]
async fn the_owner_sees_what_the_type_says() {
    let sim = with_shared();
    let all = ["for-all", "for-other", "orders-2026-11-21-05-00"];
    check(&sim, "AKID", &[], &all);
    check(&sim, "AKID", &[("IncludeShared", "true"), ("IncludePublic", "true")], &all);
    check(&sim, "AKID", &[("SnapshotType", "manual")], &all[..2]);
    check(&sim, "AKID", &[("SnapshotType", "automated")], &all[2..]);
    check(&sim, "AKID", &[("SnapshotType", "shared")], &[]);
    check(&sim, "AKID", &[("SnapshotType", "awsbackup")], &[]);
    check(&sim, "AKID", &[("DBInstanceIdentifier", "Orders"), ("SnapshotType", "manual")], &all[..2]);
    check(&sim, "AKID", &[("DBInstanceIdentifier", "other")], &[]);
    assert_eq!(ask(&sim, "AKID", &[("SnapshotType", "own")]).code(), "InvalidParameterValue");
}

#[tokio::test(start_paused = true)]
async fn an_automated_snapshot_is_found_by_name_only_with_its_type() {
    let sim = with_shared();
    let id = ("DBSnapshotIdentifier", "rds:orders-2026-11-21-05-00");
    assert_eq!(ask(&sim, "AKID", &[id]).code(), "DBSnapshotNotFound");
    check(&sim, "AKID", &[id, ("SnapshotType", "automated")], &["orders-2026-11-21-05-00"]);
}

#[tokio::test(start_paused = true)]
async fn another_account_sees_what_is_shared_by_its_arn_and_without_tags() {
    let sim = with_shared();
    check(&sim, OTHER, &[], &[]);
    check(&sim, OTHER, &[("IncludeShared", "true")], &["for-other"]);
    check(&sim, OTHER, &[("SnapshotType", "manual"), ("IncludeShared", "true")], &[]);
    check(&sim, OTHER, &[("SnapshotType", "public")], &["for-all"]);
    check(&sim, "111111111111", &[("SnapshotType", "shared")], &[]);
    let shared = ask(&sim, OTHER, &[("SnapshotType", "shared")]).ok();
    let arn = "arn:aws:rds:us-east-1:123456789012:snapshot:for-other";
    assert_eq!((shared.texts("DBSnapshotIdentifier"), shared.first("DBSnapshotArn")), (vec![arn.into()], arn.into()));
    assert_eq!((shared.first("SnapshotType"), shared.texts("Key")), ("shared".into(), vec![]));
    check(&sim, OTHER, &[("SnapshotType", "shared"), ("DBSnapshotIdentifier", arn)], &["for-other"]);
    let by_name = [("SnapshotType", "shared"), ("DBSnapshotIdentifier", "for-other")];
    assert_eq!(ask(&sim, OTHER, &by_name).code(), "DBSnapshotNotFound");
    let elsewhere = sim.ask(OTHER, "rds", "eu-west-1", "DescribeDBSnapshots", &[("SnapshotType", "shared")]);
    assert!(elsewhere.ok().texts("DBSnapshotIdentifier").is_empty());
}

#[tokio::test(start_paused = true)]
async fn filters_choose() {
    let sim = with_shared();
    let by = |name: &'static str, value: &'static str| {
        [("Filters.Filter.1.Name", name), ("Filters.Filter.1.Values.Value.1", value)]
    };
    check(&sim, "AKID", &by("db-snapshot-id", "for-all"), &["for-all"]);
    check(&sim, "AKID", &by("snapshot-type", "manual"), &["for-all", "for-other"]);
    check(&sim, "AKID", &by("engine", "mysql"), &[]);
    let arn = "arn:aws:rds:us-east-1:123456789012:db:orders";
    check(&sim, "AKID", &by("db-instance-id", arn), &["for-all", "for-other", "orders-2026-11-21-05-00"]);
    assert_eq!(ask(&sim, "AKID", &by("status", "available")).code(), "InvalidParameterValue");
}

#[tokio::test(start_paused = true)]
async fn a_share_is_seen_late_by_a_stale_reading() {
    let sim = with_shared();
    sim.skip(Duration::from_mins(1));
    let shared = || ask(&sim, OTHER, &[("SnapshotType", "shared")]).ok().texts("DBSnapshotIdentifier").len();
    sim.inject(Fault::new("DescribeDBSnapshots", FaultKind::Stale(Duration::from_mins(7))));
    assert_eq!((shared(), shared()), (0, 1));
    assert_eq!(sim.db_snapshots(ACCOUNT, REGION).len(), 3, "the truth");
}

#[tokio::test(start_paused = true)]
async fn pages_cover_everything_once() {
    let sim = simulator();
    database(&sim, REGION, "orders", &[("BackupRetentionPeriod", "0")]);
    for number in 0..45 {
        let id = format!("by-hand-{number}");
        let params = [("DBInstanceIdentifier", "orders"), ("DBSnapshotIdentifier", id.as_str())];
        rds(&sim, REGION, "CreateDBSnapshot", &params).ok();
    }
    let mut sizes = Vec::new();
    let mut seen = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let mut params = vec![("MaxRecords", "20")];
        params.extend(marker.as_deref().map(|marker| ("Marker", marker)));
        let page = ask(&sim, "AKID", &params).ok();
        sizes.push(page.texts("DBSnapshotIdentifier").len());
        seen.extend(page.texts("DBSnapshotIdentifier"));
        marker = page.text("Marker");
        if marker.is_none() {
            break;
        }
    }
    let all: Vec<String> = sim.db_snapshots(ACCOUNT, REGION).into_iter().map(|one| one.id).collect();
    assert_eq!((sizes, seen), (vec![20, 20, 5], all));
}
