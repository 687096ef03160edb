use super::*;
use crate::{
    rds::{
        fixtures::{FAILSAFE, automated, check_told, cluster, copy, instance, live_run, told},
        inventory::{
            DatabaseKind,
            DbSnapshotState::{Deleting, Failed, InProgress, Unknown},
            Member, Quota,
        },
    },
    tags::{FAILSAFE_ANNOUNCED, KEEP_FOREVER, SOURCE_ACCOUNT, TYPE},
};

mod anything;

/// The last automated snapshots were taken at twelve minutes past five.
const RUN: &str = "2026-11-21T05:30:00Z";
const TODAY: &str = "2026-11-21T05:12";
const YESTERDAY: &str = "2026-11-20T05:12";
const LONG_AGO: &str = "2026-11-10T05:12";

/// `db:orders`, enrolled, with an automated snapshot of today and of yesterday, and these copies, none of them shared.
fn of(manual: Vec<DbSnapshot>) -> Inventory {
    let orders = instance("orders");
    Inventory {
        automated: vec![automated(&orders, YESTERDAY), automated(&orders, TODAY)],
        databases: vec![orders],
        shared_with: to_look_at(&manual).into_iter().map(|id| (id, BTreeSet::new())).collect(),
        manual,
        key: KeyState::Usable("arn:aws:kms:us-east-1:111111111111:key/1".to_owned()),
        quotas: Quotas::default(),
    }
}

fn orders(moment: &str) -> DbSnapshot {
    copy(&instance("orders"), moment)
}

fn announced(copy: DbSnapshot) -> DbSnapshot {
    copy.tagged(FAILSAFE_ANNOUNCED, "2026-11-21T05:30:00Z")
}

impl Inventory {
    /// The copies of these moments are shared with the account.
    fn shared_with(mut self, account: &str, moments: &[&str]) -> Self {
        for moment in moments {
            self.shared_with.entry(orders(moment).id).or_default().insert(account.to_owned());
        }
        self
    }
}

#[track_caller]
fn check(inventory: &Inventory, expected: &[&str]) {
    check_told(&told(&plan(inventory, &live_run(RUN))), expected);
}

const COPY: &str = "copy rds:orders-2026-11-21-05-12 to snapshot:failsafe-orders-2026-11-21-05-12 in us-east-1";

#[test]
fn each_run_does_what_is_possible_by_then() {
    check(&of(vec![]), &[COPY]);
    let making = of(vec![orders(TODAY).in_state(InProgress)]);
    check(&making, &["keep db:orders: copy_there", "keep snapshot:failsafe-orders-2026-11-21-05-12: not_completed"]);
    let there = ["keep db:orders: copy_there", "keep snapshot:failsafe-orders-2026-11-21-05-12: newest_copy"];
    let made = of(vec![orders(TODAY)]);
    check(&made, &["share snapshot:failsafe-orders-2026-11-21-05-12 with 222222222222", there[0], there[1]]);
    let shared = of(vec![orders(TODAY)]).shared_with(FAILSAFE, &[TODAY]);
    check(&shared, &["announce snapshot:failsafe-orders-2026-11-21-05-12 as a copy of db:orders", there[0], there[1]]);
    check(&of(vec![announced(orders(TODAY))]).shared_with(FAILSAFE, &[TODAY]), &there);
    // without a topic there is nobody to tell
    let mut run = live_run(RUN);
    run.settings.failsafe.topic = None;
    check_told(&told(&plan(&shared, &run)), &there);
}

#[test]
fn a_cluster_is_copied_and_announced_as_one() {
    let orders = cluster("orders");
    let mut inventory = Inventory { databases: vec![orders.clone()], ..of(vec![]) };
    inventory.automated = vec![automated(&orders, TODAY)];
    let target = "cluster-snapshot:failsafe-orders-2026-11-21-05-12";
    check(&inventory, &[&format!("copy rds:orders-2026-11-21-05-12 to {target} in us-east-1")]);
    inventory.manual = vec![copy(&orders, TODAY)];
    let plan = plan(&inventory, &live_run(RUN));
    let [Share::Share { snapshot, account, announcement }] = plan.actions.as_slice() else { panic!("{plan:#?}") };
    assert_eq!((snapshot.to_string().as_str(), account.as_str()), (target, FAILSAFE));
    assert_eq!(
        announcement.message(),
        r#"{"Cluster": "orders", "FailsafeSnapshotID": "failsafe-orders-2026-11-21-05-12"}"#
    );
}

