//! The mail about snapshots that were asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::Notice;
use crate::{plain::plain, plan::Finding, run::Run, tags};

/// How a request went.
#[derive(Clone, Debug, Default)]
pub struct News<'a> {
    /// The snapshots that were taken.
    pub taken: Vec<Row<'a>>,
    /// What failed, and why.
    pub failed: Vec<(&'a str, &'a str)>,
    /// What was not begun or not ended, and why.
    pub unfinished: Vec<(&'a str, &'a str)>,
    /// What was left alone, and why.
    pub kept: Vec<(&'a str, &'a str)>,
    /// What the operator should know.
    pub findings: &'a [Finding],
}

/// One snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Of which instance.
    pub instance: &'a str,
    /// Of which volume.
    pub volume: &'a str,
    /// Its id.
    pub snapshot: &'a str,
}

impl Notice {
    /// Tells how a request went: in the subject how much, then a table, then what went wrong and what to do.
    pub fn on_demand(run: &Run, label: Option<&str>, news: &News<'_>) -> Self {
        let label = label.map(plain);
        let mut lines = vec![match &label {
            Some(label) => format!("Region {}, as of {}: {label}.", run.region, run.stamp()),
            None => format!("Region {}, as of {}.", run.region, run.stamp()),
        }];
        lines.extend(table(news));
        for (heading, list) in [("Failed", &news.failed), ("Unfinished", &news.unfinished), ("Left alone", &news.kept)]
        {
            if !list.is_empty() {
                lines.push(format!("\n{heading}"));
                lines.extend(list.iter().map(|(resource, why)| format!("- {}: {}", plain(resource), plain(why))));
            }
        }
        if !news.findings.is_empty() {
            lines.push("\nTo look at".to_owned());
            lines.extend(news.findings.iter().map(|Finding { resource, what, todo, .. }| {
                format!("- {}: {}\n  → {}", plain(resource), plain(what), plain(todo))
            }));
        }
        if !news.failed.is_empty() || !news.unfinished.is_empty() {
            lines.push(format!("\n→ {}", advice(news)));
        }
        Self::new(&subject(run, label.as_deref(), news), lines)
    }
}

/// What to do where not all went well.
fn advice(news: &News<'_>) -> String {
    let again = if news.taken.is_empty() {
        "See to the causes, then ask again."
    } else {
        "What was taken stays. See to the causes, then ask again for these instances only."
    };
    // whoever could not be started again has its mark; and what was cut off may have
    let may_be_stopped = !news.unfinished.is_empty() || news.failed.iter().any(|(_, why)| why.contains(tags::STOPPED));
    let stopped = if may_be_stopped {
        " An instance that is said to be stopped still is started by the next run of the creator, \
         or now by `snapkeeper snapshot --recover`."
    } else {
        ""
    };
    format!("{again}{stopped}")
}

