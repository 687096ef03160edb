//! Plays scripts in both worlds and counts what came of them, hunts planted bugs, and plays a single script again.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod bugs;
mod figures;
mod page;

use std::{ops::Range, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};
use snapkeeper_reliability::{
    model,
    oracle::Promise,
    script::{Options, Script, make},
    shrink::{in_words, only, shrink as shrunk},
};
use snapkeeper_tests::wire;

use crate::{bugs::Hunted, figures::Tally};

/// Plays scripts of troubles and looks whether a promise is broken. Exit status 1: one was, or a bug planted in the plans
/// was not found.
#[derive(Parser)]
#[command(name = "reliability")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plays scripts in the model world: the plans alone
    Plans(Seeds),
    /// Plays scripts of one instance and one day in the model world
    Tiny(Seeds),
    /// Plays scripts on the wire: the real jobs through the real SDK, on the simulator
    Wire(Seeds),
    /// Plants bugs and tells how many scripts it takes to find each by what it is meant to break, as a table in Markdown; so
    /// many at most, and no more when twenty have found it
    Mutants {
        /// How many scripts of the model world for each bug
        #[arg(long, default_value_t = 5_000)]
        seeds: u64,
        /// How many scripts on the wire for each bug
        #[arg(long, default_value_t = 640)]
        wire_seeds: u64,
    },
    /// Plays one script again and tells its story
    Replay {
        /// In which world
        world: World,
        /// What the script is made of
        seed: u64,
        /// Only the steps of these numbers
        #[arg(long, value_delimiter = ',')]
        steps: Option<Vec<usize>>,
        /// Leave out what the first broken promise does not need
        #[arg(long)]
        shrink: bool,
    },
    /// Does all of this and writes the figures into docs/reliability.md
    Report {
        /// How many scripts of the model world
        #[arg(long, default_value_t = 200_000)]
        plans: u64,
        /// How many scripts of one instance and one day in the model world
        #[arg(long, default_value_t = 1_000_000)]
        tiny: u64,
        /// How many scripts on the wire
        #[arg(long, default_value_t = 1_000)]
        wire: u64,
        /// How many scripts of the model world for each planted bug
        #[arg(long, default_value_t = 5_000)]
        seeds: u64,
        /// How many scripts on the wire for each planted bug
        #[arg(long, default_value_t = 640)]
        wire_seeds: u64,
    },
}

#[derive(Args)]
struct Seeds {
    /// How many scripts
    #[arg(long)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
}

/// Where scripts are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum World {
    /// In the model world
    Plans,
    /// In the model world, with one instance and one day
    Tiny,
    /// On the wire
    Wire,
}

impl World {
    /// The script of a seed, as large as it is here.
    fn script(self, seed: u64) -> Script {
        match self {
            World::Plans => make(seed, &Options::default()),
            World::Tiny => make(seed, &Options::tiny()),
            World::Wire => make(seed, &wire::options()),
        }
    }

    /// The promises that a script breaks.
    fn broken(self, script: &Script) -> Vec<Promise> {
        let violations = match self {
            World::Plans | World::Tiny => figures::in_the_model(script).violations,
            World::Wire => wire::play_blocking(script, None).violations,
        };
        violations.into_iter().map(|it| it.promise).collect()
    }

    fn name(self) -> &'static str {
        match self {
            World::Plans => "plans",
            World::Tiny => "tiny",
            World::Wire => "wire",
        }
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let is_well = match Arguments::parse().command {
        Command::Plans(seeds) => play(World::Plans, &seeds),
        Command::Tiny(seeds) => play(World::Tiny, &seeds),
        Command::Wire(seeds) => play(World::Wire, &seeds),
        Command::Mutants { seeds, wire_seeds } => bugs::all_found(&hunt(seeds, wire_seeds)),
        Command::Replay { world, seed, steps, shrink } => replay(world, seed, steps, shrink),
        Command::Report { plans, tiny, wire, seeds, wire_seeds } => {
            let tallies = [(World::Plans, plans), (World::Tiny, tiny), (World::Wire, wire)].map(|(world, count)| {
                let tally = Tally::of(world, 0..count);
                print!("{}", tally.in_words(world));
                (world, tally)
            });
            let hunted = hunt(seeds, wire_seeds);
            let command = format!(
                "cargo run -p snapkeeper-tests --bin reliability -- report --plans {plans} --tiny {tiny} --wire {wire} \
                 --seeds {seeds} --wire-seeds {wire_seeds}"
            );
            page::write(&command, &figures::table(&tallies), &bugs::table(&hunted))?;
            tallies.iter().all(|(_, tally)| tally.is_well()) && bugs::all_found(&hunted)
        }
    };
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Plays scripts, and tells what came of them; whether no promise was broken.
fn play(world: World, seeds: &Seeds) -> bool {
    let range: Range<u64> = seeds.from..seeds.from.saturating_add(seeds.seeds);
    let tally = Tally::of(world, range);
    print!("{}", tally.in_words(world));
    tally.is_well()
}

/// Hunts every planted bug, and prints the table of them, each when its hunt is over.
fn hunt(seeds: u64, wire_seeds: u64) -> Vec<Hunted> {
    print!("{}", bugs::HEAD);
    bugs::hunt(seeds, wire_seeds, |bug| print!("{}", bugs::row(bug)))
}

/// Plays a script again, and tells its story; whether no promise was broken.
fn replay(world: World, seed: u64, steps: Option<Vec<usize>>, shrink: bool) -> bool {
    let script = world.script(seed);
    let mut steps = steps.unwrap_or_else(|| (0..script.steps.len()).collect());
    if shrink && let Some(promise) = world.broken(&only(&script, &steps)).first() {
        let chosen = steps.clone();
        let left = shrunk(&only(&script, &chosen), |cut| world.broken(cut).contains(promise));
        steps = left.into_iter().map(|place| chosen[place]).collect();
        let numbers: Vec<String> = steps.iter().map(ToString::to_string).collect();
        println!("reliability replay {} {seed} --steps {}\n", world.name(), numbers.join(","));
    }
    println!("{}", in_words(&script, &steps));
    let script = only(&script, &steps);
    let (story, violations, log) = match world {
        World::Plans | World::Tiny => {
            let played = model::play_told(&script, None);
            (played.log, played.violations, Vec::new())
        }
        World::Wire => {
            let played = wire::play_blocking(&script, None);
            (played.story, played.violations, played.log)
        }
    };
    println!("{}\n", story.join("\n"));
    if !log.is_empty() {
        println!("{}\n", log.join("\n"));
        println!("{} calls, fingerprint of the log {:016x}", log.len(), wire::fingerprint(&log));
    }
    println!("{} violations", violations.len());
    for violation in &violations {
        println!("{}", wire::in_a_line(violation));
    }
    violations.is_empty()
}