#[test]
fn only_what_is_enrolled_is_copied() {
    #[track_caller]
    fn check_tag(value: Option<&str>, named: &str, expected: &[&str]) {
        let mut inventory = of(vec![]);
        inventory.databases[0].tags = value.map(|value| (tags::FAILSAFE, value)).into_iter().collect();
        let mut run = live_run(RUN);
        run.settings.failsafe.databases = named.split_whitespace().map(str::to_owned).collect();
        check_told(&told(&plan(&inventory, &run)), expected);
    }
    check_tag(Some(" yES "), "", &[COPY]);
    check_tag(Some("No"), "", &["keep db:orders: not_enrolled"]);
    check_tag(None, "", &["keep db:orders: not_enrolled"]);
    check_tag(Some("Yse"), "", &["keep db:orders: not_enrolled", "find UnreadableTag db:orders"]);
    check_tag(None, "orders", &[COPY]);
    check_tag(Some("No"), "orders", &[COPY]);
    check_tag(Some("Yes"), "order", &[COPY, "find NotFailsafe order"]);
}

#[test]
fn the_newest_available_automated_snapshot_is_copied() {
    let mut inventory = of(vec![]);
    inventory.automated.reverse();
    check(&inventory, &[COPY]);
    inventory.automated[0].state = InProgress;
    check(&inventory, &["copy rds:orders-2026-11-20-05-12"]);
    inventory.automated.clear();
    check(&inventory, &["keep db:orders: nothing_to_copy"]);
    inventory.automated = vec![automated(&instance("others"), TODAY), automated(&cluster("orders"), TODAY)];
    check(&inventory, &["keep db:orders: nothing_to_copy"]);
}

#[test]
fn older_data_is_not_copied_again_when_the_newest_is_gone() {
    let mut inventory = of(vec![announced(orders(TODAY))]).shared_with(FAILSAFE, &[TODAY]);
    inventory.automated.pop();
    check(&inventory, &["keep db:orders: copy_there", "keep snapshot:failsafe-orders-2026-11-21-05-12: newest_copy"]);
    // also of a cluster, of whose copies RDS tells only when they were made
    let database = cluster("orders");
    let made = |moment| DbSnapshot { taken: Some("2026-11-21T05:20:00Z".parse().unwrap()), ..copy(&database, moment) };
    inventory = Inventory { databases: vec![database.clone()], ..of(vec![made(YESTERDAY)]) };
    inventory.automated = vec![automated(&database, TODAY)];
    let told = told(&plan(&inventory, &live_run(RUN)));
    assert!(told[0].starts_with("copy rds:orders-2026-11-21-05-12"), "{told:#?}");
}

#[test]
fn a_copy_has_its_tags_from_the_beginning() {
    let mut inventory = of(vec![]);
    let more =
        [("Team", "shop"), (KEEP_FOREVER, "Yes"), (SOURCE_ACCOUNT, "1"), (FAILSAFE_ANNOUNCED, "x"), ("aws:x", "1")];
    for (key, value) in more {
        inventory.databases[0].tags.set(key, value);
    }
    inventory.automated[1].tags.set("Team", "of the snapshot");
    let plan = plan(&inventory, &live_run(RUN));
    let [Share::Copy(copy)] = plan.actions.as_slice() else { panic!("{plan:#?}") };
    let expected = [
        ("Backup_Run", "2026-11-21T05:30:00Z"),
        ("Source_DBSnapshot", "arn:aws:rds:us-east-1:111111111111:snapshot:rds:orders-2026-11-21-05-12"),
        ("Source_Database", "db:orders"),
        ("Source_Region", "us-east-1"),
        ("Source_Taken", "2026-11-21T05:12:07Z"),
        ("Team", "of the snapshot"),
        ("Type", "Automated"),
    ];
    assert_eq!(copy.tags.iter().collect::<Vec<_>>(), expected);
    assert_eq!(
        (copy.source.as_str(), copy.kms_key.as_deref()),
        ("rds:orders-2026-11-21-05-12", Some("alias/failsafe"))
    );
}

