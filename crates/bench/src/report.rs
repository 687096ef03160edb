//! The document: what was measured, in tables.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    billing::memory_for,
    case::{Case, Job, Mode},
    cold_start::BOTO3,
    contenders::Contender,
    results::{Results, Run},
    surroundings::Surroundings,
    table::{median, table, thousands},
    targets::{billed_ours, billed_peer, mebibytes, targets},
};

/// Said at the top.
const INTRODUCTION: &str = "\
# Benchmark

Snapkeeper beside its peers, on the same simulated AWS, with the same fleet. This file is written by one command, and so
are the raw data beside it, [benchmark.json](benchmark.json):

```console
$ cargo run --release -p snapkeeper-bench
```

It needs Linux, and `python3` with `venv`; it builds our programs and installs the peers by itself. `--quick` tries it in
minutes, `--only` measures a part anew and leaves the rest, if that was measured in the same surroundings (it does not see
that our code has changed: then measure all), and `--help` tells the rest. No test measures time.

## Who

- **Snapkeeper, function**: the release binary as a process under a Lambda Runtime API on loopback, invoked again and again
  as by the state machine, and waiting outside. The creator then takes a page of instances at a time. By a plain schedule
  it reads the region at once, as the command does: see the command's rows for what that takes.
- **Snapkeeper, command**: `snapkeeper run`, once.
- **Cloud Custodian**: c7n with the policies that are kindest to it; the top of `crates/bench/python/run_c7n.py` says
  which.
- **blog post**: a boto3 script in the manner of many posts, written by us: a call for each volume, tags afterwards.

Each begins from the same state, with full token buckets of its own. They take turns, and of several runs the median is
told.

## What tells against us

- The manager's function reads the region anew in each invocation: half a million snapshots of which a fifth is due some 25
  times. That is about 1.13 times the least possible calls. In virtual time it is not measured, for the simulator needs too
  long. The command, which reads once, is.
