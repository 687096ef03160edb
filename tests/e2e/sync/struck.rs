//! Whatever happens to a run of the syncer, at whatever call and however far it all is: there are never two copies of one
//! source, what was present stays present, nothing of others is touched, and when it is over the newest of each is present
//! within two runs.
//!
//! Nothing is left to chance: at each stage each call of the run is struck by each kind of fault, once and from then on, the
//! process is killed before and after each call, the deadline comes at each second, and another run begins at each moment.
//! Each test prints how many positions it has tried, and fails if there were fewer than `docs/reliability.md` says.

use std::{collections::BTreeMap, time::Duration};

use snapkeeper_core::run::Job::Syncer;
use snapkeeper_lambda::{Context, Deadline, Report};
use snapkeeper_simulator::{Fault, FaultKind};
use snapkeeper_tests::mortal::{Death, Mortal};

use super::{
    COPIES_TAKE, Scene, config,
    stages::{Quiet, Stage, there_is},
};
use crate::{
    faults::{status, status_after},
    peers::HOME,
    positions::{played, try_all},
};

/// What a function has.
const FUNCTION_TIME: Duration = Duration::from_mins(15);

/// How readings go wrong.
static OF_READINGS: [FaultKind; 3] = [FaultKind::Deny, FaultKind::CutBefore, FaultKind::Stale(Duration::from_mins(20))];

/// Each kind of fault at each call, once.
#[test]
fn a_fault_at_any_call_is_mended_by_the_next_runs() {
    let of_changes = [
        FaultKind::Throttle,
        FaultKind::Deny,
        FaultKind::CutBefore,
        FaultKind::CutAfter,
        status(500, "InternalFailure"),
        status(503, "ServiceUnavailable"),
        status_after(500, "InternalFailure"),
        FaultKind::Slow(Duration::from_mins(1)),
        FaultKind::Late(Duration::from_secs(3)),
    ];
    let quiet = quiet();
    let positions = at_each_call(&quiet, |reads| if reads { &OF_READINGS[..] } else { &of_changes[..] });
    try_all("sync, struck once", 300, &positions, async |(stage, kind, call)| {
        let scene = stage.reached().await;
        let fault = Fault::any(kind.clone()).after(*call).by(&key(&scene));
        Box::pin(struck(scene, *stage, fault, &quiet)).await
    });
}

/// Each kind of fault at each call and all that come after it, until the run is over.
#[test]
fn trouble_that_lasts_is_mended_by_the_next_runs() {
    let kinds = [FaultKind::Deny, FaultKind::CutAfter, status_after(500, "InternalFailure")];
    let quiet = quiet();
    let positions = at_each_call(&quiet, |reads| if reads { &kinds[..1] } else { &kinds[..] });
    try_all("sync, struck from then on", 100, &positions, async |(stage, kind, call)| {
        let scene = stage.reached().await;
        let fault = Fault::any(kind.clone()).after(*call).by(&key(&scene)).always();
        Box::pin(struck(scene, *stage, fault, &quiet)).await
    });
}

/// The process is killed before and after each call.
#[test]
fn a_run_that_is_killed_at_any_call_is_mended_by_the_next_runs() {
    let quiet = quiet();
    let deaths = |(stage, quiet): (&Stage, &Quiet)| {
        let (stage, calls) = (*stage, u32::try_from(quiet.reads.len()).expect("a few"));
        let both = move |call| [false, true].map(|after| (stage, Death { call, after }));
        (0..calls).flat_map(both).collect::<Vec<_>>()
    };
    let positions: Vec<(Stage, Death)> = quiet.iter().flat_map(deaths).collect();
    try_all("sync, killed", 120, &positions, async |(stage, death)| {
        let mut scene = stage.reached().await;
        Box::pin(killed(&scene, *death)).await?;
        scene.look()?;
        Box::pin(mended(&mut scene, *stage)).await
    });
}

/// The function has so many seconds, and every answer takes one.
#[test]
fn a_deadline_at_any_second_is_mended_by_the_next_runs() {
    let stages = [Stage::NothingYet, Stage::Copied, Stage::NextDay, Stage::Superseded];
    let of = |stage| (1..=30u64).map(move |second| (stage, second));
    let positions: Vec<(Stage, u64)> = stages.into_iter().flat_map(of).collect();
    let quiet = quiet();
    try_all("sync, cut off by the deadline", 120, &positions, async |(stage, seconds)| {
        let mut config = config();
        config.latency = Duration::from_secs(1);
        let mut scene = stage.reached_in(config).await;
        let (begun, time) = (tokio::time::Instant::now(), Duration::from_secs(*seconds));
        let report = Box::pin(run_within(&scene, time)).await;
        if begun.elapsed() > time {
            return Err(format!("it took {:?}: nobody would have read its report", begun.elapsed()));
        }
        scene.look()?;
        is_true(&scene, *stage, &report, &quiet)?;
        Box::pin(mended(&mut scene, *stage)).await
    });
}

