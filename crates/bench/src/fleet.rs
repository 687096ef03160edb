//! The fleet: what is in the account before a run, from a seed, as Snapkeeper would have made it.
//!
//! Everyone sees the same: instances that say `Backup=Yes`; snapshots with `Type=Automated` and `DeleteOn`, which is all
//! that Custodian and the blog post know; and beside them what only Snapkeeper writes and reads (`Backup_Run`, `Source_…`),
//! so that it finds its sets whole. In the manager's cases there is besides what nobody may delete although a date says so.

use anyhow::Context as _;
use chrono::{DateTime, Days, NaiveTime, SecondsFormat, Utc};
use snapkeeper_simulator::{Fleet as Things, Image, Instance, Simulator, Snapshot, Tags, Volume, fleet_id};

use crate::case::{Case, DESTINATIONS, Job};

/// The account of every key.
pub(crate) const ACCOUNT: &str = "123456789012";
/// Where the fleet is.
pub(crate) const HOME: &str = "us-east-1";
/// Of each kind of snapshot that nobody may delete there are so many.
pub(crate) const HELD: usize = 5;
/// How long backups are kept, in days.
const KEPT: u64 = 10;
/// The hour at which backups were taken.
const HOUR: u32 = 2;
/// How large every volume is, in GiB.
const SIZE: u32 = 8;
const ZONE: &str = "us-east-1a";

/// An instance and its volumes, by device, the root first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) id: String,
    pub(crate) volumes: Vec<(String, String)>,
    pub(crate) tags: Tags,
}

/// A completed snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shot {
    pub(crate) id: String,
    /// The volume, of a copy its primary's.
    pub(crate) volume: String,
    pub(crate) taken: DateTime<Utc>,
    pub(crate) tags: Tags,
    /// The primary, if it is a copy.
    pub(crate) copy_of: Option<String>,
}

/// The fleet of a case.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    case: Case,
    seed: u64,
    start: DateTime<Utc>,
}

/// What an id is for.
#[derive(Clone, Copy)]
enum Of {
    Instance,
    Volume,
    Snapshot,
    Copy(usize),
    Held,
}

impl Fleet {
    pub(crate) fn of(case: &Case, seed: u64, start: DateTime<Utc>) -> Self {
        Self { case: case.clone(), seed, start }
    }

    /// Puts it into a simulator at once.
    pub(crate) fn settle_in(&self, simulator: &Simulator) -> anyhow::Result<()> {
        let since = self.start - Days::new(100);
        let mut home = Things::default();
        for machine in self.machines() {
            for (device, volume) in &machine.volumes {
                home.volumes.push(Volume::sized(volume, ZONE, SIZE, since).attached(&machine.id, device));
            }
            let mut instance = Instance::running(&machine.id, ZONE, since);
            instance.tags = machine.tags;
            home.instances.push(instance);
        }
        home.snapshots.extend(self.snapshots().map(as_snapshot));
        for (number, snapshot) in self.used_by_images().enumerate() {
            let id = fleet_id("ami", self.seed, number as u64);
            home.images.push(Image::available(&id, &format!("image-{number}"), &snapshot, SIZE, since));
        }
        simulator.insert(ACCOUNT, HOME, home).context("the fleet")?;
        for (number, region) in DESTINATIONS.iter().enumerate().take(self.case.destinations) {
            let snapshots = self.copies(number).map(as_snapshot).collect();
            simulator.insert(ACCOUNT, region, Things { snapshots, ..Things::default() }).context("the copies")?;
        }
        Ok(())
    }

    /// The instances. Of the manager's, the last few have one backup each.
    pub(crate) fn machines(&self) -> impl Iterator<Item = Machine> {
        (0..self.case.instances + self.lonely()).map(move |number| self.machine(number))
    }

