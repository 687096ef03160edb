//! What is to be reached, and whether it is.

use std::time::Duration;

use crate::{
    billing::{duration_at, gb_seconds, memory_for},
    case::{Case, Job, Mode, extrapolated},
    cold_start::BOTO3,
    contenders::Contender,
    results::{Results, Run},
    table::median,
};

/// One target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) what: &'static str,
    pub(crate) aim: &'static str,
    /// What was measured, in words; none if it was not.
    pub(crate) measured: Option<String>,
    pub(crate) is_met: bool,
}

/// A number, and for what it was measured.
type Worst<'a> = Option<(f64, &'a Run)>;

/// Every target.
pub(crate) fn targets(results: &Results) -> Vec<Target> {
    let latency = Duration::from_millis(results.surroundings.latency_ms);
    let is_timed = |run: &&Run| matches!(run.case.mode, Mode::Buckets | Mode::Virtual);
    let is_large = |run: &&Run| run.case.instances >= 1_000;
    let ours = || results.runs.iter().filter(|run| run.contender.is_ours());
    let calls = worst(ours().filter(is_timed).filter(is_large), Run::calls_ratio);
    let waits = |run: &&Run| run.case.bound() > Duration::from_secs(30);
    let bound = worst(ours().filter(is_timed).filter(waits), |run| run.bound_ratio(latency).unwrap_or(0.0));
    let throttled = worst(ours().filter(is_timed), |run| 100.0 * run.throttled_share());
    let is_largest = |run: &&Run| {
        run.case.mode == Mode::RatesOff
            && run.contender == Contender::Function
            && match run.case.job {
                Job::Creator => run.case.instances >= 50_000,
                Job::Manager => run.case.snapshots() >= 500_000,
                Job::Copier => false,
            }
    };
    let has = |job: Job| ours().filter(is_largest).any(|run| run.case.job == job);
    let memory = worst(ours().filter(is_largest), |run| mebibytes(run.spent.peak_kib));
    let memory = memory.filter(|_| has(Job::Creator) && has(Job::Manager));
    let is_computing = |run: &&Run| matches!(run.case.mode, Mode::RatesOff | Mode::Buckets) && run.calls.all >= 1_000;
    let cpu = worst(ours().filter(is_computing), Run::cpu_per_thousand);
    let cpu_beside = worst(ours().filter(is_computing).filter(|run| beside(results, run).is_some()), |run| {
        beside(results, run).map_or(0.0, |peer| run.cpu_per_thousand() / peer.cpu_per_thousand())
    });
    let zip = results.sizes.iter().map(|size| size.zip).max().map(|bytes| mebibytes(bytes / 1_024));
    let at_least_once =
        ours().any(|run| run.case.mode == Mode::Faults) && ours().any(|run| run.case.mode != Mode::Faults);
    let ended_badly = results.failures.iter().filter(|failure| failure.contender.is_ours()).count();
    let wrong = ours().filter(|run| !run.right.is_all_zero()).count() + ended_badly;
    let billed = billed_at(results, 10_000, latency);
    vec![
        of(
            "API calls ÷ least possible, at 1,000 instances and more, as far as measured",
            "≤ 1.02",
            1.02,
            calls.map(|it| told(it, 3, "")),
        ),
        of("wall ÷ bound, where the bound is over 30 s", "≤ 1.05", 1.05, bound.map(|it| told(it, 3, ""))),
        of("throttled ÷ calls", "≤ 0.5 %", 0.5, throttled.map(|it| told(it, 2, " %"))),
        of(
            "peak RSS, creator at 50,000 instances, manager at 500,000 snapshots",
            "≤ 48 MB",
            48.0,
            memory.map(|it| told(it, 1, " MB")),
        ),
        of("CPU per 1,000 API calls", "≤ 0.5 s", 0.5, cpu.map(|it| told(it, 3, " s"))),
        of("CPU per 1,000 API calls ÷ Cloud Custodian's", "≤ 1/10", 0.1, cpu_beside.map(|it| told(it, 3, ""))),
        of(
            "cold start ÷ importing boto3 and making one client",
            "≤ 1/10",
            0.1,
            cold_start(results).map(|ratio| (ratio, format!("{ratio:.3}"))),
        ),
        of("zip of one function", "≤ 4 MB", 4.0, zip.map(|zip| (zip, format!("{zip:.2} MB")))),
        of(
            "billed GB-seconds for 10,000 instances ÷ Cloud Custodian's",
            "≤ 1/20",
            0.05,
            billed.map(|(ours, peer)| (ours / peer, format!("{:.4} ({ours:.1} and ~{peer:.0})", ours / peer))),
        ),
        Target {
            what: "correctness columns, clean and with faults",
            aim: "all zero",
            measured: at_least_once
                .then(|| if wrong == 0 { "all zero".to_owned() } else { format!("{wrong} runs with others") }),
            is_met: at_least_once && wrong == 0,
        },
    ]
}

