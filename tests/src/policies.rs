//! The policies of the jobs, as they are deployed: the very files in `iam/`, their placeholders filled in as
//! `CloudFormation` does it.

use std::{fs, path::Path};

use serde_json::Value;
use snapkeeper_core::run::Job;
use snapkeeper_simulator::Policy;

use crate::world::ACCOUNT;

/// The regions into which the tests' copiers may copy: `${CopyRegions}`.
pub const COPY_REGIONS: [&str; 2] = ["us-west-2", "eu-west-1"];
/// What stands for a list of regions.
const LIST_OF_REGIONS: &str = "${CopyRegions}";

/// The access key under which a job runs in a region. It may do what the job's policy there allows, and no more.
pub fn access_key(job: Job, region: &str) -> String {
    format!("AKID-{job}-{region}")
}

/// A job's policy in a region, with its alerts going to this topic.
///
/// # Panics
/// If there is no such file, or it is no JSON.
pub fn document(job: Job, region: &str, topic: &str) -> Value {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../iam").join(format!("{job}.json"));
    let text = fs::read_to_string(&place).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
    let file: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
    filled_in(file, region, topic)
}

/// A document as the simulator holds to it.
///
/// # Panics
/// If the simulator does not know everything in it.
pub fn policy(document: &Value) -> Policy {
    Policy::parse(&document.to_string()).unwrap_or_else(|error| panic!("{error}: {document:#}"))
}

fn filled_in(value: Value, region: &str, topic: &str) -> Value {
    match value {
        Value::String(text) if text == LIST_OF_REGIONS => COPY_REGIONS.iter().copied().map(Value::from).collect(),
        Value::String(text) => Value::String(
            text.replace("${AWS::Partition}", "aws")
                .replace("${AWS::Region}", region)
                .replace("${AWS::AccountId}", ACCOUNT)
                .replace("${AlertTopicArn}", topic)
                // what `Fn::Sub` is to leave alone has a `!`
                .replace("${!", "${"),
        ),
        Value::Array(members) => members.into_iter().map(|member| filled_in(member, region, topic)).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, member)| (name, filled_in(member, region, topic))).collect()
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}
