//! However the lists come in pages, the plan is the one of the whole lists.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use proptest::{prelude::*, sample::select};

use super::super::{Found, plan, reference};
use super::{Inventory, RUN};
use crate::{
    fixtures::{at, automated, day, region, run},
    inventory::{
        Snapshot,
        SnapshotState::{self, Completed, Error, InRecycleBin, Pending, Unknown},
    },
    plan::Kept,
    tags::{BACKUP_RUN, COPY_DEST, DELETE_ON, KEEP_FOREVER, NAME, TYPE},
};

const REGIONS: [&str; 3] = ["ap-south-1", "eu-west-1", "us-west-2"];
const VOLUMES: [&str; 3] = ["vol-a", "vol-b", "vol-c"];

/// What the operator did to a snapshot's tags.
#[derive(Clone, Debug)]
struct Tagged {
    kind: Option<&'static str>,
    delete_on: Option<&'static str>,
    keep_forever: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct Primary {
    volume: &'static str,
    days_ago: i64,
    state: SnapshotState,
    archived: bool,
    /// Whether it lost the tag that tells its run.
    has_no_run: bool,
    to: Option<&'static str>,
    is_copy: bool,
    tagged: Tagged,
}

#[derive(Clone, Debug)]
struct Copied {
    /// Of which of the primaries; of one that is gone, should there be fewer.
    of: usize,
    volume: &'static str,
    hours_ago: i64,
    state: SnapshotState,
    tagged: Tagged,
}

/// What a region has, or that it does not answer, or is not even asked.
#[derive(Clone, Debug)]
enum There {
    Copies(Vec<Copied>),
    Silent,
    Unasked,
}

/// When a page ends, and whether the regions that are new are looked into at once.
#[derive(Clone, Debug)]
struct Page {
    length: usize,
    looks: bool,
}

fn tagged() -> impl Strategy<Value = Tagged> {
    (
        prop_oneof![9 => Just(Some("Automated")), 1 => select(vec![None, Some("Manual")])],
        prop_oneof![
            6 => Just(Some("2026-12-01")),
            3 => select(vec![None, Some("soon"), Some("2026-11-21"), Some("2026-11-22")]),
        ],
        prop_oneof![6 => Just(None), 1 => select(vec![Some(""), Some("audit")])],
    )
        .prop_map(|(kind, delete_on, keep_forever)| Tagged { kind, delete_on, keep_forever })
}

fn primaries() -> impl Strategy<Value = Primary> {
    (
        (select(VOLUMES.to_vec()), 0..5_i64),
        prop_oneof![9 => Just(Completed), 1 => select(vec![Pending, Error, InRecycleBin, Unknown])],
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.1),
        prop_oneof![
            4 => Just(Some("eu-west-1")),
            4 => Just(Some("eu-west-1 us-west-2")),
            2 => select(vec![None, Some("us-west-2 mars"), Some("us-east-1"), Some("ap-south-1,eu-west-1"), Some(" ")]),
        ],
        prop::bool::weighted(0.1),
        tagged(),
    )
        .prop_map(|((volume, days_ago), state, archived, has_no_run, to, is_copy, tagged)| Primary {
            volume,
            days_ago,
            state,
            archived,
            has_no_run,
            to,
            is_copy,
            tagged,
        })
}

fn copies() -> impl Strategy<Value = Copied> {
    (
        0..18_usize,
        select(VOLUMES.to_vec()),
        0..6_i64,
        prop_oneof![3 => Just(Completed), 3 => select(vec![Pending, Error, Error, InRecycleBin, Unknown])],
        tagged(),
    )
        .prop_map(|(of, volume, hours_ago, state, tagged)| Copied { of, volume, hours_ago, state, tagged })
}

fn there() -> impl Strategy<Value = There> {
    prop_oneof![
        8 => prop::collection::vec(copies(), 0..14).prop_map(There::Copies),
        1 => Just(There::Silent),
        1 => Just(There::Unasked),
    ]
}

fn pages() -> impl Strategy<Value = Vec<Page>> {
    let page = (0..6_usize, prop::bool::weighted(0.6)).prop_map(|(length, looks)| Page { length, looks });
    prop::collection::vec(page, 0..8)
}

