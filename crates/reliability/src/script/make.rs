//! From a seed to a script.

mod acts;
mod troubles;

use self::acts::DAYS;
use super::{Act, FAR, HOME, Job, Kill, Pick, REGIONS, Run, START, Script, Setting, Step, Trouble, WEST};
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

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(..100) < percent
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.rng.usize(..all.len())]
    }
}

#[cfg(test)]
mod tests;
