//! The end of the demo: what can be restored, what was found, what was deleted. Told from what is truly there.

use std::collections::BTreeSet;

use owo_colors::OwoColorize;
use snapkeeper_simulator::{Snapshot, SnapshotState};

use super::{
    Diary,
    account::{Account, REGIONS},
};

pub(super) fn tell(account: &Account, diary: &Diary) {
    anstream::println!("\n{}", "What can be restored".bold());
    anstream::println!(
        "  {:<12} {:<10} {:>7}  {:<10}  {:<10}  {}",
        "instance",
        "in",
        "backups",
        "oldest",
        "newest",
        ""
    );
    for (name, home, id) in account.instances() {
        let mut any = false;
        for region in REGIONS {
            let mut good = account.snapshots_of(id, region);
            good.retain(|snapshot| snapshot.state == SnapshotState::Completed);
            let runs: BTreeSet<&str> =
                good.iter().filter_map(|it| it.tags.get("Backup_Run")).map(String::as_str).collect();
            let (Some(oldest), Some(newest)) = (runs.first(), runs.last()) else { continue };
            let day = |run: &str| run.chars().take(10).collect::<String>();
            let label = if any { "" } else { name };
            let kind = if region == home { String::new() } else { "copies".to_owned() };
            any = true;
            anstream::println!(
                "  {label:<12} {region:<10} {:>7}  {}  {}  {}",
                runs.len(),
                day(oldest),
                day(newest),
                notes(&kind, &good).dimmed()
            );
        }
        if !any {
            anstream::println!("  {name:<12} {}", "nothing".dimmed());
        }
    }
    anstream::println!("\n{}", "What the watcher found".bold());
    let headings: BTreeSet<&str> = diary.findings.values().map(|again| again.heading).collect();
    for heading in headings {
        let of_heading = diary.findings.values().filter(|again| again.heading == heading);
        let days: BTreeSet<i64> = of_heading.clone().flat_map(|again| again.days.iter().copied()).collect();
        anstream::println!("  {heading:<40} {:>2} on days {}", of_heading.count(), ranges(&days));
    }
    let deletions = account.simulator.deletions();
    let was = |wanted: fn(&Snapshot) -> bool| deletions.iter().filter(|it| wanted(&it.snapshot)).count();
    anstream::println!("\n{}", "What was deleted".bold());
    anstream::println!(
        "  {} snapshots, {} of them copies; each automated and due: {}; with KeepForever: {}",
        deletions.len(),
        was(|snapshot| snapshot.tags.contains_key("Source_SnapshotId")),
        deletions.iter().all(|it| {
            let due = it.snapshot.tags.get("DeleteOn").is_some_and(|day| *day <= it.at.date_naive().to_string());
            due && it.snapshot.tags.get("Type").is_some_and(|kind| kind == "Automated")
        }),
        was(|snapshot| snapshot.tags.contains_key("KeepForever")),
    );
    let mails = account.simulator.published().len();
    anstream::println!(
        "\n{} runs took {} snapshots, made {} copies, deleted {}, sent {mails} notices, in {} calls to AWS.",
        diary.runs,
        diary.created,
        diary.copied,
        diary.deleted,
        diary.api_calls
    );
    anstream::println!("Next: `snapkeeper simulate` for the same AWS over HTTP, `snapkeeper run --help` for your own.");
}

fn notes(kind: &str, good: &[Snapshot]) -> String {
    let held = good.iter().filter(|snapshot| snapshot.tags.contains_key("KeepForever")).count();
    let held = if held == 0 { String::new() } else { format!("{held} snapshots kept for ever") };
    [kind, &held].into_iter().filter(|note| !note.is_empty()).collect::<Vec<_>>().join(", ")
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
