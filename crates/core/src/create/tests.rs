use super::*;
use crate::{
    fixtures::{automated, by_hand, day, instance, region, run, volume},
    inventory::{
        InstanceState,
        SnapshotState::{Completed, Error, Pending},
    },
    tags::{BACKUP, COPY_DEST, NAME, RETENTION},
};

mod dates;
mod sets;
mod three_years;

/// A Saturday.
const RUN: &str = "2026-11-21T05:00:00Z";
const YES: (&str, &str) = (BACKUP, "Yes");

/// The plan in one line for each thing that it says.
fn told(plan: &Plan<Create>) -> Vec<String> {
    let members = |backup: &Backup| backup.members.iter().map(VolumeId::as_str).collect::<Vec<_>>().join(" ");
    let actions = plan.actions.iter().map(|action| match action {
        Create::Backup(backup) => format!("backup {}: {}", backup.instance, members(backup)),
        Create::Date(date) => format!("date {}: {}", date.snapshot, date.delete_on),
    });
    let kept = plan.kept.iter().map(|kept| format!("keep {}: {}", kept.resource, kept.reason.kind()));
    let findings = plan.findings.iter().map(|finding| {
        let what = finding.what.split(": expected").next().unwrap();
        format!("find {}: {what}", finding.resource)
    });
    actions.chain(kept).chain(findings).collect()
}

#[track_caller]
fn check(inventory: &Inventory, expected: &[&str]) {
    let plan = plan(inventory, &run(RUN));
    assert_eq!(told(&plan), expected);
    assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
}

/// The only backup that is planned.
#[track_caller]
fn only_backup(inventory: &Inventory) -> Backup {
    let plan = plan(inventory, &run(RUN));
    let [Create::Backup(backup)] = plan.actions.as_slice() else { panic!("{:?}", told(&plan)) };
    backup.clone()
}

fn of(instances: Vec<Instance>) -> Inventory {
    Inventory { instances, ..Inventory::default() }
}

/// `i-1` with `vol-a`, and what was taken before.
fn after(snapshots: Vec<Snapshot>, tags: &[(&str, &str)]) -> Inventory {
    Inventory { instances: vec![instance("i-1", &["vol-a"], tags)], snapshots, ..Inventory::default() }
}

#[test]
fn every_enrolled_instance_is_backed_up_and_no_other() {
    #[track_caller]
    fn check_one(volumes: &[&str], tags: &[(&str, &str)], expected: &[&str]) {
        check(&of(vec![instance("i-1", volumes, tags)]), expected);
    }
    check_one(&["vol-a"], &[YES], &["backup i-1: vol-a"]);
    check_one(&["vol-a"], &[(BACKUP, " yES ")], &["backup i-1: vol-a"]);
    check_one(&["vol-a", "vol-b", "vol-c"], &[YES], &["backup i-1: vol-a vol-b vol-c"]);
    check_one(&["vol-a"], &[(BACKUP, "No")], &["keep i-1: opted_out"]);
    check_one(&["vol-a"], &[], &["keep i-1: not_enrolled"]);
    // an instance that has only instance store is no error
    check_one(&[], &[YES], &["keep i-1: no_volumes"]);
    // what cannot be read
    check_one(&["vol-a"], &[(BACKUP, "Yse")], &["keep i-1: unreadable_backup", "find i-1: tag Backup is \"Yse\""]);
    check_one(&["vol-a"], &[(BACKUP, "")], &["keep i-1: unreadable_backup", "find i-1: tag Backup is \"\""]);
    check_one(
        &["vol-a"],
        &[YES, (RETENTION, "2weeks"), (COPY_DEST, "mars")],
        &["backup i-1: vol-a", "find i-1: tag Retention is \"2weeks\"", "find i-1: tag Copy_Dest is \"mars\""],
    );
    check_one(&["vol-a"], &[(BACKUP, "No"), (RETENTION, "2weeks")], &["keep i-1: opted_out"]);
}

