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
    /// How many seeds it takes from one that finds it to the next: the median; `None` if none found it.
    pub median_gap: Option<u32>,
    /// Which promises were broken, meant or not, by the seeds that found it, and by how many.
    pub by: BTreeMap<Promise, u32>,
}

/// Plays the scripts of these seeds with a planted bug, until so many have found it.
pub fn hunt(mutant: Mutant, seeds: Range<u64>, enough: u32, options: &Options) -> Found {
    let mut found = Found { mutant, seeds: 0, found: 0, median_gap: None, by: BTreeMap::new() };
    let (mut gaps, mut gap) = (Vec::new(), 0);
    for seed in seeds {
        found.seeds += 1;
        gap += 1;
        let violations = model::play(&make(seed, options), Some(mutant)).violations;
        let broken: BTreeSet<Promise> = violations.iter().map(|violation| violation.promise).collect();
        if !mutant.meant().iter().any(|promise| broken.contains(promise)) {
            continue;
        }
        found.found += 1;
        gaps.push(std::mem::take(&mut gap));
        for promise in broken {
            *found.by.entry(promise).or_default() += 1;
        }
        if found.found >= enough {
            break;
        }
    }
    gaps.sort_unstable();
    found.median_gap = gaps.get(gaps.len() / 2).copied();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_that_always_strikes_is_found_by_nearly_each_seed() {
        let found = hunt(Mutant::TagsAfterCreation, 0..20, u32::MAX, &Options::small());
        assert_eq!((found.seeds, found.median_gap), (20, Some(1)));
        assert_eq!(found.by.get(&Promise::TaggedFromTheStart), Some(&found.found), "{found:?}");
    }
}
