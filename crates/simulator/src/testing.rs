//! What the tests of this crate share: calls that go the way of the doors, and what they answer.

pub(crate) use crate::Reply;
use crate::{Config, Simulator};
use chrono::DateTime;
use std::time::Duration;

/// The account of every test that does not say otherwise.
pub(crate) const ACCOUNT: &str = "123456789012";

/// An answer that is looked at.
pub(crate) trait Look {
    /// This answer, which must be a success.
    fn ok(self) -> Self;
    /// The error code; empty if it is none.
    fn code(&self) -> String;
    /// The text of the first element of this name.
    fn first(&self, element: &str) -> String;
}

impl Look for Reply {
    #[track_caller]
    fn ok(self) -> Reply {
        assert_eq!(self.status, 200, "{}", self.body);
        self
    }

    fn code(&self) -> String {
        self.texts("Code").into_iter().chain(self.texts("__type")).next_back().unwrap_or_default()
    }

    #[track_caller]
    fn first(&self, element: &str) -> String {
        self.text(element).unwrap()
    }
}

pub(crate) fn simulator() -> Simulator {
    simulator_with(|_| {})
}

pub(crate) fn simulator_with(change: impl FnOnce(&mut Config)) -> Simulator {
    let mut config = Config::starting(DateTime::from_timestamp(1_795_237_200, 0).unwrap());
    change(&mut config);
    Simulator::new(config)
}

pub(crate) fn authorization(key: &str, region: &str, service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={key}/20261121/{region}/{service}/aws4_request, SignedHeaders=host, Signature=00"
    )
}

/// Calls EC2.
pub(crate) fn call(sim: &Simulator, region: &str, action: &str, params: &[(&str, &str)]) -> Reply {
    call_service(sim, "ec2", region, action, params)
}

/// Calls a service.
pub(crate) fn call_service(
    sim: &Simulator,
    service: &str,
    region: &str,
    action: &str,
    params: &[(&str, &str)],
) -> Reply {
    sim.ask("AKID", service, region, action, params)
}

/// A new volume of no one.
#[track_caller]
pub(crate) fn volume(sim: &Simulator, region: &str) -> String {
    volume_with(sim, region, &[])
}

#[track_caller]
pub(crate) fn volume_with(sim: &Simulator, region: &str, more: &[(&str, &str)]) -> String {
    let zone = format!("{region}a");
    let params = [[("AvailabilityZone", zone.as_str()), ("Size", "8")].as_slice(), more].concat();
    call(sim, region, "CreateVolume", &params).ok().first("volumeId")
}

/// A new instance with a root volume.
#[track_caller]
pub(crate) fn instance(sim: &Simulator, region: &str) -> String {
    let params = [("ImageId", "ami-12345678"), ("MinCount", "1"), ("MaxCount", "1")];
    call(sim, region, "RunInstances", &params).ok().first("instanceId")
}

/// A new instance with a root volume and one other, and the id of the other.
#[track_caller]
pub(crate) fn instance_with_data(sim: &Simulator, region: &str) -> (String, String) {
    let (instance, data) = (instance(sim, region), volume(sim, region));
    let params = [("VolumeId", data.as_str()), ("InstanceId", instance.as_str()), ("Device", "/dev/sdf")];
    call(sim, region, "AttachVolume", &params).ok();
    (instance, data)
}

/// A new snapshot, completed.
#[track_caller]
pub(crate) fn snapshot(sim: &Simulator, region: &str) -> String {
    let volume = volume(sim, region);
    let id = call(sim, region, "CreateSnapshot", &[("VolumeId", &volume)]).ok().first("snapshotId");
    sim.skip(Duration::from_mins(1));
    id
}

/// A new image of a snapshot.
#[track_caller]
pub(crate) fn image_of(sim: &Simulator, region: &str, name: &str, snapshot: &str) -> String {
    let params = [
        ("Name", name),
        ("RootDeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.SnapshotId", snapshot),
    ];
    call(sim, region, "RegisterImage", &params).ok().first("imageId")
}

/// Calls RDS.
pub(crate) fn rds(sim: &Simulator, region: &str, action: &str, params: &[(&str, &str)]) -> Reply {
    call_service(sim, "rds", region, action, params)
}

/// A new DB instance of `PostgreSQL`, whose first automated snapshot is on its way.
#[track_caller]
pub(crate) fn database(sim: &Simulator, region: &str, id: &str, more: &[(&str, &str)]) {
    let params = [("DBInstanceIdentifier", id), ("Engine", "postgres"), ("DBInstanceClass", "db.t3.micro")];
    rds(sim, region, "CreateDBInstance", &[params.as_slice(), more].concat()).ok();
}

/// A new cluster of an engine, whose first automated snapshot is on its way.
#[track_caller]
pub(crate) fn cluster(sim: &Simulator, region: &str, id: &str, engine: &str, more: &[(&str, &str)]) {
    let params = [("DBClusterIdentifier", id), ("Engine", engine)];
    rds(sim, region, "CreateDBCluster", &[params.as_slice(), more].concat()).ok();
}