#[test]
fn one_bad_tag_harms_no_other_instance() {
    check(
        &of(vec![
            instance("i-1", &["vol-a"], &[YES, (RETENTION, "int(2w)")]),
            instance("i-2", &["vol-b"], &[(BACKUP, "?")]),
            instance("i-3", &["vol-c"], &[YES]),
        ]),
        &[
            "backup i-1: vol-a",
            "backup i-3: vol-c",
            "keep i-2: unreadable_backup",
            "find i-1: tag Retention is \"int(2w)\"",
            "find i-2: tag Backup is \"?\"",
        ],
    );
}

#[test]
fn a_stopped_or_hibernated_instance_is_backed_up_and_a_terminated_one_is_not() {
    for (state, expected) in [
        (InstanceState::Pending, "backup i-1: vol-a"),
        (InstanceState::Running, "backup i-1: vol-a"),
        (InstanceState::Stopping, "backup i-1: vol-a"),
        (InstanceState::Stopped, "backup i-1: vol-a"),
        (InstanceState::Unknown, "backup i-1: vol-a"),
        (InstanceState::ShuttingDown, "keep i-1: gone"),
        (InstanceState::Terminated, "keep i-1: gone"),
    ] {
        check(&of(vec![instance("i-1", &["vol-a"], &[YES]).in_state(state)]), &[expected]);
    }
}

#[test]
fn a_volume_that_is_left_out_is_left_out() {
    /// `i-1` has the root volume `vol-a`, `vol-b` and `vol-c`.
    #[track_caller]
    fn check_without(left_out: &[&str], members: &[&str], boot: bool, data: &[&str]) {
        let backup = only_backup(&Inventory {
            instances: vec![instance("i-1", &["vol-a", "vol-b", "vol-c"], &[YES])],
            volumes: left_out.iter().map(|id| volume(id, &[(BACKUP, "no")])).collect(),
            ..Inventory::default()
        });
        assert_eq!(backup.members.iter().map(VolumeId::as_str).collect::<Vec<_>>(), members);
        assert_eq!(backup.excludes_boot(), boot);
        assert_eq!(backup.excluded_data().into_iter().map(VolumeId::as_str).collect::<Vec<_>>(), data);
    }
    check_without(&[], &["vol-a", "vol-b", "vol-c"], false, &[]);
    check_without(&["vol-a"], &["vol-b", "vol-c"], true, &[]);
    check_without(&["vol-b"], &["vol-a", "vol-c"], false, &["vol-b"]);
    check_without(&["vol-a", "vol-c"], &["vol-b"], true, &["vol-c"]);
    check_without(&["vol-of-another"], &["vol-a", "vol-b", "vol-c"], false, &[]);

    let with = |tags: &[(&str, &str)]| Inventory {
        instances: vec![instance("i-1", &["vol-a"], &[YES])],
        volumes: vec![volume("vol-a", tags)],
        ..Inventory::default()
    };
    check(&with(&[(BACKUP, "No")]), &["keep i-1: opted_out"]);
    check(&with(&[(BACKUP, "Yes")]), &["backup i-1: vol-a"]);
    check(&with(&[(BACKUP, "Nope")]), &["backup i-1: vol-a", "find vol-a: tag Backup is \"Nope\""]);
}

