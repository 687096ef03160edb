//! Plays a script, step by step.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use chrono::{DateTime, TimeDelta, Utc};
use snapkeeper_aws::{Aws, Clock, Options};
use snapkeeper_core::{
    calls::Calls,
    run::{Job, Run as CoreRun},
    settings::{ApiRate, Settings},
};
use snapkeeper_lambda::{Context, Deadline, Report, perform};
use snapkeeper_reliability::{
    oracle::{Begun, Oracle},
    script::{self, Act, Fault, HOME, KEY, Kill, REGIONS, Run, START, Script, Step, Trouble},
};
use snapkeeper_simulator::{Call, Config, OPERATOR, Policy, Simulator, mix};

use super::{
    Played, acts,
    bug::WireBug,
    line::{Disturbed, Line},
    logged, told,
    watch::{Shared, Watch, lock},
};
use crate::world::{ACCOUNT, instant};

/// The access key of the jobs.
const KEY_OF_JOBS: &str = "AKIDJOBS";
/// The alert topic of all jobs, which is at [`HOME`].
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:alerts";
/// What the jobs may do: much, so that planted bugs go wrong in their own way. Only the line that the manager's policy
/// draws around deletions is drawn here as well.
const LINE: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["ec2:Describe*", "ec2:Create*", "ec2:CopySnapshot", "sns:Publish", "kms:*"],
     "Resource": "*"},
    {"Effect": "Allow", "Action": "ec2:DeleteSnapshot", "Resource": "*",
     "Condition": {"StringEquals": {"aws:ResourceTag/Type": "Automated"}}},
    {"Effect": "Deny", "Action": "ec2:DeleteSnapshot", "Resource": "*",
     "Condition": {"Null": {"aws:ResourceTag/KeepForever": "false"}}}
]}"#;
/// How long a snapshot takes.
const SNAPSHOT_TIME: Duration = Duration::from_mins(10);
/// How long a copy takes.
const COPY_TIME: Duration = Duration::from_mins(30);
/// How often it is looked what time has done.
const LOOK: Duration = Duration::from_mins(5);

/// Plays a script.
pub(super) async fn play(script: &Script, bug: Option<WireBug>) -> Played {
    let simulator = simulator(script);
    if script.setting.with_key {
        for region in REGIONS {
            simulator.create_key(ACCOUNT, region, KEY);
        }
    }
    simulator.call("sns", HOME, "CreateTopic", &[("Name", "alerts")]).expect("a topic");
    let watch = Arc::new(Mutex::new(Watch::new(simulator.clone(), script)));
    let mut player = Player { script, bug, simulator, watch, runs: 0 };
    for step in &script.steps {
        player.step(step).await;
    }
    player.played()
}

struct Player<'a> {
    script: &'a Script,
    bug: Option<WireBug>,
    simulator: Simulator,
    watch: Shared,
    /// How many runs there were.
    runs: u32,
}

