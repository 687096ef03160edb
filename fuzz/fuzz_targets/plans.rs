//! All four plans, of any account. Ids are few, so that things belong together.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::Arbitrary;
use chrono::{DateTime, TimeDelta, Utc};
use libfuzzer_sys::fuzz_target;
use snapkeeper_core::{
    copy::{self, Copies, Copy},
    create::{self, Create},
    delete,
    enrolment::Enrolment,
    ids::{Region, SnapshotId, VolumeId},
    inventory::{Device, Instance, InstanceState, Snapshot, SnapshotState, Volume},
    run::{Job, Run},
    settings::Settings,
    tags::{self, DeleteOn, Tags},
    watch,
};

const KEYS: [&str; 15] = [
    tags::BACKUP,
    tags::RETENTION,
    tags::COPY_DEST,
    tags::NAME,
    tags::TYPE,
    tags::DELETE_ON,
    tags::BACKUP_RUN,
    tags::SOURCE_INSTANCE_ID,
    tags::SOURCE_REGION,
    tags::SOURCE_DEVICES,
    "Source_Devices_2",
    tags::SOURCE_VOLUME_ID,
    tags::SOURCE_SNAPSHOT_ID,
    tags::KEEP_FOREVER,
    "Other",
];
const WORDS: [&str; 16] = [
    "Yes",
    "Yes",
    "No",
    "Yse",
    "",
    "7d",
    "7d 4w 12m",
    "100y",
    "0d",
    "us-east-1",
    "us-west-2",
    "us-west-2 eu-west-1",
    "eu-west-1 mars",
    "Automated",
    "automated",
    "two\nlines",
];
const ZONES: [&str; 4] = ["UTC", "America/Los_Angeles", "Pacific/Apia", "Asia/Kathmandu"];
const HOME: &str = "us-east-1";
const NOW: i64 = 1_795_240_800;

#[derive(Arbitrary, Debug)]
struct Account {
    zone: u8,
    percent: u8,
    now: When,
    tells: bool,
    instances: Vec<(u8, u8, When, Vec<(u8, Option<When>)>, Tagged)>,
    volumes: Vec<(When, Option<u8>, Tagged)>,
    snapshots: Vec<Drawn>,
    /// Of two regions: whether they answer, their copies, and how their instances are tagged.
    elsewhere: [Option<(Vec<Drawn>, Vec<Tagged>)>; 2],
    used: Vec<u8>,
    locked: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
struct Drawn {
    volume: u8,
    state: u8,
    started: When,
    archived: bool,
    foreign: bool,
    tags: Tagged,
}

#[derive(Arbitrary, Debug)]
struct Tagged(Vec<(u8, Said)>);

/// The value of a tag.
#[derive(Arbitrary, Debug)]
enum Said {
    Word(u8),
    Day(i16),
    Run(When),
    Volume(u8),
    Instance(u8),
    Snapshot(u8),
    Layout(Vec<(u8, bool)>),
    Text(String),
}

/// An instant in seconds: of these weeks, or of any year that a timestamp of AWS can say.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum When {
    Near(i8, i8),
    Far(u64),
}

impl When {
    fn instant(self) -> DateTime<Utc> {
        let seconds = match self {
            When::Near(days, hours) => NOW + i64::from(days) * 86_400 + i64::from(hours) * 3_600,
            When::Far(any) => i64::try_from(any % 315_569_520_000).unwrap() - 62_167_219_200,
        };
        DateTime::from_timestamp(seconds, 0).unwrap()
    }
}

impl Tagged {
    fn tags(&self) -> Tags {
        let pairs = self.0.iter().map(|(key, said)| (KEYS[usize::from(*key) % KEYS.len()], said.text()));
        pairs.collect()
    }
}

impl Said {
    fn text(&self) -> String {
        match self {
            Said::Word(word) => WORDS[usize::from(*word) % WORDS.len()].to_owned(),
            Said::Day(days) => (When::Near(0, 0).instant() + TimeDelta::days((*days).into())).date_naive().to_string(),
            Said::Run(when) => tags::stamp(when.instant()),
            Said::Volume(id) => volume(*id),
            Said::Instance(id) => format!("i-{}", id % 4),
            Said::Snapshot(id) => snapshot_id(*id),
            Said::Layout(places) => {
                let excluded = |left_out: bool| if left_out { ":excluded" } else { "" };
                let word = |(id, left_out): &(u8, bool)| format!("/dev/sd{id}={}{}", volume(*id), excluded(*left_out));
                places.iter().map(word).collect::<Vec<_>>().join(" ")
            }
            Said::Text(text) => text.clone(),
        }
    }
}

