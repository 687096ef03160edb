//! From the event of an invocation to when and how to run.
//!
//! Three shapes are understood: a schedule of `EventBridge` rules or of `EventBridge` Scheduler without an input of its own
//! (`"detail-type": "Scheduled Event"`, with its `time`); an input of `EventBridge` Scheduler,
//! `{"scheduled_time": "<aws.scheduler.scheduled-time>"}`, beside which a state machine puts where the run goes on,
//! `"continuation": {}` at first; and a test from the console, `{}` or `{"dry_run": true}`. The
//! creator also takes a request for snapshots of certain instances, `{"instances": ["i-…"]}`, from the console or beside
//! the `scheduled_time`; and the rds-saver a message of SNS, `{"Records": [{"EventSource": "aws:sns", "Sns": {…}}]}`, that
//! announces a shared snapshot, as of the instant at which it was published.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde_json::{Map, Value};
use snapkeeper_core::{
    on_demand::{Request, RequestError},
    plain::plain,
    rds::announcement::Announcement,
    run::Job,
};

use crate::continuation::Continuation;

/// How far ahead of the clock a scheduled instant may lie. A schedule starts a run at its instant or later, never earlier,
/// and the clocks of AWS differ by much less.
const AHEAD: TimeDelta = TimeDelta::minutes(5);
/// How far behind the clock the instant of a request may lie. Snapshots are dated from it, and are to live a while: the
/// shortest retention is a day.
const BEHIND: TimeDelta = TimeDelta::days(1);

/// What an invocation asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The scheduled instant; `None` from the console: the present minute, of a request the present second.
    pub instant: Option<DateTime<Utc>>,
    /// Plan and report, change nothing.
    pub dry_run: bool,
    /// Snapshots of certain instances, in place of what the job's schedule is for.
    pub request: Option<Request>,
    /// What a message of SNS announces, or what of it is not understood.
    pub announced: Option<Result<Announcement, String>>,
    /// Where a run of several invocations goes on, if it is one.
    pub continuation: Option<Continuation>,
}

/// The keys of a Scheduler input: the context attributes that Scheduler can fill in, and our own.
const SCHEDULER_KEYS: [&str; 6] =
    ["scheduled_time", "schedule_arn", "execution_id", "attempt_number", "dry_run", CONTINUATION];
/// Where a run of several invocations goes on.
const CONTINUATION: &str = "continuation";
/// Those in which one try may differ from the next.
const OF_A_TRY: [&str; 3] = ["schedule_arn", "execution_id", "attempt_number"];

impl Event {
    /// Reads the event of an invocation, which has this id, also when it is tried again.
    ///
    /// # Errors
    /// If it has none of the shapes, naming what is not understood.
    pub fn read(event: &Value, invocation: &str) -> Result<Self, BadEvent> {
        let Value::Object(event) = event else { return Err(BadEvent::new(format!("it is {event}"))) };
        if let Some(kind) = event.get("detail-type") {
            let source = event.get("source").and_then(Value::as_str).unwrap_or_default();
            if kind != "Scheduled Event" || !["aws.events", "aws.scheduler"].contains(&source) {
                return Err(BadEvent::new(format!("its detail-type is {kind} and its source `{source}`")));
            }
            // it would be a scheduled run, and not what was asked for
            if let Some(key) = Request::key_of(event) {
                return Err(BadEvent::of_both(key));
            }
            // nobody would read the answer and go on
            if event.contains_key(CONTINUATION) {
                return Err(BadEvent::new("it is a scheduled event of EventBridge, and has a continuation beside it"));
            }
            let instant = Some(instant(event, "time")?);
            return Ok(Self { instant, ..Self::of_now(dry_run(event)?) });
        }
        if let Some(records) = event.get("Records") {
            return Ok(Self { dry_run: dry_run(event)?, ..read_message(records)? });
        }
        if Request::key_of(event).is_some() {
            return read_request(event, invocation);
        }
        let (known, scheduled): (&[&str], bool) =
            if event.contains_key("scheduled_time") { (&SCHEDULER_KEYS, true) } else { (&["dry_run"], false) };
        if let Some(key) = event.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(BadEvent::new(format!("it has the key `{key}`")));
        }
        let instant = if scheduled { Some(instant(event, "scheduled_time")?) } else { None };
        let continuation = event.get(CONTINUATION).map(Continuation::read).transpose().map_err(BadEvent::new)?;
        Ok(Self { instant, continuation, ..Self::of_now(dry_run(event)?) })
    }

    /// A run of the present minute, with nothing else said.
    fn of_now(dry_run: bool) -> Self {
        Self { instant: None, dry_run, request: None, announced: None, continuation: None }
    }

    /// The same, if it is one for this job.
    ///
    /// # Errors
    /// If it is a request, and the job is not the one that takes snapshots; a message, and it is not the one that keeps
    /// what is shared; or a run that goes on, and the job does not.
    pub fn of(self, job: Job) -> Result<Self, BadEvent> {
        if self.request.is_some() && job != Job::Creator {
            return Err(BadEvent::new(format!(
                "it is a request for snapshots, and this is the {job}: ask the creator"
            )));
        }
        if self.continuation.is_some() && !Job::OF_EC2.contains(&job) {
            return Err(BadEvent::new(format!("it has a continuation, and the {job} does not go on: leave it away")));
        }
        if self.announced.is_some() && job != Job::RdsSaver {
            return Err(BadEvent::new(format!(
                "it is a message that announces a database snapshot, and this is the {job}: subscribe the rds-saver"
            )));
        }
        Ok(self)
    }

    /// The instant of the run: the scheduled one, or the present minute; of a request the present instant.
    ///
    /// # Errors
    /// If it lies in the future. To the manager all would be due that is due by then, and what the creator took then would
    /// look fresh until then: whoever may invoke a function could set its clock. And if that of a request is long past: what
    /// is taken now could be due at once.
    pub fn instant_at(&self, now: DateTime<Utc>) -> Result<DateTime<Utc>, BadEvent> {
        match self.instant {
            // two requests of one minute are two
            None if self.request.is_some() => Ok(now),
            None => Ok(now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now)),
            Some(instant) if instant - now > AHEAD => {
                Err(BadEvent::new(format!("its instant {instant:?} lies in the future, it is {now:?}")))
            }
            Some(instant) if self.request.is_some() && now - instant > BEHIND => Err(BadEvent::of_past(instant, now)),
            Some(instant) => Ok(instant),
        }
    }
}

