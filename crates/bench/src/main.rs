//! The benchmark: Snapkeeper beside its peers, against the simulated AWS, in one run. It writes `docs/benchmark.md` and,
//! beside it, the raw data.
//!
//! It is no part of the tests, and no test measures time.

#![allow(clippy::print_stdout, reason = "a command that says how far it is")]

mod billing;
mod case;
mod cold_start;
mod contenders;
mod fleet;
mod host;
mod judge;
mod lambda;
mod process;
mod programs;
mod report;
mod results;
mod surroundings;
mod table;
mod targets;
mod virtual_time;

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use chrono::NaiveTime;
use clap::{Parser, ValueEnum};

use crate::{
    case::{Case, DESTINATIONS, Job, Mode},
    contenders::{Contender, instant},
    fleet::{ACCOUNT, Fleet, HOME},
    host::Host,
    judge::{Before, Task, Terms, judge},
    programs::Programs,
    results::{Calls, Failure, Results, Right, Run},
    surroundings::Surroundings,
};

/// How often a start is measured.
const STARTS: usize = 20;

/// Measures Snapkeeper beside its peers against a simulated AWS, and writes what comes of it
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    /// Only these parts; what was measured of the others before stays
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Only cases with so many instances; of the manager, with so many snapshots
    #[arg(long, value_delimiter = ',')]
    sizes: Vec<usize>,
    /// How often the small cases are run
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each answer of the simulated AWS takes, in milliseconds
    #[arg(long, default_value_t = 50)]
    latency_ms: u64,
    /// What the fleet and the faults are drawn from
    #[arg(long, default_value_t = 8)]
    seed: u64,
    /// Small cases only, once: to see that it works
    #[arg(long)]
    quick: bool,
    /// Where to write; the raw data go beside it, with the ending `.json`
    #[arg(long, default_value = "docs/benchmark.md")]
    out: PathBuf,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The creator in real time
    Creator,
    /// The copier in real time
    Copier,
    /// The manager in real time
    Manager,
    /// Large accounts without buckets: computing and memory
    Large,
    /// Large accounts in virtual time: calls and time
    Virtual,
    /// One call in a hundred goes wrong
    Faults,
    /// How long a start takes
    Coldstart,
    /// How large the functions are
    Size,
}

