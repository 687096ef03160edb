//! How many scripts it takes to find each planted bug.

use std::collections::BTreeSet;

use snapkeeper_reliability::{
    mutant::{self, Mutant},
    oracle::Promise,
    script::{Options, Script},
};
use snapkeeper_tests::{
    parallel,
    wire::{self, WireBug},
};

use crate::World;

/// What came of the hunt for one bug.
#[derive(Clone, Debug)]
pub(crate) struct Hunted {
    world: World,
    name: &'static str,
    what: &'static str,
    /// The promises that it is meant to break.
    meant: &'static [Promise],
    /// How many scripts were played.
    seeds: u64,
    /// In how many of them one of these was broken.
    found: u64,
    /// Whether it shows in the script that was written for it, where there is one.
    own: Option<bool>,
    /// Which promises were broken in those scripts, meant or not.
    by: BTreeSet<Promise>,
}

/// A hunt ends when so many scripts have found the bug.
const ENOUGH: u32 = 20;
/// How many scripts are played on the wire before it is counted again.
const AT_A_TIME: u64 = 16;

/// Hunts every bug of both worlds through so many scripts at most, and tells of each as soon as its hunt is over.
pub(crate) fn hunt(seeds: u64, wire_seeds: u64, tell: impl Fn(&Hunted) + Sync) -> Vec<Hunted> {
    let told = |hunted: Hunted| {
        tell(&hunted);
        hunted
    };
    let mut hunted = parallel::map(&Mutant::ALL, |bug| told(in_the_model(*bug, seeds)));
    hunted.extend(WireBug::ALL.iter().map(|bug| told(on_the_wire(*bug, wire_seeds))));
    hunted
}

/// Whether every bug was found: by seeds, or on the wire, where few are played, by the script that was written for it.
pub(crate) fn all_found(hunted: &[Hunted]) -> bool {
    hunted.iter().all(|bug| bug.own.unwrap_or(bug.found > 0))
}

fn in_the_model(bug: Mutant, seeds: u64) -> Hunted {
    let found = mutant::hunt(bug, 0..seeds, ENOUGH, &Options::default());
    Hunted {
        world: World::Plans,
        name: bug.name(),
        what: bug.what(),
        meant: bug.meant(),
        seeds: found.seeds.into(),
        found: found.found.into(),
        own: None,
        by: found.by.into_keys().collect(),
    }
}

fn on_the_wire(bug: WireBug, seeds: u64) -> Hunted {
    let mut played: Vec<BTreeSet<Promise>> = Vec::new();
    let mut next = 0;
    while next < seeds && played.iter().filter(|broken| is_found(bug, broken)).count() < ENOUGH as usize {
        let chunk: Vec<u64> = (next..seeds.min(next + AT_A_TIME)).collect();
        next += AT_A_TIME;
        played.extend(parallel::map(&chunk, |seed| broken(bug, &World::Wire.script(*seed))));
    }
    let found: Vec<&BTreeSet<Promise>> = played.iter().filter(|broken| is_found(bug, broken)).collect();
    Hunted {
        world: World::Wire,
        name: bug.name(),
        what: bug.what(),
        meant: bug.meant(),
        own: Some(is_found(bug, &broken(bug, &bug.script()))),
        seeds: played.len() as u64,
        found: found.len() as u64,
        by: found.into_iter().flatten().copied().collect(),
    }
}

/// The promises that a script breaks with this bug.
fn broken(bug: WireBug, script: &Script) -> BTreeSet<Promise> {
    wire::play_blocking(script, Some(bug)).violations.iter().map(|broken| broken.promise).collect()
}

/// Whether one of these promises is one that the bug is meant to break.
fn is_found(bug: WireBug, broken: &BTreeSet<Promise>) -> bool {
    bug.meant().iter().any(|promise| broken.contains(promise))
}

/// The bugs, in Markdown.
pub(crate) fn table(hunted: &[Hunted]) -> String {
    let mut text = HEAD.to_owned();
    for bug in hunted {
        text.push_str(&row(bug));
    }
    text
}

/// The head of the table.
pub(crate) const HEAD: &str = "| Planted bug | What it does | World | Seeds | Found | Median | Own script | By |\n\
                               | --- | --- | --- | ---: | ---: | ---: | --- | --- |\n";

/// A line of the table.
pub(crate) fn row(Hunted { world, name, what, meant, own, seeds, found, by }: &Hunted) -> String {
    let median = mutant::median(*found, *seeds).map_or_else(|| "not found".to_owned(), |median| median.to_string());
    let own = own.map_or("", |is_found| if is_found { "found" } else { "not found" });
    // those that are meant in bold
    let marks = |promise: &Promise| if meant.contains(promise) { "**" } else { "" };
    let by = by.iter().map(|promise| format!("{0}`{promise:?}`{0}", marks(promise))).collect::<Vec<_>>().join(", ");
    let world = world.name();
    format!("| `{name}` | {what} | {world} | {seeds} | {found} | {median} | {own} | {by} |\n")
}
