//! The saver among arbitrary snapshots: the promise as a predicate over what was drawn, not over what the code reads.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use proptest::{prelude::*, sample::select};

use super::*;
use crate::{
    fixtures::day,
    rds::inventory::{Database, DbSnapshotState::Available},
};

const ACCOUNTS: [&str; 3] = [LIVE, "333333333333", "444444444444"];
const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];

/// A manual snapshot in a region, of a database and a day, by its key.
#[derive(Clone, Debug)]
struct Drawn {
    account: &'static str,
    state: DbSnapshotState,
    is_ours: bool,
    keep_forever: bool,
    is_told_when: bool,
}

/// By region, database and the days since.
type There = BTreeMap<(usize, usize, i64), Drawn>;

fn there() -> impl Strategy<Value = There> {
    let drawn = (
        select(ACCOUNTS[..2].to_vec()),
        select(vec![Available, Available, Available, Failed, InProgress, Deleting, Unknown]),
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(account, state, is_ours, keep_forever, is_told_when)| Drawn {
            account,
            state,
            is_ours,
            keep_forever,
            is_told_when,
        });
    prop::collection::btree_map((0..2_usize, 0..2_usize, 0..20_i64), drawn, 0..24)
}

fn database(index: usize) -> Database {
    if index == 0 { instance("orders") } else { cluster("orders") }
}

fn moment(days_ago: i64) -> String {
    format!("{}T05:12", day("2026-11-21") - TimeDelta::days(days_ago))
}

fn offered_by(account: &str, index: usize, days_ago: i64) -> DbSnapshot {
    let it = offered(&database(index), &moment(days_ago));
    DbSnapshot { owner: account.to_owned(), arn: it.arn.replace(LIVE, account), ..it }
}

fn snapshot(index: usize, days_ago: i64, drawn: &Drawn) -> DbSnapshot {
    let mut it = saved(&database(index), &moment(days_ago))
        .in_state(drawn.state)
        .tagged(SOURCE_ACCOUNT, drawn.account)
        .tagged(tags::SOURCE_DB_SNAPSHOT, &offered_by(drawn.account, index, days_ago).arn);
    if drawn.keep_forever {
        it = it.tagged(KEEP_FOREVER, "");
    }
    if !drawn.is_told_when {
        it = DbSnapshot { taken: None, ..it.untagged(tags::SOURCE_TAKEN) };
    }
    if drawn.is_ours { it } else { it.untagged(TYPE) }
}

proptest! {
    #[test]
    fn nothing_goes_but_what_is_ours_and_due_and_never_the_newest(
        there in there(),
        shared in prop::collection::btree_set((0..3_usize, 0..2_usize, 0..20_i64), 0..8),
        retention in select(vec![("1d", 1), ("3d", 3), ("7d 2w", 7), ("2d 1w 12m", 2)]),
    ) {
        let in_region = |region: usize| {
            let snapshots = there.iter().filter(move |(key, _)| key.0 == region);
            snapshots.map(|(key, drawn)| snapshot(key.1, key.2, drawn)).collect::<Vec<_>>()
        };
        let inventory = Inventory {
            elsewhere: [(region(REGIONS[1]), Ok(in_region(1)))].into(),
            ..of(shared.iter().map(|it| offered_by(ACCOUNTS[it.0], it.1, it.2)).collect(), in_region(0))
        };
        let mut run = failsafe_run(RUN);
        run.settings.failsafe.live_accounts = ACCOUNTS[..2].iter().map(|account| (*account).to_owned()).collect();
        run.settings.failsafe.copy_to = [region(REGIONS[1])].into();
        run.settings.failsafe.retention = retention.0.parse().unwrap();
        let plan = plan(&inventory, &run);

        let index_of = |to: &Region| usize::from(to.as_str() == REGIONS[1]);
        let (mut copied, mut deleted) = (BTreeSet::new(), BTreeSet::new());
        for action in &plan.actions {
            match action {
                Save::Copy(copy) => {
                    prop_assert!(copied.insert((copy.to.clone(), copy.target.clone())), "{copy} twice");
                    let present = in_region(index_of(&copy.to));
                    prop_assert!(present.iter().all(|it| it.id != copy.target), "{copy}: it is there");
                    let source = |it: &DbSnapshot| it.arn == copy.source && it.id == copy.target;
                    let (here, shared) = (in_region(0), &inventory.shared);
                    prop_assert!(match index_of(&copy.to) {
                        0 => shared.iter().any(|it| source(it) && ACCOUNTS[..2].contains(&it.owner.as_str())),
                        _ => here.iter().any(|it| source(it) && it.is_saved() && it.state == Available),
                    }, "{copy}");
                }
                Save::Delete(delete) => {
                    prop_assert!(deleted.insert((index_of(&delete.region), delete.snapshot.clone())), "{delete} twice");
                }
            }
        }
        let id = |key: &(usize, usize, i64)| (key.0, saved(&database(key.1), &moment(key.2)).id);
        let mut known = 0;
        for (key, drawn) in &there {
            if !deleted.contains(&id(key)) {
                continue;
            }
            known += 1;
            prop_assert!(drawn.is_ours && !drawn.keep_forever, "{key:?}");
            if drawn.state == Failed {
                continue;
            }
            prop_assert!(drawn.state == Available && drawn.is_told_when && key.2 >= retention.1, "{key:?}");
            let newer = there.iter().any(|(other, it)| {
                (other.0, other.1) == (key.0, key.1)
                    && other.2 < key.2
                    && it.account == drawn.account
                    && it.is_ours
                    && it.state == Available
                    && it.is_told_when
                    && !deleted.contains(&id(other))
            });
            prop_assert!(newer, "{key:?} goes, and no newer copy stays");
        }
        prop_assert_eq!(known, deleted.len());
    }
}
