//! However the lists come in pages, the plan is the one of the whole lists.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use proptest::{prelude::*, sample::select};

use super::{Inventory, RUN, reference};
use crate::{
    copy::Copies,
    delete::{self, Found},
    enrolment::Enrolment,
    fixtures::{at, automated, by_hand, instance, region, run, volume},
    inventory::{
        Device, Instance,
        InstanceState::{Running, Stopped, Terminated},
        Snapshot,
        SnapshotState::{self, Completed, Error, InRecycleBin, Pending, Unknown},
        Volume,
    },
    tags::{
        AUTOMATED, BACKUP, BACKUP_REQUEST, BACKUP_RUN, COPY_DEST, DELETE_ON, KEEP_FOREVER, RETENTION, SOURCE_DEVICES,
        SOURCE_INSTANCE_ID, SOURCE_REGION, SOURCE_SNAPSHOT_ID, SOURCE_VOLUME_ID, STOPPED, TYPE,
    },
    watch::{self, Seen},
};

const VOLUMES: [&str; 5] = ["vol-a", "vol-b", "vol-c", "vol-d", "vol-0123456789abcdef0"];
const REGIONS: [&str; 3] = ["ap-south-1", "eu-west-1", "us-west-2"];

type Tag = Option<&'static str>;

/// A tag, now and then spoiled, and now and then not there.
fn tag(usual: &[&'static str], spoiled: &[&'static str]) -> impl Strategy<Value = Tag> + use<> {
    let (usual, spoiled) = (select(usual.to_vec()), select(spoiled.to_vec()));
    prop_oneof![14 => usual.prop_map(Some), 1 => spoiled.prop_map(Some), 1 => Just(None)]
}