fn volume(id: u8) -> String {
    format!("vol-{}", id % 6)
}

fn snapshot_id(index: u8) -> String {
    format!("snap-{index:03}")
}

impl Drawn {
    fn snapshot(&self, index: usize) -> Snapshot {
        let mut tags = self.tags.tags();
        if !self.foreign {
            tags.set(tags::TYPE, tags::AUTOMATED);
        }
        Snapshot {
            id: snapshot_id(u8::try_from(index).unwrap()).into(),
            volume_as_told: volume(self.volume).into(),
            state: match self.state % 8 {
                0 => SnapshotState::Pending,
                1 => SnapshotState::Error,
                2 => SnapshotState::InRecycleBin,
                3 => SnapshotState::Unknown,
                _ => SnapshotState::Completed,
            },
            message: None,
            started: self.started.instant(),
            description: String::new(),
            archived: self.archived,
            tags,
        }
    }
}

fn snapshots(drawn: &[Drawn]) -> Vec<Snapshot> {
    drawn.iter().take(200).enumerate().map(|(index, drawn)| drawn.snapshot(index)).collect()
}

fn instances(account: &Account) -> Vec<Instance> {
    let instance = |(id, state, launched, devices, tagged): &(u8, u8, When, Vec<(u8, Option<When>)>, Tagged)| {
        // a volume is attached to an instance once
        let devices: BTreeMap<String, Option<When>> = devices.iter().map(|(id, at)| (volume(*id), *at)).collect();
        let device = |(index, (volume, attached)): (usize, (String, Option<When>))| Device {
            name: format!("/dev/sd{index}"),
            volume: volume.into(),
            attached: attached.map(When::instant),
        };
        Instance {
            id: format!("i-{}", id % 4).into(),
            state: if state % 8 == 0 { InstanceState::Terminated } else { InstanceState::Running },
            launched: launched.instant(),
            root_device: (state % 2 == 0).then(|| "/dev/sd0".to_owned()),
            devices: devices.into_iter().enumerate().map(device).collect(),
            root_is_store: false,
            is_spot: false,
            tags: tagged.tags(),
        }
    };
    account.instances.iter().map(instance).collect()
}

fn volumes(account: &Account) -> Vec<Volume> {
    let volumes = account.volumes.iter().take(6).enumerate();
    volumes
        .map(|(index, (created, on, tagged))| Volume {
            id: volume(u8::try_from(index).unwrap()).into(),
            created: created.instant(),
            attached_to: on.iter().map(|id| format!("i-{}", id % 4).into()).collect(),
            tags: tagged.tags(),
        })
        .collect()
}

fn run(account: &Account, job: Job) -> Run {
    let mut variables = vec![
        ("SNAPKEEPER_TIME_ZONE".to_owned(), ZONES[usize::from(account.zone) % ZONES.len()].to_owned()),
        ("SNAPKEEPER_MAX_DELETE_PERCENT".to_owned(), (account.percent % 101).to_string()),
    ];
    if account.tells {
        let topic = "arn:aws:sns:us-east-1:123456789012:alerts";
        variables.push(("SNAPKEEPER_ALERT_TOPIC_ARN".to_owned(), topic.to_owned()));
    }
    let settings = Settings::from_variables(variables).unwrap();
    Run::new(job, HOME.parse().unwrap(), account.now.instant(), settings)
}

