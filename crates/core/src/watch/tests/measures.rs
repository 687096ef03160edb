use super::*;
use crate::plan::Measure;

/// The numbers at that instant: protected, unprotected, and the age of the oldest last good backup in hours.
#[track_caller]
fn check_at(instant: &str, inventory: &Inventory, protected: u64, unprotected: u64, oldest: Option<u64>) {
    let measures = plan(inventory, &run(instant)).measures;
    let mut expected = BTreeMap::from([
        ("VolumesProtected", Measure::Count(protected)),
        ("VolumesUnprotected", Measure::Count(unprotected)),
    ]);
    expected.extend(oldest.map(|hours| ("OldestBackupAge", Measure::Seconds(hours * 3_600))));
    assert_eq!(measures, expected);
}

#[track_caller]
fn check(inventory: &Inventory, protected: u64, unprotected: u64, oldest: Option<u64>) {
    check_at(RUN, inventory, protected, unprotected, oldest);
}

#[test]
fn an_account_without_volumes_has_numbers_as_well() {
    check(&Inventory::default(), 0, 0, None);
    check(&of(&[], vec![automated("snap-1", "vol-a", "2026-11-21")]), 0, 0, None);
}

#[test]
fn a_volume_is_protected_as_long_as_its_last_good_backup_is_within_the_rpo() {
    check(&healthy(), 1, 0, Some(4));
    check_at("2026-11-22T11:00:00Z", &healthy(), 1, 0, Some(30));
    check_at("2026-11-22T12:00:00Z", &healthy(), 0, 1, Some(31));
    let failed = automated("snap-2", "vol-a", "2026-11-21").in_state(Error);
    check(&of(&["vol-a"], vec![automated("snap-1", "vol-a", "2026-11-20"), failed]), 1, 0, Some(28));
    // a run that answers to an earlier instant than the backup
    check_at("2026-11-21T04:00:00Z", &healthy(), 1, 0, Some(0));
}

#[test]
fn each_volume_counts_and_the_oldest_backup_is_that_of_the_worst() {
    let snapshots = vec![
        automated("snap-a1", "vol-a", "2026-11-20"),
        automated("snap-a2", "vol-a", "2026-11-21"),
        automated("snap-b", "vol-b", "2026-11-19"),
        by_hand("snap-c", "vol-c", "2026-11-21"),
    ];
    // vol-b is late and vol-c was never backed up
    check(&of(&["vol-a", "vol-b", "vol-c"], snapshots.clone()), 1, 2, Some(52));
    let mut one_left_out = of(&["vol-a", "vol-b", "vol-c"], snapshots);
    one_left_out.volumes[1] = volume("vol-b", &[(BACKUP, "No")]).on("i-1");
    check(&one_left_out, 1, 1, Some(4));
}

#[test]
fn a_set_that_lacks_a_member_protects_nothing() {
    let member = automated("snap-a", "vol-a", "2026-11-21").in_set("i-1", &["vol-a", "vol-b"]);
    check(&of(&["vol-a", "vol-b"], vec![member]), 0, 2, None);
}

#[test]
fn what_is_new_is_neither_protected_nor_unprotected() {
    let mut inventory = of(&["vol-a"], vec![]);
    inventory.instances[0].devices[0].attached = Some(at("2026-11-20T03:00:00Z"));
    check(&inventory, 0, 0, None);
    check_at("2026-11-21T09:00:01Z", &inventory, 0, 1, None);
}

#[test]
fn a_volume_that_instances_share_counts_once() {
    let mut inventory = healthy();
    inventory.instances.push(instance("i-2", &["vol-a"], &[YES]));
    check(&inventory, 1, 0, Some(4));
    inventory.snapshots.clear();
    check(&inventory, 0, 1, None);
}

#[test]
fn what_nobody_left_out_is_unprotected_if_it_has_no_snapshot_at_all() {
    let mut inventory = healthy();
    inventory.instances.push(instance("i-no", &[], &[(BACKUP, "No")]));
    inventory.instances.push(instance("i-gone", &["vol-z"], &[YES]).in_state(InstanceState::Terminated));
    inventory.volumes.push(volume("vol-x", &[]));
    inventory.volumes.push(volume("vol-y", &[(BACKUP, "No")]));
    inventory.volumes.push(volume("vol-n", &[]).on("i-no"));
    check(&inventory, 1, 1, Some(4));
    inventory.snapshots.push(by_hand("snap-x", "vol-x", "2024-01-01"));
    check(&inventory, 1, 0, Some(4));
}
