//! Accounts and troubles that a seed makes.

use snapkeeper_reliability::{
    found::found,
    oracle::Promise,
    script::{Fault, Script, Step, Trouble, When, make},
    shrink::{only, shrink},
};
use snapkeeper_tests::{
    parallel,
    wire::{self, Played},
};

use super::broken;

/// How many seeds are played where the environment does not say how many.
const SEEDS: u64 = 60;

/// `RELIABILITY_SEEDS` says how many seeds.
#[test]
fn no_seed_breaks_a_promise() {
    let count = std::env::var("RELIABILITY_SEEDS").map_or(SEEDS, |text| text.parse().expect("a number of seeds"));
    let seeds: Vec<u64> = (0..count).collect();
    let play = |seed: &u64| {
        let script = make(*seed, &wire::options());
        let played = wire::play_blocking(&script, None);
        (!played.violations.is_empty()).then_some((script, played))
    };
    let failing: Vec<(Script, Played)> = parallel::map(&seeds, play).into_iter().flatten().collect();
    let numbers: Vec<u64> = failing.iter().map(|(script, _)| script.seed).collect();
    if let Some((script, played)) = failing.first() {
        panic!("{numbers:?} of {count} seeds break a promise. The first one:\n\n{}", cut_down(script, played));
    }
}

/// What is left of a script in which the same promise is still broken, and how to play it again.
fn cut_down(script: &Script, played: &Played) -> String {
    let promise: Option<Promise> = played.violations.first().map(|broken| broken.promise);
    let is_broken = |played: &Played| played.violations.iter().any(|broken| Some(broken.promise) == promise);
    let steps = shrink(script, |cut| is_broken(&wire::play_blocking(cut, None)));
    let played = wire::play_blocking(&only(script, &steps), None);
    let numbers = steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let again =
        format!("cargo run -p snapkeeper-tests --bin reliability -- replay wire {} --steps {numbers}", script.seed);
    format!("{}\n{}\n\n{again}", broken(script, &steps, &played), played.story.join("\n"))
}

#[test]
fn what_was_found_once_stays_mended() {
    for (what, script) in found() {
        let played = wire::play_blocking(&script, None);
        let broken: Vec<String> = played.violations.iter().map(wire::in_a_line).collect();
        assert!(broken.is_empty(), "{what}\n{broken:#?}\n{}", played.story.join("\n"));
    }
}

#[test]
fn the_same_seed_gives_the_same_log_to_the_byte() {
    let scripts: Vec<Script> = (0..6).map(with_many_faults).collect();
    let logs = || parallel::map(&scripts, |script| wire::play_blocking(script, None).log);
    let (first, second) = (logs(), logs());
    for ((script, first), second) in scripts.iter().zip(first).zip(second) {
        assert!(first.len() > 100, "seed {}: {} calls", script.seed, first.len());
        let differing = first.iter().zip(&second).find(|(one, other)| one != other);
        assert_eq!(differing, None, "seed {}", script.seed);
        assert_eq!(first.len(), second.len(), "seed {}", script.seed);
    }
}

/// A script with faults from its beginning to its calm.
fn with_many_faults(seed: u64) -> Script {
    let mut script = make(seed, &wire::options());
    let faults = [Fault::Throttled, Fault::CutAfter, Fault::Internal, Fault::Stale(20), Fault::Slow(40)];
    let more =
        faults.map(|kind| Step::Trouble(Trouble::Calls { action: None, region: None, kind, when: When::OneIn(12) }));
    drop(script.steps.splice(0..0, more));
    script
}
