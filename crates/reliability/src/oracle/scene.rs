//! Tiny worlds for the tests of the predicates.

use super::{Begun, Oracle, Promise, Rules, Told, Who, tags};
use crate::script::{Job, Setting};
use crate::truth::{Instance, Region, Snapshot, State, Tags, Truth, Volume};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;

pub(super) const HOME: &str = "us-east-1";
pub(super) const WEST: &str = "us-west-2";

/// Five o'clock on a day of November 2026; the 22nd, on which every scene plays, is a Sunday.
pub(super) fn day(day: i64) -> DateTime<Utc> {
    "2026-10-31T05:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(day)
}

fn pairs(tags: &[(&str, &str)]) -> Tags {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[derive(Clone)]
pub(super) struct Scene {
    pub(super) truth: Truth,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self { truth: Truth::empty(day(22), &[HOME, WEST]) }
    }

    pub(super) fn home(&mut self) -> &mut Region {
        self.truth.regions.get_mut(HOME).unwrap()
    }

    pub(super) fn snapshot(&mut self, region: &str, id: &str) -> &mut Snapshot {
        self.truth.regions.get_mut(region).unwrap().snapshots.get_mut(id).unwrap()
    }

    /// An instance with volumes at `/dev/sd0`, `/dev/sd1`, …
    pub(super) fn instance(&mut self, id: &str, tags: &[(&str, &str)], volumes: &[&str]) {
        let devices = volumes.iter().enumerate().map(|(n, it)| (format!("/dev/sd{n}"), (*it).to_owned())).collect();
        let instance = Instance { tags: pairs(tags), is_there: true, devices, root: None };
        self.home().instances.insert(id.to_owned(), instance);
        for volume in volumes {
            let made = Volume { created: day(1), tags: Tags::new() };
            self.home().volumes.insert((*volume).to_owned(), made);
        }
    }

    pub(super) fn tag_instance(&mut self, id: &str, key: &str, value: &str) {
        let instance = self.home().instances.get_mut(id).unwrap();
        instance.tags.insert(key.to_owned(), value.to_owned());
    }

    pub(super) fn tag_volume(&mut self, id: &str, key: &str, value: &str) {
        let volume = self.home().volumes.get_mut(id).unwrap();
        volume.tags.insert(key.to_owned(), value.to_owned());
    }

    /// A completed primary of `i-a`, its volume being all that there is, without `DeleteOn`.
    pub(super) fn backup(&mut self, id: &str, volume: &str, taken: DateTime<Utc>) -> Made<'_> {
        let snapshot = Snapshot {
            of: (HOME.to_owned(), volume.to_owned()),
            copy_of: None,
            state: State::Completed,
            begun: taken,
            tags: pairs(&[
                (tags::TYPE, tags::AUTOMATED),
                (tags::BACKUP_RUN, tags::stamp(taken).as_str()),
                (tags::INSTANCE, "i-a"),
                (tags::REGION, HOME),
                (tags::DEVICES, format!("/dev/sd0={volume}").as_str()),
            ]),
            locked: false,
            images: BTreeSet::new(),
        };
        self.home().snapshots.insert(id.to_owned(), snapshot);
        Made(self.snapshot(HOME, id))
    }

    /// A completed copy in the west of a primary at home.
    pub(super) fn copy(&mut self, id: &str, source: &str) -> Made<'_> {
        let mut copy = self.snapshot(HOME, source).clone();
        copy.tags.remove(tags::COPY_DEST);
        copy.tags.extend(pairs(&[(tags::SNAPSHOT, source), (tags::VOLUME, copy.of.1.as_str())]));
        copy.copy_of = Some((HOME.to_owned(), source.to_owned()));
        copy.state = State::Completed;
        copy.begun = self.truth.now;
        self.truth.regions.get_mut(WEST).unwrap().snapshots.insert(id.to_owned(), copy);
        Made(self.snapshot(WEST, id))
    }

    /// An oracle over it.
    pub(super) fn watch(&self) -> Watched {
        self.watch_with(Setting::default())
    }

    /// An oracle over it that knows of other settings.
    pub(super) fn watch_with(&self, setting: Setting) -> Watched {
        Watched { scene: self.clone(), oracle: Oracle::new(&setting, &self.truth), runs: 0 }
    }
}