#[test]
fn only_an_unencrypted_aurora_snapshot_stays_unencrypted() {
    for (database, is_encrypted, key) in [
        (instance("orders"), true, Some("alias/failsafe")),
        (instance("orders"), false, Some("alias/failsafe")),
        (cluster("orders"), true, Some("alias/failsafe")),
        (cluster("orders"), false, None),
    ] {
        let mut source = automated(&database, TODAY);
        source.kms_key = source.kms_key.filter(|_| is_encrypted);
        let inventory = Inventory { databases: vec![database], automated: vec![source], ..of(vec![]) };
        let plan = plan(&inventory, &live_run(RUN));
        let [Share::Copy(copy)] = plan.actions.as_slice() else { panic!("{plan:#?}") };
        assert_eq!(copy.kms_key.as_deref(), key);
    }
}

#[test]
fn what_aws_does_not_share_is_not_tried() {
    #[track_caller]
    fn check_database(database: Database, expected: &str) {
        let automated = vec![automated(&database, TODAY)];
        check(&Inventory { databases: vec![database], automated, ..of(vec![]) }, &[expected]);
    }
    check_database(Database { engine: "postgres".to_owned(), ..cluster("orders") }, "find Unshareable cluster:orders");
    check_database(Database { has_tde: true, ..instance("orders") }, "find Unshareable db:orders");
    check_database(
        Database { engine: "custom-oracle-ee".to_owned(), ..instance("orders") },
        "find Unshareable db:orders",
    );
    check_database(Database { has_backups: false, ..instance("orders") }, "find NotFailsafe db:orders");
}

#[test]
fn a_key_that_blocks_is_told_of_before_it_is_tried_and_the_rest_goes_on() {
    for (key, cause) in [
        (KeyState::AwsManaged, "alias/failsafe is one of AWS's own keys"),
        (KeyState::NotEnabled("Disabled".to_owned()), "the key alias/failsafe is not enabled: its state is Disabled"),
        (KeyState::Missing, "there is no key alias/failsafe"),
    ] {
        let refusal = format!("refuse alias/failsafe: {cause}");
        let inventory = Inventory { key, ..of(vec![orders(YESTERDAY)]) };
        check(
            &inventory,
            &[
                "share snapshot:failsafe-orders-2026-11-20-05-12",
                "keep db:orders: key_not_usable",
                "keep snapshot:failsafe-orders-2026-11-20-05-12: newest_copy",
                &refusal,
            ],
        );
        // what stays unencrypted needs no key
        let database = cluster("orders");
        let automated = vec![DbSnapshot { kms_key: None, ..automated(&database, TODAY) }];
        check(
            &Inventory { databases: vec![database], automated, manual: vec![], ..inventory },
            &["copy rds:orders-2026-11-21-05-12", &refusal],
        );
    }
    check(
        &Inventory { key: KeyState::Unknown("denied".to_owned()), ..of(vec![]) },
        &[COPY, "find KeyBlocks alias/failsafe"],
    );
    // nobody needs it
    check(&Inventory { key: KeyState::Missing, databases: vec![], ..of(vec![]) }, &[]);
}

#[test]
fn nothing_is_done_without_the_settings() {
    let inventory = of(vec![orders(YESTERDAY), orders(LONG_AGO).in_state(Failed)]);
    let (account, key) = ("refuse SNAPKEEPER_FAILSAFE_ACCOUNT: not set", "refuse SNAPKEEPER_FAILSAFE_KMS_KEY: not set");
    let mut run = live_run(RUN);
    run.settings.failsafe.account = None;
    check_told(&told(&plan(&inventory, &run)), &[account]);
    run.settings.failsafe.kms_key = None;
    check_told(&told(&plan(&inventory, &run)), &[account, key]);
    run = live_run(RUN);
    run.settings.failsafe.kms_key = None;
    check_told(&told(&plan(&inventory, &run)), &[key]);
}