fn with_tags(snapshot: Snapshot, tagged: &Tagged) -> Snapshot {
    let tags = [(TYPE, tagged.kind), (DELETE_ON, tagged.delete_on), (KEEP_FOREVER, tagged.keep_forever)];
    tags.into_iter().fold(snapshot.untagged(TYPE), |it, (key, value)| match value {
        Some(value) => it.tagged(key, value),
        None => it,
    })
}

fn primary(index: usize, drawn: &Primary) -> Snapshot {
    let taken = day("2026-11-20") - TimeDelta::days(drawn.days_ago);
    let id = format!("snap-{index:02}");
    let plain = automated(&id, drawn.volume, &taken.to_string()).in_state(drawn.state).tagged(NAME, &id);
    let mut snapshot = with_tags(plain, &drawn.tagged);
    snapshot.archived = drawn.archived;
    if drawn.has_no_run {
        snapshot = snapshot.untagged(BACKUP_RUN);
    }
    if let Some(to) = drawn.to {
        snapshot = snapshot.tagged(COPY_DEST, to);
    }
    if drawn.is_copy { snapshot.made_copy_of("snap-far", "sa-east-1") } else { snapshot }
}

fn copy(index: usize, drawn: &Copied) -> Snapshot {
    let plain = automated(&format!("copy-{index:02}"), drawn.volume, "2026-11-20").in_state(drawn.state);
    let mut snapshot = with_tags(plain, &drawn.tagged).made_copy_of(&format!("snap-{:02}", drawn.of), "us-east-1");
    snapshot.started = at(RUN) - TimeDelta::hours(drawn.hours_ago);
    snapshot
}

fn inventory(primaries: &[Primary], regions: &[There]) -> Inventory {
    let mut destinations = BTreeMap::new();
    for (name, there) in REGIONS.iter().zip(regions) {
        let read = match there {
            There::Copies(copies) => Ok(copies.iter().enumerate().map(|(index, it)| copy(index, it)).collect()),
            There::Silent => Err("does not answer".to_owned()),
            There::Unasked => continue,
        };
        destinations.insert(region(name), read);
    }
    Inventory { snapshots: primaries.iter().enumerate().map(|(index, it)| primary(index, it)).collect(), destinations }
}

/// Tells of the regions that are named and of which there is something to tell.
fn look(found: &mut Found, inventory: &Inventory) {
    for region in found.unread() {
        if let Some(there) = inventory.destinations.get(&region) {
            found.there(region, there.clone().map(|there| there.iter().collect()));
        }
    }
}

proptest! {
    #[test]
    fn the_plan_does_not_depend_on_the_pages(
        primaries in prop::collection::vec(primaries(), 0..18),
        regions in prop::collection::vec(there(), 3..=3),
        pages in pages(),
        listed in prop_oneof![Just(usize::MAX), 0..6_usize],
    ) {
        let mut run = run(RUN);
        run.listed = listed;
        let inventory = inventory(&primaries, &regions);
        let mut found = Found::new(&run);
        let mut left = inventory.snapshots.clone();
        for page in &pages {
            let rest = left.split_off(page.length.min(left.len()));
            found.add(std::mem::replace(&mut left, rest));
            if page.looks {
                look(&mut found, &inventory);
            }
            found.settle();
        }
        found.add(left);
        look(&mut found, &inventory);
        found.settle();
        // of those that nobody names nothing would be asked, but what is told counts
        for (region, there) in &inventory.destinations {
            found.there(region.clone(), there.clone().map(|there| there.iter().collect()));
        }
        let folded = plan(found);

        let whole = reference::plan(&inventory, &run);
        prop_assert_eq!(folded.actions, whole.actions);
        let (told, untold) = whole.findings.split_at(listed.min(whole.findings.len()));
        prop_assert_eq!(&folded.findings[..], told);
        prop_assert_eq!(folded.findings_unlisted, untold.len());
        prop_assert_eq!(folded.refusals, whole.refusals);
        let (told, untold) = whole.kept.split_at(listed.min(whole.kept.len()));
        prop_assert_eq!(&folded.kept[..], told);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for Kept { reason, .. } in untold {
            *counts.entry(reason.kind()).or_default() += 1;
        }
        prop_assert_eq!(folded.kept_unlisted, counts);
    }
}