    /// What is in the home region.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = Shot> {
        let backups = (0..self.case.instances)
            .flat_map(move |number| (0..self.case.backups).map(move |backup| (number, backup)))
            .flat_map(move |(number, backup)| self.set(number, backup, self.is_due(number, backup)));
        let lonely = (self.case.instances..self.case.instances + self.lonely())
            // the only backup of an enrolled volume, and it is due
            .flat_map(move |number| self.set(number, 0, true));
        backups.chain(lonely).chain(self.held())
    }

    /// What is in a destination: the copies of all but the newest backup.
    pub(crate) fn copies(&self, destination: usize) -> impl Iterator<Item = Shot> {
        (0..self.case.instances)
            .flat_map(move |number| (1..self.case.backups).map(move |backup| (number, backup)))
            .flat_map(move |(number, backup)| {
                let first = self.first(number, backup);
                let set = self.set(number, backup, false).into_iter().enumerate();
                set.map(move |(place, primary)| self.copy(primary, destination, first + place)).collect::<Vec<_>>()
            })
    }

    /// The snapshots that an image uses.
    pub(crate) fn used_by_images(&self) -> impl Iterator<Item = String> {
        (0..self.held_of_each()).map(move |number| self.id(Of::Held, self.held_of_each() + number))
    }

    fn machine(&self, number: usize) -> Machine {
        let volumes = (0..self.case.volumes).map(|place| {
            let device = match u8::try_from(place) {
                Ok(place @ 1..=20) => format!("/dev/sd{}", char::from(b'e' + place)),
                _ => "/dev/xvda".to_owned(),
            };
            (device, self.id(Of::Volume, number * self.case.volumes + place))
        });
        let mut tags =
            tags(&[("Backup", "Yes"), ("Name", format!("server-{number:05}").as_str()), ("Retention", "10d")]);
        if let Some(destinations) = self.destinations() {
            tags.insert("Copy_Dest".to_owned(), destinations);
        }
        Machine { id: self.id(Of::Instance, number), volumes: volumes.collect(), tags }
    }

    fn destinations(&self) -> Option<String> {
        (self.case.destinations > 0)
            .then(|| DESTINATIONS.iter().take(self.case.destinations).copied().collect::<Vec<_>>().join(" "))
    }

    /// One backup of an instance, the newest being number 0: today's, or of a creator yesterday's.
    fn set(&self, number: usize, backup: usize, is_due: bool) -> Vec<Shot> {
        let machine = self.machine(number);
        let devices: Vec<String> =
            machine.volumes.iter().map(|(device, volume)| format!("{device}={volume}")).collect();
        let taken = self.taken(backup);
        let first = self.first(number, backup);
        let shots = machine.volumes.iter().enumerate().map(|(place, (_, volume))| {
            let mut tags = tags(&[
                ("Type", "Automated"),
                ("DeleteOn", self.delete_on(is_due).as_str()),
                ("Backup_Run", stamp(taken).as_str()),
                ("Source_InstanceId", machine.id.as_str()),
                ("Source_Region", HOME),
            ]);
            write_devices(&devices, &mut tags);
            for key in ["Name", "Copy_Dest"] {
                if let Some(value) = machine.tags.get(key) {
                    tags.insert(key.to_owned(), value.clone());
                }
            }
            Shot { id: self.id(Of::Snapshot, first + place), volume: volume.clone(), taken, tags, copy_of: None }
        });
        shots.collect()
    }

    /// The number of the first snapshot of a set.
    fn first(&self, number: usize, backup: usize) -> usize {
        (number * self.case.backups + backup) * self.case.volumes
    }

    fn copy(&self, primary: Shot, destination: usize, number: usize) -> Shot {
        let mut tags = primary.tags;
        tags.remove("Copy_Dest");
        tags.insert("Source_SnapshotId".to_owned(), primary.id.clone());
        tags.insert("Source_VolumeId".to_owned(), primary.volume.clone());
        let id = self.id(Of::Copy(destination), number);
        Shot { id, volume: primary.volume, taken: primary.taken, tags, copy_of: Some(primary.id) }
    }

    /// What a date says may go, but must stay: kept for ever, used by an image, and somebody else's.
    fn held(&self) -> impl Iterator<Item = Shot> {
        let each = self.held_of_each();
        (0..3 * each).map(move |number| {
            let set = self.set(number % each.max(1), 0, true);
            let (volume, mut tags) = set.into_iter().next().map(|shot| (shot.volume, shot.tags)).unwrap_or_default();
            let taken = self.taken(self.case.backups);
            tags.insert("Backup_Run".to_owned(), stamp(taken));
            match number.checked_div(each) {
                Some(0) => {
                    tags.insert("KeepForever".to_owned(), "Yes".to_owned());
                }
                Some(1) => {}
                _ => tags = self::tags(&[("Name", "taken by hand")]),
            }
            Shot { id: self.id(Of::Held, number), volume, taken, tags, copy_of: None }
        })
    }

    fn held_of_each(&self) -> usize {
        if self.case.job == Job::Manager { HELD.min(self.case.instances) } else { 0 }
    }

    fn lonely(&self) -> usize {
        if self.case.job == Job::Manager { HELD } else { 0 }
    }

    /// Whether a backup is due: the oldest of each instance, as many as the case has of all.
    fn is_due(&self, number: usize, backup: usize) -> bool {
        let due = self.case.due() / self.case.volumes.max(1);
        let of_each = due / self.case.instances.max(1) + usize::from(number < due % self.case.instances.max(1));
        backup + of_each >= self.case.backups
    }

    fn taken(&self, backup: usize) -> DateTime<Utc> {
        let ago = match self.case.job {
            Job::Creator => backup + 1,
            Job::Copier | Job::Manager => backup,
        };
        let day = self.start.date_naive() - Days::new(ago as u64);
        day.and_time(NaiveTime::from_hms_opt(HOUR, 0, 0).unwrap_or_default()).and_utc()
    }

    fn delete_on(&self, is_due: bool) -> String {
        // the day itself: the blog post deletes what is due today, and nothing that was due before
        (self.start.date_naive() + Days::new(if is_due { 0 } else { KEPT })).to_string()
    }

    fn id(&self, of: Of, number: usize) -> String {
        // each kind of snapshot has a seed of its own
        let (prefix, kind) = match of {
            Of::Instance => ("i", 0),
            Of::Volume => ("vol", 0),
            Of::Snapshot => ("snap", 0),
            Of::Held => ("snap", 1),
            Of::Copy(destination) => ("snap", 2 + destination as u64),
        };
        fleet_id(prefix, self.seed.wrapping_mul(16).wrapping_add(kind), number as u64)
    }
}

