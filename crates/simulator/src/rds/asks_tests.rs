//! What must hold for calls of RDS under a policy.

use crate::testing::{ACCOUNT, Look as _, Reply, simulator};
use crate::{Policy, Simulator};
use std::time::Duration;

const REGION: &str = "us-east-1";
const TO: &str = "us-west-2";
const OTHER: &str = "210987654321";
const DENIED: &str = "AccessDenied";

/// A policy of these statements for an access key.
#[track_caller]
fn attach_to(sim: &Simulator, key: &str, statements: &[&str]) {
    let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(", "));
    sim.attach_policy(key, Policy::parse(&document).unwrap());
}

#[track_caller]
fn attach(sim: &Simulator, statements: &[&str]) {
    attach_to(sim, "AKID", statements);
}

/// A statement that allows actions on a resource, under a condition if there is any.
fn allow(actions: &str, resource: &str, condition: &str) -> String {
    format!(
        r#"{{"Effect": "Allow", "Action": "rds:{actions}", "Resource": "{resource}", "Condition": {{{condition}}}}}"#
    )
}

/// The ARN of what is here.
fn arn(resource: &str) -> String {
    format!("arn:aws:rds:{REGION}:{ACCOUNT}:{resource}")
}

/// A call by whoever has no policy.
#[track_caller]
fn operate(sim: &Simulator, action: &str, params: &[(&str, &str)]) -> Reply {
    sim.call("rds", REGION, action, params).unwrap()
}

fn ask(sim: &Simulator, region: &str, action: &str, params: &[(&str, &str)]) -> Reply {
    sim.ask("AKID", "rds", region, action, params)
}

fn tagged<'a>(key: &'a str, value: &'a str) -> [(&'a str, &'a str); 2] {
    [("Tags.Tag.1.Key", key), ("Tags.Tag.1.Value", value)]
}

/// A database, and the identifier of its automated snapshot, which is available.
#[track_caller]
fn database(sim: &Simulator, more: &[(&str, &str)]) -> String {
    let params = [
        ("DBInstanceIdentifier", "orders"),
        ("Engine", "postgres"),
        ("DBInstanceClass", "db.t3.micro"),
        ("AllocatedStorage", "20"),
        ("BackupRetentionPeriod", "7"),
    ];
    operate(sim, "CreateDBInstance", &[params.as_slice(), more].concat());
    sim.skip(Duration::from_mins(30));
    sim.db_snapshots(ACCOUNT, REGION).into_iter().find(|one| one.is_automated).unwrap().id
}

/// A manual snapshot that is available.
#[track_caller]
fn snapshot(sim: &Simulator, id: &str, tags: &[(&str, &str)]) {
    let params = [("DBSnapshotIdentifier", id), ("DBInstanceIdentifier", "orders")];
    operate(sim, "CreateDBSnapshot", &[params.as_slice(), tags].concat());
    sim.skip(Duration::from_mins(30));
}

fn copy(sim: &Simulator, region: &str, from: &str, to: &str, more: &[(&str, &str)]) -> Reply {
    let params = [("SourceDBSnapshotIdentifier", from), ("TargetDBSnapshotIdentifier", to)];
    ask(sim, region, "CopyDBSnapshot", &[params.as_slice(), more].concat())
}

/// Makes a call under each of the policies that lack one of these statements, which must be refused and name what is told
/// beside the statement, and then under all of them, which must not be refused.
#[track_caller]
fn check_each(sim: &Simulator, statements: &[(&str, &str)], ask: impl Fn() -> Reply) {
    for (left_out, named) in statements {
        let others: Vec<&str> = statements.iter().map(|(other, _)| *other).filter(|other| other != left_out).collect();
        attach(sim, &others);
        let answer = ask();
        assert_eq!((answer.status, answer.code().as_str()), (403, DENIED), "{left_out}");
        assert!(answer.body.contains(named), "{named}: {}", answer.body);
    }
    let all: Vec<&str> = statements.iter().map(|(statement, _)| *statement).collect();
    attach(sim, &all);
    ask().ok();
}

