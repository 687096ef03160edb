//! From a seed to a script.

use super::{Act, FAR, Fault, HOME, Job, Kill, Pick, REGIONS, Run, START, Script, Setting, Step, Trouble, WEST, When};
use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use std::time::Duration;

/// How large scripts are to be, and what may go wrong in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Days with troubles: so many at most, one at least.
    pub days: u32,
    /// Instances at the beginning: so many at most, one at least.
    pub instances: u32,
    /// Whether calls, regions, keys, snapshots and processes fail.
    pub troubles: bool,
    /// Whether anybody acts but the jobs.
    pub operator: bool,
    /// Whether accounts may be large, and a tag gone wrong there.
    pub mishaps: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { days: 12, instances: 4, troubles: true, operator: true, mishaps: true }
    }
}

impl Options {
    /// Small worlds, of which many can be played.
    pub fn small() -> Options {
        Options { days: 6, instances: 2, ..Options::default() }
    }

    /// The smallest worlds: an instance and a day of troubles, of which the most can be played.
    pub fn tiny() -> Options {
        Options { days: 1, instances: 1, mishaps: false, ..Options::default() }
    }
}

/// When each job is started, in minutes of the day.
const TIMES: [(Job, i64); 4] = [(Job::Creator, 300), (Job::Copier, 420), (Job::Manager, 540), (Job::Watcher, 660)];
/// What operators write, most often the first ones. The last ones cannot be read.
const RETENTIONS: [&str; 14] =
    ["1d", "2d", "2", "1d 1w", "3d", "2d 1w 1m", "7d", "1w", " 2D,1W ", "1d 2w 1y", "2x", "0", "soon", "-1d"];
const BACKUPS: [&str; 8] = ["Yes", "Yes", "yes", " YES ", "No", "no", "Yse", ""];
const DESTINATIONS: [&str; 8] = [
    WEST,
    WEST,
    "us-west-2 eu-west-1",
    "us-west-2,eu-west-1",
    FAR,
    "us-east-1",
    "us-west-2 somewhere",
    "us-west-2 us-west-2",
];
const DAYS: [&str; 6] = ["2026-11-24", "2026-11-20", "2030-01-01", "2026-11-2", "2026-13-01", "tomorrow"];
/// What somebody may spoil on our snapshots.
const OWN_TAGS: [&str; 8] = [
    "Source_Devices",
    "Source_VolumeId",
    "Source_SnapshotId",
    "Source_Region",
    "Source_InstanceId",
    "Backup_Run",
    "Copy_Dest",
    "Type",
];
const SPOILED: [&str; 4] = ["", "?", "us-west-2", "/dev/xvda="];
const CODES: [&str; 3] = ["IncorrectState", "InvalidParameterValue", "SnapshotLimitExceeded"];
/// What is set for the jobs, where not all is as by default.
const DEFAULT_RETENTIONS: [&str; 4] = ["7d", "2d", "1d", "3d 2w"];
const RPO_HOURS: [u16; 3] = [26, 30, 50];
const BRAKES: [u8; 4] = [0, 30, 50, 100];
/// In Phoenix the creator is at work in the evening, and the copier just after midnight.
const TIME_ZONES: [&str; 4] = ["UTC", "Asia/Tokyo", "America/Phoenix", "Asia/Kolkata"];

/// Makes the script of a seed: the same one, whenever and wherever.
pub fn make(seed: u64, options: &Options) -> Script {
    let mut maker = Maker {
        rng: Rng::with_seed(seed),
        options: options.clone(),
        theme: Theme::Mixed,
        untidy: false,
        steps: Vec::new(),
        at: start(),
    };
    maker.theme = maker.theme();
    maker.untidy = maker.options.operator && maker.chance(12);
    let setting = maker.setting();
    maker.found();
    let mut days = maker.rng.u32(1..=options.days);
    match maker.theme {
        Theme::Mixed => {}
        Theme::Siege => days = days.max(options.days.min(4)),
        Theme::Mishap => days = options.days.min(4),
    }
    for day in 0..days {
        maker.day(day);
        if day == 1 && maker.theme == Theme::Siege {
            maker.besiege();
        }
    }
    if maker.theme == Theme::Mishap {
        let region = HOME.to_owned();
        maker.steps.push(Step::Act(Act::DateAll(region, DAYS[1].to_owned())));
        let at = start() + TimeDelta::days(days.into()) + TimeDelta::minutes(1);
        maker.steps.push(Step::Run(Run::plain(Job::Manager, HOME, at)));
    }
    let mut steps = maker.steps;
    steps.extend(calm(start() + TimeDelta::days(days.into())));
    Script { seed, setting, steps }
}