/// A snapshot as the simulator has it.
fn as_snapshot(shot: Shot) -> Snapshot {
    let Shot { id, volume, taken, tags, copy_of } = shot;
    let mut snapshot = match copy_of {
        None => Snapshot::completed(&id, &volume, SIZE, taken),
        Some(primary) => Snapshot::copied(&id, HOME, &primary, SIZE, taken),
    };
    "Backup".clone_into(&mut snapshot.description);
    snapshot.tags = tags;
    snapshot
}

/// The layout, in tags of at most 256 characters.
fn write_devices(devices: &[String], tags: &mut Tags) {
    let mut values = vec![String::new()];
    for device in devices {
        match values.last_mut() {
            Some(value) if value.is_empty() => value.push_str(device),
            Some(value) if value.len() + 1 + device.len() <= 256 => {
                value.push(' ');
                value.push_str(device);
            }
            _ => values.push(device.clone()),
        }
    }
    for (index, value) in values.into_iter().enumerate() {
        let key = if index == 0 { "Source_Devices".to_owned() } else { format!("Source_Devices_{}", index + 1) };
        tags.insert(key, value);
    }
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn stamp(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::case::Mode;

    fn fleet(case: &Case) -> Fleet {
        Fleet::of(case, 7, "2025-11-22T05:00:00Z".parse().unwrap())
    }

    #[test]
    fn every_id_is_there_once_and_follows_from_the_seed() {
        let case = Case { volumes: 3, ..Case::copier(Mode::Buckets, 50, 2) };
        let fleet = fleet(&case);
        let ids = |fleet: &Fleet| -> Vec<String> {
            let copies = (0..2).flat_map(|destination| fleet.copies(destination).collect::<Vec<_>>());
            fleet.snapshots().chain(copies).map(|shot| shot.id).collect()
        };
        let all = ids(&fleet);
        assert_eq!(all.len(), 50 * 3 * 2 + 2 * 50 * 3);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(all, ids(&fleet));
        assert!(all.iter().all(|id| id.len() == "snap-".len() + 17), "{all:?}");
    }

    #[test]
    fn as_many_are_due_as_the_case_says_and_never_a_newest() {
        for (snapshots, percent) in [(1_000, 20), (1_000, 1), (10_000, 1)] {
            let case = Case::manager(Mode::Buckets, snapshots, percent);
            let fleet = fleet(&case);
            let due = |shot: &Shot| shot.tags.get("DeleteOn").is_some_and(|day| day == "2025-11-22");
            let lonely: BTreeSet<String> =
                fleet.machines().skip(case.instances).flat_map(|machine| machine.volumes).map(|(_, id)| id).collect();
            let shots: Vec<Shot> = fleet.snapshots().collect();
            let of_lonely = shots.iter().filter(|shot| lonely.contains(&shot.volume)).count();
            assert_eq!((lonely.len(), of_lonely), (HELD, HELD));
            // those kept for ever and those that images use are due as well
            assert_eq!(shots.iter().filter(|shot| due(shot)).count(), case.due() + 3 * HELD, "{case:?}");
            let newest = fleet.taken(0);
            assert!(!shots.iter().any(|shot| due(shot) && shot.taken == newest && !lonely.contains(&shot.volume)));
        }
    }

    #[test]
    fn a_set_tells_of_all_its_volumes() {
        let case = Case::creator(Mode::Buckets, 1, 8);
        let shots: Vec<Shot> = fleet(&case).snapshots().collect();
        assert_eq!(shots.len(), 8);
        for shot in &shots {
            let told: String = ["Source_Devices", "Source_Devices_2"]
                .iter()
                .filter_map(|key| shot.tags.get(*key).map(String::as_str))
                .collect::<Vec<_>>()
                .join(" ");
            assert!(shots.iter().all(|other| told.contains(&other.volume)), "{told}");
            assert!(told.contains("/dev/xvda=") && told.contains("/dev/sdl="), "{told}");
        }
    }
}