#[test]
fn a_name_that_is_taken_by_another_is_left_alone() {
    for foreign in [orders(TODAY).untagged(TYPE), orders(TODAY).tagged(SOURCE_ACCOUNT, FAILSAFE)] {
        for state in [foreign.state, Failed] {
            check(
                &of(vec![foreign.clone().in_state(state)]),
                &["refuse db:orders: snapshot:failsafe-orders-2026-11-21-05-12 is the name of its next copy"],
            );
        }
    }
}

#[test]
fn a_failed_copy_goes_first_and_is_made_again() {
    let (today, free) = ("snapshot:failsafe-orders-2026-11-21-05-12", "keep db:orders: name_not_free");
    let delete = format!("delete {today} in us-east-1: it failed");
    let found = format!("find CopyFailed {today}");
    check(&of(vec![orders(TODAY).in_state(Failed)]), &[&delete, free, &found]);
    let kept = format!("keep {today}: keep_forever");
    check(&of(vec![orders(TODAY).in_state(Failed).tagged(KEEP_FOREVER, "")]), &[free, &kept]);
    let going = format!("keep {today}: name_not_free");
    check(&of(vec![orders(TODAY).in_state(Deleting)]), &[free, &going]);
}

#[test]
fn older_copies_go_only_when_the_newest_is_shared() {
    let old = "snapshot:failsafe-orders-2026-11-10-05-12";
    let (stays, goes) =
        (format!("keep {old}: newest_not_shared"), format!("delete {old} in us-east-1: snapshot:failsafe"));
    let both = || vec![orders(LONG_AGO), announced(orders(TODAY))];
    let rest = ["keep db:orders: copy_there", "keep snapshot:failsafe-orders-2026-11-21-05-12: newest_copy"];
    let share = "share snapshot:failsafe-orders-2026-11-21-05-12";
    let of_old = || of(both()).shared_with(FAILSAFE, &[LONG_AGO]);
    check(&of_old(), &[share, rest[0], &stays, rest[1]]);
    check(
        &of_old().shared_with("333333333333", &[TODAY]),
        &[share, rest[0], &stays, rest[1], "find SharedWithStranger"],
    );
    // a newer one is shared, if not the newest
    let before = "snapshot:failsafe-orders-2026-11-20-05-12";
    let three = of(vec![orders(LONG_AGO), announced(orders(YESTERDAY)), orders(TODAY)]);
    let (gone, held) =
        (format!("delete {old} in us-east-1: {before} is shared"), format!("keep {before}: newest_not_shared"));
    check(&three.shared_with(FAILSAFE, &[LONG_AGO, YESTERDAY]), &[share, &gone, rest[0], &held, rest[1]]);
    // what was never shared is no loss, once it had its time
    let never =
        format!("delete {old} in us-east-1: never shared, and snapshot:failsafe-orders-2026-11-21-05-12 is newer");
    check(&of(both()), &[share, &never, rest[0], rest[1]]);
    let yesterday = "keep snapshot:failsafe-orders-2026-11-20-05-12: newest_not_shared";
    check(&of(vec![orders(YESTERDAY), orders(TODAY)]), &[share, rest[0], yesterday, rest[1]]);
    let mut not_looked_at = of(both());
    not_looked_at.shared_with.clear();
    check(&not_looked_at, &[share, rest[0], &stays, rest[1]]);
    check(&of(both()).shared_with(FAILSAFE, &[TODAY]), &[&goes, rest[0], rest[1]]);
    check(&of(both()).shared_with(FAILSAFE, &[TODAY, LONG_AGO]), &[&goes, rest[0], rest[1]]);
    // whatever else has the older data
    for (copy, reason) in [
        (orders(LONG_AGO).tagged(KEEP_FOREVER, "no"), "keep_forever"),
        (orders(LONG_AGO).in_state(InProgress), "not_completed"),
        (orders(LONG_AGO).in_state(Unknown), "unknown_state"),
        (DbSnapshot { taken: None, ..orders(LONG_AGO).untagged(tags::SOURCE_TAKEN) }, "no_instant"),
    ] {
        let kept = format!("keep {old}: {reason}");
        check(&of(vec![copy, announced(orders(TODAY))]).shared_with(FAILSAFE, &[TODAY]), &[rest[0], &kept, rest[1]]);
    }
    for foreign in [
        orders(LONG_AGO).untagged(TYPE),
        orders(LONG_AGO).tagged(SOURCE_ACCOUNT, FAILSAFE),
        orders(LONG_AGO).named("orders-before-upgrade"),
    ] {
        assert_eq!(to_look_at(std::slice::from_ref(&foreign)), []);
        check(&of(vec![foreign, announced(orders(TODAY))]).shared_with(FAILSAFE, &[TODAY]), &rest);
    }
}

