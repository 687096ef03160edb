use super::*;
use crate::{
    fixtures::{at, automated, instance, run, volume},
    plan::Finding,
    tags::{BACKUP, COPY_DEST, NAME, RETENTION},
};

/// A Saturday.
const RUN: &str = "2026-11-21T05:00:07Z";
/// The id of the request.
const ID: &str = "8476a536";

fn of(ids: &[&str]) -> Request {
    let instances = ids.iter().map(|id| InstanceId::from(*id)).collect();
    Request {
        selection: Selection { instances, ..Selection::default() },
        label: None,
        mode: Mode::AsIs,
        protected: false,
        retention: None,
        topic: None,
        error_topic: None,
        verbose: false,
        dry_run: false,
        id: ID.to_owned(),
    }
}

fn by_tag() -> Request {
    let tags = [("Env".to_owned(), vec!["PROD".to_owned()])].into();
    Request { selection: Selection { tags, ..Selection::default() }, ..of(&[]) }
}

fn with_tag(ids: &[&str]) -> Request {
    let Selection { instances, .. } = of(ids).selection;
    let mut request = by_tag();
    request.selection.instances = instances;
    request
}

fn found(instances: Vec<Instance>) -> Inventory {
    Inventory { instances, ..Inventory::default() }
}

/// The plan in one line for each thing that it says.
fn told(plan: &Plan<Take>) -> Vec<String> {
    let actions = plan.actions.iter().map(ToString::to_string);
    let kept = plan.kept.iter().map(|kept| format!("keep {}: {}", kept.resource, kept.reason.kind()));
    let findings = plan.findings.iter().map(|Finding { resource, what, .. }| format!("find {resource}: {what}"));
    let refusals = plan.refusals.iter().map(|refusal| format!("refuse {}: {}", refusal.resource, refusal.cause));
    actions.chain(kept).chain(findings).chain(refusals).collect()
}

/// Each line of the plan begins as is expected.
#[track_caller]
fn check(inventory: &Inventory, request: &Request, expected: &[&str]) {
    let told = told(&plan(inventory, request, &run(RUN), at(RUN)));
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told} is not {expected}");
    }
}

#[test]
fn whether_it_must_be_stopped_depends_on_what_was_asked_and_found() {
    for (mode, state, when) in [
        (Mode::AsIs, InstanceState::Running, When::AsIs),
        (Mode::AsIs, InstanceState::Stopped, When::AsIs),
        (Mode::Stop, InstanceState::Running, When::StoppedForIt),
        (Mode::Stop, InstanceState::Stopped, When::Stopped),
        (Mode::OnlyStopped, InstanceState::Stopped, When::Stopped),
    ] {
        let inventory = found(vec![instance("i-1", &["vol-a"], &[]).in_state(state)]);
        assert_eq!(only_take(&inventory, &Request { mode, ..of(&["i-1"]) }).when, when, "{mode:?} {state:?}");
    }
}

#[test]
fn what_is_taken_is_told_of_its_instance() {
    let inventory = found(vec![instance("i-1", &["vol-a", "vol-b"], &[])]);
    assert_eq!(only_take(&inventory, &of(&["i-1"])).resource(), "i-1");
}

#[track_caller]
fn only_take(inventory: &Inventory, request: &Request) -> Take {
    let plan = plan(inventory, request, &run(RUN), at(RUN));
    let [take] = plan.actions.as_slice() else { panic!("{:?}", told(&plan)) };
    take.clone()
}

#[test]
fn what_was_asked_for_is_taken_whether_it_is_enrolled_or_not() {
    let not_enrolled: &[(&str, &str)] = &[];
    for tags in [not_enrolled, &[(BACKUP, "Yes")], &[(BACKUP, "No")], &[(BACKUP, "Yse")]] {
        check(
            &found(vec![instance("i-1", &["vol-a", "vol-b"], tags)]),
            &of(&["i-1"]),
            &["snapshot 2 volumes of i-1 together, kept until 2026-11-28: 7d by default"],
        );
    }
    check(
        &found(vec![instance("i-1", &["vol-a"], &[]), instance("i-2", &["vol-b"], &[(NAME, "web")])]),
        &by_tag(),
        &["snapshot vol-a of i-1, kept", "snapshot vol-b of i-2 (web), kept"],
    );
}

