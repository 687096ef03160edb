//! A small account in which nothing is left to chance: whatever can happen to a run at any of its calls happens there.

use std::{collections::BTreeSet, env};

use snapkeeper_reliability::script::HOME;
use snapkeeper_tests::{parallel, wire};

use super::{
    broken, say,
    small::{self, Calls, Case, Expected, Target},
};

/// How many failures are told in full.
const MOST_TOLD: usize = 5;
/// Names the one case that is to be played. Its whole story is told then.
const ONLY: &str = "RELIABILITY_ONLY";

/// Checks that no promise is broken in any of the cases that there are for the calls of each run, and that what was to
/// disturb it did. `test` is the name of the test.
#[track_caller]
fn check(test: &str, targets: &[Target], cases: impl Fn(Target, &Calls) -> Vec<Case>) {
    let calls = parallel::map(targets, |target| target.calls());
    let mut all = Vec::new();
    for (target, calls) in targets.iter().zip(&calls) {
        assert!(calls.all >= 5, "{target} makes {} calls: it has too little to do", calls.all);
        all.extend(cases(*target, calls));
    }
    check_all(test, all);
}

/// The same of these cases.
#[track_caller]
fn check_all(test: &str, mut cases: Vec<Case>) {
    assert!(!cases.is_empty());
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    let only = env::var(ONLY).ok();
    if let Some(name) = &only {
        cases.retain(|case| case.name == *name);
    }
    let outcomes = parallel::map(&cases, outcome);
    let again = format!("cargo test -p snapkeeper-tests --test e2e -- --exact reliability::everything::{test}");
    let failures: Vec<String> = cases
        .iter()
        .zip(&outcomes)
        .filter_map(|(case, outcome)| {
            let text = outcome.failure.as_ref()?;
            Some(format!("{name}\n{text}\n{ONLY}='{name}' {again}\n", name = case.name))
        })
        .collect();
    if only.is_some() {
        for outcome in &outcomes {
            say(&outcome.story.join("\n"));
        }
    }
    let (count, of) = (failures.len(), cases.len());
    let told = failures.iter().take(MOST_TOLD).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{count} of {of} scripts go wrong. The first ones:\n\n{told}");
    if only.is_none() {
        let seen: BTreeSet<&String> = outcomes.iter().filter_map(|it| it.seen.as_ref()).collect();
        let wanted: BTreeSet<String> = cases.iter().flat_map(|case| case.expected.wanted()).collect();
        let unseen: Vec<&String> = wanted.iter().filter(|it| !seen.contains(it)).collect();
        assert!(unseen.is_empty(), "never seen, so that it is not tested: {unseen:#?}\n{again}");
    }
    let calls: u64 = outcomes.iter().map(|it| it.calls).sum();
    say(&format!("{test}: {of} scripts, {calls} calls"));
}

/// What came of a case.
struct Outcome {
    calls: u64,
    failure: Option<String>,
    /// What was to be seen in one case at least, and was seen in this one.
    seen: Option<String>,
    story: Vec<String>,
}

fn outcome(case: &Case) -> Outcome {
    let played = wire::play_blocking(&case.script, None);
    let in_vain = match &case.expected {
        Expected::Here(sign) if !sign.shows(&played) => Some(sign),
        Expected::Here(_) | Expected::Among(..) | Expected::Extents(..) | Expected::Anything => None,
    };
    let failure = (in_vain.is_some() || !played.violations.is_empty()).then(|| {
        let steps: Vec<usize> = (0..case.script.steps.len()).collect();
        let mut text = broken(&case.script, &steps, &played.violations);
        if let Some(sign) = in_vain {
            let told = format!("it was in vain, for this does not show: {sign:?}\n");
            text.push_str(&told);
        }
        text
    });
    Outcome { calls: played.calls, failure, seen: case.expected.seen(&played), story: played.story }
}

#[test]
fn an_undisturbed_run_keeps_every_promise() {
    check("an_undisturbed_run_keeps_every_promise", &Target::ALL, |target, _| vec![target.undisturbed()]);
}