#[test]
fn what_this_run_has_already_is_not_taken_again() {
    let of_this_run = |id, volume| automated(id, volume, "2026-11-21").until("2026-11-28");
    for state in [Pending, Completed, Error] {
        check(&after(vec![of_this_run("snap-1", "vol-a").in_state(state)], &[YES]), &["keep i-1: already_taken"]);
    }
    // what is no primary of this run says nothing
    let backup = &["backup i-1: vol-a"];
    check(&after(vec![automated("snap-1", "vol-a", "2026-11-20").until("2026-11-27")], &[YES]), backup);
    check(&after(vec![of_this_run("snap-1", "vol-a").made_copy_of("snap-p", "eu-west-1")], &[YES]), backup);
    check(&after(vec![of_this_run("snap-1", "vol-a").untagged(tags::TYPE)], &[YES]), backup);
    // somebody asked for one in the same second
    check(&after(vec![of_this_run("snap-1", "vol-a").tagged(tags::SCRIPTED, tags::YES)], &[YES]), backup);
    check(&after(vec![by_hand("snap-1", "vol-a", "2026-11-21")], &[YES]), backup);
    // what an earlier try left undone is done now, and only that
    let mut rest = after(vec![of_this_run("snap-1", "vol-b")], &[]);
    rest.instances = vec![instance("i-1", &["vol-a", "vol-b", "vol-c"], &[YES])];
    check(&rest, &["backup i-1: vol-a vol-c"]);
    assert_eq!(only_backup(&rest).excluded_data(), [&VolumeId::from("vol-b")]);
}

#[test]
fn a_volume_on_several_instances_is_taken_once() {
    let inventory = of(vec![
        instance("i-3", &["vol-shared"], &[YES]),
        instance("i-2", &["vol-b", "vol-shared"], &[YES]),
        instance("i-1", &["vol-a", "vol-shared"], &[YES]),
    ]);
    check(&inventory, &["backup i-1: vol-a vol-shared", "backup i-2: vol-b", "keep i-3: taken_with_another"]);
    // by one that is backed up at all
    let inventory = of(vec![
        instance("i-1", &["vol-shared"], &[(BACKUP, "No")]),
        instance("i-2", &["vol-shared"], &[YES]).in_state(InstanceState::Terminated),
        instance("i-3", &["vol-shared"], &[YES]),
    ]);
    check(&inventory, &["backup i-3: vol-shared", "keep i-1: opted_out", "keep i-2: gone"]);
}

#[test]
fn a_shared_volume_is_copied_to_as_many_regions_as_a_tag_can_name() {
    let names: Vec<String> = (0..30).map(|n| format!("xx-somewhere-{n}")).collect();
    let [these, those] = [&names[..15], &names[15..]].map(|names| names.join(" "));
    let inventory = of(vec![
        instance("i-1", &["vol-shared"], &[YES, (COPY_DEST, &these)]),
        instance("i-2", &["vol-shared"], &[YES, (COPY_DEST, &those)]),
    ]);
    let plan = plan(&inventory, &run(RUN));
    let Some(Create::Backup(backup)) = plan.actions.first() else { panic!("{:?}", told(&plan)) };
    let named = backup.tags.get(COPY_DEST).unwrap();
    assert!(named.chars().count() <= tags::MAX_VALUE, "{named}");
    let [finding] = plan.findings.as_slice() else { panic!("{:?}", plan.findings) };
    let told = |name: &&String| named.split(' ').chain(finding.what.split([' ', ':'])).any(|it| it == name.as_str());
    assert_eq!((finding.kind, names.iter().filter(told).count()), (FindingKind::CopyMissing, names.len()));
}

#[test]
fn a_tag_is_filled_to_its_last_character() {
    // with the space between them 256 characters, and 257
    for (length, expected) in [(127, (Some(256), None)), (128, (Some(128), Some(128)))] {
        let regions = [("xx", 128), ("yy", length)]
            .map(|(place, length)| region(&format!("{place}-{}-1", "a".repeat(length - 5))));
        let (named, others) = what_fits_one_tag(&regions.iter().collect());
        assert_eq!((named.map(|it| it.len()), others.map(|it| it.len())), expected);
    }
}

