//! The report of a run: what was done, left alone, failed and left over. Its numbers are the true numbers.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use snapkeeper_core::{
    ids::Region,
    notice::Notice,
    plain::plain,
    plan::{Finding, Kept, Measure, Refusal},
    run::{Job, Run},
    sync::{SyncResult, Synced},
};

/// What became of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The job.
    pub job: Job,
    /// The region.
    pub region: Region,
    /// The scheduled instant that the run answered to.
    #[serde(serialize_with = "in_seconds")]
    pub run: DateTime<Utc>,
    /// Whether nothing was to be changed.
    pub dry_run: bool,
    /// How long each list is, whatever of it is shown.
    pub counts: Counts,
    /// How many resources were left alone, by reason.
    pub kept_by_reason: BTreeMap<&'static str, usize>,
    /// What a dry run would do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub planned: Vec<Step>,
    /// What was done.
    pub applied: Vec<Step>,
    /// What failed, and why.
    pub failed: Vec<Told>,
    /// What is left for the next run, and why.
    pub unfinished: Vec<Told>,
    /// What the operator should know.
    pub findings: Vec<Finding>,
    /// What was left alone, and why.
    pub kept: Vec<Told>,
    /// What became of each job of the syncer, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<SyncResult>,
    /// Numbers worth watching over time, by their names as metrics.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub measures: BTreeMap<&'static str, Measure>,
    /// The calls to AWS by API action, repeats included.
    pub calls: BTreeMap<&'static str, u64>,
    /// How long the run took.
    #[serde(rename = "duration_ms", serialize_with = "in_milliseconds")]
    pub duration: Duration,
}

/// How long the lists of a report are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// What a dry run would do.
    pub planned: usize,
    /// What was done.
    pub applied: usize,
    /// What failed.
    pub failed: usize,
    /// What is left for the next run.
    pub unfinished: usize,
    /// What the operator should know.
    pub findings: usize,
    /// What was left alone.
    pub kept: usize,
}

/// One action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The id of what it acts on.
    pub resource: String,
    /// The action in words.
    pub what: String,
    /// The ids of what it made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<String>,
    /// Of snapshots that were taken, the volumes, in the same order. For the news of it only: the snapshots know.
    #[serde(skip)]
    pub volumes: Vec<String>,
}

/// What is told of a resource: why it failed, is left over, or is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its id.
    pub resource: String,
    /// Why.
    pub cause: String,
}

impl Told {
    /// A resource and why, each fit for one line.
    pub fn new(resource: impl ToString, cause: impl ToString) -> Self {
        Self { resource: plain(&resource.to_string()), cause: plain(&cause.to_string()) }
    }
}

impl From<Refusal> for Told {
    fn from(Refusal { resource, cause }: Refusal) -> Self {
        Self::new(resource, cause)
    }
}

impl Step {
    /// An action and what it made, each fit for one line.
    pub(crate) fn new(resource: &str, what: &str, made: Vec<String>) -> Self {
        Self { resource: plain(resource), what: plain(what), made, volumes: Vec::new() }
    }
}

impl Report {
    /// The report of a run in which nothing has happened yet.
    pub fn of(run: &Run) -> Self {
        Self {
            job: run.job,
            region: run.region.clone(),
            run: run.instant,
            dry_run: run.dry_run,
            counts: Counts::default(),
            kept_by_reason: BTreeMap::new(),
            planned: Vec::new(),
            applied: Vec::new(),
            failed: Vec::new(),
            unfinished: Vec::new(),
            findings: Vec::new(),
            kept: Vec::new(),
            results: Vec::new(),
            measures: BTreeMap::new(),
            calls: BTreeMap::new(),
            duration: Duration::ZERO,
        }
    }

    /// Adds what was left alone.
    pub(crate) fn keep(&mut self, kept: Vec<Kept>) {
        for Kept { resource, reason } in kept {
            *self.kept_by_reason.entry(reason.kind()).or_default() += 1;
            self.kept.push(Told::new(resource, reason));
        }
    }

