use std::collections::BTreeMap;

use self::reference::Inventory;
use super::*;
use crate::{
    enrolment::Enrolment,
    fixtures::{at, automated, by_hand, instance, run, volume},
    inventory::{
        InstanceState,
        SnapshotState::{Error, InRecycleBin, Pending},
    },
    plan::FindingKind,
    tags::{BACKUP, BACKUP_REQUEST, COPY_DEST, DELETE_ON, RETENTION, SOURCE_DEVICES, STOPPED, TYPE},
};

mod copies;
mod deletions;
mod measures;
mod pages;
mod reference;

/// Four hours after the creator's run of that day. The RPO is 30 hours.
const RUN: &str = "2026-11-21T09:00:00Z";
const YES: (&str, &str) = (BACKUP, "Yes");

/// The plan of one page each.
fn plan(inventory: &Inventory, run: &Run) -> Plan<Notice> {
    let mut seen = Seen::new(run);
    seen.add_instances(&inventory.instances);
    seen.add_volumes(&inventory.volumes);
    seen.add_snapshots(&inventory.snapshots);
    assert_eq!(seen.unread(), reference::destinations(&inventory.instances, &inventory.snapshots, run));
    for (region, there) in &inventory.destinations {
        seen.there(region.clone(), there.clone());
    }
    let folded = super::plan(seen, &inventory.holds, &inventory.rds);
    assert_eq!(folded, reference::plan(inventory, run));
    folded
}

/// `i-1` with `vol-a`, and good backups of today and yesterday.
fn healthy() -> Inventory {
    of(&["vol-a"], vec![automated("snap-1", "vol-a", "2026-11-20"), automated("snap-2", "vol-a", "2026-11-21")])
}

/// `i-1`, enrolled, with these volumes and snapshots; those that are undated are due next year.
fn of(volumes: &[&str], snapshots: Vec<Snapshot>) -> Inventory {
    let date = |snapshot: Snapshot| {
        if snapshot.tags.has(DELETE_ON) || !snapshot.is_automated() { snapshot } else { snapshot.until("2027-11-21") }
    };
    let instances = vec![instance("i-1", volumes, &[YES])];
    let snapshots = snapshots.into_iter().map(date).collect();
    let holds = delete::Holds { enrolment: Enrolment::of(&instances, &[]), ..delete::Holds::default() };
    let volumes = volumes.iter().map(|id| volume(id, &[]).on("i-1")).collect();
    Inventory { instances, volumes, snapshots, holds, ..Inventory::default() }
}

/// What is found, `Kind resource: what`.
fn told(inventory: &Inventory, instant: &str) -> Vec<String> {
    let plan = plan(inventory, &run(instant));
    plan.findings.iter().map(|it| format!("{:?} {}: {}", it.kind, it.resource, it.what)).collect()
}

/// Compares what is found, each by its beginning.
#[track_caller]
fn check_at(instant: &str, inventory: &Inventory, expected: &[&str]) {
    let told = told(inventory, instant);
    let same = told.len() == expected.len() && told.iter().zip(expected).all(|(told, begin)| told.starts_with(begin));
    assert!(same, "found {told:#?}, expected {expected:#?}");
}

#[track_caller]
fn check(inventory: &Inventory, expected: &[&str]) {
    check_at(RUN, inventory, expected);
}

/// The instant since which the only finding of this kind is.
#[track_caller]
fn since(inventory: &Inventory, kind: FindingKind) -> Option<DateTime<Utc>> {
    let findings = plan(inventory, &run(RUN)).findings;
    let mut of_kind = findings.iter().filter(|finding| finding.kind == kind);
    let (Some(finding), None) = (of_kind.next(), of_kind.next()) else { panic!("{findings:#?}") };
    finding.since
}

#[test]
fn there_is_nothing_to_say_of_a_healthy_account() {
    check(&healthy(), &[]);
    check(&Inventory::default(), &[]);
    let set = |id: &str, volume: &str, day: &str| automated(id, volume, day).in_set("i-1", &["vol-a", "vol-b"]);
    let snapshots = ["2026-11-20", "2026-11-21"]
        .into_iter()
        .flat_map(|day| [set(&format!("a-{day}"), "vol-a", day), set(&format!("b-{day}"), "vol-b", day)]);
    check(&of(&["vol-a", "vol-b"], snapshots.collect()), &[]);
}

