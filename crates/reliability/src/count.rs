//! What is to happen in a script, counted by kind.

use crate::script::{Act, Job, Pick, Run, Script, Step, Trouble, start};
use chrono::{DateTime, NaiveDate, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// How often each kind of thing is to happen. What is in vain, for lack of anything to do it to, is counted too.
pub fn count(script: &Script) -> BTreeMap<&'static str, u64> {
    let mut counted: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut add = |kind: &'static str| *counted.entry(kind).or_default() += 1;
    let mut events: BTreeSet<(Job, &str, DateTime<Utc>)> = BTreeSet::new();
    for step in &script.steps {
        match step {
            Step::Act(act) => add(of_act(act)),
            Step::Trouble(trouble) => add(of_trouble(trouble)),
            Step::Run(run) => {
                for kind in of_run(run) {
                    add(kind);
                }
                for (_, act) in &run.meanwhile {
                    add("run during which somebody acts");
                    add(of_act(act));
                }
                if !events.insert((run.job, run.region.as_str(), run.at)) {
                    add("run of an event that has come before");
                }
            }
            Step::Until(_) | Step::Calm | Step::Healed => {}
        }
    }
    let missed = days_without_run(events.iter().map(|(_, _, at)| at.date_naive()).collect());
    if missed > 0 {
        counted.insert("day without any run", missed);
    }
    counted
}

/// The days from the first one on that have no run, up to the last one that has.
fn days_without_run(days: BTreeSet<NaiveDate>) -> u64 {
    let Some(last) = days.last() else { return 0 };
    let all = (*last - start().date_naive()).num_days() + 1;
    u64::try_from(all).unwrap_or_default().saturating_sub(days.len() as u64)
}

fn of_run(run: &Run) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    if run.twice {
        kinds.push("run twice at once");
    }
    if run.killed.is_some() {
        kinds.push("run to be killed");
    }
    if run.deadline.is_some() {
        kinds.push("run with a deadline");
    }
    kinds
}

fn of_act(act: &Act) -> &'static str {
    match act {
        Act::Launch { .. } => "operator: launches an instance",
        Act::Tag(Pick::Instance(..) | Pick::Volume(..), ..) => "operator: tags an instance or volume",
        Act::Tag(Pick::Snapshot(..) | Pick::Automated(..), key, _) => match key.as_str() {
            "KeepForever" => "operator: tags a snapshot KeepForever",
            "DeleteOn" => "operator: changes a snapshot's DeleteOn",
            _ => "operator: spoils a snapshot's other tags",
        },
        Act::Untag(Pick::Instance(..) | Pick::Volume(..), _) => "operator: untags an instance or volume",
        Act::Untag(Pick::Snapshot(..) | Pick::Automated(..), _) => "operator: untags a snapshot",
        Act::Terminate(_) => "operator: terminates an instance",
        Act::Detach(_) => "operator: detaches a volume",
        Act::Attach(_) => "operator: attaches a volume",
        Act::Snapshot(..) => "operator: takes a snapshot by hand",
        Act::Delete(_) => "operator: deletes a snapshot",
        Act::Lock(..) => "operator: locks a snapshot",
        Act::Image(_) => "operator: makes an image",
        Act::Deregister(_) => "operator: deregisters an image",
        Act::DateAll(..) => "operator: dates all snapshots of a region",
    }
}

fn of_trouble(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Calls { .. } => "trouble: calls go wrong",
        Trouble::Down(_) => "trouble: a region does not answer",
        Trouble::Up(_) => "trouble: a region answers again",
        Trouble::Fails(..) => "trouble: the next snapshots of a volume fail",
        Trouble::Refused(..) => "trouble: snapshots of a volume are refused",
        Trouble::Denied(_) => "trouble: one resource may not be changed",
        Trouble::ClockRefused => "trouble: requests of a wrong clock are refused",
        Trouble::KeyOff(_) => "trouble: the key for copies is disabled",
        Trouble::SlowCopies(_) => "trouble: copies are slow",
        Trouble::SlowSnapshots(_) => "trouble: snapshots are slow",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::by_hand;
    use crate::script::{HOME, Kill, Options, make};

    #[test]
    fn each_thing_is_counted_under_its_kind() {
        let hold = |key: &str| Act::Tag(Pick::Automated(HOME.to_owned(), 0), key.to_owned(), String::new());
        let run = by_hand::run(Job::Creator, HOME, 1);
        let busy = Run {
            twice: true,
            killed: Some(Kill { call: 0, after: false }),
            meanwhile: vec![(0, hold("KeepForever"))],
            ..run.clone()
        };
        let script = Script {
            steps: vec![
                by_hand::launch(0, "1d"),
                Step::Act(hold("DeleteOn")),
                Step::Trouble(Trouble::SlowCopies(2)),
                Step::Run(busy),
                Step::Run(run),
                Step::Run(by_hand::run(Job::Creator, HOME, 3)),
            ],
            ..by_hand::script(Vec::new(), 0)
        };
        let expected = [
            // the first and the third
            ("day without any run", 2),
            ("operator: changes a snapshot's DeleteOn", 1),
            ("operator: launches an instance", 1),
            ("operator: tags a snapshot KeepForever", 1),
            ("run during which somebody acts", 1),
            ("run of an event that has come before", 1),
            ("run to be killed", 1),
            ("run twice at once", 1),
            ("trouble: copies are slow", 1),
        ];
        assert_eq!(count(&script), BTreeMap::from(expected));
    }

    #[test]
    fn many_scripts_have_something_of_everything() {
        let kinds: BTreeSet<&str> =
            (0..2_000).flat_map(|seed| count(&make(seed, &Options::default())).into_keys()).collect();
        for kind in ["day without any run", "run with a deadline", "run twice at once", "operator: locks a snapshot"] {
            assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
        }
    }
}
