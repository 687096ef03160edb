//! What a run told of itself, in the oracle's own types.

use std::collections::BTreeSet;

use snapkeeper_core::plan::FindingKind;
use snapkeeper_lambda::Report;
use snapkeeper_reliability::oracle::Told;

/// What a report says; `asked`: what the run's calls that change something were about; `messages`: what truly arrived
/// from it at the alert topic.
pub(super) fn told(report: &Report, asked: BTreeSet<String>, messages: Vec<(String, String)>) -> Told {
    Told {
        succeeded: report.succeeded(),
        applied: report.applied.iter().map(|step| (step.resource.clone(), step.made.clone())).collect(),
        failed: pairs(&report.failed),
        unfinished: pairs(&report.unfinished),
        kept: pairs(&report.kept),
        findings: report.findings.iter().map(|it| (name(it.kind), it.resource.clone(), it.what.clone())).collect(),
        calls: Some(report.calls.iter().map(|(action, count)| ((*action).to_owned(), *count)).collect()),
        asked: Some(asked),
        messages: Some(messages),
    }
}

/// A run in one line and what it could not do.
pub(super) fn in_words(report: &Report) -> Vec<String> {
    let listed = |what: &'static str, list: &[snapkeeper_lambda::Told]| {
        list.iter().map(|it| format!("  {what} {}: {}", it.resource, it.cause)).collect::<Vec<_>>()
    };
    let done = report.applied.iter().map(|step| format!("  done: {} {}", step.what, step.made.join(" ")));
    let findings = report.findings.iter().map(|it| format!("  found {}: {}", it.resource, it.what));
    let mut lines = vec![report.summary()];
    lines.extend(done);
    lines.extend(listed("failed", &report.failed));
    lines.extend(listed("unfinished", &report.unfinished));
    lines.extend(findings);
    lines
}

fn pairs(list: &[snapkeeper_lambda::Told]) -> Vec<(String, String)> {
    list.iter().map(|it| (it.resource.clone(), it.cause.clone())).collect()
}

/// The name of a kind, as a report in JSON has it.
fn name(kind: FindingKind) -> String {
    let name = serde_json::to_value(kind).ok();
    name.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}
