//! The manager among arbitrary snapshots: the promise as a predicate over what was drawn, not over what the code reads.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use proptest::{prelude::*, sample::select};

use super::{Inventory, plan};
use crate::{
    enrolment::Enrolment,
    fixtures::{automated, day, instance, region, run, volume},
    inventory::{
        InstanceState, Snapshot,
        SnapshotState::{self, Completed, Error, InRecycleBin, Pending, Unknown},
    },
    tags::{BACKUP, DELETE_ON, KEEP_FOREVER, TYPE},
};

const TODAY: &str = "2026-11-21";

/// Where a snapshot's volume is: here, in Ireland, or in a region whose name cannot be read.
const PLACES: [&str; 3] = ["us-east-1", "eu-west-1", "mars"];
/// The two volumes of the one instance in each place.
const VOLUMES: [[&str; 2]; 3] = [["vol-a", "vol-b"], ["vol-e", "vol-f"], ["vol-m", "vol-n"]];

#[derive(Clone, Debug)]
struct Drawn {
    place: usize,
    volume: usize,
    days_ago: i64,
    /// Whether its run took both volumes together.
    both: bool,
    state: SnapshotState,
    kind: Option<&'static str>,
    keep_forever: Option<&'static str>,
    due: Due,
    in_use: bool,
    locked: bool,
}