/// A case and whom it is for.
struct Planned {
    part: Part,
    case: Case,
    contenders: Vec<Contender>,
    rounds: usize,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let is_wanted = |part: Part| {
        if arguments.only.is_empty() { !arguments.quick || part != Part::Large } else { arguments.only.contains(&part) }
    };
    println!("building, and installing what the peers need");
    let programs = Programs::made()?;
    let data = arguments.out.with_extension("json");
    let surroundings = Surroundings::look(&programs, arguments.seed, arguments.latency_ms);
    // what was measured elsewhere, or otherwise, is not to stand beside what is measured now
    let is_part = !arguments.only.is_empty() || !arguments.sizes.is_empty();
    let before = Results::read(&data);
    let mut results = if is_part && before.surroundings == surroundings { before } else { Results::default() };
    results.surroundings = surroundings;
    let mut failures = 0;
    if is_wanted(Part::Size) {
        results.sizes = cold_start::sizes(&programs)?;
    }
    if is_wanted(Part::Coldstart) {
        println!("starts");
        results.cold_starts = cold_start::measure(&programs, arguments.seed, if arguments.quick { 3 } else { STARTS })?;
    }
    let planned = planned(&arguments).into_iter().filter(|planned| is_wanted(planned.part));
    for Planned { part, case, contenders, rounds } in planned {
        for round in 0..rounds {
            for contender in &contenders {
                match measured(&arguments, &programs, &case, *contender, round) {
                    Ok(run) => {
                        println!(
                            "{part:?}: {}, {}, {}: {:.1} s, {} calls, {:.2} s of computing, {} MiB",
                            case.job.name(),
                            case.size(),
                            contender.name(),
                            run.spent.wall,
                            run.calls.all,
                            run.spent.cpu,
                            run.spent.peak_kib / 1_024
                        );
                        results.add(run);
                        results.write(&data)?;
                    }
                    Err(error) => {
                        failures += 1;
                        println!("{part:?}: {}, {}: {error:#}", case.size(), contender.name());
                        let (case, contender, cause) = (case.clone(), *contender, format!("{error:#}"));
                        results.fail(Failure { case, contender, round, cause });
                    }
                }
            }
        }
    }
    results.write(&data)?;
    fs::write(&arguments.out, report::document(&results)).context("cannot write the document")?;
    println!("wrote {}", arguments.out.display());
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every case, the small ones first. Custodian waits a minute after every five copies, so it copies little.
fn planned(arguments: &Arguments) -> Vec<Planned> {
    use Contender::{BlogPost, Command, Custodian, Function};
    use Mode::{Buckets, Faults, RatesOff, Virtual};
    let (all, ours) = (&Contender::ALL[..], &[Function, Command][..]);
    let mut planned = Vec::new();
    let mut add = |part: Part, case: Case, contenders: &[Contender], rounds: usize| {
        planned.push(Planned { part, case, contenders: contenders.to_vec(), rounds: rounds.min(arguments.rounds) });
    };
    add(Part::Creator, Case::creator(Buckets, 100, 1), all, 5);
    add(Part::Creator, Case::creator(Buckets, 100, 2), all, 1);
    add(Part::Creator, Case::creator(Buckets, 100, 8), &[Function, Custodian, Command], 1);
    add(Part::Creator, Case::creator(Buckets, 1_000, 1), &[Function, Custodian], 1);
    add(Part::Creator, Case::creator(Buckets, 1_000, 2), &[Function], 1);
    add(Part::Copier, Case::copier(Buckets, 10, 1), all, 1);
    add(Part::Copier, Case::copier(Buckets, 100, 3), &[Function, Command, BlogPost], 1);
    add(Part::Manager, Case::manager(Buckets, 1_000, 1), all, 5);
    add(Part::Manager, Case::manager(Buckets, 1_000, 20), all, 1);
    add(Part::Manager, Case::manager(Buckets, 10_000, 1), all, 1);
    for case in [Case::creator(Faults, 200, 2), Case::copier(Faults, 200, 1), Case::manager(Faults, 1_000, 20)] {
        add(Part::Faults, case.clone(), &[Function], 3);
        add(Part::Faults, case.clone(), &[Command], 1);
        if case.job != Job::Copier {
            add(Part::Faults, case, &[Custodian, BlogPost], 1);
        }
    }
    for (instances, volumes) in
        [(1_000, 8), (10_000, 1), (10_000, 2), (10_000, 8), (50_000, 1), (50_000, 2), (50_000, 8)]
    {
        add(Part::Virtual, Case::creator(Virtual, instances, volumes), ours, 1);
    }
    for regions in [1, 3] {
        add(Part::Virtual, Case::copier(Virtual, 10_000, regions), ours, 1);
    }
    for (snapshots, percent) in [(100_000, 1), (100_000, 20), (500_000, 1)] {
        add(Part::Virtual, Case::manager(Virtual, snapshots, percent), ours, 1);
    }
    // the function would read half a million snapshots some twenty-five times, which takes the simulator too long
    add(Part::Virtual, Case::manager(Virtual, 500_000, 20), &[Command], 1);
    for volumes in [1, 2] {
        add(Part::Large, Case::creator(RatesOff, 10_000, volumes), all, 1);
    }
    add(Part::Large, Case::creator(RatesOff, 10_000, 8), &[Function], 1);
    add(Part::Large, Case::creator(RatesOff, 50_000, 1), &[Function, Custodian], 1);
    for volumes in [2, 8] {
        add(Part::Large, Case::creator(RatesOff, 50_000, volumes), ours, 1);
    }
    for regions in [1, 3] {
        add(Part::Large, Case::copier(RatesOff, 10_000, regions), &[Function], 1);
    }
    add(Part::Large, Case::manager(RatesOff, 1_000, 20), &[Function, Custodian], 1);
    for (snapshots, percent) in [(100_000, 1), (100_000, 20)] {
        add(Part::Large, Case::manager(RatesOff, snapshots, percent), &[Function, Custodian], 1);
    }
    for percent in [1, 20] {
        add(Part::Large, Case::manager(RatesOff, 500_000, percent), &[Function], 1);
    }
    let size = |case: &Case| if case.job == Job::Manager { case.snapshots() } else { case.instances };
    planned.retain(|planned| arguments.sizes.is_empty() || arguments.sizes.contains(&size(&planned.case)));
    if arguments.quick {
        planned.retain(|planned| planned.case.bound() <= Duration::from_mins(1) || planned.part == Part::Virtual);
        planned.retain(|planned| size(&planned.case) <= 1_000 && planned.part != Part::Large);
        for planned in &mut planned {
            planned.rounds = 1;
        }
    }
    planned
}

/// One run of one contender, from the same state as every other.
fn measured(
    arguments: &Arguments,
    programs: &Programs,
    case: &Case,
    contender: Contender,
    round: usize,
) -> anyhow::Result<Run> {
    if case.mode == Mode::Virtual {
        return virtual_time::block_on(in_virtual_time(arguments, case, contender, round))?;
    }
    let (simulator, before) = prepared(arguments, case, round)?;
    let host = Host::open(simulator.clone())?;
    let spent = contenders::run(contender, programs, &host.endpoint(), case, instant(host::start()?))?;
    drop(host);
    let terms = if contender.is_ours() { Terms::Snapkeeper } else { Terms::Peer };
    let right = Right::from(&judge(&simulator, &before, terms));
    Ok(Run { case: case.clone(), contender, round, spent, calls: Calls::of(&simulator), right })
}

async fn in_virtual_time(
    arguments: &Arguments,
    case: &Case,
    contender: Contender,
    round: usize,
) -> anyhow::Result<Run> {
    let (simulator, before) = prepared(arguments, case, round)?;
    let spent = Box::pin(virtual_time::run(contender, &simulator, case, instant(host::start()?))).await?;
    let right = Right::from(&judge(&simulator, &before, Terms::Snapkeeper));
    Ok(Run { case: case.clone(), contender, round, spent, calls: Calls::of(&simulator), right })
}

/// A simulated AWS with the fleet of a case in it, which nobody has called yet; and what is to be right afterwards.
fn prepared(
    arguments: &Arguments,
    case: &Case,
    round: usize,
) -> anyhow::Result<(snapkeeper_simulator::Simulator, Before)> {
    let start = host::start()?;
    // faults strike other calls in each round
    let seed = arguments.seed + if case.mode == Mode::Faults { round as u64 } else { 0 };
    let simulator = host::simulator(case, seed, Duration::from_millis(arguments.latency_ms))?;
    Fleet::of(case, arguments.seed, start).settle_in(&simulator)?;
    // what was there by the start was there before
    simulator.skip(Duration::from_mins(1));
    let task = match case.job {
        Job::Creator => Task::Create,
        Job::Copier => Task::Copy {
            to: DESTINATIONS.iter().take(case.destinations).map(|region| (*region).to_owned()).collect(),
            since: start.date_naive().and_time(NaiveTime::MIN).and_utc(),
        },
        Job::Manager => Task::Delete,
    };
    let before = Before::of(&simulator, ACCOUNT, HOME, &task, start.date_naive());
    simulator.forget_calls();
    Ok((simulator, before))
}
