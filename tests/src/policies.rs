//! The policies of the jobs, as they are deployed: the very files in `iam/`, their placeholders filled in as
//! `CloudFormation` does it.

use std::{fs, path::Path};

use serde_json::{Value, json};
use snapkeeper_core::run::Job;
use snapkeeper_simulator::Policy;

use crate::world::ACCOUNT;

/// The regions into which the tests' copiers may copy: `${CopyRegions}`.
pub const COPY_REGIONS: [&str; 2] = ["us-west-2", "eu-west-1"];
/// The topics besides the alert topic that a payload of the tests' creators may name: `${OnDemandTopicArns}`.
pub const ON_DEMAND_TOPICS: [&str; 2] =
    ["arn:aws:sns:us-east-1:123456789012:done", "arn:aws:sns:us-east-1:123456789012:errors"];
/// The topic at which the tests' sharers announce: `${FailsafeTopic}`.
pub const FAILSAFE_TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:failsafe";
/// The live accounts of the tests' savers: `${LiveAccount}`.
pub const LIVE_ACCOUNTS: [&str; 1] = [ACCOUNT];
/// Where the tests' savers keep their second copies: `${SaverCopyDest}`.
pub const SECOND_COPIES: [&str; 1] = ["us-west-2"];
/// Where the tests' syncers may make copies: `${SyncRegions}`.
pub const SYNC_REGIONS: [&str; 2] = ["us-west-2", "eu-west-1"];
/// The roles that the tests' syncers may take on: `${SyncRoleArns}`.
pub const SYNC_ROLES: [&str; 1] = ["arn:aws:iam::210987654321:role/snapkeeper-sync"];
/// The parameter with the configuration of the tests' syncers: `${SyncConfigParameter}`.
pub const SYNC_PARAMETER: &str = "/snapkeeper/sync";
/// What stands for a list, and the list.
const LISTS: [(&str, &[&str]); 6] = [
    ("${CopyRegions}", &COPY_REGIONS),
    ("${OnDemandTopicArns}", &ON_DEMAND_TOPICS),
    ("${LiveAccount}", &LIVE_ACCOUNTS),
    ("${SaverCopyDest}", &SECOND_COPIES),
    ("${SyncRegions}", &SYNC_REGIONS),
    ("${SyncRoleArns}", &SYNC_ROLES),
];

/// The access key under which a job runs in a region. It may do what the job's policy there allows, and no more.
pub fn access_key(job: Job, region: &str) -> String {
    format!("AKID-{job}-{region}")
}

/// A job's policy in a region, with its alerts going to this topic.
///
/// # Panics
/// If there is no such file, or it is no JSON.
pub fn document(job: Job, region: &str, topic: &str) -> Value {
    document_in(ACCOUNT, job, region, topic)
}

/// A job's policy in a region of an account.
///
/// # Panics
/// As [`document`].
pub fn document_in(account: &str, job: Job, region: &str, topic: &str) -> Value {
    file(account, job.name(), region, topic)
}

/// What the creator may do where the stack lets it stop instances, and tell the topics of [`ON_DEMAND_TOPICS`]: its three
/// files in one document.
///
/// # Panics
/// If one of them is not there, or is no JSON.
pub fn creator_that_may_stop(region: &str, topic: &str) -> Value {
    together(&document(Job::Creator, region, topic), &further_of_creator(region, topic))
}

/// What the creator has besides its own file, where the stack's parameters say so.
///
/// # Panics
/// As [`document`].
pub fn further_of_creator(region: &str, topic: &str) -> [Value; 2] {
    ["creator-stop", "creator-topics"].map(|name| file(ACCOUNT, name, region, topic))
}

/// What the syncer may do where the stack gives it a configuration in [`SYNC_PARAMETER`] and the roles of [`SYNC_ROLES`]:
/// its three files in one document.
///
/// # Panics
/// As [`creator_that_may_stop`].
pub fn syncer_with_all(region: &str, topic: &str) -> Value {
    together(&document(Job::Syncer, region, topic), &further_of_syncer(region, topic))
}

/// What the syncer has besides its own file, where the stack's parameters say so.
///
/// # Panics
/// As [`document`].
pub fn further_of_syncer(region: &str, topic: &str) -> [Value; 2] {
    ["syncer-parameter", "syncer-roles"].map(|name| file(ACCOUNT, name, region, topic))
}

/// Several documents in one.
fn together(document: &Value, further: &[Value]) -> Value {
    let all = std::iter::once(document).chain(further);
    let statements = all.flat_map(|document| document["Statement"].as_array().expect("statements"));
    json!({ "Version": document["Version"], "Statement": statements.collect::<Vec<_>>() })
}

fn file(account: &str, name: &str, region: &str, topic: &str) -> Value {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../iam").join(format!("{name}.json"));
    let text = fs::read_to_string(&place).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
    let file: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
    filled_in(file, account, region, topic)
}

/// A document as the simulator holds to it.
///
/// # Panics
/// If the simulator does not know everything in it.
pub fn policy(document: &Value) -> Policy {
    Policy::parse(&document.to_string()).unwrap_or_else(|error| panic!("{error}: {document:#}"))
}

fn filled_in(value: Value, account: &str, region: &str, topic: &str) -> Value {
    match value {
        Value::String(text) => match LISTS.iter().find(|(name, _)| *name == text) {
            Some((_, list)) => list.iter().copied().map(Value::from).collect(),
            None => Value::String(
                text.replace("${AWS::Partition}", "aws")
                    .replace("${AWS::Region}", region)
                    .replace("${AWS::AccountId}", account)
                    .replace("${AlertTopicArn}", topic)
                    .replace("${FailsafeTopic}", FAILSAFE_TOPIC)
                    .replace("${SyncConfigParameter}", SYNC_PARAMETER)
                    // what `Fn::Sub` is to leave alone has a `!`
                    .replace("${!", "${"),
            ),
        },
        Value::Array(members) => members.into_iter().map(|member| filled_in(member, account, region, topic)).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, member)| (name, filled_in(member, account, region, topic))).collect()
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}