/// The next creator dates them; until then nobody knows that they live long enough.
#[test]
fn what_is_undated_covers_no_week_of_a_request() {
    let weekly = instance("i-1", &["vol-a"], &[(BACKUP, "Yes"), (RETENTION, "7d 4w")]);
    let undated = automated("snap-1", "vol-a", "2026-11-17");
    let inventory = Inventory { snapshots: vec![undated], ..found(vec![weekly]) };
    check(&inventory, &of(&["i-1"]), &["snapshot vol-a of i-1, kept until 2026-12-19"]);
}

#[test]
fn the_whole_request_is_refused_if_an_instance_is_not_there() {
    let there = || found(vec![instance("i-1", &["vol-a"], &[])]);
    check(&there(), &of(&["i-1", "i-2"]), &["refuse i-2: us-east-1 has no such instance: nothing was done"]);
    check(&there(), &with_tag(&["i-1", "i-2"]), &["refuse i-2: us-east-1 has no such instance: nothing was done"]);
    check(&found(Vec::new()), &by_tag(), &["refuse us-east-1: there is no instance tagged Env=PROD: nothing was done"]);
    // one that is terminated is listed for a while
    let gone = || instance("i-3", &["vol-c"], &[]).in_state(InstanceState::Terminated);
    check(&found(vec![gone()]), &of(&["i-3"]), &["refuse i-3: us-east-1 has no such instance"]);
    check(&found(vec![gone()]), &by_tag(), &["refuse us-east-1: there is no instance"]);
    let some = found(vec![gone(), instance("i-1", &["vol-a"], &[])]);
    check(&some, &by_tag(), &["snapshot vol-a of i-1", "keep i-3: gone"]);
}

#[test]
fn what_is_named_but_lacks_a_tag_is_left_alone() {
    let web = || instance("i-1", &["vol-a"], &[("Env", "PROD")]);
    let test = || instance("i-2", &["vol-b"], &[("Env", "TEST")]);
    let inventory = |instances, lacking| Inventory { instances, lacking, ..Inventory::default() };
    let lacks = "keep i-2: lacks_tags";
    let both = with_tag(&["i-1", "i-2"]);
    for (mode, taken) in [(Mode::AsIs, "snapshot vol-a of i-1"), (Mode::Stop, "stop i-1; snapshot vol-a of i-1")] {
        check(&inventory(vec![web()], vec![test()]), &Request { mode, ..both.clone() }, &[taken, lacks]);
    }
    let kept = plan(&inventory(vec![web()], vec![test()]), &both, &run(RUN), at(RUN)).kept;
    assert_eq!(kept[0].reason.to_string(), "not tagged Env=PROD, as was asked for");
    // where nothing is left, that is an error
    let nothing =
        "refuse us-east-1: there is no instance tagged Env=PROD, among those that are named: nothing was done";
    check(&inventory(Vec::new(), vec![test()]), &with_tag(&["i-2"]), &[lacks, nothing]);
    // one that is not there is one before anything is touched, whatever else is
    let gone = instance("i-3", &["vol-c"], &[]).in_state(InstanceState::Terminated);
    let three = with_tag(&["i-1", "i-2", "i-3"]);
    let missing = "refuse i-3: us-east-1 has no such instance";
    check(&inventory(vec![web()], vec![test(), gone]), &three, &[lacks, missing]);
    check(&inventory(vec![web()], vec![test()]), &three, &[lacks, missing]);
}

#[test]
fn what_cannot_be_taken_as_asked_is_not_touched_and_harms_no_other() {
    let store = Instance { root_is_store: true, ..instance("i-3", &["vol-c"], &[]) };
    let spot = Instance { is_spot: true, ..instance("i-4", &["vol-d"], &[]) };
    let in_group = instance("i-5", &["vol-e"], &[(GROUP, "web")]);
    let stopped = instance("i-2", &["vol-b"], &[]).in_state(InstanceState::Stopped);
    let all = found(vec![
        instance("i-1", &["vol-a"], &[]),
        stopped,
        store,
        spot,
        in_group,
        instance("i-6", &[], &[]),
        instance("i-7", &["vol-g"], &[]).in_state(InstanceState::Stopping),
        instance("i-8", &["vol-h"], &[]).in_state(InstanceState::Pending),
        instance("i-9", &["vol-i"], &[]).in_state(InstanceState::Unknown),
    ]);
    let never = [
        "refuse i-6: it has no EBS volume",
        "refuse i-7: it is stopping",
        "refuse i-8: it is starting",
        "refuse i-9: it is in a state that is not known",
    ];
    let taken = [
        "snapshot vol-a of i-1",
        "snapshot vol-b of i-2",
        "snapshot vol-c of i-3",
        "snapshot vol-d of i-4",
        "snapshot vol-e of i-5",
    ];
    check(&all, &by_tag(), &[&taken[..], &never[..]].concat());
    check(
        &all,
        &Request { mode: Mode::Stop, ..by_tag() },
        &[
            &[
                "stop i-1; snapshot vol-a of i-1, kept until 2026-11-28: 7d by default; start it again",
                "snapshot vol-b of i-2",
                "refuse i-3: its root is an instance store",
                "refuse i-4: it is a Spot instance",
                "refuse i-5: its Auto Scaling group",
            ][..],
            &never[..],
        ]
        .concat(),
    );
    let running = [
        "refuse i-1: it is running",
        "refuse i-3: it is running",
        "refuse i-4: it is running",
        "refuse i-5: it is running",
    ];
    check(
        &all,
        &Request { mode: Mode::OnlyStopped, ..by_tag() },
        &[&["snapshot vol-b of i-2"][..], &running[..], &never[..]].concat(),
    );
}

