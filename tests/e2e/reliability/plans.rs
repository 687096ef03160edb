//! `core`'s plans alone, in the model world: no SDK, so that many more scripts can be played.

use std::ops::Range;

use snapkeeper_reliability::{
    model,
    mutant::{self, Mutant},
    oracle::{Promise, Violation},
    script::{Options, Script, make, start},
};
use snapkeeper_tests::parallel;

use super::{count_of_seeds, cut_down, say};

/// How many seeds are played where the environment does not say how many.
const SEEDS: u64 = 5_000;
/// How many more of the smallest worlds for each of them.
const TINY: u64 = 3;
/// How many one core plays before it takes more.
const AT_A_TIME: u64 = 100;
/// Within how many seeds each planted bug must be found, by a promise that it is meant to break.
const HUNTED: u64 = 3_000;

/// `RELIABILITY_PLANS` says how many seeds.
#[test]
fn no_seed_breaks_a_promise_in_the_plans() {
    let count = count_of_seeds("RELIABILITY_PLANS", SEEDS);
    all_hold("plans", count, &Options::default());
    all_hold("tiny", count * TINY, &Options::tiny());
}

/// Plays the scripts of so many seeds.
#[track_caller]
fn all_hold(world: &str, count: u64, options: &Options) {
    let part = |nth: u64| nth * AT_A_TIME..count.min((nth + 1) * AT_A_TIME);
    let parts: Vec<Range<u64>> = (0..count.div_ceil(AT_A_TIME)).map(part).collect();
    let played: Vec<(u64, Option<u64>)> =
        parallel::map(&parts, |part| part.clone().map(|seed| one(seed, options)).collect::<Vec<_>>()).concat();
    let failing: Vec<u64> = played.iter().filter_map(|(_, failing)| *failing).collect();
    if let Some(seed) = failing.first() {
        let told = cut_down(world, &make(*seed, options), told);
        panic!("{failing:?} of {count} seeds break a promise. The first one:\n\n{told}");
    }
    let runs: u64 = played.iter().map(|(runs, _)| *runs).sum();
    assert!(runs > count, "{runs} runs of {count} seeds");
    say(&format!("{world}: {count} scripts, {runs} runs"));
}

/// How many runs the script of a seed has, and the seed if it breaks a promise.
fn one(seed: u64, options: &Options) -> (u64, Option<u64>) {
    let script = make(seed, options);
    match parallel::caught(|| model::play(&script, None)) {
        Ok(played) => (played.runs.into(), (!played.violations.is_empty()).then_some(seed)),
        Err(_) => (0, Some(seed)),
    }
}

/// The broken promises of a script, and its story. A panic is one.
fn told(script: &Script) -> (Vec<Violation>, Vec<String>) {
    match parallel::caught(|| model::play_told(script, None)) {
        Ok(played) => (played.violations, played.log),
        Err(what) => {
            let what = format!("the script panics: {what}");
            (vec![Violation { promise: Promise::NothingInSilence, at: start(), what }], Vec::new())
        }
    }
}

/// Not to be taken in by an oracle that sees nothing; more of that in `bugs.rs`.
#[test]
fn every_bug_planted_in_the_plans_is_found() {
    let hunted = parallel::map(&Mutant::ALL, |bug| mutant::hunt(*bug, 0..HUNTED, 1, &Options::default()));
    let missed: Vec<&str> = hunted.iter().filter(|it| it.found == 0).map(|it| it.mutant.name()).collect();
    assert!(missed.is_empty(), "not found in {HUNTED} seeds: {missed:?}");
    say(&format!("plans: {} planted bugs, all found", hunted.len()));
}
