//! What lies between the SDK and the simulator while one run is carried out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::{pending, poll_fn},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use snapkeeper_reliability::script::{Act, Fault, Kill};
use snapkeeper_simulator::Fault as Struck;
use tokio::sync::Notify;

use super::{
    acts,
    bug::{self, WireBug},
    call::Call,
    strikes::kind_of,
    watch::{Shared, lock},
};

/// What comes back to the SDK.
pub(super) type Answer = Result<HttpResponse, ConnectorError>;

/// The way of one run's calls to the simulator. Clones are the same one.
#[derive(Clone)]
pub(super) struct Line(Arc<Inner>);

struct Inner {
    plan: Disturbed,
    watch: Shared,
    through: SharedHttpClient,
    /// Told when the process is killed.
    death: Notify,
    so_far: Mutex<SoFar>,
}

/// A run, and what is to disturb it.
pub(super) struct Disturbed {
    /// Its number.
    pub(super) run: u32,
    /// Its region.
    pub(super) home: String,
    pub(super) killed: Option<Kill>,
    pub(super) meanwhile: Vec<(u32, Act)>,
    pub(super) bug: Option<WireBug>,
}

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The SDK.
    Sdk,
    /// A planted bug: the adapter that had it would not count it, or count it right.
    Bug,
}

/// A reading: its region, its action, its parameters.
type Reading = (String, String, Vec<(String, String)>);

/// The run's calls so far.
#[derive(Default)]
struct SoFar {
    calls: u32,
    by_action: BTreeMap<String, u64>,
    /// What was read before anything was changed, and whether the last attempt succeeded.
    readings: BTreeMap<Reading, bool>,
    /// Whether anything was changed, or tried to be.
    changes: bool,
    /// What its calls that change something were about: volumes, instances, snapshots.
    asked: BTreeSet<String>,
    /// Of what it has made something by a call whose answer was lost.
    lost: BTreeSet<String>,
    /// By region, how many calls that create had no certain answer, or have none yet.
    unanswered: BTreeMap<String, usize>,
    /// How many messages there were at the alert topic before its last one.
    published: usize,
    /// The messages that arrived there by its calls, with subject and text.
    messages: Vec<(String, String)>,
    is_dead: bool,
}

impl Line {
    pub(super) fn new(plan: Disturbed, watch: Shared, through: SharedHttpClient) -> Line {
        Line(Arc::new(Inner { plan, watch, through, death: Notify::new(), so_far: Mutex::default() }))
    }

    /// The SDK's end of it.
    pub(super) fn client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    /// The region of the run.
    pub(super) fn home(&self) -> &str {
        &self.0.plan.home
    }

    /// Waits until the process is killed.
    pub(super) async fn killed(&self) {
        self.0.death.notified().await;
    }

