use crate::testing::{ACCOUNT, Look as _, Reply, cluster, database, rds, simulator};
use crate::{DatabaseKind, Simulator};
use std::time::Duration;

const REGION: &str = "us-east-1";
const OTHER: &str = "210987654321";

fn modify(sim: &Simulator, kind: DatabaseKind, id: &str, values: &[(&str, &str)]) -> Reply {
    let (action, name) = match kind {
        DatabaseKind::Instance => ("ModifyDBSnapshotAttribute", "DBSnapshotIdentifier"),
        DatabaseKind::Cluster => ("ModifyDBClusterSnapshotAttribute", "DBClusterSnapshotIdentifier"),
    };
    rds(sim, REGION, action, &[[(name, id), ("AttributeName", "restore")].as_slice(), values].concat())
}

/// A simulator with a snapshot of this name of each database, made.
fn with_snapshots(make: impl FnOnce(&Simulator)) -> Simulator {
    let sim = simulator();
    make(&sim);
    for database in sim.databases(ACCOUNT, REGION) {
        let (action, of, name) = match database.kind {
            DatabaseKind::Instance => ("CreateDBSnapshot", "DBInstanceIdentifier", "DBSnapshotIdentifier"),
            DatabaseKind::Cluster => ("CreateDBClusterSnapshot", "DBClusterIdentifier", "DBClusterSnapshotIdentifier"),
        };
        rds(&sim, REGION, action, &[(of, database.id.as_str()), (name, "by-hand")]).ok();
    }
    sim.skip(Duration::from_mins(5));
    sim
}

#[track_caller]
fn check_refused(kind: DatabaseKind, make: impl FnOnce(&Simulator)) {
    let code = match kind {
        DatabaseKind::Instance => "InvalidDBSnapshotState",
        DatabaseKind::Cluster => "InvalidDBClusterSnapshotStateFault",
    };
    let sim = with_snapshots(make);
    assert_eq!(modify(&sim, kind, "by-hand", &[("ValuesToAdd.AttributeValue.1", OTHER)]).code(), code);
}

#[tokio::test(start_paused = true)]
async fn accounts_are_added_removed_and_told() {
    let sim = with_snapshots(|sim| database(sim, REGION, "orders", &[]));
    let kind = DatabaseKind::Instance;
    let two = [("ValuesToAdd.AttributeValue.1", OTHER), ("ValuesToAdd.AttributeValue.2", "111111111111")];
    let told = modify(&sim, kind, "by-hand", &two).ok();
    assert_eq!(told.texts("AttributeValue"), ["111111111111", OTHER]);
    assert_eq!(told.first("DBSnapshotIdentifier"), "by-hand");
    modify(&sim, kind, "by-hand", &[("ValuesToRemove.AttributeValue.1", OTHER)]).ok();
    modify(&sim, kind, "by-hand", &two[..1]).ok();
    let told = rds(&sim, REGION, "DescribeDBSnapshotAttributes", &[("DBSnapshotIdentifier", "by-hand")]).ok();
    assert_eq!((told.first("AttributeName"), told.texts("AttributeValue").len()), ("restore".into(), 2));
    let automated = [("DBSnapshotIdentifier", "rds:orders-2026-11-21-05-00")];
    let told = rds(&sim, REGION, "DescribeDBSnapshotAttributes", &automated).ok();
    assert!(told.texts("AttributeValue").is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_account_is_refused() {
    let sim = with_snapshots(|sim| database(sim, REGION, "orders", &[]));
    let kind = DatabaseKind::Instance;
    for bad in ["", "12345678901", "1234567890123", "12345678901x", "everyone"] {
        let answer = modify(&sim, kind, "by-hand", &[("ValuesToAdd.AttributeValue.1", bad)]);
        assert_eq!(answer.code(), "InvalidParameterValue", "{bad}");
    }
    assert_eq!(modify(&sim, kind, "none", &[("ValuesToAdd.AttributeValue.1", OTHER)]).code(), "DBSnapshotNotFound");
    assert_eq!(modify(&sim, kind, "by-hand", &[]).code(), "MissingParameter");
    let other =
        [("DBSnapshotIdentifier", "by-hand"), ("AttributeName", "delete"), ("ValuesToAdd.AttributeValue.1", OTHER)];
    assert_eq!(rds(&sim, REGION, "ModifyDBSnapshotAttribute", &other).code(), "InvalidParameterValue");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_shared_with_twenty_accounts() {
    let sim = with_snapshots(|sim| database(sim, REGION, "orders", &[]));
    let add = |from: u64, to: u64| {
        let values: Vec<(String, String)> = (from..to)
            .map(|number| (format!("ValuesToAdd.AttributeValue.{}", number + 1), format!("{:012}", 100 + number)))
            .collect();
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        modify(&sim, DatabaseKind::Instance, "by-hand", &values)
    };
    add(0, 20).ok();
    assert_eq!(add(20, 21).code(), "SharedSnapshotQuotaExceeded");
    add(0, 20).ok();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_shared_is_refused() {
    let (instance, of_cluster) = (DatabaseKind::Instance, DatabaseKind::Cluster);
    check_refused(instance, |sim| database(sim, REGION, "orders", &[("StorageEncrypted", "true")]));
    check_refused(instance, |sim| database(sim, REGION, "orders", &[("TdeCredentialArn", "arn:x")]));
    check_refused(of_cluster, |sim| cluster(sim, REGION, "shop", "aurora-mysql", &[("StorageEncrypted", "true")]));
    check_refused(of_cluster, |sim| cluster(sim, REGION, "shop", "mysql", &[]));
    let sim = with_snapshots(|sim| database(sim, REGION, "orders", &[]));
    let add = [("ValuesToAdd.AttributeValue.1", OTHER)];
    assert_eq!(modify(&sim, instance, "rds:orders-2026-11-21-05-00", &add).code(), "InvalidDBSnapshotState");
    let sim = with_snapshots(|sim| {
        sim.create_key(ACCOUNT, REGION, "alias/live");
        let more = [("StorageEncrypted", "true"), ("KmsKeyId", "alias/live")];
        cluster(sim, REGION, "shop", "aurora-mysql", &more);
    });
    modify(&sim, of_cluster, "by-hand", &add).ok();
    let all = [("ValuesToAdd.AttributeValue.1", "all")];
    assert_eq!(modify(&sim, of_cluster, "by-hand", &all).code(), "InvalidDBClusterSnapshotStateFault");
}
