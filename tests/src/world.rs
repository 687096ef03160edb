//! An AWS to run jobs in.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use snapkeeper_aws::{Aws, Options, SharedHttpClient};
use snapkeeper_core::{
    calls::Calls,
    run::{Job, Run},
    settings::{ApiRate, Settings},
};
use snapkeeper_lambda::{Context, Event, Report, perform};
use snapkeeper_simulator::{Config, Listener, Simulator};

use crate::{moto::Moto, operator::Operator, policies};

/// The account that every key belongs to, in the simulator and in moto.
pub const ACCOUNT: &str = "123456789012";
/// The region for which moto is told the jobs' policies.
const HOME: &str = "us-east-1";
/// The instant at which a simulated world begins: a Saturday.
pub const START: &str = "2026-11-21T04:00:00Z";
/// The secret of every access key; nobody looks at it.
const SECRET: &str = "secret";

/// By which way jobs and operators reach AWS. Clones lead to the same one.
#[derive(Clone)]
pub enum Door {
    /// The simulator, under the SDK's HTTP client.
    InProcess(Simulator),
    /// The simulator, over HTTP.
    Listener(Simulator, Arc<Listener>),
    /// moto, over HTTP.
    Moto(Arc<Moto>),
}

/// An AWS to run jobs in. In the simulator, each runs under the policy with which it is deployed.
pub struct World {
    door: Door,
    /// The account of the jobs and of the operator.
    account: String,
    settings: Vec<(String, String)>,
    /// Policies in place of those in the files.
    policies: BTreeMap<Job, Value>,
}

impl World {
    /// The simulator inside the process. Under tokio's paused time its hours pass at once.
    pub fn in_process() -> Self {
        Self::of(Simulator::new(Config::starting(instant(START))))
    }

    /// This simulator, inside the process.
    pub fn of(simulator: Simulator) -> Self {
        Self::behind(Door::InProcess(simulator))
    }

    /// The simulator over HTTP, on a free port of the loopback interface.
    pub async fn listener() -> Self {
        Self::listening(Simulator::new(Config::starting(instant(START)))).await
    }

    /// This simulator, over HTTP.
    pub async fn listening(simulator: Simulator) -> Self {
        let listener = simulator.listen(([127, 0, 0, 1], 0).into()).await.expect("a free port");
        Self::behind(Door::Listener(simulator, Arc::new(listener)))
    }

    /// moto, started for this world alone.
    pub fn moto() -> Self {
        Self::behind(Door::Moto(Arc::new(Moto::start())))
    }

    /// moto, started for this world alone, where the jobs may do what their policies allow, as far as moto evaluates
    /// them: see `moto_users.py`.
    pub fn moto_under_policies() -> Self {
        let document = |job: Job| (job.name().to_owned(), policies::document(job, HOME, &topic_in(ACCOUNT, HOME)));
        let documents: Value = Job::OF_EC2.into_iter().map(document).collect();
        Self::under(&documents)
    }

    /// The same, where the creator may stop instances as well.
    pub fn moto_where_instances_may_be_stopped() -> Self {
        let document = |job: Job| match job {
            Job::Creator => policies::creator_that_may_stop(HOME, &topic_in(ACCOUNT, HOME)),
            Job::Copier | Job::Manager | Job::Watcher | Job::RdsSharer | Job::RdsSaver | Job::Syncer => {
                policies::document(job, HOME, &topic_in(ACCOUNT, HOME))
            }
        };
        let documents: Value = Job::OF_EC2.into_iter().map(|job| (job.name().to_owned(), document(job))).collect();
        Self::under(&documents)
    }

    /// moto's own server, as a user would start it, without what the other one mends for us.
    pub fn moto_as_published() -> Self {
        Self::behind(Door::Moto(Arc::new(Moto::as_published())))
    }

    /// moto, started for this world alone, with a user for each of these policies: see `moto_users.py`.
    pub fn under(policies: &Value) -> Self {
        Self::behind(Door::Moto(Arc::new(Moto::under(policies))))
    }

    fn behind(door: Door) -> Self {
        Self { door, account: ACCOUNT.to_owned(), settings: Vec::new(), policies: BTreeMap::new() }
    }

    /// Another account of the same AWS, with settings and policies of its own. The simulator must have been told of the
    /// keys of its jobs: [`keys_in`].
    #[must_use]
    pub fn beside(&self, account: &str) -> Self {
        Self { account: account.to_owned(), ..Self::behind(self.door.clone()) }
    }

