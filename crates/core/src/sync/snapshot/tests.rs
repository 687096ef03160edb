use std::num::NonZeroU16;

use super::*;
use crate::{
    fixtures::{HOME, at, region},
    rds::{
        fixtures::{LIVE, automated, check_told, cluster, instance, told},
        inventory::{
            Database,
            DbSnapshotState::{Deleting, Failed, InProgress, Unknown},
        },
    },
    run::Job,
    settings::Settings,
    sync::config::{ClientConfig, ImageSync},
    tags::{KEEP_FOREVER, SOURCE_DATABASE, SOURCE_DB_SNAPSHOT, SOURCE_TAKEN, SYNC_MADE},
};

mod anything;
mod forty_days;

const WEST: &str = "us-west-2";
const RUN: &str = "2026-11-21T06:00:00Z";
const TODAY: &str = "2026-11-21T05:12";

fn run(instant: &str) -> Run {
    Run::new(Job::Syncer, region(HOME), at(instant), Settings::default())
}

/// A job on a database, of which so many copies stay.
fn job(database: &Database, max: u16) -> SyncJob {
    SyncJob {
        name: "sync_orders".to_owned(),
        source: region(HOME),
        destinations: [region(WEST)].into(),
        client: ClientConfig::default(),
        what: What::Database(DatabaseSync {
            database: database.id.clone(),
            max_snapshots_to_retain: NonZeroU16::new(max).unwrap(),
            kms_key: Some("alias/copies".to_owned()),
        }),
    }
}

fn orders() -> Database {
    instance("orders")
}

/// The automated snapshot of a day at twelve minutes past five.
fn of_day(day: u8) -> DbSnapshot {
    automated(&orders(), &format!("2026-11-{day:02}T05:12"))
}

/// The copy that sync made of an automated snapshot.
fn copy_of(source: &DbSnapshot) -> DbSnapshot {
    let id = name::of_synced(&region(HOME), &source.id);
    let taken = source.taken.map(|taken| tags::stamp(taken.trunc_subsecs(0))).unwrap_or_default();
    DbSnapshot { arn: format!("arn:aws:rds:{WEST}:{LIVE}:{id}"), id, tags: Tags::default(), ..source.clone() }
        .tagged(SYNC_MADE, "Yes")
        .tagged(SOURCE_DATABASE, &source.database.to_string())
        .tagged(SOURCE_TAKEN, &taken)
        .tagged("Sync-From-us-east-1", &format!("20261121054000+0000 / {}", source.arn))
}

fn of(automated: Vec<DbSnapshot>, there: Vec<DbSnapshot>) -> Inventory {
    Inventory { automated, destinations: [(region(WEST), Ok(there))].into() }
}

/// Compares what is planned, and what is said to be there, each by its beginning.
#[track_caller]
fn check_job(inventory: &Inventory, job: &SyncJob, expected: &[&str]) {
    let (plan, synced) = plan(inventory, job, &run(RUN));
    let there = synced.iter().map(|it| format!("{:?}: {}", it.state, it.resource));
    check_told(&told(&plan).into_iter().chain(there).collect::<Vec<_>>(), expected);
}

#[track_caller]
fn check(inventory: &Inventory, expected: &[&str]) {
    check_job(inventory, &job(&orders(), 2), expected);
}

const COPY: &str = "copy arn:aws:rds:us-east-1:111111111111:snapshot:rds:orders-2026-11-21-05-12 to \
                    snapshot:sync-us-east-1-orders-2026-11-21-05-12 in us-west-2";
const NAMED: &str = "tag arn:aws:rds:us-east-1:111111111111:snapshot:rds:orders-2026-11-21-05-12 in us-east-1: \
                     Sync-us-west-2=20261121060000+0000 / \
                     arn:aws:rds:us-west-2:111111111111:snapshot:sync-us-east-1-orders-2026-11-21-05-12";
const IN_SYNC: &str = "InSync: arn:aws:rds:us-west-2:111111111111:snapshot:sync-us-east-1-orders-2026-11-21-05-12";
const FREE: &str = "keep snapshot:sync-us-east-1-orders-2026-11-21-05-12 in us-west-2: name_not_free";