impl Player<'_> {
    async fn step(&mut self, step: &Step) {
        match step {
            Step::Until(at) => self.until(*at).await,
            Step::Act(act) => {
                acts::carry_out(&mut lock(&self.watch), act);
            }
            Step::Trouble(trouble) => {
                begin(&mut lock(&self.watch), trouble);
            }
            Step::Calm => self.calm(),
            Step::Run(run) => self.run(run).await,
            Step::Healed => {
                let mut watch = lock(&self.watch);
                watch.time_passes();
                watch.judge(Oracle::healed);
            }
        }
    }

    /// Time passes until an instant, if it has not come yet.
    async fn until(&self, at: DateTime<Utc>) {
        loop {
            let left = (at - self.simulator.now()).to_std().unwrap_or_default();
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK)).await;
            lock(&self.watch).time_passes();
        }
    }

    /// All troubles end.
    fn calm(&self) {
        let mut watch = lock(&self.watch);
        watch.tell("all troubles end");
        watch.strikes.clear();
        watch.refuses_clock = false;
        self.simulator.refuse_skewed(false);
        for volume in std::mem::take(&mut watch.bad_volumes) {
            self.simulator.allow_snapshots_of(&volume);
            self.simulator.fail_snapshots_of(&volume, 0);
        }
        self.simulator.set_snapshot_time(SNAPSHOT_TIME);
        self.simulator.set_copy_time(COPY_TIME);
        for region in REGIONS {
            self.simulator.region_up(region);
            if self.script.setting.with_key {
                self.simulator.create_key(ACCOUNT, region, KEY);
            }
            self.simulator.hurry(ACCOUNT, region);
        }
        watch.time_passes();
    }

    async fn run(&mut self, run: &Run) {
        self.until(run.at).await;
        let number = self.runs;
        // of two at once, the first one is disturbed
        if run.twice {
            self.runs += 2;
            let first = Box::pin(self.once(number, run, run.killed, &run.meanwhile));
            let second = Box::pin(self.once(number + 1, run, None, &[]));
            tokio::join!(first, second);
        } else {
            self.runs += 1;
            Box::pin(self.once(number, run, run.killed, &run.meanwhile)).await;
        }
    }

    /// One run, with what is to happen meanwhile.
    async fn once(&self, number: u32, run: &Run, killed: Option<Kill>, meanwhile: &[(u32, Act)]) {
        let (home, meanwhile) = (run.region.clone(), meanwhile.to_vec());
        let plan = Disturbed { run: number, home, killed, meanwhile, bug: self.bug };
        let line = Line::new(plan, self.watch.clone(), self.simulator.http_client());
        self.begin(number, run);
        let calls = Calls::default();
        let aws = Aws::connect(self.options(number, run, &line, &calls)).await.expect("a region is given");
        let context = self.context(run);
        let work = within(run.deadline, Box::pin(carry_out(&aws, &context, &calls)));
        let report = tokio::select! {
            biased;
            () = line.killed() => None,
            report = Box::pin(work) => report,
        };
        self.end(number, &line, report.as_ref());
    }

    fn begin(&self, number: u32, run: &Run) {
        let mut watch = lock(&self.watch);
        watch.time_passes();
        watch.tell(format!("run {number}: {run}"));
        let begun = Begun {
            run: number,
            job: run.job,
            region: run.region.clone(),
            instant: run.at,
            lag: watch.strikes.lag(run.job, &run.region),
            has_deadline: run.deadline.is_some(),
        };
        watch.judge(|oracle, truth| oracle.begin(begun, truth));
    }

    fn end(&self, number: u32, line: &Line, report: Option<&Report>) {
        if report.is_some() {
            line.hang_up();
        }
        let mut watch = lock(&self.watch);
        watch.time_passes();
        match report {
            Some(report) => {
                for line in told::in_words(report) {
                    watch.tell(format!("run {number}: {line}"));
                }
                watch.reports.insert(number, report.clone());
            }
            None => watch.tell(format!("run {number} is gone without a word")),
        }
        let told = report.map(|report| told::told(report, line.asked(), line.messages()));
        let calls = line.counts();
        watch.judge(|oracle, truth| oracle.end(number, told.as_ref(), Some(&calls), truth));
    }

    fn options(&self, number: u32, run: &Run, line: &Line, calls: &Calls) -> Options {
        let (simulator, skew) = (self.simulator.clone(), TimeDelta::hours(self.script.setting.skew_hours));
        let clock: Clock = Arc::new(move || SystemTime::from(simulator.now() + skew));
        Options {
            region: Some(run.region.parse().expect("a region")),
            keys: Some((KEY_OF_JOBS.to_owned(), "secret".to_owned())),
            http_client: Some(line.client()),
            api_rate: ApiRate::Share(1.0),
            calls: calls.clone(),
            clock: Some(clock),
            jitter_seed: Some(mix(self.script.seed ^ mix(number.into()))),
            ..Options::default()
        }
    }

    fn context(&self, run: &Run) -> Context {
        let mut variables = self.script.setting.variables();
        variables.push(("SNAPKEEPER_ALERT_TOPIC_ARN".to_owned(), TOPIC.to_owned()));
        let settings = Settings::from_variables(variables).expect("settings that can be read");
        let region = run.region.parse().expect("a region");
        let mut context = Context::new(CoreRun::new(job_of(run.job), region, run.at, settings));
        if let Some(time) = run.deadline {
            context.deadline = Deadline::within(time);
        }
        context
    }

    fn played(self) -> Played {
        let mut watch = lock(&self.watch);
        watch.time_passes();
        Played {
            violations: watch.violations(),
            days: u32::try_from((self.simulator.now() - instant(START)).num_days()).unwrap_or_default(),
            runs: self.runs,
            calls: watch.calls,
            faults: std::mem::take(&mut watch.struck),
            differing: watch.differing,
            reports: std::mem::take(&mut watch.reports),
            log: self.simulator.calls().iter().filter(|call| !is_comparison(call)).map(logged).collect(),
            story: std::mem::take(&mut watch.story),
        }
    }
}