/// Each is a set of its own.
#[test]
fn two_requests_of_one_second_are_not_taken_for_one_set() {
    let set = |id: &str, volume: &str, request: &str, begun: &str| {
        let snapshot = automated(id, volume, "2026-11-21").in_set("i-1", &["vol-a", "vol-b"]);
        Snapshot { started: at(begun), ..snapshot.tagged(BACKUP_REQUEST, request) }
    };
    let both = || {
        vec![
            set("a-1", "vol-a", "one", "2026-11-21T05:00:00Z"),
            set("b-1", "vol-b", "one", "2026-11-21T05:00:00Z"),
            set("a-2", "vol-a", "two", "2026-11-21T05:00:20Z"),
            set("b-2", "vol-b", "two", "2026-11-21T05:00:20Z"),
        ]
    };
    check(&of(&["vol-a", "vol-b"], both()), &[]);
    let mut halves = both();
    halves.retain(|snapshot| ["a-1", "b-2"].contains(&snapshot.id.as_str()));
    let lacks = ["NoRecentBackup i-1", "IncompleteSet a-1", "IncompleteSet b-2"];
    check(&of(&["vol-a", "vol-b"], halves), &lacks);
}

#[test]
fn an_enrolled_instance_without_a_good_backup_within_the_rpo_is_found() {
    // 30 hours after five o'clock yesterday
    let yesterday = || automated("snap-1", "vol-a", "2026-11-20");
    let lacking = "NoRecentBackup i-1: no good backup within 30 hours: vol-a (/dev/xvda) last on 2026-11-20T05:00:00Z";
    check_at("2026-11-21T11:00:00Z", &of(&["vol-a"], vec![yesterday()]), &[]);
    check_at("2026-11-21T11:00:01Z", &of(&["vol-a"], vec![yesterday()]), &[lacking]);
    check_at("2026-11-21T11:00:01Z", &healthy(), &[]);
    // whatever is no good backup
    let today = || automated("snap-2", "vol-a", "2026-11-21");
    for no_backup in [
        today().in_state(Pending),
        today().in_state(InRecycleBin),
        today().untagged(TYPE),
        today().made_copy_of("snap-p", "eu-west-1"),
        by_hand("snap-2", "vol-a", "2026-11-21"),
        automated("snap-2", "vol-b", "2026-11-21"),
    ] {
        check_at("2026-11-21T11:00:01Z", &of(&["vol-a"], vec![yesterday(), no_backup]), &[lacking]);
    }
    let failed = of(&["vol-a"], vec![yesterday(), today().in_state(Error)]);
    check_at("2026-11-21T11:00:01Z", &failed, &[lacking, "Failed snap-2"]);
    let stopped = |state| {
        let mut inventory = of(&["vol-a"], vec![yesterday()]);
        inventory.instances[0].state = state;
        inventory
    };
    check_at("2026-11-21T11:00:01Z", &stopped(InstanceState::Stopped), &[lacking]);
    check_at("2026-11-21T11:00:01Z", &stopped(InstanceState::Terminated), &[]);
    let old = of(&["vol-a"], vec![automated("snap-1", "vol-a", "2026-11-18")]);
    assert_eq!(since(&old, FindingKind::NoRecentBackup), Some(at("2026-11-18T05:00:00Z")));
}