/// Reads a request. Beside it may stand what Scheduler fills in: then the same event is the same request, whoever sends
/// it again, and neither stops nor takes anything twice. Another one of the same instant is another request.
fn read_request(event: &Map<String, Value>, invocation: &str) -> Result<Event, BadEvent> {
    if event.contains_key(CONTINUATION) {
        return Err(BadEvent::new("it is a request for snapshots, and has a continuation beside it"));
    }
    let mut payload = event.clone();
    let (mut at, mut id) = (None, invocation.to_owned());
    if event.contains_key("scheduled_time") {
        at = Some(instant(event, "scheduled_time")?);
        payload.retain(|key, _| !OF_A_TRY.contains(&key.as_str()));
        // its keys are sorted
        id = fingerprint(Value::Object(payload.clone()).to_string().as_bytes());
        payload.remove("scheduled_time");
    }
    let request = Request::from_json(&Value::Object(payload), &id).map_err(|error| BadEvent::of_request(&error))?;
    let dry_run = request.dry_run;
    Ok(Event { instant: at, request: Some(request), ..Event::of_now(dry_run) })
}

/// Reads a message of SNS (Lambda developer guide, "Using Lambda with Amazon SNS": one record an event). What it says may be
/// anybody's, so that it only starts the run.
fn read_message(records: &Value) -> Result<Event, BadEvent> {
    let record = match records.as_array().map(Vec::as_slice) {
        Some([record]) => record,
        Some(other) => return Err(BadEvent::new(format!("the key `Records` has {} records, not one", other.len()))),
        None => return Err(BadEvent::new(format!("the key `Records` is {records}"))),
    };
    let source = record.get("EventSource").and_then(Value::as_str);
    let (Some("aws:sns"), Some(Value::Object(message))) = (source, record.get("Sns")) else {
        return Err(BadEvent::new(format!("its record is {record}, no message of SNS")));
    };
    let announced = match message.get("Message") {
        Some(Value::String(text)) => Announcement::read(text),
        Some(_) | None => Err("there is no text in it".to_owned()),
    };
    Ok(Event { instant: Some(instant(message, "Timestamp")?), announced: Some(announced), ..Event::of_now(false) })
}

/// What tells a text from all others, in 32 digits: FNV-1a, of 128 bits. Nobody is kept out by it, so it need not stand
/// against people who look for two texts with the same.
fn fingerprint(text: &[u8]) -> String {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = text.iter().fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME));
    format!("{hash:032x}")
}

/// Whether a dry run is asked for, in an event of whatever shape: somebody may have added it to a scheduled one.
fn dry_run(event: &Map<String, Value>) -> Result<bool, BadEvent> {
    match event.get("dry_run") {
        None => Ok(false),
        Some(Value::Bool(dry_run)) => Ok(*dry_run),
        Some(other) => Err(BadEvent::new(format!("its dry_run is {other}, neither true nor false"))),
    }
}

fn instant(event: &Map<String, Value>, key: &str) -> Result<DateTime<Utc>, BadEvent> {
    let value = event.get(key).unwrap_or(&Value::Null);
    let instant = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    instant
        .map(|it| it.to_utc())
        .ok_or_else(|| BadEvent::new(format!("its {key} is {value}, not an instant such as 2026-11-21T05:00:00Z")))
}

/// An event that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot make a run of this event: {what}. {expected}")]
pub struct BadEvent {
    what: String,
    expected: &'static str,
}

const EXPECTED: &str = "Expected a scheduled event of EventBridge, \
     {\"scheduled_time\": \"2026-11-21T05:00:00Z\"} of EventBridge Scheduler, {} or {\"dry_run\": true}; \
     to the creator a request such as {\"instances\": [\"i-0123456789abcdef0\"]}; or to the rds-saver a message of SNS";

const ALONE: &str = "Nothing was done. As the target's input, send the request alone, with its instant: \
     {\"instances\": [\"i-0123456789abcdef0\"], \"scheduled_time\": \"2026-11-21T05:00:00Z\"}";

impl BadEvent {
    /// What is not understood, fit for one line: anyone may write into an event.
    fn new(what: impl AsRef<str>) -> Self {
        Self { what: plain(what.as_ref()), expected: EXPECTED }
    }

    /// A scheduled event with a key of a request beside it.
    fn of_both(key: &str) -> Self {
        let what = format!("it is a scheduled event of EventBridge, and has the key `{key}` of a request beside it");
        Self { expected: ALONE, ..Self::new(what) }
    }

    /// A request whose instant is long past.
    fn of_past(instant: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let what = format!(
            "its scheduled_time {instant:?} is more than a day ago, it is {now:?}: its snapshots would be dated from \
             then, and might be due at once"
        );
        Self { expected: "Nothing was done. Send it with the present instant, or without any", ..Self::new(what) }
    }

    fn of_request(error: &RequestError) -> Self {
        Self { expected: "Nothing was done", ..Self::new(format!("as a request, {error}")) }
    }
}

#[cfg(test)]
mod tests;