    /// The true count of the run's calls by action.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        self.so_far().by_action.clone()
    }

    /// What its calls that change something were about: volumes, instances, snapshots.
    pub(super) fn asked(&self) -> BTreeSet<String> {
        self.so_far().asked.clone()
    }

    /// The messages that truly arrived from it at the alert topic. Those of calls that take effect late are not among
    /// them: the job got no answer, and called again.
    pub(super) fn messages(&self) -> Vec<(String, String)> {
        self.so_far().messages.clone()
    }

    /// The run is over and has told of itself: what it could not read until then, it has not read, and what was not answered
    /// until then is not answered.
    pub(super) fn hang_up(&self) {
        let unread = self.so_far().unread();
        self.tell_unread(unread);
        let unanswered = std::mem::take(&mut self.so_far().unanswered);
        let mut watch = lock(&self.0.watch);
        for (region, _) in unanswered.iter().filter(|(_, calls)| **calls > 0) {
            watch.judge(|oracle, _| oracle.had_no_answer(self.0.plan.run, region));
        }
    }

    /// Makes one call. Whatever it changes is seen before anything else happens.
    pub(super) async fn forward(&self, through: &SharedHttpConnector, request: HttpRequest, by: By) -> Answer {
        let is_dead = self.so_far().is_dead;
        if is_dead {
            return pending().await;
        }
        let call = Call::of(&request);
        let nth = self.number(&call, by);
        self.others_act(nth);
        if self.is_killed(nth, false) {
            return self.die(nth).await;
        }
        let mut answer = Box::pin(through.call(request));
        let lags = self.before(&call, nth);
        // the simulator acts when it is first asked, and then waits with its answer
        let first = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
        self.after(&call);
        let truth = lags.then(|| self.truth(&call));
        if self.is_killed(nth, true) {
            return self.die(nth).await;
        }
        let answer = match first {
            Poll::Ready(answer) => answer,
            Poll::Pending => answer.await,
        };
        if let Some(truth) = truth {
            self.compare(&answer, truth.as_deref());
        }
        self.heard(&call, &answer);
        answer
    }

    fn number(&self, call: &Call, by: By) -> u32 {
        let (nth, unread) = {
            let mut so_far = self.so_far();
            let nth = so_far.calls;
            so_far.calls += 1;
            if by == By::Sdk {
                *so_far.by_action.entry(call.action.clone()).or_default() += 1;
            }
            if call.creates() {
                *so_far.unanswered.entry(call.region.clone()).or_default() += 1;
            }
            if !call.reads() {
                so_far.asked.extend(call.about().map(str::to_owned));
                (nth, so_far.unread())
            } else if so_far.changes || call.service != "ec2" {
                // without the databases, a watcher tells of all else
                (nth, Vec::new())
            } else {
                so_far.readings.insert(reading(call), false);
                (nth, Vec::new())
            }
        };
        self.tell_unread(unread);
        nth
    }

    /// A job reads everything before it changes anything, so that what is unread by then stays unread.
    fn tell_unread(&self, unread: Vec<Reading>) {
        let mut watch = lock(&self.0.watch);
        for (region, action, _) in unread {
            watch.judge(|oracle, _| oracle.could_not_read(self.0.plan.run, &region, &action));
        }
    }

    fn others_act(&self, nth: u32) {
        for (_, act) in self.0.plan.meanwhile.iter().filter(|(call, _)| *call == nth) {
            acts::carry_out(&mut lock(&self.0.watch), act);
        }
    }

    fn is_killed(&self, nth: u32, after: bool) -> bool {
        self.0.plan.killed.is_some_and(|kill| kill.call == nth && kill.after == after)
    }

    /// The process is killed: nothing comes back to it, and it calls no more.
    async fn die(&self, nth: u32) -> Answer {
        self.so_far().is_dead = true;
        lock(&self.0.watch).tell(format!("run {} is killed at call {nth}", self.0.plan.run));
        lock(&self.0.watch).count("killed");
        self.0.death.notify_one();
        pending().await
    }

    /// What must be known before the call takes effect, and what is to strike it. Tells whether it is a reading that
    /// lags behind.
    fn before(&self, call: &Call, nth: u32) -> bool {
        let mut watch = lock(&self.0.watch);
        let run = self.0.plan.run;
        watch.time_passes();
        watch.calls += 1;
        if call.action == "DeleteSnapshot" {
            let id = call.get("SnapshotId").unwrap_or_default();
            watch.judge(|oracle, truth| oracle.asks_to_delete(run, &call.region, id, truth));
        }
        if call.publishes() {
            self.so_far().published = watch.simulator.published().len();
        }
        if watch.strikes.down.contains(&call.region) {
            watch.count("region down");
            return false;
        }
        if watch.strikes.denies(call) {
            watch.count("denied for one resource");
            watch
                .tell(format!("run {run}, call {nth}: {} to {} is denied for what it names", call.action, call.region));
            watch.simulator.inject(Struck::any(kind_of(Fault::Denied)));
            return false;
        }
        let Some(fault) = watch.strikes.strike(call) else {
            if watch.refuses_clock {
                watch.count("clock refused");
            }
            return false;
        };
        watch.count(fault.name());
        watch.tell(format!("run {run}, call {nth}: {} to {} {fault}", call.action, call.region));
        watch.simulator.inject(Struck::any(kind_of(fault)));
        match fault {
            // of all lost answers only this one's effect cannot be found by looking at once
            Fault::Late(_) if call.creates() => {
                watch.judge(|oracle, _| oracle.doubts(run, call.of_what()));
            }
            // their effect is found by looking, unless that is stale
            Fault::CutAfter | Fault::InternalAfter | Fault::Slow(_) if call.creates() => {
                self.so_far().lost.extend(call.of_what().map(str::to_owned));
            }
            Fault::Stale(_) if call.action == "DescribeSnapshots" => {
                let lost = std::mem::take(&mut self.so_far().lost);
                watch.judge(|oracle, _| {
                    oracle.doubts(run, None);
                    for of in &lost {
                        oracle.doubts(run, Some(of));
                    }
                });
            }
            Fault::Throttled
            | Fault::Internal
            | Fault::Unavailable
            | Fault::CutBefore
            | Fault::CutAfter
            | Fault::InternalAfter
            | Fault::Late(_)
            | Fault::Slow(_)
            | Fault::Stale(_)
            | Fault::Denied
            | Fault::Expired => {}
        }
        matches!(fault, Fault::Stale(_))
    }

    /// What a reading shows now that does not lag behind; `None` if it is refused. It stands in no log.
    fn truth(&self, call: &Call) -> Option<String> {
        let params: Vec<(&str, &str)> =
            call.params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let watch = lock(&self.0.watch);
        watch.simulator.call(&call.service, &call.region, &call.action, &params).ok().map(|reply| reply.body)
    }

    /// Counts a reading that lags behind, if what it shows is not what was so when it was answered.
    fn compare(&self, answer: &Answer, truth: Option<&str>) {
        let read = answer.as_ref().ok().filter(|answer| answer.status().is_success());
        let shown = read.and_then(|answer| std::str::from_utf8(answer.body().bytes()?).ok());
        if shown.map(without_request_id) != truth.map(without_request_id) {
            lock(&self.0.watch).differing += 1;
        }
    }

    fn after(&self, call: &Call) {
        let mut watch = lock(&self.0.watch);
        watch.simulator.clear_faults();
        watch.run_acted(self.0.plan.run, &call.region);
        if call.publishes() {
            let mut so_far = self.so_far();
            let new = watch.simulator.published().into_iter().skip(so_far.published);
            let new: Vec<(String, String)> = new.map(|it| (it.subject.unwrap_or_default(), it.message)).collect();
            for (subject, _) in &new {
                watch.tell(format!("run {} tells the alert topic: {subject}", self.0.plan.run));
            }
            so_far.messages.extend(new);
        }
    }

    /// What truly came back, whatever a bug then makes of it.
    fn heard(&self, call: &Call, answer: &Answer) {
        let mut so_far = self.so_far();
        if call.reads() && call.service == "ec2" && !so_far.changes && is_success(answer) {
            so_far.readings.insert(reading(call), true);
        }
        if call.creates()
            && !bug::is_open(answer)
            && let Some(calls) = so_far.unanswered.get_mut(&call.region)
        {
            *calls = calls.saturating_sub(1);
        }
    }

    fn so_far(&self) -> MutexGuard<'_, SoFar> {
        self.0.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SoFar {
    /// What could not be read before the first change, once.
    fn unread(&mut self) -> Vec<Reading> {
        self.changes = true;
        let readings = std::mem::take(&mut self.readings);
        readings.into_iter().filter(|(_, is_read)| !is_read).map(|(reading, _)| reading).collect()
    }
}

