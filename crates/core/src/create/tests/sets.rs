//! Several volumes of one instance: one call, one description, one fate.

use super::{RUN, YES, check, only_backup, told};
use crate::{
    create::{Backup, Create, Inventory, plan},
    fixtures::{automated, instance, run, volume},
    ids::VolumeId,
    inventory::{Instance, SnapshotState::Pending, Volume},
    plan::FindingKind,
    tags::{BACKUP, DELETE_ON, RETENTION},
};

const WEEKLY: (&str, &str) = (RETENTION, "7d 4w");

/// `i-1` with `count` volumes, `vol-000` the root volume.
fn large(count: usize) -> Instance {
    let volumes: Vec<String> = (0..count).map(|n| format!("vol-{n:03}")).collect();
    instance("i-1", &volumes.iter().map(String::as_str).collect::<Vec<_>>(), &[YES])
}

fn left_out(numbers: std::ops::Range<usize>) -> Vec<Volume> {
    numbers.map(|n| volume(&format!("vol-{n:03}"), &[(BACKUP, "No")])).collect()
}

fn members(backup: &Backup) -> Vec<&str> {
    backup.members.iter().map(VolumeId::as_str).collect()
}

#[test]
fn past_forty_exclusions_each_volume_has_a_call_of_its_own() {
    #[track_caller]
    fn check_calls(count: usize, left_out: Vec<Volume>, calls: &[usize], consistent: bool) {
        let inventory = Inventory { instances: vec![large(count)], volumes: left_out, ..Inventory::default() };
        let plan = plan(&inventory, &run(RUN));
        let backups: Vec<&Backup> = plan
            .actions
            .iter()
            .map(|action| match action {
                Create::Backup(backup) => backup,
                Create::Date(date) => panic!("{date:?}"),
            })
            .collect();
        assert_eq!(backups.iter().map(|backup| backup.members.len()).collect::<Vec<_>>(), calls);
        let kinds: Vec<FindingKind> = plan.findings.iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, if consistent { vec![] } else { vec![FindingKind::NotConsistent] });
        for backup in &backups {
            assert!(backup.members.len() == 1 || backup.excluded_data().len() <= 40, "{:?}", told(&plan));
            assert_eq!(backup.tags, backups[0].tags, "all of one run and instance");
        }
    }
    check_calls(128, vec![], &[128], true);
    check_calls(50, left_out(1..41), &[10], true);
    // the root volume is left out by a flag of its own
    check_calls(50, left_out(0..41), &[9], true);
    check_calls(50, left_out(1..42), &[1; 9], false);
    check_calls(50, left_out(0..42), &[1; 8], false);
    check_calls(50, left_out(0..50), &[], true);
}

#[test]
fn a_single_volume_is_consistent_with_itself_however_many_are_left_out() {
    let inventory = Inventory { instances: vec![large(50)], volumes: left_out(1..50), ..Inventory::default() };
    check(&inventory, &["backup i-1: vol-000"]);
}

#[test]
fn a_set_goes_on_without_a_volume_that_fails() {
    let set = only_backup(&Inventory { instances: vec![large(3)], volumes: left_out(2..3), ..Inventory::default() });
    let rest = set.without(&"vol-000".into()).unwrap();
    assert_eq!(members(&rest), ["vol-001"]);
    assert!(rest.excludes_boot());
    assert_eq!(rest.excluded_data(), [&VolumeId::from("vol-002")]);
    assert_eq!(rest.tags, set.tags, "the layout still names what is missing: no good backup");
    assert_eq!(rest.without(&"vol-001".into()), None);
    assert_eq!(rest.without(&"vol-other".into()), Some(rest.clone()));

    let each = set.one_by_one();
    assert_eq!(each.iter().map(members).collect::<Vec<_>>(), [["vol-000"], ["vol-001"]]);
    assert!(each.iter().all(|one| one.tags == set.tags && one.instance == set.instance));
    assert_eq!(each[1].description(), "i-1 - vol-001 (/dev/sd1) - us-east-1");
}

#[test]
fn a_set_takes_what_was_attached_since_but_not_what_is_left_out() {
    let set = only_backup(&Inventory { instances: vec![large(3)], volumes: left_out(2..3), ..Inventory::default() });
    let taken = |backup: &Backup| {
        let volumes = ["vol-000", "vol-001", "vol-002", "vol-new"];
        volumes.into_iter().filter(|volume| backup.takes(&(*volume).into())).collect::<Vec<_>>()
    };
    assert_eq!(taken(&set), ["vol-000", "vol-001", "vol-new"]);
    // a call for one volume takes that one
    assert_eq!(taken(&set.without(&"vol-000".into()).unwrap()), ["vol-001"]);
}

/// `vol-a` has had its backup of the week, `vol-b` came later: the set of both is the week's first.
#[test]
fn members_dated_later_live_as_long_as_each_other() {
    let both = |id, volume| automated(id, volume, "2026-11-17").in_set("i-1", &["vol-a", "vol-b"]);
    let inventory = Inventory {
        instances: vec![instance("i-1", &["vol-a", "vol-b"], &[YES, WEEKLY])],
        snapshots: vec![
            automated("snap-0", "vol-a", "2026-11-16").until("2026-12-14"),
            both("snap-a", "vol-a"),
            both("snap-b", "vol-b"),
        ],
        ..Inventory::default()
    };
    check(&inventory, &["backup i-1: vol-a vol-b", "date snap-a: 2026-12-15", "date snap-b: 2026-12-15"]);
}

/// The same, where the first try of the run took `vol-b` only.
#[test]
fn members_taken_by_a_second_try_live_as_long_as_the_others() {
    let inventory = Inventory {
        instances: vec![instance("i-1", &["vol-a", "vol-b"], &[YES, WEEKLY])],
        snapshots: vec![
            automated("snap-0", "vol-a", "2026-11-16").until("2026-12-14"),
            automated("snap-b", "vol-b", "2026-11-21")
                .until("2026-12-19")
                .in_set("i-1", &["vol-a", "vol-b"])
                .in_state(Pending),
        ],
        ..Inventory::default()
    };
    let backup = only_backup(&inventory);
    assert_eq!(members(&backup), ["vol-a"]);
    assert_eq!(backup.tags.get(DELETE_ON), Some("2026-12-19"));
}