/// The rules of the default settings.
pub(super) fn rules() -> Rules {
    Rules::of(&Setting::default())
}

/// A snapshot in the making.
pub(super) struct Made<'a>(&'a mut Snapshot);

impl Made<'_> {
    pub(super) fn tag(self, key: &str, value: &str) -> Self {
        self.0.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(super) fn without(self, key: &str) -> Self {
        self.0.tags.remove(key);
        self
    }

    pub(super) fn state(self, state: State) -> Self {
        self.0.state = state;
        self
    }

    pub(super) fn instance(self, id: &str) -> Self {
        self.tag(tags::INSTANCE, id)
    }

    /// `Source_Devices` with these volumes at `/dev/sd0`, `/dev/sd1`, …
    pub(super) fn set(self, volumes: &str) -> Self {
        let words: Vec<String> = volumes.split(' ').enumerate().map(|(n, it)| format!("/dev/sd{n}={it}")).collect();
        self.tag(tags::DEVICES, &words.join(" "))
    }
}

/// A scene that is watched.
pub(super) struct Watched {
    pub(super) scene: Scene,
    pub(super) oracle: Oracle,
    runs: u32,
}

impl Watched {
    pub(super) fn begin(&mut self, job: Job, region: &str) -> u32 {
        self.runs += 1;
        let instant = self.scene.truth.now;
        let (run, region, lag) = (self.runs, region.to_owned(), TimeDelta::zero());
        self.oracle.begin(Begun { run, job, region, instant, lag, has_deadline: false }, &self.scene.truth);
        self.runs
    }

    pub(super) fn last_run(&self) -> u32 {
        self.runs
    }

    pub(super) fn see(&mut self, who: Who) {
        self.oracle.see(&self.scene.truth, who);
    }

    /// The last run asks to delete a snapshot, and does.
    pub(super) fn delete(&mut self, region: &str, id: &str) {
        self.oracle.asks_to_delete(self.runs, region, id, &self.scene.truth);
        self.scene.truth.regions.get_mut(region).unwrap().snapshots.remove(id);
        self.see(Who::Run(self.runs));
    }

    /// The last run ends.
    pub(super) fn end(&mut self, told: &Told) {
        self.oracle.end(self.runs, Some(told), None, &self.scene.truth);
    }

    /// A job begins and ends without a deed, telling this.
    pub(super) fn run(&mut self, job: Job, region: &str, told: &Told) {
        self.begin(job, region);
        self.end(told);
    }

    /// Time passes.
    pub(super) fn wait(&mut self, hours: i64) {
        self.scene.truth.now += TimeDelta::hours(hours);
    }

    /// What is broken of this promise: as many as expected, with these words in this order.
    #[track_caller]
    pub(super) fn check(&self, promise: Promise, expected: &[&str]) {
        let broken: Vec<&str> =
            self.oracle.violations().iter().filter(|it| it.promise == promise).map(|it| it.what.as_str()).collect();
        let fits =
            broken.len() == expected.len() && broken.iter().zip(expected).all(|(what, part)| what.contains(part));
        assert!(fits, "{promise:?}: expected {expected:?}, found {broken:#?}");
    }
}

/// A report of a run that succeeded.
pub(super) fn done() -> Told {
    Told { succeeded: true, ..Told::default() }
}

/// A list of a report.
pub(super) fn list(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    entries.iter().map(|(resource, why)| ((*resource).to_owned(), (*why).to_owned())).collect()
}

/// A list of findings.
pub(super) fn findings(entries: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    let owned =
        |(kind, resource, what): &(&str, &str, &str)| ((*kind).to_owned(), (*resource).to_owned(), (*what).to_owned());
    entries.iter().map(owned).collect()
}
