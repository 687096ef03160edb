//! A small account in which each job has something to do, and what can disturb a run there.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use snapkeeper_reliability::script::{
    Act, Fault, HOME, Job, Kill, Pick, Run, START, Script, Setting, Step, Trouble, WEST, When,
};
use snapkeeper_tests::{wire, world::instant};

/// When the jobs are started, in hours of the day.
const TIMES: [(Job, i64); 4] = [(Job::Creator, 5), (Job::Copier, 7), (Job::Manager, 9), (Job::Watcher, 11)];
/// The day on which a run is disturbed. By then two backups have been taken and copied, and are due.
const DAY: i64 = 2;

/// Every way in which a call can go wrong.
const FAULTS: [Fault; 12] = [
    Fault::Throttled,
    Fault::Internal,
    Fault::Unavailable,
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::InternalAfter,
    Fault::Late(3),
    Fault::Late(40),
    Fault::Slow(40),
    Fault::Stale(120),
    Fault::Denied,
    Fault::Expired,
];

/// The run that is disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) job: Job,
    pub(crate) region: &'static str,
    /// Which automated snapshot an operator turns to: one that the job is about to deal with.
    nth: usize,
}

impl Target {
    /// The manager is disturbed at home, and in the west, where it must ask home about the last good copies.
    pub(crate) const ALL: [Target; 5] = [
        Target { job: Job::Creator, region: HOME, nth: 5 },
        Target { job: Job::Copier, region: HOME, nth: 7 },
        Target { job: Job::Manager, region: HOME, nth: 0 },
        Target { job: Job::Manager, region: WEST, nth: 0 },
        Target { job: Job::Watcher, region: HOME, nth: 0 },
    ];

    /// Its run, with nothing to disturb it.
    fn run(self) -> Run {
        Run::plain(self.job, self.region, at(self.job, DAY))
    }

    /// What came before it.
    fn before(self) -> Vec<Step> {
        let tags = [("Backup", "Yes"), ("Retention", "1d"), ("Copy_Dest", WEST)];
        let tags: Vec<(String, String)> =
            tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let launch = |data| Step::Act(Act::Launch { region: HOME.to_owned(), data, tags: tags.clone() });
        let mut steps = vec![launch(0), launch(1)];
        for day in 0..DAY {
            steps.extend([Job::Creator, Job::Copier].map(|job| plain(job, HOME, day)));
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

    /// How many calls it makes undisturbed.
    pub(crate) fn calls(self) -> u32 {
        let count = |steps| wire::play_blocking(&script(steps, 0), None).calls;
        let without = self.before();
        let with = [without.clone(), vec![Step::Run(self.run())]].concat();
        u32::try_from(count(with) - count(without)).expect("a few")
    }

    /// The script in which this happens just before the run, and the run goes like this.
    fn case(self, trouble: Option<Step>, run: Run, latency_ms: u64) -> Script {
        let mut steps = self.before();
        steps.push(Step::Until(at(self.job, DAY)));
        steps.extend(trouble);
        steps.push(Step::Run(run));
        steps.extend(calm());
        script(steps, latency_ms)
    }

    /// The same, with nothing to disturb it.
    pub(crate) fn undisturbed(self) -> Script {
        self.case(None, self.run(), 0)
    }

    /// It is killed before each of its calls, and after each.
    pub(crate) fn killed(self, calls: u32) -> Vec<Script> {
        let kills = (0..calls).flat_map(|call| [false, true].map(|after| Kill { call, after }));
        kills.map(|kill| self.case(None, Run { killed: Some(kill), ..self.run() }, 0)).collect()
    }

    /// Each of its calls is struck by each kind of fault.
    pub(crate) fn struck(self, calls: u32) -> Vec<Script> {
        let strikes = (0..calls).flat_map(|call| FAULTS.map(|kind| (call, kind)));
        let trouble =
            |(call, kind)| Step::Trouble(Trouble::Calls { action: None, region: None, kind, when: When::After(call) });
        strikes.map(|strike| self.case(Some(trouble(strike)), self.run(), 0)).collect()
    }

    /// Before each of its calls somebody does something.
    pub(crate) fn interfered_with(self, calls: u32) -> Vec<Script> {
        let acts = self.acts();
        let meanwhile = (0..calls).flat_map(|call| acts.iter().map(move |act| (call, act.clone())));
        meanwhile.map(|act| self.case(None, Run { meanwhile: vec![act], ..self.run() }, 0)).collect()
    }

    /// Lambda cuts it off after each second. Every call takes one, and no action is begun in the last quarter.
    pub(crate) fn cut_off(self, calls: u32) -> Vec<Script> {
        let seconds = 1..=u64::from(calls) * 4 / 3 + 2;
        let deadlines = seconds.map(|seconds| Some(Duration::from_secs(seconds)));
        deadlines.map(|deadline| self.case(None, Run { deadline, ..self.run() }, 1_000)).collect()
    }

    /// Its event is delivered twice at once.
    pub(crate) fn twice(self) -> Vec<Script> {
        [0, 700].map(|latency| self.case(None, Run { twice: true, ..self.run() }, latency)).to_vec()
    }

    fn acts(self) -> Vec<Act> {
        let region = || self.region.to_owned();
        let automated = || Pick::Automated(region(), self.nth);
        let instance = |number| Pick::Instance(HOME.to_owned(), number);
        vec![
            Act::Terminate(instance(0)),
            Act::Terminate(instance(1)),
            Act::Detach(instance(1)),
            Act::Untag(instance(0), "Backup".to_owned()),
            Act::Tag(automated(), "KeepForever".to_owned(), String::new()),
            Act::Delete(Pick::Snapshot(region(), self.nth)),
            Act::Lock(automated(), 30),
            Act::Image(automated()),
        ]
    }
}

/// The troubles end, every job runs on two days more, and everything must be as promised.
fn calm() -> Vec<Step> {
    let mut steps = vec![Step::Calm];
    for day in DAY + 1..=DAY + 2 {
        for (job, _) in TIMES {
            steps.push(plain(job, HOME, day));
            if job == Job::Manager {
                steps.push(plain(job, WEST, day));
            }
        }
    }
    steps.extend([Step::Until(start() + TimeDelta::hours(24 * (DAY + 3) - 1)), Step::Healed]);
    steps
}

/// Two pages of most listings.
fn script(steps: Vec<Step>, latency_ms: u64) -> Script {
    let setting = Setting { page_size: 5, latency_ms, copies_at_once: 20, skew_hours: 0, with_key: false };
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