- Custodian and the script need few calls too. They get the same work done in the same time where one bucket is the limit.
- GB-seconds are not the whole bill: the state machine makes four transitions for each invocation, at 0.025 $ for 1,000 (of
  which 4,000 a month are free; AWS's price list). For 10,000 instances with several volumes that is some 0.01 $, more than
  the GB-seconds of anybody here cost.
- That a volume's last good backup stays is our rule: who has no such rule is counted as wrong by it. In the manager's cases
  five each are planted of snapshots that are tagged `KeepForever`, used by an image, foreign, or such a last backup.
";

/// What the columns mean.
const DEFINITIONS: &str = "\
## What the columns mean

- **calls ÷ least**: the least possible calls are each page of 1,000 of what the decision depends on, once, and one call
  for each set of snapshots, copy and deletion. The creator depends on the enrolled instances, the volumes with a tag
  `Backup`, and the snapshots of this run, of which there are none at first; the copier on the snapshots at home and in
  each destination; the manager on the snapshots, the enrolled instances and volumes, the images and the locks. What others
  need for the same job is counted against the same least. Below 1 is who looks at less: whether a volume is left out, or
  whether the snapshot or copy is there already.
- **wall ÷ bound**: the bound is what the token buckets alone allow, `(calls − burst) / refill`, for the calls that change
  something. Snapshots of single volumes may be taken from two buckets, those of `CreateSnapshot` and `CreateSnapshots`.
- **throttled**: the share of calls that the simulated AWS refused for its buckets or for a fault.
- **peak**: the most memory that was resident at once, of the process with its children.
- **CPU**: user and system time, with the start of the process and its children.
- **GB-s**: billed at the smallest memory that holds the peak and 15 % more, 128 MB at least. Lambda gives a whole core at
  1,769 MB and less of one below: what is computed takes longer there, by 1,769 ÷ memory, and what is waited for does
  not. Where a run was measured with its waiting, slower computing is added even where it would fit into the waiting; that
  is hardest on who computes most. The start of the process is billed. **†** marks what Lambda would cut off after 15 minutes: the number is what it
  would be billed if it were not.
- **wrong**: by what there truly is afterwards: enrolled volumes (or copies) without exactly one good snapshot that has
  its tags; orphans, which nothing will ever delete; duplicates; wrongful deletions; and what is due but left.
- **~** marks what is extrapolated: the calls counted and the computing measured without latency and buckets, with the
  latency of each call added (two side by side for Cloud Custodian, which has two workers), or what the buckets make of
  them, if that is longer.
- In **virtual time** our jobs run inside the benchmark, through the same SDK, and hours pass at once. Neither memory nor
  computing can be told there: wall, ÷ bound and longest are without computing, which at 128 MB takes 13.8 times as long as
  in the columns of CPU.
- In the tables of real time a function has a whole core, whatever its memory.

The quotas of copies at once and of snapshots are lifted, and snapshots take 5 seconds: the calls are what is measured.
";

/// The whole document.
pub(crate) fn document(results: &Results) -> String {
    let latency = Duration::from_millis(results.surroundings.latency_ms);
    let timed = |mode: Mode, contenders: &[Contender]| rows(results, mode, contenders, latency);
    let mut parts = vec![INTRODUCTION.to_owned(), surroundings(&results.surroundings), of_targets(results)];
    let head = [
        "size",
        "who",
        "runs",
        "calls",
        "÷ least",
        "wall",
        "÷ bound",
        "throttled",
        "peak",
        "CPU",
        "CPU/1,000",
        "GB-s",
        "wrong",
    ];
    for (heading, words, mode) in [
        ("## In real time", "With AWS's token buckets and the latency.", Mode::Buckets),
        (
            "## With faults",
            "The same where one in a hundred of the calls that read or change snapshots is throttled, takes effect but is \
             answered\nwith status 500, or takes effect but its connection is cut: of some hundreds of calls a few, others in \
             each run. A\nfunction's invocation that fails is invoked again, as the machine does; the others are not.",
            Mode::Faults,
        ),
        (
            "## Large accounts: computing and memory",
            "Without buckets and latency, our own limiter off. What would take hours in real time is extrapolated for the peers.",
            Mode::RatesOff,
        ),
    ] {
        let tables = timed(mode, &Contender::ALL);
        if !tables.is_empty() {
            parts.push(format!("{heading}\n\n{words}\n"));
        }
        for (job, rows) in tables {
            parts.push(format!("### {}\n\n{}", job.name(), table(&head, &rows)));
        }
    }
    let head =
        ["size", "who", "calls", "÷ least", "wall", "÷ bound", "throttled", "invocations", "longest", "GB-s", "wrong"];
    let tables = virtual_rows(results, latency);
    if !tables.is_empty() {
        parts.push(
            "## Large accounts: calls and time\n\nOurs in virtual time, with AWS's token buckets and the latency.\n"
                .to_owned(),
        );
    }
    for (job, rows) in tables {
        parts.push(format!("### {} in virtual time\n\n{}", job.name(), table(&head, &rows)));
    }
    parts.extend(failures(results));
    parts.extend(starts(results));
    parts.extend(sizes(results));
    parts.push(DEFINITIONS.to_owned());
    parts.join("\n")
}

fn surroundings(on: &Surroundings) -> String {
    let Surroundings { cpu, cores, memory_gib, kernel, rustc, python, c7n, boto3, seed, latency_ms } = on;
    format!(
        "On {cores} cores of {cpu}, {memory_gib} GiB, Linux {kernel}; {rustc}; {python}, c7n {c7n}, boto3 {boto3}. The simulated AWS\n\
         runs beside on the same cores. Seed {seed}, latency {latency_ms} ms.\n"
    )
}

fn of_targets(results: &Results) -> String {
    let rows: Vec<Vec<String>> = targets(results)
        .into_iter()
        .map(|target| {
            let met = match (&target.measured, target.is_met) {
                (None, _) => "–",
                (Some(_), true) => "met",
                (Some(_), false) => "**not met**",
            };
            let measured = target.measured.unwrap_or_else(|| "not measured".to_owned());
            vec![target.what.to_owned(), target.aim.to_owned(), measured, met.to_owned()]
        })
        .collect();
    format!("## Targets\n\nOf ours the worst.\n\n{}", table(&["what", "target", "measured", ""], &rows))
}

/// The runs of a mode by job, each case and contender a row.
fn rows(results: &Results, mode: Mode, contenders: &[Contender], latency: Duration) -> Vec<(Job, Vec<Vec<String>>)> {
    by_job(results, mode, contenders, |case, contender, runs| {
        let first = runs.first()?;
        let middle = |number: &dyn Fn(&Run) -> f64| median(runs.iter().map(|run| number(run)).collect()).unwrap_or(0.0);
        let extrapolated = if mode == Mode::RatesOff { "~" } else { "" };
        // of ours, what takes longer is told by virtual time
        let is_told = mode != Mode::RatesOff || !contender.is_ours();
        let wall = middle(&|run| run.wall(latency).0);
        let when = |told: bool, text: String| if told { text } else { "–".to_owned() };
        let bound = first.case.bound().as_secs_f64();
        let billed = if mode == Mode::RatesOff {
            middle(&|run| billed_peer(run, latency))
        } else {
            middle(&|run| run.spent.gb_seconds)
        };
        let cut_off = if first.ends_in_time(latency) { "" } else { " †" };
        Some(vec![
            case.size(),
            contender.name().to_owned(),
            runs.len().to_string(),
            count(middle(&|run| exact(run.calls.all))),
            format!("{:.2}", middle(&Run::calls_ratio)),
            when(is_told, format!("{extrapolated}{wall:.1} s")),
            when(is_told && bound > 0.0, format!("{extrapolated}{:.2}", wall / bound.max(f64::MIN_POSITIVE))),
            format!("{:.2} %", 100.0 * middle(&Run::throttled_share)),
            format!("{:.1} MB", mebibytes(runs.iter().map(|run| run.spent.peak_kib).max().unwrap_or_default())),
            format!("{:.2} s", middle(&|run| run.spent.cpu)),
            format!("{:.2} s", middle(&Run::cpu_per_thousand)),
            // the command is no function
            when(is_told && contender != Contender::Command, format!("{extrapolated}{billed:.1}{cut_off}")),
            wrong(runs),
        ])
    })
}

/// Ours in virtual time, billed for what the same case computed without buckets.
fn virtual_rows(results: &Results, latency: Duration) -> Vec<(Job, Vec<Vec<String>>)> {
    by_job(results, Mode::Virtual, &Contender::ALL, |case, contender, runs| {
        let run = runs.first()?;
        let same = Case { mode: Mode::RatesOff, ..case.clone() };
        let computed = results.runs.iter().find(|other| other.contender == Contender::Function && other.case == same);
        let billed = computed.filter(|_| contender == Contender::Function);
        Some(vec![
            case.size(),
            contender.name().to_owned(),
            thousands(run.calls.all),
            format!("{:.3}", run.calls_ratio()),
            format!("{:.1} s", run.spent.wall),
            run.bound_ratio(latency).map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.3}")),
            format!("{:.2} %", 100.0 * run.throttled_share()),
            run.spent.invocations.to_string(),
            format!("{:.1} s", run.spent.longest),
            billed.map_or_else(
                || "–".to_owned(),
                |computed| format!("{:.1} at {} MB", billed_ours(computed, run), memory_for(computed.spent.peak_kib)),
            ),
            wrong(runs),
        ])
    })
}