/// Whether a call is only there to see what a reading that lags behind should have shown: no operator reads.
fn is_comparison(call: &Call) -> bool {
    call.caller == OPERATOR && call.action.starts_with("Describe")
}

fn simulator(script: &Script) -> Simulator {
    let setting = script.setting;
    let mut config = Config::starting(instant(START));
    config.seed = script.seed;
    config.page_size = setting.page_size;
    config.latency = Duration::from_millis(setting.latency_ms);
    config.copies_at_once = setting.copies_at_once;
    config.snapshot_time = SNAPSHOT_TIME;
    config.copy_time = COPY_TIME;
    if let Some(seconds) = script.steps.iter().filter_map(staleness).max() {
        config.remembers = Duration::from_secs(seconds.into()) + Duration::from_mins(1);
    }
    let simulator = Simulator::new(config);
    simulator.attach_policy(KEY_OF_JOBS, Policy::parse(LINE).expect("a policy"));
    simulator
}

/// By how many seconds readings may lag behind from this step on.
fn staleness(step: &Step) -> Option<u32> {
    if let Step::Trouble(Trouble::Calls { kind: Fault::Stale(seconds), .. }) = step { Some(*seconds) } else { None }
}

/// Something goes wrong from now on.
fn begin(watch: &mut Watch, trouble: &Trouble) {
    watch.time_passes();
    watch.tell(format!("trouble: {trouble}"));
    let simulator = watch.simulator.clone();
    let hours = |hours: u32| Duration::from_hours(hours.into());
    match trouble {
        Trouble::Calls { action, region, kind, when } => {
            watch.strikes.add(action.clone(), region.clone(), *kind, *when);
        }
        Trouble::Down(region) => {
            simulator.region_down(region);
            watch.strikes.down.insert(region.clone());
        }
        Trouble::Up(region) => {
            simulator.region_up(region);
            watch.strikes.down.remove(region);
        }
        Trouble::Fails(volume, times) => {
            if let Some((_, id)) = acts::picked(&simulator, volume) {
                simulator.fail_snapshots_of(&id, *times);
                watch.bad_volumes.insert(id);
            }
        }
        Trouble::Refused(volume, code) => {
            if let Some((_, id)) = acts::picked(&simulator, volume) {
                simulator.refuse_snapshots_of(&id, code);
                watch.bad_volumes.insert(id);
            }
        }
        Trouble::Denied(what) => watch.strikes.denied.extend(acts::picked(&simulator, what).map(|(_, id)| id)),
        Trouble::ClockRefused => {
            simulator.refuse_skewed(true);
            watch.refuses_clock = watch.setting.skew_hours != 0;
        }
        Trouble::KeyOff(region) => simulator.disable_key(ACCOUNT, region, KEY),
        Trouble::SlowCopies(time) => simulator.set_copy_time(hours(*time)),
        Trouble::SlowSnapshots(time) => simulator.set_snapshot_time(hours(*time)),
    }
    watch.time_passes();
}

/// The job, once.
async fn carry_out(aws: &Aws, context: &Context, calls: &Calls) -> Report {
    match context.run.job {
        Job::Creator => perform(aws, context, calls, snapkeeper_creator::run, Aws::publish).await,
        Job::Copier => perform(aws, context, calls, snapkeeper_copier::run, Aws::publish).await,
        Job::Manager => perform(aws, context, calls, snapkeeper_manager::run, Aws::publish).await,
        Job::Watcher => perform(aws, context, calls, snapkeeper_watcher::run, Aws::publish).await,
        Job::RdsSharer => perform(aws, context, calls, snapkeeper_rds_sharer::run, Aws::publish).await,
        Job::RdsSaver => perform(aws, context, calls, snapkeeper_rds_saver::run, Aws::publish).await,
        Job::Syncer => perform(aws, context, calls, snapkeeper_syncer::run, Aws::publish).await,
    }
}

/// What Lambda lets a function do: when its time is over, it is gone.
async fn within(time: Option<Duration>, work: impl Future<Output = Report>) -> Option<Report> {
    match time {
        Some(time) => tokio::time::timeout(time, work).await.ok(),
        None => Some(work.await),
    }
}

fn job_of(job: script::Job) -> Job {
    match job {
        script::Job::Creator => Job::Creator,
        script::Job::Copier => Job::Copier,
        script::Job::Manager => Job::Manager,
        script::Job::Watcher => Job::Watcher,
    }
}