#[test]
fn what_a_run_has_stopped_is_found_first_whether_it_is_enrolled_or_not() {
    let stopped = "LeftStopped i-1: a run stopped it at 2026-11-21T08:59:00Z, and starts it again or was killed";
    // half an hour ago or a minute: nobody sees from here whether the run lives
    for (tags, mark) in [
        (&[YES][..], "2026-11-21T08:59:00Z"),
        (&[], "2026-11-21T08:59:00Z 6ba1c3d8-1f4a2c0"),
        (&[], "2026-11-21T04:00:00Z"),
        (&[], "?"),
    ] {
        for (state, is_found) in [
            (InstanceState::Stopped, true),
            (InstanceState::Stopping, true),
            (InstanceState::Running, false),
            (InstanceState::Pending, false),
            (InstanceState::Terminated, false),
        ] {
            let mut inventory = healthy();
            inventory.instances[0] = instance("i-1", &["vol-a"], &[tags, &[(STOPPED, mark)]].concat()).in_state(state);
            let begins = if mark.starts_with("2026-11-21T08") { stopped } else { "LeftStopped i-1: a run stopped it" };
            let expected = [begins];
            check(&inventory, if is_found { &expected } else { &[] });
        }
    }
    // what its owner stopped is nobody's business
    let mut inventory = healthy();
    inventory.instances[0].state = InstanceState::Stopped;
    check(&inventory, &[]);

    let mut inventory = of(&["vol-a"], vec![]);
    inventory.instances[0].tags.set(STOPPED, "2026-11-21T08:59:00Z");
    inventory.instances[0].state = InstanceState::Stopped;
    check(&inventory, &[stopped, "NoRecentBackup i-1"]);
    assert_eq!(since(&inventory, FindingKind::LeftStopped), Some(at("2026-11-21T08:59:00Z")));
}

#[test]
fn each_volume_of_an_instance_counts() {
    let both = of(&["vol-a", "vol-b"], vec![automated("snap-1", "vol-a", "2026-11-21")]);
    check(&both, &["NoRecentBackup i-1: no good backup within 30 hours: vol-b (/dev/sd1) never backed up"]);
    let mut left_out = both;
    left_out.volumes = vec![volume("vol-b", &[(BACKUP, "No")]).on("i-1")];
    check(&left_out, &[]);
    // but not one whose tag cannot be read
    left_out.volumes = vec![volume("vol-b", &[(BACKUP, "Nope")]).on("i-1")];
    check(&left_out, &["NoRecentBackup i-1", "UnreadableTag vol-b: tag Backup is \"Nope\""]);
}

#[test]
fn what_is_new_has_its_time() {
    /// `vol-a` without any snapshot, attached, made and its instance launched then.
    #[track_caller]
    fn check_new(attached: Option<&str>, made: Option<&str>, launched: &str, is_found: bool) {
        let mut inventory = of(&["vol-a"], vec![]);
        inventory.instances[0].launched = at(launched);
        inventory.instances[0].devices[0].attached = attached.map(at);
        inventory.volumes = made.map(|made| volume("vol-a", &[]).on("i-1").made(made)).into_iter().collect();
        check(&inventory, if is_found { &["NoRecentBackup i-1"] } else { &[] });
    }
    let (old, new) = ("2026-11-20T02:59:59Z", "2026-11-20T03:00:00Z");
    check_new(Some(old), Some(new), new, true);
    check_new(Some(new), Some(old), old, false);
    check_new(None, Some(old), new, true);
    check_new(None, Some(new), old, false);
    check_new(None, None, old, true);
    check_new(None, None, new, false);
}

#[test]
fn a_volume_without_any_snapshot_is_found_unless_somebody_opted_out() {
    #[track_caller]
    fn check_volume(tags: &[(&str, &str)], on: &[(&str, Option<&str>)], expected: &[&str]) {
        let instances = on.iter().map(|(id, backup)| {
            let backup: Vec<(&str, &str)> = backup.map(|value| (BACKUP, value)).into_iter().collect();
            instance(id, &[], &backup)
        });
        let volume = on.iter().fold(volume("vol-x", tags), |volume, (id, _)| volume.on(id));
        check(&Inventory { instances: instances.collect(), volumes: vec![volume], ..Inventory::default() }, expected);
    }
    let alone = "Unprotected vol-x: no snapshot at all; attached to no instance";
    let on_one = "Unprotected vol-x: no snapshot at all; on i-1";
    let unreadable = "UnreadableTag i-1: tag Backup is \"Yse\"";
    check_volume(&[], &[], &[alone]);
    check_volume(&[], &[("i-1", None)], &[on_one]);
    check_volume(&[], &[("i-1", Some("Yse"))], &[on_one, unreadable]);
    check_volume(&[(BACKUP, "Yes")], &[], &[alone]);
    check_volume(&[(BACKUP, "x")], &[], &[alone, "UnreadableTag vol-x: tag Backup is \"x\""]);
    // opted out by the volume or the instance; an enrolled instance speaks for its volumes
    check_volume(&[(BACKUP, "No")], &[], &[]);
    check_volume(&[(BACKUP, "no")], &[("i-1", None)], &[]);
    check_volume(&[], &[("i-1", Some("No"))], &[]);
    check_volume(&[], &[("i-1", Some("Yes"))], &[]);
    check_volume(&[], &[("i-1", None), ("i-2", Some("Yes"))], &[]);
}

