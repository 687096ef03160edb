//! The hunt: how many scripts it takes until a planted bug shows.

use super::Mutant;
use crate::model;
use crate::oracle::Promise;
use crate::script::{Options, make};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What a hunt found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The planted bug.
    pub mutant: Mutant,
    /// How many seeds were tried.
    pub seeds: u32,
    /// How many of them found it: broke a promise that it is meant to break.
    pub found: u32,
    /// Which promises were broken, meant or not, by the seeds that found it, and by how many.
    pub by: BTreeMap<Promise, u32>,
}

/// Plays the scripts of these seeds with a planted bug, until so many have found it.
pub fn hunt(mutant: Mutant, seeds: Range<u64>, enough: u32, options: &Options) -> Found {
    let mut found = Found { mutant, seeds: 0, found: 0, by: BTreeMap::new() };
    for seed in seeds {
        found.seeds += 1;
        let violations = model::play(&make(seed, options), Some(mutant)).violations;
        let broken: BTreeSet<Promise> = violations.iter().map(|violation| violation.promise).collect();
        if !mutant.meant().iter().any(|promise| broken.contains(promise)) {
            continue;
        }
        found.found += 1;
        for promise in broken {
            *found.by.entry(promise).or_default() += 1;
        }
        if found.found >= enough {
            break;
        }
    }
    found
}

/// How many seeds it takes to find a bug that so many of so many found, in half of all tries; `None` if none did.
pub fn median(found: u64, seeds: u64) -> Option<u64> {
    if found == 0 {
        return None;
    }
    // each seed finds it with the same chance: the median of a geometric distribution
    #[expect(clippy::cast_precision_loss, reason = "counts of seeds are far below 2^52")]
    let missed = 1.0 - found as f64 / seeds as f64;
    let mut tries = 1;
    let mut chance = missed;
    while chance > 0.5 {
        chance *= missed;
        tries += 1;
    }
    Some(tries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_that_always_strikes_is_found_by_nearly_each_seed() {
        let found = hunt(Mutant::TagsAfterCreation, 0..20, u32::MAX, &Options::small());
        assert_eq!((found.seeds, median(found.found.into(), found.seeds.into())), (20, Some(1)));
        assert_eq!(found.by.get(&Promise::TaggedFromTheStart), Some(&found.found), "{found:?}");
    }

    #[test]
    fn the_median_follows_from_the_rate() {
        for (found, seeds, expected) in
            [(0, 256, None), (1, 256, Some(178)), (1, 2, Some(1)), (1, 4, Some(3)), (20, 20, Some(1))]
        {
            assert_eq!(median(found, seeds), expected, "{found} of {seeds}");
        }
    }
}
