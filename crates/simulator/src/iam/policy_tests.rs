//! What must hold for calls under a policy.

use crate::testing::{
    ACCOUNT, Look as _, Reply, call, call_service, instance_with_data, simulator, snapshot, volume, volume_with,
};
use crate::{Fault, FaultKind, Outcome, Policy, Simulator, SnapshotState};
use std::time::Duration;

const REGION: &str = "us-east-1";
const TO: &str = "us-west-2";
const DENIED: &str = "UnauthorizedOperation";

/// Attaches a policy of these statements to the key with which the tests call.
#[track_caller]
fn attach(sim: &Simulator, statements: &[&str]) {
    let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(", "));
    sim.attach_policy("AKID", Policy::parse(&document).unwrap());
}

/// A call by whoever has no policy.
#[track_caller]
fn operate(sim: &Simulator, region: &str, action: &str, params: &[(&str, &str)]) -> Reply {
    sim.call("ec2", region, action, params).unwrap()
}

/// The parameters of a tag on something that is there.
fn tag<'a>(id: &'a str, key: &'a str, value: &'a str) -> [(&'a str, &'a str); 3] {
    [("ResourceId.1", id), ("Tag.1.Key", key), ("Tag.1.Value", value)]
}

/// The parameters of a tag on a snapshot that is made.
fn tagged<'a>(key: &'a str, value: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("TagSpecification.1.ResourceType", "snapshot"),
        ("TagSpecification.1.Tag.1.Key", key),
        ("TagSpecification.1.Tag.1.Value", value),
    ]
}

/// Makes a call under each of the policies that lack one of these statements, which must be refused and name what is
/// told beside the statement, and then under all of them, which must not be refused.
#[track_caller]
fn check_each(sim: &Simulator, statements: &[(&str, &str)], ask: impl Fn() -> Reply) {
    for (left_out, named) in statements {
        let others: Vec<&str> = statements.iter().map(|(other, _)| *other).filter(|other| other != left_out).collect();
        attach(sim, &others);
        let answer = ask();
        assert_eq!(answer.code(), DENIED, "{left_out}");
        assert!(answer.body.contains(named), "{named}: {}", answer.body);
    }
    let all: Vec<&str> = statements.iter().map(|(statement, _)| *statement).collect();
    attach(sim, &all);
    ask().ok();
}

