//! Who is measured, and how each is run on a case.

use std::{process::Command, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    billing::{duration_at, gb_seconds, memory_for},
    case::{Case, DESTINATIONS, Job, Mode},
    fleet::HOME,
    lambda::{self, Played},
    process::{self, Usage},
    programs::Programs,
};

/// No run of a program takes longer than this.
const LIMIT: Duration = Duration::from_hours(3);

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Contender {
    /// Our function, invoked as by the state machine.
    Function,
    /// Our command.
    Command,
    /// Cloud Custodian.
    Custodian,
    /// A script in the manner of the usual blog post.
    BlogPost,
}

impl Contender {
    /// All, in the order in which they take turns.
    pub(crate) const ALL: [Self; 4] = [Self::Function, Self::Custodian, Self::Command, Self::BlogPost];

    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Function => "Snapkeeper, function",
            Self::Command => "Snapkeeper, command",
            Self::Custodian => "Cloud Custodian",
            Self::BlogPost => "blog post",
        }
    }

    /// Whether it is ours.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Function | Self::Command)
    }

    /// How many calls it makes side by side: Custodian's workers for an action, which cannot be configured.
    pub(crate) fn side_by_side(self) -> u32 {
        match self {
            Self::Function | Self::Command => 16,
            Self::Custodian => 2,
            Self::BlogPost => 1,
        }
    }
}

/// What a run took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spent {
    /// From its start to its end, in seconds, waiting between invocations included.
    pub(crate) wall: f64,
    /// Of that, outside of any function.
    pub(crate) waited: f64,
    /// Computed, in seconds, by it and its children.
    pub(crate) cpu: f64,
    /// The most that it held at once, in KiB.
    pub(crate) peak_kib: u64,
    /// How often it was invoked.
    pub(crate) invocations: usize,
    /// How long the longest invocation was, in seconds.
    pub(crate) longest: f64,
    /// What it would be billed at the smallest memory that works.
    pub(crate) gb_seconds: f64,
    /// Whether it said that all went well.
    pub(crate) succeeded: bool,
}

/// Runs a contender on what is behind this endpoint.
pub(crate) fn run(
    contender: Contender,
    programs: &Programs,
    endpoint: &str,
    case: &Case,
    at: DateTime<Utc>,
) -> anyhow::Result<Spent> {
    let reaching = |mut command: Command| {
        command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_REGION", HOME).env("AWS_DEFAULT_REGION", HOME);
        if case.mode == Mode::RatesOff && contender.is_ours() {
            command.env("SNAPKEEPER_API_RATE", "off");
        }
        command
    };
    match contender {
        Contender::Function => {
            let function = reaching(programs.ours(case.job.name())?);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(of_function(&runtime.block_on(lambda::play(function, 128, at))?))
        }
        Contender::Command => {
            let mut command = reaching(programs.ours("snapkeeper")?);
            command.args(["run", case.job.name(), "--region", HOME, "--endpoint-url", endpoint, "--output", "json"]);
            command.args(["--at", &at.to_rfc3339()]);
            Ok(of_process(&[process::run(&mut command, LIMIT)?]))
        }
        Contender::Custodian | Contender::BlogPost => {
            let program = if contender == Contender::Custodian { "run_c7n.py" } else { "blog_post.py" };
            // they copy to one region at a time
            let regions = match case.job {
                Job::Copier => DESTINATIONS.get(..case.destinations).unwrap_or(&DESTINATIONS),
                Job::Creator | Job::Manager => &DESTINATIONS[..1],
            };
            let mut usages = Vec::new();
            for region in regions {
                let mut command = reaching(programs.python(program)?);
                command.arg(case.job.verb()).env("BENCH_TODAY", at.date_naive().to_string());
                command.env("BENCH_RETENTION_DAYS", "10").env("BENCH_COPY_DEST", region);
                usages.push(process::run(&mut command, LIMIT)?);
            }
            Ok(of_process(&usages))
        }
    }
}

/// What the machine's invocations took together. The computing is spread over them as their time is, and the start of the
/// process is billed too.
fn of_function(played: &Played) -> Spent {
    let running: Duration = played.invocations.iter().sum();
    let memory = memory_for(played.peak_kib);
    Spent {
        wall: (played.init + running + played.waited).as_secs_f64(),
        waited: played.waited.as_secs_f64(),
        cpu: played.cpu.as_secs_f64(),
        peak_kib: played.peak_kib,
        invocations: played.invocations.len(),
        longest: played.invocations.iter().max().copied().unwrap_or_default().as_secs_f64(),
        gb_seconds: gb_seconds(memory, duration_at(memory, played.init + running, played.cpu)),
        succeeded: played.succeeded,
    }
}

/// What processes one after the other took; each would be an invocation.
fn of_process(usages: &[Usage]) -> Spent {
    let peak_kib = usages.iter().map(|usage| usage.peak_kib).max().unwrap_or_default();
    let memory = memory_for(peak_kib);
    let (wall, cpu) =
        usages.iter().fold((Duration::ZERO, Duration::ZERO), |(wall, cpu), usage| (wall + usage.wall, cpu + usage.cpu));
    Spent {
        wall: wall.as_secs_f64(),
        waited: 0.0,
        cpu: cpu.as_secs_f64(),
        peak_kib,
        invocations: usages.len(),
        longest: usages.iter().map(|usage| usage.wall).max().unwrap_or_default().as_secs_f64(),
        gb_seconds: gb_seconds(memory, duration_at(memory, wall, cpu)),
        succeeded: usages.iter().all(|usage| usage.succeeded),
    }
}

/// The instant of the run that a case is for: an hour after its time begins.
pub(crate) fn instant(start: DateTime<Utc>) -> DateTime<Utc> {
    start + TimeDelta::hours(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_between_invocations_takes_time_but_is_not_billed() {
        let seconds = Duration::from_secs;
        let played = Played {
            init: Duration::ZERO,
            invocations: vec![seconds(4), seconds(6)],
            waited: seconds(20),
            cpu: Duration::ZERO,
            peak_kib: 10_000,
            succeeded: true,
        };
        let spent = of_function(&played);
        assert!((spent.wall - 30.0).abs() < 1e-9 && (spent.longest - 6.0).abs() < 1e-9, "{spent:?}");
        // ten seconds of an eighth of a GB
        assert!((spent.gb_seconds - 1.25).abs() < 1e-9, "{spent:?}");
    }

    #[test]
    fn processes_one_after_the_other_add_up() {
        let usage = |wall: u64, peak_mib: u64, succeeded: bool| Usage {
            wall: Duration::from_secs(wall),
            cpu: Duration::ZERO,
            peak_kib: peak_mib * 1_024,
            succeeded,
        };
        let spent = of_process(&[usage(4, 50, true), usage(6, 200, false)]);
        assert!((spent.wall - 10.0).abs() < 1e-9 && (spent.gb_seconds - 10.0 * 230.0 / 1_024.0).abs() < 1e-9);
        assert_eq!((spent.peak_kib, spent.invocations, spent.succeeded), (200 * 1_024, 2, false));
    }
}
