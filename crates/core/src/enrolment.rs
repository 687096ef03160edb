//! Which volumes are enrolled: attached to an instance with `Backup=Yes` and not left out.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ids::{InstanceId, VolumeId},
    inventory::{Instance, Volume},
    tags::Choice,
};

/// The enrolled volumes of one region.
#[derive(Clone, Debug, Default)]
pub struct Enrolment {
    enrolled: BTreeSet<VolumeId>,
    /// By the instance whose tag cannot be read.
    perhaps: BTreeMap<VolumeId, InstanceId>,
}

impl Enrolment {
    /// Reads the tags of instances and volumes. Those without a tag `Backup` need not be among them.
    pub fn of(instances: &[Instance], volumes: &[Volume]) -> Self {
        let excluded: BTreeSet<&VolumeId> =
            volumes.iter().filter(|volume| volume.is_excluded()).map(|volume| &volume.id).collect();
        let mut enrolment = Self::default();
        for instance in instances.iter().filter(|instance| instance.is_there()) {
            let volumes =
                instance.devices.iter().map(|device| &device.volume).filter(|id| !excluded.contains(id)).cloned();
            match Choice::from_tags(&instance.tags).0 {
                Choice::Yes => enrolment.enrolled.extend(volumes),
                Choice::Unreadable => enrolment.perhaps.extend(volumes.map(|volume| (volume, instance.id.clone()))),
                Choice::No | Choice::Unsaid => {}
            }
        }
        enrolment
    }

    /// Whether the volume is enrolled.
    pub fn of_volume(&self, volume: &VolumeId) -> Enrolled {
        if self.enrolled.contains(volume) {
            return Enrolled::Yes;
        }
        match self.perhaps.get(volume) {
            Some(instance) => Enrolled::Perhaps(format!("the tag Backup of {instance} cannot be read")),
            None => Enrolled::No,
        }
    }
}

/// Whether a volume is enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enrolled {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// It cannot be told, and why.
    Perhaps(String),
}
