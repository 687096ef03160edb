//! Calls to the simulator, of any action with any parameters.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use snapkeeper_simulator::{Config, Simulator};

const ACCOUNT: &str = "123456789012";
const REGION: &str = "us-east-1";
const ACTIONS: &str = "RunInstances DescribeInstances StartInstances StopInstances TerminateInstances CreateVolume \
    DescribeVolumes AttachVolume DetachVolume DeleteVolume CreateSnapshot CreateSnapshots DescribeSnapshots \
    DeleteSnapshot CopySnapshot LockSnapshot UnlockSnapshot DescribeLockedSnapshots CreateImage RegisterImage \
    DescribeImages DisableImage DeregisterImage CreateTags DeleteTags DescribeRegions GetCallerIdentity";
/// `#` is any number.
const NAMES: &str = "InstanceId InstanceId.# VolumeId VolumeId.# SnapshotId SnapshotId.# ImageId ImageId.# Owner.# \
    ResourceId.# Tag.#.Key Tag.#.Value Filter.#.Name Filter.#.Value.# MaxResults NextToken DryRun ClientToken \
    TagSpecification.#.ResourceType TagSpecification.#.Tag.#.Key TagSpecification.#.Tag.#.Value Description Name \
    InstanceSpecification.InstanceId InstanceSpecification.ExcludeBootVolume \
    InstanceSpecification.ExcludeDataVolumeId.# CopyTagsFromSource SourceRegion SourceSnapshotId Encrypted KmsKeyId \
    PresignedUrl DestinationRegion LockMode LockDuration ExpirationDate CoolOffPeriod AvailabilityZone Size VolumeType \
    Iops MultiAttachEnabled MinCount MaxCount Device Force RootDeviceName BlockDeviceMapping.#.DeviceName \
    BlockDeviceMapping.#.Ebs.SnapshotId BlockDeviceMapping.#.Ebs.VolumeSize HibernationOptions.Configured Hibernate \
    InstanceMarketOptions.MarketType \
    NoReboot IncludeDisabled";
const WORDS: &str = "true false 0 1 2 5 8 1000 -1 4294967296 us-east-1 us-west-2 us-east-1a /dev/xvda /dev/sdf \
    instance volume snapshot image self spot governance compliance Backup Yes tag-key tag:Backup status completed pending \
    2026-12-01T00:00:00Z +262142-12-31T23:59:59Z ami-12345678 snap-12345678 alias/backup * ? \\";

#[derive(Arbitrary, Debug)]
struct Call {
    action: u8,
    params: Vec<(Name, Value)>,
}

#[derive(Arbitrary, Debug)]
enum Name {
    Known(u8, u8),
    Any(String),
}

#[derive(Arbitrary, Debug)]
enum Value {
    Word(u8),
    /// The id of something that is there.
    Id(u8),
    Any(String),
}

fuzz_target!(|calls: Vec<Call>| {
    let simulator = Simulator::new(Config::starting("2026-11-21T04:00:00Z".parse().unwrap()));
    let launch = [("ImageId", "ami-12345678"), ("MinCount", "2"), ("MaxCount", "2")];
    simulator.call("ec2", REGION, "RunInstances", &launch).unwrap();
    for Call { action, params } in calls.iter().take(16) {
        let before = state(&simulator);
        if before.is_empty() || before.len() > 200 {
            return;
        }
        let ids: Vec<&str> = before.iter().map(|line| line.split(' ').next().unwrap_or_default()).collect();
        let params: Vec<(String, String)> =
            params.iter().map(|(name, value)| (name.text(), value.text(&ids))).collect();
        let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let action = word(ACTIONS, *action);
        let service = if action == "GetCallerIdentity" { "sts" } else { "ec2" };
        match simulator.call(service, REGION, action, &params) {
            Ok(reply) => {
                let id = if service == "sts" { "RequestId" } else { "requestId" };
                assert_eq!(reply.texts(id).len(), 1, "{}", reply.body);
            }
            Err(error) => {
                // 500 is what cannot be written
                assert!(error.starts_with("status 4") || error.starts_with("status 503"), "{error}");
                assert_eq!(state(&simulator), before, "{action}: {error}");
            }
        }
    }
});

/// What is there: a line for each thing, which begins with its id.
fn state(simulator: &Simulator) -> Vec<String> {
    let mut lines = Vec::new();
    for one in simulator.instances(ACCOUNT, REGION) {
        lines.push(format!("{} {:?} {:?} {:?}", one.id, one.state, one.devices, one.tags));
    }
    for one in simulator.volumes(ACCOUNT, REGION) {
        lines.push(format!("{} {:?} {:?}", one.id, one.attachments, one.tags));
    }
    for one in simulator.snapshots(ACCOUNT, REGION) {
        lines.push(format!("{} {:?} {:?}", one.id, one.lock, one.tags));
    }
    for one in simulator.images(ACCOUNT, REGION) {
        lines.push(format!("{} {:?}", one.id, one.tags));
    }
    lines
}

fn word(words: &'static str, index: u8) -> &'static str {
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    words[usize::from(index) % words.len()]
}

impl Name {
    fn text(&self) -> String {
        match self {
            Name::Known(name, number) => word(NAMES, *name).replace('#', &(number % 4).to_string()),
            Name::Any(text) => text.clone(),
        }
    }
}

impl Value {
    fn text(&self, ids: &[&str]) -> String {
        match self {
            Value::Word(index) => word(WORDS, *index).to_owned(),
            Value::Id(index) => ids[usize::from(*index) % ids.len()].to_owned(),
            Value::Any(text) => text.clone(),
        }
    }
}
