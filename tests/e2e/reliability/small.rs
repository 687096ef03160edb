//! A small account in which each job has something to do, and what can disturb a run there.

mod aws;
mod calls;
mod case;
mod news;
mod others;
mod time;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, TimeDelta, Utc};
use snapkeeper_reliability::script::{
    Act, FAR, Fault, HOME, Job, Kill, Pick, Reach, Run, START, Script, Setting, Step, WEST,
};
use snapkeeper_tests::{wire, world::instant};

pub(crate) use self::{
    aws::{
        copies_slow, denied, destination_full, key_disabled, snapshots_fail, snapshots_refused, snapshots_slow,
        wrong_clock_refused,
    },
    case::{Case, Expected},
};

/// When the jobs are started, in hours of the day.
const TIMES: [(Job, i64); 4] = [(Job::Creator, 5), (Job::Copier, 7), (Job::Manager, 9), (Job::Watcher, 11)];
/// The day on which a run is disturbed. By then two backups have been taken and copied, and are due.
const DAY: i64 = 2;
/// The tags of an instance that is backed up.
const ENROLLED: [(&str, &str); 3] = [("Backup", "Yes"), ("Retention", "1d"), ("Copy_Dest", WEST)];
/// More than a page holds.
const MANY: usize = 6;

/// The run that is disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    account: Account,
    pub(crate) job: Job,
    pub(crate) region: &'static str,
    /// Which automated snapshot an operator turns to: one that the job is about to deal with.
    nth: usize,
}

/// Where it is disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Account {
    /// Two instances, the second one with a data volume.
    Small,
    /// So much of everything at home that each listing has several pages.
    Large,
}

/// The calls that a run makes.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    pub(crate) all: u32,
    pub(crate) readings: u32,
    pub(crate) later_pages: u32,
    /// How many pages each listing has, by action and region.
    pub(crate) listings: BTreeMap<(String, String), u32>,
    regions: BTreeSet<String>,
}

impl Target {
    /// The manager is disturbed at home, and in the west, where it must ask home about the last good copies.
    pub(crate) const ALL: [Target; 5] = [
        Target { account: Account::Small, job: Job::Creator, region: HOME, nth: 5 },
        Target { account: Account::Small, job: Job::Copier, region: HOME, nth: 7 },
        Target { account: Account::Small, job: Job::Manager, region: HOME, nth: 0 },
        Target { account: Account::Small, job: Job::Manager, region: WEST, nth: 0 },
        Target { account: Account::Small, job: Job::Watcher, region: HOME, nth: 0 },
    ];

    /// The same runs in a large account.
    pub(crate) fn in_a_large_account() -> [Target; 5] {
        Target::ALL.map(|target| Target { account: Account::Large, ..target })
    }

    /// Its run, with nothing to disturb it.
    fn run(self) -> Run {
        Run::plain(self.job, self.region, self.at())
    }

    fn at(self) -> DateTime<Utc> {
        at(self.job, DAY)
    }

    /// What came before it.
    fn before(self) -> Vec<Step> {
        let mut steps = match self.account {
            Account::Small => small_account(),
            Account::Large => large_account(),
        };
        if self.job == Job::Watcher {
            // something to tell, so that its calls to the alert topic are disturbed as well
            steps.push(Step::Act(launch(HOME, 0, &[("Backup", "Yse")])));
        }
        for day in 0..DAY {
            steps.extend([Job::Creator, Job::Copier].map(|job| plain(job, HOME, day)));
        }
        if self.account == Account::Large {
            steps.extend(images_and_locks());
        }
        // without a copy of that day, the copies in the west of the day before are the last good ones
        let misses_copies = self.job == Job::Manager && self.region == WEST;
        for (job, _) in TIMES.iter().take_while(|(job, _)| *job != self.job) {
            if !(misses_copies && *job == Job::Copier) {
                steps.push(plain(*job, HOME, DAY));
            }
        }
        steps
    }

    /// The number of its run: that of the runs before it.
    fn number(self) -> u32 {
        number(self.before().iter().filter(|step| matches!(step, Step::Run(_))).count())
    }

    /// The calls that it makes undisturbed.
    pub(crate) fn calls(self) -> Calls {
        let log = |steps| wire::play_blocking(&script(steps, setting()), None).log;
        let before = self.before();
        let before_it = log(before.clone()).len();
        let log = log([before, vec![Step::Run(self.run())]].concat());
        // instant, caller, region, action, parameters
        let its_own = || log.iter().skip(before_it);
        let mut listings: BTreeMap<(String, String), u32> = BTreeMap::new();
        for line in its_own() {
            let mut words = line.split(' ').skip(2);
            if let (Some(region), Some(action)) = (words.next(), words.next())
                && action.starts_with("Describe")
            {
                *listings.entry((action.to_owned(), region.to_owned())).or_default() += 1;
            }
        }
        Calls {
            all: number(its_own().count()),
            readings: listings.values().sum(),
            later_pages: number(its_own().filter(|line| line.contains(" NextToken=")).count()),
            listings,
            regions: its_own().filter_map(|line| line.split(' ').nth(2)).map(str::to_owned).collect(),
        }
    }

