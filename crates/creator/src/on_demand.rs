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
    on_demand::{self, Inventory, Request, Take},
    tags,
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
    let inventory = Inventory {
        instances: aws.ec2.instances_selected(&request.selection).await?,
        volumes: aws.ec2.volumes_with_choice().await?,
        snapshots: aws.ec2.automated_snapshots().await?,
    };
    let plan = on_demand::plan(&inventory, request, &context.run);
    if request.dry_run {
        return Ok(planned(plan, context));
    }
    let verbose = Verbose(request.verbose);
    let report = apply(plan, context, async |take: &Take, outcome: &mut Outcome| {
        if take.stop {
            // boxed, as in `perform`
            Box::pin(take_stopped(aws, context, take, outcome, verbose)).await;
        } else {
            verbose.tell(&take.instance, "taking its snapshots");
            take_all(aws, take, outcome).await;
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
    let mark = tags::stamp(context.now());
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
    // all that may have taken a while
    if let Some(why) = context.why_not_stop_instances() {
        outcome.unfinished(id, format!("{why}: it was not stopped"));
        unmark(aws, id, &mark, outcome).await;
        return;
    }
    let mut may_stop_yet = false;
    let taken = context
        .deadline
        .for_stopped(async {
            verbose.tell(id, "stopping it");
            stop(aws, id, &mut may_stop_yet).await?;
            if context.cancel.is_cancelled() {
                return Err("interrupted when it was stopped".to_owned());
            }
            verbose.tell(id, "stopped: taking its snapshots");
            Box::pin(take_all(aws, of, outcome)).await;
            Ok(())
        })
        .await;
    match taken {
        Some(Ok(())) => {}
        Some(Err(cause)) => outcome.failed(id, format!("{cause}; no snapshot was taken")),
        None => outcome.failed(
            id,
            "the deadline came near while it was stopped, and it was started again: \
             not all of its snapshots may have been taken",
        ),
    }
    verbose.tell(id, "starting it again");
    let left = if may_stop_yet {
        Left::Marked("StopInstances had no certain answer, and may stop it yet")
    } else {
        Left::Unmarked
    };
    if start_and_unmark(aws, context, id, &mark, left, outcome).await {
        verbose.tell(id, "started");
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

/// Stops the instance, and waits until it is stopped. `may_stop_yet` tells whether it may be stopped later, although this
/// failed.
async fn stop(aws: &Aws, id: &InstanceId, may_stop_yet: &mut bool) -> Result<(), String> {
    // until there is an answer
    *may_stop_yet = true;
    let mut unanswered = match aws.ec2.stop_instance(id).await {
        Ok(()) => None,
        Err(error) if error.kind == Kind::Open => Some(error),
        Err(error) => {
            *may_stop_yet = false;
            return Err(format!("it could not be stopped: {error}"));
        }
    };
    let begun = Instant::now();
    let mut in_vain = 0;
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
                (unanswered, in_vain) = (None, 0);
            }
            Ok(Some(InstanceState::ShuttingDown | InstanceState::Terminated)) => {
                *may_stop_yet = false;
                return Err("it was terminated meanwhile".to_owned());
            }
            // readings may lag behind
            Ok(Some(InstanceState::Running | InstanceState::Pending | InstanceState::Unknown) | None) => in_vain = 0,
            Err(error) => {
                in_vain += 1;
                if in_vain == LOOKS_IN_VAIN {
                    return Err(format!("whether it is stopped cannot be seen: {error}"));
                }
            }
        }
    }
    Err(match unanswered {
        Some(error) => format!("it was not stopped: {error}"),
        None => format!("it did not stop within {} minutes", STOPS_WITHIN.as_secs() / 60),
    })
}
