//! What must hold, whatever happens: the real jobs through the real SDK, against an oracle that sees the true state.
//!
//! A small account, in which nothing is left to chance; larger ones, which a seed makes.

mod everything;
mod seeds;
mod small;

use snapkeeper_reliability::script::Script;
use snapkeeper_reliability::shrink::in_words;
use snapkeeper_tests::wire::{Played, in_a_line};

/// A script that broke a promise, for whoever must find out why.
fn broken(script: &Script, steps: &[usize], played: &Played) -> String {
    let mut text = in_words(script, steps);
    for violation in &played.violations {
        text.push_str(&in_a_line(violation));
        text.push('\n');
    }
    text
}