#[test]
fn the_one_whose_last_good_backup_is_oldest_goes_first() {
    let good = |id, volume, day| automated(id, volume, day).until("2027-01-01");
    let inventory = Inventory {
        instances: vec![
            instance("i-1", &["vol-a"], &[YES, (RETENTION, "7d")]),
            instance("i-2", &["vol-b"], &[YES]),
            instance("i-3", &["vol-c"], &[YES]),
            instance("i-4", &["vol-d"], &[YES]),
            instance("i-5", &["vol-e", "vol-f"], &[YES]),
        ],
        snapshots: vec![
            good("snap-a", "vol-a", "2026-11-20"),
            good("snap-b", "vol-b", "2026-11-18"),
            // vol-c has none; vol-d's newest is none
            good("snap-d1", "vol-d", "2026-11-16"),
            good("snap-d2", "vol-d", "2026-11-20").in_state(Error),
            // the volume that is worst off decides, and what was taken undated is dated last
            good("snap-e", "vol-e", "2026-11-20"),
            good("snap-f", "vol-f", "2026-11-17"),
            automated("snap-g", "vol-g", "2026-11-20"),
        ],
        ..Inventory::default()
    };
    check(
        &inventory,
        &[
            "backup i-3: vol-c",
            "backup i-4: vol-d",
            "backup i-5: vol-e vol-f",
            "backup i-2: vol-b",
            "backup i-1: vol-a",
            "date snap-g: 2026-11-27",
        ],
    );
}

#[test]
fn a_snapshot_is_created_with_every_tag_that_its_later_life_needs() {
    #[track_caller]
    fn check_tags(tags: &[(&str, &str)], expected: &[(&str, &str)]) {
        let backup = only_backup(&Inventory {
            instances: vec![instance("i-1", &["vol-a", "vol-b", "vol-c"], tags)],
            volumes: vec![volume("vol-b", &[(BACKUP, "No")])],
            ..Inventory::default()
        });
        let always = [
            ("Type", "Automated"),
            ("Backup_Run", "2026-11-21T05:00:00Z"),
            ("Source_InstanceId", "i-1"),
            ("Source_Region", "us-east-1"),
            ("Source_Devices", "/dev/xvda=vol-a /dev/sd1=vol-b:excluded /dev/sd2=vol-c"),
        ];
        let expected: Tags = always.into_iter().chain(expected.iter().copied()).collect();
        assert_eq!(backup.tags, expected);
    }
    check_tags(&[YES], &[("DeleteOn", "2026-11-28")]);
    check_tags(&[YES, (RETENTION, "30")], &[("DeleteOn", "2026-12-21")]);
    check_tags(&[YES, (NAME, "web"), ("Team", "x")], &[("DeleteOn", "2026-11-28"), ("Name", "web")]);
    // undated where the retention cannot be read
    check_tags(&[YES, (RETENTION, "x")], &[]);
    // of the destinations those that can be read, as region names
    let dated = ("DeleteOn", "2026-11-28");
    check_tags(&[YES, (COPY_DEST, " EU-West-1,us-west-2 ")], &[dated, ("Copy_Dest", "eu-west-1 us-west-2")]);
    check_tags(&[YES, (COPY_DEST, "mars us-west-2 us-east-1")], &[dated, ("Copy_Dest", "us-west-2")]);
    check_tags(&[YES, (COPY_DEST, "us-east-1")], &[dated]);
}

#[test]
fn a_destination_that_is_none_is_reported() {
    check(
        &of(vec![instance("i-1", &["vol-a"], &[YES, (COPY_DEST, "us-west-2 us-east-1 mars")])]),
        &["backup i-1: vol-a", "find i-1: tag Copy_Dest is \"us-east-1\"", "find i-1: tag Copy_Dest is \"mars\""],
    );
}

