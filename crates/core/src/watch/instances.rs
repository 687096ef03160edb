//! Enrolled instances without a recent good backup.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use smol_str::SmolStr;

use super::is_overdue;
use crate::{
    backup::{Backups, home},
    ids::{InstanceId, VolumeId},
    inventory::{Instance, Volume},
    plan::{Finding, FindingKind},
    run::Run,
    tags::{self, Choice},
};

/// What is remembered of instances and of what they say of volumes.
#[derive(Default)]
pub(super) struct Instances {
    enrolled: Vec<Enrolled>,
    /// Those that say themselves whether they are to be backed up, also gone ones.
    outspoken: BTreeSet<InstanceId>,
    /// The volumes that the operator left out.
    excluded: BTreeSet<VolumeId>,
    /// When volumes were made of which EC2 does not tell since when they are attached.
    made: BTreeMap<VolumeId, Option<DateTime<Utc>>>,
}

/// An enrolled instance. There may be fifty thousand of them.
struct Enrolled {
    id: InstanceId,
    launched: DateTime<Utc>,
    devices: Box<[Device]>,
}

struct Device {
    name: SmolStr,
    volume: VolumeId,
    attached: Option<DateTime<Utc>>,
}

/// A volume that is to be backed up.
pub(super) struct Promised<'a> {
    pub(super) volume: &'a VolumeId,
    device: &'a SmolStr,
    /// When its last good backup was taken.
    pub(super) good: Option<DateTime<Utc>>,
    /// Since when it has waited for the next: that instant, or if there is no good one, since when it has been there.
    pub(super) since: DateTime<Utc>,
}

impl Instances {
    /// Remembers an instance that says so of itself.
    pub(super) fn add(&mut self, instance: &Instance, says: Choice) {
        if matches!(says, Choice::Yes | Choice::No) {
            self.outspoken.insert(instance.id.clone());
        }
        if says != Choice::Yes || !instance.is_there() {
            return;
        }
        let untold = instance.devices.iter().filter(|device| device.attached.is_none());
        self.made.extend(untold.map(|device| (device.volume.clone(), None)));
        let devices = instance.devices.iter().map(|device| Device {
            name: device.name.as_str().into(),
            volume: device.volume.clone(),
            attached: device.attached,
        });
        let (id, launched) = (instance.id.clone(), instance.launched);
        self.enrolled.push(Enrolled { id, launched, devices: devices.collect() });
    }

    pub(super) fn add_volume(&mut self, volume: &Volume) {
        if volume.is_excluded() {
            self.excluded.insert(volume.id.clone());
        }
        if let Some(made) = self.made.get_mut(&volume.id) {
            *made = Some(volume.created);
        }
    }

    /// Whether an instance to which a volume is attached is enrolled, or opted out: an enrolled one's volumes are told
    /// of with the instance.
    pub(super) fn speak_for(&self, volume: &Volume) -> bool {
        volume.attached_to.iter().any(|instance| self.outspoken.contains(instance))
    }

    /// The volumes that are to be backed up, by instance.
    pub(super) fn promised<'a>(&'a self, backups: &'a Backups) -> impl Iterator<Item = Promised<'a>> {
        self.enrolled.iter().flat_map(move |instance| self.promised_of(instance, backups))
    }

    fn promised_of<'a>(
        &'a self,
        instance: &'a Enrolled,
        backups: &'a Backups,
    ) -> impl Iterator<Item = Promised<'a>> + use<'a> {
        let devices = instance.devices.iter().filter(move |device| !self.excluded.contains(&device.volume));
        devices.map(move |Device { name, volume, attached }| {
            let good = backups.last_good_at(&home(volume));
            let made = || self.made.get(volume).copied().flatten();
            let since = good.or(*attached).or_else(made).unwrap_or(instance.launched);
            Promised { volume, device: name, good, since }
        })
    }

    /// Finds those without a recent good backup.
    pub(super) fn find(&self, backups: &Backups, run: &Run, findings: &mut Vec<Finding>) {
        for instance in &self.enrolled {
            let lacking: Vec<Promised<'_>> =
                self.promised_of(instance, backups).filter(|promised| is_overdue(promised.since, run)).collect();
            let Some(since) = lacking.iter().map(|it| it.since).min() else { continue };
            let volumes: Vec<String> = lacking
                .iter()
                .map(|Promised { volume, device, good, .. }| {
                    let last = good
                        .map_or_else(|| "never backed up".to_owned(), |good| format!("last on {}", tags::stamp(good)));
                    format!("{volume} ({device}) {last}")
                })
                .collect();
            findings.push(Finding {
                kind: FindingKind::NoRecentBackup,
                resource: instance.id.to_string(),
                what: format!("no good backup within {} hours: {}", run.settings.rpo.num_hours(), volumes.join(", ")),
                since: Some(since),
                todo: "look at the creator's last reports for this instance, and run it again".to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_thousand_instances_of_two_volumes_take_ten_megabytes() {
        assert!(size_of::<Enrolled>() <= 56 && size_of::<Device>() <= 64);
    }
}
