//! Two runs at once over the same instances: the other one whole before a call of the first, or beside it from there
//! on.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use snapkeeper_core::run::Job;
use snapkeeper_lambda::{Began, Context, Deadline, Report};
use snapkeeper_simulator::Outcome;
use snapkeeper_tests::{meanwhile::Meanwhile, world::ACCOUNT};

use super::{
    A_WHILE, FUNCTION_TIME, HOME, MARK, NOW, Scene, TWO, after_the_next_run, all_run, asked_through,
    calls_of_a_quiet_run, each, now, places, quick, scene, stop_all_of_john_and_jane, try_all,
};

/// A second after the first run.
const A_SECOND_LATER: &str = "2026-11-21T05:00:01Z";

/// The other run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other {
    /// The same event, which came twice.
    SameEvent,
    /// The same request, which somebody sent twice.
    Again,
    /// Another request that stops one of the instances as well.
    Otherwise,
    /// A request that stops nothing.
    AsItRuns,
    /// Somebody starts what is marked.
    Recover,
    /// The creator as its schedule runs it.
    Schedule,
}

/// When the other run begins.
#[derive(Clone, Copy, Debug)]
enum Start {
    /// It is over before the call is made.
    Before,
    /// With the call.
    Beside,
}

const OTHERS: [Other; 6] =
    [Other::SameEvent, Other::Again, Other::Otherwise, Other::AsItRuns, Other::Recover, Other::Schedule];

/// At each call of the first run. All that ran runs when both are over, whoever has started it; neither says that it
/// took what it has not taken as asked; and nothing is taken more often than it was asked for.
#[test]
fn another_run_at_any_call_leaves_no_instance_stopped() {
    let kinds: Vec<(Other, Start)> =
        OTHERS.into_iter().flat_map(|other| [Start::Before, Start::Beside].map(|start| (other, start))).collect();
    let positions = each(&kinds, places(&calls_of_a_quiet_run(TWO)));
    try_all("on demand, another run", 200, &positions, async |((other, start), call)| {
        let scene = scene(TWO).await;
        let through = scene.world.simulator().http_client();
        let way = match start {
            Start::Before => Meanwhile::before(*call, through),
            Start::Beside => Meanwhile::beside(*call, through),
        };
        let run = asked_through(&scene, FUNCTION_TIME, Some(way.client()));
        let (report, theirs) = Box::pin(way.both(run, other.run(&scene))).await;
        let theirs = theirs.ok_or("the run never made that call")?;
        scene.world.pass(A_WHILE).await;
        all_run(&scene)?;
        if scene.look("web-1").tags.contains_key(MARK) && report.succeeded() && theirs.succeeded() {
            return Err("web-1 is marked, and neither run has failed".to_owned());
        }
        is_true(&scene, &report).map_err(|why| format!("the first run: {why}"))?;
        if other.stops() {
            is_true(&scene, &theirs).map_err(|why| format!("the other run: {why}"))?;
        }
        let most = if *other == Other::Recover { 1 } else { 2 };
        for (name, count) in scene.count() {
            let volumes = scene.look(name).devices.len();
            if count > most * volumes {
                return Err(format!("of {volumes} volumes of {name} there are {count} snapshots"));
            }
        }
        after_the_next_run(&scene).await
    });
}

impl Other {
    /// Whether it stops instances.
    fn stops(self) -> bool {
        match self {
            Self::SameEvent | Self::Again | Self::Otherwise => true,
            Self::AsItRuns | Self::Recover | Self::Schedule => false,
        }
    }

    async fn run(self, scene: &Scene) -> Report {
        let web_1 = scene.id("web-1");
        match self {
            Self::SameEvent => requested(scene, NOW, stop_all_of_john_and_jane()).await,
            Self::Again => requested(scene, A_SECOND_LATER, stop_all_of_john_and_jane()).await,
            Self::Otherwise => {
                let payload = json!({ "instances": [web_1], "stop": true, "label": "mine", "retention": "30d" });
                requested(scene, A_SECOND_LATER, payload).await
            }
            Self::AsItRuns => requested(scene, A_SECOND_LATER, json!({ "instances": [web_1] })).await,
            Self::Recover => Box::pin(scene.world.recover(HOME, &now(scene))).await,
            Self::Schedule => Box::pin(scene.world.run_in(&context(scene, NOW))).await,
        }
    }
}

async fn requested(scene: &Scene, at: &str, payload: Value) -> Report {
    Box::pin(scene.world.on_demand_in(context(scene, at), &payload, None)).await
}

/// What surrounds the other run. Its clock is the simulator's, but for some microseconds: no two machines' are the
/// same.
fn context(scene: &Scene, at: &str) -> Context {
    let mut context = scene.world.context(Job::Creator, HOME, at);
    context.deadline = Deadline::within(FUNCTION_TIME);
    context.began = Began::at(scene.world.simulator().now() + TimeDelta::microseconds(7));
    context
}

/// A run that is said to have succeeded has taken each volume of `web-1` while that was stopped, or has found that the
/// same event did.
fn is_true(scene: &Scene, report: &Report) -> Result<(), String> {
    if !report.succeeded() {
        return Ok(());
    }
    let Some(step) = report.applied.iter().find(|step| step.resource == scene.id("web-1")) else {
        let is_told = !report.kept.is_empty();
        return if is_told {
            Ok(())
        } else {
            Err("it succeeded, took nothing of web-1, and does not say so".to_owned())
        };
    };
    let volumes = scene.look("web-1").devices.len();
    if step.made.len() != volumes {
        return Err(format!("it succeeded, and took {:?} of {volumes} volumes", step.made));
    }
    let spans = spans_down(scene);
    for snapshot in scene.world.simulator().snapshots(ACCOUNT, HOME) {
        let at = snapshot.start_time;
        if step.made.contains(&snapshot.id) && !spans.iter().any(|(since, until)| (*since..=*until).contains(&at)) {
            return Err(format!("it succeeded, and {} was taken at {at}: it was down only {spans:?}", snapshot.id));
        }
    }
    Ok(())
}

/// From when until when `web-1` was stopped, by the calls that were made.
fn spans_down(scene: &Scene) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let id = scene.id("web-1");
    let calls = scene.world.simulator().calls().into_iter();
    let had_effect = calls
        .filter(|call| call.answer == Outcome::Ok && call.params.iter().any(|(_, value)| value == id))
        .map(|call| (call.action, call.at));
    let (mut spans, mut down) = (Vec::new(), None);
    for (action, at) in had_effect {
        match (action.as_str(), down) {
            // one that stops or is stopped already is not stopped anew
            ("StopInstances", None) => down = Some(at + quick().stop_time),
            ("StartInstances", Some(since)) => {
                spans.push((since, at));
                down = None;
            }
            _ => {}
        }
    }
    spans
}
