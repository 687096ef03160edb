//! Starts what was stopped: at the end of a run that stopped it, or in the next one, if that was killed.

use std::time::Duration;

use chrono::TimeDelta;
use snapkeeper_aws::{Aws, Kind};
use snapkeeper_core::{
    ids::InstanceId,
    inventory::InstanceState,
    on_demand::restart::{self, Restart},
    plan::Plan,
};
use snapkeeper_lambda::{Context, Outcome, Report, apply};
use tokio::time::{Instant, sleep, timeout};

use crate::on_demand::BETWEEN_LOOKS;

/// How long it is tried to start an instance, where no deadline comes first.
const STARTS_WITHIN: Duration = Duration::from_mins(30);
/// The same in a run that has other things to do: the next one tries again.
const RESTARTS_WITHIN: Duration = Duration::from_mins(5);
/// How long is waited between two tries, at first and at most.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// How long an instance that is being started is looked at: some fall back to `stopped`.
const SETTLES_WITHIN: Duration = Duration::from_mins(1);

/// Starts the instances that a run which was killed has left stopped, and takes the marks off those that run. Marks that
/// are younger than `older_than` are left to the run that set them; nothing as `older_than` leaves none.
///
/// # Errors
/// If the marked instances could not be read: nothing was done.
pub async fn recover(aws: &Aws, context: &Context, older_than: TimeDelta) -> anyhow::Result<Report> {
    let marked = aws.ec2.marked_instances().await?;
    Ok(apply_all(aws, context, restart::plan(&marked, older_than, context.now())).await)
}

pub(crate) async fn apply_all(aws: &Aws, context: &Context, plan: Plan<Restart>) -> Report {
    let report = apply(plan, context, async |restart: &Restart, outcome: &mut Outcome| {
        let Restart { instance, mark, start } = restart;
        let done = if *start {
            let started = start_and_unmark(aws, context, instance, mark, Left::Unmarked, outcome);
            let ended = timeout(RESTARTS_WITHIN, Box::pin(started)).await;
            ended.unwrap_or_else(|_| {
                outcome.failed(instance, still_stopped("it did not start within some minutes"));
                false
            })
        } else {
            unmark(aws, instance, mark, outcome).await
        };
        if done {
            outcome.done();
        }
    });
    report.await
}

/// Whether an instance that runs again keeps its mark, and why.
#[derive(Clone, Copy)]
pub(crate) enum Left {
    Unmarked,
    Marked(&'static str),
}

/// Starts the instance, however often that takes, and takes the mark off. Returns whether it runs and is unmarked; what is
/// not so is told.
pub(crate) async fn start_and_unmark(
    aws: &Aws,
    context: &Context,
    id: &InstanceId,
    mark: &str,
    left: Left,
    outcome: &mut Outcome,
) -> bool {
    let mut trial = Trial { is_started: false, last: "there was no time to try".to_owned() };
    let end = context.deadline.for_starting(timeout(STARTS_WITHIN, start(aws, id, &mut trial))).await;
    match end {
        Some(Ok(End::Gone)) => {
            outcome.kept(id, "terminated by somebody else meanwhile");
            return false;
        }
        // it was not seen running, but EC2 has said that it starts
        Some(Err(_)) | None if !trial.is_started => {
            outcome.failed(id, still_stopped(&trial.last));
            return false;
        }
        Some(Ok(End::Runs) | Err(_)) | None => {}
    }
    match left {
        Left::Unmarked => unmark(aws, id, mark, outcome).await,
        Left::Marked(why) => {
            outcome.failed(
                id,
                format!(
                    "{why}: it runs, and keeps the tag Snapkeeper_Stopped, so that the next run of the creator \
                     (half an hour from now, or later) looks after it"
                ),
            );
            false
        }
    }
}

/// Takes the mark off. Returns whether it is; if not, that is told.
pub(crate) async fn unmark(aws: &Aws, id: &InstanceId, mark: &str, outcome: &mut Outcome) -> bool {
    match aws.ec2.unmark(id, mark).await {
        Ok(()) => true,
        // it went with the instance
        Err(error) if error.kind == Kind::NotFound => true,
        Err(error) => {
            let todo = "the next run of the creator takes it off, or `snapkeeper snapshot --recover`";
            outcome.failed(id, format!("it runs, but keeps the tag Snapkeeper_Stopped: {todo}: {error}"));
            false
        }
    }
}

fn still_stopped(cause: &str) -> String {
    format!(
        "it is perhaps STOPPED still: {cause}. It keeps the tag Snapkeeper_Stopped: the next run of the creator \
         (half an hour from now, or later) starts it, or `snapkeeper snapshot --recover` does now"
    )
}

enum End {
    /// It runs, or is on its way to.
    Runs,
    /// It was terminated.
    Gone,
}

/// What has become of the tries so far; filled in while they are made, since they may be cut off.
struct Trial {
    is_started: bool,
    last: String,
}

/// Tries to start the instance until it runs.
async fn start(aws: &Aws, id: &InstanceId, trial: &mut Trial) -> End {
    let (mut wait, longest) = WAITS;
    loop {
        let started = aws.ec2.start_instance(id).await;
        let is_unknown = match started {
            // an answer that says so is worth more than any reading
            Ok(()) => {
                trial.is_started = true;
                if settles(aws, id).await {
                    return End::Runs;
                }
                *trial = Trial { is_started: false, last: "it fell back to stopped when it was started".to_owned() };
                false
            }
            Err(error) => {
                tracing::warn!(instance = %id, %error, "not started yet");
                trial.last = error.to_string();
                error.kind == Kind::NotFound
            }
        };
        match aws.ec2.state_of(id).await {
            Ok(Some(InstanceState::ShuttingDown | InstanceState::Terminated)) => return End::Gone,
            Ok(None) if is_unknown => return End::Gone,
            // that it runs may be an old reading: only a start that was answered tells
            Ok(_) | Err(_) => {}
        }
        sleep(wait).await;
        wait = (wait * 2).min(longest);
    }
}

/// Whether an instance that is being started does start. Without a reading it is taken to.
async fn settles(aws: &Aws, id: &InstanceId) -> bool {
    let begun = Instant::now();
    let mut last = None;
    while begun.elapsed() < SETTLES_WITHIN {
        match aws.ec2.state_of(id).await {
            Ok(Some(InstanceState::Running)) => return true,
            Ok(Some(InstanceState::Stopped)) if last == Some(InstanceState::Pending) => return false,
            Ok(state) => last = state,
            Err(_) => {}
        }
        sleep(BETWEEN_LOOKS).await;
    }
    match last {
        Some(
            InstanceState::Stopped | InstanceState::Stopping | InstanceState::ShuttingDown | InstanceState::Terminated,
        ) => false,
        Some(InstanceState::Pending | InstanceState::Running | InstanceState::Unknown) | None => true,
    }
}
