//! `snapkeeper run JOB`: one job, once.

use std::{ffi::OsString, io::IsTerminal, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use snapkeeper_aws::{Aws, Options};
use snapkeeper_core::{
    calls::Calls,
    ids::Region,
    run::{Job, Run},
    settings::Settings,
};
use snapkeeper_lambda::{Context, Progress, Report, clock, environment, perform};
use url::Url;

use crate::text;

/// What can be said after `snapkeeper run`
#[derive(Args)]
pub(crate) struct Arguments {
    /// The job: creator, copier, manager or watcher
    job: Job,
    /// The region in which it runs; else as the AWS CLI finds it
    #[arg(long)]
    region: Option<Region>,
    /// The instant that the run answers to, such as 2026-11-21T05:00:00Z; else the present minute
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    at: Option<DateTime<Utc>>,
    /// Print the plan with its reasons, change nothing
    #[arg(long)]
    dry_run: bool,
    /// How to print the report
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// An endpoint in AWS's place, for every service
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// A profile of the AWS configuration files
    #[arg(long)]
    profile: Option<String>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Output {
    /// For people
    #[default]
    Text,
    /// The report, one JSON document
    Json,
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.to_utc())
        .map_err(|_| "expected an instant with its offset, such as 2026-11-21T05:00:00Z".to_owned())
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut settings = Settings::from_variables(environment::variables()).context("settings")?;
    settings.dry_run |= arguments.dry_run;
    check_endpoints(arguments.endpoint_url.as_deref())?;
    let calls = Calls::default();
    let aws = Aws::connect(Options {
        region: arguments.region,
        endpoint_url: arguments.endpoint_url,
        profile: arguments.profile,
        api_rate: settings.api_rate,
        calls: calls.clone(),
        ..Options::default()
    })
    .await?;
    let now = clock::now();
    let at = arguments.at.unwrap_or_else(|| now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now));
    let bar = bar(arguments.job, aws.region());
    let told = bar.clone();
    let context = Context {
        progress: Progress::new(move |done, of| {
            told.set_length(of as u64);
            told.set_position(done as u64);
        }),
        ..Context::new(Run::new(arguments.job, aws.region().clone(), at, settings))
    };
    let report = job(&aws, &context, &calls).await;
    bar.finish_and_clear();
    text::print(&match arguments.output {
        Output::Text => text::report(&report),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    })?;
    Ok(if report.succeeded() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Where the SDK looks for an endpoint when none is given.
const ENDPOINT_VARIABLES: [&str; 3] = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_SNS"];

/// Refuses what is no address. The SDK would let every call fail, or go elsewhere after a mere warning.
fn check_endpoints(given: Option<&str>) -> anyhow::Result<()> {
    if let Some(url) = given {
        return check_endpoint("--endpoint-url", url);
    }
    let is_ignored = |value: OsString| value.eq_ignore_ascii_case("true");
    if std::env::var_os("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(is_ignored) {
        return Ok(());
    }
    for name in ENDPOINT_VARIABLES {
        if let Some(url) = std::env::var_os(name) {
            check_endpoint(name, &url.to_string_lossy())?;
        }
    }
    Ok(())
}

fn check_endpoint(name: &str, url: &str) -> anyhow::Result<()> {
    // `Url` forgives spaces around an address and slashes too many, which the SDK does not
    let host = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let begins_well =
        host.is_some_and(|host| host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '['));
    if !begins_well || !url.bytes().all(|byte| byte.is_ascii_graphic()) || Url::parse(url).is_err() {
        bail!("{name} is `{url}`: expected an address such as http://127.0.0.1:5000");
    }
    Ok(())
}

/// Carries out the job that the run names.
pub(crate) async fn job(aws: &Aws, context: &Context, calls: &Calls) -> Report {
    match context.run.job {
        Job::Creator => perform(aws, context, calls, snapkeeper_creator::run, Aws::publish).await,
        Job::Copier => perform(aws, context, calls, snapkeeper_copier::run, Aws::publish).await,
        Job::Manager => perform(aws, context, calls, snapkeeper_manager::run, Aws::publish).await,
        Job::Watcher => perform(aws, context, calls, snapkeeper_watcher::run, Aws::publish).await,
    }
}

/// A bar on a terminal's standard error; nothing in a pipe.
fn bar(job: Job, region: &Region) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::no_length().with_prefix(format!("{job} in {region}"));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {bar:40} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_address() {
        for (url, is_one) in [
            ("http://127.0.0.1:5000", true),
            ("https://ec2.us-east-1.amazonaws.com", true),
            ("http://[::1]:5000/", true),
            ("foo", false),
            ("127.0.0.1:5000", false),
            ("http://", false),
            ("http:///x", false),
            ("http://a b", false),
            ("http://127.0.0.1:port", false),
            ("ftp://127.0.0.1", false),
            ("", false),
        ] {
            assert_eq!(check_endpoint("AWS_ENDPOINT_URL", url).is_ok(), is_one, "{url}");
        }
    }
}