/// Thirty hours, since a copy was made at half past five.
#[test]
fn what_was_shared_has_its_time_to_be_saved() {
    #[track_caller]
    fn check_at(instant: &str, shared: &[&str], goes: bool) {
        let inventory = of(vec![orders(YESTERDAY), announced(orders(TODAY))]).shared_with(FAILSAFE, shared);
        let plan = plan(&inventory, &live_run(instant));
        assert_eq!(plan.actions.len(), usize::from(goes), "{plan:#?}");
        assert_eq!(plan.kept.iter().any(|kept| kept.reason == Reason::HasItsTime), !goes);
    }
    check_at("2026-11-21T11:32:07Z", &[YESTERDAY, TODAY], false);
    check_at("2026-11-21T11:32:08Z", &[YESTERDAY, TODAY], true);
    // nobody copies what was never shared
    check_at("2026-11-21T05:40:00Z", &[TODAY], true);
}

/// It was a day until the copy was made, and could be shared.
#[test]
fn the_time_of_a_shared_copy_begins_when_it_is_shared() {
    for (instant, goes) in [("2026-11-22T10:00:00Z", false), ("2026-11-22T10:00:01Z", true)] {
        let slow = orders(YESTERDAY).tagged(FAILSAFE_ANNOUNCED, "2026-11-21T04:00:00Z");
        let inventory = of(vec![slow, announced(orders(TODAY))]).shared_with(FAILSAFE, &[YESTERDAY, TODAY]);
        let plan = plan(&inventory, &live_run(instant));
        assert_eq!(plan.actions.len(), usize::from(goes), "{plan:#?}");
    }
}

#[test]
fn a_copy_that_takes_longer_than_a_day_comes_to_its_end_first() {
    let (waits, making) =
        ("keep db:orders: not_completed", "keep snapshot:failsafe-orders-2026-11-20-05-12: not_completed");
    check(&of(vec![orders(YESTERDAY).in_state(InProgress)]), &[waits, making]);
    let foreign = orders(YESTERDAY).in_state(InProgress).named("orders-before-upgrade");
    check(&of(vec![foreign]), &[COPY]);
    // that of another database is none of its own
    let other = copy(&instance("others"), YESTERDAY).in_state(InProgress);
    check(&of(vec![other]), &[COPY, "keep snapshot:failsafe-others-2026-11-20-05-12: not_completed"]);
}

#[test]
fn the_tag_on_a_member_of_a_cluster_enrols_nothing_and_is_told() {
    #[track_caller]
    fn check_tags(of_cluster: &str, of_member: &str, expected: &[&str]) {
        let tagged = |value: &str| -> Tags { [(tags::FAILSAFE, value)].into_iter().collect() };
        let member = Member { name: "orders-1".to_owned(), tags: tagged(of_member) };
        let database = Database { tags: tagged(of_cluster), members: vec![member], ..cluster("orders") };
        let inventory = Inventory { databases: vec![database], automated: vec![], ..of(vec![]) };
        check(&inventory, expected);
    }
    let (others, nothing) = ("keep cluster:orders: not_enrolled", "keep cluster:orders: nothing_to_copy");
    check_tags("No", "Yes", &[others, "find NotFailsafe db:orders-1"]);
    check_tags("No", "No", &[others]);
    check_tags("No", "Yse", &[others]);
    check_tags("Yes", "Yes", &[nothing]);
}

