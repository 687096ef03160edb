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
    /// Left out by the operator.
    excluded: BTreeSet<VolumeId>,
    /// By the instance whose tag cannot be read.
    perhaps: BTreeMap<VolumeId, InstanceId>,
}

impl Enrolment {
    /// Reads the tags of instances and volumes. Those without a tag `Backup` need not be among them.
    pub fn of(instances: &[Instance], volumes: &[Volume]) -> Self {
        let mut enrolment = Self::default();
        enrolment.add_volumes(volumes);
        enrolment.add_instances(instances);
        enrolment
    }

    /// Reads the tags of more instances.
    pub fn add_instances(&mut self, instances: &[Instance]) {
        for instance in instances.iter().filter(|instance| instance.is_there()) {
            let volumes = instance.devices.iter().map(|device| device.volume.clone());
            match Choice::from_tags(&instance.tags).0 {
                Choice::Yes => self.enrolled.extend(volumes),
                Choice::Unreadable => self.perhaps.extend(volumes.map(|volume| (volume, instance.id.clone()))),
                Choice::No | Choice::Unsaid => {}
            }
        }
    }

    /// Reads the tags of more volumes.
    pub fn add_volumes(&mut self, volumes: &[Volume]) {
        let excluded = volumes.iter().filter(|volume| volume.is_excluded());
        self.excluded.extend(excluded.map(|volume| volume.id.clone()));
    }

    /// Whether the volume is enrolled.
    pub fn of_volume(&self, volume: &VolumeId) -> Enrolled {
        if self.excluded.contains(volume) {
            return Enrolled::No;
        }
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
