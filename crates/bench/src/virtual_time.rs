//! Ours in virtual time: the jobs inside this process, through the real SDK, against the simulator with AWS's buckets and a
//! latency. What takes hours passes at once. Memory and computing cannot be told in this way.

use std::time::Duration;

use chrono::{DateTime, Utc};
use snapkeeper_aws::{Aws, Options};
use snapkeeper_core::{
    calls::Calls,
    run::{Job as RunJob, Run},
    settings::{ApiRate, Settings},
};
use snapkeeper_lambda::{Context, Continuation, Deadline, Report, perform};
use snapkeeper_simulator::Simulator;
use tokio::time::{Instant, sleep};

use crate::{
    billing::LONGEST,
    case::{Case, Job},
    contenders::{Contender, Spent},
    fleet::HOME,
};

/// How often the state machine invokes a job at most.
const MOST_INVOCATIONS: usize = 550;

/// Calls `within` in virtual time, with a simulator's clock in it.
pub(crate) fn block_on<T>(within: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    Ok(runtime.block_on(within))
}

/// Runs a job once as the command does, or again and again as the state machine does.
pub(crate) async fn run(
    contender: Contender,
    simulator: &Simulator,
    case: &Case,
    at: DateTime<Utc>,
) -> anyhow::Result<Spent> {
    let calls = Calls::default();
    let aws = Box::pin(Aws::connect(Options {
        region: Some(HOME.parse()?),
        keys: Some(("AKIDBENCH".to_owned(), "secret".to_owned())),
        http_client: Some(simulator.http_client()),
        api_rate: ApiRate::Share(1.0),
        calls: calls.clone(),
        ..Options::default()
    }))
    .await?;
    let job = match case.job {
        Job::Creator => RunJob::Creator,
        Job::Copier => RunJob::Copier,
        Job::Manager => RunJob::Manager,
    };
    let is_machine = contender == Contender::Function;
    let mut continuation = is_machine.then(Continuation::default);
    let (begun, mut waited, mut longest) = (Instant::now(), Duration::ZERO, Duration::ZERO);
    let mut spent = Spent { succeeded: true, ..Spent::default() };
    loop {
        let context = Context {
            deadline: if is_machine { Deadline::within(LONGEST) } else { Deadline::none() },
            continuation: continuation.clone(),
            ..Context::new(Run::new(job, HOME.parse()?, at, Settings::default()))
        };
        let invoked = Instant::now();
        let report = once(&aws, &context, &calls).await;
        longest = longest.max(invoked.elapsed());
        spent.invocations += 1;
        spent.succeeded &= report.counts.failed == 0;
        match report.continuation.clone() {
            Some(next) if spent.invocations < MOST_INVOCATIONS => {
                // the wire tells whole seconds, rounded up
                let wait = Duration::from_secs(next.wait.as_secs() + u64::from(next.wait.subsec_nanos() > 0));
                waited += wait;
                sleep(wait).await;
                continuation = Some(next);
            }
            Some(_) => {
                spent.succeeded = false;
                break;
            }
            None => {
                spent.succeeded &= report.succeeded();
                break;
            }
        }
    }
    spent.wall = begun.elapsed().as_secs_f64();
    spent.waited = waited.as_secs_f64();
    spent.longest = longest.as_secs_f64();
    Ok(spent)
}

async fn once(aws: &Aws, context: &Context, calls: &Calls) -> Report {
    match context.run.job {
        RunJob::Copier => Box::pin(perform(aws, context, calls, snapkeeper_copier::run, Aws::publish)).await,
        RunJob::Manager => Box::pin(perform(aws, context, calls, snapkeeper_manager::run, Aws::publish)).await,
        RunJob::Creator | RunJob::Watcher | RunJob::RdsSharer | RunJob::RdsSaver | RunJob::Syncer => {
            Box::pin(perform(aws, context, calls, snapkeeper_creator::run, Aws::publish)).await
        }
    }
}
