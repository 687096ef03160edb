use super::*;
use crate::{
    fixtures::region,
    rds::{
        fixtures::{FAILSAFE, LIVE, check_told, cluster, failsafe_run, instance, offered, saved, told},
        inventory::{
            DbSnapshotState::{Deleting, Failed, InProgress, Unknown},
            Quota,
        },
    },
    tags::{KEEP_FOREVER, SOURCE_ACCOUNT, SOURCE_DB_SNAPSHOT, TYPE},
};

mod anything;

const RUN: &str = "2026-11-21T06:00:00Z";
const TODAY: &str = "2026-11-21T05:12";
const YESTERDAY: &str = "2026-11-20T05:12";
/// A week ago: what was taken then is due.
const DUE: &str = "2026-11-14T05:12";
const NOT_DUE: &str = "2026-11-15T05:12";

/// What is offered of `db:orders`, and what is there.
fn of(shared: Vec<DbSnapshot>, manual: Vec<DbSnapshot>) -> Inventory {
    Inventory { shared, manual, elsewhere: BTreeMap::new(), announced: None, quotas: BTreeMap::new() }
}

fn orders(moment: &str) -> DbSnapshot {
    saved(&instance("orders"), moment)
}

fn offer(moment: &str) -> DbSnapshot {
    offered(&instance("orders"), moment)
}

#[track_caller]
fn check(inventory: &Inventory, expected: &[&str]) {
    check_told(&told(&plan(inventory, &failsafe_run(RUN))), expected);
}

const COPY: &str = "copy arn:aws:rds:us-east-1:111111111111:snapshot:failsafe-orders-2026-11-21-05-12 to \
                    snapshot:failsafe-orders-2026-11-21-05-12 in us-east-1";
const THERE: &str = "keep snapshot:failsafe-orders-2026-11-21-05-12: copy_there";
const NEWEST: &str = "keep snapshot:failsafe-orders-2026-11-21-05-12 in us-east-1: newest_copy";

#[test]
fn what_is_shared_is_saved_once() {
    check(&of(vec![offer(TODAY)], vec![]), &[COPY]);
    check(&of(vec![offer(TODAY)], vec![orders(TODAY)]), &[THERE, NEWEST]);
    let making = of(vec![offer(TODAY)], vec![orders(TODAY).in_state(InProgress)]);
    check(&making, &[THERE, "keep snapshot:failsafe-orders-2026-11-21-05-12 in us-east-1: not_completed"]);
    let unknown = of(vec![offer(TODAY)], vec![orders(TODAY).in_state(Unknown)]);
    check(&unknown, &[THERE, "keep snapshot:failsafe-orders-2026-11-21-05-12 in us-east-1: unknown_state"]);
    let not_ready = of(vec![offer(TODAY).in_state(InProgress)], vec![]);
    check(&not_ready, &["keep snapshot:failsafe-orders-2026-11-21-05-12: not_completed"]);
    // the live account let it go
    check(&of(vec![], vec![orders(TODAY)]), &[NEWEST]);
}

#[test]
fn only_the_live_accounts_are_served_and_only_by_our_names() {
    let stranger = DbSnapshot { owner: "333333333333".to_owned(), ..offer(TODAY) };
    check(&of(vec![stranger], vec![]), &[]);
    let mut by_hand = offer(TODAY);
    by_hand.id.name = "orders-before-upgrade".to_owned();
    check(&of(vec![by_hand], vec![]), &[]);
    let too_long = DbSnapshot { arn: "arn:".to_owned() + &"x".repeat(253), ..offer(TODAY) };
    check(&of(vec![too_long], vec![]), &[]);
}

#[test]
fn a_copy_has_our_tags_and_none_of_the_live_account() {
    let shared = offer(TODAY).tagged(KEEP_FOREVER, "Yes").tagged("Team", "shop").tagged(TYPE, "Automated");
    let plan = plan(&of(vec![shared], vec![]), &failsafe_run(RUN));
    let [Save::Copy(copy)] = plan.actions.as_slice() else { panic!("{plan:#?}") };
    let expected = [
        ("Backup_Run", "2026-11-21T06:00:00Z"),
        ("Source_Account", LIVE),
        ("Source_DBSnapshot", "arn:aws:rds:us-east-1:111111111111:snapshot:failsafe-orders-2026-11-21-05-12"),
        ("Source_Database", "db:orders"),
        ("Source_Region", "us-east-1"),
        ("Source_Taken", "2026-11-21T05:12:07Z"),
        ("Type", "Automated"),
    ];
    assert_eq!(copy.tags.iter().collect::<Vec<_>>(), expected);
    assert_eq!(copy.kms_key.as_deref(), Some("alias/saved"));
}

