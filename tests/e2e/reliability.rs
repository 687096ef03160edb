//! What must hold, whatever happens: the real jobs through the real SDK, against an oracle that sees the true state.
//!
//! A small account, in which nothing is left to chance; larger ones, which a seed makes; and `core`'s plans alone, through
//! many more of those.

mod bugs;
mod everything;
mod plans;
mod seeds;
mod small;

use std::io::{Write, stderr};

use snapkeeper_reliability::{
    oracle::Violation,
    script::Script,
    shrink::{in_words, only, shrink},
};
use snapkeeper_tests::wire::in_a_line;

/// A script that broke a promise, for whoever must find out why.
fn broken(script: &Script, steps: &[usize], violations: &[Violation]) -> String {
    let mut text = in_words(script, steps);
    for violation in violations {
        text.push_str(&in_a_line(violation));
        text.push('\n');
    }
    text
}

/// What is left of a script in which the same promise is still broken, its story, and how to play it again.
/// `play`: the broken promises and the story of a script in the world of this name.
fn cut_down(world: &str, script: &Script, play: impl Fn(&Script) -> (Vec<Violation>, Vec<String>)) -> String {
    let promise = play(script).0.first().map(|broken| broken.promise);
    let steps = shrink(script, |cut| play(cut).0.iter().any(|broken| Some(broken.promise) == promise));
    let (violations, story) = play(&only(script, &steps));
    let numbers = steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let seed = script.seed;
    let again = format!("cargo run -p snapkeeper-tests --bin reliability -- replay {world} {seed} --steps {numbers}");
    format!("{}\n{}\n\n{again}", broken(script, &steps, &violations), story.join("\n"))
}

/// How many seeds to play: what the environment says, or so many.
pub(crate) fn count_of_seeds(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number of seeds"))
}

/// Says how much was played, also where all is well: the harness keeps to itself only what is printed.
pub(crate) fn say(what: &str) {
    let _ = writeln!(stderr(), "{what}");
}
