//! The same plan made at once of whole lists, as simply as it can be said: what the folded one is held against.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Copy, CopySnapshot, TagCopy, may_be_copied, primaries, tags_for_copy};
use crate::{
    ids::{Region, SnapshotId, VolumeId},
    inventory::{Snapshot, SnapshotState},
    plan::{Finding, Plan, Reason, Refusal},
    run::Run,
    tags::{self, DeleteOn, Tags},
};

/// What the copier reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Inventory {
    /// The completed automated snapshots of the region.
    pub(super) snapshots: Vec<Snapshot>,
    /// Of each destination the automated snapshots, or why they could not be read.
    pub(super) destinations: BTreeMap<Region, Result<Vec<Snapshot>, String>>,
}

/// The regions that the primaries among `snapshots` name.
pub(super) fn destinations(snapshots: &[Snapshot], run: &Run) -> BTreeSet<Region> {
    primaries(snapshots).flat_map(|primary| tags::destinations(&primary.tags, &run.region).0).collect()
}

pub(super) fn plan(inventory: &Inventory, run: &Run) -> Plan<Copy> {
    let mut plan = Plan::default();
    let mut missing: BTreeMap<(&Region, VolumeId), Vec<&Snapshot>> = BTreeMap::new();
    let mut destinations: BTreeMap<&Region, Copies<'_>> = BTreeMap::new();
    for (region, copies) in &inventory.destinations {
        match copies {
            Ok(there) => {
                destinations.insert(region, Copies::among(there));
            }
            Err(cause) => {
                let cause = format!("could not be looked into: {cause}");
                plan.refusals.push(Refusal { resource: region.to_string(), cause });
            }
        }
    }
    for primary in primaries(&inventory.snapshots) {
        let (named, errors) = tags::destinations(&primary.tags, &run.region);
        plan.findings.extend(errors.iter().map(|error| Finding::unreadable(&primary.id, error)));
        for region in named {
            let Some((region, there)) = destinations.get_key_value(&region) else {
                plan.keep(&primary.id, Reason::DestinationUnknown(region));
                continue;
            };
            let live: Vec<&Snapshot> = there.of(primary).iter().filter(|copy| is_live(copy)).copied().collect();
            plan.actions.extend(live.iter().filter_map(|copy| carry_tags(primary, copy, region)).map(Copy::Tag));
            match may_be_copied(primary, run) {
                Err(reason) => plan.keep(&primary.id, reason),
                Ok(()) => match live.first() {
                    Some(copy) => plan.keep(&primary.id, Reason::Copied((*region).clone(), copy.id.clone())),
                    None => missing.entry((region, primary.volume())).or_default().push(primary),
                },
            }
        }
    }
    let mut copies = Vec::new();
    for ((region, volume), mut primaries) in missing {
        primaries.sort_by_key(|primary| Reverse((primary.taken(), primary.id.clone())));
        let failed = destinations.get(region).and_then(|there| there.last_failed(&volume));
        for (rank, primary) in primaries.into_iter().enumerate() {
            if let (Some(failed), 1..) = (failed, rank) {
                plan.keep(&primary.id, Reason::CopiesFail(region.clone(), failed.id.clone()));
                continue;
            }
            let mut copy = CopySnapshot::new(primary, region.clone(), Arc::new(tags_for_copy(primary, run)), run);
            copy.after = failed.map(|copy| copy.id.clone());
            copies.push((rank, Reverse(primary.taken()), copy));
        }
    }
    copies.sort_by_key(|(rank, taken, _)| (*rank, *taken));
    let mut turns: BTreeMap<_, usize> = BTreeMap::new();
    let in_turn = copies.into_iter().map(|(rank, taken, copy)| {
        let turn = turns.entry((rank, taken, copy.to.clone())).or_default();
        *turn += 1;
        ((rank, taken, *turn), copy)
    });
    let mut copies: Vec<_> = in_turn.collect();
    copies.sort_by_key(|(place, _)| *place);
    plan.actions.extend(copies.into_iter().map(|(_, copy)| Copy::Snapshot(copy)));
    plan
}

/// Snapkeeper's copies in one destination.
struct Copies<'a> {
    by_source: BTreeMap<SnapshotId, Vec<&'a Snapshot>>,
    /// The last copy of each volume that came to an end or may do so.
    last: BTreeMap<VolumeId, &'a Snapshot>,
}

impl<'a> Copies<'a> {
    fn among(there: &'a [Snapshot]) -> Self {
        let mut copies = Self { by_source: BTreeMap::new(), last: BTreeMap::new() };
        let mut sorted: Vec<&Snapshot> = there.iter().filter(|copy| copy.is_automated()).collect();
        sorted.sort_by_key(|copy| copy.started);
        for copy in sorted {
            if let Some(source) = copy.copy_of() {
                copies.by_source.entry(source).or_default().push(copy);
                copies.last.insert(copy.volume(), copy);
            }
        }
        copies
    }

    fn of(&self, primary: &Snapshot) -> &[&'a Snapshot] {
        self.by_source.get(&primary.id).map_or(&[], Vec::as_slice)
    }

    fn last_failed(&self, volume: &VolumeId) -> Option<&'a Snapshot> {
        self.last.get(volume).copied().filter(|copy| copy.state == SnapshotState::Error)
    }
}

fn is_live(copy: &Snapshot) -> bool {
    match copy.state {
        SnapshotState::Pending | SnapshotState::Completed | SnapshotState::Unknown => true,
        SnapshotState::Error | SnapshotState::InRecycleBin => false,
    }
}

fn carry_tags(primary: &Snapshot, copy: &Snapshot, region: &Region) -> Option<TagCopy> {
    let mut tags = Tags::default();
    if let Some(value) = primary.tags.get(tags::KEEP_FOREVER).filter(|_| !copy.is_kept_forever()) {
        tags.set(tags::KEEP_FOREVER, value);
    }
    if let (DeleteOn::Day(day), DeleteOn::Unsaid) = (primary.delete_on(), copy.delete_on()) {
        tags.set(tags::DELETE_ON, day.to_string());
    }
    (tags != Tags::default()).then(|| TagCopy { copy: copy.id.clone(), region: region.clone(), tags })
}