#[test]
fn an_unencrypted_aurora_snapshot_stays_so() {
    for (database, key) in [(instance("orders"), Some("alias/saved")), (cluster("orders"), None)] {
        let shared = DbSnapshot { kms_key: None, ..offered(&database, TODAY) };
        let plan = plan(&of(vec![shared], vec![]), &failsafe_run(RUN));
        let [Save::Copy(copy)] = plan.actions.as_slice() else { panic!("{plan:#?}") };
        assert_eq!(copy.kms_key.as_deref(), key);
    }
}

#[test]
fn nothing_is_done_without_the_settings() {
    let inventory = of(vec![offer(TODAY)], vec![orders(DUE), orders(NOT_DUE)]);
    let (account, key) = ("refuse SNAPKEEPER_LIVE_ACCOUNT: not set", "refuse SNAPKEEPER_SAVER_KMS_KEY: not set");
    let mut run = failsafe_run(RUN);
    run.settings.failsafe.live_accounts.clear();
    check_told(&told(&plan(&inventory, &run)), &[account]);
    run.settings.failsafe.saver_kms_key = None;
    check_told(&told(&plan(&inventory, &run)), &[account, key]);
    run = failsafe_run(RUN);
    run.settings.failsafe.saver_kms_key = None;
    check_told(&told(&plan(&inventory, &run)), &[key]);
}

#[test]
fn a_name_that_is_taken_by_another_is_left_alone() {
    let refused = "refuse snapshot:failsafe-orders-2026-11-21-05-12: arn:aws:rds:us-east-1:111111111111:snapshot:\
                   failsafe-orders-2026-11-21-05-12 cannot be copied: us-east-1 has a snapshot of that name";
    for foreign in [orders(TODAY).untagged(TYPE), orders(TODAY).untagged(SOURCE_ACCOUNT)] {
        for state in [foreign.state, Failed] {
            check(&of(vec![offer(TODAY)], vec![foreign.clone().in_state(state)]), &[refused]);
        }
    }
    // of another live account, which has a database of that name as well
    let other = orders(TODAY).tagged(tags::SOURCE_DB_SNAPSHOT, "arn:aws:rds:us-east-1:333333333333:snapshot:x");
    check(&of(vec![offer(TODAY)], vec![other]), &[NEWEST, refused]);
}

#[test]
fn a_failed_copy_goes_and_is_made_again() {
    let (today, free) =
        ("snapshot:failsafe-orders-2026-11-21-05-12", "keep snapshot:failsafe-orders-2026-11-21-05-12: name_not_free");
    let delete = format!("delete {today} in us-east-1: it failed");
    let found = format!("find CopyFailed {today}");
    check(&of(vec![offer(TODAY)], vec![orders(TODAY).in_state(Failed)]), &[&delete, free, &found]);
    let kept = format!("keep {today} in us-east-1: keep_forever");
    let held = orders(TODAY).in_state(Failed).tagged(KEEP_FOREVER, "");
    check(&of(vec![offer(TODAY)], vec![held]), &[free, &kept, &found]);
    let going = format!("keep {today} in us-east-1: name_not_free");
    check(&of(vec![offer(TODAY)], vec![orders(TODAY).in_state(Deleting)]), &[free, &going]);
}

#[test]
fn copies_expire_but_never_the_newest() {
    let due = "delete snapshot:failsafe-orders-2026-11-14-05-12 in us-east-1: due since 2026-11-21";
    let not_due = "keep snapshot:failsafe-orders-2026-11-15-05-12 in us-east-1: not_due";
    check(&of(vec![], vec![orders(DUE), orders(NOT_DUE), orders(TODAY)]), &[due, not_due, NEWEST]);
    check(
        &of(vec![], vec![orders(DUE)]),
        &["keep snapshot:failsafe-orders-2026-11-14-05-12 in us-east-1: newest_copy"],
    );
    // a newer one that is being made, or failed, is none yet
    for state in [InProgress, Unknown, Deleting] {
        let plan = plan(&of(vec![], vec![orders(DUE), orders(TODAY).in_state(state)]), &failsafe_run(RUN));
        assert!(plan.actions.is_empty(), "{state:?}: {plan:#?}");
    }
    // nor is one of another database or another account
    let other_account = orders(TODAY).tagged(SOURCE_ACCOUNT, "333333333333");
    for other in [saved(&instance("others"), TODAY), saved(&cluster("orders"), TODAY), other_account] {
        let plan = plan(&of(vec![], vec![orders(DUE), other]), &failsafe_run(RUN));
        assert!(plan.actions.is_empty(), "{plan:#?}");
    }
}