#[derive(Clone, Copy, Debug)]
enum Due {
    Unsaid,
    Unreadable(&'static str),
    InDays(i64),
}

/// What the tags of a place's instance and volumes say.
#[derive(Clone, Debug)]
struct Said {
    backup: Option<&'static str>,
    state: InstanceState,
    left_out: [bool; 2],
}

/// The account: its snapshots, what the tags say here, and what Ireland answers, if it does.
#[derive(Clone, Debug)]
struct World {
    drawn: Vec<Drawn>,
    here: Said,
    ireland: Option<Said>,
}

fn snapshots() -> impl Strategy<Value = Drawn> {
    (
        (0..3_usize, 0..2_usize, 1..7_i64, any::<bool>()),
        select(vec![Completed, Completed, Completed, Completed, Pending, Error, InRecycleBin, Unknown]),
        prop_oneof![9 => Just(Some("Automated")), 1 => select(vec![None, Some("Manual"), Some("automated")])],
        prop_oneof![9 => Just(None::<&'static str>), 1 => select(vec![Some(""), Some("no")])],
        prop_oneof![
            1 => Just(Due::Unsaid),
            1 => select(vec!["", "soon", "2026-11-1", "2026-11-01 "]).prop_map(Due::Unreadable),
            8 => (-9..3_i64).prop_map(Due::InDays),
        ],
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.05),
    )
        .prop_map(|((place, volume, days_ago, both), state, kind, keep_forever, due, in_use, locked)| Drawn {
            place,
            volume,
            days_ago,
            both,
            state,
            kind,
            keep_forever,
            due,
            in_use,
            locked,
        })
}

fn tags() -> impl Strategy<Value = Said> {
    (
        prop_oneof![3 => Just(Some("Yes")), 2 => select(vec![Some(" yES"), Some("No"), Some("Yse"), None])],
        prop_oneof![4 => Just(InstanceState::Stopped), 1 => Just(InstanceState::Terminated)],
        [prop::bool::weighted(0.2), prop::bool::weighted(0.2)],
    )
        .prop_map(|(backup, state, left_out)| Said { backup, state, left_out })
}

fn worlds() -> impl Strategy<Value = World> {
    (prop::collection::vec(snapshots(), 0..24), tags(), prop::option::weighted(0.8, tags()))
        .prop_map(|(drawn, here, ireland)| World { drawn, here, ireland })
}

fn id(index: usize) -> String {
    format!("snap-{index:02}")
}

/// The world as the manager reads it.
fn inventory(world: &World) -> Inventory {
    let numbered = || world.drawn.iter().enumerate();
    let ids = |marked: fn(&Drawn) -> bool| numbered().filter(move |(_, it)| marked(it)).map(|(index, _)| id(index));
    Inventory {
        snapshots: numbered().map(|(index, drawn)| snapshot(&id(index), drawn)).collect(),
        enrolment: enrolment(0, &world.here),
        elsewhere: world.ireland.iter().map(|said| (region(PLACES[1]), enrolment(1, said))).collect(),
        in_use: ids(|it| it.in_use).map(|id| (id.into(), "ami-1".into())).collect(),
        locked: ids(|it| it.locked).map(Into::into).collect(),
    }
}

fn snapshot(id: &str, drawn: &Drawn) -> Snapshot {
    let volumes = VOLUMES[drawn.place];
    let own = volumes[drawn.volume];
    let taken = day(TODAY) - TimeDelta::days(drawn.days_ago);
    let mut snapshot = automated(id, own, &taken.to_string()).in_state(drawn.state).untagged(TYPE);
    if drawn.both {
        snapshot = snapshot.in_set("i-1", &volumes);
    }
    if drawn.place != 0 {
        snapshot = snapshot.made_copy_of(&format!("{id}-primary"), PLACES[drawn.place]);
    }
    let delete_on = match drawn.due {
        Due::Unsaid => None,
        Due::Unreadable(text) => Some(text.to_owned()),
        Due::InDays(days) => Some((day(TODAY) + TimeDelta::days(days)).to_string()),
    };
    let kind = drawn.kind.map(str::to_owned);
    let keep_forever = drawn.keep_forever.map(str::to_owned);
    for (key, value) in [(TYPE, kind), (KEEP_FOREVER, keep_forever), (DELETE_ON, delete_on)] {
        if let Some(value) = value {
            snapshot = snapshot.tagged(key, &value);
        }
    }
    snapshot
}

fn enrolment(place: usize, said: &Said) -> Enrolment {
    let backup: Vec<(&str, &str)> = said.backup.map(|value| (BACKUP, value)).into_iter().collect();
    let left_out = (0..2).filter(|index| said.left_out[*index]);
    let volumes: Vec<_> = left_out.map(|index| volume(VOLUMES[place][index], &[(BACKUP, "No")])).collect();
    Enrolment::of(&[instance("i-1", &VOLUMES[place], &backup).in_state(said.state)], &volumes)
}

/// Whether the volume is enrolled, or may be.
fn is_enrolled(world: &World, place: usize, volume: usize) -> bool {
    let said = match place {
        0 => Some(&world.here),
        1 => world.ireland.as_ref(),
        _ => None,
    };
    said.is_none_or(|said| {
        said.state != InstanceState::Terminated
            && !said.left_out[volume]
            && matches!(said.backup, Some("Yes" | " yES" | "Yse"))
    })
}

fn is_own(drawn: &Drawn) -> bool {
    drawn.kind == Some("Automated")
}

/// The volume's completed own snapshots: those of whole sets, or all where no set is whole.
fn restore_points(world: &World, place: usize, volume: usize) -> Vec<(usize, &Drawn)> {
    let completed = |volume: usize, days_ago: Option<i64>| {
        world.drawn.iter().enumerate().filter(move |(_, it)| {
            is_own(it)
                && it.state == Completed
                && (it.place, it.volume) == (place, volume)
                && days_ago.is_none_or(|days_ago| it.days_ago == days_ago)
        })
    };
    let is_whole = |it: &Drawn| !it.both || completed(1 - volume, Some(it.days_ago)).next().is_some();
    let whole: Vec<_> = completed(volume, None).filter(|(_, it)| is_whole(it)).collect();
    if whole.is_empty() { completed(volume, None).collect() } else { whole }
}

/// For each volume that is or may be enrolled the days since its last good backup, and the snapshots of that day.
fn last_good(world: &World) -> BTreeMap<(usize, usize), (i64, BTreeSet<usize>)> {
    let volumes = (0..3).flat_map(|place| (0..2).map(move |volume| (place, volume)));
    volumes
        .filter(|(place, volume)| is_enrolled(world, *place, *volume))
        .filter_map(|(place, volume)| {
            let points = restore_points(world, place, volume);
            let newest = points.iter().map(|(_, it)| it.days_ago).min()?;
            let those = points.into_iter().filter(|(_, it)| it.days_ago == newest).map(|(index, _)| index).collect();
            Some(((place, volume), (newest, those)))
        })
        .collect()
}

/// Whether something else than the last good backup forbids to delete it.
fn is_held(drawn: &Drawn) -> bool {
    let is_due = matches!(drawn.due, Due::InDays(days) if days <= 0);
    // begun at five o'clock, it is 25 hours old after a day and 49 after two
    let has_failed = drawn.state == Error && drawn.days_ago >= 2;
    !is_own(drawn)
        || drawn.keep_forever.is_some()
        || !(is_due || has_failed)
        || drawn.in_use
        || drawn.locked
        || matches!(drawn.state, InRecycleBin | Unknown)
}

proptest! {
    #[test]
    fn nothing_goes_but_what_may_and_nothing_stays_but_what_must(world in worlds()) {
        let plan = plan(&inventory(&world), &run("2026-11-21T06:00:00Z"));
        let deleted: Vec<String> = plan.actions.iter().map(|action| action.snapshot.to_string()).collect();
        let goes = |index: usize| deleted.contains(&id(index));

        let mut told: Vec<String> =
            deleted.iter().cloned().chain(plan.kept.iter().map(|kept| kept.resource.clone())).collect();
        told.sort();
        prop_assert_eq!(told, (0..world.drawn.len()).map(id).collect::<Vec<_>>(), "each is kept or deleted, once");

        let last_good = last_good(&world);
        for (volume, (_, snapshots)) in &last_good {
            prop_assert!(!snapshots.iter().all(|index| goes(*index)), "the last good backup of {volume:?} goes");
        }
        for (index, drawn) in world.drawn.iter().enumerate() {
            prop_assert!(!(is_held(drawn) && goes(index)), "{} is held and goes", id(index));
            // of the run that is a volume's last good backup more may stay: its whole set, its duplicates
            let of_last_good = |volume| {
                last_good.get(&(drawn.place, volume)).is_some_and(|(days_ago, _)| *days_ago == drawn.days_ago)
            };
            // and of copies that do not tell of which volume they are all stay
            let is_unknown = drawn.place == 2;
            if !is_unknown && !of_last_good(0) && !of_last_good(1) {
                prop_assert!(is_held(drawn) || goes(index), "{} is due, and nothing holds it", id(index));
            }
        }
    }
}
