//! A report as `CloudWatch` metrics, in embedded metric format: one line of JSON that `CloudWatch` Logs turns into numbers.
//!
//! Format: `CloudWatch` user guide, "Embedded metric format specification". Namespace `Snapkeeper`, by job and region.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use snapkeeper_core::{plan::FindingKind, run::Job};

use crate::report::Report;

/// The line of metrics for a report. A dry run has none: it did nothing.
pub(crate) fn line(report: &Report, now: DateTime<Utc>) -> Option<String> {
    if report.dry_run {
        return None;
    }
    let counts = report.counts;
    let mut metrics: Vec<(String, &str, u64)> = vec![
        ("Applied".to_owned(), "Count", as_u64(counts.applied)),
        ("Made".to_owned(), "Count", as_u64(report.made())),
        ("Failed".to_owned(), "Count", as_u64(counts.failed)),
        // that of the last invocation is that of the run
        ("Succeeded".to_owned(), "Count", u64::from(report.succeeded() && report.continuation.is_none())),
        ("ApiCalls".to_owned(), "Count", report.calls.values().sum()),
        ("Duration".to_owned(), "Milliseconds", report.duration.as_millis().try_into().unwrap_or(u64::MAX)),
    ];
    // what an invocation hands on is not left by the run; and what each one counts anew only the last one tells, so that
    // the sum over the run is the true number
    let goes_on = report.continuation.is_some();
    if !goes_on {
        metrics.push(("Unfinished".to_owned(), "Count", as_u64(counts.unfinished)));
    }
    if !(goes_on && judges_all_anew(report.job)) {
        metrics.push(("Kept".to_owned(), "Count", as_u64(counts.kept)));
        metrics.push(("Findings".to_owned(), "Count", as_u64(counts.findings)));
        let by_reason = report.kept_by_reason.iter();
        metrics.extend(by_reason.map(|(reason, count)| (format!("Kept_{reason}"), "Count", as_u64(*count))));
    }
    metrics.extend(report.measures.iter().map(|(name, it)| ((*name).to_owned(), it.unit(), it.value())));
    if report.job == Job::Syncer {
        let failed = report.results.iter().filter(|result| !result.succeeded()).count();
        metrics.push(("SyncJobs".to_owned(), "Count", as_u64(report.results.len())));
        metrics.push(("SyncJobsFailed".to_owned(), "Count", as_u64(failed)));
    }
    if report.job == Job::Watcher {
        // every kind, also those that were not found: a number that is missing raises no alarm
        metrics.extend(FindingKind::ALL.iter().map(|kind| {
            let found = report.findings.iter().filter(|finding| finding.kind == *kind).count();
            (format!("Findings_{kind:?}"), "Count", as_u64(found))
        }));
    }
    let mut line = Map::from_iter([
        ("Job".to_owned(), json!(report.job)),
        ("Region".to_owned(), json!(report.region)),
        (
            "_aws".to_owned(),
            json!({
                "Timestamp": now.timestamp_millis(),
                "CloudWatchMetrics": [{
                    "Namespace": "Snapkeeper",
                    "Dimensions": [["Job", "Region"]],
                    "Metrics": metrics.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect::<Value>(),
                }],
            }),
        ),
    ]);
    line.extend(metrics.into_iter().map(|(name, _, value)| (name, json!(value))));
    Some(Value::Object(line).to_string())
}

/// Whether each invocation of a run judges everything again, and not what comes after that which the last one judged.
fn judges_all_anew(job: Job) -> bool {
    match job {
        Job::Copier | Job::Manager => true,
        Job::Creator | Job::Watcher | Job::RdsSharer | Job::RdsSaver | Job::Syncer => false,
    }
}

fn as_u64(count: usize) -> u64 {
    count.try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use snapkeeper_core::{run::Run, settings::Settings};

    use super::*;
    use crate::{continuation::Continuation, report::Step};

    #[test]
    fn a_set_is_one_action_and_several_snapshots() {
        let at: DateTime<Utc> = "2026-11-21T05:00:00Z".parse().unwrap();
        let mut report = Report::of(&Run::new(Job::Creator, "us-east-1".parse().unwrap(), at, Settings::default()));
        let step = |made: &[&str]| Step::new("i-1", "act", made.iter().map(|id| (*id).to_owned()).collect());
        report.applied = vec![step(&["snap-1", "snap-2", "snap-3"]), step(&["snap-4"]), step(&[])];
        report.count();
        let told: Value = serde_json::from_str(&line(&report, at).unwrap()).unwrap();
        assert_eq!((&told["Applied"], &told["Made"]), (&json!(3), &json!(4)));
        assert_eq!(told["Succeeded"], 1);
        report.unlisted_made = 2;
        report.continuation = Some(Continuation::default());
        let told: Value = serde_json::from_str(&line(&report, at).unwrap()).unwrap();
        assert_eq!((&told["Made"], &told["Succeeded"]), (&json!(6), &json!(0)), "it goes on");
    }

    #[test]
    fn what_is_counted_anew_by_each_invocation_is_told_by_the_last() {
        let at: DateTime<Utc> = "2026-11-21T05:00:00Z".parse().unwrap();
        let told_of = |job: Job, continuation: Option<Continuation>| {
            let mut report = Report::of(&Run::new(job, "us-east-1".parse().unwrap(), at, Settings::default()));
            report.kept_by_reason = [("not_due", 7)].into();
            report.unlisted.kept = 7;
            report.unlisted.findings = 3;
            report.unlisted.unfinished = 2;
            report.unlisted.failed = 1;
            report.continuation = continuation;
            report.count();
            let told: Value = serde_json::from_str(&line(&report, at).unwrap()).unwrap();
            let names = ["Applied", "Failed", "Findings", "Kept", "Kept_not_due", "Unfinished"];
            let listed = told["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap().clone();
            for name in names {
                let is_listed = listed.iter().any(|metric| metric["Name"] == name);
                assert_eq!(told.get(name).is_some(), is_listed, "{name}");
            }
            names.into_iter().filter(|name| told.get(*name).is_some()).collect::<Vec<_>>()
        };
        let all = ["Applied", "Failed", "Findings", "Kept", "Kept_not_due", "Unfinished"];
        for job in [Job::Creator, Job::Copier, Job::Manager, Job::Watcher] {
            assert_eq!(told_of(job, None), all, "{job}");
        }
        for job in [Job::Copier, Job::Manager] {
            assert_eq!(told_of(job, Some(Continuation::default())), ["Applied", "Failed"], "{job}");
        }
        // each page of the creator is judged once
        assert_eq!(told_of(Job::Creator, Some(Continuation::default())), all[..5]);
    }
}