/// So that no kind of fault is without a call to strike.
#[test]
fn readings_and_later_pages_are_among_the_calls() {
    let calls = Target::ALL.map(Target::calls);
    assert!(calls.iter().all(|calls| calls.readings > 0), "{calls:?}");
    assert!(calls.iter().any(|calls| calls.later_pages > 0), "{calls:?}");
    for target in Target::in_a_large_account() {
        for ((action, region), pages) in target.calls().listings {
            // elsewhere there is nothing but copies, and nowhere a database
            let is_long = (region == HOME || action == "DescribeSnapshots") && !action.starts_with("DescribeDB");
            assert!(!is_long || pages > 1, "{target}: {action} in {region} has one page");
        }
    }
}

#[test]
fn a_process_may_be_killed_at_any_call() {
    check("a_process_may_be_killed_at_any_call", &Target::ALL, Target::killed);
}

#[test]
fn the_event_of_a_killed_process_may_come_again() {
    check("the_event_of_a_killed_process_may_come_again", &Target::ALL, Target::killed_and_repeated);
}

#[test]
fn any_call_may_go_wrong_in_any_way() {
    check("any_call_may_go_wrong_in_any_way", &Target::ALL, Target::struck);
}

#[test]
fn everything_may_go_wrong_from_any_call_on() {
    check("everything_may_go_wrong_from_any_call_on", &Target::ALL, Target::struck_from_then_on);
}

#[test]
fn any_page_token_may_expire() {
    check("any_page_token_may_expire", &Target::in_a_large_account(), Target::without_page_token);
}

#[test]
fn any_reading_may_lag_behind_the_news() {
    check("any_reading_may_lag_behind_the_news", &Target::ALL, Target::behind_the_news);
}

#[test]
fn a_region_may_be_down() {
    check("a_region_may_be_down", &Target::ALL, Target::with_a_region_down);
}

#[test]
fn anybody_may_interfere_before_any_call() {
    check("anybody_may_interfere_before_any_call", &Target::ALL, Target::interfered_with);
}

#[test]
fn anybody_may_touch_copies_before_any_call() {
    check("anybody_may_touch_copies_before_any_call", &Target::ALL, Target::with_copies_touched);
}

#[test]
fn the_deadline_may_come_at_any_instant() {
    check("the_deadline_may_come_at_any_instant", &Target::ALL, Target::cut_off);
}

#[test]
fn any_change_may_hang_until_the_deadline() {
    check("any_change_may_hang_until_the_deadline", &Target::ALL, Target::hanging);
}

#[test]
fn the_same_event_may_come_twice_at_once() {
    check("the_same_event_may_come_twice_at_once", &Target::ALL, |target, _| target.twice());
}

#[test]
fn the_key_may_be_disabled_at_any_time_of_the_day() {
    check_all("the_key_may_be_disabled_at_any_time_of_the_day", small::key_disabled());
}

#[test]
fn snapshots_of_any_volume_may_fail() {
    check_all("snapshots_of_any_volume_may_fail", small::snapshots_fail());
}

#[test]
fn snapshots_of_any_volume_may_be_refused() {
    check_all("snapshots_of_any_volume_may_be_refused", small::snapshots_refused());
}

#[test]
fn any_one_resource_may_be_denied() {
    check_all("any_one_resource_may_be_denied", small::denied());
}

#[test]
fn a_destination_may_be_full() {
    check_all("a_destination_may_be_full", small::destination_full());
}

#[test]
fn copies_may_be_slow() {
    check_all("copies_may_be_slow", small::copies_slow());
}

#[test]
fn snapshots_may_be_slow() {
    check_all("snapshots_may_be_slow", small::snapshots_slow());
}

#[test]
fn a_wrong_clock_may_be_refused_from_any_job_on() {
    check_all("a_wrong_clock_may_be_refused_from_any_job_on", small::wrong_clock_refused());
}