/// The runs of a mode, one row for each case and contender that was measured, by job.
fn by_job(
    results: &Results,
    mode: Mode,
    contenders: &[Contender],
    row: impl Fn(&Case, Contender, &[&Run]) -> Option<Vec<String>>,
) -> Vec<(Job, Vec<Vec<String>>)> {
    let cases: BTreeSet<&Case> = results.runs.iter().map(|run| &run.case).filter(|case| case.mode == mode).collect();
    let mut jobs = Vec::new();
    for job in [Job::Creator, Job::Copier, Job::Manager] {
        let mut rows = Vec::new();
        for case in cases.iter().copied().filter(|case| case.job == job) {
            for contender in contenders {
                let is_same = |run: &&Run| run.case == *case && run.contender == *contender;
                let runs: Vec<&Run> = results.runs.iter().filter(is_same).collect();
                rows.extend(row(case, *contender, &runs));
            }
        }
        if !rows.is_empty() {
            jobs.push((job, rows));
        }
    }
    jobs
}

/// What went wrong in any of the rounds; and of whoever says that it did not succeed, that.
fn wrong(runs: &[&Run]) -> String {
    let most = |number: &dyn Fn(&Run) -> usize| runs.iter().map(|run| number(run)).max().unwrap_or_default();
    let counts = [
        (most(&|run| run.right.unprotected), "unprotected"),
        (most(&|run| run.right.orphans), "orphans"),
        (most(&|run| run.right.duplicates), "duplicates"),
        (most(&|run| run.right.wrongly_deleted), "wrongly deleted"),
        (most(&|run| run.right.left), "left"),
    ];
    let told = counts.iter().filter(|(count, _)| *count > 0);
    let mut told: Vec<String> = told.map(|(count, what)| format!("{} {what}", thousands(*count as u64))).collect();
    if !runs.iter().all(|run| run.spent.succeeded) {
        told.push("says that it failed".to_owned());
    }
    if told.is_empty() { "none".to_owned() } else { told.join(", ") }
}

