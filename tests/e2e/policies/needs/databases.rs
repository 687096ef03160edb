//! What the watcher needs its policy for where there are databases.

use serde_json::Value;
use snapkeeper_core::{plan::FindingKind, run::Job};
use snapkeeper_simulator::{Config, Simulator};
use snapkeeper_tests::{
    World,
    world::{ACCOUNT, instant},
};

use super::check;
use crate::{
    peers::{FIRST, HOME, WEST},
    policies::TOPIC,
};

/// With whom copies are shared.
const FAILSAFE: &str = "222222222222";
const KEY: &str = "alias/failsafe";
/// What makes a snapshot a copy of the sharer's.
const OWN: [(&str, &str); 4] = [
    ("Tags.Tag.1.Key", "Type"),
    ("Tags.Tag.1.Value", "Automated"),
    ("Tags.Tag.2.Key", "Source_DBSnapshot"),
    ("Tags.Tag.2.Value", "orders"),
];
const ENROLLED: [(&str, &str); 2] = [("Tags.Tag.1.Key", "Failsafe"), ("Tags.Tag.1.Value", "Yes")];
/// Such databases can have what cannot be shared.
const ORACLE: [(&str, &str); 5] = [
    ("DBInstanceIdentifier", "orders"),
    ("Engine", "oracle-ee"),
    ("DBInstanceClass", "db.m5.large"),
    ("AllocatedStorage", "20"),
    ("OptionGroupName", "plain"),
];

/// A DB instance and a cluster, each with a copy that is shared; nothing is wrong but that there is no room for more, and
/// that nothing is saved of the account which is a live one here.
pub(super) async fn watches(policy: &Value) -> Result<(), String> {
    let simulator =
        Simulator::new(Config { db_snapshot_limit: 1, ..Config::starting(instant("2026-11-21T00:00:00Z")) });
    let world = World::of(simulator.clone()).with_policy(Job::Watcher, policy.clone());
    let world = [
        ("ALERT_TOPIC_ARN", TOPIC),
        ("FAILSAFE_ACCOUNT", FAILSAFE),
        ("FAILSAFE_KMS_KEY", KEY),
        ("LIVE_ACCOUNT", FAILSAFE),
        ("SAVER_COPY_DEST", WEST),
    ]
    .into_iter()
    .fold(world, |world, (name, value)| world.with(name, value));
    let make = |service: &str, action: &str, parts: &[&[(&str, &str)]]| {
        let answer = simulator.call(service, HOME, action, &parts.concat());
        answer.map(drop).map_err(|error| format!("{action}: {error}"))
    };
    make("sns", "CreateTopic", &[&[("Name", "alerts")]])?;
    simulator.create_key(ACCOUNT, HOME, KEY);
    let group = [("OptionGroupName", "plain"), ("EngineName", "oracle-ee"), ("MajorEngineVersion", "19")];
    make("rds", "CreateOptionGroup", &[&group, &[("OptionGroupDescription", "no TDE")]])?;
    make("rds", "CreateDBInstance", &[&ORACLE, &[("BackupRetentionPeriod", "7")], &ENROLLED])?;
    let cluster = [("DBClusterIdentifier", "shop"), ("Engine", "aurora-postgresql")];
    make("rds", "CreateDBCluster", &[&cluster, &[("BackupRetentionPeriod", "7")], &ENROLLED])?;
    world.settle().await;
    let [of_instance, of_cluster] =
        [("DBSnapshotIdentifier", "failsafe-orders"), ("DBClusterSnapshotIdentifier", "failsafe-shop")];
    make("rds", "CreateDBSnapshot", &[&[of_instance, ("DBInstanceIdentifier", "orders")], &OWN])?;
    make("rds", "CreateDBClusterSnapshot", &[&[of_cluster, ("DBClusterIdentifier", "shop")], &OWN])?;
    world.settle().await;
    let shared = [("AttributeName", "restore"), ("ValuesToAdd.AttributeValue.1", FAILSAFE)];
    make("rds", "ModifyDBSnapshotAttribute", &[&[of_instance], &shared])?;
    make("rds", "ModifyDBClusterSnapshotAttribute", &[&[of_cluster], &shared])?;

    let report = world.run(Job::Watcher, HOME, FIRST).await;
    let found: Vec<FindingKind> = report.findings.iter().map(|finding| finding.kind).collect();
    let expected = [FindingKind::NotFailsafe, FindingKind::QuotaNear, FindingKind::QuotaNear];
    check(found == expected, &format!("{:?}", report.findings))?;
    check(report.failed.is_empty(), &format!("{:?}", report.failed))
}