fn of(what: &'static str, aim: &'static str, most: f64, measured: Option<(f64, String)>) -> Target {
    let is_met = measured.as_ref().is_some_and(|(number, _)| *number <= most);
    Target { what, aim, measured: measured.map(|(_, told)| told), is_met }
}

/// The largest number, and for what.
fn worst<'a>(runs: impl Iterator<Item = &'a Run>, number: impl Fn(&Run) -> f64) -> Worst<'a> {
    runs.map(|run| (number(run), run)).max_by(|a, b| a.0.total_cmp(&b.0))
}

fn told((number, run): (f64, &Run), digits: usize, unit: &str) -> (f64, String) {
    (number, format!("{number:.digits$}{unit} ({}, {})", run.case.job.name(), run.case.size()))
}

/// What Custodian did in the same case.
fn beside<'a>(results: &'a Results, run: &Run) -> Option<&'a Run> {
    results.runs.iter().find(|other| other.contender == Contender::Custodian && other.case == run.case)
}

/// The slowest function's median start, and boto3's.
fn cold_start(results: &Results) -> Option<f64> {
    let median_of = |of: &str| {
        median(results.cold_starts.iter().filter(|start| start.of == of).map(|start| start.to_event).collect())
    };
    let functions = results.cold_starts.iter().filter(|start| start.of != BOTO3);
    let slowest = functions.filter_map(|start| median_of(&start.of)).max_by(f64::total_cmp)?;
    Some(slowest / median_of(BOTO3)?)
}

/// What a backup of so many instances is billed, ours and Custodian's, at the smallest memory that holds each: of the
/// numbers of volumes that were measured for both the one that is worst for us.
fn billed_at(results: &Results, instances: usize, latency: Duration) -> Option<(f64, f64)> {
    let of = |contender: Contender, case: Case| {
        results.runs.iter().find(|run| run.contender == contender && run.case == case)
    };
    let billed = results.runs.iter().filter(|run| run.case.instances == instances).filter_map(|run| {
        let volumes = run.case.volumes;
        let computed = of(Contender::Function, Case::creator(Mode::RatesOff, instances, volumes))?;
        let waited = of(Contender::Function, Case::creator(Mode::Virtual, instances, volumes))?;
        let peer = of(Contender::Custodian, Case::creator(Mode::RatesOff, instances, volumes))?;
        Some((billed_ours(computed, waited), billed_peer(peer, latency)))
    });
    billed.max_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)))
}

/// What the invocations of the machine are billed: what they wait for calls is known from virtual time, and what they
/// compute from a process.
pub(crate) fn billed_ours(computed: &Run, waited: &Run) -> f64 {
    let memory = memory_for(computed.spent.peak_kib);
    let seconds = |seconds: f64| Duration::from_secs_f64(seconds.max(0.0));
    // what is computed is mostly what is read, and an invocation of several may read all again
    let cpu = seconds(computed.spent.cpu * (reads(waited) / reads(computed)).max(1.0));
    gb_seconds(memory, duration_at(memory, seconds(waited.spent.wall - waited.spent.waited) + cpu, cpu))
}

/// What a peer would be billed, if Lambda let it run to its end.
pub(crate) fn billed_peer(run: &Run, latency: Duration) -> f64 {
    let memory = memory_for(run.spent.peak_kib);
    let seconds = |seconds: f64| Duration::from_secs_f64(seconds.max(0.0));
    // what is computed more slowly is computed while the buckets fill: the longer of both is billed
    let slower = duration_at(memory, seconds(run.spent.wall), seconds(run.spent.cpu));
    gb_seconds(memory, extrapolated(slower, &run.calls.by_action, latency, run.contender.side_by_side()))
}