#[test]
fn what_is_not_ours_or_held_stays() {
    let old = "snapshot:failsafe-orders-2026-11-14-05-12";
    for (copy, reason) in [
        (orders(DUE).tagged(KEEP_FOREVER, "no"), Some("keep_forever")),
        (DbSnapshot { taken: None, ..orders(DUE).untagged(tags::SOURCE_TAKEN) }, Some("no_instant")),
        (orders(DUE).in_state(InProgress), Some("not_completed")),
        (orders(DUE).in_state(Unknown), Some("unknown_state")),
        (orders(DUE).untagged(TYPE), None),
        (orders(DUE).untagged(SOURCE_ACCOUNT), None),
        (orders(DUE).untagged(tags::SOURCE_DB_SNAPSHOT), None),
        // a copy by hand, with all its tags
        (orders(DUE).named("orders-before-upgrade"), None),
    ] {
        let kept: Vec<String> = reason
            .iter()
            .map(|reason| format!("keep {old} in us-east-1: {reason}"))
            .chain([NEWEST.to_owned()])
            .collect();
        let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
        check(&of(vec![], vec![copy, orders(TODAY)]), &kept);
    }
}

/// The 16th is a Monday. Of each week the oldest copy stays for two.
#[test]
fn a_coarser_term_holds_the_oldest_copy_of_its_week() {
    let moments = ["2026-11-07", "2026-11-08", "2026-11-09", "2026-11-10", "2026-11-16", "2026-11-18", "2026-11-21"];
    let copies = moments.map(|day| orders(&format!("{day}T05:12"))).to_vec();
    let mut run = failsafe_run(RUN);
    run.settings.failsafe.retention = "3d 2w".parse().unwrap();
    let plan = plan(&of(vec![], copies), &run);
    let going: Vec<String> = plan.actions.iter().map(ToString::to_string).collect();
    assert_eq!(
        going,
        [
            "delete snapshot:failsafe-orders-2026-11-08-05-12 in us-east-1: due since 2026-11-11",
            "delete snapshot:failsafe-orders-2026-11-10-05-12 in us-east-1: due since 2026-11-13",
            "delete snapshot:failsafe-orders-2026-11-07-05-12 in us-east-1: due since 2026-11-21",
            "delete snapshot:failsafe-orders-2026-11-18-05-12 in us-east-1: due since 2026-11-21",
        ]
    );
}

/// Somebody shares a snapshot of Monday the 9th when Tuesday's has long been saved.
#[test]
fn what_was_saved_later_takes_the_place_of_no_older_copy() {
    #[track_caller]
    fn check_runs(monday: Option<&str>, tuesday: Option<&str>, goes: bool) {
        let run_of = |copy: DbSnapshot, run: Option<&str>| match run {
            Some(run) => copy.tagged(tags::BACKUP_RUN, run),
            None => copy,
        };
        let monday = run_of(orders("2026-11-09T05:12"), monday);
        let tuesday = run_of(orders("2026-11-10T05:12"), tuesday);
        let mut run = failsafe_run(RUN);
        run.settings.failsafe.retention = "3d 2w".parse().unwrap();
        let plan = plan(&of(vec![], vec![monday, tuesday, orders(TODAY)]), &run);
        let going: Vec<String> = plan.actions.iter().map(Action::resource).collect();
        let tuesday = "snapshot:failsafe-orders-2026-11-10-05-12".to_owned();
        assert_eq!(going, if goes { vec![tuesday] } else { vec![] });
    }
    let (earlier, later) = (Some("2026-11-10T06:00:00Z"), Some("2026-11-20T06:00:00Z"));
    check_runs(earlier, later, true);
    check_runs(earlier, earlier, true);
    check_runs(later, earlier, false);
    check_runs(None, earlier, false);
    // what does not say when it was saved may be the last
    check_runs(later, None, true);
}