/// The syncer runs twice at once: the second run begins this many half seconds after the first.
#[test]
fn two_runs_at_once_do_no_more_than_one() {
    let positions: Vec<(Stage, u32)> =
        Stage::ALL.into_iter().flat_map(|stage| (0..8).map(move |half| (stage, half))).collect();
    try_all("sync, two runs at once", 48, &positions, async |(stage, half)| {
        let mut scene = stage.reached().await;
        let second = async {
            tokio::time::sleep(*half * Duration::from_millis(500)).await;
            Box::pin(run_within(&scene, FUNCTION_TIME)).await
        };
        let (one, other) = tokio::join!(Box::pin(run_within(&scene, FUNCTION_TIME)), second);
        scene.look()?;
        for report in [one, other] {
            // copies that failed are told
            if !report.succeeded() && *stage != Stage::Failed {
                return Err(format!("one of them fails: {:?}", report.failed));
            }
        }
        Box::pin(mended(&mut scene, *stage)).await
    });
}

/// What the run of each stage does that nothing disturbs.
fn quiet() -> BTreeMap<Stage, Quiet> {
    Stage::ALL.into_iter().map(|stage| (stage, played(async || Quiet::of(stage).await))).collect()
}

/// Each kind at each call: of a reading and of a change their own.
fn at_each_call<'a>(
    quiet: &BTreeMap<Stage, Quiet>,
    kinds: impl Fn(bool) -> &'a [FaultKind],
) -> Vec<(Stage, FaultKind, u32)> {
    let mut positions = Vec::new();
    for (stage, quiet) in quiet {
        for (call, reads) in (0..).zip(&quiet.reads) {
            positions.extend(kinds(*reads).iter().map(|kind| (*stage, kind.clone(), call)));
        }
    }
    positions
}

/// The access key of the run.
fn key(scene: &Scene) -> String {
    scene.world.access_key(Syncer, HOME)
}

/// A run that a fault strikes, and what comes of it.
async fn struck(mut scene: Scene, stage: Stage, fault: Fault, quiet: &BTreeMap<Stage, Quiet>) -> Result<(), String> {
    let is_stale = matches!(fault.kind, FaultKind::Stale(_));
    scene.simulator().inject(fault);
    let report = Box::pin(run_within(&scene, FUNCTION_TIME)).await;
    scene.simulator().clear_faults();
    // what takes effect late
    scene.pass(Duration::from_secs(5)).await;
    scene.look()?;
    // nobody can know that what he was shown is not so any more
    if !is_stale {
        is_true(&scene, stage, &report, quiet)?;
    }
    Box::pin(mended(&mut scene, stage)).await
}

/// Two runs later the newest of each is present, and one more later all is as promised.
async fn mended(scene: &mut Scene, stage: Stage) -> Result<(), String> {
    scene.pass(COPIES_TAKE).await;
    scene.look()?;
    scene.heals(stage.runs()).await
}

/// A run that says that it went well, and left nothing, has done what it does when nothing disturbs it.
fn is_true(scene: &Scene, stage: Stage, report: &Report, quiet: &BTreeMap<Stage, Quiet>) -> Result<(), String> {
    let (there, expected) = (there_is(scene), &quiet[&stage].done);
    if report.succeeded() && report.unfinished.is_empty() && there != *expected {
        return Err(format!("it is said to have succeeded, and there is\n{there:#?}\nin place of\n{expected:#?}"));
    }
    Ok(())
}

/// Runs the syncer, within this time.
async fn run_within(scene: &Scene, time: Duration) -> Report {
    Box::pin(scene.world.run_in(&within(scene, time))).await
}

fn within(scene: &Scene, time: Duration) -> Context {
    let mut context = scene.context();
    context.deadline = Deadline::within(time);
    context
}

/// Runs the syncer, and kills it.
async fn killed(scene: &Scene, death: Death) -> Result<(), String> {
    let way = Mortal::new(death, scene.simulator().http_client());
    let context = within(scene, FUNCTION_TIME);
    let run = scene.world.run_through(&context, Some(way.client()));
    match way.alive(Box::pin(run)).await {
        None => Ok(()),
        Some(report) => Err(format!("it was not killed, for it made too few calls: {:?}", report.calls)),
    }
}