/// How many calls only read.
#[expect(clippy::cast_precision_loss, reason = "of some thousands")]
fn reads(run: &Run) -> f64 {
    let reading = run.calls.by_action.iter().filter(|(action, _)| action.starts_with("Describe"));
    reading.map(|(_, count)| *count).sum::<u64>().max(1) as f64
}

/// As in the targets, an MB is 1,048,576 bytes.
#[expect(clippy::cast_precision_loss, reason = "of some megabytes")]
pub(crate) fn mebibytes(kib: u64) -> f64 {
    kib as f64 / 1_024.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contenders::Spent,
        results::{Calls, ColdStart, Right, Size},
    };

    fn run(case: Case, contender: Contender, spent: Spent) -> Run {
        let calls = Calls { all: case.least_calls(), ..Calls::default() };
        Run { case, contender, round: 0, spent, calls, right: Right::default() }
    }

    #[track_caller]
    fn check(results: &Results, what: &str, expected: Option<bool>) {
        let all = targets(results);
        let target = all.iter().find(|target| target.what.starts_with(what)).unwrap();
        assert_eq!(target.measured.is_some().then_some(target.is_met), expected, "{target:?}");
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        assert!(targets(&Results::default()).iter().all(|target| target.measured.is_none() && !target.is_met));
    }

    #[test]
    fn a_target_goes_by_the_worst() {
        let mut results = Results::default();
        results.add(run(
            Case::creator(Mode::Buckets, 1_000, 2),
            Contender::Function,
            Spent { wall: 181.0, ..Spent::default() },
        ));
        check(&results, "API calls", Some(true));
        check(&results, "wall", Some(true));
        // it is not told of clean runs alone
        check(&results, "correctness", None);
        results.add(run(Case::creator(Mode::Faults, 200, 2), Contender::Function, Spent::default()));
        check(&results, "correctness", Some(true));
        let mut slow =
            run(Case::creator(Mode::Virtual, 1_000, 2), Contender::Command, Spent { wall: 200.0, ..Spent::default() });
        slow.right.orphans = 1;
        slow.calls.all *= 2;
        results.add(slow);
        check(&results, "API calls", Some(false));
        check(&results, "wall", Some(false));
        check(&results, "correctness", Some(false));
        check(&results, "zip", None);
    }

    #[test]
    fn a_cold_start_is_compared_by_medians() {
        let start = |of: &str, to_event: f64| ColdStart { of: of.to_owned(), to_event, to_call: None };
        let mut results = Results {
            cold_starts: vec![start("creator", 0.01), start("creator", 9.0), start("creator", 0.02), start(BOTO3, 0.4)],
            sizes: vec![Size { of: "creator".to_owned(), binary: 9_000_000, zip: 4_000_000 }],
            ..Results::default()
        };
        check(&results, "cold start", Some(true));
        check(&results, "zip", Some(true));
        results.cold_starts.push(start("manager", 0.1));
        check(&results, "cold start", Some(false));
    }

    #[test]
    fn the_bill_is_of_what_is_waited_for_within_invocations_and_what_is_computed() {
        let spent =
            |wall: f64, waited: f64, cpu: f64, peak_kib: u64| Spent { wall, waited, cpu, peak_kib, ..Spent::default() };
        let case = |mode| Case::creator(mode, 10_000, 2);
        let computed = run(case(Mode::RatesOff), Contender::Function, spent(9.0, 0.0, 1.28, 30 * 1_024));
        let waited = run(case(Mode::Virtual), Contender::Function, spent(1_980.0, 1_900.0, 0.0, 0));
        // 80 s of waiting, and 1.28 s that take 13.8 times as long
        let ours = billed_ours(&computed, &waited);
        assert!((ours - (80.0 + 1_769.0 / 100.0) / 8.0).abs() < 1e-6, "{ours}");
        let mut results = Results::default();
        let mut peer = run(case(Mode::RatesOff), Contender::Custodian, spent(100.0, 0.0, 0.0, 890 * 1_024));
        peer.calls.by_action.insert("CreateSnapshots".to_owned(), 10_000);
        // 1,980 s of 1 GB
        let theirs = billed_peer(&peer, Duration::ZERO);
        assert!((theirs - 1_980.0).abs() < 2.0, "{theirs}");
        results.add(computed);
        results.add(waited);
        results.add(peer);
        check(&results, "billed", Some(true));
    }
}
