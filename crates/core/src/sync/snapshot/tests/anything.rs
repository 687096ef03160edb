//! The job among arbitrary snapshots: the promise as a predicate over what was drawn, not over what the code reads.

use std::collections::BTreeSet;

use proptest::{prelude::*, sample::select};

use super::*;
use crate::rds::inventory::DbSnapshotState::Available;

/// What has the name of a day's copy.
#[derive(Clone, Debug)]
struct Drawn {
    state: DbSnapshotState,
    is_ours: bool,
    keep_forever: bool,
    is_told_when: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let state = select(vec![Available, Available, Available, Available, Failed, InProgress, Deleting, Unknown]);
    (state, prop::bool::weighted(0.9), prop::bool::weighted(0.1), prop::bool::weighted(0.9))
        .prop_map(|(state, is_ours, keep_forever, is_told_when)| Drawn { state, is_ours, keep_forever, is_told_when })
}

fn there(day: u8, drawn: &Drawn) -> DbSnapshot {
    let mut it = copy_of(&of_day(day)).in_state(drawn.state);
    if drawn.keep_forever {
        it = it.tagged(KEEP_FOREVER, "");
    }
    if !drawn.is_told_when {
        it = DbSnapshot { taken: None, ..it.untagged(SOURCE_TAKEN) };
    }
    if drawn.is_ours { it } else { it.untagged(SYNC_MADE) }
}

proptest! {
    #[test]
    fn nothing_goes_but_what_is_ours_and_past_the_number_once_the_newest_is_there(
        all in prop::collection::btree_map(1..12_u8, drawn(), 0..10),
        sources in prop::collection::btree_map(1..12_u8, select(vec![Available, Available, InProgress]), 0..4),
        max in 1..4_u16,
    ) {
        let inventory = of(
            sources.iter().map(|(day, state)| of_day(*day).in_state(*state)).collect(),
            all.iter().map(|(day, it)| there(*day, it)).collect(),
        );
        let (plan, _) = plan(&inventory, &job(&orders(), max), &run(RUN));
        let newest = sources.iter().rev().find(|(_, state)| **state == Available).map(|(day, _)| *day);
        let newest_arn = newest.map(|day| of_day(day).arn);
        let is_good = |it: &Drawn| it.is_ours && it.state == Available;

        let (mut copies, mut gone) = (0, BTreeSet::new());
        for action in &plan.actions {
            match action {
                SyncSnapshot::Copy(copy) => {
                    copies += 1;
                    prop_assert_eq!(Some(&copy.source), newest_arn.as_ref());
                    prop_assert!(newest.is_some_and(|day| !all.contains_key(&day)), "{copy}: it is there");
                }
                SyncSnapshot::Tag { arn, .. } => {
                    prop_assert_eq!(Some(arn), newest_arn.as_ref());
                }
                SyncSnapshot::Delete(delete) => {
                    prop_assert!(gone.insert(delete.snapshot.clone()), "{delete} twice");
                }
            }
        }
        prop_assert!(copies <= 1);
        let is_quiet = !all.values().any(|it| it.is_ours && matches!(it.state, InProgress | Unknown | Failed));
        let mut known = 0;
        for (day, it) in &all {
            if !gone.contains(&copy_of(&of_day(*day)).id) {
                continue;
            }
            known += 1;
            prop_assert!(it.is_ours && !it.keep_forever, "{day}: {it:?}");
            if it.state == Failed {
                continue;
            }
            prop_assert!(it.state == Available && it.is_told_when, "{day}: {it:?}");
            let newer = all.iter().filter(|(other, it)| *other > day && is_good(it) && it.is_told_when);
            prop_assert!(newer.count() >= usize::from(max), "{day} goes, and fewer than {max} newer ones stay");
            let is_there = newest.is_some_and(|newest| all.iter().any(|(day, it)| *day >= newest && is_good(it)));
            prop_assert!(is_there || (copies == 1 && is_quiet), "{day} goes, and the newest one is not there");
        }
        prop_assert_eq!(known, gone.len());
        let stay = all.iter().filter(|(day, it)| is_good(it) && !gone.contains(&copy_of(&of_day(**day)).id)).count();
        let good = all.values().filter(|it| is_good(it)).count();
        prop_assert!(stay >= good.min(usize::from(max)), "{stay} of {good} stay");
    }
}
