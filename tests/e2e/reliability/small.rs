//! A small account in which each job has something to do, and what can disturb a run there.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use snapkeeper_reliability::script::{
    Act, FAR, Fault, HOME, Job, Kill, Pick, Reach, Run, START, Script, Setting, Step, Trouble, WEST, When,
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

/// The ways in which a call and all that come after it go wrong.
const LASTING: [Fault; 6] =
    [Fault::Throttled, Fault::Internal, Fault::CutBefore, Fault::CutAfter, Fault::Denied, Fault::Stale(120)];

/// A script in which a run is disturbed.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) script: Script,
    pub(crate) expected: Expected,
}

impl Case {
    /// The name of what others do in it.
    pub(crate) fn act(&self) -> Option<&String> {
        match &self.expected {
            Expected::Done(act) => Some(act),
            Expected::Anything | Expected::Struck(_) => None,
        }
    }
}

/// What must have come of the disturbance, so that none is played in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Whatever it is.
    Anything,
    /// It struck, and is counted under this name.
    Struck(&'static str),
    /// In one of the cases of this name at least, what others did was not in vain.
    Done(String),
}

/// The calls that a run makes.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    pub(crate) all: u32,
    pub(crate) readings: u32,
    pub(crate) later_pages: u32,
    regions: BTreeSet<String>,
}

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
        if self.job == Job::Watcher {
            // something to tell, so that its calls to the alert topic are disturbed as well
            let tags = vec![("Backup".to_owned(), "Yse".to_owned())];
            steps.push(Step::Act(Act::Launch { region: HOME.to_owned(), data: 0, tags }));
        }
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

    /// The calls that it makes undisturbed.
    pub(crate) fn calls(self) -> Calls {
        let log = |steps| wire::play_blocking(&script(steps, 0), None).log;
        let before = self.before();
        let before_it = log(before.clone()).len();
        let log = log([before, vec![Step::Run(self.run())]].concat());
        // instant, caller, region, action, parameters
        let its_own = || log.iter().skip(before_it);
        let number = |count: usize| u32::try_from(count).expect("a few");
        let reads = |line: &&String| line.split(' ').nth(3).is_some_and(|action| action.starts_with("Describe"));
        Calls {
            all: number(its_own().count()),
            readings: number(its_own().filter(reads).count()),
            later_pages: number(its_own().filter(|line| line.contains(" NextToken=")).count()),
            regions: its_own().filter_map(|line| line.split(' ').nth(2)).map(str::to_owned).collect(),
        }
    }

    /// The script in which this happens just before the runs, and they go like this.
    fn script(self, before: Option<Step>, runs: &[Run], latency_ms: u64) -> Script {
        let mut steps = self.before();
        steps.push(Step::Until(at(self.job, DAY)));
        steps.extend(before);
        steps.extend(runs.iter().cloned().map(Step::Run));
        steps.extend(calm());
        script(steps, latency_ms)
    }

    fn case(self, before: Option<Step>, run: Run, expected: Expected) -> Case {
        Case { script: self.script(before, &[run], 0), expected }
    }

    /// The same, with nothing to disturb it.
    pub(crate) fn undisturbed(self) -> Case {
        self.case(None, self.run(), Expected::Anything)
    }

    /// It is killed before each of its calls, and after each.
    pub(crate) fn killed(self, calls: &Calls) -> Vec<Case> {
        let killed = |kill| self.case(None, Run { killed: Some(kill), ..self.run() }, Expected::Struck("killed"));
        calls.kills().into_iter().map(killed).collect()
    }

    /// It is killed, and its event comes again at once: only of the jobs that make something.
    pub(crate) fn killed_and_repeated(self, calls: &Calls) -> Vec<Case> {
        if !matches!(self.job, Job::Creator | Job::Copier) {
            return Vec::new();
        }
        let killed = |kill| {
            let runs = [Run { killed: Some(kill), ..self.run() }, self.run()];
            Case { script: self.script(None, &runs, 0), expected: Expected::Struck("killed") }
        };
        calls.kills().into_iter().map(killed).collect()
    }

    /// Each of its calls is struck by each kind of fault.
    pub(crate) fn struck(self, calls: &Calls) -> Vec<Case> {
        self.faults(calls, &FAULTS, When::After)
    }

    /// Each of its calls is struck by faults of these kinds, and so are all after it.
    pub(crate) fn struck_from_then_on(self, calls: &Calls) -> Vec<Case> {
        self.faults(calls, &LASTING, When::From)
    }

    /// A fault of each kind strikes at each call that it can strike: nowhere is it in vain.
    fn faults(self, calls: &Calls, kinds: &[Fault], when: fn(u32) -> When) -> Vec<Case> {
        let all = kinds.iter().flat_map(|kind| (0..calls.open_to(*kind)).map(move |call| (*kind, call)));
        let struck = |(kind, call): (Fault, u32)| {
            let trouble = Trouble::Calls { action: None, region: None, kind, when: when(call) };
            self.case(Some(Step::Trouble(trouble)), self.run(), Expected::Struck(kind.name()))
        };
        all.map(struck).collect()
    }

    /// Its own region does not answer, or another.
    pub(crate) fn with_a_region_down(self, calls: &Calls) -> Vec<Case> {
        let down = |region: &str| {
            let is_asked = calls.regions.contains(region);
            let expected = if is_asked { Expected::Struck("region down") } else { Expected::Anything };
            self.case(Some(Step::Trouble(Trouble::Down(region.to_owned()))), self.run(), expected)
        };
        [HOME, WEST].map(down).to_vec()
    }

    /// Before each of its calls somebody does something.
    pub(crate) fn interfered_with(self, calls: &Calls) -> Vec<Case> {
        let mut cases = Vec::new();
        for (name, before, act) in self.acts() {
            let expected = Expected::Done(format!("{name} during the {} in {}", self.job, self.region));
            for call in 0..calls.all {
                let run = Run { meanwhile: vec![(call, act.clone())], ..self.run() };
                cases.push(self.case(before.clone().map(Step::Act), run, expected.clone()));
            }
        }
        cases
    }

    /// Lambda cuts it off after each second. Every call takes one, and no action is begun in the last quarter.
    pub(crate) fn cut_off(self, calls: &Calls) -> Vec<Case> {
        let seconds = 1..=u64::from(calls.all) * 4 / 3 + 2;
        let cut = |seconds| {
            let run = Run { deadline: Some(Duration::from_secs(seconds)), ..self.run() };
            Case { script: self.script(None, &[run], 1_000), expected: Expected::Anything }
        };
        seconds.map(cut).collect()
    }

    /// Its event is delivered twice at once.
    pub(crate) fn twice(self) -> Vec<Case> {
        let twice = |latency| {
            let run = Run { twice: true, ..self.run() };
            Case { script: self.script(None, &[run], latency), expected: Expected::Anything }
        };
        [0, 700].map(twice).to_vec()
    }

    /// What others do while it runs: a name for it, what they did before, and what they do.
    fn acts(self) -> Vec<(&'static str, Option<Act>, Act)> {
        let region = || self.region.to_owned();
        let automated = || Pick::Automated(region(), self.nth);
        let instance = |number| Pick::Instance(HOME.to_owned(), number);
        let tag = |what, key: &str, value: &str| Act::Tag(what, key.to_owned(), value.to_owned());
        let keep = || tag(automated(), "KeepForever", "");
        vec![
            ("terminate", None, Act::Terminate(instance(0))),
            ("terminate", None, Act::Terminate(instance(1))),
            // one of the two has no data volume
            ("detach", None, Act::Detach(instance(0))),
            ("detach", None, Act::Detach(instance(1))),
            ("attach", None, Act::Attach(instance(0))),
            ("take Backup away", None, Act::Untag(instance(0), "Backup".to_owned())),
            ("change Retention", None, tag(instance(0), "Retention", "3d")),
            ("change Copy_Dest", None, tag(instance(0), "Copy_Dest", FAR)),
            ("change DeleteOn", None, tag(automated(), "DeleteOn", "2030-01-01")),
            ("keep for ever", None, keep()),
            ("keep no more", Some(keep()), Act::Untag(automated(), "KeepForever".to_owned())),
            ("take a snapshot", None, Act::Snapshot(Pick::Volume(HOME.to_owned(), 0), Vec::new())),
            ("delete", None, Act::Delete(Pick::Snapshot(region(), self.nth))),
            ("lock", None, Act::Lock(automated(), 30)),
            ("make an image", None, Act::Image(automated())),
        ]
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

/// The troubles end, every job runs on two days more, and everything must be as promised.
fn calm() -> Vec<Step> {
    let mut steps = vec![Step::Calm];
    for day in DAY + 1..=DAY + 2 {
        for (job, _) in TIMES {
            steps.push(plain(job, HOME, day));
            // wherever copies may be
            if job == Job::Manager {
                steps.extend([WEST, FAR].map(|region| plain(job, region, day)));
            }
        }
    }
    steps.extend([Step::Until(start() + TimeDelta::hours(24 * (DAY + 3) - 1)), Step::Healed]);
    steps
}

/// Two pages of most listings.
fn script(steps: Vec<Step>, latency_ms: u64) -> Script {
    let setting = Setting { page_size: 5, latency_ms, ..Setting::default() };
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