#[test]
fn what_another_run_has_marked_is_left_to_it() {
    const FRESH: &str = "2026-11-21T04:50:00Z";
    const STALE: &str = "2026-11-21T04:30:00Z";
    let marked = |at: &str, state| instance("i-1", &["vol-a"], &[(tags::STOPPED, at)]).in_state(state);
    let check = |at: &str, state, mode, expected| {
        check(&found(vec![marked(at, state)]), &Request { mode, ..of(&["i-1"]) }, &[expected]);
    };
    for mode in [Mode::AsIs, Mode::Stop, Mode::OnlyStopped] {
        check(FRESH, InstanceState::Stopped, mode, "refuse i-1: another run has stopped it");
        check(STALE, InstanceState::Stopped, mode, "refuse i-1: another run has stopped it");
    }
    check(FRESH, InstanceState::Running, Mode::Stop, "refuse i-1: another run has marked it");
    check(STALE, InstanceState::Running, Mode::Stop, "stop i-1;");
    check(FRESH, InstanceState::Running, Mode::AsIs, "snapshot vol-a");

    // what counts is the present, not the instant for which the run was scheduled
    let inventory = found(vec![marked("2026-11-21T05:50:00Z", InstanceState::Running)]);
    let request = Request { mode: Mode::Stop, ..of(&["i-1"]) };
    for (now, refused) in [("2026-11-21T06:00:00Z", 1), ("2026-11-21T06:30:00Z", 0)] {
        assert_eq!(plan(&inventory, &request, &run(RUN), at(now)).refusals.len(), refused, "{now}");
    }
}

#[test]
fn volumes_that_are_left_out_are_left_out() {
    let with = |left_out: &[&str]| Inventory {
        instances: vec![instance("i-1", &["vol-a", "vol-b"], &[])],
        volumes: left_out.iter().map(|id| volume(id, &[(BACKUP, "No")])).collect(),
        ..Inventory::default()
    };
    check(&with(&["vol-b"]), &of(&["i-1"]), &["snapshot vol-a of i-1"]);
    check(&with(&["vol-a", "vol-b"]), &of(&["i-1"]), &["refuse i-1: all of its volumes are tagged Backup=No"]);
    // of volumes of others nothing is told
    let mut others = with(&[]);
    others.volumes = vec![volume("vol-x", &[(BACKUP, "Nope")])];
    check(&others, &of(&["i-1"]), &["snapshot 2 volumes of i-1"]);
}

