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
        ("Made".to_owned(), "Count", as_u64(report.applied.iter().map(|step| step.made.len()).sum())),
        ("Kept".to_owned(), "Count", as_u64(counts.kept)),
        ("Failed".to_owned(), "Count", as_u64(counts.failed)),
        ("Unfinished".to_owned(), "Count", as_u64(counts.unfinished)),
        ("Findings".to_owned(), "Count", as_u64(counts.findings)),
        ("Succeeded".to_owned(), "Count", u64::from(report.succeeded())),
        ("ApiCalls".to_owned(), "Count", report.calls.values().sum()),
        ("Duration".to_owned(), "Milliseconds", report.duration.as_millis().try_into().unwrap_or(u64::MAX)),
    ];
    metrics.extend(
        report.kept_by_reason.iter().map(|(reason, count)| (format!("Kept_{reason}"), "Count", as_u64(*count))),
    );
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

fn as_u64(count: usize) -> u64 {
    count.try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use snapkeeper_core::{run::Run, settings::Settings};

    use super::*;
    use crate::report::Step;

    #[test]
    fn a_set_is_one_action_and_several_snapshots() {
        let at: DateTime<Utc> = "2026-11-21T05:00:00Z".parse().unwrap();
        let mut report = Report::of(&Run::new(Job::Creator, "us-east-1".parse().unwrap(), at, Settings::default()));
        let step = |made: &[&str]| Step::new("i-1", "act", made.iter().map(|id| (*id).to_owned()).collect());
        report.applied = vec![step(&["snap-1", "snap-2", "snap-3"]), step(&["snap-4"]), step(&[])];
        report.count();
        let told: Value = serde_json::from_str(&line(&report, at).unwrap()).unwrap();
        assert_eq!((&told["Applied"], &told["Made"]), (&json!(3), &json!(4)));
    }
}