/// Calm, two rounds of all jobs on the days that begin then, and the question whether all is as promised.
pub fn calm(from: DateTime<Utc>) -> Vec<Step> {
    let mut steps = vec![Step::Until(from), Step::Calm];
    for day in 0..2 {
        for (job, minutes) in TIMES {
            let at = from + TimeDelta::days(day) + TimeDelta::minutes(minutes);
            steps.extend(REGIONS.iter().map(|region| Step::Run(Run::plain(job, region, at))));
        }
        // the copier runs again each hour
        let at = from + TimeDelta::days(day) + TimeDelta::minutes(TIMES[1].1 + 60);
        steps.extend(REGIONS.iter().map(|region| Step::Run(Run::plain(Job::Copier, region, at))));
    }
    steps.push(Step::Until(from + TimeDelta::hours(47)));
    steps.push(Step::Healed);
    // runs of one hour belong together, whatever the order in which they were listed
    steps.sort_by_key(|step| match step {
        Step::Run(run) => run.at,
        Step::Until(at) => *at,
        Step::Healed => DateTime::<Utc>::MAX_UTC,
        Step::Act(_) | Step::Trouble(_) | Step::Calm => from,
    });
    steps
}

/// The instant at which every script begins.
pub fn start() -> DateTime<Utc> {
    START.parse().unwrap_or_default()
}

/// What a script is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theme {
    /// Whatever comes.
    Mixed,
    /// What goes wrong goes on doing so until the calm.
    Siege,
    /// A large account, in which nothing is deleted for days and then a script gone wrong dates everything.
    Mishap,
}

struct Maker {
    rng: Rng,
    options: Options,
    theme: Theme,
    /// Whether somebody spoils our tags day after day.
    untidy: bool,
    steps: Vec<Step>,
    /// When the day begins.
    at: DateTime<Utc>,
}

impl Maker {
    fn setting(&mut self) -> Setting {
        let by_default = Setting {
            // a large account has pages enough
            page_size: if self.theme == Theme::Mishap { 1000 } else { self.one_of(&[5, 5, 7, 1000]) },
            latency_ms: self.one_of(&[0, 50, 700]),
            copies_at_once: self.one_of(&[20, 20, 20, 2]),
            skew_hours: self.one_of(&[0, 0, 48, -48]),
            with_key: self.chance(50),
            ..Setting::default()
        };
        if self.chance(50) {
            return by_default;
        }
        Setting {
            default_retention: self.one_of(&DEFAULT_RETENTIONS),
            rpo_hours: self.one_of(&RPO_HOURS),
            max_delete_percent: self.one_of(&BRAKES),
            time_zone: self.one_of(&TIME_ZONES),
            ..by_default
        }
    }

    fn theme(&mut self) -> Theme {
        match self.rng.u32(..100) {
            0..25 if self.options.troubles => Theme::Siege,
            25..29 if self.options.mishaps => Theme::Mishap,
            _ => Theme::Mixed,
        }
    }

    /// What is there at the beginning.
    fn found(&mut self) {
        if self.theme == Theme::Mishap {
            // some fifty volumes of few instances, so that few calls take them
            for _ in 0..3 {
                let (data, tags) = (self.rng.u8(15..=20), self.plain_tags());
                self.steps.push(Step::Act(Act::Launch { region: HOME.to_owned(), data, tags }));
            }
            return;
        }
        for nth in 0..self.rng.u32(1..=self.options.instances) {
            let region = if nth > 0 && self.chance(20) { WEST } else { HOME };
            let launch = self.launch(region, nth == 0);
            self.steps.push(Step::Act(launch));
            if self.options.operator && self.chance(15) {
                let tag = ("Backup".to_owned(), self.one_of(&["No", "no", "nope"]).to_owned());
                let volume = Pick::Volume(region.to_owned(), self.rng.usize(..8));
                self.steps.push(Step::Act(Act::Tag(volume, tag.0, tag.1)));
            }
        }
    }

