use super::*;
use crate::{
    fixtures::{at, region},
    rds::{
        fixtures::{
            FAILSAFE, LIVE, automated, check_told, cluster, copy, failsafe_run, instance, live_run, offered, saved,
        },
        inventory::{
            DbSnapshotState::{Failed, InProgress},
            Quota,
        },
        share::to_look_at,
    },
    tags::{KEEP_FOREVER, SOURCE_ACCOUNT, TYPE},
};

/// Four hours after the snapshots of the day. The RPO is 30 hours.
const RUN: &str = "2026-11-21T09:12:07Z";
const TODAY: &str = "2026-11-21T05:12";
const YESTERDAY: &str = "2026-11-20T05:12";
const LONG_AGO: &str = "2026-11-10T05:12";

#[track_caller]
fn check_on(inventory: Inventory, run: &Run, expected: &[&str]) {
    let told: Vec<String> = findings(&Ok(inventory), run)
        .iter()
        .map(|finding| format!("{:?} {}: {}", finding.kind, finding.resource, finding.what))
        .collect();
    check_told(&told, expected);
}

fn more(manual: Vec<DbSnapshot>, shared: Vec<DbSnapshot>) -> More {
    let all = [FAILSAFE.to_owned()];
    More {
        automated: vec![],
        shared_with: to_look_at(&manual).into_iter().map(|id| (id, all.clone().into())).collect(),
        manual,
        shared,
        elsewhere: BTreeMap::new(),
        key: Some(KeyState::Usable("arn:aws:kms:us-east-1:111111111111:key/1".to_owned())),
        keys_of_saved: BTreeMap::new(),
        quotas: BTreeMap::new(),
    }
}

/// The live account with `db:orders` and these copies, all of them shared with the failsafe account.
fn live(manual: Vec<DbSnapshot>) -> Inventory {
    let orders = instance("orders");
    let automated = vec![automated(&orders, TODAY)];
    Inventory { databases: vec![orders], more: Some(More { automated, ..more(manual, vec![]) }) }
}

/// The failsafe account: what is offered of `db:orders`, and what is saved.
fn failsafe(shared: Vec<DbSnapshot>, manual: Vec<DbSnapshot>) -> Inventory {
    Inventory { databases: vec![], more: Some(more(manual, shared)) }
}

fn orders(moment: &str) -> DbSnapshot {
    copy(&instance("orders"), moment)
}

fn kept(moment: &str) -> DbSnapshot {
    saved(&instance("orders"), moment)
}

#[track_caller]
fn check_live(inventory: Inventory, expected: &[&str]) {
    check_on(inventory, &live_run(RUN), expected);
}

#[track_caller]
fn check_failsafe(inventory: Inventory, expected: &[&str]) {
    check_on(inventory, &failsafe_run(RUN), expected);
}

#[test]
fn there_is_nothing_to_say_where_all_is_well_or_nothing_is_asked_for() {
    check_live(live(vec![orders(YESTERDAY), orders(TODAY)]), &[]);
    check_failsafe(failsafe(vec![offered(&instance("orders"), TODAY)], vec![kept(YESTERDAY), kept(TODAY)]), &[]);
    check_on(Inventory::default(), &crate::fixtures::run(RUN), &[]);
    let mut not_enrolled = instance("orders");
    not_enrolled.tags = [(crate::tags::FAILSAFE, "No")].into_iter().collect();
    assert!(!matters(std::slice::from_ref(&not_enrolled), &crate::fixtures::run(RUN)));
    assert!(matters(&[instance("orders")], &crate::fixtures::run(RUN)));
    assert!(matters(&[], &live_run(RUN)) && matters(&[], &failsafe_run(RUN)));
    check_on(Inventory { databases: vec![not_enrolled], more: None }, &crate::fixtures::run(RUN), &[]);
}

