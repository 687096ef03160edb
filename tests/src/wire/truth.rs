//! What truly exists in the simulator, in the oracle's own types.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use snapkeeper_reliability::truth::{Instance, Region, Snapshot, State, Volume};
use snapkeeper_simulator::{self as simulator, InstanceState, Sight, Simulator, SnapshotState};

use crate::world::ACCOUNT;

/// The region and volume that each snapshot holds, by its id: remembered, for a copy outlives what it was copied from.
pub(super) type Origins = BTreeMap<String, (String, String)>;

/// What exists in a region, and when the next of its locks ends.
pub(super) fn region(simulator: &Simulator, name: &str, origins: &mut Origins) -> (Region, Option<DateTime<Utc>>) {
    simulator.look(ACCOUNT, name, |sight| {
        let locks = sight.snapshots.values().filter(|it| it.is_locked(sight.now));
        (seen(sight, name, origins), locks.filter_map(|it| it.lock.as_ref()).map(|lock| lock.expires_on).min())
    })
}

fn seen(sight: &Sight<'_>, name: &str, origins: &mut Origins) -> Region {
    let mut images: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for image in sight.images.values() {
        for used in image.devices.iter().filter_map(|device| device.snapshot_id.as_deref()) {
            images.entry(used).or_default().insert(image.id.clone());
        }
    }
    let mut region = Region::default();
    for (id, it) in sight.instances {
        region.instances.insert(id.clone(), instance(it));
    }
    for (id, it) in sight.volumes {
        region.volumes.insert(id.clone(), Volume { created: it.created_at, tags: it.tags.clone() });
    }
    for (id, it) in sight.snapshots {
        let snapshot = Snapshot {
            of: origin(it, name, origins),
            copy_of: it.source.as_ref().map(|source| (source.region.clone(), source.snapshot.clone())),
            state: state(it.state),
            begun: it.start_time,
            tags: it.tags.clone(),
            locked: it.is_locked(sight.now),
            images: images.remove(id.as_str()).unwrap_or_default(),
        };
        region.snapshots.insert(id.clone(), snapshot);
    }
    region
}

fn instance(it: &simulator::Instance) -> Instance {
    Instance {
        tags: it.tags.clone(),
        is_there: it.state != InstanceState::Terminated,
        devices: it.devices.clone(),
        root: it.root_device.clone(),
    }
}

fn origin(it: &simulator::Snapshot, region: &str, origins: &mut Origins) -> (String, String) {
    if let Some(known) = origins.get(&it.id) {
        return known.clone();
    }
    let of = match &it.source {
        None => (region.to_owned(), it.volume_id.clone()),
        // what was copied was seen before, for it was there before
        Some(source) => {
            origins.get(&source.snapshot).cloned().unwrap_or_else(|| (source.region.clone(), String::new()))
        }
    };
    origins.insert(it.id.clone(), of.clone());
    of
}

fn state(state: SnapshotState) -> State {
    match state {
        SnapshotState::Pending => State::Pending,
        SnapshotState::Completed => State::Completed,
        SnapshotState::Error => State::Error,
    }
}
