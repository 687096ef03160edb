//! Scripts by hand, played on the model world.

use super::*;
use crate::oracle::Promise;
use crate::script::{Act, Fault, HOME, Job, Kill, Pick, REGIONS, Run, START, Setting, Trouble, WEST, When};
use chrono::{DateTime, TimeDelta, Utc};

fn at(day: i64, hour: i64) -> DateTime<Utc> {
    START.parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(day) + TimeDelta::hours(hour)
}

/// All jobs in all regions on the days from `first` up to `end`.
fn days(first: i64, end: i64) -> Vec<Step> {
    let mut steps = Vec::new();
    for day in first..end {
        for (job, hour) in [(Job::Creator, 5), (Job::Copier, 7), (Job::Manager, 9), (Job::Watcher, 11)] {
            steps.extend(REGIONS.iter().map(|region| Step::Run(Run::plain(job, region, at(day, hour)))));
        }
    }
    steps
}

/// An instance with two volumes that is kept two days and copied; what happens on the third day; then calm.
fn script(third_day: Vec<Step>) -> Script {
    let tags = [("Backup", "Yes"), ("Retention", "2d"), ("Copy_Dest", WEST)];
    let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let mut steps = vec![Step::Act(Act::Launch { region: HOME.to_owned(), data: 1, tags })];
    steps.extend(days(0, 2));
    steps.extend(third_day);
    steps.extend([Step::Until(at(3, 0)), Step::Calm]);
    steps.extend(days(3, 7));
    steps.extend([Step::Until(at(6, 23)), Step::Healed]);
    let setting = Setting { page_size: 5, skew_hours: 48, with_key: true, ..Setting::default() };
    Script { seed: 1, setting, steps }
}

#[track_caller]
fn check_holds(third_day: Vec<Step>) -> Played {
    let played = play_told(&script(third_day), None);
    assert!(played.violations.is_empty(), "{:#?}\n{}", played.violations, played.log.join("\n"));
    played
}

fn calls(action: &str, kind: Fault, when: When) -> Step {
    Step::Trouble(Trouble::Calls { action: Some(action.to_owned()), region: None, kind, when })
}

#[test]
fn a_plain_script_keeps_all_promises() {
    let played = check_holds(days(2, 3));
    assert_eq!((played.days, played.runs), (7, 7 * 12));
    assert!(played.faults.is_empty());
}

#[test]
fn faults_break_no_promise() {
    for kind in [
        Fault::Throttled,
        Fault::Internal,
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::InternalAfter,
        Fault::Late(3),
        Fault::Late(40),
        Fault::Slow(40),
        Fault::Denied,
    ] {
        for action in ["DescribeSnapshots", "CreateSnapshots", "CopySnapshot", "DeleteSnapshot"] {
            for when in [When::After(0), When::OneIn(2), When::From(0)] {
                let played = check_holds([vec![calls(action, kind, when)], days(2, 3)].concat());
                let struck = played.faults.contains_key(kind.name());
                assert!(struck || matches!(when, When::OneIn(_)), "{action} was not struck");
            }
        }
    }
}

#[test]
fn what_is_denied_for_one_resource_breaks_no_promise() {
    let home = || HOME.to_owned();
    for (what, at_least) in
        [(Pick::Instance(home(), 0), 1), (Pick::Volume(home(), 0), 0), (Pick::Automated(home(), 0), 1)]
    {
        let played = check_holds([vec![Step::Trouble(Trouble::Denied(what.clone()))], days(2, 3)].concat());
        let struck = played.faults.get("denied for one resource").copied().unwrap_or_default();
        assert!(struck >= at_least, "{what:?}: {struck}");
    }
}

#[test]
fn a_clock_that_is_refused_breaks_no_promise() {
    let played = check_holds([vec![Step::Trouble(Trouble::ClockRefused)], days(2, 3)].concat());
    assert!(played.faults["clock refused"] > 0);
}

#[test]
fn other_settings_break_no_promise() {
    for time_zone in ["Asia/Tokyo", "America/Phoenix", "Asia/Kolkata"] {
        for (default_retention, rpo_hours, max_delete_percent) in [("1d", 26, 0), ("3d 2w", 50, 100)] {
            let mut script = script(days(2, 3));
            let setting = script.setting;
            script.setting = Setting { default_retention, rpo_hours, max_delete_percent, time_zone, ..setting };
            let played = play_told(&script, None);
            assert!(played.violations.is_empty(), "{:#?}\n{}", played.violations, played.log.join("\n"));
        }
    }
}

#[test]
fn stale_readings_break_no_promise() {
    let mut third_day = vec![calls("DescribeSnapshots", Fault::Stale(4_000), When::From(0))];
    third_day.extend(days(2, 3));
    third_day.extend(days(2, 3));
    let played = check_holds(third_day);
    assert!(played.faults["stale reading"] > 0);
}

#[test]
fn a_process_that_dies_leaves_nothing_that_does_not_heal() {
    for job in [Job::Creator, Job::Copier, Job::Manager, Job::Watcher] {
        for call in 0..8 {
            for after in [false, true] {
                let killed = Some(Kill { call, after });
                let dies = Run { killed, ..Run::plain(job, HOME, at(2, 4)) };
                check_holds([vec![Step::Run(dies)], days(2, 3)].concat());
            }
        }
    }
}

#[test]
fn the_same_event_twice_at_once_breaks_no_promise() {
    let mut third_day = days(2, 3);
    for step in &mut third_day {
        if let Step::Run(run) = step {
            run.twice = true;
        }
    }
    check_holds(third_day);
}

#[test]
fn a_hold_that_is_not_seen_breaks_the_first_promise() {
    let hold = Act::Tag(Pick::Automated(HOME.to_owned(), 0), "KeepForever".to_owned(), String::new());
    let script = script([vec![Step::Act(hold)], days(2, 3)].concat());
    assert!(play(&script, None).violations.is_empty());
    let broken = play(&script, Some(Mutant::KeepForeverOnlyWhenLast)).violations;
    assert!(broken.iter().any(|it| it.promise == Promise::DeletesOnlyWhatMayGo), "{broken:?}");
}

#[test]
fn a_script_is_played_the_same_each_time() {
    let third_day = [vec![calls("CopySnapshot", Fault::CutAfter, When::OneIn(2))], days(2, 3)].concat();
    let script = script(third_day);
    assert_eq!(play_told(&script, None).log, play_told(&script, None).log);
}