#[test]
fn databases_that_cannot_be_read_are_one_finding() {
    let found = findings(&Err("AccessDenied".to_owned()), &live_run(RUN));
    let [finding] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(finding.kind, FindingKind::DatabasesUnknown);
    assert!(finding.what.contains("AccessDenied"));
    assert!(measures(&Err("AccessDenied".to_owned()), &live_run(RUN)).is_empty());
}

#[test]
fn an_enrolled_database_without_a_recent_shared_copy_is_found() {
    let lacking = "NotFailsafe db:orders: no copy of its data within 30 hours is shared with the failsafe account: ";
    let last = format!("{lacking}last of 2026-11-20T05:12:07Z");
    check_on(live(vec![orders(YESTERDAY)]), &live_run("2026-11-21T11:12:07Z"), &[]);
    check_on(live(vec![orders(YESTERDAY)]), &live_run("2026-11-21T11:12:08Z"), &[&last]);
    // whatever is no shared copy of its data
    let mut not_shared = live(vec![orders(TODAY)]);
    not_shared.more.as_mut().unwrap().shared_with.clear();
    check_live(not_shared, &[&format!("{lacking}never shared")]);
    for no_copy in [
        orders(TODAY).in_state(InProgress),
        orders(TODAY).untagged(TYPE),
        orders(TODAY).tagged(SOURCE_ACCOUNT, LIVE),
        copy(&instance("others"), TODAY),
        copy(&cluster("orders"), TODAY),
    ] {
        check_live(live(vec![no_copy]), &[&format!("{lacking}never shared")]);
    }
    // what is new has its time
    for (created, is_found) in [("2026-11-20T03:12:06Z", true), ("2026-11-20T03:12:07Z", false)] {
        let mut new = live(vec![]);
        new.databases[0].created = Some(at(created));
        let expected = [lacking];
        check_live(new, if is_found { &expected } else { &[] });
    }
}

#[test]
fn what_stands_in_the_way_of_sharing_is_found() {
    let databases = |database: Database| Inventory { databases: vec![database], ..live(vec![]) };
    check_live(
        databases(Database { has_tde: true, ..instance("orders") }),
        &["Unshareable db:orders: its option group"],
    );
    check_live(
        databases(Database { has_backups: false, ..instance("orders") }),
        &["NotFailsafe db:orders: it has no auto"],
    );
    let unreadable = instance("orders").tagged(crate::tags::FAILSAFE, "Yse");
    check_live(databases(unreadable), &["UnreadableTag db:orders"]);
    let mut run = live_run(RUN);
    run.settings.failsafe.databases = ["order".to_owned()].into();
    check_on(live(vec![orders(TODAY)]), &run, &["NotFailsafe order: SNAPKEEPER_DB_INSTANCES names it"]);
    for (key, what) in [
        (Some(KeyState::Missing), "KeyBlocks alias/failsafe: there is no key"),
        (Some(KeyState::AwsManaged), "KeyBlocks alias/failsafe: alias/failsafe is one of AWS's own"),
        (Some(KeyState::NotEnabled("Disabled".to_owned())), "KeyBlocks alias/failsafe: the key alias/failsafe is not"),
        (Some(KeyState::Unknown("denied".to_owned())), "KeyBlocks alias/failsafe: whether it can be used is not known"),
        (None, "KeyBlocks alias/failsafe: SNAPKEEPER_FAILSAFE_KMS_KEY is not set"),
    ] {
        let mut inventory = live(vec![orders(TODAY)]);
        inventory.more.as_mut().unwrap().key = key;
        check_live(inventory.clone(), &[what]);
        inventory.databases.clear();
        check_live(inventory, &[]);
    }
}

#[test]
fn an_enrolment_without_the_settings_is_found() {
    let run = crate::fixtures::run(RUN);
    let mut inventory = live(vec![]);
    inventory.more.as_mut().unwrap().key = None;
    let region = "us-east-1";
    check_on(
        inventory,
        &run,
        &[
            &format!("NotFailsafe {region}: enrolled, but SNAPKEEPER_FAILSAFE_ACCOUNT is not set: db:orders"),
            &format!("KeyBlocks {region}: SNAPKEEPER_FAILSAFE_KMS_KEY is not set"),
        ],
    );
}