    /// The script in which this happens just before the runs, and they go like this.
    fn script(self, before: Vec<Step>, runs: &[Run], latency_ms: u64) -> Script {
        let mut steps = self.before();
        steps.push(Step::Until(self.at()));
        steps.extend(before);
        steps.extend(runs.iter().cloned().map(Step::Run));
        steps.extend(calm(DAY + 1));
        script(steps, Setting { latency_ms, ..setting() })
    }

    /// The case in which this happens just before it, and it goes like this.
    fn case(self, name: &str, before: Vec<Step>, run: Run, expected: Expected) -> Case {
        Case { name: format!("{self}: {name}"), script: self.script(before, &[run], 0), expected }
    }

    /// It, with nothing to disturb it.
    pub(crate) fn undisturbed(self) -> Case {
        self.case("undisturbed", Vec::new(), self.run(), Expected::Anything)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.job, self.region)?;
        match self.account {
            Account::Small => Ok(()),
            Account::Large => f.write_str(" in a large account"),
        }
    }
}

impl Calls {
    /// How many of them a fault of this kind can strike.
    fn open_to(&self, kind: Fault) -> u32 {
        match kind.reach() {
            Reach::All => self.all,
            Reach::Readings => self.readings,
            Reach::LaterPages => self.later_pages,
        }
    }

    /// Before each, and after each.
    fn kills(&self) -> Vec<Kill> {
        (0..self.all).flat_map(|call| [false, true].map(|after| Kill { call, after })).collect()
    }
}

/// Two instances, one minute after the other, so that it is known which one is the first. Only the second has a data
/// volume.
fn small_account() -> Vec<Step> {
    let minute = |minute| Step::Until(start() + TimeDelta::minutes(minute));
    let instance = |data| Step::Act(launch(HOME, data, &ENROLLED));
    vec![instance(0), minute(1), instance(1), minute(2)]
}

/// Many instances, and the tag `Backup` on their volumes too.
fn large_account() -> Vec<Step> {
    let choice = |nth| Act::Tag(Pick::Volume(HOME.to_owned(), nth), "Backup".to_owned(), "Yes".to_owned());
    let instances = (0..MANY).map(|_| launch(HOME, 0, &ENROLLED));
    instances.chain((0..MANY).map(choice)).map(Step::Act).collect()
}

/// Many images of the oldest snapshot, and many locks on the next ones, early on the day.
fn images_and_locks() -> Vec<Step> {
    let automated = |nth| Pick::Automated(HOME.to_owned(), nth);
    let early = start() + TimeDelta::days(DAY) + TimeDelta::hours(1);
    let mut steps = Vec::new();
    // no two images of one snapshot are made at one instant
    for second in (0..).take(MANY) {
        steps.push(Step::Until(early + TimeDelta::seconds(second)));
        steps.push(Step::Act(Act::Image(automated(0))));
    }
    steps.extend((1..=MANY).map(|nth| Step::Act(Act::Lock(automated(nth), 30))));
    steps
}

fn launch(region: &str, data: u8, tags: &[(&str, &str)]) -> Act {
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Act::Launch { region: region.to_owned(), data, tags }
}

/// The troubles end, every job runs on two days more, and everything must be as promised.
fn calm(first: i64) -> Vec<Step> {
    let mut steps = vec![Step::Calm];
    for day in first..first + 2 {
        for (job, _) in TIMES {
            steps.push(plain(job, HOME, day));
            // wherever copies may be
            if job == Job::Manager {
                steps.extend([WEST, FAR].map(|region| plain(job, region, day)));
            }
        }
    }
    steps.extend([Step::Until(start() + TimeDelta::hours(24 * (first + 2) - 1)), Step::Healed]);
    steps
}

/// Two pages of most listings of snapshots.
fn setting() -> Setting {
    Setting { page_size: 5, ..Setting::default() }
}

fn script(steps: Vec<Step>, setting: Setting) -> Script {
    Script { seed: 0, setting, steps }
}

fn plain(job: Job, region: &str, day: i64) -> Step {
    Step::Run(Run::plain(job, region, at(job, day)))
}

fn at(job: Job, day: i64) -> DateTime<Utc> {
    let hour = TIMES.iter().find(|(one, _)| *one == job).map_or(0, |(_, hour)| *hour);
    start() + TimeDelta::hours(24 * day + hour)
}

fn start() -> DateTime<Utc> {
    instant(START)
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("a few")
}