/// What is missing in the tables.
fn failures(results: &Results) -> Option<String> {
    let told = results.failures.iter().map(|failure| {
        let (case, who) = (&failure.case, failure.contender.name());
        format!("- {}, {}, {who}: {}\n", case.job.name(), case.size(), failure.cause)
    });
    (!results.failures.is_empty()).then(|| format!("## What came to no end\n\n{}", told.collect::<Vec<_>>().concat()))
}

fn starts(results: &Results) -> Option<String> {
    let names: BTreeSet<&str> = results.cold_starts.iter().map(|start| start.of.as_str()).collect();
    let rows: Vec<Vec<String>> = names
        .into_iter()
        .filter_map(|name| {
            let of = || results.cold_starts.iter().filter(|start| start.of == name);
            let to_event = median(of().map(|start| start.to_event).collect())?;
            let to_call = median(of().filter_map(|start| start.to_call).collect());
            let name = if name == BOTO3 { "import boto3, make one client of EC2" } else { name };
            let milliseconds = |seconds: f64| format!("{:.1} ms", seconds * 1_000.0);
            Some(vec![
                name.to_owned(),
                of().count().to_string(),
                milliseconds(to_event),
                to_call.map_or_else(|| "–".to_owned(), milliseconds),
            ])
        })
        .collect();
    let head = ["what", "times", "start to first event asked for", "event to first call"];
    (!rows.is_empty()).then(|| {
        format!(
            "## Cold start\n\nFrom the start of the process, on a whole core; medians, in turn. When the first event is asked for, the \
             clients\nare built.\n\n{}",
            table(&head, &rows)
        )
    })
}

fn sizes(results: &Results) -> Option<String> {
    let megabytes = |bytes: u64| format!("{:.2} MB", mebibytes(bytes / 1_024));
    let rows: Vec<Vec<String>> =
        results.sizes.iter().map(|size| vec![size.of.clone(), megabytes(size.binary), megabytes(size.zip)]).collect();
    (!rows.is_empty()).then(|| {
        format!(
            "## Size\n\nThe release build for this machine, and deflated as hard as can be. The RDS functions and the syncer are \
             not measured.\n\n{}",
            table(&["function", "binary", "zip"], &rows)
        )
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, or the mean of two")]
fn count(number: f64) -> String {
    thousands(number.round() as u64)
}

#[expect(clippy::cast_precision_loss, reason = "of some millions")]
fn exact(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contenders::Spent,
        results::{Calls, Right},
    };

    #[test]
    fn a_document_tells_medians_and_the_worst_of_what_is_wrong() {
        let mut results = Results::default();
        for (round, wall, orphans) in [(0, 9.0, 0), (1, 7.0, 3), (2, 8.0, 1)] {
            results.add(Run {
                case: Case::creator(Mode::Buckets, 100, 2),
                contender: Contender::BlogPost,
                round,
                spent: Spent { wall, succeeded: true, ..Spent::default() },
                calls: Calls { all: 206, ..Calls::default() },
                right: Right { orphans, ..Right::default() },
            });
        }
        let text = document(&results);
        let row = text.lines().find(|line| line.contains("| blog post")).unwrap();
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[1..8], ["100 instances × 2 volumes", "blog post", "3", "206", "2.00", "8.0 s", "–"]);
        assert_eq!(cells[13], "3 orphans");
        assert!(text.contains("not measured") && !text.contains("virtual time\n\n|"), "{text}");
    }
}