    fn launch(&mut self, region: &str, plain: bool) -> Act {
        let data = self.one_of(&[0, 0, 1, 1, 2]);
        let mut tags = if plain { self.plain_tags() } else { Vec::new() };
        let mut tag = |key: &str, value: &str| tags.push((key.to_owned(), value.to_owned()));
        if plain {
            tag("Copy_Dest", WEST);
        } else {
            if !self.chance(8) {
                let value = if self.chance(75) { "Yes" } else { self.one_of(&BACKUPS) };
                tag("Backup", value);
            }
            if self.chance(85) {
                tag("Retention", self.retention());
            }
            if self.chance(50) {
                let value = self.one_of(&DESTINATIONS);
                tag("Copy_Dest", value);
            }
            if self.chance(30) {
                tag("Name", "web (1) - <&>");
            }
        }
        Act::Launch { region: region.to_owned(), data, tags }
    }

    /// The tags of an instance that is enrolled for certain.
    fn plain_tags(&mut self) -> Vec<(String, String)> {
        let retention = self.one_of(&["1d", "2d", "1d 1w"]);
        [("Backup", "Yes"), ("Retention", retention)].map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec()
    }

    fn retention(&mut self) -> &'static str {
        // a few per cent cannot be read
        let readable = RETENTIONS.len() - 4;
        if self.chance(6) { RETENTIONS[readable + self.rng.usize(..4)] } else { RETENTIONS[self.rng.usize(..readable)] }
    }

    /// One day: acts, troubles, and the jobs, some of which do not run.
    fn day(&mut self, day: u32) {
        self.at = start() + TimeDelta::days(day.into());
        let (at, mut todo) = (self.at, Vec::new());
        if self.options.operator {
            for _ in 0..self.rng.u32(..3) {
                let minute = self.rng.i64(0..1_400);
                todo.push((minute, Step::Act(self.act())));
            }
        }
        if self.untidy {
            for _ in 0..self.rng.u32(1..4) {
                let region = if self.chance(50) { HOME } else { WEST }.to_owned();
                let snapshot = Pick::Automated(region, self.rng.usize(..64));
                todo.push((self.rng.i64(0..1_400), Step::Act(self.spoil(snapshot))));
            }
        }
        if self.options.troubles {
            if self.chance(35) {
                let minute = self.rng.i64(200..700);
                todo.push((minute, Step::Trouble(self.trouble())));
                if self.theme != Theme::Siege && self.chance(60) {
                    todo.push((minute + self.rng.i64(1..600), Step::Calm));
                }
            }
            if self.chance(5) {
                let region = self.one_of(&REGIONS).to_owned();
                todo.push((250, Step::Trouble(Trouble::Down(region.clone()))));
                // for hours, or until it is calm
                if self.chance(50) {
                    todo.push((self.rng.i64(310..1_400), Step::Trouble(Trouble::Up(region))));
                }
            }
        }
        // days without any run
        if !(self.options.troubles && self.chance(5)) {
            for (job, minutes) in TIMES {
                for region in REGIONS {
                    self.runs(job, region, minutes, &mut todo);
                }
            }
        }
        todo.sort_by_key(|(minute, _)| *minute);
        for (minute, step) in todo {
            if !matches!(step, Step::Run(_)) {
                self.steps.push(Step::Until(at + TimeDelta::minutes(minute)));
            }
            self.steps.push(step);
        }
    }

    /// Something that goes on until the calm, often for longer than backups are kept.
    fn besiege(&mut self) {
        let region = HOME.to_owned();
        let volume = Pick::Volume(region.clone(), self.rng.usize(..8));
        let trouble = match self.rng.u32(..12) {
            0..3 => Trouble::Fails(volume, self.rng.u32(2..9)),
            3 => Trouble::Refused(volume, self.one_of(&CODES).to_owned()),
            4 => Trouble::KeyOff(self.one_of(&[WEST, WEST, FAR, HOME]).to_owned()),
            5 => Trouble::SlowCopies(200),
            6 => Trouble::SlowSnapshots(self.one_of(&[30, 200])),
            7 => Trouble::Denied(self.anything(region)),
            8 => Trouble::ClockRefused,
            _ => Trouble::Calls {
                action: Some(
                    self.one_of(&["DeleteSnapshot", "CreateSnapshots", "CopySnapshot", "CopySnapshot"]).to_owned(),
                ),
                region: None,
                kind: self.one_of(&[
                    Fault::Denied,
                    Fault::CutAfter,
                    Fault::CutAfter,
                    Fault::Internal,
                    Fault::Throttled,
                ]),
                when: When::OneIn(self.rng.u32(2..5)),
            },
        };
        self.steps.push(Step::Trouble(trouble));
    }

    /// The start of a job in a region, and more starts of the same.
    fn runs(&mut self, job: Job, region: &str, minutes: i64, todo: &mut Vec<(i64, Step)>) {
        let missed = self.options.troubles && self.chance(6);
        // little happens far away
        if self.theme == Theme::Mishap && job == Job::Manager {
            return;
        }
        if missed || (region == FAR && job != Job::Manager && !self.chance(10)) {
            return;
        }
        let at = self.at + TimeDelta::minutes(minutes);
        let mut run = Run::plain(job, region, at);
        if self.options.troubles {
            run.twice = self.chance(4);
            run.killed = self.chance(6).then(|| Kill { call: self.rng.u32(..14), after: self.rng.bool() });
            if self.chance(3) {
                run.deadline = Some(Duration::from_secs(self.rng.u64(1..60)));
            }
            if self.options.operator && self.chance(8) {
                run.meanwhile.push((self.rng.u32(..12), self.act()));
            }
        }
        let again = run.killed.is_some() || run.deadline.is_some() || self.chance(5);
        todo.push((minutes, Step::Run(run)));
        if self.options.troubles && again && self.chance(70) {
            // the same event once more: a retry, or a second delivery
            todo.push((minutes + self.rng.i64(1..90), Step::Run(Run::plain(job, region, at))));
        }
        if job == Job::Copier && self.chance(50) {
            let later = Run::plain(job, region, at + TimeDelta::minutes(60));
            todo.push((minutes + 60, Step::Run(later)));
        }
    }

    fn act(&mut self) -> Act {
        let region = if self.chance(75) { HOME } else { WEST }.to_owned();
        let nth = self.rng.usize(..64);
        let instance = Pick::Instance(region.clone(), nth);
        let volume = Pick::Volume(region.clone(), nth);
        let snapshot = Pick::Snapshot(region.clone(), nth);
        let automated = Pick::Automated(region.clone(), nth);
        let text = str::to_owned;
        match self.rng.u32(..100) {
            0..8 => self.launch(&region, false),
            8..16 => Act::Tag(instance, text("Retention"), text(self.retention())),
            16..22 => Act::Tag(instance, text("Backup"), text(self.one_of(&BACKUPS))),
            22..24 => Act::Untag(instance, text("Backup")),
            24..27 => Act::Untag(instance, text("Retention")),
            27..32 => Act::Tag(instance, text("Copy_Dest"), text(self.one_of(&DESTINATIONS))),
            32..36 => Act::Tag(volume, text("Backup"), text(self.one_of(&BACKUPS))),
            36..42 => Act::Terminate(instance),
            42..47 => Act::Detach(instance),
            47..53 => Act::Attach(instance),
            53..66 => Act::Tag(automated, text("KeepForever"), text(self.one_of(&["", "yes", "no", "false"]))),
            66..69 => Act::Untag(automated, text("KeepForever")),
            69..73 => Act::Snapshot(volume, self.tags_by_hand()),
            73..79 => Act::Delete(snapshot),
            79..84 => Act::Lock(automated, self.rng.u16(1..9)),
            84..89 => Act::Image(automated),
            89..91 => Act::Deregister(region),
            91..95 => Act::Tag(automated, text("DeleteOn"), text(self.one_of(&DAYS))),
            95..97 => self.spoil(automated),
            97..98 => Act::Untag(automated, text("DeleteOn")),
            _ => Act::DateAll(region, text(self.one_of(&DAYS[..2]))),
        }
    }

    /// Somebody spoils one of our tags, or takes it away.
    fn spoil(&mut self, snapshot: Pick) -> Act {
        let key = self.one_of(&OWN_TAGS).to_owned();
        if self.chance(25) {
            Act::Untag(snapshot, key)
        } else {
            Act::Tag(snapshot, key, self.one_of(&SPOILED).to_owned())
        }
    }

    fn tags_by_hand(&mut self) -> Vec<(String, String)> {
        let mut tags = Vec::new();
        if self.chance(50) {
            // somebody else's tool has a tag of that name as well
            tags.push(("DeleteOn".to_owned(), DAYS[0].to_owned()));
        }
        if self.chance(20) {
            tags.push(("Type".to_owned(), "Automated".to_owned()));
        }
        tags
    }

    fn trouble(&mut self) -> Trouble {
        let region = if self.chance(60) { HOME } else { WEST }.to_owned();
        let volume = Pick::Volume(region.clone(), self.rng.usize(..64));
        match self.rng.u32(..100) {
            0..63 => self.fault(region),
            63..67 => Trouble::Denied(self.anything(region)),
            67..70 => Trouble::ClockRefused,
            70..82 => Trouble::Fails(volume, self.rng.u32(1..4)),
            82..87 => Trouble::Refused(volume, self.one_of(&CODES).to_owned()),
            87..91 => Trouble::KeyOff(self.one_of(&[WEST, WEST, FAR, HOME]).to_owned()),
            91..95 => Trouble::SlowCopies(self.one_of(&[2, 30, 200])),
            _ => Trouble::SlowSnapshots(self.one_of(&[2, 30, 50])),
        }
    }

    /// Whatever a call of the jobs may name.
    fn anything(&mut self, region: String) -> Pick {
        let nth = self.rng.usize(..64);
        match self.rng.u32(..4) {
            0 => Pick::Instance(region, nth),
            1 => Pick::Volume(region, nth),
            _ => Pick::Automated(region, nth),
        }
    }

    fn fault(&mut self, region: String) -> Trouble {
        const KINDS: [Fault; 15] = [
            Fault::Throttled,
            Fault::Internal,
            Fault::Unavailable,
            Fault::CutBefore,
            Fault::CutAfter,
            Fault::CutAfter,
            Fault::InternalAfter,
            Fault::Late(3),
            Fault::Late(40),
            Fault::Slow(40),
            Fault::Stale(20),
            Fault::Stale(400),
            Fault::Stale(4_000),
            Fault::Denied,
            Fault::Expired,
        ];
        const ACTIONS: [&str; 11] = [
            "DescribeInstances",
            "DescribeVolumes",
            "DescribeSnapshots",
            "DescribeSnapshots",
            "DescribeImages",
            "CreateSnapshot",
            "CreateSnapshots",
            "CopySnapshot",
            "DeleteSnapshot",
            "CreateTags",
            "Publish",
        ];
        let kind = self.one_of(&KINDS);
        let of_readings = matches!(kind, Fault::Stale(_) | Fault::Expired);
        let actions = if of_readings { &ACTIONS[..5] } else { &ACTIONS[..] };
        let action = self.chance(65).then(|| self.one_of(actions).to_owned());
        let when = match self.rng.u32(..10) {
            0..4 => When::After(self.rng.u32(..12)),
            4..9 => When::OneIn(self.rng.u32(2..9)),
            _ => When::From(self.rng.u32(..12)),
        };
        Trouble::Calls { action, region: self.chance(40).then_some(region), kind, when }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(..100) < percent
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.rng.usize(..all.len())]
    }
}

#[cfg(test)]
mod tests;