    /// With a setting, such as `("RPO_HOURS", "24")`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((format!("SNAPKEEPER_{name}"), value.to_owned()));
        self
    }

    /// With another policy for a job than that of its file, in whatever region it runs.
    #[must_use]
    pub fn with_policy(mut self, job: Job, document: Value) -> Self {
        self.policies.insert(job, document);
        self
    }

    /// The simulator behind the door.
    ///
    /// # Panics
    /// If it is moto.
    #[track_caller]
    pub fn simulator(&self) -> &Simulator {
        match &self.door {
            Door::InProcess(simulator) | Door::Listener(simulator, _) => simulator,
            Door::Moto(_) => panic!("moto is no simulator of ours"),
        }
    }

    /// Whether moto is behind the door, which completes snapshots at once, keeps a copy's `VolumeId`, ignores exclusions
    /// and knows no locks: what a scenario cannot ask of it, it asks only of the others.
    pub fn is_moto(&self) -> bool {
        matches!(self.door, Door::Moto(_))
    }

    /// The address of the door, if it is one over HTTP.
    pub fn endpoint(&self) -> Option<String> {
        match &self.door {
            Door::InProcess(_) => None,
            Door::Listener(_, listener) => Some(format!("http://{}", listener.address())),
            Door::Moto(moto) => Some(moto.endpoint().to_owned()),
        }
    }

    /// An operator with the SDK's own client in a region.
    pub async fn operator(&self, region: &str) -> Operator {
        let keys = match &self.door {
            Door::InProcess(_) | Door::Listener(..) => self.anyone(),
            Door::Moto(moto) => moto.keys_of(&self.user("operator")).unwrap_or_else(|| self.anyone()),
        };
        Operator::new(&self.options(region, &Calls::default(), keys)).await
    }

    /// The SDK's own client in a region, for whoever has the keys of a job that runs in `home`.
    pub async fn with_keys_of(&self, job: Job, home: &str, region: &str) -> Operator {
        Operator::new(&self.options(region, &Calls::default(), self.keys_of(job, home))).await
    }

    /// Lets enough time pass for all snapshots and copies under way.
    pub async fn settle(&self) {
        self.pass(Duration::from_mins(10)).await;
    }

    /// Lets time pass. In moto there is nothing that takes time.
    pub async fn pass(&self, time: Duration) {
        match &self.door {
            Door::InProcess(_) => tokio::time::sleep(time).await,
            Door::Listener(simulator, _) => simulator.skip(time),
            Door::Moto(_) => {}
        }
    }

    /// Lets time pass until an instant.
    pub async fn until(&self, at: &str) {
        if !self.is_moto() {
            self.pass((instant(at) - self.simulator().now()).to_std().unwrap_or_default()).await;
        }
    }

    /// Runs a job for an instant and returns its report.
    pub async fn run(&self, job: Job, region: &str, at: &str) -> Report {
        let context = self.context(job, region, at);
        self.run_in(&context).await
    }

    /// Runs a job without letting it change anything.
    pub async fn dry_run(&self, job: Job, region: &str, at: &str) -> Report {
        let mut context = self.context(job, region, at);
        context.run.dry_run = true;
        self.run_in(&context).await
    }

    /// Runs a job for an instant, and fails if anything failed.
    #[track_caller]
    pub fn run_well(&self, job: Job, region: &str, at: &str) -> impl Future<Output = Report> {
        let caller = std::panic::Location::caller();
        async move {
            let report = self.run(job, region, at).await;
            assert!(report.failed.is_empty(), "{caller}: {:#?}", report.failed);
            report
        }
    }

    /// What surrounds a run in this world.
    pub fn context(&self, job: Job, region: &str, at: &str) -> Context {
        let settings = Settings::from_variables(self.settings.iter().cloned()).expect("settings of a test");
        Context::new(Run::new(job, region.parse().expect("a region"), instant(at), settings))
    }

    /// Runs the job of a context.
    pub async fn run_in(&self, context: &Context) -> Report {
        self.run_through(context, None).await
    }

    /// Runs the job of a context, through this client if it is not to be the door's own.
    pub async fn run_through(&self, context: &Context, client: Option<SharedHttpClient>) -> Report {
        let calls = Calls::default();
        let aws = Box::pin(self.connect(context, &calls, client)).await;
        match context.run.job {
            Job::Creator => Box::pin(perform(&aws, context, &calls, snapkeeper_creator::run, Aws::publish)).await,
            Job::Copier => Box::pin(perform(&aws, context, &calls, snapkeeper_copier::run, Aws::publish)).await,
            Job::Manager => Box::pin(perform(&aws, context, &calls, snapkeeper_manager::run, Aws::publish)).await,
            Job::Watcher => Box::pin(perform(&aws, context, &calls, snapkeeper_watcher::run, Aws::publish)).await,
            Job::RdsSharer => Box::pin(perform(&aws, context, &calls, snapkeeper_rds_sharer::run, Aws::publish)).await,
            Job::RdsSaver => Box::pin(perform(&aws, context, &calls, snapkeeper_rds_saver::run, Aws::publish)).await,
            Job::Syncer => Box::pin(perform(&aws, context, &calls, snapkeeper_syncer::run, Aws::publish)).await,
        }
    }

    /// Takes snapshots of certain instances at once, as the payload of the creator's function asks for them.
    pub async fn on_demand(&self, region: &str, at: &str, payload: &Value) -> Report {
        let context = self.context(Job::Creator, region, at);
        self.on_demand_in(context, payload, None).await
    }

    /// The same in a context, through this client if it is not to be the door's own. The run's instant stands in the
    /// payload: the same payload at the same instant is the same request.
    ///
    /// # Panics
    /// If the payload is not understood.
    pub async fn on_demand_in(
        &self,
        mut context: Context,
        payload: &Value,
        client: Option<SharedHttpClient>,
    ) -> Report {
        let mut event = payload.as_object().expect("an object").clone();
        event.insert("scheduled_time".to_owned(), Value::from(context.run.instant.to_rfc3339()));
        let request = Event::read(&Value::Object(event), "").expect("an event").request.expect("a request");
        context.run.dry_run |= request.dry_run;
        context.request = Some(request);
        Box::pin(self.run_through(&context, client)).await
    }

    /// Starts whatever a run that was killed has stopped.
    pub async fn recover(&self, region: &str, at: &str) -> Report {
        let context = self.context(Job::Creator, region, at);
        let calls = Calls::default();
        let aws = Box::pin(self.connect(&context, &calls, None)).await;
        let recover =
            async |aws: &Aws, context: &Context| snapkeeper_creator::recover(aws, context, TimeDelta::zero()).await;
        perform(&aws, &context, &calls, recover, Aws::publish).await
    }

    /// AWS as the job of a context sees it, through this client if it is not to be the door's own.
    async fn connect(&self, context: &Context, calls: &Calls, client: Option<SharedHttpClient>) -> Aws {
        let region = context.run.region.as_str();
        let mut options = self.options(region, calls, self.keys_of(context.run.job, region));
        options.http_client = client.or(options.http_client);
        Aws::connect(options).await.expect("a region")
    }

    /// The keys of a job that runs in a region. In the simulator they may do what its policy allows.
    fn keys_of(&self, job: Job, region: &str) -> (String, String) {
        let simulator = match &self.door {
            Door::InProcess(simulator) | Door::Listener(simulator, _) => simulator,
            Door::Moto(moto) => return moto.keys_of(&self.user(job.name())).unwrap_or_else(|| self.anyone()),
        };
        let key = self.access_key(job, region);
        simulator.attach_policy(&key, policies::policy(&self.policy_of(job, region)));
        (key, SECRET.to_owned())
    }

    /// The access key under which a job runs in a region of this account.
    pub fn access_key(&self, job: Job, region: &str) -> String {
        access_key_in(&self.account, job, region)
    }

    /// The keys of someone to whom no policy is attached.
    fn anyone(&self) -> (String, String) {
        let key = if self.account == ACCOUNT { "AKIDTEST" } else { self.account.as_str() };
        (key.to_owned(), SECRET.to_owned())
    }

    /// A user in moto.
    fn user(&self, name: &str) -> String {
        if self.account == ACCOUNT { name.to_owned() } else { format!("{}:{name}", self.account) }
    }

    fn policy_of(&self, job: Job, region: &str) -> Value {
        if let Some(document) = self.policies.get(&job) {
            return document.clone();
        }
        let mut settings = self.settings.iter();
        let topic = settings.find(|(name, _)| name == "SNAPKEEPER_ALERT_TOPIC_ARN").map(|(_, topic)| topic.clone());
        let topic = topic.unwrap_or_else(|| topic_in(&self.account, region));
        policies::document_in(&self.account, job, region, &topic)
    }

    fn options(&self, region: &str, calls: &Calls, keys: (String, String)) -> Options {
        Options {
            region: Some(region.parse().expect("a region")),
            endpoint_url: self.endpoint(),
            keys: Some(keys),
            http_client: match &self.door {
                Door::InProcess(simulator) => Some(simulator.http_client()),
                Door::Listener(..) | Door::Moto(_) => None,
            },
            api_rate: ApiRate::Share(1.0),
            calls: calls.clone(),
            ..Options::default()
        }
    }
}

/// The access keys of the jobs in a region of an account other than [`ACCOUNT`], and that account: for
/// [`Config::accounts`].
pub fn keys_in(account: &str, region: &str) -> Vec<(String, String)> {
    Job::ALL.into_iter().map(|job| (access_key_in(account, job, region), account.to_owned())).collect()
}

fn access_key_in(account: &str, job: Job, region: &str) -> String {
    let key = policies::access_key(job, region);
    if account == ACCOUNT { key } else { format!("{key}-{account}") }
}

/// A topic for alerts in a region.
pub(crate) fn topic_in(account: &str, region: &str) -> String {
    format!("arn:aws:sns:{region}:{account}:alerts")
}

/// Reads an instant.
///
/// # Panics
/// If it is none.
#[track_caller]
pub fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant such as 2026-11-21T05:00:00Z")
}