#[test]
fn the_newest_snapshot_is_copied_once_and_tells_of_it() {
    check(&of(vec![of_day(20), of_day(21)], vec![]), &[COPY]);
    check(&of(vec![of_day(21), of_day(20)], vec![copy_of(&of_day(20))]), &[COPY]);
    check(&of(vec![of_day(21)], vec![copy_of(&of_day(21))]), &[NAMED, IN_SYNC]);
    let named = of_day(21).tagged("Sync-us-west-2", &format!("20261121054000+0000 / {}", copy_of(&of_day(21)).arn));
    check(&of(vec![named], vec![copy_of(&of_day(21))]), &[IN_SYNC]);
    let on_its_way = of(vec![of_day(21)], vec![copy_of(&of_day(21)).in_state(InProgress)]);
    check(&on_its_way, &[NAMED, "InProgress: arn:aws:rds:us-west-2:"]);
    // one in the making is none yet
    check(&of(vec![of_day(21), of_day(22).in_state(InProgress)], vec![]), &[COPY]);
    // the newest of yesterday is none of today, should today's be gone from the list
    check(&of(vec![of_day(20)], vec![copy_of(&of_day(21))]), &[IN_SYNC]);
    // nor is another database's
    let others = [automated(&instance("others"), TODAY), automated(&cluster("orders"), "2026-11-22T05:12")];
    check(&of([others.to_vec(), vec![of_day(21)]].concat(), vec![]), &[COPY]);
}

#[test]
fn a_database_without_a_snapshot_to_copy_is_told() {
    check(&of(vec![], vec![]), &["refuse sync_orders: db:orders has no automated snapshot in us-east-1: is its name"]);
    let making = of_day(21).in_state(InProgress);
    let none = "refuse sync_orders: db:orders has no automated snapshot in us-east-1 that is available yet";
    check(&of(vec![making], vec![copy_of(&of_day(20))]), &[none]);
    let multi = Database { engine: "postgres".to_owned(), ..cluster("orders") };
    let told = "refuse sync_orders: cluster:orders is a cluster, but none of Aurora (postgres)";
    check_job(&of(vec![automated(&multi, TODAY)], vec![]), &job(&multi, 2), &[told]);
    let custom = Database { engine: "custom-oracle-ee".to_owned(), ..orders() };
    let told = "refuse sync_orders: db:orders is one of RDS Custom";
    check(&of(vec![automated(&custom, TODAY)], vec![]), &[told]);
}

#[test]
fn an_encrypted_snapshot_needs_a_key_where_it_goes() {
    let unencrypted = |it: DbSnapshot| DbSnapshot { kms_key: None, ..it };
    let key_of = |source: DbSnapshot, key: Option<&str>, database: &Database| {
        let mut job = job(database, 2);
        match &mut job.what {
            What::Database(sync) => sync.kms_key = key.map(str::to_owned),
            What::Image(_) => panic!("it is no job on a database"),
        }
        let (plan, _) = plan(&of(vec![source], vec![]), &job, &run(RUN));
        match plan.actions.as_slice() {
            [SyncSnapshot::Copy(copy)] => Ok(copy.kms_key.clone()),
            _ => Err(told(&plan).concat()),
        }
    };
    let (key, orders) = (Some("alias/copies"), orders());
    let with_key = Ok(Some("alias/copies".to_owned()));
    assert_eq!(key_of(of_day(21), key, &orders), with_key);
    assert_eq!(key_of(unencrypted(of_day(21)), key, &orders), with_key);
    assert_eq!(key_of(unencrypted(of_day(21)), None, &orders), Ok(None));
    // a copy cannot encrypt what is of Aurora
    let aurora = cluster("orders");
    assert_eq!(key_of(unencrypted(automated(&aurora, TODAY)), key, &aurora), Ok(None));
    let error = key_of(of_day(21), None, &orders).unwrap_err();
    assert!(error.contains("is encrypted: its copy in us-west-2 needs a KMS key there, `kms_key_id`"), "{error}");
}

#[test]
fn a_copy_has_our_tags_and_those_of_its_source() {
    let source = of_day(21)
        .tagged("Team", "shop")
        .tagged(KEEP_FOREVER, "Yes")
        .tagged(SOURCE_DB_SNAPSHOT, "arn")
        .tagged("Backup_Sync", "us-west-2")
        .tagged("Sync-eu-west-1", "20261121054000+0000 / x");
    let (plan, _) = plan(&of(vec![source], vec![]), &job(&orders(), 2), &run(RUN));
    let [SyncSnapshot::Copy(copy)] = plan.actions.as_slice() else { panic!("{plan:#?}") };
    let arn = of_day(21).arn;
    let mark = format!("20261121060000+0000 / {arn}");
    let expected = [
        ("Backup_Run", "2026-11-21T06:00:00Z"),
        ("Snapkeeper_Sync", "Yes"),
        ("Source_Database", "db:orders"),
        ("Source_Region", "us-east-1"),
        ("Source_Taken", "2026-11-21T05:12:07Z"),
        ("Sync-From-us-east-1", mark.as_str()),
        ("Team", "shop"),
        ("Type", "Automated"),
    ];
    assert_eq!(copy.tags.iter().collect::<Vec<_>>(), expected);
    let told = synced(copy);
    assert_eq!((told.source, told.resource), (arn, copy_of(&of_day(21)).arn));
}