#[test]
fn a_description_names_instance_volume_device_and_region() {
    #[track_caller]
    fn check_description(name: Option<&str>, volumes: &[&str], expected: &str) {
        let tags: Vec<(&str, &str)> = [YES].into_iter().chain(name.map(|name| (NAME, name))).collect();
        let description = only_backup(&of(vec![instance("i-1", volumes, &tags)])).description();
        assert_eq!(description, expected);
        assert!(description.chars().count() <= 255);
    }
    check_description(Some("web"), &["vol-a"], "web (i-1) - vol-a (/dev/xvda) - us-east-1");
    check_description(Some("web"), &["vol-a", "vol-b"], "web (i-1) - 2 volumes - us-east-1");
    check_description(None, &["vol-a"], "i-1 - vol-a (/dev/xvda) - us-east-1");
    check_description(Some(""), &["vol-a", "vol-b", "vol-c"], "i-1 - 3 volumes - us-east-1");
    // cut to what EC2 takes, at the name's end
    let rest = " (i-1) - vol-a (/dev/xvda) - us-east-1";
    let cut = "ä".repeat(255 - rest.len());
    check_description(Some(&"ä".repeat(256)), &["vol-a"], &format!("{cut}{rest}"));
    check_description(Some(&cut), &["vol-a"], &format!("{cut}{rest}"));
    // of one volume of several it is the one volume's
    let backup = only_backup(&of(vec![instance("i-1", &["vol-a", "vol-b"], &[YES])]));
    let alone = backup.without(&"vol-a".into()).unwrap();
    assert_eq!(alone.description(), "i-1 - vol-b (/dev/sd1) - us-east-1");
}

#[test]
fn a_step_is_told_in_words() {
    let named: &[(&str, &str)] = &[YES, (NAME, "web"), (RETENTION, "x")];
    let of_one = only_backup(&of(vec![instance("i-1", &["vol-a"], named)]));
    let odd = only_backup(&of(vec![instance("i-1", &["vol-a"], &[YES, (NAME, "a\u{1b}[2J\nb"), (RETENTION, "x")])]));
    assert!(Create::Backup(odd).to_string().contains(r"(a\u{1b}[2J\nb)"), "it stays on its line");
    let of_two = only_backup(&of(vec![instance("i-1", &["vol-a", "vol-b"], &[YES])]));
    let kept =
        |retention| Create::Backup(only_backup(&of(vec![instance("i-1", &["vol-a"], &[YES, (RETENTION, retention)])])));
    let date = Date { snapshot: "snap-1".into(), taken: day("2026-11-10"), delete_on: day("2026-11-17") };
    for (action, words, resource) in [
        (Create::Backup(of_one), "snapshot vol-a of i-1 (web), undated: its tag Retention cannot be read", "i-1"),
        (Create::Backup(of_two), "snapshot 2 volumes of i-1 together, kept until 2026-11-28: 7d by default", "i-1"),
        (kept("7d 4w"), "snapshot vol-a of i-1, kept until 2026-12-19: 7d 4w, first good one of its week", "i-1"),
        (kept("7d 12m"), "snapshot vol-a of i-1, kept until 2027-11-21: 7d 12m, first good one of its month", "i-1"),
        (kept("7d 3y"), "snapshot vol-a of i-1, kept until 2029-11-21: 7d 3y, first good one of its year", "i-1"),
        // being the first of its week keeps it no longer
        (kept("7d 1w"), "snapshot vol-a of i-1, kept until 2026-11-28: 7d 1w", "i-1"),
        (Create::Date(date), "date snap-1, taken undated on 2026-11-10: kept until 2026-11-17", "snap-1"),
    ] {
        assert_eq!(action.to_string(), words);
        assert_eq!(action.resource(), resource);
    }
}

#[test]
fn the_region_of_the_run_is_the_source_region() {
    let mut run = run(RUN);
    run.region = region("eu-west-1");
    let plan = plan(&of(vec![instance("i-1", &["vol-a"], &[YES, (COPY_DEST, "us-east-1")])]), &run);
    let [Create::Backup(backup)] = plan.actions.as_slice() else { panic!("{:?}", told(&plan)) };
    assert_eq!(backup.tags.get(tags::SOURCE_REGION), Some("eu-west-1"));
    assert_eq!(backup.tags.get(COPY_DEST), Some("us-east-1"));
}