fuzz_target!(|account: Account| {
    let (instances, volumes, snapshots_here) = (instances(&account), volumes(&account), snapshots(&account.snapshots));
    let others: [Region; 2] = ["us-west-2", "eu-west-1"].map(|name| name.parse().unwrap());
    let copies: BTreeMap<Region, Result<Vec<Snapshot>, String>> = others
        .iter()
        .zip(&account.elsewhere)
        .map(|(region, answer)| match answer {
            Some((drawn, _)) => (region.clone(), Ok(snapshots(drawn))),
            None => (region.clone(), Err("does not answer".to_owned())),
        })
        .collect();
    creator(&instances, &volumes, &snapshots_here, &run(&account, Job::Creator));
    copier(&snapshots_here, &copies, &run(&account, Job::Copier));

    let elsewhere = others.iter().zip(&account.elsewhere).filter_map(|(region, answer)| {
        let (_, tagged) = answer.as_ref()?;
        let all = (0..6).map(|id| Device { name: format!("/dev/sd{id}"), volume: volume(id).into(), attached: None });
        let all: Vec<Device> = all.collect();
        let there = tagged.iter().enumerate().map(|(index, tagged)| Instance {
            id: format!("i-{index}").into(),
            state: InstanceState::Running,
            launched: DateTime::default(),
            root_device: None,
            devices: all.clone(),
            root_is_store: false,
            is_spot: false,
            tags: tagged.tags(),
        });
        Some((region.clone(), Enrolment::of(&there.collect::<Vec<_>>(), &[])))
    });
    let holds = delete::Holds {
        enrolment: Enrolment::of(&instances, &volumes),
        elsewhere: elsewhere.collect(),
        in_use: account.used.iter().map(|id| (snapshot_id(*id).into(), "ami-1".into())).collect(),
        locked: account.locked.iter().map(|id| snapshot_id(*id).into()).collect(),
    };
    manager(&instances, &volumes, &snapshots_here, &holds, &run(&account, Job::Manager));
    watcher(&instances, &volumes, &snapshots_here, &holds, there(&copies), &run(&account, Job::Watcher));
});

/// No volume is taken twice; every date is a day that can be read again, and none has passed before the backup is made.
fn creator(instances: &[Instance], volumes: &[Volume], snapshots: &[Snapshot], run: &Run) {
    let (instances, volumes, snapshots) = (instances.to_vec(), volumes.to_vec(), snapshots.to_vec());
    let inventory = create::Inventory { instances, sharers: Vec::new(), volumes, snapshots };
    let plan = create::plan(&inventory, run);
    let mut taken = BTreeSet::new();
    for action in &plan.actions {
        let _ = action.to_string();
        match action {
            Create::Backup(backup) => {
                assert!(!backup.members.is_empty());
                assert!(backup.members.iter().all(|volume| taken.insert(volume.clone())), "twice: {backup:?}");
                assert!(backup.description().chars().count() <= 255);
                assert_eq!(backup.tags.get(tags::TYPE), Some(tags::AUTOMATED));
                match DeleteOn::from_tags(&backup.tags) {
                    DeleteOn::Day(day) => assert!(day > run.day()),
                    DeleteOn::Unsaid => {}
                    // the year 10000 is not written so that it can be read; what it dates stays
                    DeleteOn::Unreadable(error) => assert!(error.value.starts_with('+'), "{error}"),
                }
            }
            Create::Date(date) => {
                let dated: Vec<&Snapshot> = inventory.snapshots.iter().filter(|it| it.id == date.snapshot).collect();
                assert_eq!(dated.len(), 1);
                assert!(dated[0].is_automated() && dated[0].delete_on() == DeleteOn::Unsaid);
                assert!(date.delete_on > date.taken);
            }
        }
    }
}

/// No primary is copied twice to a region, none to its own, and nothing that is no completed primary of ours.
fn copier(snapshots: &[Snapshot], copies: &BTreeMap<Region, Result<Vec<Snapshot>, String>>, run: &Run) {
    let mut found = copy::Found::new(run);
    found.add(snapshots.to_vec());
    assert!(!found.unread().contains(&run.region));
    for (region, there) in there(copies) {
        found.there(region, there);
    }
    let plan = copy::plan(found);
    let mut made = BTreeSet::new();
    for action in &plan.actions {
        let _ = action.to_string();
        if let Copy::Snapshot(copy) = action {
            assert!(copy.to != run.region && copies.get(&copy.to).is_some_and(Result::is_ok));
            assert!(made.insert((copy.source.clone(), copy.to.clone())), "twice: {copy:?}");
            let source = snapshots.iter().find(|snapshot| snapshot.id == copy.source).unwrap();
            assert!(source.is_automated() && source.state == SnapshotState::Completed);
            assert!(!source.tags.has(tags::SOURCE_SNAPSHOT_ID));
            assert_eq!(copy.tags.get(tags::TYPE), Some(tags::AUTOMATED));
            assert_eq!(copy.tags.get(tags::SOURCE_SNAPSHOT_ID), Some(copy.source.as_str()));
            assert_eq!(copy.tags.get(tags::DELETE_ON), source.tags.get(tags::DELETE_ON));
        }
    }
}

