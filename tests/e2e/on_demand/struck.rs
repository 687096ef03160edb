//! Whatever happens to a run that stops instances, at whatever call: what ran before, runs after it, or after the next
//! run of the creator if the process was killed or its time was over.
//!
//! Nothing is left to chance: each call of the run is struck by each kind of fault, once and from then on, the process is
//! killed before and after each call, and the deadline and the Ctrl-C come at every instant. Each test prints how many
//! positions it has tried, and fails if there were fewer than `docs/reliability.md` says.

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use snapkeeper_core::run::Job;
use snapkeeper_lambda::{Context, Deadline, Report};
use snapkeeper_simulator::{Fault, FaultKind, InstanceState};
use snapkeeper_tests::{
    mortal::{Death, Mortal},
    parallel, policies,
    world::instant,
};

use super::{A_WHILE, MARK, NOW, Scene, config, of, stop_all_of_john_and_jane};
use crate::{
    faults::{status, status_after},
    peers::HOME,
    reliability::say,
};

/// What a function has.
const FUNCTION_TIME: Duration = Duration::from_mins(15);
/// Long enough that a run which was killed counts as dead.
const UNTIL_DEAD: Duration = Duration::from_mins(31);
/// The SDK, unoptimized as it is in tests, may need more than the two megabytes that a thread has otherwise.
const STACK: usize = 16 << 20;

/// Each kind of fault at each call, once.
#[test]
fn a_fault_at_any_call_leaves_no_instance_stopped() {
    let kinds = [
        FaultKind::Throttle,
        FaultKind::Deny,
        FaultKind::CutBefore,
        FaultKind::CutAfter,
        status(500, "InternalError"),
        status(503, "Unavailable"),
        status_after(500, "InternalError"),
        FaultKind::Slow(Duration::from_mins(1)),
        FaultKind::Late(Duration::from_secs(3)),
    ];
    let positions = each(&kinds, calls_of_a_quiet_run());
    try_all("struck once", 200, &positions, async |(kind, call)| {
        let scene = scene().await;
        scene.world.simulator().inject(Fault::any(kind.clone()).after(*call).by(&key()));
        let report = asked(&scene, FUNCTION_TIME).await;
        scene.world.simulator().clear_faults();
        scene.world.pass(A_WHILE).await;
        all_run(&scene)?;
        scene.has_no_duplicates_and_no_bare_snapshots()?;
        if report.succeeded() {
            is_whole(&scene)?;
        }
        told_of_what_is_left(&scene, &report)?;
        after_the_next_run(&scene).await
    });
}

/// Each kind of fault at each call and all that come after it, until the run is over.
#[test]
fn trouble_that_lasts_leaves_no_instance_stopped_after_the_next_run() {
    let kinds = [
        FaultKind::Throttle,
        FaultKind::Deny,
        FaultKind::CutBefore,
        FaultKind::CutAfter,
        status(500, "InternalError"),
        status_after(500, "InternalError"),
    ];
    let positions = each(&kinds, calls_of_a_quiet_run());
    try_all("struck from then on", 130, &positions, async |(kind, call)| {
        let scene = scene().await;
        scene.world.simulator().inject(Fault::any(kind.clone()).after(*call).by(&key()).always());
        let report = asked(&scene, FUNCTION_TIME).await;
        scene.world.simulator().clear_faults();
        scene.world.pass(A_WHILE).await;
        scene.has_no_duplicates_and_no_bare_snapshots()?;
        told_of_what_is_left(&scene, &report)?;
        after_the_next_run(&scene).await
    });
}

/// Every second call is struck.
#[test]
fn trouble_that_comes_and_goes_leaves_no_instance_stopped() {
    let kinds = [FaultKind::Throttle, FaultKind::CutBefore, FaultKind::CutAfter, status(500, "InternalError")];
    let positions = each(&kinds, 8);
    try_all("struck again and again", 32, &positions, async |(kind, seed)| {
        let mut config = config();
        config.seed = u64::from(*seed);
        let scene = Scene::set_in(of(config)).await;
        scene.world.simulator().inject(Fault::any(kind.clone()).one_in(2).always().by(&key()));
        let report = asked(&scene, FUNCTION_TIME).await;
        scene.world.simulator().clear_faults();
        scene.world.pass(A_WHILE).await;
        told_of_what_is_left(&scene, &report)?;
        after_the_next_run(&scene).await
    });
}