#[test]
fn what_would_expire_at_once_is_not_saved_unless_it_is_the_newest() {
    let copy = "copy arn:aws:rds:us-east-1:111111111111:snapshot:failsafe-orders-2026-11-14-05-12";
    let expired = "keep snapshot:failsafe-orders-2026-11-14-05-12: expired";
    check(&of(vec![offer(DUE)], vec![]), &[copy]);
    check(&of(vec![offer(DUE), offer(TODAY)], vec![]), &[COPY, expired]);
    check(&of(vec![offer(DUE)], vec![orders(TODAY)]), &[expired, NEWEST]);
    check(&of(vec![offer(DUE), offered(&instance("others"), TODAY)], vec![]), &[copy, "copy"]);
    // one that is not ready yet may never be
    let waits = "keep snapshot:failsafe-orders-2026-11-21-05-12: not_completed";
    check(&of(vec![offer(DUE), offer(TODAY).in_state(InProgress)], vec![]), &[copy, waits]);
    // a tag of the live account says nothing of when the data is
    let forged = offer(YESTERDAY).tagged(TYPE, "Automated").tagged(tags::SOURCE_DB_SNAPSHOT, "x");
    let forged = forged.tagged(tags::SOURCE_TAKEN, "2020-01-01T00:00:00Z");
    check(&of(vec![forged, offer(TODAY)], vec![]), &[COPY, "copy"]);
}