/// Whether an answer is one, and no error.
pub(super) fn is_success(answer: &Answer) -> bool {
    answer.as_ref().is_ok_and(|answer| answer.status().is_success())
}

/// An answer but for the id of its request, which no other has.
fn without_request_id(body: &str) -> &str {
    // EC2 begins with it, the others end with it
    let rest = body.split_once("</requestId>").map_or(body, |(_, rest)| rest);
    rest.split_once("<ResponseMetadata>").map_or(rest, |(rest, _)| rest)
}

fn reading(call: &Call) -> Reading {
    (call.region.clone(), call.action.clone(), call.params.clone())
}

impl fmt::Debug for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Line").field("run", &self.0.plan.run).finish_non_exhaustive()
    }
}

impl HttpClient for Line {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let through = self.0.through.http_connector(settings, components);
        SharedHttpConnector::new(Connection { line: self.clone(), through })
    }
}

/// The line, for one choice of settings.
#[derive(Debug)]
struct Connection {
    line: Line,
    through: SharedHttpConnector,
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (line, through) = (self.line.clone(), self.through.clone());
        HttpConnectorFuture::new(async move {
            match line.0.plan.bug {
                None => line.forward(&through, request, By::Sdk).await,
                Some(bug) => bug::carry_out(bug, &line, &through, request).await,
            }
        })
    }
}