/// `Snapkeeper us-east-1: 1 failed, 3 snapshots of 2 instances taken (before upgrade)`.
fn subject(run: &Run, label: Option<&str>, news: &News<'_>) -> String {
    let failed: BTreeSet<&str> = news.failed.iter().map(|(resource, _)| *resource).collect();
    let taken: Vec<&Row<'_>> = news.taken.iter().filter(|row| !failed.contains(row.snapshot)).collect();
    let instances: BTreeSet<&str> = taken.iter().map(|row| row.instance).collect();
    let taken = match taken.len() {
        0 => "no snapshot taken".to_owned(),
        number => format!("{} of {} taken", count(number, "snapshot"), count(instances.len(), "instance")),
    };
    let wrong = [(news.failed.len(), "failed, "), (news.unfinished.len(), "unfinished, ")];
    let wrong = wrong.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}"));
    let label = label.map_or_else(String::new, |label| format!(" ({label})"));
    format!("Snapkeeper {}: {}{taken}{label}", run.region, wrong.collect::<String>())
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Instance, volume, snapshot and result of all that was to be taken. A snapshot that was taken and then failed, or is
/// pending still, has one line, with what became of it.
fn table(news: &News<'_>) -> Vec<String> {
    const NONE: &str = "-";
    let begun: BTreeSet<&str> = news.taken.iter().map(|row| row.snapshot).collect();
    let mut became: BTreeMap<&str, &str> = news.unfinished.iter().map(|(id, _)| (*id, "unfinished")).collect();
    became.extend(news.failed.iter().map(|(id, _)| (*id, "failed")));
    let taken = |row: &Row<'_>| {
        let result = became.get(row.snapshot).copied().unwrap_or("taken");
        [row.instance, row.volume, row.snapshot, result].map(plain)
    };
    let not_taken = |list: &[(&str, &str)], result: &str| -> Vec<[String; 4]> {
        let row = |resource: &str| {
            let row = match resource.split_once('-') {
                Some(("vol", _)) => [NONE, resource, NONE, result],
                Some(("snap", _)) => [NONE, NONE, resource, result],
                _ => [resource, NONE, NONE, result],
            };
            row.map(plain)
        };
        list.iter().filter(|(resource, _)| !begun.contains(*resource)).map(|(resource, _)| row(resource)).collect()
    };
    let mut rows = vec![["Instance", "Volume", "Snapshot", "Result"].map(str::to_owned)];
    rows.extend(news.taken.iter().map(taken));
    rows.extend(not_taken(&news.failed, "failed"));
    rows.extend(not_taken(&news.unfinished, "unfinished"));
    rows.extend(not_taken(&news.kept, "left alone"));
    if rows.len() == 1 {
        return Vec::new();
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let (instances, volumes, snapshots) = (width(0), width(1), width(2));
    let line = |[instance, volume, snapshot, result]: &[String; 4]| {
        format!("{instance:instances$}  {volume:volumes$}  {snapshot:snapshots$}  {result}")
    };
    std::iter::once(String::new()).chain(rows.iter().map(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixtures::run, plan::FindingKind};

    const RUN: &str = "2026-11-21T05:00:07Z";

    fn taken() -> Vec<Row<'static>> {
        let row = |instance, volume, snapshot| Row { instance, volume, snapshot };
        vec![row("i-1", "vol-a", "snap-1"), row("i-1", "vol-b", "snap-22"), row("i-2", "vol-c", "snap-3")]
    }

    #[test]
    fn the_subject_says_it_all() {
        #[track_caller]
        fn check(news: &News<'_>, label: Option<&str>, expected: &str) {
            assert_eq!(Notice::on_demand(&run(RUN), label, news).subject, format!("Snapkeeper us-east-1: {expected}"));
        }
        let all = News { taken: taken(), ..News::default() };
        check(&all, Some("before upgrade"), "3 snapshots of 2 instances taken (before upgrade)");
        check(&all, None, "3 snapshots of 2 instances taken");
        let one = News { taken: taken().split_off(2), ..News::default() };
        check(&one, None, "1 snapshot of 1 instance taken");
        let failed = || vec![("i-3", "it is running")];
        let some = News { taken: taken(), failed: failed(), unfinished: failed(), ..News::default() };
        check(&some, Some("x"), "1 failed, 1 unfinished, 3 snapshots of 2 instances taken (x)");
        check(&News { failed: failed(), ..News::default() }, None, "1 failed, no snapshot taken");
        check(&News::default(), Some("a\nb"), r"no snapshot taken (a\nb)");
    }

    #[test]
    fn the_text_is_a_table_and_what_went_wrong() {
        let findings = [Finding {
            kind: FindingKind::UnreadableTag,
            resource: "i-1".to_owned(),
            what: "tag Retention is \"x\"".to_owned(),
            since: None,
            todo: "mend it".to_owned(),
        }];
        let news = News {
            taken: taken(),
            failed: vec![("i-3", "it is running\n- i-4: fine"), ("vol-d", "IncorrectState")],
            unfinished: vec![("snap-9", "it is still pending")],
            kept: vec![("i-5", "terminated")],
            findings: &findings,
        };
        let body = Notice::on_demand(&run(RUN), Some("before upgrade"), &news).body;
        let (text, advice) = body.split_once("\n→ ").unwrap();
        assert_eq!(
            text,
            "Region us-east-1, as of 2026-11-21T05:00:07Z: before upgrade.

Instance  Volume  Snapshot  Result
i-1       vol-a   snap-1    taken
i-1       vol-b   snap-22   taken
i-2       vol-c   snap-3    taken
i-3       -       -         failed
-         vol-d   -         failed
-         -       snap-9    unfinished
i-5       -       -         left alone

Failed
- i-3: it is running\\n- i-4: fine
- vol-d: IncorrectState

Unfinished
- snap-9: it is still pending

Left alone
- i-5: terminated

To look at
- i-1: tag Retention is \"x\"
  → mend it
"
        );
        assert!(advice.starts_with("What was taken stays."), "{advice}");
    }

    #[test]
    fn a_snapshot_that_fails_while_it_is_waited_for_has_one_line() {
        let news = News {
            taken: taken(),
            failed: vec![("snap-3", "ended in error")],
            unfinished: vec![("snap-22", "pending")],
            ..News::default()
        };
        let Notice { subject, body } = Notice::on_demand(&run(RUN), None, &news);
        assert_eq!(subject, "Snapkeeper us-east-1: 1 failed, 1 unfinished, 2 snapshots of 1 instance taken");
        let (table, _) = body.split_once("\n\nFailed\n").unwrap();
        assert_eq!(
            table,
            "Region us-east-1, as of 2026-11-21T05:00:07Z.

Instance  Volume  Snapshot  Result
i-1       vol-a   snap-1    taken
i-1       vol-b   snap-22   unfinished
i-2       vol-c   snap-3    failed"
        );
    }

    #[test]
    fn of_whatever_is_left_it_says_what_to_do() {
        let left = || vec![("i-2", "no time left")];
        for news in [News { failed: left(), ..News::default() }, News { unfinished: left(), ..News::default() }] {
            let Notice { body, .. } = Notice::on_demand(&run(RUN), None, &news);
            assert!(body.contains("See to the causes"), "{body}");
        }
    }

    #[test]
    fn of_what_was_not_begun_it_says_nothing() {
        #[track_caller]
        fn check(news: &News<'_>, expected: &str) {
            let Notice { body, .. } = Notice::on_demand(&run(RUN), None, news);
            let advice = body.rsplit_once("\n→ ").map(|(_, advice)| advice);
            assert_eq!(advice, Some(expected), "{body}");
        }
        let refused = || vec![("i-9", "us-east-1 has no such instance: nothing was done")];
        check(&News { failed: refused(), ..News::default() }, "See to the causes, then ask again.\n");
        check(
            &News { taken: taken(), failed: refused(), ..News::default() },
            "What was taken stays. See to the causes, then ask again for these instances only.\n",
        );
        let stopped = vec![("i-1", "it is perhaps STOPPED still. It keeps the tag Snapkeeper_Stopped")];
        check(
            &News { failed: stopped, ..News::default() },
            "See to the causes, then ask again. An instance that is said to be stopped still is started by the next \
             run of the creator, or now by `snapkeeper snapshot --recover`.\n",
        );
    }

    #[test]
    fn where_all_went_well_nothing_is_to_be_done() {
        let news = News { taken: taken(), ..News::default() };
        let body = Notice::on_demand(&run(RUN), None, &news).body;
        assert!(body.starts_with("Region us-east-1, as of 2026-11-21T05:00:07Z.\n\nInstance"), "{body}");
        assert!(body.ends_with("snap-3    taken\n"), "{body}");
    }
}
