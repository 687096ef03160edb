//! Snapshots of certain instances, asked for by an operator, now.
//!
//! Where an instance is to be stopped for them, it runs again at the end, whatever happened in between. It is marked
//! first, so that if this process is killed the next run starts it ([`crate::recover`]). From the mark on, every way leads
//! to the start.

use std::time::Duration;

use snapkeeper_aws::{Aws, Error, Kind};
use snapkeeper_core::{
    ids::InstanceId,
    inventory::InstanceState,
    on_demand::{self, Inventory, Request, Take, When, restart},
};
use snapkeeper_lambda::{Context, Outcome, Report, apply, planned};
use tokio::time::{Instant, sleep};

use crate::{
    restart::{Left, start_and_unmark, unmark},
    take,
};

/// How long an instance may take to stop. EC2's own waiter gives it ten minutes as well.
const STOPS_WITHIN: Duration = Duration::from_mins(10);
/// How long a call to stop that was not answered may take to have its effect.
const STOPS_LATE_WITHIN: Duration = Duration::from_mins(1);
/// How long passes between two looks at an instance's state.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_secs(3);
/// How many looks in a row may fail.
const LOOKS_IN_VAIN: u32 = 5;

/// Takes the snapshots that the request asks for, once.
///
/// # Errors
/// If the region could not be read as a whole: nothing was done.
pub async fn on_demand(aws: &Aws, context: &Context, request: &Request) -> anyhow::Result<Report> {
    let instances = aws.ec2.instances_selected(&request.selection).await?;
    let inventory = Inventory {
        lacking: aws.ec2.instances_selected(&request.selection.lacking(&instances)).await?,
        instances,
        volumes: aws.ec2.volumes_with_choice().await?,
        snapshots: aws.ec2.automated_snapshots().await?,
    };
    let plan = on_demand::plan(&inventory, request, &context.run, context.now());
    if request.dry_run {
        return Ok(planned(plan, context));
    }
    let verbose = Verbose(request.verbose);
    let report = apply(plan, context, async |take: &Take, outcome: &mut Outcome| {
        if take.when == When::StoppedForIt {
            // boxed, as in `perform`
            return Box::pin(take_stopped(aws, context, take, outcome, verbose)).await;
        }
        verbose.tell(&take.instance, "taking its snapshots");
        take_all(aws, take, outcome).await;
        if take.when == When::Stopped {
            let state = aws.ec2.state_of(&take.instance).await;
            if let Some(why) = why_not_consistent(state) {
                outcome.failed(&take.instance, why);
            }
        }
    });
    Ok(report.await)
}

/// Whether each step is told.
#[derive(Clone, Copy)]
struct Verbose(bool);

impl Verbose {
    fn tell(self, instance: &InstanceId, what: &str) {
        if self.0 {
            tracing::info!(%instance, "{what}");
        } else {
            tracing::debug!(%instance, "{what}");
        }
    }
}

async fn take_all(aws: &Aws, of: &Take, outcome: &mut Outcome) {
    for backup in &of.backups {
        take(aws, backup, outcome).await;
    }
}

