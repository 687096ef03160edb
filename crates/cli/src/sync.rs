//! `snapkeeper sync --config FILE`: keeps in sync what a file says, once.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Args;
use snapkeeper_aws::Aws;
use snapkeeper_core::{calls::Calls, run::Job, settings::Settings, sync::config::Config};
use snapkeeper_lambda::{Context, environment, perform};

use crate::{
    connection::Connection,
    run::{Output, begun, instant, tell},
};

/// What can be said after `snapkeeper sync`
#[derive(Args)]
pub(crate) struct Arguments {
    /// What is to be kept in sync: a file of YAML or JSON
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
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

pub(crate) async fn sync(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let file = arguments.config.display().to_string();
    let text = fs::read_to_string(&arguments.config).with_context(|| format!("cannot read {file}"))?;
    let config = Config::read(&file, &text)?;
    let mut settings = Settings::from_variables(environment::variables()).context("settings")?;
    settings.dry_run |= arguments.dry_run;
    let calls = Calls::default();
    // each job says where it is: the command need not
    let region = config.jobs.first().map(|job| &job.source);
    let aws = arguments.connection.open_or_in(region, &settings, &calls).await?;
    let (bar, context) = begun(Job::Syncer, &aws, arguments.at, settings);
    let jobs =
        async |aws: &Aws, context: &Context| anyhow::Ok(snapkeeper_syncer::run_config(aws, context, &config).await);
    let report = perform(&aws, &context, &calls, jobs, Aws::publish).await;
    bar.finish_and_clear();
    tell(&report, arguments.output)
}