#[test]
fn an_instance_is_stopped_once_however_many_calls_it_takes() {
    let ids: Vec<String> = (0..45).map(|n| format!("vol-{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let inventory = Inventory {
        instances: vec![instance("i-1", &ids, &[])],
        volumes: ids[1..42].iter().map(|id| volume(id, &[(BACKUP, "No")])).collect(),
        ..Inventory::default()
    };
    let take = only_take(&inventory, &Request { mode: Mode::Stop, ..of(&["i-1"]) });
    assert_eq!((take.when, take.backups.len()), (When::StoppedForIt, 4));
    let plan_of = |mode| plan(&inventory, &Request { mode, ..of(&["i-1"]) }, &run(RUN), at(RUN));
    assert!(plan_of(Mode::Stop).findings.is_empty());
    assert_eq!(plan_of(Mode::AsIs).findings.len(), 1, "not consistent while it runs");
}

#[test]
fn a_snapshot_has_the_creators_tags_and_those_that_were_asked_for() {
    #[track_caller]
    fn check_tags(tags: &[(&str, &str)], request: &Request, expected: &[(&str, &str)]) {
        let take = only_take(&found(vec![instance("i-1", &["vol-a"], tags)]), request);
        let always = [
            ("Type", "Automated"),
            ("Scripted", "Yes"),
            ("Backup_Run", "2026-11-21T05:00:07Z"),
            ("Backup_Request", ID),
            ("Source_InstanceId", "i-1"),
            ("Source_Region", "us-east-1"),
            ("Source_Devices", "/dev/xvda=vol-a"),
        ];
        let expected: Tags = always.into_iter().chain(expected.iter().copied()).collect();
        assert_eq!(take.backups[0].tags, expected);
    }
    let plain = of(&["i-1"]);
    let protected = Request { protected: true, ..of(&["i-1"]) };
    let retained = Request { retention: Some("30".parse().unwrap()), ..of(&["i-1"]) };
    check_tags(&[], &plain, &[("DeleteOn", "2026-11-28")]);
    check_tags(&[(RETENTION, "14d")], &plain, &[("DeleteOn", "2026-12-05")]);
    check_tags(
        &[(NAME, "web"), (COPY_DEST, "us-west-2"), ("Team", "x")],
        &plain,
        &[("DeleteOn", "2026-11-28"), ("Name", "web"), ("Copy_Dest", "us-west-2")],
    );
    let kept = [("KeepForever", "Yes"), ("State", "Protected")];
    check_tags(&[], &protected, &kept);
    check_tags(&[(RETENTION, "x")], &protected, &kept);
    // what was asked for goes before the instance's tag, whatever it says
    for tag in ["14d", "x"] {
        check_tags(&[(RETENTION, tag)], &retained, &[("DeleteOn", "2026-12-21")]);
    }
}

#[test]
fn how_long_to_keep_must_be_read_or_said() {
    let inventory = |retention| {
        let instances = vec![instance("i-1", &["vol-a"], &[(RETENTION, retention)]), instance("i-2", &["vol-b"], &[])];
        found(instances)
    };
    let other = "snapshot vol-b of i-2";
    let refused = "refuse i-1: its tag Retention is \"2weeks\": correct it, or give --retention; it was not touched";
    check(&inventory("2weeks"), &of(&["i-1", "i-2"]), &[other, refused]);
    check(&inventory(""), &of(&["i-1", "i-2"]), &[other, "refuse i-1: its tag Retention is \"\": correct it"]);
    check(
        &inventory("2weeks"),
        &Request { mode: Mode::OnlyStopped, ..of(&["i-1"]) },
        &[refused, "refuse i-2: it is running"],
    );
    let protected = Request { protected: true, ..of(&["i-1"]) };
    let kept = ["snapshot vol-a of i-1, kept forever", "snapshot vol-b of i-2, kept forever"];
    check(&inventory("2weeks"), &protected, &kept);
    let retained = Request { retention: Some("14d".parse().unwrap()), ..of(&["i-1"]) };
    check(&inventory("2weeks"), &retained, &["snapshot vol-a of i-1, kept until 2026-12-05", other]);
}

#[test]
fn another_tag_that_cannot_be_read_is_told_also_of_what_is_not_enrolled() {
    let inventory = found(vec![instance("i-1", &["vol-a"], &[(COPY_DEST, "mars")])]);
    check(&inventory, &of(&["i-1"]), &["snapshot vol-a of i-1", "find i-1: tag Copy_Dest is \"mars\""]);
}

#[test]
fn the_label_stands_in_the_description() {
    #[track_caller]
    fn check_description(name: &str, label: &str, expected: &str) {
        let request = Request { label: Some(label.to_owned()), ..of(&["i-1"]) };
        let take = only_take(&found(vec![instance("i-1", &["vol-a"], &[(NAME, name)])]), &request);
        assert_eq!(take.backups[0].description(), expected);
        assert!(expected.chars().count() <= 255);
    }
    check_description("web", "before upgrade", "web (i-1) - vol-a (/dev/xvda) - us-east-1 - before upgrade");
    check_description("", "before upgrade", "i-1 - vol-a (/dev/xvda) - us-east-1 - before upgrade");
    let rest = format!(" (i-1) - vol-a (/dev/xvda) - us-east-1 - {}", "l".repeat(100));
    let cut = format!("{}{rest}", "n".repeat(255 - rest.len()));
    check_description(&"n".repeat(256), &"l".repeat(100), &cut);
}

#[test]
fn a_request_that_comes_twice_takes_nothing_twice_and_two_requests_of_a_second_take_two() {
    let of_the_schedule = automated("snap-1", "vol-a", "2026-11-21").tagged(tags::BACKUP_RUN, RUN).until("2026-11-28");
    let without_id = of_the_schedule.clone().tagged(tags::SCRIPTED, tags::YES);
    let by_hand = |id: &str| without_id.clone().tagged(tags::BACKUP_REQUEST, id);
    let is_taken = "stop i-1; snapshot vol-a";
    for (taken, expected) in [
        (by_hand(ID), "keep i-1: already_taken"),
        // one of the same second is another one
        (by_hand("another"), is_taken),
        (without_id.clone(), is_taken),
        (of_the_schedule, is_taken),
    ] {
        let inventory = Inventory { snapshots: vec![taken], ..found(vec![instance("i-1", &["vol-a"], &[])]) };
        check(&inventory, &Request { mode: Mode::Stop, ..of(&["i-1"]) }, &[expected]);
    }
}

/// Lambda tries an event again that failed, a minute or more later, under the same id.
#[test]
fn a_request_that_is_tried_again_takes_nothing_twice() {
    const LATER: &str = "2026-11-21T05:01:09Z";
    let request = Request { mode: Mode::Stop, ..of(&["i-1", "i-2"]) };
    let instances = || vec![instance("i-1", &["vol-a"], &[]), instance("i-2", &["vol-b"], &[])];
    let first = plan(&found(instances()), &request, &run(RUN), at(RUN));
    let tags = &first.actions[0].backups[0].tags;
    assert_eq!((tags.get(tags::BACKUP_REQUEST), tags.get(tags::BACKUP_RUN)), (Some(ID), Some(RUN)));

    let of_id = |id: &str| {
        let taken = automated("snap-1", "vol-a", "2026-11-21").until("2026-11-28").tagged(tags::BACKUP_RUN, RUN);
        taken.tagged(tags::SCRIPTED, tags::YES).tagged(tags::BACKUP_REQUEST, id)
    };
    let again = |taken: Snapshot, request: &Request| {
        let inventory = Inventory { snapshots: vec![taken], ..found(instances()) };
        plan(&inventory, request, &run(LATER), at(LATER))
    };
    let second = again(of_id(ID), &request);
    assert_eq!(told(&second)[1], "keep i-1: already_taken");
    assert_eq!((second.actions.len(), second.actions[0].instance.as_str()), (1, "i-2"));
    // so that a third time it is of the same run
    assert_eq!(second.actions[0].backups[0].tags.get(tags::BACKUP_RUN), Some(RUN));

    let two = |plan: &Plan<Take>| {
        plan.actions.len() == 2 && plan.actions[0].backups[0].tags.get(tags::BACKUP_RUN) == Some(LATER)
    };
    assert!(two(&again(of_id("another"), &request)), "another request of the same");
    let copy = of_id(ID).tagged(tags::SOURCE_SNAPSHOT_ID, "snap-0").tagged(tags::SOURCE_REGION, "us-west-2");
    assert!(two(&again(copy, &request)), "a copy of another region's");
    let ahead = of_id(ID).tagged(tags::BACKUP_RUN, "2126-11-21T05:00:00Z");
    assert!(two(&again(ahead, &request)), "a tag sets no clock ahead");
}

#[test]
fn nothing_but_what_was_asked_for_is_dated() {
    let undated = automated("snap-1", "vol-a", "2026-11-10");
    let inventory = Inventory { snapshots: vec![undated], ..found(vec![instance("i-1", &["vol-a"], &[])]) };
    check(&inventory, &of(&["i-1"]), &["snapshot vol-a of i-1"]);
}

#[test]
fn the_first_good_one_of_its_week_lives_as_long_as_the_creators() {
    let tags: &[(&str, &str)] = &[(RETENTION, "7d 4w")];
    let inventory = |snapshots| Inventory { snapshots, ..found(vec![instance("i-1", &["vol-a"], tags)]) };
    check(&inventory(Vec::new()), &of(&["i-1"]), &["snapshot vol-a of i-1, kept until 2026-12-19"]);
    let monday = automated("snap-1", "vol-a", "2026-11-16").until("2026-12-14");
    check(&inventory(vec![monday]), &of(&["i-1"]), &["snapshot vol-a of i-1, kept until 2026-11-28"]);
}