/// The process is killed, and the schedule runs the creator half an hour later.
#[test]
fn a_run_that_is_killed_at_any_call_is_mended_by_the_next_run() {
    try_all("killed, and the next run", 40, &deaths(), async |death| {
        let scene = scene().await;
        killed(&scene, *death).await?;
        scene.has_no_duplicates_and_no_bare_snapshots()?;
        after_the_next_run(&scene).await
    });
}

/// The process is killed, and whoever ran it starts at once what it has stopped. What is still on its way down then is
/// waited for, or told of.
#[test]
fn a_run_that_is_killed_at_any_call_is_mended_by_hand() {
    try_all("killed, and recovered", 40, &deaths(), async |death| {
        let scene = scene().await;
        killed(&scene, *death).await?;
        let recovered = Box::pin(scene.world.recover(HOME, &now(&scene))).await;
        scene.world.pass(A_WHILE).await;
        if recovered.succeeded() {
            return scene.is_as_before();
        }
        let again = Box::pin(scene.world.recover(HOME, &now(&scene))).await;
        if !again.succeeded() {
            return Err(format!("recovered in vain: {:?}", again.failed));
        }
        scene.world.pass(A_WHILE).await;
        scene.is_as_before()
    });
}

/// The function has so many seconds.
#[test]
fn a_deadline_at_any_instant_leaves_no_instance_stopped_after_the_next_run() {
    let all: Vec<u64> = (1..=300).collect();
    try_all("cut off by the deadline", 300, &all, async |seconds| {
        let scene = scene().await;
        let begun = tokio::time::Instant::now();
        let report = asked(&scene, Duration::from_secs(*seconds)).await;
        let took = begun.elapsed();
        if took > Duration::from_secs(*seconds) {
            return Err(format!("it took {took:?}: nobody would have read its report"));
        }
        scene.world.pass(A_WHILE).await;
        told_of_what_is_left(&scene, &report)?;
        scene.has_no_duplicates_and_no_bare_snapshots()?;
        after_the_next_run(&scene).await
    });
}

/// With a function's time all goes well, and nothing is stopped that could not be started.
#[test]
fn time_enough_leaves_nothing_to_a_later_run() {
    let all: Vec<u64> = (600..=900).step_by(60).collect();
    try_all("with time enough", 6, &all, async |seconds| {
        let scene = scene().await;
        let report = asked(&scene, Duration::from_secs(*seconds)).await;
        scene.world.pass(A_WHILE).await;
        if !report.succeeded() {
            return Err(format!("{:?}, {:?}", report.failed, report.unfinished));
        }
        is_whole(&scene)?;
        scene.is_as_before()
    });
}

/// Ctrl-C at the terminal, at any half second. The process lives on until what it has stopped is started.
#[test]
fn an_interrupt_at_any_instant_leaves_no_instance_stopped() {
    let all: Vec<u64> = (0..=120).collect();
    try_all("interrupted", 120, &all, async |halves| {
        let scene = scene().await;
        let context = scene.world.context(Job::Creator, HOME, NOW);
        let cancel = context.cancel.clone();
        let interrupt = async {
            tokio::time::sleep(Duration::from_millis(halves * 500)).await;
            cancel.cancel();
        };
        let (report, ()) = tokio::join!(in_context(&scene, context), interrupt);
        scene.world.pass(A_WHILE).await;
        all_run(&scene)?;
        scene.has_no_duplicates_and_no_bare_snapshots()?;
        if report.succeeded() {
            is_whole(&scene)?;
        }
        scene.is_as_before()
    });
}

/// A scene in which two instances run and one is stopped, of all of which snapshots are asked for.
async fn scene() -> Scene {
    Scene::set().await
}

/// The access key of the run.
fn key() -> String {
    policies::access_key(Job::Creator, HOME)
}

/// How many calls the run makes that nothing disturbs.
fn calls_of_a_quiet_run() -> u32 {
    let calls = played(async || {
        let scene = scene().await;
        let report = asked(&scene, FUNCTION_TIME).await;
        assert!(report.succeeded(), "{:?}", report.failed);
        scene.world.pass(A_WHILE).await;
        assert_eq!(scene.is_as_before().and_then(|()| is_whole(&scene)), Ok(()));
        let key = key();
        scene.world.simulator().calls().iter().filter(|call| call.caller == key).count()
    });
    let calls = u32::try_from(calls).expect("a few");
    assert!(calls > 15, "{calls} calls");
    calls
}

/// Each kind at each call.
fn each(kinds: &[FaultKind], calls: u32) -> Vec<(FaultKind, u32)> {
    kinds.iter().flat_map(|kind| (0..calls).map(move |call| (kind.clone(), call))).collect()
}

