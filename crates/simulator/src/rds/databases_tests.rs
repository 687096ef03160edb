use crate::testing::{ACCOUNT, Look as _, cluster, database, rds, simulator, simulator_with};
use crate::{DatabaseKind, DbSnapshotState, Fault, FaultKind, Simulator};
use std::time::Duration;

const REGION: &str = "us-east-1";

/// The names of the automated snapshots, and whether all are available.
fn automated(sim: &Simulator) -> (Vec<String>, bool) {
    let all: Vec<_> = sim.db_snapshots(ACCOUNT, REGION).into_iter().filter(|one| one.is_automated).collect();
    let are_available = all.iter().all(|one| one.state == DbSnapshotState::Available);
    (all.into_iter().map(|one| one.id).collect(), are_available)
}

#[tokio::test(start_paused = true)]
async fn a_database_is_told_as_it_was_made() {
    let sim = simulator();
    sim.create_key(ACCOUNT, REGION, "alias/live");
    let more = [
        ("StorageEncrypted", "true"),
        ("KmsKeyId", "alias/live"),
        ("BackupRetentionPeriod", "7"),
        ("PreferredBackupWindow", "05:12-05:42"),
        ("CopyTagsToSnapshot", "true"),
        ("Tags.Tag.1.Key", "Failsafe"),
        ("Tags.Tag.1.Value", "Yes"),
        ("MasterUsername", "me"),
        ("MasterUserPassword", "secret"),
    ];
    database(&sim, REGION, "Orders", &more);
    let told = rds(&sim, REGION, "DescribeDBInstances", &[]).ok();
    for (element, expected) in [
        ("DBInstanceIdentifier", "orders"),
        ("DBInstanceStatus", "available"),
        ("Engine", "postgres"),
        ("BackupRetentionPeriod", "7"),
        ("PreferredBackupWindow", "05:12-05:42"),
        ("InstanceCreateTime", "2026-11-21T05:00:00.000Z"),
        ("StorageEncrypted", "true"),
        ("OptionGroupName", "default:postgres-16"),
        ("DBInstanceArn", "arn:aws:rds:us-east-1:123456789012:db:orders"),
        ("Key", "Failsafe"),
    ] {
        assert_eq!(told.first(element), expected, "{element}");
    }
    assert!(told.first("KmsKeyId").starts_with("arn:aws:kms:us-east-1:123456789012:key/"));
    assert!(!told.body.contains("secret"));
    let databases = sim.databases(ACCOUNT, REGION);
    assert_eq!((databases.len(), databases[0].kind, databases[0].retention_days), (1, DatabaseKind::Instance, 7));
    let again = [("DBInstanceIdentifier", "orders"), ("Engine", "mysql"), ("DBInstanceClass", "db.t3.micro")];
    assert_eq!(rds(&sim, REGION, "CreateDBInstance", &again).code(), "DBInstanceAlreadyExists");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_go_together_is_refused() {
    let sim = simulator();
    let base = [("DBInstanceIdentifier", "orders"), ("Engine", "postgres"), ("DBInstanceClass", "db.t3.micro")];
    for (more, code) in [
        (("BackupRetentionPeriod", "36"), "InvalidParameterValue"),
        (("PreferredBackupWindow", "05:00-05:10"), "InvalidParameterValue"),
        (("KmsKeyId", "alias/live"), "InvalidParameterCombination"),
        (("DBClusterIdentifier", "none"), "DBClusterNotFoundFault"),
        (("OptionGroupName", "none"), "OptionGroupNotFoundFault"),
        (("Port", "5432"), "UnknownParameter"),
    ] {
        assert_eq!(
            rds(&sim, REGION, "CreateDBInstance", &[base.as_slice(), &[more]].concat()).code(),
            code,
            "{more:?}"
        );
    }
    let encrypted = [base.as_slice(), &[("StorageEncrypted", "true"), ("KmsKeyId", "alias/none")]].concat();
    assert_eq!(rds(&sim, REGION, "CreateDBInstance", &encrypted).code(), "KMSKeyNotAccessibleFault");
    assert!(sim.databases(ACCOUNT, REGION).is_empty());
}

#[tokio::test(start_paused = true)]
async fn automated_snapshots_are_taken_at_first_and_then_daily() {
    let sim = simulator();
    database(&sim, REGION, "orders", &[("BackupRetentionPeriod", "2"), ("PreferredBackupWindow", "06:30-07:00")]);
    let names = |of: &[&str]| of.iter().map(|at| format!("rds:orders-2026-11-{at}")).collect::<Vec<String>>();
    assert_eq!(automated(&sim), (names(&["21-05-00"]), false));
    sim.skip(Duration::from_mins(5));
    assert_eq!(automated(&sim), (names(&["21-05-00"]), true));
    sim.skip(Duration::from_mins(85));
    assert_eq!(automated(&sim), (names(&["21-05-00", "21-06-30"]), false));
    sim.skip(Duration::from_hours(48));
    let all = ["21-05-00", "21-06-30", "22-06-30", "23-06-30"];
    assert_eq!(automated(&sim), (names(&all), false), "the old ones are there until the new one is");
    sim.skip(Duration::from_mins(5));
    assert_eq!(automated(&sim), (names(&all[2..]), true));
    sim.skip(Duration::from_hours(24 * 40));
    assert_eq!(automated(&sim).0.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_database_without_backups_has_no_automated_snapshots() {
    let sim = simulator();
    database(&sim, REGION, "orders", &[("BackupRetentionPeriod", "0")]);
    sim.skip(Duration::from_hours(72));
    assert!(sim.db_snapshots(ACCOUNT, REGION).is_empty());
}

#[tokio::test(start_paused = true)]
async fn automated_snapshots_get_tags_only_where_that_is_asked_for() {
    let sim = simulator();
    let tag = [("Tags.Tag.1.Key", "Team"), ("Tags.Tag.1.Value", "shop")];
    database(&sim, REGION, "plain", &tag);
    database(&sim, REGION, "tagged", &[tag.as_slice(), &[("CopyTagsToSnapshot", "true")]].concat());
    let counts: Vec<usize> = sim.db_snapshots(ACCOUNT, REGION).iter().map(|one| one.tags.len()).collect();
    assert_eq!(counts, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn the_snapshots_of_members_are_their_clusters() {
    let sim = simulator();
    cluster(&sim, REGION, "shop", "aurora-mysql", &[("StorageEncrypted", "true")]);
    let member = [
        ("DBInstanceIdentifier", "shop-1"),
        ("Engine", "aurora-mysql"),
        ("DBInstanceClass", "db.r6g.large"),
        ("DBClusterIdentifier", "shop"),
    ];
    rds(&sim, REGION, "CreateDBInstance", &member).ok();
    let snapshots = sim.db_snapshots(ACCOUNT, REGION);
    assert_eq!(snapshots.len(), 1);
    assert_eq!((snapshots[0].kind, snapshots[0].id.as_str()), (DatabaseKind::Cluster, "rds:shop-2026-11-21-05-00"));
    let told = rds(
        &sim,
        REGION,
        "DescribeDBInstances",
        &[("Filters.Filter.1.Name", "db-cluster-id"), ("Filters.Filter.1.Values.Value.1", "shop")],
    )
    .ok();
    assert_eq!((told.first("DBClusterIdentifier"), told.first("StorageEncrypted")), ("shop".into(), "true".into()));
    let told = rds(&sim, REGION, "DescribeDBClusters", &[("DBClusterIdentifier", "shop")]).ok();
    assert_eq!((told.first("DBInstanceIdentifier"), told.first("IsClusterWriter")), ("shop-1".into(), "true".into()));
    let by_hand = [("DBInstanceIdentifier", "shop-1"), ("DBSnapshotIdentifier", "by-hand")];
    assert_eq!(rds(&sim, REGION, "CreateDBSnapshot", &by_hand).code(), "InvalidDBInstanceState");
    let delete = |action: &str, id: (&str, &str)| rds(&sim, REGION, action, &[id, ("SkipFinalSnapshot", "true")]);
    let cluster = ("DBClusterIdentifier", "shop");
    assert_eq!(delete("DeleteDBCluster", cluster).code(), "InvalidDBClusterStateFault");
    delete("DeleteDBInstance", ("DBInstanceIdentifier", "shop-1")).ok();
    delete("DeleteDBCluster", cluster).ok();
    assert!(sim.db_snapshots(ACCOUNT, REGION).is_empty() && sim.databases(ACCOUNT, REGION).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_database_leaves_its_manual_snapshots_alone() {
    let sim = simulator();
    database(&sim, REGION, "orders", &[]);
    let delete = |more: &[(&str, &str)]| {
        rds(&sim, REGION, "DeleteDBInstance", &[[("DBInstanceIdentifier", "orders")].as_slice(), more].concat())
    };
    assert_eq!(delete(&[]).code(), "InvalidParameterCombination");
    delete(&[("FinalDBSnapshotIdentifier", "last")]).ok();
    assert_eq!(delete(&[("SkipFinalSnapshot", "true")]).code(), "DBInstanceNotFound");
    sim.skip(Duration::from_hours(48));
    let left = sim.db_snapshots(ACCOUNT, REGION);
    assert_eq!((left.len(), left[0].id.as_str(), left[0].state), (1, "last", DbSnapshotState::Available));
    assert!(sim.db_deletions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_database_made_anew_has_only_its_own_backups() {
    let sim = simulator();
    database(&sim, REGION, "orders", &[("PreferredBackupWindow", "06:00-07:00")]);
    let delete = [("DBInstanceIdentifier", "orders"), ("SkipFinalSnapshot", "true")];
    rds(&sim, REGION, "DeleteDBInstance", &delete).ok();
    sim.skip(Duration::from_mins(1));
    database(&sim, REGION, "orders", &[("PreferredBackupWindow", "08:00-09:00"), ("BackupRetentionPeriod", "9")]);
    sim.skip(Duration::from_hours(12));
    let expected = ["rds:orders-2026-11-21-05-01", "rds:orders-2026-11-21-08-00"].map(str::to_owned).to_vec();
    assert_eq!(automated(&sim), (expected, true));
}

#[tokio::test(start_paused = true)]
async fn databases_are_listed_in_pages() {
    let sim = simulator_with(|config| config.page_size = 2);
    for number in 0..5 {
        database(&sim, REGION, &format!("db-{number}"), &[]);
    }
    let mut seen = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let mut params = vec![("MaxRecords", "100")];
        params.extend(marker.as_deref().map(|marker| ("Marker", marker)));
        let page = rds(&sim, REGION, "DescribeDBInstances", &params).ok();
        seen.push(page.texts("DBInstanceIdentifier").len());
        marker = page.text("Marker");
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, [2, 2, 1]);
    for (most, status) in [("19", 400), ("20", 200), ("100", 200), ("101", 400)] {
        assert_eq!(rds(&sim, REGION, "DescribeDBInstances", &[("MaxRecords", most)]).status, status, "{most}");
    }
    assert_eq!(rds(&sim, REGION, "DescribeDBInstances", &[("Marker", "x")]).code(), "InvalidParameterValue");
    sim.inject(Fault::new("DescribeDBInstances", FaultKind::Throttle).of_later_pages());
    let first = rds(&sim, REGION, "DescribeDBInstances", &[]).ok().first("Marker");
    let second = rds(&sim, REGION, "DescribeDBInstances", &[("Marker", &first)]);
    assert_eq!((second.status, second.code().as_str()), (400, "Throttling"));
}

#[tokio::test(start_paused = true)]
async fn an_option_group_makes_its_databases_encrypt_by_themselves() {
    let sim = simulator();
    let group = [
        ("OptionGroupName", "with-tde"),
        ("EngineName", "oracle-ee"),
        ("MajorEngineVersion", "19"),
        ("OptionGroupDescription", "x"),
    ];
    rds(&sim, REGION, "CreateOptionGroup", &group).ok();
    let option = [
        ("OptionGroupName", "with-tde"),
        ("OptionsToInclude.OptionConfiguration.1.OptionName", "TDE"),
        ("ApplyImmediately", "true"),
    ];
    rds(&sim, REGION, "ModifyOptionGroup", &option).ok();
    assert_eq!(rds(&sim, REGION, "DescribeOptionGroups", &[]).ok().texts("OptionName"), ["TDE"]);
    let oracle = [
        ("DBInstanceIdentifier", "ledger"),
        ("Engine", "oracle-ee"),
        ("DBInstanceClass", "db.m5.large"),
        ("OptionGroupName", "with-tde"),
    ];
    rds(&sim, REGION, "CreateDBInstance", &oracle).ok();
    assert!(sim.db_snapshots(ACCOUNT, REGION)[0].has_tde);
}
