//! A small account in which nothing is left to chance: whatever can happen to a run at any of its calls happens there.

use std::collections::BTreeSet;

use snapkeeper_tests::{parallel, wire};

use super::{
    broken, say,
    small::{Calls, Case, Expected, Target},
};

/// How many failures are told in full.
const MOST_TOLD: usize = 5;

/// Checks that no promise is broken in any of the cases that there are for the calls of each run, and that what was to
/// disturb it did. `test` is the name of the test.
fn check(test: &str, cases: impl Fn(Target, &Calls) -> Vec<Case>) {
    let all: Vec<Case> = Target::ALL
        .iter()
        .flat_map(|target| {
            let calls = target.calls();
            assert!(calls.all >= 5, "{target:?} makes {} calls: it has too little to do", calls.all);
            cases(*target, &calls)
        })
        .collect();
    assert!(!all.is_empty());
    let outcomes = parallel::map(&all, outcome);
    let failures: Vec<&str> = outcomes.iter().filter_map(|it| it.failure.as_deref()).collect();
    let again = format!("cargo test -p snapkeeper-tests --test e2e -- --exact reliability::everything::{test}");
    let (count, of) = (failures.len(), all.len());
    let told = failures.iter().take(MOST_TOLD).copied().collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{count} of {of} scripts go wrong. The first ones:\n\n{told}\n{again}");
    let done: BTreeSet<&String> = outcomes.iter().filter_map(|it| it.done.as_ref()).collect();
    let idle: BTreeSet<&String> = all.iter().filter_map(Case::act).filter(|act| !done.contains(act)).collect();
    assert!(idle.is_empty(), "always in vain, so that nothing is tested: {idle:?}\n{again}");
    let calls: u64 = outcomes.iter().map(|it| it.calls).sum();
    say(&format!("{test}: {of} scripts, {calls} calls"));
}

/// What came of a case.
struct Outcome {
    calls: u64,
    failure: Option<String>,
    /// What others did, where it was not in vain.
    done: Option<String>,
}

fn outcome(case: &Case) -> Outcome {
    let played = wire::play_blocking(&case.script, None);
    let missed = match &case.expected {
        Expected::Struck(kind) if !played.faults.contains_key(*kind) => Some(*kind),
        Expected::Struck(_) | Expected::Anything | Expected::Done(_) => None,
    };
    let failure = (missed.is_some() || !played.violations.is_empty()).then(|| {
        let steps: Vec<usize> = (0..case.script.steps.len()).collect();
        let mut text = broken(&case.script, &steps, &played.violations);
        if let Some(kind) = missed {
            text.extend(["nothing was struck: ", kind, "\n"]);
        }
        text
    });
    let is_in_vain = played.story.iter().any(|line| line.contains(": in vain, "));
    Outcome { calls: played.calls, failure, done: case.act().filter(|_| !is_in_vain).cloned() }
}

#[test]
fn an_undisturbed_run_keeps_every_promise() {
    check("an_undisturbed_run_keeps_every_promise", |target, _| vec![target.undisturbed()]);
}

/// So that no kind of fault is without a call to strike.
#[test]
fn readings_and_later_pages_are_among_the_calls() {
    let calls = Target::ALL.map(Target::calls);
    assert!(calls.iter().all(|calls| calls.readings > 0), "{calls:?}");
    assert!(calls.iter().any(|calls| calls.later_pages > 0), "{calls:?}");
}

#[test]
fn a_process_may_be_killed_at_any_call() {
    check("a_process_may_be_killed_at_any_call", Target::killed);
}

#[test]
fn the_event_of_a_killed_process_may_come_again() {
    check("the_event_of_a_killed_process_may_come_again", Target::killed_and_repeated);
}

#[test]
fn any_call_may_go_wrong_in_any_way() {
    check("any_call_may_go_wrong_in_any_way", Target::struck);
}

#[test]
fn everything_may_go_wrong_from_any_call_on() {
    check("everything_may_go_wrong_from_any_call_on", Target::struck_from_then_on);
}

#[test]
fn a_region_may_be_down() {
    check("a_region_may_be_down", Target::with_a_region_down);
}

#[test]
fn anybody_may_interfere_before_any_call() {
    check("anybody_may_interfere_before_any_call", Target::interfered_with);
}

#[test]
fn the_deadline_may_come_at_any_instant() {
    check("the_deadline_may_come_at_any_instant", Target::cut_off);
}

#[test]
fn the_same_event_may_come_twice_at_once() {
    check("the_same_event_may_come_twice_at_once", |target, _| target.twice());
}