#[test]
fn any_snapshot_of_a_volume_protects_it_somehow() {
    #[track_caller]
    fn check_with(snapshot: Snapshot, is_found: bool) {
        let mut inventory = of(&[], vec![snapshot]);
        inventory.volumes = vec![volume("vol-x", &[])];
        let found = told(&inventory, RUN).iter().any(|finding| finding.starts_with("Unprotected vol-x"));
        assert_eq!(found, is_found);
    }
    check_with(by_hand("snap-1", "vol-x", "2024-01-01"), false);
    check_with(automated("snap-1", "vol-x", "2024-01-01").until("2027-01-01"), false);
    check_with(by_hand("snap-1", "vol-x", "2026-11-21").in_state(Pending), false);
    check_with(by_hand("snap-1", "vol-x", "2026-11-21").in_state(Error), true);
    check_with(by_hand("snap-1", "vol-y", "2026-11-21"), true);
}

#[test]
fn a_volume_without_snapshot_has_its_time() {
    for (made, is_found) in [("2026-11-20T02:59:59Z", true), ("2026-11-20T03:00:00Z", false)] {
        let inventory = Inventory { volumes: vec![volume("vol-x", &[]).made(made)], ..Inventory::default() };
        check(&inventory, if is_found { &["Unprotected vol-x"] } else { &[] });
        if is_found {
            assert_eq!(since(&inventory, FindingKind::Unprotected), Some(at(made)));
        }
    }
}

#[test]
fn tags_that_cannot_be_read_are_found() {
    let mut inventory = healthy();
    let with = [YES, (RETENTION, "2weeks"), (COPY_DEST, "mars us-east-1")];
    inventory.instances = vec![
        instance("i-1", &["vol-a"], &with),
        instance("i-2", &[], &[(BACKUP, "true1")]),
        instance("i-3", &[], &[(BACKUP, "No"), (RETENTION, "x")]),
        instance("i-4", &[], &with).in_state(InstanceState::Terminated),
    ];
    check(
        &inventory,
        &[
            "UnreadableTag i-1: tag Copy_Dest is \"mars\"",
            "UnreadableTag i-1: tag Copy_Dest is \"us-east-1\"",
            "UnreadableTag i-1: tag Retention is \"2weeks\"",
            "UnreadableTag i-2: tag Backup is \"true1\"",
        ],
    );
}

#[test]
fn a_failed_snapshot_is_found_until_it_is_superseded_and_old() {
    let failed = |day| automated("snap-x", "vol-a", day).in_state(Error);
    let good = |day| automated("snap-good", "vol-a", day);
    let found = "Failed snap-x: snapshot of vol-a ended in error";
    check(&of(&["vol-a"], vec![failed("2026-11-21"), good("2026-11-20")]), &[found]);
    check(&of(&["vol-a"], vec![failed("2026-11-20"), good("2026-11-21")]), &[found]);
    check(&of(&["vol-a"], vec![failed("2026-11-19"), good("2026-11-21")]), &[]);
    // as long as nothing newer is good it is never old
    check(&of(&["vol-a"], vec![failed("2026-11-19")]), &["NoRecentBackup i-1", found]);
    check(&of(&["vol-a"], vec![failed("2026-11-19"), good("2026-11-18")]), &["NoRecentBackup i-1", found]);
    let told_why = Snapshot { message: Some("no such key".to_owned()), ..failed("2026-11-20") };
    check(
        &of(&["vol-a"], vec![told_why, good("2026-11-21")]),
        &["Failed snap-x: snapshot of vol-a ended in error: no such key"],
    );
    check(&of(&["vol-a"], vec![by_hand("snap-x", "vol-a", "2026-11-21").in_state(Error), good("2026-11-21")]), &[]);
}

