//! The model world: scripts are played on a plain truth, and `core`'s plans carried out on it. No SDK, no waiting.
//!
//! ```text
//!   job        reads, plans by `core`, carries out: as the jobs' own crates do
//!    ├─ reading     what the readings show, in `core`'s types
//!    └─ call        calls one by one: faults, repeats, looks after an open outcome, death
//!        └─ change     what EC2 makes of a call
//!   acts, troubles     what the operator does, and what goes wrong
//!   world      what truly is, what time will bring, what was
//! ```
//!
//! What the wire world has and this has not: answers of several pages that belong to different instants, calls that
//! overtake each other, time that calls take, limits on rates, volumes and accounts.

mod acts;
mod call;
mod change;
mod failure;
mod job;
mod process;
mod reading;
mod troubles;
mod world;

use self::world::World;
use crate::mutant::Mutant;
use crate::oracle::Violation;
use crate::script::{Script, Step};
use std::collections::BTreeMap;

/// What came of playing a script.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// The promises that were broken.
    pub violations: Vec<Violation>,
    /// How many days passed, begun ones counted.
    pub days: u32,
    /// How many runs were begun.
    pub runs: u32,
    /// What struck calls, by kind, and how often.
    pub faults: BTreeMap<&'static str, u64>,
    /// The story, one line per thing that happened; empty where it was not asked for.
    pub log: Vec<String>,
}

/// Plays a script, with a planted bug or without.
pub fn play(script: &Script, mutant: Option<Mutant>) -> Played {
    play_in(World::new(script, mutant, false), script)
}

/// Plays a script and tells the story.
pub fn play_told(script: &Script, mutant: Option<Mutant>) -> Played {
    play_in(World::new(script, mutant, true), script)
}

fn play_in(mut world: World, script: &Script) -> Played {
    let began = world.truth.now;
    let mut told = 0;
    for step in &script.steps {
        world.tell(format_args!("{step}"));
        match step {
            Step::Until(at) => world.pass_to(*at),
            Step::Act(act) => world.act(act),
            Step::Trouble(trouble) => world.trouble(trouble),
            Step::Calm => world.calm(),
            Step::Run(run) => job::start(&mut world, run),
            Step::Healed => world.oracle.healed(&world.truth),
        }
        if world.log.is_some() {
            let new: Vec<String> = world.oracle.violations().iter().skip(told).map(|it| it.what.clone()).collect();
            told += new.len();
            for what in new {
                world.tell(format_args!("BROKEN: {what}"));
            }
        }
    }
    let hours = (world.truth.now - began).num_hours();
    Played {
        violations: world.oracle.violations().to_vec(),
        days: u32::try_from((hours + 23) / 24).unwrap_or_default(),
        runs: world.runs,
        faults: world.troubles.struck,
        log: world.log.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
