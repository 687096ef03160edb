//! The sharer among arbitrary snapshots: the promise as a predicate over what was drawn, not over what the code reads.

use chrono::TimeDelta;
use proptest::{prelude::*, sample::select};

use super::*;
use crate::{fixtures::day, rds::inventory::DbSnapshotState::Available};

const DATABASES: usize = 2;

const NOBODY: &[&str] = &[];
const FAILSAFE_ONLY: &[&str] = &[FAILSAFE];
const EVERYBODY: &[&str] = &[FAILSAFE, "all"];
const STRANGER: &[&str] = &["333333333333"];

/// A manual snapshot, of a database and a day by its key.
#[derive(Clone, Debug)]
struct Drawn {
    state: DbSnapshotState,
    whose: Whose,
    keep_forever: bool,
    is_told_when: bool,
    /// With whom it is shared, where that was looked at.
    shared_with: Option<&'static [&'static str]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    /// Made by hand, whatever its name.
    Foreign,
    /// The saver's, of another account.
    Saved,
}

/// The snapshots by database and by the days since.
type World = BTreeMap<(usize, i64), Drawn>;

fn worlds() -> impl Strategy<Value = World> {
    let drawn = (
        select(vec![Available, Available, Available, Failed, InProgress, Deleting, Unknown]),
        prop_oneof![8 => Just(Whose::Ours), 1 => Just(Whose::Foreign), 1 => Just(Whose::Saved)],
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.9),
        select(vec![None, Some(NOBODY), Some(FAILSAFE_ONLY), Some(EVERYBODY), Some(STRANGER)]),
    )
        .prop_map(|(state, whose, keep_forever, is_told_when, shared_with)| Drawn {
            state,
            whose,
            keep_forever,
            is_told_when,
            shared_with,
        });
    prop::collection::btree_map((0..DATABASES, 0..6_i64), drawn, 0..12)
}

fn database(index: usize) -> Database {
    if index == 0 { instance("orders") } else { cluster("orders") }
}

fn moment(days_ago: i64) -> String {
    format!("{}T05:12", day("2026-11-21") - TimeDelta::days(days_ago))
}

fn snapshot(key: (usize, i64), drawn: &Drawn) -> DbSnapshot {
    let mut snapshot = copy(&database(key.0), &moment(key.1)).in_state(drawn.state);
    if drawn.keep_forever {
        snapshot = snapshot.tagged(KEEP_FOREVER, "");
    }
    if !drawn.is_told_when {
        snapshot = DbSnapshot { taken: None, ..snapshot.untagged(tags::SOURCE_TAKEN) };
    }
    match drawn.whose {
        Whose::Ours => snapshot,
        Whose::Foreign => snapshot.untagged(TYPE),
        Whose::Saved => snapshot.tagged(SOURCE_ACCOUNT, "333333333333"),
    }
}

fn is_shared(drawn: &Drawn) -> bool {
    drawn.shared_with.is_some_and(|accounts| accounts.contains(&FAILSAFE))
}

/// Our good copies of a database: the days since, and whether the failsafe account has its share.
fn good(world: &World, database: usize) -> Vec<(i64, bool)> {
    let of_it = world.iter().filter(|(key, _)| key.0 == database);
    let good = of_it.filter(|(_, it)| it.whose == Whose::Ours && it.state == Available && it.is_told_when);
    good.map(|(key, it)| (key.1, is_shared(it))).collect()
}

proptest! {
    #[test]
    fn nothing_goes_that_somebody_may_need(
        world in worlds(),
        newest_automated in 0..3_i64,
        enrolled: [bool; DATABASES],
    ) {
        let mut databases: Vec<Database> = (0..DATABASES).map(database).collect();
        let automated: Vec<DbSnapshot> =
            databases.iter().map(|database| automated(database, &moment(newest_automated))).collect();
        for (database, is_enrolled) in databases.iter_mut().zip(enrolled) {
            database.tags = [(tags::FAILSAFE, if is_enrolled { "Yes" } else { "No" })].into_iter().collect();
        }
        let manual: Vec<DbSnapshot> = world.iter().map(|(key, drawn)| snapshot(*key, drawn)).collect();
        let shared_with = world.iter().zip(&manual).filter_map(|((_, drawn), snapshot)| {
            Some((snapshot.id.clone(), drawn.shared_with?.iter().map(|account| (*account).to_owned()).collect()))
        });
        let shared_with: BTreeMap<DbSnapshotId, BTreeSet<String>> = shared_with.collect();
        let inventory = Inventory { databases, automated, manual, shared_with, ..of(vec![]) };
        let plan = plan(&inventory, &live_run(RUN));

        let known: BTreeMap<&DbSnapshotId, ((usize, i64), &Drawn)> =
            inventory.manual.iter().zip(&world).map(|(it, (key, drawn))| (&it.id, (*key, drawn))).collect();
        let mut copied = BTreeSet::new();
        for action in &plan.actions {
            match action {
                Share::Copy(copy) => {
                    prop_assert!(copied.insert(copy.target.clone()), "{} is copied twice", copy.target);
                    prop_assert!(!known.contains_key(&copy.target), "{} is there", copy.target);
                    prop_assert!(enrolled[usize::from(copy.database.kind == DatabaseKind::Cluster)]);
                    let database = usize::from(copy.target.kind == DatabaseKind::Cluster);
                    prop_assert!(good(&world, database).iter().all(|it| it.0 > newest_automated), "{copy}");
                }
                Share::Share { snapshot, account, .. } => {
                    let (_, drawn) = known[snapshot];
                    prop_assert!(drawn.whose == Whose::Ours && drawn.state == Available && account == FAILSAFE);
                }
                Share::Announce { snapshot, .. } => prop_assert!(is_shared(known[snapshot].1)),
                Share::Delete(delete) => {
                    let ((database, days_ago), drawn) = known[&delete.snapshot];
                    prop_assert!(drawn.whose == Whose::Ours && !drawn.keep_forever, "{delete}");
                    if drawn.state != Failed {
                        prop_assert_eq!(drawn.state, Available);
                        let was_never_shared = drawn.shared_with.is_some() && !is_shared(drawn);
                        let newer: Vec<bool> =
                            good(&world, database).iter().filter(|it| it.0 < days_ago).map(|it| it.1).collect();
                        prop_assert!(newer.contains(&true) || was_never_shared && !newer.is_empty(), "{delete}");
                        prop_assert!(days_ago > 1 || was_never_shared && newer.contains(&true), "{delete}");
                    }
                }
            }
        }
        for index in 0..DATABASES {
            if let Some((newest, _)) = good(&world, index).into_iter().filter(|it| it.1).min() {
                let id = copy(&database(index), &moment(newest)).id;
                let goes = |action: &Share| matches!(action, Share::Delete(delete) if delete.snapshot == id);
                prop_assert!(!plan.actions.iter().any(goes), "the newest shared copy of {index} goes");
            }
        }
    }
}