#[test]
fn a_snapshot_that_stays_pending_is_found() {
    let pending = |day| automated("snap-x", "vol-a", day).in_state(Pending);
    let good = |day| automated("snap-good", "vol-a", day);
    check(&of(&["vol-a"], vec![pending("2026-11-21"), good("2026-11-20")]), &[]);
    check_at("2026-11-21T11:00:00Z", &of(&["vol-a"], vec![pending("2026-11-20"), good("2026-11-20")]), &[]);
    let stuck = of(&["vol-a"], vec![pending("2026-11-20"), good("2026-11-20")]);
    check_at("2026-11-21T11:00:01Z", &stuck, &["NoRecentBackup i-1", "StuckPending snap-x"]);
    let since_then = of(&["vol-a"], vec![pending("2026-11-18"), good("2026-11-17")]);
    assert_eq!(since(&since_then, FindingKind::StuckPending), Some(at("2026-11-18T05:00:00Z")));
}

/// It stays pending, and so takes one of the volume's five places, whatever came after it.
#[test]
fn a_stuck_snapshot_is_found_although_a_newer_one_is_good() {
    let stuck = automated("snap-x", "vol-a", "2026-11-18").in_state(Pending);
    let good = automated("snap-good", "vol-a", "2026-11-21");
    check(&of(&["vol-a"], vec![stuck, good]), &["StuckPending snap-x"]);
}

/// A member of the backup of three volumes, completed.
fn member(id: &str, volume: &str, day: &str) -> Snapshot {
    automated(id, volume, day).in_set("i-1", &["vol-a", "vol-b", "vol-c"])
}

#[test]
fn an_incomplete_set_is_found_once() {
    /// Whole sets of `day`, and these.
    #[track_caller]
    fn check_set(day: &str, others: Vec<Snapshot>, expected: &[&str]) {
        let whole = ["vol-a", "vol-b", "vol-c"].map(|volume| member(&format!("{volume}-{day}"), volume, day));
        check(&of(&["vol-a", "vol-b", "vol-c"], whole.into_iter().chain(others).collect()), expected);
    }
    let (today, yesterday) = ("2026-11-21", "2026-11-20");
    let a = |day| member("snap-a", "vol-a", day);
    let b = |day| member("snap-b", "vol-b", day);
    let c = |day| member("snap-c", "vol-c", day);
    let lacks = "IncompleteSet snap-a: backup of i-1 lacks vol-c: it does not count as a good one";
    check_set(yesterday, vec![a(today), b(today), c(today)], &[]);
    check_set(yesterday, vec![a(today), b(today)], &[lacks]);
    check_set(yesterday, vec![a(today), b(today), c(today).in_state(Error)], &["Failed snap-c", lacks]);
    check_set(yesterday, vec![a(today)], &["IncompleteSet snap-a: backup of i-1 lacks vol-b, vol-c: "]);
    // one that is being taken is not incomplete yet
    check_set(yesterday, vec![a(today), b(today), c(today).in_state(Pending)], &[]);
    // nor one of which the operator left a volume out
    let listed = |it: Snapshot| it.tagged(SOURCE_DEVICES, "/dev/xvda=vol-a /dev/sd1=vol-b /dev/sd2=vol-c:excluded");
    check_set(yesterday, vec![listed(a(today)), listed(b(today))], &[]);
    // superseded: until it is old enough
    check_set(today, vec![a(yesterday), b(yesterday)], &[lacks]);
    check_set(today, vec![a("2026-11-19"), b("2026-11-19")], &[]);
}

