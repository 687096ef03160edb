//! Snapshots that should be gone, and those of which that cannot be told.

use super::{Inventory, RUN, check, healthy, of, plan, since};
use crate::{
    enrolment::Enrolment,
    fixtures::{automated, instance, run},
    inventory::{Snapshot, SnapshotState::Error},
    plan::FindingKind,
    tags::{BACKUP, DELETE_ON, KEEP_FOREVER, TYPE},
};

/// A snapshot of a healthy account that was due two days ago.
fn due() -> Snapshot {
    automated("snap-x", "vol-a", "2026-11-12").until("2026-11-19")
}

fn with(snapshot: Snapshot) -> Inventory {
    let mut inventory = healthy();
    inventory.snapshots.push(snapshot);
    inventory
}

#[track_caller]
fn check_one(snapshot: Snapshot, expected: &[&str]) {
    check(&with(snapshot), expected);
}

#[test]
fn what_was_due_before_today_is_found() {
    let found = "NotDeleted snap-x: due since 2026-11-19, and nothing holds it";
    check_one(due(), &[found]);
    check_one(due().until("2026-11-20"), &["NotDeleted snap-x: due since 2026-11-20"]);
    // today's are the manager's business until the day is over
    check_one(due().until("2026-11-21"), &[]);
    check_one(due().until("2026-11-22"), &[]);
    check_one(due().tagged(KEEP_FOREVER, ""), &[]);
    check_one(due().untagged(TYPE), &[]);
    // a failed one, too
    check_one(due().in_state(Error), &[found]);
}

#[test]
fn why_it_is_still_there_is_told() {
    let mut in_use = with(due());
    in_use.holds.in_use.insert("snap-x".into(), "ami-1".into());
    check(&in_use, &["NotDeleted snap-x: due since 2026-11-19, but kept: used by ami-1"]);

    let mut locked = with(due());
    locked.holds.locked.insert("snap-x".into());
    check(&locked, &["NotDeleted snap-x: due since 2026-11-19, but kept: locked"]);

    let last = "NotDeleted snap-x: due since 2026-11-19, but kept: last good backup of";
    let last_good = of(&["vol-a"], vec![due()]);
    check(&last_good, &["NoRecentBackup i-1", &format!("{last} an enrolled volume")]);

    let mut perhaps = of(&["vol-a"], vec![due()]);
    perhaps.instances = vec![instance("i-1", &["vol-a"], &[(BACKUP, "Yse")])];
    perhaps.holds.enrolment = Enrolment::of(&perhaps.instances, &[]);
    let because = format!("{last} a volume that may be enrolled: the tag Backup of i-1 cannot be read");
    check(&perhaps, &["UnreadableTag i-1", &because]);

    check_one(
        due().made_copy_of("snap-p", "eu-west-1"),
        &[&format!("{last} a volume that may be enrolled: eu-west-1 did not say")],
    );
}

#[test]
fn what_to_do_follows_from_why_it_is_still_there() {
    let mut locked = with(due());
    locked.holds.locked.insert("snap-x".into());
    for (inventory, todo) in [
        (with(due()), "look at the manager's last reports"),
        (locked, "release it if it is not needed"),
        (of(&["vol-a"], vec![due()]), "see why there is no newer good backup"),
        (with(due().made_copy_of("snap-p", "eu-west-1")), "see why there is no newer good backup"),
    ] {
        let findings = plan(&inventory, &run(RUN)).findings;
        let Some(finding) = findings.iter().find(|it| it.kind == FindingKind::NotDeleted) else {
            panic!("{findings:#?}")
        };
        assert!(finding.todo.starts_with(todo), "{finding:#?}");
    }
}

#[test]
fn what_has_no_date_or_none_that_can_be_read_is_found() {
    check_one(due().untagged(DELETE_ON), &["Undated i-1: snap-x has no DeleteOn and will never expire"]);
    check_one(due().until("soon"), &["UnreadableTag snap-x: tag DeleteOn is \"soon\""]);
    check_one(due().untagged(DELETE_ON).tagged(KEEP_FOREVER, ""), &[]);
    check_one(due().until("soon").tagged(KEEP_FOREVER, ""), &[]);
    check_one(due().untagged(DELETE_ON).untagged(TYPE), &[]);
}

/// Until its day came it was rightly there.
#[test]
fn it_should_be_gone_since_the_day_on_which_it_was_due() {
    let since = since(&with(due()), FindingKind::NotDeleted).unwrap();
    assert_eq!(run(RUN).day_of(since).to_string(), "2026-11-19");
}

/// The other member expired on its day; that is no failed backup.
#[test]
fn a_member_that_is_kept_forever_alone_of_its_set_is_no_finding() {
    let held = due().in_set("i-gone", &["vol-gone", "vol-gone-2"]).tagged(KEEP_FOREVER, "");
    let held = Snapshot { volume_as_told: "vol-gone".into(), ..held };
    let plan = plan(&with(held), &run(RUN));
    assert!(plan.findings.is_empty(), "{:#?}", plan.findings);
}
