//! What the plans read, made up for their tests: instances, volumes and snapshots of `us-east-1`.

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    ids::Region,
    inventory::{Device, Instance, InstanceState, Snapshot, SnapshotState, Volume},
    run::{Job, Run},
    settings::Settings,
    tags::{self, Tags},
};

/// The region of every run.
pub(crate) const HOME: &str = "us-east-1";

/// Long before anything that a test looks at.
const LONG_AGO: &str = "2026-01-01T00:00:00Z";

pub(crate) fn at(instant: &str) -> DateTime<Utc> {
    instant.parse().unwrap()
}

pub(crate) fn day(day: &str) -> NaiveDate {
    day.parse().unwrap()
}

pub(crate) fn region(name: &str) -> Region {
    name.parse().unwrap()
}

/// A run under the default settings.
pub(crate) fn run(instant: &str) -> Run {
    Run::new(Job::Creator, region(HOME), at(instant), Settings::default())
}

/// A running instance; the first of its volumes is the root volume.
pub(crate) fn instance(id: &str, volumes: &[&str], tags: &[(&str, &str)]) -> Instance {
    let attach = |(place, volume): (usize, &&str)| Device {
        name: device(place),
        volume: (*volume).into(),
        attached: Some(at(LONG_AGO)),
    };
    Instance {
        id: id.into(),
        state: InstanceState::Running,
        launched: at(LONG_AGO),
        root_device: Some(device(0)),
        devices: volumes.iter().enumerate().map(attach).collect(),
        root_is_store: false,
        is_spot: false,
        tags: tags.iter().copied().collect(),
    }
}

/// `/dev/xvda`, `/dev/sd1`, `/dev/sd2`, …
fn device(place: usize) -> String {
    if place == 0 { "/dev/xvda".to_owned() } else { format!("/dev/sd{place}") }
}

/// A volume that is attached to no instance.
pub(crate) fn volume(id: &str, tags: &[(&str, &str)]) -> Volume {
    Volume {
        id: id.into(),
        created: at(LONG_AGO),
        attached_to: Vec::new(),
        tags: tags.iter().copied().collect::<Tags>(),
    }
}

/// A completed snapshot that somebody took by hand, at five o'clock on `day`.
pub(crate) fn by_hand(id: &str, volume: &str, day: &str) -> Snapshot {
    Snapshot {
        id: id.into(),
        volume_as_told: volume.into(),
        state: SnapshotState::Completed,
        message: None,
        started: at(&format!("{day}T05:00:00Z")),
        description: String::new(),
        archived: false,
        tags: Tags::default(),
    }
}

/// A completed primary snapshot by the run at five o'clock on `day`, of the only volume of `i-1`, undated.
pub(crate) fn automated(id: &str, volume: &str, day: &str) -> Snapshot {
    by_hand(id, volume, day)
        .tagged(tags::TYPE, tags::AUTOMATED)
        .tagged(tags::BACKUP_RUN, &format!("{day}T05:00:00Z"))
        .tagged(tags::SOURCE_REGION, HOME)
        .in_set("i-1", &[volume])
}

impl Snapshot {
    /// With this tag.
    pub(crate) fn tagged(mut self, key: &str, value: &str) -> Self {
        self.tags.set(key, value);
        self
    }

    /// Without this tag.
    pub(crate) fn untagged(mut self, key: &str) -> Self {
        self.tags = self.tags.iter().filter(|(other, _)| *other != key).collect();
        self
    }

    /// With this `DeleteOn`.
    pub(crate) fn until(self, day: &str) -> Self {
        self.tagged(tags::DELETE_ON, day)
    }

    /// In this state.
    pub(crate) fn in_state(mut self, state: SnapshotState) -> Self {
        self.state = state;
        self
    }

    /// Of an instance that has these volumes.
    pub(crate) fn in_set(self, instance: &str, volumes: &[&str]) -> Self {
        let places: Vec<String> =
            volumes.iter().enumerate().map(|(place, volume)| format!("{}={volume}", device(place))).collect();
        self.tagged(tags::SOURCE_INSTANCE_ID, instance).tagged(tags::SOURCE_DEVICES, &places.join(" "))
    }

    /// As the copy of the primary `primary` in the region `from`.
    pub(crate) fn made_copy_of(mut self, primary: &str, from: &str) -> Self {
        let volume = std::mem::replace(&mut self.volume_as_told, "vol-ffffffff".into());
        self.tagged(tags::SOURCE_SNAPSHOT_ID, primary)
            .tagged(tags::SOURCE_VOLUME_ID, volume.as_str())
            .tagged(tags::SOURCE_REGION, from)
    }
}

impl Instance {
    /// In this state.
    pub(crate) fn in_state(mut self, state: InstanceState) -> Self {
        self.state = state;
        self
    }
}

impl Volume {
    /// Attached to this instance as well.
    pub(crate) fn on(mut self, instance: &str) -> Self {
        self.attached_to.push(instance.into());
        self
    }

    /// Made then.
    pub(crate) fn made(mut self, instant: &str) -> Self {
        self.created = at(instant);
        self
    }
}
