//! `snapkeeper run JOB`: one job, once.

use std::{io::IsTerminal, process::ExitCode, time::Duration};

use anyhow::Context as _;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use snapkeeper_aws::Aws;
use snapkeeper_core::{
    calls::Calls,
    run::{Job, Run},
    settings::Settings,
    sync::config::BadConfig,
};
use snapkeeper_lambda::{Began, Context, Progress, Report, clock, environment, perform};

use crate::{connection::Connection, text};

/// What can be said after `snapkeeper run`
#[derive(Args)]
pub(crate) struct Arguments {
    /// The job: creator, copier, manager, watcher, rds-sharer, rds-saver or syncer
    job: Job,
    #[command(flatten)]
    connection: Connection,
    /// The instant that the run answers to, such as 2026-11-21T05:00:00Z; else the present minute
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    at: Option<DateTime<Utc>>,
    /// Print the plan with its reasons, change nothing
    #[arg(long)]
    dry_run: bool,
    /// How to print the report
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Text,
    /// The report, one JSON document
    Json,
}

pub(crate) fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.to_utc())
        .map_err(|_| "expected an instant with its offset, such as 2026-11-21T05:00:00Z".to_owned())
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut settings = Settings::from_variables(environment::variables()).context("settings")?;
    settings.dry_run |= arguments.dry_run;
    let calls = Calls::default();
    let aws = arguments.connection.open(&settings, &calls).await?;
    if arguments.job == Job::Syncer
        && let Err(error) = snapkeeper_syncer::configuration(&aws, &settings).await
        && error.is::<BadConfig>()
    {
        // as with settings, the call is wrong, and nothing else is done; what cannot be read fails the run
        return Err(error);
    }
    let (bar, context) = begun(arguments.job, &aws, arguments.at, settings);
    let report = job(&aws, &context, &calls).await;
    bar.finish_and_clear();
    tell(&report, arguments.output)
}

/// A run of a job that begins now, and the bar that shows how far it is.
pub(crate) fn begun(job: Job, aws: &Aws, at: Option<DateTime<Utc>>, settings: Settings) -> (ProgressBar, Context) {
    let now = clock::now();
    let at = at.unwrap_or_else(|| now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now));
    let bar = bar(format!("{job} in {}", aws.region()));
    let run = Run::new(job, aws.region().clone(), at, settings);
    let context = Context { progress: shown_by(&bar), began: Began::at(now), ..Context::new(run) };
    (bar, context)
}

/// Prints the report, and says by the exit status whether all went well.
pub(crate) fn tell(report: &Report, output: Output) -> anyhow::Result<ExitCode> {
    text::print(&match output {
        Output::Text => text::report(report),
        Output::Json => serde_json::to_string_pretty(report)? + "\n",
    })?;
    Ok(if report.succeeded() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Carries out the job that the run names.
pub(crate) async fn job(aws: &Aws, context: &Context, calls: &Calls) -> Report {
    match context.run.job {
        Job::Creator => perform(aws, context, calls, snapkeeper_creator::run, Aws::publish).await,
        Job::Copier => perform(aws, context, calls, snapkeeper_copier::run, Aws::publish).await,
        Job::Manager => perform(aws, context, calls, snapkeeper_manager::run, Aws::publish).await,
        Job::Watcher => perform(aws, context, calls, snapkeeper_watcher::run, Aws::publish).await,
        Job::RdsSharer => perform(aws, context, calls, snapkeeper_rds_sharer::run, Aws::publish).await,
        Job::RdsSaver => perform(aws, context, calls, snapkeeper_rds_saver::run, Aws::publish).await,
        Job::Syncer => perform(aws, context, calls, snapkeeper_syncer::run, Aws::publish).await,
    }
}

/// A bar on a terminal's standard error; nothing in a pipe.
pub(crate) fn bar(prefix: String) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::no_length().with_prefix(prefix);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {bar:40} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// Progress that a bar shows.
pub(crate) fn shown_by(bar: &ProgressBar) -> Progress {
    let bar = bar.clone();
    Progress::new(move |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })
}