/// What is in the destinations, as far as it is known.
fn there(copies: &BTreeMap<Region, Result<Vec<Snapshot>, String>>) -> BTreeMap<Region, Result<Copies, String>> {
    let mut told = BTreeMap::new();
    for (region, there) in copies {
        told.insert(region.clone(), there.as_ref().map(|there| there.iter().collect()).map_err(Clone::clone));
    }
    told
}

/// Each snapshot is deleted or kept; what goes may go; and every enrolled volume that had a completed one keeps one.
fn manager(instances: &[Instance], volumes: &[Volume], snapshots: &[Snapshot], holds: &delete::Holds, run: &Run) {
    let found = delete::Found::of(snapshots, run);
    let _ = delete::regions_to_ask(&found, holds, run);
    let plan = delete::plan(found, holds, run);
    assert_eq!(plan.actions.len() + plan.kept.len(), snapshots.len());
    let gone: BTreeSet<&SnapshotId> = plan.actions.iter().map(|action| &action.snapshot).collect();
    assert_eq!(gone.len(), plan.actions.len(), "none twice");
    for snapshot in snapshots.iter().filter(|snapshot| gone.contains(&snapshot.id)) {
        assert_eq!(snapshot.tags.get("Type"), Some("Automated"));
        assert!(!snapshot.tags.has("KeepForever"));
        let due = snapshot.tags.get("DeleteOn").unwrap_or_default().to_owned();
        // the text says so itself: days of four digits are in the order of their texts
        let is_due = due.len() == 10 && (due <= run.day().to_string() || run.day().to_string().len() > 10);
        let has_failed = snapshot.state == SnapshotState::Error && snapshot.started < run.instant;
        assert!(is_due || has_failed, "{due}");
        assert!(!holds.in_use.contains_key(&snapshot.id) && !holds.locked.contains(&snapshot.id));
        assert!(!matches!(snapshot.state, SnapshotState::InRecycleBin | SnapshotState::Unknown));
    }
    let says = |tags: &Tags, word: &str| tags.get("Backup").is_some_and(|said| said.trim().eq_ignore_ascii_case(word));
    let left_out: BTreeSet<&VolumeId> =
        volumes.iter().filter(|volume| says(&volume.tags, "no")).map(|volume| &volume.id).collect();
    let enrolled = instances.iter().filter(|it| it.is_there() && says(&it.tags, "yes")).flat_map(|it| &it.devices);
    for volume in enrolled.map(|device| &device.volume).filter(|volume| !left_out.contains(volume)) {
        let is_own = |it: &&Snapshot| it.is_automated() && !it.tags.has("Source_SnapshotId");
        let points = snapshots.iter().filter(is_own).filter(|it| it.volume_as_told == *volume);
        let points: Vec<_> = points.filter(|it| it.state == SnapshotState::Completed).collect();
        assert!(points.is_empty() || !points.iter().all(|it| gone.contains(&it.id)), "{volume} has nothing left");
    }
}

/// It changes nothing, and what it says fits into what SNS takes.
fn watcher(
    instances: &[Instance],
    volumes: &[Volume],
    snapshots: &[Snapshot],
    holds: &delete::Holds,
    destinations: BTreeMap<Region, Result<Copies, String>>,
    run: &Run,
) {
    let mut seen = watch::Seen::new(run);
    seen.add_instances(instances);
    seen.add_volumes(volumes);
    seen.add_snapshots(snapshots);
    assert!(!seen.unread().contains(&run.region));
    for (region, there) in destinations {
        seen.there(region, there);
    }
    let _ = seen.regions_to_ask(holds);
    let plan = watch::plan(seen, holds, &Ok(snapkeeper_core::rds::watch::Inventory::default()));
    assert!(plan.actions.len() <= usize::from(run.settings.alert_topic.is_some() && !plan.findings.is_empty()));
    for notice in &plan.actions {
        assert!(notice.subject.len() <= 100 && notice.body.len() <= 262_144);
    }
}
