//! The end of the demo: what can be restored, what was found, what was deleted. Told from what is truly there.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use owo_colors::OwoColorize;
use snapkeeper_core::tags;

use super::{
    account::{Account, Known, REGIONS},
    diary::Diary,
};
use crate::text::line;
use snapkeeper_simulator::SnapshotState;

pub(super) fn of(account: &Account, diary: &Diary) -> String {
    let mut text = String::new();
    restorable(&mut text, account);
    found(&mut text, diary);
    deleted(&mut text, account);
    let mails = account.simulator.published().len();
    line(
        &mut text,
        format_args!(
            "\n{} runs took {} snapshots, made {} copies, deleted {}, sent {mails} notices, in {} calls to AWS.",
            diary.runs, diary.created, diary.copied, diary.deleted, diary.api_calls
        ),
    );
    line(
        &mut text,
        format_args!("Next: `snapkeeper simulate` for the same AWS over HTTP, `snapkeeper run --help` for your own."),
    );
    text
}

fn restorable(text: &mut String, account: &Account) {
    line(text, format_args!("\n{}", "What can be restored".bold()));
    let head = ["instance", "in", "backups", "oldest", "newest"];
    line(text, format_args!("  {:<12} {:<10} {:>7}  {:<10}  {}", head[0], head[1], head[2], head[3], head[4]));
    for (name, home, id) in account.instances() {
        let mut label = name;
        for region in REGIONS {
            let is_of = |it: &&Known| it.instance() == id && it.region == region && it.is_there && it.is_good();
            let good: Vec<&Known> = account.snapshots().filter(is_of).collect();
            let days: BTreeSet<NaiveDate> = good.iter().map(|it| it.day()).collect();
            let (Some(oldest), Some(newest)) = (days.first(), days.last()) else { continue };
            let mut notes = Vec::new();
            if region != home {
                notes.push("copies".to_owned());
            }
            let held = good.iter().filter(|it| it.tag(tags::KEEP_FOREVER).is_some()).count();
            if held > 0 {
                notes.push(format!("{held} snapshots kept for ever"));
            }
            let (count, notes) = (days.len(), notes.join(", "));
            line(text, format_args!("  {label:<12} {region:<10} {count:>7}  {oldest}  {newest}  {}", notes.dimmed()));
            label = "";
        }
        if !label.is_empty() {
            line(text, format_args!("  {name:<12} {}", "nothing".dimmed()));
        }
    }
}

fn found(text: &mut String, diary: &Diary) {
    line(text, format_args!("\n{}", "What the watcher found".bold()));
    let headings: BTreeSet<&str> = diary.findings.values().map(|again| again.heading).collect();
    for heading in headings {
        let of_heading = diary.findings.values().filter(|again| again.heading == heading);
        let days: BTreeSet<i64> = of_heading.clone().flat_map(|again| again.days.iter().copied()).collect();
        line(text, format_args!("  {heading:<40} {:>2} on days {}", of_heading.count(), ranges(&days)));
    }
}

fn deleted(text: &mut String, account: &Account) {
    line(text, format_args!("\n{}", "What was deleted, and why".bold()));
    let head = ["instance", "in", "snapshots", "", "oldest", "newest", "why"];
    line(
        text,
        format_args!(
            "  {:<12} {:<10} {:>9}  {:<9}  {:<10}  {:<10}  {}",
            head[0], head[1], head[2], head[3], head[4], head[5], head[6]
        ),
    );
    let mut all: BTreeMap<(&str, &str, &str), Vec<&Known>> = BTreeMap::new();
    for it in account.snapshots().filter(|it| !it.is_there) {
        let kind = if it.is_copy() { "copies" } else { "primaries" };
        all.entry((account.name_of(it.instance()), it.region.as_str(), kind)).or_default().push(it);
    }
    let mut told = "";
    for ((name, region, kind), snapshots) in &all {
        let label = if *name == told { "" } else { *name };
        told = *name;
        let days: BTreeSet<NaiveDate> = snapshots.iter().map(|it| it.day()).collect();
        let (Some(oldest), Some(newest)) = (days.first(), days.last()) else { continue };
        let (count, why) = (snapshots.len(), why(snapshots));
        line(
            text,
            format_args!("  {label:<12} {region:<10} {count:>9}  {kind:<9}  {oldest}  {newest}  {}", why.dimmed()),
        );
    }
    // from the record of the deletions themselves, which tells when each was made
    let deletions = account.simulator.deletions();
    let is_right = deletions.iter().all(|it| {
        let tag = |key: &str| it.snapshot.tags.get(key).map(String::as_str);
        let due = tag(tags::DELETE_ON).and_then(|day| day.parse::<NaiveDate>().ok());
        let may_go = due.is_some_and(|due| due <= it.at.date_naive()) || it.snapshot.state == SnapshotState::Error;
        tag(tags::TYPE) == Some(tags::AUTOMATED) && may_go
    });
    let right = if is_right { "yes".green().to_string() } else { "no".red().to_string() };
    let held = deletions.iter().filter(|it| it.snapshot.tags.contains_key(tags::KEEP_FOREVER)).count();
    let count = deletions.len();
    line(
        text,
        format_args!(
            "  {count} snapshots, each automated, and due or failed: {right}; with KeepForever among them: {held}"
        ),
    );
}

/// Why these were deleted: after how many days they were due, and how many had failed.
fn why(snapshots: &[&Known]) -> String {
    let failed = snapshots.iter().filter(|it| it.snapshot.state == SnapshotState::Error).count();
    let others = snapshots.iter().filter(|it| it.snapshot.state != SnapshotState::Error);
    let days: Option<BTreeSet<i64>> = others.map(|it| it.due().map(|due| (due - it.day()).num_days())).collect();
    let due = match days.as_ref().and_then(|days| Some((days.first()?, days.last()?))) {
        Some((least, most)) if least == most => format!("due after {least} days"),
        Some((least, most)) => format!("due after {least} to {most} days"),
        None => "not due".to_owned(),
    };
    if failed == 0 { due } else { format!("{due}; {failed} failed") }
}

/// `1-3, 7`.
fn ranges(days: &BTreeSet<i64>) -> String {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for day in days {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *day => *last = *day,
            _ => ranges.push((*day, *day)),
        }
    }
    let words = ranges.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") });
    words.collect::<Vec<_>>().join(", ")
}