/// Marks the instance, stops it, takes its snapshots as soon as it is stopped, starts it again, and takes the mark off.
async fn take_stopped(aws: &Aws, context: &Context, of: &Take, outcome: &mut Outcome, verbose: Verbose) {
    let id = &of.instance;
    if let Some(why) = context.why_not_stop_instances() {
        outcome.unfinished(id, format!("{why}: it was not touched"));
        return;
    }
    if !runs_still(aws, id, outcome).await {
        return;
    }
    let mark = restart::mark(&context.run, context.now());
    verbose.tell(id, "marking it");
    if let Err(error) = aws.ec2.mark(id, &mark).await {
        outcome.failed(id, format!("it could not be marked, so it was not stopped, and nothing was taken: {error}"));
        if error.kind == Kind::Open {
            // perhaps it was marked all the same; and what cannot be taken off, the next run of the creator does
            let taken_off = aws.ec2.unmark(id, &mark).await;
            taken_off.unwrap_or_else(|error| tracing::warn!(instance = %id, %error, "perhaps a mark is left"));
        }
        return;
    }
    if let Err(error) = may_start(aws, id).await {
        outcome.failed(id, format!("it could not be started again, so it was not stopped; nothing was taken: {error}"));
        unmark(aws, id, &mark, outcome).await;
        return;
    }
    if let Err(why) = is_marked(aws, id, &mark).await {
        outcome.failed(id, format!("{why}: it was not stopped; nothing was taken"));
        unmark(aws, id, &mark, outcome).await;
        return;
    }
    // all that may have taken a while
    if let Some(why) = context.why_not_stop_instances() {
        outcome.unfinished(id, format!("{why}: it was not stopped"));
        unmark(aws, id, &mark, outcome).await;
        return;
    }
    let mut may_stop_yet = false;
    let taken = context
        .deadline
        .for_stopped(Box::pin(async {
            verbose.tell(id, "stopping it");
            stop(aws, id, &mark, &mut may_stop_yet).await?;
            if context.cancel.is_cancelled() {
                return Err(NotStopped::Failed("interrupted when it was stopped".to_owned()));
            }
            verbose.tell(id, "stopped: taking its snapshots");
            Box::pin(take_all(aws, of, outcome)).await;
            Ok(aws.ec2.state_of(id).await)
        }))
        .await;
    // how it was after its snapshots were taken, if they were
    let state = match taken {
        Some(Ok(state)) => Some(state),
        Some(Err(NotStopped::Theirs)) => {
            outcome.failed(id, "somebody else stopped it meanwhile: it is left stopped, and nothing was taken");
            unmark(aws, id, &mark, outcome).await;
            return;
        }
        Some(Err(NotStopped::Failed(cause))) => {
            outcome.failed(id, format!("{cause}; no snapshot was taken"));
            None
        }
        None => {
            outcome.failed(
                id,
                "the deadline came near while it was stopped, and it was started again: \
                 not all of its snapshots may have been taken",
            );
            None
        }
    };
    verbose.tell(id, "starting it again");
    let left = if may_stop_yet {
        Left::Marked("StopInstances had no certain answer, and may stop it yet")
    } else {
        Left::Unmarked
    };
    let started = Box::pin(start_and_unmark(aws, context, id, &mark, left, outcome)).await;
    // what EC2 answers to a change is worth more than a reading, which may lag behind
    if let Some(why) = state.and_then(|state| why_not_consistent(started.was.map_or(state, |was| Ok(Some(was))))) {
        outcome.failed(id, why);
    }
    if started.runs_unmarked {
        verbose.tell(id, "started");
    }
}

/// Whether the instance runs still; if not, that is told. It was judged when the run began, and that may be long ago.
async fn runs_still(aws: &Aws, id: &InstanceId, outcome: &mut Outcome) -> bool {
    match aws.ec2.state_of(id).await {
        Ok(Some(InstanceState::Running)) => return true,
        Ok(Some(InstanceState::ShuttingDown | InstanceState::Terminated)) => outcome.kept(id, "gone meanwhile"),
        Ok(_) => outcome.failed(id, "it is no longer running: somebody stopped it meanwhile; it was not touched"),
        Err(error) => {
            outcome.failed(id, format!("whether it still runs cannot be seen, so it was not touched: {error}"));
        }
    }
    false
}

/// Why the snapshots of an instance that was to be stopped are not consistent on disk, by its state after they were taken,
/// unless they are.
fn why_not_consistent(state: Result<Option<InstanceState>, Error>) -> Option<String> {
    match state {
        Err(error) => Some(format!(
            "whether it was started meanwhile, and its snapshots are not consistent on disk, cannot be seen: {error}"
        )),
        // that it has gone is told when it is to be started
        Ok(Some(InstanceState::Stopped | InstanceState::ShuttingDown | InstanceState::Terminated) | None) => None,
        Ok(Some(
            InstanceState::Pending | InstanceState::Running | InstanceState::Stopping | InstanceState::Unknown,
        )) => Some("it was started meanwhile: its snapshots are not consistent on disk".to_owned()),
    }
}