#[test]
fn failed_stuck_and_strangely_shared_copies_are_found() {
    let old = "snapshot:failsafe-orders-2026-11-10-05-12";
    check_live(live(vec![orders(LONG_AGO).in_state(Failed), orders(TODAY)]), &[&format!("CopyFailed {old}")]);
    check_live(live(vec![orders(LONG_AGO).in_state(InProgress), orders(TODAY)]), &[&format!("CopyStuck {old}")]);
    check_failsafe(
        failsafe(vec![], vec![kept(LONG_AGO).in_state(Failed), kept(TODAY)]),
        &[&format!("CopyFailed {old}")],
    );
    let mut shared = live(vec![orders(TODAY)]);
    shared.more.as_mut().unwrap().shared_with.entry(orders(TODAY).id).or_default().insert("all".to_owned());
    check_live(shared, &["SharedWithStranger snapshot:failsafe-orders-2026-11-21-05-12: shared with all"]);
    let mut full = live(vec![orders(TODAY)]);
    let near = Quotas { instances: Some(Quota { used: 95, max: 100 }), clusters: None };
    full.more.as_mut().unwrap().quotas.insert(region("eu-west-1"), near);
    check_live(full, &["QuotaNear eu-west-1: 95 of 100 manual DB snapshots"]);
}

#[test]
fn what_is_shared_and_not_saved_within_the_rpo_is_found() {
    // made at 05:32:07 on that day
    let shared = |moment| vec![offered(&instance("orders"), moment)];
    let missing = "NotSaved snapshot:failsafe-orders-2026-11-20-05-12: shared by account 111111111111";
    check_on(failsafe(shared(YESTERDAY), vec![]), &failsafe_run("2026-11-21T11:32:07Z"), &[NOTHING]);
    let late = failsafe_run("2026-11-21T11:32:08Z");
    check_on(failsafe(shared(YESTERDAY), vec![]), &late, &[missing, NOTHING]);
    check_on(failsafe(shared(YESTERDAY), vec![kept(YESTERDAY).in_state(InProgress)]), &late, &[missing]);
    check_on(failsafe(shared(YESTERDAY), vec![kept(YESTERDAY).untagged(TYPE)]), &late, &[missing, NOTHING]);
    check_on(failsafe(shared(YESTERDAY), vec![kept(YESTERDAY), kept(TODAY)]), &late, &[]);
    // what the saver would let go at once
    check_on(failsafe(shared(LONG_AGO), vec![kept(TODAY)]), &late, &[]);
    let old = "NotSaved snapshot:failsafe-orders-2026-11-10-05-12";
    check_on(failsafe(shared(LONG_AGO), vec![]), &late, &[old, NOTHING]);
}

const NOTHING: &str = "NotFailsafe 111111111111: nothing of account 111111111111 is saved in us-east-1";

#[test]
fn a_live_account_of_which_nothing_is_saved_is_found() {
    check_failsafe(failsafe(vec![], vec![]), &[NOTHING]);
    for no_copy in [
        kept(TODAY).untagged(TYPE),
        kept(TODAY).tagged(crate::tags::SOURCE_REGION, "eu-west-1"),
        kept(TODAY).named("orders-before-upgrade"),
    ] {
        check_failsafe(failsafe(vec![], vec![no_copy]), &[NOTHING]);
    }
    check_failsafe(failsafe(vec![], vec![kept(TODAY).in_state(InProgress)]), &[]);
    let mut run = failsafe_run(RUN);
    run.settings.failsafe.live_accounts.insert("333333333333".to_owned());
    let other = "NotFailsafe 333333333333: nothing of account 333333333333 is saved in us-east-1";
    check_on(failsafe(vec![], vec![kept(TODAY)]), &run, &[other]);
}