    /// Adds what became of a job of the syncer. What went wrong stands among what failed as well, under the job's name, so
    /// that alarms see it.
    pub fn result(&mut self, result: SyncResult) {
        let SyncResult { name, synced, errors } = result;
        self.failed.extend(errors.iter().map(|error| Told::new(&name, error)));
        let synced = synced.into_iter().map(|Synced { region, source, resource, state }| Synced {
            region: plain(&region),
            source: plain(&source),
            resource: plain(&resource),
            state,
        });
        let errors = errors.iter().map(|error| plain(error)).collect();
        self.results.push(SyncResult { name: plain(&name), synced: synced.collect(), errors });
    }

    /// Adds what else the run did.
    pub fn add(&mut self, other: Self) {
        for (reason, count) in other.kept_by_reason {
            *self.kept_by_reason.entry(reason).or_default() += count;
        }
        self.planned.extend(other.planned);
        self.applied.extend(other.applied);
        self.failed.extend(other.failed);
        self.unfinished.extend(other.unfinished);
        self.findings.extend(other.findings);
        self.kept.extend(other.kept);
        self.results.extend(other.results);
        self.measures.extend(other.measures);
    }

    /// Whether the run did what it is for. What a creator leaves over is lost if the event is not tried again: the next run
    /// is another. What a watcher leaves over is its digest, and nobody has heard of what it found. The others go on in the
    /// next run.
    pub fn succeeded(&self) -> bool {
        let goes_on = match self.job {
            Job::Creator | Job::Watcher => false,
            Job::Copier | Job::Manager | Job::RdsSharer | Job::RdsSaver | Job::Syncer => true,
        };
        self.failed.is_empty() && (goes_on || self.unfinished.is_empty())
    }

    /// Counts the lists.
    pub(crate) fn count(&mut self) {
        self.counts = Counts {
            planned: self.planned.len(),
            applied: self.applied.len(),
            failed: self.failed.len(),
            unfinished: self.unfinished.len(),
            findings: self.findings.len(),
            kept: self.kept.len(),
        };
    }

    /// The run in one line.
    pub fn summary(&self) -> String {
        let Counts { planned, applied, failed, unfinished, findings, kept } = self.counts;
        let done = if self.dry_run { format!("{planned} planned") } else { format!("{applied} done") };
        let mut words = vec![done];
        let rest = [(failed, "failed"), (unfinished, "unfinished"), (kept, "left alone"), (findings, "findings")];
        words.extend(rest.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
        format!("{} in {}: {}", self.job, self.region, words.join(", "))
    }

    /// The same report with at most `length` entries in each list; the counts still tell of all.
    #[must_use]
    pub fn cut_to(&self, length: usize) -> Self {
        let mut report = self.clone();
        report.planned.truncate(length);
        report.applied.truncate(length);
        report.failed.truncate(length);
        report.unfinished.truncate(length);
        report.findings.truncate(length);
        report.kept.truncate(length);
        report.results.truncate(length);
        for result in &mut report.results {
            result.synced.truncate(length);
            result.errors.truncate(length);
        }
        report
    }

    /// The news that the run failed; `None` if it did not.
    pub fn failure_notice(&self) -> Option<Notice> {
        if self.succeeded() {
            return None;
        }
        let counts = [(self.failed.len(), "failed"), (self.unfinished.len(), "unfinished")];
        let told = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let told = told.collect::<Vec<_>>().join(", ");
        let subject = format!("Snapkeeper {}: {} failed ({told})", self.region, self.job);
        let run = self.run.to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut lines = vec![format!("Run {run}: {}.", self.summary())];
        for (heading, list) in [("Failed", &self.failed), ("Unfinished", &self.unfinished)] {
            if !list.is_empty() {
                lines.push(format!("\n{heading}"));
                lines.extend(list.iter().map(|Told { resource, cause }| format!("- {resource}: {cause}")));
            }
        }
        Some(Notice::new(&subject, lines))
    }
}

fn in_seconds<S: Serializer>(instant: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&instant.to_rfc3339_opts(SecondsFormat::Secs, true))
}