#[test]
fn the_newest_shared_copy_stays_whatever_became_of_its_database() {
    let both = || of(vec![orders(LONG_AGO), announced(orders(YESTERDAY))]).shared_with(FAILSAFE, &[YESTERDAY]);
    let goes = "delete snapshot:failsafe-orders-2026-11-10-05-12";
    let stays = "keep snapshot:failsafe-orders-2026-11-20-05-12: newest_copy";
    check(&Inventory { databases: vec![], automated: vec![], ..both() }, &[goes, stays]);
    let mut opted_out = both();
    opted_out.databases[0].tags = Tags::default();
    check(&opted_out, &[goes, "keep db:orders: not_enrolled", stays]);
}

#[test]
fn no_more_copies_are_begun_than_aws_makes_at_once() {
    /// So many of other databases are under way, and so many databases have no copy yet.
    #[track_caller]
    fn check_room(make: fn(&str) -> Database, under_way: usize, waiting: usize, begun: usize) {
        let names = |what: &str, count: usize| (0..count).map(|n| format!("{what}-{n:02}")).collect::<Vec<_>>();
        let databases: Vec<Database> = names("waiting", waiting).iter().map(|name| make(name)).collect();
        let in_progress = |name: &String| copy(&make(name), TODAY).in_state(InProgress).untagged(TYPE);
        let inventory = Inventory {
            automated: databases.iter().map(|it| automated(it, TODAY)).collect(),
            databases,
            manual: names("other", under_way).iter().map(in_progress).collect(),
            ..of(vec![])
        };
        let plan = plan(&inventory, &live_run(RUN));
        let waits = plan.kept.iter().filter(|kept| matches!(kept.reason, Reason::CopiesUnderWay(_))).count();
        assert_eq!((plan.actions.len(), waits), (begun, waiting - begun));
    }
    check_room(instance, 0, 21, 20);
    check_room(instance, 19, 3, 1);
    check_room(instance, 20, 1, 0);
    check_room(cluster, 0, 6, 5);
    check_room(cluster, 5, 1, 0);
}

#[test]
fn whose_last_copy_is_oldest_comes_first_and_deletions_come_last() {
    let [a, b, c] = ["a", "b", "c"].map(instance);
    let manual = vec![copy(&a, YESTERDAY), copy(&b, LONG_AGO), orders(LONG_AGO).in_state(Failed)];
    let inventory = Inventory {
        automated: [&a, &b, &c].map(|it| automated(it, TODAY)).to_vec(),
        databases: vec![a, b, c],
        ..of(manual)
    };
    let plan = plan(&inventory, &live_run(RUN));
    let resources: Vec<String> = plan.actions.iter().map(Action::resource).collect();
    let (old_a, old_b) = ("snapshot:failsafe-a-2026-11-20-05-12", "snapshot:failsafe-b-2026-11-10-05-12");
    assert_eq!(resources, ["db:c", "db:b", "db:a", old_a, old_b, "snapshot:failsafe-orders-2026-11-10-05-12"]);
}

#[test]
fn strangers_and_quotas_are_told_of() {
    let shared = of(vec![announced(orders(TODAY))]).shared_with(FAILSAFE, &[TODAY]).shared_with("all", &[TODAY]);
    let rest = ["keep db:orders: copy_there", "keep snapshot:failsafe-orders-2026-11-21-05-12: newest_copy"];
    let stranger = "find SharedWithStranger snapshot:failsafe-orders-2026-11-21-05-12";
    check(&shared, &[rest[0], rest[1], stranger]);
    let near = |used| Some(Quota { used, max: 100 });
    for (kind, used, found) in [
        (DatabaseKind::Instance, 79, 0),
        (DatabaseKind::Instance, 80, 1),
        (DatabaseKind::Cluster, 100, 1),
        (DatabaseKind::Cluster, 0, 0),
    ] {
        let quotas = match kind {
            DatabaseKind::Instance => Quotas { instances: near(used), clusters: near(0) },
            DatabaseKind::Cluster => Quotas { instances: None, clusters: near(used) },
        };
        let findings = plan(&Inventory { quotas, ..of(vec![]) }, &live_run(RUN)).findings;
        assert_eq!(findings.iter().filter(|it| it.kind == FindingKind::QuotaNear).count(), found, "{kind:?} {used}");
    }
}