#[test]
fn whoever_else_shares_by_our_names_is_found_once() {
    let by =
        |account: &str, moment: &str| DbSnapshot { owner: account.to_owned(), ..offered(&instance("orders"), moment) };
    let shared = vec![by("333333333333", TODAY), by("333333333333", YESTERDAY), by("444444444444", TODAY)];
    let told =
        |count: u32, account: &str| format!("NotSaved {account}: {count} shared by account {account}, which SNAP");
    let (twice, once) = (told(2, "333333333333"), told(1, "444444444444"));
    check_failsafe(failsafe(shared, vec![kept(TODAY)]), &[&twice, &once]);
    let by_hand = by("333333333333", TODAY).named("orders-before-upgrade");
    check_failsafe(failsafe(vec![by_hand], vec![kept(TODAY)]), &[]);
}

#[test]
fn a_key_without_which_saved_copies_cannot_be_restored_is_found() {
    const KEY: &str = "arn:aws:kms:us-east-1:222222222222:key/1";
    let under = |moment: &str, key: &str| DbSnapshot { kms_key: Some(key.to_owned()), ..kept(moment) };
    let copies = || vec![under(YESTERDAY, KEY), under(TODAY, KEY)];
    assert_eq!(keys_of_saved(&copies()), BTreeSet::from([KEY.to_owned()]));
    for (state, what) in [
        (KeyState::Usable(KEY.to_owned()), None),
        (KeyState::AwsManaged, None),
        (
            KeyState::NotEnabled("PendingDeletion".to_owned()),
            Some("is not enabled: its state is PendingDeletion; 2 saved"),
        ),
        (KeyState::Missing, Some("there is no key")),
        (KeyState::Unknown("denied".to_owned()), Some("whether it can be used is not known: denied")),
    ] {
        let mut inventory = failsafe(vec![], copies());
        inventory.more.as_mut().unwrap().keys_of_saved = [(KEY.to_owned(), state)].into();
        let found = findings(&Ok(inventory), &failsafe_run(RUN));
        let told: Vec<(FindingKind, &str)> = found.iter().map(|it| (it.kind, it.resource.as_str())).collect();
        assert_eq!(told, what.iter().map(|_| (FindingKind::KeyBlocks, KEY)).collect::<Vec<_>>());
        assert!(what.is_none_or(|what| found[0].what.contains(what)), "{found:#?}");
    }
    // no others, and no more than a few
    assert!(keys_of_saved(&[orders(TODAY), under(TODAY, "unknown"), under(TODAY, KEY).in_state(Failed)]).is_empty());
    let many: Vec<DbSnapshot> = (0..9).map(|n| under(TODAY, &format!("{KEY}{n}"))).collect();
    assert_eq!(keys_of_saved(&many).len(), KEYS);
}

/// A database of that name in Ireland has second copies here.
#[test]
fn a_newer_second_copy_of_another_region_is_none_of_this_database() {
    let theirs = |moment: &str| kept(moment).tagged(crate::tags::SOURCE_REGION, "eu-west-1");
    let old = "NotFailsafe db:orders: no copy of account 111111111111 in us-east-1 of its data within 30 hours";
    check_failsafe(failsafe(vec![], vec![kept(LONG_AGO), theirs(TODAY)]), &[old]);
    check_failsafe(failsafe(vec![], vec![kept(TODAY), theirs(LONG_AGO), theirs(YESTERDAY).in_state(Failed)]), &[]);
}

#[test]
fn a_database_whose_newest_saved_copy_is_old_is_found() {
    let old = "NotFailsafe db:orders: no copy of account 111111111111 in us-east-1 of its data within 30 hours: the newest is";
    check_on(failsafe(vec![], vec![kept(YESTERDAY)]), &failsafe_run("2026-11-21T11:12:07Z"), &[]);
    check_on(failsafe(vec![], vec![kept(YESTERDAY)]), &failsafe_run("2026-11-21T11:12:08Z"), &[old]);
    check_failsafe(failsafe(vec![], vec![kept(LONG_AGO), saved(&instance("others"), TODAY)]), &[old]);
    // it is gone for good, and the operator said so
    check_failsafe(failsafe(vec![], vec![kept(LONG_AGO).tagged(KEEP_FOREVER, "Yes")]), &[]);
}