#[test]
fn a_failed_copy_goes_and_nothing_else_does() {
    let delete = "delete snapshot:sync-us-east-1-orders-2026-11-21-05-12 in us-west-2: it failed";
    let told = "refuse sync_orders: its copy snapshot:sync-us-east-1-orders-2026-11-21-05-12 in us-west-2 failed";
    let failed = copy_of(&of_day(21)).in_state(Failed);
    let older = [18, 19, 20].map(|day| copy_of(&of_day(day)));
    let with = |copy: &DbSnapshot| [older.to_vec(), vec![copy.clone()]].concat();
    check(&of(vec![of_day(21)], with(&failed)), &[delete, FREE, told]);
    check(&of(vec![of_day(21)], with(&failed.clone().tagged(KEEP_FOREVER, ""))), &[FREE, told]);
    // of an earlier one as well
    check(&of(vec![of_day(22)], vec![failed]), &["copy arn:aws:rds:us-east-1:", delete, told]);
    let going = "keep snapshot:sync-us-east-1-orders-2026-11-18-05-12 in us-west-2: newest_not_there";
    check(&of(vec![of_day(21)], with(&copy_of(&of_day(21)).in_state(Deleting))), &[FREE, going]);
}

#[test]
fn a_name_that_is_taken_is_told_and_left_alone() {
    let told = "refuse sync_orders: snapshot:rds:orders-2026-11-21-05-12 cannot be copied to us-west-2: \
                snapshot:sync-us-east-1-orders-2026-11-21-05-12 there has the name of its copy";
    for foreign in [
        copy_of(&of_day(21)).untagged(SYNC_MADE),
        copy_of(&of_day(21)).untagged("Sync-From-us-east-1"),
        copy_of(&of_day(21)).tagged(SOURCE_DATABASE, "cluster:orders"),
        copy_of(&of_day(21)).tagged(SOURCE_DB_SNAPSHOT, "arn"),
    ] {
        for state in [foreign.state, Failed] {
            check(&of(vec![of_day(21)], vec![foreign.clone().in_state(state)]), &[told]);
        }
    }
}

#[test]
fn no_more_copies_are_begun_than_aws_makes_at_once() {
    let under_way = |database: &Database, number: usize| {
        let it = |index| automated(database, &format!("2026-10-{:02}T05:12", index + 1)).in_state(InProgress);
        (0..number).map(it).collect::<Vec<_>>()
    };
    let full = "keep snapshot:sync-us-east-1-orders-2026-11-21-05-12 in us-west-2: copies_under_way";
    check(&of(vec![of_day(21)], under_way(&instance("others"), 20)), &[full]);
    check(&of(vec![of_day(21)], under_way(&instance("others"), 19)), &[COPY]);
    let aurora = cluster("orders");
    let full = "keep cluster-snapshot:sync-us-east-1-orders-2026-11-21-05-12 in us-west-2: copies_under_way";
    let five = under_way(&cluster("others"), 5);
    check_job(&of(vec![automated(&aurora, TODAY)], five.clone()), &job(&aurora, 2), &[full]);
    check(&of(vec![of_day(21)], five), &[COPY]);
}

/// Copies of these days, and the newest automated snapshot of the 21st, that tells of its copy.
fn days(days: &[u8]) -> Inventory {
    let named = of_day(21).tagged("Sync-us-west-2", &format!("20261121054000+0000 / {}", copy_of(&of_day(21)).arn));
    of(vec![of_day(20), named], days.iter().map(|day| copy_of(&of_day(*day))).collect())
}