/// Before and after each call.
fn deaths() -> Vec<Death> {
    (0..calls_of_a_quiet_run()).flat_map(|call| [false, true].map(|after| Death { call, after })).collect()
}

/// Asks for snapshots, within this time.
async fn asked(scene: &Scene, time: Duration) -> Report {
    let mut context = scene.world.context(Job::Creator, HOME, NOW);
    context.deadline = Deadline::within(time);
    in_context(scene, context).await
}

async fn in_context(scene: &Scene, context: Context) -> Report {
    Box::pin(scene.world.on_demand_in(context, &stop_all_of_john_and_jane(), None)).await
}

/// Asks for snapshots, and is killed.
async fn killed(scene: &Scene, death: Death) -> Result<(), String> {
    let mut context = scene.world.context(Job::Creator, HOME, NOW);
    context.deadline = Deadline::within(FUNCTION_TIME);
    let way = Mortal::new(death, scene.world.simulator().http_client());
    let payload = stop_all_of_john_and_jane();
    let run = scene.world.on_demand_in(context, &payload, Some(way.client()));
    match way.alive(run).await {
        None => Ok(()),
        Some(report) => Err(format!("it was not killed, for it made too few calls: {:?}", report.calls)),
    }
}

/// The creator runs by its schedule, half an hour later, when the trouble is over: everything is as before.
async fn after_the_next_run(scene: &Scene) -> Result<(), String> {
    scene.world.pass(UNTIL_DEAD).await;
    let report = Box::pin(scene.world.run(Job::Creator, HOME, &now(scene))).await;
    if !report.succeeded() {
        return Err(format!("the next run fails: {:?}, {:?}", report.failed, report.unfinished));
    }
    scene.world.pass(A_WHILE).await;
    scene.is_as_before()
}

/// What ran, runs, whatever its mark says.
fn all_run(scene: &Scene) -> Result<(), String> {
    for name in ["web-1", "web-2"] {
        let state = scene.look(name).state;
        if state != InstanceState::Running {
            return Err(format!("{name} is {state:?}"));
        }
    }
    Ok(())
}

/// Whatever is not as before is marked, so that the next run finds it, and the run has failed.
fn told_of_what_is_left(scene: &Scene, report: &Report) -> Result<(), String> {
    for name in ["web-1", "web-2"] {
        let instance = scene.look(name);
        let is_marked = instance.tags.contains_key(MARK);
        if instance.state != InstanceState::Running && !is_marked {
            return Err(format!("{name} is {:?}, and not marked", instance.state));
        }
        if is_marked && report.succeeded() {
            return Err(format!("{name} is {:?} and marked, and the run has not failed", instance.state));
        }
    }
    Ok(())
}

/// Each volume that was asked for was taken.
fn is_whole(scene: &Scene) -> Result<(), String> {
    let taken = scene.count();
    if taken.iter().map(|(name, count)| (*name, *count)).eq([("db", 1), ("web-1", 2), ("web-2", 1)]) {
        return Ok(());
    }
    Err(format!("it is said to have succeeded, and took {taken:?}"))
}

/// The simulator's time, in whole seconds.
fn now(scene: &Scene) -> String {
    let now = scene.world.simulator().now() + TimeDelta::milliseconds(999);
    assert!(now > instant(NOW));
    now.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Tries all of these, of which there must be so many, each in a world of its own.
fn try_all<T: Sync + std::fmt::Debug>(
    what: &str,
    least: usize,
    all: &[T],
    attempt: impl AsyncFn(&T) -> Result<(), String> + Sync,
) {
    assert!(all.len() >= least, "{what}: {} positions, and the documentation says {least}", all.len());
    let outcomes = parallel::map(all, |one| {
        let outcome = parallel::caught(|| played(async || attempt(one).await));
        outcome.unwrap_or_else(Err).map_err(|why| format!("{one:?}: {why}"))
    });
    let wrong: Vec<&String> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{what}: {} of {}: {:#?}", wrong.len(), all.len(), &wrong[..wrong.len().min(5)]);
    say(&format!("on demand, {what}: {} positions", all.len()));
}

/// What comes of this, in virtual time, on a thread of its own.
fn played<R: Send>(act: impl AsyncFnOnce() -> R + Send) -> R {
    let play = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(act())
    };
    std::thread::scope(|scope| {
        let played = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, play).expect("a thread");
        match played.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