fn in_milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_millis().try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use snapkeeper_core::{
        plan::{FindingKind, Plan},
        settings::Settings,
        sync::SyncState,
    };

    use super::*;
    use crate::{apply::Outcome, context::Context};

    const SPOOFED: &str = "no\u{1b}[2J\n\u{202e}all is well";

    fn run() -> Run {
        let instant = "2026-11-21T05:00:00Z".parse().unwrap();
        Run::new(Job::Watcher, "us-east-1".parse().unwrap(), instant, Settings::default())
    }

    fn finding() -> Finding {
        let text = || SPOOFED.to_owned();
        Finding { kind: FindingKind::Undated, resource: text(), what: text(), since: None, todo: text() }
    }

    #[tokio::test]
    async fn nothing_that_others_wrote_reaches_a_terminal_as_it_is() {
        let told = "no\\u{1b}[2J\\n\\u{202e}all is well";
        let action = Notice { subject: SPOOFED.to_owned(), body: String::new() };
        let plan = Plan { actions: vec![action], findings: vec![finding()], ..Plan::default() };
        let context = Context::new(run());
        let report = crate::apply(plan, &context, async |_: &Notice, outcome: &mut Outcome| {
            outcome.done();
            outcome.failed(SPOOFED, SPOOFED);
            outcome.kept(SPOOFED, SPOOFED);
            outcome.unfinished(SPOOFED, SPOOFED);
        });
        let report = report.await;
        for list in [&report.failed, &report.kept, &report.unfinished] {
            assert_eq!(*list, [Told { resource: told.to_owned(), cause: told.to_owned() }]);
        }
        let Finding { resource, what, todo, .. } = &report.findings[0];
        assert_eq!([resource, what, todo], [told; 3]);
        assert_eq!(report.applied[0].what, format!("tell the alert topic: {told}"));
        assert!(!serde_json::to_string(&report).unwrap().contains(['\u{1b}', '\n', '\u{202e}']));
    }

    #[test]
    fn what_went_wrong_with_a_job_of_the_syncer_fails_the_run_in_its_name() {
        let synced = |resource: &str| Synced {
            region: "us-west-2".to_owned(),
            source: "ami-1".to_owned(),
            resource: resource.to_owned(),
            state: SyncState::InSync,
        };
        let mut report = Report::of(&run());
        assert!(serde_json::to_value(&report).unwrap().get("results").is_none());
        report.result(SyncResult { name: "sync_web".to_owned(), synced: vec![synced("ami-2")], errors: Vec::new() });
        assert!(report.succeeded());
        let (name, errors) = ("sync_db".to_owned(), vec![SPOOFED.to_owned()]);
        report.result(SyncResult { name, synced: vec![synced(SPOOFED)], errors });
        let told = "no\\u{1b}[2J\\n\\u{202e}all is well";
        assert_eq!(report.failed, [Told { resource: "sync_db".to_owned(), cause: told.to_owned() }]);
        assert_eq!(report.results[1].synced, [synced(told)]);
        assert_eq!(report.results[1].errors, [told]);
        let told = serde_json::to_value(&report).unwrap();
        let one =
            serde_json::json!({"region": "us-west-2", "source": "ami-1", "resource": "ami-2", "state": "in_sync"});
        assert_eq!(told["results"][0], serde_json::json!({"name": "sync_web", "synced": [one], "errors": []}));
        assert_eq!(report.cut_to(1).results.len(), 1);
    }

    #[test]
    fn a_measure_is_told_as_a_number() {
        let mut report = Report::of(&run());
        assert!(serde_json::to_value(&report).unwrap().get("measures").is_none());
        report.measures = [("VolumesProtected", Measure::Count(3)), ("OldestBackupAge", Measure::Seconds(60))].into();
        let told = serde_json::to_value(&report).unwrap();
        assert_eq!(told["measures"], serde_json::json!({"VolumesProtected": 3, "OldestBackupAge": 60}));
    }
}
