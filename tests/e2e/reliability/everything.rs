//! A small account in which nothing is left to chance: whatever can happen to a run at any of its calls happens there.

use snapkeeper_reliability::script::{HOME, Job, Script, WEST};
use snapkeeper_tests::{
    parallel,
    wire::{self, WireBug},
};

use super::{broken, small::Target};

/// Checks that no promise is broken in any of the scripts that `cases` makes for the number of a run's calls.
fn check(cases: impl Fn(Target, u32) -> Vec<Script>) {
    let all: Vec<Script> = Target::ALL
        .iter()
        .flat_map(|target| {
            let calls = target.calls();
            assert!(calls >= 5, "{target:?} makes {calls} calls: it has too little to do");
            cases(*target, calls)
        })
        .collect();
    assert!(!all.is_empty());
    let failures: Vec<String> = parallel::map(&all, failure).into_iter().flatten().collect();
    let (count, all) = (failures.len(), all.len());
    assert!(failures.is_empty(), "{count} of {all} scripts break a promise:\n\n{}", failures.join("\n"));
}

/// What is broken in a script.
fn failure(script: &Script) -> Option<String> {
    let played = wire::play_blocking(script, None);
    let steps: Vec<usize> = (0..script.steps.len()).collect();
    (!played.violations.is_empty()).then(|| broken(script, &steps, &played))
}

#[test]
fn an_undisturbed_run_keeps_every_promise() {
    check(|target, _| vec![target.undisturbed()]);
}

#[test]
fn a_process_may_be_killed_at_any_call() {
    check(Target::killed);
}

#[test]
fn any_call_may_go_wrong_in_any_way() {
    check(Target::struck);
}

#[test]
fn anybody_may_interfere_before_any_call() {
    check(Target::interfered_with);
}

#[test]
fn the_deadline_may_come_at_any_instant() {
    check(Target::cut_off);
}

#[test]
fn the_same_event_may_come_twice_at_once() {
    check(|target, _| target.twice());
}

/// Not to be taken in by an oracle that sees nothing.
#[test]
fn planted_bugs_are_found() {
    find(WireBug::TagsAfterCreation, Job::Creator, HOME);
    // EC2 itself refuses a second snapshot of a volume within 15 seconds, but no second copy
    find(WireBug::BlindRetryOfCreates, Job::Copier, HOME);
    find(WireBug::StaleLook, Job::Copier, HOME);
    find(WireBug::ThrottledMeansDone, Job::Manager, HOME);
    find(WireBug::AbsenceAsEvidence, Job::Manager, WEST);
}

/// Checks that the bug breaks a promise in one of the scripts in which a call of this job goes wrong.
#[track_caller]
fn find(bug: WireBug, job: Job, region: &str) {
    let target = Target::ALL.into_iter().find(|target| target.job == job && target.region == region);
    let target = target.expect("a run that is disturbed");
    let scripts = target.struck(target.calls());
    let is_found = scripts.chunks(16).any(|some| {
        parallel::map(some, |script| !wire::play_blocking(script, Some(bug)).violations.is_empty()).contains(&true)
    });
    assert!(is_found, "{} breaks no promise in {} scripts", bug.name(), scripts.len());
}