#[tokio::test(start_paused = true)]
async fn a_copy_asks_for_its_source_for_itself_and_for_its_tags() {
    let sim = simulator();
    let source = database(&sim, &[]);
    let (from, to) = (arn("snapshot:rds:*"), arn("snapshot:failsafe-*"));
    let of_source = allow("CopyDBSnapshot", &from, "");
    let of_copy = allow("CopyDBSnapshot", &to, r#""StringEquals": {"aws:RequestTag/Type": "Automated"}"#);
    let of_tags = allow(
        "AddTagsToResource",
        &to,
        r#""StringEquals": {"rds:req-tag/Type": "Automated"}, "Bool": {"rds:TagsFromRequest": "true"},
            "ForAllValues:StringEquals": {"aws:TagKeys": "Type"}"#,
    );
    let statements = [
        (of_source.as_str(), "rds:CopyDBSnapshot on resource: arn:aws:rds:us-east-1:123456789012:snapshot:rds:orders-"),
        (of_copy.as_str(), "rds:CopyDBSnapshot on resource: arn:aws:rds:us-east-1:123456789012:snapshot:failsafe-1"),
        (of_tags.as_str(), "rds:AddTagsToResource on resource: arn:aws:rds:us-east-1:123456789012:snapshot:failsafe-1"),
    ];
    check_each(&sim, &statements, || copy(&sim, REGION, &source, "failsafe-1", &tagged("Type", "Automated")));
    assert_eq!(copy(&sim, REGION, &source, "failsafe-2", &tagged("Type", "Manual")).code(), DENIED, "another tag");
    assert_eq!(copy(&sim, REGION, &source, "failsafe-2", &[]).code(), DENIED, "no tag");
    assert_eq!(copy(&sim, REGION, &source, "other", &tagged("Type", "Automated")).code(), DENIED, "another name");
    let missing = copy(&sim, REGION, "rds:missing", "failsafe-2", &tagged("Type", "Automated"));
    assert_eq!(missing.code(), "DBSnapshotNotFound");
}

#[tokio::test(start_paused = true)]
async fn tags_that_a_copy_takes_along_are_not_of_the_request() {
    let sim = simulator();
    let source = database(&sim, &[]);
    let to = arn("snapshot:failsafe-*");
    let copies = allow("CopyDBSnapshot", "*", "");
    let from_request =
        |flag: &str| allow("AddTagsToResource", &to, &format!(r#""Bool": {{"rds:TagsFromRequest": "{flag}"}}"#));
    let copy = || copy(&sim, REGION, &source, "failsafe-1", &[("CopyTags", "true")]);
    attach(&sim, &[&copies, &from_request("true")]);
    assert_eq!(copy().code(), DENIED);
    attach(&sim, &[&copies, &from_request("false")]);
    copy().ok();
}

#[tokio::test(start_paused = true)]
async fn a_copy_from_another_region_asks_in_both() {
    let sim = simulator();
    database(&sim, &[]);
    snapshot(&sim, "failsafe-1", &[]);
    let within = |regions: &str| {
        attach(&sim, &[&allow("*", "*", &format!(r#""StringEquals": {{"aws:RequestedRegion": [{regions}]}}"#))]);
        copy(&sim, TO, &arn("snapshot:failsafe-1"), "failsafe-1", &[])
    };
    assert_eq!(within(r#""us-west-2""#).code(), DENIED);
    assert_eq!(within(r#""us-east-1""#).code(), DENIED);
    within(r#""us-west-2", "us-east-1""#).ok();
}

#[tokio::test(start_paused = true)]
async fn what_another_account_shares_is_named_by_its_account() {
    let sim = simulator();
    database(&sim, &[]);
    snapshot(&sim, "failsafe-1", &tagged("Type", "Automated"));
    let share =
        [("DBSnapshotIdentifier", "failsafe-1"), ("AttributeName", "restore"), ("ValuesToAdd.AttributeValue.1", OTHER)];
    operate(&sim, "ModifyDBSnapshotAttribute", &share);
    let source = arn("snapshot:failsafe-1");
    let copy_by = |of_source: &str| {
        let own = allow("CopyDBSnapshot", &format!("arn:aws:rds:{REGION}:{OTHER}:snapshot:failsafe-*"), "");
        attach_to(&sim, OTHER, &[&own, of_source]);
        let params = [("SourceDBSnapshotIdentifier", source.as_str()), ("TargetDBSnapshotIdentifier", "failsafe-1")];
        sim.ask(OTHER, "rds", REGION, "CopyDBSnapshot", &params)
    };
    let theirs = arn("snapshot:failsafe-*");
    let of = |account: &str| format!(r#""StringEquals": {{"aws:ResourceAccount": "{account}"}}"#);
    assert_eq!(copy_by(&allow("CopyDBSnapshot", &theirs, &of(OTHER))).code(), DENIED);
    let its_tags = r#""Null": {"aws:ResourceTag/Type": "false"}"#;
    assert_eq!(copy_by(&allow("CopyDBSnapshot", &theirs, its_tags)).code(), DENIED, "its tags are its account's");
    copy_by(&allow("CopyDBSnapshot", &theirs, &of(ACCOUNT))).ok();
}

/// Makes a snapshot with these tags, and checks with which code a policy like the sharer's lets it be deleted; empty if
/// it does.
#[track_caller]
fn check_line(tags: &[(&str, &str)], code: &str) {
    let sim = simulator();
    database(&sim, &[]);
    let names: Vec<[String; 2]> =
        (1..=tags.len()).map(|n| [format!("Tags.Tag.{n}.Key"), format!("Tags.Tag.{n}.Value")]).collect();
    let params: Vec<(&str, &str)> = names
        .iter()
        .zip(tags)
        .flat_map(|([name, value], (key, text))| [(name.as_str(), *key), (value.as_str(), *text)])
        .collect();
    snapshot(&sim, "failsafe-1", &params);
    let deletes = allow(
        "DeleteDBSnapshot",
        &arn("snapshot:failsafe-*"),
        r#""StringEquals": {"aws:ResourceTag/Type": "Automated"}"#,
    );
    let never = r#"{"Effect": "Deny", "Action": "rds:DeleteDBSnapshot", "Resource": "*",
        "Condition": {"Null": {"rds:snapshot-tag/KeepForever": "false"}}}"#;
    attach(&sim, &[&deletes, never]);
    let answer = ask(&sim, REGION, "DeleteDBSnapshot", &[("DBSnapshotIdentifier", "failsafe-1")]);
    assert_eq!(answer.code(), code, "{tags:?}");
    let manual = sim.db_snapshots(ACCOUNT, REGION).into_iter().filter(|one| !one.is_automated).count();
    assert_eq!(manual, usize::from(!code.is_empty()));
    let missing = ask(&sim, REGION, "DeleteDBSnapshot", &[("DBSnapshotIdentifier", "failsafe-9")]);
    assert_eq!(missing.code(), "DBSnapshotNotFound");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_deleted_by_the_tags_that_it_has() {
    check_line(&[("Type", "Automated")], "");
    check_line(&[("Type", "Automated"), ("KeepForever", "")], DENIED);
    check_line(&[("Type", "Manual")], DENIED);
    check_line(&[], DENIED);
}

#[tokio::test(start_paused = true)]
async fn tags_on_what_is_there_are_held_to_its_tags_and_theirs() {
    let sim = simulator();
    database(&sim, &[]);
    snapshot(&sim, "failsafe-1", &tagged("Type", "Automated"));
    snapshot(&sim, "failsafe-2", &[]);
    attach(
        &sim,
        &[&allow(
            "*TagsToResource",
            &arn("snapshot:*"),
            r#""StringEquals": {"aws:ResourceTag/Type": "Automated"},
                "ForAllValues:StringEquals": {"aws:TagKeys": "Failsafe_Announced"}"#,
        )],
    );
    let tag = |name: &str, key: &str| {
        let name = arn(name);
        ask(
            &sim,
            REGION,
            "AddTagsToResource",
            &[[("ResourceName", name.as_str())].as_slice(), &tagged(key, "x")].concat(),
        )
    };
    tag("snapshot:failsafe-1", "Failsafe_Announced").ok();
    assert_eq!(tag("snapshot:failsafe-1", "Type").code(), DENIED, "another key");
    assert_eq!(tag("snapshot:failsafe-2", "Failsafe_Announced").code(), DENIED, "another's");
    assert_eq!(tag("db:orders", "Failsafe_Announced").code(), DENIED, "no snapshot");

    let remove = |key: &str| {
        let name = arn("snapshot:failsafe-1");
        let params = [("ResourceName", name.as_str()), ("TagKeys.member.1", key)];
        ask(&sim, REGION, "RemoveTagsFromResource", &params)
    };
    attach(
        &sim,
        &[&allow(
            "RemoveTagsFromResource",
            "*",
            r#""ForAllValues:StringEquals": {"aws:TagKeys": "Failsafe_Announced"}"#,
        )],
    );
    assert_eq!(remove("Type").code(), DENIED);
    remove("Failsafe_Announced").ok();
}

#[tokio::test(start_paused = true)]
async fn only_what_a_policy_is_about_is_shared() {
    let sim = simulator();
    database(&sim, &[]);
    snapshot(&sim, "failsafe-1", &tagged("Type", "Automated"));
    snapshot(&sim, "failsafe-2", &[]);
    let condition = r#""StringEquals": {"aws:ResourceTag/Type": "Automated"}"#;
    attach(&sim, &[&allow("ModifyDBSnapshotAttribute", &arn("snapshot:failsafe-*"), condition)]);
    let share = |id: &str| {
        let to = [("AttributeName", "restore"), ("ValuesToAdd.AttributeValue.1", OTHER)];
        let params = [[("DBSnapshotIdentifier", id)].as_slice(), &to].concat();
        ask(&sim, REGION, "ModifyDBSnapshotAttribute", &params)
    };
    assert_eq!(share("failsafe-2").code(), DENIED);
    share("failsafe-1").ok();
}

#[tokio::test(start_paused = true)]
async fn a_list_asks_for_all_and_a_name_for_itself() {
    let sim = simulator();
    let automated = database(&sim, &tagged("Failsafe", "Yes"));
    let list = |action: &str, params: &[(&str, &str)]| ask(&sim, REGION, action, params);
    attach(
        &sim,
        &[
            &allow("DescribeDBInstances", &arn("db:orders"), r#""StringEquals": {"rds:db-tag/Failsafe": "Yes"}"#),
            &allow("DescribeDBSnapshots", &arn("snapshot:rds:*"), ""),
        ],
    );
    let refused = list("DescribeDBInstances", &[]);
    assert!(refused.code() == DENIED && refused.body.contains(&arn("db:*")), "{}", refused.body);
    list("DescribeDBInstances", &[("DBInstanceIdentifier", "orders")]).ok();
    assert_eq!(list("DescribeDBSnapshots", &[]).code(), DENIED);
    list("DescribeDBSnapshots", &[("DBSnapshotIdentifier", automated.as_str()), ("SnapshotType", "automated")]).ok();
    let of_database = [("DBSnapshotIdentifier", automated.as_str()), ("DBInstanceIdentifier", "orders")];
    assert_eq!(list("DescribeDBSnapshots", &of_database).code(), DENIED, "of its database");

    let actions = [
        "DescribeDBInstances",
        "DescribeDBClusters",
        "DescribeDBSnapshots",
        "DescribeDBClusterSnapshots",
        "DescribeOptionGroups",
        "DescribeAccountAttributes",
    ];
    for action in actions {
        attach(&sim, &[&allow(action, "*", "")]);
        list(action, &[]).ok();
        for other in actions.into_iter().filter(|other| *other != action) {
            assert_eq!(list(other, &[]).code(), DENIED, "{other}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_database_asks_for_itself_and_a_snapshot_for_both() {
    let sim = simulator();
    database(&sim, &[]);
    let of_database = allow("CreateDBSnapshot", &arn("db:orders"), "");
    let of_snapshot = allow("CreateDBSnapshot", &arn("snapshot:mine"), "");
    let statements = [
        (of_database.as_str(), "CreateDBSnapshot on resource"),
        (of_snapshot.as_str(), "CreateDBSnapshot on resource"),
    ];
    let params = [("DBSnapshotIdentifier", "mine"), ("DBInstanceIdentifier", "orders")];
    check_each(&sim, &statements, || ask(&sim, REGION, "CreateDBSnapshot", &params));

    let delete = || {
        let params = [("DBInstanceIdentifier", "orders"), ("SkipFinalSnapshot", "true")];
        ask(&sim, REGION, "DeleteDBInstance", &params)
    };
    attach(&sim, &[&allow("DeleteDBInstance", &arn("db:other"), "")]);
    assert_eq!(delete().code(), DENIED);
    let deletes = allow("DeleteDBInstance", &arn("db:orders"), "");
    attach(&sim, &[&deletes]);
    let last = [("DBInstanceIdentifier", "orders"), ("FinalDBSnapshotIdentifier", "last")];
    let refused = ask(&sim, REGION, "DeleteDBInstance", &last);
    assert!(refused.code() == DENIED && refused.body.contains("rds:CreateDBSnapshot"), "{}", refused.body);
    delete().ok();
    assert!(sim.databases(ACCOUNT, REGION).is_empty());
}

/// A statement that lets RDS use keys for these actions; grants have one of their own.
fn keys(actions: &[&str]) -> Vec<String> {
    let is_grant = |action: &&str| *action == "kms:CreateGrant";
    let (grants, others): (Vec<&str>, Vec<&str>) = actions.iter().copied().partition(is_grant);
    let keys = r#""Resource": "arn:aws:kms:*:123456789012:key/*", "Condition": {"StringLike":
        {"kms:ViaService": "rds.*.amazonaws.com"}, "StringEquals": {"kms:CallerAccount": "123456789012",
        "aws:ResourceAccount": "123456789012"}"#;
    let for_aws = r#""Bool": {"kms:GrantIsForAWSResource": "true"}"#;
    let others = format!(r#"{{"Effect": "Allow", "Action": {others:?}, {keys}}}}}"#);
    let grants =
        grants.iter().map(|grant| format!(r#"{{"Effect": "Allow", "Action": {grant:?}, {keys}, {for_aws}}}}}"#));
    std::iter::once(others).chain(grants).collect()
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_refused_unless_rds_may_use_both_keys() {
    let sim = simulator();
    for key in ["alias/home", "alias/failsafe"] {
        sim.create_key(ACCOUNT, REGION, key);
    }
    let source = database(&sim, &[("StorageEncrypted", "true"), ("KmsKeyId", "alias/home")]);
    let of_source = ["kms:DescribeKey", "kms:CreateGrant", "kms:Decrypt", "kms:ReEncryptFrom"];
    let of_copy = ["kms:DescribeKey", "kms:CreateGrant", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptTo"];
    let both = [of_source.as_slice(), &of_copy[2..]].concat();
    let copies = allow("CopyDBSnapshot", "*", "");
    let copy_with = |actions: &[&str], to: &str| {
        let keys = keys(actions);
        let statements: Vec<&str> = std::iter::once(&copies).chain(&keys).map(String::as_str).collect();
        attach(&sim, &statements);
        copy(&sim, REGION, &source, to, &[("KmsKeyId", "alias/failsafe")])
    };
    for left_out in &both {
        let others: Vec<&str> = both.iter().copied().filter(|action| action != left_out).collect();
        assert_eq!(copy_with(&others, "failsafe-1").code(), "KMSKeyNotAccessibleFault", "{left_out}");
    }
    copy_with(&both, "failsafe-1").ok();
}

#[tokio::test(start_paused = true)]
async fn what_is_under_the_key_of_rds_may_be_read_by_everyone_in_the_account() {
    let sim = simulator();
    sim.create_key(ACCOUNT, REGION, "alias/failsafe");
    let source = database(&sim, &[("StorageEncrypted", "true")]);
    let of_copy = ["kms:DescribeKey", "kms:CreateGrant", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptTo"];
    let keys = keys(&of_copy);
    let copies = allow("CopyDBSnapshot", "*", "");
    let statements: Vec<&str> = std::iter::once(&copies).chain(&keys).map(String::as_str).collect();
    attach(&sim, &statements);
    copy(&sim, REGION, &source, "failsafe-1", &[("KmsKeyId", "alias/failsafe")]).ok();
}

#[tokio::test(start_paused = true)]
async fn an_automated_snapshot_is_tagged_by_whom_a_policy_lets() {
    let sim = simulator();
    let automated = arn(&format!("snapshot:{}", database(&sim, &[])));
    let tag = |key: &str| {
        let params = [("ResourceName", automated.as_str()), ("Tags.Tag.1.Key", key), ("Tags.Tag.1.Value", "x")];
        ask(&sim, REGION, "AddTagsToResource", &params)
    };
    let condition = r#""ForAllValues:StringLike": {"aws:TagKeys": "Sync-*"}"#;
    attach(&sim, &[&allow("AddTagsToResource", &arn("snapshot:sync-*"), condition)]);
    assert_eq!(tag("Sync-us-west-2").code(), DENIED, "another snapshot");
    attach(&sim, &[&allow("AddTagsToResource", &arn("snapshot:rds:*"), condition)]);
    assert_eq!(tag("Type").code(), DENIED, "another key");
    tag("Sync-us-west-2").ok();
}