#[test]
fn an_announcement_is_a_hint_that_is_checked() {
    #[track_caller]
    fn check_announced(shared: Vec<DbSnapshot>, announced: Result<Announcement, String>, expected: &[&str]) {
        check(&Inventory { announced: Some(announced), ..of(shared, vec![]) }, expected);
    }
    let message = |database: &str, snapshot: &str| {
        Announcement::read(&format!(r#"{{"Instance": "{database}", "FailsafeSnapshotID": "{snapshot}"}}"#))
    };
    let name = "failsafe-orders-2026-11-21-05-12";
    let found = format!("find FalseAnnouncement snapshot:{name}");
    check_announced(vec![offer(TODAY)], message("orders", name), &[COPY]);
    check_announced(vec![offer(TODAY)], message("billing", name), &[COPY, &found]);
    check_announced(vec![], message("orders", name), &[&found]);
    let stranger = DbSnapshot { owner: FAILSAFE.to_owned(), ..offer(TODAY) };
    check_announced(vec![stranger], message("orders", name), &[&found]);
    check_announced(vec![offer(TODAY)], message("orders", "x y"), &[COPY, "find FalseAnnouncement announcement"]);
    // told again after it was saved, and the live account let it go
    let late = Inventory { announced: Some(message("orders", name)), ..of(vec![], vec![orders(TODAY)]) };
    check(&late, &[NEWEST]);
}

/// The same, with copies in Ireland.
fn and_in_ireland(inventory: Inventory, there: Result<Vec<DbSnapshot>, String>) -> Vec<String> {
    let inventory = Inventory { elsewhere: [(region("eu-west-1"), there)].into(), ..inventory };
    let mut run = failsafe_run(RUN);
    run.settings.failsafe.copy_to = ["us-east-1", "eu-west-1"].map(region).into();
    told(&plan(&inventory, &run))
}

#[test]
fn a_second_copy_is_kept_in_another_region() {
    #[track_caller]
    fn check_there(here: Vec<DbSnapshot>, there: Vec<DbSnapshot>, expected: &[&str]) {
        let told = and_in_ireland(of(vec![], here), Ok(there));
        let of_ireland: Vec<String> = told.into_iter().filter(|it| it.contains("eu-west-1")).collect();
        check_told(&of_ireland, expected);
    }
    let copy = "copy arn:aws:rds:us-east-1:222222222222:snapshot:failsafe-orders-2026-11-21-05-12 to \
                snapshot:failsafe-orders-2026-11-21-05-12 in eu-west-1";
    let today = "snapshot:failsafe-orders-2026-11-21-05-12 in eu-west-1";
    check_there(vec![orders(TODAY)], vec![], &[copy]);
    check_there(vec![orders(TODAY).in_state(InProgress)], vec![], &[]);
    check_there(vec![orders(TODAY)], vec![orders(TODAY)], &[&format!("keep {today}: newest_copy")]);
    check_there(
        vec![orders(TODAY)],
        vec![orders(TODAY).in_state(InProgress)],
        &[&format!("keep {today}: not_completed")],
    );
    let failed = vec![orders(TODAY).in_state(Failed)];
    check_there(
        vec![orders(TODAY)],
        failed,
        &[&format!("delete {today}: it failed"), &format!("keep {today}: name_not_free")],
    );
    let foreign = vec![orders(TODAY).untagged(TYPE)];
    check_there(vec![orders(TODAY)], foreign, &[&format!("refuse {today}: ")]);
    // what goes here is not copied there, and what goes there goes by itself
    check_there(vec![orders(DUE), orders(TODAY)], vec![orders(TODAY)], &[&format!("keep {today}: newest_copy")]);
    let goes = "delete snapshot:failsafe-orders-2026-11-14-05-12 in eu-west-1: due since 2026-11-21";
    check_there(vec![orders(TODAY)], vec![orders(DUE), orders(TODAY)], &[goes, &format!("keep {today}: newest_copy")]);
    check_there(
        vec![],
        vec![orders(DUE)],
        &["keep snapshot:failsafe-orders-2026-11-14-05-12 in eu-west-1: newest_copy"],
    );
    // the newest comes first
    let older = "copy arn:aws:rds:us-east-1:222222222222:snapshot:failsafe-orders-2026-11-20-05-12";
    check_there(vec![orders(YESTERDAY), orders(TODAY)], vec![], &[copy, older]);
}

/// The database has the name of one in Ireland, whose second copies lie here.
#[test]
fn second_copies_of_another_region_are_none_of_ours() {
    let theirs = |moment: &str| orders(moment).tagged(tags::SOURCE_REGION, "eu-west-1");
    let old = "keep snapshot:failsafe-orders-2026-11-14-05-12 in us-east-1: newest_copy";
    check(&of(vec![], vec![orders(DUE), theirs(TODAY)]), &[old]);
    for of_theirs in [theirs(DUE), theirs(DUE).in_state(Failed), theirs(DUE).in_state(InProgress)] {
        check(&of(vec![], vec![of_theirs, orders(TODAY)]), &[NEWEST]);
    }
    // nor are they copied elsewhere, nor those deleted there that are at home there
    check_told(
        &and_in_ireland(of(vec![], vec![theirs(DUE), theirs(TODAY)]), Ok(vec![theirs(DUE), theirs(TODAY)])),
        &[],
    );
    // what does not say from where it is, is of where it lies
    let here = orders(DUE).untagged(tags::SOURCE_REGION);
    check(&of(vec![], vec![here.clone()]), &[old]);
    let there = DbSnapshot { arn: here.arn.replace("us-east-1", "eu-west-1"), ..here };
    check_told(&and_in_ireland(of(vec![], vec![]), Ok(vec![there])), &[]);
    // a copy of the same name is not ours there, and is left alone
    let told = and_in_ireland(of(vec![], vec![orders(TODAY)]), Ok(vec![theirs(TODAY).tagged(SOURCE_DB_SNAPSHOT, "x")]));
    check_told(&told, &[NEWEST, "refuse snapshot:failsafe-orders-2026-11-21-05-12 in eu-west-1: "]);
}

#[test]
fn a_tag_tells_when_the_data_is_of_copies_of_clusters_only_and_nothing_that_is_to_come() {
    let told = |copy: &DbSnapshot| copy.data_at().map(tags::stamp);
    let of_rds = Some("2026-11-21T05:12:07Z".to_owned());
    for said in ["2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"] {
        assert_eq!(told(&orders(TODAY).tagged(tags::SOURCE_TAKEN, said)), of_rds);
    }
    // RDS tells of a cluster's copy when it was made
    let of_cluster = saved(&cluster("orders"), TODAY);
    let of_cluster = DbSnapshot { taken: of_cluster.made, ..of_cluster };
    assert_eq!(told(&of_cluster), of_rds);
    let made = of_cluster.made.map(tags::stamp);
    assert_eq!(told(&of_cluster.clone().untagged(tags::SOURCE_TAKEN)), made);
    assert_eq!(told(&of_cluster.clone().tagged(tags::SOURCE_TAKEN, "2099-01-01T00:00:00Z")), made);
    assert_eq!(told(&DbSnapshot { made: None, taken: None, ..of_cluster }), None);
}

#[test]
fn quotas_are_told_of_in_each_region() {
    let near = |used| Quotas { instances: Some(Quota { used, max: 100 }), clusters: None };
    let quotas = BTreeMap::from([(region("us-east-1"), near(79)), (region("eu-west-1"), near(80))]);
    check(&Inventory { quotas, ..of(vec![], vec![]) }, &["find QuotaNear eu-west-1"]);
}

#[test]
fn a_second_copy_keeps_the_tags_of_the_first() {
    let first = orders(TODAY).tagged(KEEP_FOREVER, "").tagged("Case", "17");
    let inventory =
        Inventory { elsewhere: [(region("eu-west-1"), Ok(vec![]))].into(), ..of(vec![], vec![first.clone()]) };
    let mut run = failsafe_run(RUN);
    run.settings.failsafe.copy_to = [region("eu-west-1")].into();
    let plan = plan(&inventory, &run);
    let [Save::Copy(copy)] = plan.actions.as_slice() else { panic!("{plan:#?}") };
    assert_eq!(copy.tags, first.tags);
}

#[test]
fn a_region_that_cannot_be_read_is_refused_and_the_rest_goes_on() {
    let told = and_in_ireland(of(vec![offer(TODAY)], vec![]), Err("no answer".to_owned()));
    check_told(&told, &[COPY, "refuse eu-west-1: could not be looked into: no answer"]);
}

#[test]
fn the_brake_holds_in_each_region_for_itself() {
    let due = |count: usize| (0..count).map(|n| saved(&instance(&format!("db-{n}")), DUE)).collect::<Vec<_>>();
    let new = |count: usize| (0..count).map(|n| saved(&instance(&format!("db-{n}")), TODAY)).collect::<Vec<_>>();
    let both = |count: usize| due(count).into_iter().chain(new(count)).collect::<Vec<_>>();
    let deletions = |told: &[String], region: &str| {
        told.iter().filter(|it| it.starts_with("delete") && it.contains(region)).count()
    };
    // half of what is there may go
    let told = and_in_ireland(of(vec![], both(51)), Ok(both(51)));
    assert_eq!((deletions(&told, "us-east-1"), deletions(&told, "eu-west-1")), (51, 51));
    let more = [saved(&instance("db-x"), DUE), saved(&instance("db-x"), YESTERDAY).in_state(Failed)];
    let told = and_in_ireland(of(vec![], both(51)), Ok(both(51).into_iter().chain(more).collect()));
    assert_eq!((deletions(&told, "us-east-1"), deletions(&told, "eu-west-1")), (51, 52));
    // what is at home there does not count
    let theirs =
        (0..99).map(|n| saved(&instance(&format!("theirs-{n}")), TODAY).tagged(tags::SOURCE_REGION, "eu-west-1"));
    let failed = (0..60).map(|n| saved(&instance(&format!("db-{n}")), YESTERDAY).in_state(Failed));
    let told = and_in_ireland(of(vec![], both(50)), Ok(failed.chain(theirs).collect()));
    assert_eq!((deletions(&told, "us-east-1"), deletions(&told, "eu-west-1")), (50, 0));
    assert!(told.iter().any(|it| it.starts_with("refuse eu-west-1: brake: 60 of 60 automated")), "{told:#?}");
}

#[test]
fn each_databases_newest_comes_first_and_no_more_than_aws_makes_at_once() {
    let names: Vec<String> = (0..12).map(|n| format!("db-{n:02}")).collect();
    let shared = names.iter().flat_map(|name| [YESTERDAY, TODAY].map(|moment| offered(&instance(name), moment)));
    let plan = plan(&of(shared.collect(), vec![]), &failsafe_run(RUN));
    let resources: Vec<String> = plan.actions.iter().map(Action::resource).collect();
    assert_eq!((resources.len(), plan.kept.len()), (20, 4));
    let newest: Vec<String> = names.iter().map(|name| format!("snapshot:failsafe-{name}-2026-11-21-05-12")).collect();
    assert_eq!(resources[..12], newest);
    assert!(plan.kept.iter().all(|kept| matches!(kept.reason, Reason::CopiesUnderWay(_))));
}
