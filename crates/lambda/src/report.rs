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

use crate::continuation::Continuation;

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
    /// Where the run goes on, if it does: whoever invoked the job is to do so again, with this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<Continuation>,
    /// How many entries a list may have. Of the others there is a count.
    #[serde(skip)]
    pub(crate) listed: usize,
    /// What stands in no list.
    #[serde(skip)]
    pub(crate) unlisted: Counts,
    /// What was made by actions that stand in no list.
    #[serde(skip)]
    pub(crate) unlisted_made: usize,
    /// Whether something failed in an earlier invocation of the run.
    #[serde(skip)]
    pub(crate) failed_before: bool,
    /// Whether the job ended before it had a plan.
    #[serde(skip)]
    pub(crate) began_nothing: bool,
}

/// How long the lists of a report are, or would be.
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
            continuation: None,
            listed: run.listed,
            unlisted: Counts::default(),
            unlisted_made: 0,
            failed_before: false,
            began_nothing: false,
        }
    }

    /// Adds what was left alone, and how much that the plan does not list, by reason.
    pub(crate) fn keep(&mut self, kept: Vec<Kept>, unlisted: BTreeMap<&'static str, usize>) {
        for Kept { resource, reason } in kept {
            *self.kept_by_reason.entry(reason.kind()).or_default() += 1;
            self.unlisted.kept += append(&mut self.kept, [Told::new(resource, reason)], self.listed);
        }
        for (reason, count) in unlisted {
            *self.kept_by_reason.entry(reason).or_default() += count;
            self.unlisted.kept += count;
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
        let made = self.made() + other.made();
        for (reason, count) in other.kept_by_reason {
            *self.kept_by_reason.entry(reason).or_default() += count;
        }
        let (listed, unlisted) = (self.listed, &mut self.unlisted);
        unlisted.planned += other.unlisted.planned + append(&mut self.planned, other.planned, listed);
        unlisted.applied += other.unlisted.applied + append(&mut self.applied, other.applied, listed);
        unlisted.failed += other.unlisted.failed + append(&mut self.failed, other.failed, listed);
        unlisted.unfinished += other.unlisted.unfinished + append(&mut self.unfinished, other.unfinished, listed);
        unlisted.findings += other.unlisted.findings + append(&mut self.findings, other.findings, listed);
        unlisted.kept += other.unlisted.kept + append(&mut self.kept, other.kept, listed);
        self.unlisted_made = 0;
        self.unlisted_made = made - self.made();
        self.results.extend(other.results);
        self.measures.extend(other.measures);
        if other.continuation.is_some() {
            self.continuation = other.continuation;
        }
    }

    /// How many snapshots or copies were made.
    pub(crate) fn made(&self) -> usize {
        self.unlisted_made + self.applied.iter().map(|step| step.made.len()).sum::<usize>()
    }

    /// Whether anything is left over.
    pub fn is_unfinished(&self) -> bool {
        !self.unfinished.is_empty() || self.unlisted.unfinished > 0
    }

    /// Whether the job ended in an error before it had a plan, so that nothing was done: it is to be tried again as it was.
    pub fn began_nothing(&self) -> bool {
        self.began_nothing
    }

    /// Whether the run did what it is for, so far, in this invocation and in those before.
    pub fn succeeded(&self) -> bool {
        !self.failed_before && self.went_well()
    }

    /// The same of this invocation alone. What a creator leaves over is lost if nobody goes on and the event is not tried
    /// again: the next run is another. What a watcher leaves over is its digest, and nobody has heard of what it found. The
    /// others go on in the next run.
    pub(crate) fn went_well(&self) -> bool {
        let goes_on = match self.job {
            Job::Creator | Job::Watcher => false,
            Job::Copier | Job::Manager | Job::RdsSharer | Job::RdsSaver | Job::Syncer => true,
        };
        let is_left = self.is_unfinished() && self.continuation.is_none();
        self.failed.is_empty() && self.unlisted.failed == 0 && (goes_on || !is_left)
    }

    /// Counts the lists, and what stands in none.
    pub(crate) fn count(&mut self) {
        let Counts { planned, applied, failed, unfinished, findings, kept } = self.unlisted;
        self.counts = Counts {
            planned: planned + self.planned.len(),
            applied: applied + self.applied.len(),
            failed: failed + self.failed.len(),
            unfinished: unfinished + self.unfinished.len(),
            findings: findings + self.findings.len(),
            kept: kept + self.kept.len(),
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

    /// The news that the run failed, from the first of its invocations that does, and once more from the last one: the
    /// first news may have been lost, and more may have failed since.
    pub fn failure_notice(&self) -> Option<Notice> {
        if self.succeeded() || (self.failed_before && self.continuation.is_some()) {
            return None;
        }
        let failed = self.failed.len() + self.unlisted.failed;
        let unfinished = self.unfinished.len() + self.unlisted.unfinished;
        let counts = [(failed, "failed"), (unfinished, "unfinished")];
        let told = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let told = told.collect::<Vec<_>>().join(", ");
        let told = if told.is_empty() { "in earlier invocations" } else { told.as_str() };
        let subject = format!("Snapkeeper {}: {} failed ({told})", self.region, self.job);
        let run = self.run.to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut lines = vec![format!("Run {run}: {}.", self.summary())];
        if self.failed_before {
            let here = if self.went_well() { "" } else { "in this invocation, and " };
            let told = "in earlier invocations of this run: the log has their reports";
            lines.push(format!("It failed {here}{told}."));
        }
        for (heading, list, all) in [("Failed", &self.failed, failed), ("Unfinished", &self.unfinished, unfinished)] {
            if !list.is_empty() {
                lines.push(format!("\n{heading}"));
                lines.extend(list.iter().map(|Told { resource, cause }| format!("- {resource}: {cause}")));
            }
            if all > list.len() {
                lines.push(format!("- and {} more", all - list.len()));
            }
        }
        Some(Notice::new(&subject, lines))
    }
}

/// Adds entries to a list as long as it has fewer than `listed`. Returns how many were left out.
fn append<T>(list: &mut Vec<T>, entries: impl IntoIterator<Item = T>, listed: usize) -> usize {
    let mut entries = entries.into_iter();
    list.extend(entries.by_ref().take(listed.saturating_sub(list.len())));
    entries.count()
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
    fn a_list_ends_where_it_is_told_to_and_the_counts_go_on() {
        let report = |listed: usize, entries: usize| {
            let mut report = Report::of(&Run { listed, ..run() });
            let step = Step::new("i-1", "act", vec!["snap-1".to_owned(), "snap-2".to_owned()]);
            report.unlisted.applied = append(&mut report.applied, vec![step; entries], listed);
            report.unlisted_made = 2 * report.unlisted.applied;
            report.unlisted.failed = append(&mut report.failed, vec![Told::new("i-1", "no"); entries], listed);
            report
        };
        let mut sum = report(3, 2);
        sum.add(report(3, 5));
        sum.count();
        assert_eq!((sum.applied.len(), sum.counts.applied, sum.made()), (3, 7, 14));
        assert_eq!((sum.failed.len(), sum.counts.failed), (3, 7));
        assert_eq!(sum.summary(), "watcher in us-east-1: 7 done, 7 failed");
        let notice = sum.failure_notice().unwrap();
        assert_eq!(notice.subject, "Snapkeeper us-east-1: watcher failed (7 failed)");
        assert!(notice.body.contains("- i-1: no\n- and 4 more"), "{}", notice.body);
    }

    #[test]
    fn what_somebody_goes_on_with_is_no_failure_and_a_failure_is_told_at_once() {
        let mut report = Report::of(&Run { job: Job::Creator, ..run() });
        report.unfinished.push(Told::new("i-1", "left for the next invocation"));
        assert!(!report.succeeded());
        report.continuation = Some(Continuation::default().next(None, Duration::from_secs(7)));
        assert!(report.succeeded() && report.failure_notice().is_none());
        report.failed.push(Told::new("i-2", "no"));
        assert!(!report.succeeded() && report.failure_notice().is_some());
        report.failed_before = true;
        assert!(!report.succeeded() && report.failure_notice().is_none());
        report.failed.clear();
        assert!(!report.succeeded() && report.went_well());
        assert!(serde_json::to_value(Report::of(&run())).unwrap().get("continuation").is_none());
        let told = serde_json::to_value(&report).unwrap();
        let expected = serde_json::json!({"invocations": 1, "failed": false, "wait_seconds": 7});
        assert_eq!(told["continuation"], expected);
    }

    #[test]
    fn the_last_invocation_tells_once_more_what_failed_in_the_run() {
        let last = || Report { failed_before: true, ..Report::of(&Run { job: Job::Manager, ..run() }) };
        let notice = last().failure_notice().unwrap();
        assert_eq!(notice.subject, "Snapkeeper us-east-1: manager failed (in earlier invocations)");
        let told = "\nIt failed in earlier invocations of this run: the log has their reports.";
        assert!(notice.body.contains(told), "{}", notice.body);

        let mut failed = last();
        failed.failed.push(Told::new("snap-2", "no"));
        failed.count();
        let notice = failed.failure_notice().unwrap();
        assert_eq!(notice.subject, "Snapkeeper us-east-1: manager failed (1 failed)");
        let told = "\nIt failed in this invocation, and in earlier invocations of this run: ";
        assert!(notice.body.contains(told) && notice.body.contains("- snap-2: no"), "{}", notice.body);

        failed.continuation = Some(Continuation::default());
        assert!(failed.failure_notice().is_none(), "it was told, and will be");
        failed.failed_before = false;
        let notice = failed.failure_notice().unwrap();
        assert!(!notice.body.contains("earlier"), "{}", notice.body);
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