#[tokio::test(start_paused = true)]
async fn whoever_has_a_policy_may_do_what_it_allows_and_nothing_else() {
    let sim = simulator();
    call(&sim, REGION, "DescribeVolumes", &[]).ok();
    attach(&sim, &[r#"{"Effect": "Allow", "Action": "EC2:describe*s", "Resource": "*"}"#]);
    call(&sim, REGION, "DescribeVolumes", &[]).ok();
    let refused = call(&sim, REGION, "CreateTags", &tag(&volume_of_operator(&sim), "Backup", "No"));
    assert_eq!((refused.status, refused.code().as_str()), (403, DENIED));
    let told =
        "User: AKID is not authorized to perform: ec2:CreateTags on resource: arn:aws:ec2:us-east-1:123456789012:";
    assert!(refused.body.contains(told), "{}", refused.body);
    let denied = Outcome::Error { status: 403, code: DENIED.to_owned() };
    assert_eq!(sim.calls().pop().map(|call| call.answer), Some(denied));
    assert!(sim.volumes(ACCOUNT, REGION)[0].tags.is_empty());

    attach(&sim, &[r#"{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:ec2:*:*:snapshot/*"}"#]);
    assert_eq!(call(&sim, REGION, "DescribeVolumes", &[]).code(), DENIED, "replaced; and no resource is all");
}

fn volume_of_operator(sim: &Simulator) -> String {
    operate(sim, REGION, "CreateVolume", &[("AvailabilityZone", "us-east-1a"), ("Size", "8")]).first("volumeId")
}

#[tokio::test(start_paused = true)]
async fn who_one_is_may_always_be_asked() {
    let sim = simulator();
    attach(&sim, &[r#"{"Effect": "Deny", "Action": "*", "Resource": "*"}"#]);
    call_service(&sim, "sts", REGION, "GetCallerIdentity", &[]).ok();
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_is_not_allowed_whatever_else_allows_it() {
    let sim = simulator();
    let allow = r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#;
    let deny = r#"{"Effect": "Deny", "Action": "ec2:Describe*", "Resource": "*",
        "Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}}"#;
    for order in [[allow, deny], [deny, allow]] {
        attach(&sim, &order);
        let refused = call(&sim, REGION, "DescribeVolumes", &[]);
        assert!(refused.code() == DENIED && refused.body.contains("explicit deny"), "{}", refused.body);
        call(&sim, TO, "DescribeVolumes", &[]).ok();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_modelled_is_refused_whatever_the_policy() {
    let sim = simulator();
    attach(&sim, &[r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#]);
    let params = [("AvailabilityZone", "us-east-1a"), ("Size", "8")];
    let refused = call(&sim, REGION, "CreateVolume", &params);
    assert!(refused.code() == DENIED && refused.body.contains("does not know"), "{}", refused.body);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_tells_what_is_allowed() {
    let sim = simulator();
    let id = snapshot(&sim, REGION);
    let ask = || call(&sim, REGION, "DeleteSnapshot", &[("SnapshotId", &id), ("DryRun", "true")]).code();
    attach(&sim, &[r#"{"Effect": "Allow", "Action": "ec2:DeleteSnapshot", "Resource": "*"}"#]);
    assert_eq!(ask(), "DryRunOperation");
    attach(&sim, &[r#"{"Effect": "Allow", "Action": "ec2:CreateSnapshot", "Resource": "*"}"#]);
    assert_eq!(ask(), DENIED);
}

const DELETE_AUTOMATED: &str = r#"{"Effect": "Allow", "Action": "ec2:DeleteSnapshot",
    "Resource": "arn:aws:ec2:us-east-1:*:snapshot/*",
    "Condition": {"StringEquals": {"aws:ResourceTag/Type": "Automated"}}}"#;
const DENY_KEPT: &str = r#"{"Effect": "Deny", "Action": "ec2:DeleteSnapshot", "Resource": "*",
    "Condition": {"Null": {"aws:ResourceTag/KeepForever": "false"}}}"#;

/// Tags a snapshot, and checks with which code a policy like the manager's lets it be deleted; empty if it does.
#[track_caller]
fn check_line(tags: &[(&str, &str)], code: &str) {
    let sim = simulator();
    let id = snapshot(&sim, REGION);
    // the tags count as they are when the call comes in
    attach(&sim, &[DELETE_AUTOMATED, DENY_KEPT]);
    for (key, value) in tags {
        operate(&sim, REGION, "CreateTags", &tag(&id, key, value));
    }
    let delete = [("SnapshotId", id.as_str())];
    assert_eq!(call(&sim, REGION, "DeleteSnapshot", &delete).code(), code, "{tags:?}");
    assert_eq!(sim.snapshots(ACCOUNT, REGION).len(), usize::from(!code.is_empty()));
    assert_eq!(sim.call("ec2", REGION, "DeleteSnapshot", &delete).is_ok(), !code.is_empty(), "the operator may");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_deleted_by_the_tags_that_it_has() {
    check_line(&[("Type", "Automated")], "");
    check_line(&[("Type", "Automated"), ("KeepForever", "")], DENIED);
    check_line(&[("Type", "Automated"), ("KeepForever", "yes")], DENIED);
    check_line(&[("Type", "Automated"), ("keepforever", "yes")], DENIED);
    check_line(&[("Type", "Manual")], DENIED);
    check_line(&[("Type", "automated")], DENIED);
    check_line(&[], DENIED);
}

#[tokio::test(start_paused = true)]
async fn a_late_call_is_judged_by_what_is_there_when_it_arrives() {
    let sim = simulator();
    let id = snapshot(&sim, REGION);
    operate(&sim, REGION, "CreateTags", &tag(&id, "Type", "Automated"));
    attach(&sim, &[DELETE_AUTOMATED, DENY_KEPT]);
    sim.inject(Fault::new("DeleteSnapshot", FaultKind::Late(Duration::from_secs(90))));
    call(&sim, REGION, "DeleteSnapshot", &[("SnapshotId", &id)]);
    operate(&sim, REGION, "CreateTags", &tag(&id, "KeepForever", ""));
    sim.skip(Duration::from_secs(90));
    assert_eq!(sim.snapshots(ACCOUNT, REGION).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_told_to_whoever_may_do_it_to_something() {
    let sim = simulator();
    attach(&sim, &[DELETE_AUTOMATED]);
    let missing = [("SnapshotId", "snap-00000000"), ("ResourceId.1", "snap-00000000"), ("Tag.1.Key", "x")];
    assert_eq!(call(&sim, REGION, "DeleteSnapshot", &missing[..1]).code(), "InvalidSnapshot.NotFound");
    assert_eq!(call(&sim, REGION, "CreateTags", &missing[1..]).code(), DENIED);
    attach(&sim, &[DELETE_AUTOMATED, r#"{"Effect": "Deny", "Action": "ec2:Delete*", "Resource": "*"}"#]);
    assert_eq!(call(&sim, REGION, "DeleteSnapshot", &missing[..1]).code(), DENIED);
}

const TAG_ON_CREATION: &str = r#"{"Effect": "Allow", "Action": "ec2:CreateTags",
    "Resource": "arn:aws:ec2:*:*:snapshot/*",
    "Condition": {"StringEquals": {"ec2:CreateAction": ["CreateSnapshot", "CreateSnapshots", "CopySnapshot"]}}}"#;

#[tokio::test(start_paused = true)]
async fn a_set_asks_for_the_instance_each_volume_the_snapshots_and_their_tags() {
    let sim = simulator();
    let (instance, data) = instance_with_data(&sim, REGION);
    operate(&sim, REGION, "CreateTags", &tag(&instance, "Backup", "Yes"));
    let root = sim.volumes(ACCOUNT, REGION).into_iter().find(|one| one.id != data).unwrap().id;
    let on_volume = |id: &str| {
        format!(
            r#"{{"Effect": "Allow", "Action": "ec2:CreateSnapshots",
                "Resource": "arn:aws:ec2:us-east-1:123456789012:volume/{id}"}}"#
        )
    };
    let (on_root, on_data) = (on_volume(&root), on_volume(&data));
    let on_instance = r#"{"Effect": "Allow", "Action": "ec2:CreateSnapshots",
        "Resource": "arn:aws:ec2:us-east-1:123456789012:instance/*",
        "Condition": {"Null": {"aws:ResourceTag/Backup": "false"}}}"#;
    let on_snapshots = r#"{"Effect": "Allow", "Action": "ec2:CreateSnapshots",
        "Resource": "arn:aws:ec2:us-east-1::snapshot/${*}",
        "Condition": {"StringEquals": {"aws:RequestTag/Type": "Automated"},
            "ForAllValues:StringEquals": {"aws:TagKeys": "Type"},
            "ArnLike": {"ec2:ParentVolume": "arn:aws:ec2:*:*:volume/vol-*"}}}"#;
    let statements = [
        (on_instance, instance.as_str()),
        (on_root.as_str(), root.as_str()),
        (on_data.as_str(), data.as_str()),
        (on_snapshots, "ec2:CreateSnapshots on resource: arn:aws:ec2:us-east-1::snapshot/*"),
        (TAG_ON_CREATION, "ec2:CreateTags on resource: arn:aws:ec2:us-east-1::snapshot/*"),
    ];
    let named = [("InstanceSpecification.InstanceId", instance.as_str())];
    let ask = |value: &str| call(&sim, REGION, "CreateSnapshots", &[named.as_slice(), &tagged("Type", value)].concat());
    check_each(&sim, &statements, || ask("Automated"));
    assert_eq!(ask("Manual").code(), DENIED, "another tag");
    assert_eq!(call(&sim, REGION, "CreateSnapshots", &named).code(), DENIED, "no tag");

    // what is left out of the set is not asked for
    sim.skip(Duration::from_mins(5));
    attach(&sim, &[on_instance, &on_root, on_snapshots, TAG_ON_CREATION]);
    let without_data = [("InstanceSpecification.ExcludeDataVolumeId.1", data.as_str())];
    let params = [named.as_slice(), &without_data, &tagged("Type", "Automated")].concat();
    call(&sim, REGION, "CreateSnapshots", &params).ok();
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_asks_for_its_volume_and_itself_and_for_its_tags_if_it_has_any() {
    let sim = simulator();
    let id = volume(&sim, REGION);
    let statements = [
        (r#"{"Effect": "Allow", "Action": "ec2:CreateSnapshot", "Resource": "arn:aws:ec2:*:*:volume/*"}"#, id.as_str()),
        (
            r#"{"Effect": "Allow", "Action": "ec2:CreateSnapshot", "Resource": "arn:aws:ec2:*::snapshot/*"}"#,
            "snapshot/*",
        ),
        (TAG_ON_CREATION, "ec2:CreateTags"),
    ];
    let named = [("VolumeId", id.as_str())];
    let params = [named.as_slice(), &tagged("Type", "Automated")].concat();
    check_each(&sim, &statements, || call(&sim, REGION, "CreateSnapshot", &params));
    sim.skip(Duration::from_mins(5));
    check_each(&sim, &statements[..2], || call(&sim, REGION, "CreateSnapshot", &named));
}

#[tokio::test(start_paused = true)]
async fn a_volume_has_no_key_for_the_tags_of_its_snapshot() {
    let sim = simulator();
    let id = volume(&sim, REGION);
    attach(
        &sim,
        &[r#"{"Effect": "Allow", "Action": ["ec2:CreateSnapshot", "ec2:CreateTags"], "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestTag/Type": "Automated"}}}"#],
    );
    let params = [[("VolumeId", id.as_str())].as_slice(), &tagged("Type", "Automated")].concat();
    let refused = call(&sim, REGION, "CreateSnapshot", &params);
    assert!(refused.code() == DENIED && refused.body.contains(&id), "{}", refused.body);
}

#[tokio::test(start_paused = true)]
async fn tags_on_what_is_there_are_of_no_creation() {
    let sim = simulator();
    let id = snapshot(&sim, REGION);
    let date = |key: &str| call(&sim, REGION, "CreateTags", &tag(&id, key, "x")).code();
    attach(&sim, &[TAG_ON_CREATION]);
    assert_eq!(date("DeleteOn"), DENIED);
    attach(
        &sim,
        &[r#"{"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "arn:aws:ec2:us-east-1:*:snapshot/*",
            "Condition": {"StringEquals": {"ec2:ResourceTag/Type": "Automated"},
                "ForAllValues:StringEquals": {"aws:TagKeys": "DeleteOn"}}}"#],
    );
    assert_eq!(date("DeleteOn"), DENIED, "not yet automated");
    operate(&sim, REGION, "CreateTags", &tag(&id, "Type", "Automated"));
    assert_eq!((date("DeleteOn").as_str(), date("KeepForever").as_str()), ("", DENIED));
    assert_eq!(call(&sim, REGION, "DeleteTags", &[("ResourceId.1", &id), ("Tag.1.Key", "DeleteOn")]).code(), DENIED);
}

#[tokio::test(start_paused = true)]
async fn tags_ask_for_every_resource_that_they_are_for() {
    let sim = simulator();
    let (one, other) = (snapshot(&sim, REGION), snapshot(&sim, REGION));
    operate(&sim, REGION, "CreateTags", &tag(&one, "Type", "Automated"));
    attach(
        &sim,
        &[r#"{"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*",
            "Condition": {"StringEquals": {"aws:ResourceTag/Type": "Automated"}}}"#],
    );
    let params = [tag(&one, "DeleteOn", "x").as_slice(), &[("ResourceId.2", other.as_str())]].concat();
    let refused = call(&sim, REGION, "CreateTags", &params);
    assert!(refused.code() == DENIED && refused.body.contains(&other), "{}", refused.body);
    assert!(sim.snapshots(ACCOUNT, REGION).iter().all(|one| !one.tags.contains_key("DeleteOn")));
}

const COPY_OWN: &str = r#"{"Effect": "Allow", "Action": "ec2:CopySnapshot",
    "Resource": "arn:aws:ec2:*:*:snapshot/snap-*",
    "Condition": {"StringEquals": {"ec2:Owner": "123456789012"}}}"#;
const MAKE_COPIES: &str = r#"{"Effect": "Allow", "Action": "ec2:CopySnapshot",
    "Resource": "arn:aws:ec2:*:*:snapshot/${*}",
    "Condition": {"StringEquals": {"aws:RequestTag/Type": "Automated"},
        "StringLike": {"aws:RequestedRegion": ["eu-*", "us-west-2"]}}}"#;

fn copy(sim: &Simulator, to: &str, source: &str, more: &[(&str, &str)]) -> Reply {
    let params = [("SourceRegion", REGION), ("SourceSnapshotId", source)];
    call(sim, to, "CopySnapshot", &[params.as_slice(), &tagged("Type", "Automated"), more].concat())
}

#[tokio::test(start_paused = true)]
async fn a_copy_asks_for_the_source_and_itself() {
    let sim = simulator();
    let source = snapshot(&sim, REGION);
    let statements = [
        (COPY_OWN, source.as_str()),
        (MAKE_COPIES, "ec2:CopySnapshot on resource: arn:aws:ec2:us-west-2::snapshot/*"),
        (TAG_ON_CREATION, "ec2:CreateTags"),
    ];
    check_each(&sim, &statements, || copy(&sim, TO, &source, &[]));
    assert_eq!(copy(&sim, "us-west-1", &source, &[]).code(), DENIED, "another destination");
    let public = [("Owner.1", "amazon")];
    let public = operate(&sim, REGION, "DescribeSnapshots", &public).first("snapshotId");
    assert_eq!(copy(&sim, TO, &public, &[]).code(), DENIED, "another's");
    assert_eq!(copy(&sim, TO, "snap-00000000", &[]).code(), "InvalidSnapshot.NotFound");
}

/// A policy that lets EC2 use keys for these actions, and that lets snapshots be copied.
#[track_caller]
fn attach_with_keys(sim: &Simulator, actions: &[&str]) {
    let is_grant = |action: &&str| *action == "kms:CreateGrant";
    let (grants, others): (Vec<&str>, Vec<&str>) = actions.iter().copied().partition(is_grant);
    let keys = r#""Resource": "arn:aws:kms:*:123456789012:key/*", "Condition": {"StringLike":
        {"kms:ViaService": "ec2.*.amazonaws.com"}, "StringEquals": {"kms:CallerAccount": "123456789012",
        "aws:ResourceAccount": "123456789012"}"#;
    let others = format!(r#"{{"Effect": "Allow", "Action": {others:?}, {keys}}}}}"#);
    let grants = grants.iter().map(|grant| {
        let for_aws = r#""Bool": {"kms:GrantIsForAWSResource": "true"}"#;
        format!(r#"{{"Effect": "Allow", "Action": {grant:?}, {keys}, {for_aws}}}}}"#)
    });
    let all: Vec<String> =
        [COPY_OWN, MAKE_COPIES, TAG_ON_CREATION].map(str::to_owned).into_iter().chain([others]).chain(grants).collect();
    attach(sim, &all.iter().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_copy_ends_in_error_unless_ec2_may_use_both_keys() {
    let sim = simulator();
    sim.create_key(ACCOUNT, REGION, "alias/home");
    sim.create_key(ACCOUNT, TO, "alias/away");
    let disk = volume_with(&sim, REGION, &[("Encrypted", "true"), ("KmsKeyId", "alias/home")]);
    let source = operate(&sim, REGION, "CreateSnapshot", &[("VolumeId", &disk)]).first("snapshotId");
    sim.skip(Duration::from_mins(1));
    let url = format!(
        "https://ec2.us-east-1.amazonaws.com/?Action=CopySnapshot&SourceRegion=us-east-1&SourceSnapshotId={source}\
         &DestinationRegion={TO}&X-Amz-Credential=AKID%2F20261121%2Fus-east-1%2Fec2%2Faws4_request&X-Amz-Signature=00"
    );
    let of_source = ["kms:DescribeKey", "kms:CreateGrant", "kms:Decrypt", "kms:ReEncryptFrom"];
    let of_copy = ["kms:DescribeKey", "kms:CreateGrant", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptTo"];
    let both = [of_source.as_slice(), &of_copy[2..]].concat();
    // every call is accepted; what counts is how the copy ends
    let ends = |source: &str, key: &str, actions: &[&str]| {
        attach_with_keys(&sim, actions);
        let more = [("PresignedUrl", url.as_str()), ("Encrypted", "true"), ("KmsKeyId", key)];
        let more = if source.is_empty() { &more[1..] } else { more.as_slice() };
        let plain = if source.is_empty() { snapshot_of_operator(&sim) } else { source.to_owned() };
        let id = copy(&sim, TO, &plain, more).ok().first("snapshotId");
        sim.skip(Duration::from_mins(5));
        let made = sim.snapshots(ACCOUNT, TO).into_iter().find(|one| one.id == id).unwrap();
        let message = (made.state == SnapshotState::Error).then_some("Given key ID is not accessible");
        assert_eq!(made.state_message.as_deref(), message);
        made.state
    };
    assert_eq!(ends(&source, "alias/away", &both), SnapshotState::Completed);
    for left_out in &both {
        let others: Vec<&str> = both.iter().copied().filter(|action| action != left_out).collect();
        assert_eq!(ends(&source, "alias/away", &others), SnapshotState::Error, "{left_out}");
    }
    assert_eq!(ends("", "alias/away", &of_copy), SnapshotState::Completed, "the source is not encrypted");
    assert_eq!(ends("", "alias/away", &of_source), SnapshotState::Error);
    assert_eq!(ends(&source, "alias/aws/ebs", &of_source), SnapshotState::Completed, "EBS's own key is for everyone");
    assert_eq!(ends(&source, "alias/aws/ebs", &of_copy), SnapshotState::Error);
}

fn snapshot_of_operator(sim: &Simulator) -> String {
    let volume = volume_of_operator(sim);
    let id = operate(sim, REGION, "CreateSnapshot", &[("VolumeId", &volume)]).first("snapshotId");
    sim.skip(Duration::from_mins(1));
    id
}

#[tokio::test(start_paused = true)]
async fn messages_go_to_the_topic_that_is_allowed() {
    let sim = simulator();
    let publish = |topic: &str| {
        let arn = format!("arn:aws:sns:{REGION}:{ACCOUNT}:{topic}");
        call_service(&sim, "sns", REGION, "Publish", &[("TopicArn", &arn), ("Message", "m")])
    };
    for topic in ["alerts", "others"] {
        call_service(&sim, "sns", REGION, "CreateTopic", &[("Name", topic)]).ok();
    }
    attach(
        &sim,
        &[r#"{"Effect": "Allow", "Action": "sns:Publish", "Resource": "arn:aws:sns:us-east-1:123456789012:alerts",
            "Condition": {"StringEquals": {"aws:ResourceAccount": "123456789012"}}}"#],
    );
    publish("alerts").ok();
    let refused = publish("others");
    assert_eq!((refused.status, refused.code().as_str()), (403, "AuthorizationError"));
    assert_eq!(call_service(&sim, "sns", REGION, "CreateTopic", &[("Name", "new")]).code(), "AuthorizationError");
    assert_eq!(sim.published().len(), 1);
}
