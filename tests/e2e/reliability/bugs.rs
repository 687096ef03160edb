//! Planted bugs are found by what they are meant to be found by: not to be taken in by an oracle that sees nothing.
//! Those of the plans are hunted in `plans.rs`.

use snapkeeper_reliability::script::{HOME, Job, WEST};
use snapkeeper_tests::{
    parallel,
    wire::{self, Played, WireBug},
};

use super::{say, small::Target};

#[test]
fn every_bug_shows_in_its_own_script_and_nothing_is_broken_there_without_it() {
    let played = parallel::map(&WireBug::ALL, |bug| {
        let script = bug.script();
        (*bug, wire::play_blocking(&script, Some(*bug)), wire::play_blocking(&script, None))
    });
    for (bug, with_it, without_it) in &played {
        let (name, meant) = (bug.name(), bug.meant());
        assert!(is_found(*bug, with_it), "{name} breaks none of {meant:?}:\n{}", with_it.story.join("\n"));
        let broken = &without_it.violations;
        assert!(broken.is_empty(), "without {name}: {broken:#?}\n{}", without_it.story.join("\n"));
    }
    say(&format!("wire: {} planted bugs, all found", played.len()));
}

/// In the small account, in which everything happens.
#[test]
fn bugs_show_where_calls_go_wrong() {
    find(WireBug::TagsAfterCreation, Job::Creator, HOME);
    // EC2 itself refuses a second snapshot of a volume within 15 seconds, but no second copy
    find(WireBug::BlindRetryOfCreates, Job::Copier, HOME);
    find(WireBug::StaleLook, Job::Copier, HOME);
    find(WireBug::ThrottledMeansDone, Job::Manager, HOME);
    find(WireBug::AbsenceAsEvidence, Job::Manager, WEST);
}

/// Checks that the bug is found by one of the scripts in which a call of this job goes wrong.
#[track_caller]
fn find(bug: WireBug, job: Job, region: &str) {
    let target = Target::ALL.into_iter().find(|target| target.job == job && target.region == region);
    let target = target.expect("a run that is disturbed");
    let cases = target.struck(&target.calls());
    let found = cases.chunks(16).any(|some| {
        parallel::map(some, |case| is_found(bug, &wire::play_blocking(&case.script, Some(bug)))).contains(&true)
    });
    assert!(found, "{} breaks none of {:?} in {} scripts", bug.name(), bug.meant(), cases.len());
}

/// Whether a promise is broken that the bug is meant to break.
fn is_found(bug: WireBug, played: &Played) -> bool {
    played.violations.iter().any(|broken| bug.meant().contains(&broken.promise))
}