#[test]
fn a_set_whose_members_are_of_different_moments_is_not_consistent() {
    let of_both = |snapshots| of(&["vol-a", "vol-b"], snapshots);
    let member = |id, volume, day| automated(id, volume, day).in_set("i-1", &["vol-a", "vol-b"]);
    let begun = |seconds, it: Snapshot| Snapshot { started: it.started + chrono::TimeDelta::seconds(seconds), ..it };
    let (a, b) = (|day| member("snap-a", "vol-a", day), |day| member("snap-b", "vol-b", day));
    let (today, long_ago) = ("2026-11-21", "2026-11-18");
    let apart = "NotConsistent snap-a: its set of i-1 was begun at different moments";
    for (seconds, expected) in [(0, vec![]), (1, vec![]), (2, vec![apart]), (-2, vec![apart])] {
        check(&of_both(vec![a(today), begun(seconds, b(today))]), &expected);
    }
    // the same run's snapshots of another instance, and those that failed, are none of it
    let of_another = automated("snap-z", "vol-z", today).in_set("i-2", &["vol-z"]);
    check(&of_both(vec![a(today), b(today), begun(2, of_another)]), &[]);
    let failed = begun(2, member("snap-b0", "vol-b", today)).in_state(Error);
    check(&of_both(vec![a(today), b(today), failed]), &["Failed snap-b0"]);
    // as long as nothing newer is good it is never old
    check(&of_both(vec![a(long_ago), begun(2, b(long_ago))]), &["NoRecentBackup i-1", apart]);
    check(&of_both(vec![a(long_ago), begun(2, b(long_ago)), a(today), b(today)]), &[]);
}

#[test]
fn a_set_that_stays_in_progress_is_incomplete() {
    let set = |id, volume| automated(id, volume, "2026-11-19").in_set("i-1", &["vol-a", "vol-b"]);
    let inventory = of(&["vol-a", "vol-b"], vec![set("snap-a", "vol-a"), set("snap-b", "vol-b").in_state(Pending)]);
    check(&inventory, &["NoRecentBackup i-1", "IncompleteSet snap-a", "StuckPending snap-b"]);
}

#[test]
fn the_digest_goes_out_where_there_is_something_to_say_and_someone_to_say_it_to() {
    let topic = [("SNAPKEEPER_ALERT_TOPIC_ARN".to_owned(), "arn:aws:sns:us-east-1:123456789012:alerts".to_owned())];
    let with_topic = crate::settings::Settings::from_variables(topic).unwrap();
    let ill = Inventory { volumes: vec![volume("vol-x", &[])], ..Inventory::default() };
    for (inventory, settings, notices) in
        [(&ill, &with_topic, 1), (&ill, &crate::settings::Settings::default(), 0), (&healthy(), &with_topic, 0)]
    {
        let mut run = run(RUN);
        run.settings = settings.clone();
        let plan = plan(inventory, &run);
        assert_eq!(plan.actions.len(), notices);
        for notice in &plan.actions {
            assert_eq!(notice.subject, "Snapkeeper us-east-1: 1 thing to look at");
            assert!(notice.body.contains("- vol-x: no snapshot at all"), "{}", notice.body);
        }
    }
}

#[test]
fn the_gravest_comes_first() {
    let mut inventory = of(&["vol-a"], vec![automated("snap-x", "vol-a", "2026-11-19").in_state(Error)]);
    inventory.volumes = vec![volume("vol-x", &[]), volume("vol-a", &[(BACKUP, "?")]).on("i-1")];
    let order = ["NoRecentBackup i-1", "Unprotected vol-x", "Failed snap-x", "UnreadableTag vol-a"];
    check(&inventory, &order);
}

/// What is found of databases stands among the rest; what cannot be read of them takes nothing from it.
#[test]
fn databases_are_looked_at_as_well() {
    let unread = Inventory { rds: Err("no answer".to_owned()), ..of(&["vol-a"], vec![]) };
    check(&unread, &["NoRecentBackup i-1", "DatabasesUnknown us-east-1: databases could not be looked at: no answer"]);
    let mut run = run(RUN);
    run.settings.alert_topic = Some("arn:aws:sns:us-east-1:123456789012:alerts".parse().unwrap());
    let digest = plan(&unread, &run).actions;
    assert!(digest[0].body.contains("Databases that could not be looked at"), "{}", digest[0].body);
    run.settings.failsafe.live_accounts = ["111111111111".to_owned()].into();
    let more = rds::watch::More {
        automated: vec![],
        manual: vec![],
        shared_with: BTreeMap::new(),
        shared: vec![],
        elsewhere: BTreeMap::new(),
        key: None,
        keys_of_saved: BTreeMap::new(),
        quotas: BTreeMap::new(),
    };
    let rds = Ok(rds::watch::Inventory { databases: vec![], more: Some(more) });
    let measures = plan(&Inventory { rds, ..healthy() }, &run).measures;
    assert_eq!(measures.get("DatabasesNotFailsafe"), Some(&crate::plan::Measure::Count(0)));
}