#[test]
fn second_copies_that_are_not_there_are_found() {
    #[track_caller]
    fn check_there(here: Vec<DbSnapshot>, there: Option<Result<Vec<DbSnapshot>, String>>, expected: &[&str]) {
        let mut inventory = failsafe(vec![], here);
        inventory.more.as_mut().unwrap().elsewhere =
            there.into_iter().map(|there| (region("eu-west-1"), there)).collect();
        let mut run = failsafe_run(RUN);
        run.settings.failsafe.copy_to = [region("eu-west-1")].into();
        run.settings.failsafe.retention = "31d".parse().unwrap();
        check_on(inventory, &run, expected);
    }
    let both = || vec![kept(LONG_AGO), kept(TODAY)];
    check_there(both(), Some(Ok(both())), &[]);
    // today's has its time
    check_there(both(), Some(Ok(vec![kept(LONG_AGO)])), &[]);
    let missing = "CopyMissing snapshot:failsafe-orders-2026-11-10-05-12: db:orders of account 111111111111 in us-east-1: there is";
    check_there(both(), Some(Ok(vec![])), &[missing]);
    let three = || vec![kept(LONG_AGO), kept("2026-11-11T05:12"), kept(TODAY)];
    let more =
        "CopyMissing snapshot:failsafe-orders-2026-11-11-05-12: db:orders of account 111111111111 in us-east-1 (and 1";
    check_there(three(), Some(Ok(vec![kept(TODAY)])), &[more]);
    let (failed, stuck) = (kept(LONG_AGO).in_state(Failed), kept(LONG_AGO).in_state(InProgress));
    check_there(both(), Some(Ok(vec![failed])), &["CopyFailed snapshot:failsafe-orders-2026-11-10-05-12"]);
    check_there(both(), Some(Ok(vec![stuck])), &["CopyStuck snapshot:failsafe-orders-2026-11-10-05-12"]);
    check_there(
        both(),
        Some(Err("no answer".to_owned())),
        &["DestinationUnknown eu-west-1: saved copies there could not"],
    );
    check_there(both(), None, &["DestinationUnknown eu-west-1: saved copies there were not looked at"]);
}

#[test]
fn the_numbers_agree_with_the_findings() {
    #[track_caller]
    fn check_numbers(inventory: Inventory, run: &Run, failsafe: u64, not: u64, oldest: Option<u64>) {
        let mut expected = BTreeMap::from([
            ("DatabasesFailsafe", Measure::Count(failsafe)),
            ("DatabasesNotFailsafe", Measure::Count(not)),
        ]);
        expected.extend(oldest.map(|hours| ("OldestFailsafeAge", Measure::Seconds(hours * 3_600))));
        assert_eq!(measures(&Ok(inventory), run), expected);
    }
    let run = live_run(RUN);
    check_numbers(live(vec![orders(TODAY)]), &run, 1, 0, Some(4));
    check_numbers(live(vec![]), &run, 0, 1, None);
    let mut two = live(vec![orders(LONG_AGO), copy(&cluster("carts"), YESTERDAY)]);
    two.databases.push(cluster("carts"));
    check_numbers(two, &run, 1, 1, Some(11 * 24 + 4));
    let mut new = live(vec![]);
    new.databases[0].created = Some(at(RUN));
    check_numbers(new, &run, 0, 0, None);
    let impossible = Inventory { databases: vec![Database { has_tde: true, ..instance("orders") }], ..live(vec![]) };
    check_numbers(impossible, &run, 0, 1, None);
    let run = failsafe_run(RUN);
    check_numbers(failsafe(vec![], vec![kept(YESTERDAY), kept(TODAY)]), &run, 1, 0, Some(4));
    check_numbers(failsafe(vec![], vec![kept(LONG_AGO)]), &run, 0, 1, Some(11 * 24 + 4));
    assert!(measures(&Ok(Inventory::default()), &run).is_empty());
}