/// A tag that is rarely there.
fn rarely(values: &[&'static str]) -> impl Strategy<Value = Tag> + use<> {
    prop_oneof![9 => Just(None), 1 => select(values.to_vec()).prop_map(Some)]
}

fn destinations() -> impl Strategy<Value = Tag> {
    let spoiled = ["", "mars us-west-2", "us-east-1", "sa-east-1"];
    prop_oneof![1 => Just(None), 2 => tag(&["eu-west-1", "eu-west-1 us-west-2", "ap-south-1"], &spoiled)]
}

fn pairs(tags: &[(&'static str, Tag)]) -> Vec<(&'static str, &'static str)> {
    tags.iter().filter_map(|(key, value)| Some((*key, (*value)?))).collect()
}

fn instances() -> impl Strategy<Value = Instance> {
    (
        select(vec![Running, Running, Stopped, Terminated]),
        tag(&["Yes", "Yes", "Yes", "No"], &["Yse"]),
        rarely(&["7d", "2weeks"]),
        destinations(),
        rarely(&["2026-11-21T08:59:00Z word", "?"]),
        prop::collection::btree_map(0..VOLUMES.len(), prop::option::of(0..60_i64), 0..4),
        0..60_i64,
    )
        .prop_map(|(state, backup, retention, to, mark, devices, launched)| {
            let tags = [(BACKUP, backup), (RETENTION, retention), (COPY_DEST, to), (STOPPED, mark)];
            let ago = |hours| at(RUN) - TimeDelta::hours(hours);
            let device = |(number, attached): (usize, Option<i64>)| Device {
                name: format!("/dev/sd{number}"),
                volume: VOLUMES[number].into(),
                attached: attached.map(ago),
            };
            Instance {
                launched: ago(launched),
                devices: devices.into_iter().map(device).collect(),
                ..instance("i-", &[], &pairs(&tags)).in_state(state)
            }
        })
}

fn volumes() -> impl Strategy<Value = Volume> {
    let on = prop::collection::vec(select(vec!["i-0", "i-1", "i-2", "i-9"]), 0..3);
    (0..60_i64, on, prop_oneof![3 => Just(None), 1 => tag(&["No", "Yes"], &["Nope"])]).prop_map(
        |(hours, on, backup)| {
            let plain = volume("vol-", &pairs(&[(BACKUP, backup)]));
            let volume = Volume { created: at(RUN) - TimeDelta::hours(hours), ..plain };
            on.into_iter().fold(volume, Volume::on)
        },
    )
}

fn states() -> impl Strategy<Value = SnapshotState> {
    let usual: Vec<SnapshotState> = [[Completed; 3], [Completed; 3], [Completed, Pending, Error]].concat();
    prop_oneof![12 => select(usual), 1 => select(vec![InRecycleBin, Unknown])]
}

fn snapshots() -> impl Strategy<Value = Snapshot> {
    let layouts = [
        "/dev/xvda=vol-a",
        "/dev/xvda=vol-a /dev/sdb=vol-b",
        "/dev/xvda=vol-a /dev/sdb=vol-b /dev/sdc=vol-c",
        "/dev/xvda=vol-b /dev/sdb=vol-0123456789abcdef0",
        "/dev/xvda=vol-c",
        "/dev/xvda=vol-b /dev/sdb=vol-c:excluded",
    ];
    let runs = ["2026-11-18T05:00:00Z", "2026-11-19T05:00:00Z", "2026-11-20T05:00:00Z", "2026-11-21T05:00:00Z"];
    let days = ["2026-11-18", "2026-11-20", "2026-11-21", "2026-11-22", "2026-12-21", "2027-11-21"];
    (
        (select(VOLUMES.to_vec()), states(), rarely(&["no such key"])),
        // days, seconds and thousandths of them before now
        (0..4_i64, 0..3_i64, select(vec![0, 0, 0, 700_i64])),
        tag(&[AUTOMATED], &["Manual", ""]),
        (tag(&runs, &["yesterday", ""]), rarely(&["request-1", "request-2", ""])),
        (tag(&["i-1", "i-1", "i-2"], &[""]), tag(&layouts, &["", "?", "/dev/xvda=vol-a:excluded"])),
        (tag(&days, &["soon", "", "2026-11-1"]), rarely(&["", "audit"])),
        destinations(),
        // of copies: from where, and of what
        prop::option::weighted(0.2, (tag(&["eu-west-1", "us-east-1"], &["mars"]), tag(&VOLUMES, &["vol-z", ""]))),
    )
        .prop_map(|((volume, state, message), (days, seconds, thousandths), kind, run, of, until, to, copy)| {
            let begun =
                at(RUN) - TimeDelta::days(days) - TimeDelta::seconds(seconds) - TimeDelta::milliseconds(thousandths);
            let (from, source) = copy.unwrap_or_default();
            let tags = [
                (TYPE, kind),
                (BACKUP_RUN, run.0),
                (BACKUP_REQUEST, run.1),
                (SOURCE_INSTANCE_ID, of.0),
                (SOURCE_DEVICES, of.1),
                (DELETE_ON, until.0),
                (KEEP_FOREVER, until.1),
                (COPY_DEST, to),
                (SOURCE_SNAPSHOT_ID, copy.map(|_| "snap-primary")),
                (SOURCE_REGION, from),
                (SOURCE_VOLUME_ID, source),
            ];
            let snapshot = by_hand("snap-", volume, "2026-11-20").in_state(state);
            let snapshot = Snapshot { started: begun, message: message.map(str::to_owned), ..snapshot };
            pairs(&tags).into_iter().fold(snapshot, |snapshot, (key, value)| snapshot.tagged(key, value))
        })
}

/// An id of EC2's, or another one.
fn id(number: usize) -> String {
    if number.is_multiple_of(5) { format!("snap-{number:x}") } else { format!("snap-{number:017x}") }
}

/// What a region has, or that it does not answer, or is not even asked.
fn there() -> impl Strategy<Value = Option<Result<Copies, String>>> {
    let copy = (0..30_usize, 0..60_i64, states(), rarely(&["no such key"]));
    let copies = prop::collection::vec(copy, 0..25).prop_map(|drawn| {
        let copy = |(number, (of, hours, state, message)): (usize, (usize, i64, SnapshotState, Tag))| {
            let copy = automated(&format!("copy-{number}"), "vol-a", "2026-11-20").made_copy_of(&id(of), "us-east-1");
            let started = at(RUN) - TimeDelta::hours(hours);
            Snapshot { started, message: message.map(str::to_owned), ..copy.in_state(state) }
        };
        let copies: Vec<Snapshot> = drawn.into_iter().enumerate().map(copy).collect();
        copies.iter().collect::<Copies>()
    });
    prop_oneof![
        8 => copies.prop_map(|copies| Some(Ok(copies))),
        1 => Just(Some(Err("does not answer".to_owned()))),
        1 => Just(None),
    ]
}

fn accounts() -> impl Strategy<Value = Inventory> {
    let held = (prop::bool::weighted(0.05), prop::bool::weighted(0.05));
    (
        prop::collection::vec(instances(), 0..4),
        prop::collection::vec(volumes(), 0..=VOLUMES.len()),
        prop::collection::vec((snapshots(), held), 0..30),
        prop::collection::vec(there(), REGIONS.len()),
        prop::option::of(prop::collection::vec(instances(), 0..2)),
    )
        .prop_map(|(instances, volumes, snapshots, regions, ireland)| {
            let mut account = Inventory::default();
            for (number, instance) in instances.into_iter().enumerate() {
                account.instances.push(Instance { id: format!("i-{number}").into(), ..instance });
            }
            for (id, volume) in VOLUMES.into_iter().zip(volumes) {
                account.volumes.push(Volume { id: id.into(), ..volume });
            }
            account.holds.enrolment = Enrolment::of(&account.instances, &account.volumes);
            for (number, (snapshot, (is_used, is_locked))) in snapshots.into_iter().enumerate() {
                let snapshot = Snapshot { id: id(number).into(), ..snapshot };
                account.holds.in_use.extend(is_used.then(|| (snapshot.id.clone(), "ami-1".into())));
                account.holds.locked.extend(is_locked.then(|| snapshot.id.clone()));
                account.snapshots.push(snapshot);
            }
            let named = REGIONS.iter().zip(regions);
            account.destinations = named.filter_map(|(name, there)| Some((region(name), there?))).collect();
            let ireland = ireland.map(|instances| (region("eu-west-1"), Enrolment::of(&instances, &[])));
            account.holds.elsewhere = ireland.into_iter().collect::<BTreeMap<_, _>>();
            account
        })
}

/// A list in pages of these lengths, and what is left in a last one.
fn paged<'a, T>(all: &'a [T], lengths: &[usize]) -> Vec<&'a [T]> {
    let mut rest = all;
    let mut pages: Vec<&[T]> = Vec::new();
    for length in lengths {
        let (page, more) = rest.split_at((*length).min(rest.len()));
        pages.push(page);
        rest = more;
    }
    pages.push(rest);
    pages
}

/// Tells of the regions that are named and of which there is something to tell.
fn look(seen: &mut Seen, account: &Inventory) {
    for region in seen.unread() {
        if let Some(there) = account.destinations.get(&region) {
            seen.there(region, there.clone());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_plan_does_not_depend_on_the_pages(
        account in accounts(),
        lengths in prop::collection::vec(0..8_usize, 0..6),
        looks in prop::collection::vec(prop::bool::weighted(0.6), 6),
    ) {
        let mut run = run(RUN);
        run.settings.alert_topic = Some("arn:aws:sns:us-east-1:123456789012:alerts".parse().unwrap());
        let mut seen = Seen::new(&run);
        for page in paged(&account.instances, &lengths) {
            seen.add_instances(page);
        }
        for page in paged(&account.volumes, &lengths) {
            seen.add_volumes(page);
        }
        for (page, looks) in paged(&account.snapshots, &lengths).into_iter().zip(looks) {
            seen.add_snapshots(page);
            if looks {
                look(&mut seen, &account);
            }
        }
        look(&mut seen, &account);
        // of those that nobody names nothing would be asked, but what is told counts
        for (region, there) in &account.destinations {
            seen.there(region.clone(), there.clone());
        }
        let asked = delete::regions_to_ask(&Found::of(&account.snapshots, &run), &account.holds, &run);
        prop_assert_eq!(seen.regions_to_ask(&account.holds), asked);
        prop_assert_eq!(watch::plan(seen, &account.holds, &account.rds), reference::plan(&account, &run));
    }
}
