//! Instances.

use crate::model::tags::Tags;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// An EC2 instance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "what EC2 tells of an instance, each by itself")]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// The call that made it.
    pub reservation_id: String,
    /// The AMI that it was made from.
    pub image_id: String,
    /// Its type, such as `t3.micro`.
    pub instance_type: String,
    /// Its state.
    pub state: InstanceState,
    /// When it was made, or last started.
    pub launched_at: DateTime<Utc>,
    /// Where it runs.
    pub availability_zone: String,
    /// The device that it boots from; `None` where that is an instance store.
    pub root_device: Option<String>,
    /// The attached volumes, by device.
    pub devices: BTreeMap<String, String>,
    /// Whether it may hibernate.
    pub hibernation: bool,
    /// Whether it was stopped by hibernating.
    pub hibernated: bool,
    /// Whether it is a Spot instance of a one-time request, which nobody can stop.
    pub spot: bool,
    /// Its tags.
    pub tags: Tags,
    /// Whether it stops again instead of running, as soon as it has started.
    pub(crate) falls_back: bool,
}

impl Instance {
    /// The volume that it boots from.
    pub fn root_volume(&self) -> Option<&str> {
        self.devices.get(self.root_device.as_ref()?).map(String::as_str)
    }
}

/// The state of an instance. Starting and stopping take the time that is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// It is being started.
    Pending,
    /// It runs.
    Running,
    /// It is being stopped.
    Stopping,
    /// It is stopped.
    Stopped,
    /// It is gone, and listed for an hour more.
    Terminated,
}

impl InstanceState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            InstanceState::Pending => "pending",
            InstanceState::Running => "running",
            InstanceState::Stopping => "stopping",
            InstanceState::Stopped => "stopped",
            InstanceState::Terminated => "terminated",
        }
    }

    pub(crate) fn code(self) -> u8 {
        match self {
            InstanceState::Pending => 0,
            InstanceState::Running => 16,
            InstanceState::Terminated => 48,
            InstanceState::Stopping => 64,
            InstanceState::Stopped => 80,
        }
    }
}
