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
/// How many looks in a row must say that an instance runs which was not seen to be starting.
const LOOKS_THAT_AGREE: u32 = 3;
/// How long an instance that is being started is looked at: some fall back to `stopped`.
const SETTLES_WITHIN: Duration = Duration::from_mins(1);

/// Starts the instances that a run which was killed has left stopped, and takes the marks off. Marks that
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
        let Restart { instance, mark } = restart;
        let started = start_and_unmark(aws, context, instance, mark, Left::AsFound, outcome);
        match timeout(RESTARTS_WITHIN, Box::pin(started)).await {
            Ok(Started { runs_unmarked: true, .. }) => outcome.done(),
            // what is not so was told
            Ok(Started { runs_unmarked: false, .. }) => {}
            Err(_) => outcome.failed(instance, not_seen_running("it did not start within some minutes")),
        }
    });
    report.await
}

/// Who has stopped the instance that is started, and whether it keeps its mark when it runs, and why.
#[derive(Clone, Copy)]
pub(crate) enum Left {
    /// Another run: its mark goes, and if it has gone already it is not set again.
    AsFound,
    /// This one. The mark goes.
    Unmarked,
    /// This one. The mark stays.
    Marked(&'static str),
}

/// What has come of starting an instance.
pub(crate) struct Started {
    /// Whether it runs and is unmarked; what is not so was told.
    pub(crate) runs_unmarked: bool,
    /// In which state it was when it was started, if the first try was answered with it.
    pub(crate) was: Option<InstanceState>,
}

/// Starts the instance, however often that takes, and takes the mark off.
pub(crate) async fn start_and_unmark(
    aws: &Aws,
    context: &Context,
    id: &InstanceId,
    mark: &str,
    left: Left,
    outcome: &mut Outcome,
) -> Started {
    let mut trial = Trial { tries: 0, is_started: false, was: None, last: "there was no time to try".to_owned() };
    let marks_again = match left {
        Left::AsFound => None,
        Left::Unmarked | Left::Marked(_) => Some(mark),
    };
    let end =
        context.deadline.for_starting(timeout(STARTS_WITHIN, Box::pin(start(aws, id, marks_again, &mut trial)))).await;
    let runs_unmarked = match (end, left) {
        (Some(Ok(End::Gone)), _) => {
            outcome.kept(id, "terminated by somebody else meanwhile");
            false
        }
        (Some(Err(_)) | None, _) if !trial.is_started => {
            outcome.failed(id, not_seen_running(&trial.last));
            false
        }
        (Some(Ok(End::Unseen) | Err(_)) | None, _) => {
            outcome.failed(id, not_seen_running("EC2 has said that it starts"));
            false
        }
        (Some(Ok(End::Runs)), Left::AsFound | Left::Unmarked) => unmark(aws, id, mark, outcome).await,
        (Some(Ok(End::Runs)), Left::Marked(why)) => {
            outcome.failed(
                id,
                format!(
                    "it runs, but {why}: it keeps the tag Snapkeeper_Stopped, so that the next run of the creator \
                     (half an hour from now, or later) looks after it"
                ),
            );
            false
        }
    };
    Started { runs_unmarked, was: trial.was }
}

/// Takes the mark off. Returns whether it is; if not, that is told.
pub(crate) async fn unmark(aws: &Aws, id: &InstanceId, mark: &str, outcome: &mut Outcome) -> bool {
    match aws.ec2.unmark(id, mark).await {
        Ok(()) => true,
        // it went with the instance
        Err(error) if error.kind == Kind::NotFound => true,
        Err(error) => {
            let todo =
                "take it off, or the next run of the creator starts the instance if it is stopped, and takes it off";
            outcome.failed(id, format!("it keeps the tag Snapkeeper_Stopped: {todo}: {error}"));
            false
        }
    }
}

fn not_seen_running(cause: &str) -> String {
    format!(
        "it was not seen running again, and is perhaps STOPPED still: {cause}. It keeps the tag Snapkeeper_Stopped: \
         the next run of the creator (half an hour from now, or later) tries to start it, and so does \
         `snapkeeper snapshot --recover` now"
    )
}

enum End {
    /// It runs.
    Runs,
    /// EC2 has said that it starts, and it was not seen running, but not stopped again either.
    Unseen,
    /// It was terminated.
    Gone,
}

/// What has become of the tries so far; filled in while they are made, since they may be cut off.
struct Trial {
    tries: u32,
    is_started: bool,
    /// In which state it was, as the answer to the first try says.
    was: Option<InstanceState>,
    last: String,
}

/// Tries to start the instance until it runs. A policy may ask for the mark: if the start is denied, the instance is
/// marked again by `marks_again`, for another run may have overwritten the mark, and taken its own off.
async fn start(aws: &Aws, id: &InstanceId, marks_again: Option<&str>, trial: &mut Trial) -> End {
    let (mut wait, longest) = WAITS;
    loop {
        let started = aws.ec2.start_instance(id).await;
        trial.tries += 1;
        let is_unknown = match started {
            // an answer that says so is worth more than any reading
            Ok(was) => {
                trial.is_started = true;
                if trial.tries == 1 {
                    trial.was = was;
                }
                match settles(aws, id).await {
                    Settled::Runs => return End::Runs,
                    Settled::Unseen => return End::Unseen,
                    Settled::Fell => {}
                }
                trial.is_started = false;
                "it fell back to stopped when it was started".clone_into(&mut trial.last);
                false
            }
            Err(error) => {
                tracing::warn!(instance = %id, %error, "not started yet");
                trial.last = error.to_string();
                if error.kind == Kind::Denied
                    && let Some(mark) = marks_again
                    && let Err(error) = aws.ec2.mark(id, mark).await
                {
                    tracing::warn!(instance = %id, %error, "not marked again");
                }
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

/// What becomes of an instance that EC2 has said it starts.
enum Settled {
    Runs,
    /// It is stopped again, or gone.
    Fell,
    /// Neither was seen.
    Unseen,
}

/// Looks at an instance that is being started until it runs. A look may be of the time before it was stopped: that it
/// runs is believed of what was seen to be starting, or of looks that agree.
async fn settles(aws: &Aws, id: &InstanceId) -> Settled {
    let begun = Instant::now();
    let mut last = None;
    let (mut looks, mut running) = (0, 0);
    // a look may take long itself
    while begun.elapsed() < SETTLES_WITHIN || looks < LOOKS_THAT_AGREE {
        looks += 1;
        match aws.ec2.state_of(id).await {
            Ok(Some(InstanceState::Running)) => {
                running += 1;
                if last == Some(InstanceState::Pending) || running == LOOKS_THAT_AGREE {
                    return Settled::Runs;
                }
            }
            Ok(Some(InstanceState::Stopped)) if last == Some(InstanceState::Pending) => return Settled::Fell,
            Ok(state) => (last, running) = (state, 0),
            Err(_) => {}
        }
        sleep(BETWEEN_LOOKS).await;
    }
    match last {
        Some(
            InstanceState::Stopped | InstanceState::Stopping | InstanceState::ShuttingDown | InstanceState::Terminated,
        ) => Settled::Fell,
        Some(InstanceState::Pending | InstanceState::Running | InstanceState::Unknown) | None => Settled::Unseen,
    }
}
