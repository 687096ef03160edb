//! What goes to standard output, and a report in words, for people.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
    io::{self, Write as _},
};

use owo_colors::OwoColorize;
use snapkeeper_core::{
    sync::{SyncState, Synced},
    tags,
};
use snapkeeper_lambda::{Report, Step, Told};

/// Up to this many resources left alone are told one by one, after a run; a dry run tells of all.
const KEPT_TOLD: usize = 10;

/// Writes to standard output, in colour on a terminal. That nobody reads on is no failure.
pub(crate) fn print(text: &str) -> Result<(), Unwritten> {
    let mut out = anstream::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Unwritten(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Standard output does not take what there is to say.
#[derive(Debug)]
pub(crate) struct Unwritten(io::Error);

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write to standard output: {}", self.0)
    }
}

impl std::error::Error for Unwritten {}

/// The report in lines.
pub(crate) fn report(report: &Report) -> String {
    let mut text = String::new();
    let dry = if report.dry_run { ", dry run: nothing is changed" } else { "" };
    line(&mut text, format_args!("{} in {}, run {}{dry}", report.job.bold(), report.region, tags::stamp(report.run)));
    for Step { what, .. } in &report.planned {
        line(&mut text, format_args!("  {} {what}", "would".cyan()));
    }
    // what was waited for and failed is told there, and only there
    let failed: BTreeSet<&str> = report.failed.iter().map(|told| told.resource.as_str()).collect();
    for Step { what, made, .. } in &report.applied {
        let made: Vec<&str> = made.iter().map(String::as_str).filter(|id| !failed.contains(*id)).collect();
        let made = if made.is_empty() { String::new() } else { format!(" → {}", made.join(" ")) };
        line(&mut text, format_args!("  {} {what}{}", "✓".green(), made.dimmed()));
    }
    if report.dry_run || report.kept.len() <= KEPT_TOLD {
        for Told { resource, cause } in &report.kept {
            line(&mut text, format_args!("  {} {resource} {}", "·".dimmed(), format!("left alone: {cause}").dimmed()));
        }
    } else {
        let reasons =
            report.kept_by_reason.iter().map(|(reason, count)| format!("{count} {}", reason.replace('_', " ")));
        let reasons = reasons.collect::<Vec<_>>().join(", ");
        line(
            &mut text,
            format_args!("  {} {}", "·".dimmed(), format!("{} left alone: {reasons}", report.kept.len()).dimmed()),
        );
    }
    for Told { resource, cause } in &report.unfinished {
        line(&mut text, format_args!("  {} {resource}: {cause}", "… left for the next run".yellow()));
    }
    for finding in &report.findings {
        let since = finding.since.map_or_else(String::new, |since| format!(" (since {})", tags::stamp(since)));
        line(&mut text, format_args!("  {} {}: {}{since}", "!".yellow(), finding.resource, finding.what));
        line(&mut text, format_args!("    {}", format!("→ {}", finding.todo).dimmed()));
    }
    for result in &report.results {
        for synced in &result.synced {
            line(&mut text, format_args!("  {}", of_job(&result.name, synced, report.dry_run)));
        }
    }
    for Told { resource, cause } in &report.failed {
        line(&mut text, format_args!("  {} {resource}: {cause}", "✗ failed".red()));
    }
    let calls: u64 = report.calls.values().sum();
    let took = format!("{calls} calls to AWS, {:.1} s", report.duration.as_secs_f64());
    line(&mut text, format_args!("{} {}", report.summary(), format!("({took})").dimmed()));
    text
}

/// What is there of a job of the syncer in one destination.
fn of_job(name: &str, Synced { region, source, resource, state }: &Synced, is_dry: bool) -> String {
    match state {
        SyncState::Created if is_dry => format!("{} {name} in {region}: {source} would be copied", "→".cyan()),
        SyncState::Created => format!("{} {name} in {region}: {resource} is being copied from {source}", "✓".green()),
        SyncState::InSync => format!("{} {name} in {region}: {resource}, already in sync with {source}", "✓".green()),
        SyncState::InProgress => {
            format!("{} {name} in {region}: {resource} is still being copied from {source}", "…".yellow())
        }
        SyncState::Missing => format!("{} {name} in {region}: not there", "✗".yellow()),
    }
}

/// Adds a line.
pub(crate) fn line(text: &mut String, words: fmt::Arguments<'_>) {
    // writing to a String does not fail
    let _ = writeln!(text, "{words}");
}