#[test]
fn the_newest_copies_stay_and_the_older_ones_go_once_the_newest_is_there() {
    let gone = |day: u8, max: u8| {
        format!("delete snapshot:sync-us-east-1-orders-2026-11-{day}-05-12 in us-west-2: older than the newest {max}")
    };
    check(&days(&[20, 21]), &[IN_SYNC]);
    check(&days(&[18, 21, 19, 20]), &[&gone(18, 2), &gone(19, 2), IN_SYNC]);
    check_job(&days(&[18, 21, 19, 20]), &job(&orders(), 3), &[&gone(18, 3), IN_SYNC]);
    check_job(&days(&[20, 21]), &job(&orders(), 1), &[&gone(20, 1), IN_SYNC]);
    // one that is begun now comes beside them; nothing goes while another is in the making
    check(&days(&[17, 18, 19, 20]), &[COPY, &gone(17, 2), &gone(18, 2)]);
    let kept =
        |day: u8| format!("keep snapshot:sync-us-east-1-orders-2026-11-{day}-05-12 in us-west-2: newest_not_there");
    let mut two = days(&[17, 18, 19]);
    for there in two.destinations.values_mut().flatten() {
        there.push(copy_of(&of_day(20)).in_state(InProgress));
    }
    check(&two, &[COPY, &kept(17)]);
    for state in [InProgress, Unknown] {
        let mut on_its_way = days(&[18, 19, 20]);
        for there in on_its_way.destinations.values_mut().flatten() {
            there.push(copy_of(&of_day(21)).in_state(state));
        }
        let told = if state == InProgress { "InProgress: " } else { "refuse sync_orders: its copy" };
        check(&on_its_way, &[&kept(18), told]);
    }
}

#[test]
fn what_is_not_ours_or_is_held_stays() {
    let old = "snapshot:sync-us-east-1-orders-2026-11-18-05-12";
    // of a database that was restored from a copy, so that its snapshots may have the copy's tags
    let mut namesake = copy_of(&of_day(18));
    namesake.id.name = "orders-before-upgrade".to_owned();
    for (copy, reason) in [
        (copy_of(&of_day(18)).tagged(KEEP_FOREVER, "no"), Some("keep_forever")),
        (DbSnapshot { taken: None, ..copy_of(&of_day(18)).untagged(SOURCE_TAKEN) }, Some("no_instant")),
        (copy_of(&of_day(18)).in_state(InProgress), None),
        (copy_of(&of_day(18)).in_state(Unknown), None),
        (copy_of(&of_day(18)).untagged(SYNC_MADE), None),
        (copy_of(&of_day(18)).tagged(SYNC_MADE, "No"), None),
        (copy_of(&of_day(18)).untagged("Sync-From-us-east-1"), None),
        (copy_of(&of_day(18)).tagged(SOURCE_DATABASE, "db:others"), None),
        (copy_of(&of_day(18)).tagged(SOURCE_DB_SNAPSHOT, "arn"), None),
        (namesake, None),
    ] {
        let mut inventory = days(&[20, 21]);
        for there in inventory.destinations.values_mut().flatten() {
            there.push(copy.clone());
        }
        let kept = reason.map(|reason| format!("keep {old} in us-west-2: {reason}"));
        check(&inventory, &kept.as_deref().into_iter().chain([IN_SYNC]).collect::<Vec<_>>());
    }
}

#[test]
fn a_destination_that_cannot_be_read_stops_no_other() {
    let mut job = job(&orders(), 2);
    job.destinations.extend([region("eu-west-1"), region("eu-central-1")]);
    let mut inventory = of(vec![of_day(21)], vec![]);
    inventory.destinations.insert(region("eu-west-1"), Err("no answer".to_owned()));
    let not_looked = "refuse sync_orders: eu-central-1 was not looked into";
    let no_answer = "refuse sync_orders: eu-west-1 could not be looked into: no answer";
    check_job(&inventory, &job, &[COPY, not_looked, no_answer]);
    job.what = What::Image(ImageSync {
        owner: None,
        identifier: None,
        filters: Vec::new(),
        newest: false,
        max_images_to_retain: None,
        kms_key: None,
    });
    check_job(&inventory, &job, &["refuse sync_orders: it is no job on a database"]);
}

/// Its own tags say nothing of when the data of an automated snapshot is.
#[test]
fn a_database_that_was_restored_from_a_copy_has_snapshots_of_its_own_time() {
    let restored = |day: u8| of_day(day).tagged(SYNC_MADE, "Yes").tagged(SOURCE_TAKEN, "2026-11-01T05:12:07Z");
    let (plan, _) = plan(&of(vec![restored(21), restored(20)], vec![]), &job(&orders(), 2), &run(RUN));
    let [SyncSnapshot::Copy(copy)] = plan.actions.as_slice() else { panic!("{plan:#?}") };
    assert!(copy.target.name.ends_with("-2026-11-21-05-12"), "{copy}");
    assert_eq!(copy.tags.get(SOURCE_TAKEN), Some("2026-11-21T05:12:07Z"));
}