/// Whether the instance can be started again: better to know before. A policy may ask for the mark, and see it a moment
/// later than it was set.
async fn may_start(aws: &Aws, id: &InstanceId) -> Result<(), Error> {
    let mut looks = 0;
    loop {
        match aws.ec2.may_start(id).await {
            Err(error) if error.kind == Kind::Denied && looks < 2 => {
                looks += 1;
                sleep(BETWEEN_LOOKS).await;
            }
            answered => return answered,
        }
    }
}

/// Whether the mark on the instance is this one; if not, why it must not be stopped. A reading may lag behind.
async fn is_marked(aws: &Aws, id: &InstanceId, mark: &str) -> Result<(), String> {
    let mut looks = 0;
    loop {
        let found = aws.ec2.mark_of(id).await.map_err(|error| format!("its mark cannot be read back: {error}"))?;
        looks += 1;
        match found {
            Some(found) if found == mark => return Ok(()),
            _ if looks < LOOKS_IN_VAIN => sleep(BETWEEN_LOOKS).await,
            Some(_) => return Err("another run is at it".to_owned()),
            None => return Err("its mark is not seen, or another run has taken it off".to_owned()),
        }
    }
}

/// Why an instance was not stopped by this run.
enum NotStopped {
    /// It is to be started all the same, for perhaps it was, or will be.
    Failed(String),
    /// Somebody else had stopped it: it is not to be started.
    Theirs,
}

/// Stops the instance, and waits until it is stopped. `may_stop_yet` tells whether it may be stopped later, although this
/// failed.
async fn stop(aws: &Aws, id: &InstanceId, mark: &str, may_stop_yet: &mut bool) -> Result<(), NotStopped> {
    // until there is an answer
    *may_stop_yet = true;
    let mut unanswered = match aws.ec2.stop_instance(id).await {
        Ok(Some(InstanceState::Stopped | InstanceState::Stopping)) => {
            *may_stop_yet = false;
            return Err(NotStopped::Theirs);
        }
        Ok(_) => None,
        Err(error) if error.kind == Kind::Open => Some(error),
        Err(error) => {
            *may_stop_yet = false;
            return Err(NotStopped::Failed(format!("it could not be stopped: {error}")));
        }
    };
    // another run may have taken the mark off since it was read back: none that stops this instance, for this one did
    if let Err(error) = aws.ec2.mark(id, mark).await {
        tracing::warn!(instance = %id, %error, "not marked once more");
    }
    let begun = Instant::now();
    let mut in_vain = 0;
    let mut was_stopping = false;
    loop {
        *may_stop_yet = unanswered.is_some();
        let within = if unanswered.is_some() { STOPS_LATE_WITHIN } else { STOPS_WITHIN };
        if begun.elapsed() >= within {
            break;
        }
        sleep(BETWEEN_LOOKS).await;
        match aws.ec2.state_of(id).await {
            Ok(Some(InstanceState::Stopped)) => {
                *may_stop_yet = false;
                return Ok(());
            }
            Ok(Some(InstanceState::Stopping)) => {
                // so the call had its effect, and can have no other
                (unanswered, in_vain, was_stopping) = (None, 0, true);
            }
            Ok(Some(InstanceState::Pending)) if was_stopping => {
                *may_stop_yet = false;
                return Err(NotStopped::Failed("it was started meanwhile".to_owned()));
            }
            Ok(Some(InstanceState::ShuttingDown | InstanceState::Terminated)) => {
                *may_stop_yet = false;
                return Err(NotStopped::Failed("it was terminated meanwhile".to_owned()));
            }
            // readings may lag behind
            Ok(Some(InstanceState::Running | InstanceState::Pending | InstanceState::Unknown) | None) => in_vain = 0,
            Err(error) => {
                in_vain += 1;
                if in_vain == LOOKS_IN_VAIN {
                    return Err(NotStopped::Failed(format!("whether it is stopped cannot be seen: {error}")));
                }
            }
        }
    }
    Err(NotStopped::Failed(match unanswered {
        Some(error) => format!("it was not stopped: {error}"),
        None => format!("it did not stop within {} minutes", STOPS_WITHIN.as_secs() / 60),
    }))
}
