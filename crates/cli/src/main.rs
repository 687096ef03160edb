//! The `snapkeeper` command: the jobs from a terminal, the simulated AWS, and the demo.
//!
//! Standard output is the result, standard error everything else. Exit status: 0 done; 1 something failed, and the
//! report says what; 2 the call itself was wrong.

mod connection;
mod demo;
mod run;
mod simulate;
mod snapshot;
mod sync;
mod text;

use std::{io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Backups for EC2 that configure themselves from tags
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show a simulated account over forty days; needs nothing
    Demo,
    /// Run one job once
    Run(run::Arguments),
    /// Take snapshots of certain instances now
    Snapshot(snapshot::Arguments),
    /// Keep images and automated database snapshots present in other regions, as a file says
    Sync(sync::Arguments),
    /// Serve the simulated AWS over HTTP, for the AWS CLI, boto3 or `snapkeeper run --endpoint-url`
    Simulate(simulate::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let said = std::env::var("RUST_LOG").ok().filter(|said| !said.is_empty());
    let said = said.and_then(|said| said.parse::<Targets>().ok());
    let warnings = Targets::new().with_default(LevelFilter::WARN);
    let level = match &arguments.command {
        // what the SDK thinks of the user's AWS configuration is of no concern to a simulated account
        Command::Demo => Targets::new(),
        Command::Snapshot(of) if of.is_verbose() => {
            let level = said.unwrap_or_else(|| warnings.with_target("snapkeeper", LevelFilter::INFO));
            // whatever `RUST_LOG` says: the steps were asked for
            level.with_target(snapshot::STEPS, LevelFilter::INFO)
        }
        Command::Run(_) | Command::Snapshot(_) | Command::Sync(_) | Command::Simulate(_) => said.unwrap_or(warnings),
    };
    let told = tracing_subscriber::fmt::layer()
        .with_writer(anstream::stderr)
        // where standard error is closed it would panic, and what was stopped would stay stopped
        .log_internal_errors(false)
        .without_time();
    tracing_subscriber::registry().with(told).with(level).init();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all();
    if matches!(arguments.command, Command::Demo) {
        // its days pass as fast as they can be computed
        runtime.start_paused(true);
    }
    let result = match runtime.build() {
        Err(error) => Err(error.into()),
        Ok(runtime) => runtime.block_on(async {
            match arguments.command {
                Command::Demo => demo::demo().await,
                Command::Run(arguments) => run::run(arguments).await,
                Command::Snapshot(arguments) => snapshot::snapshot(arguments).await,
                Command::Sync(arguments) => sync::sync(arguments).await,
                Command::Simulate(arguments) => simulate::simulate(arguments).await,
            }
        }),
    };
    result.unwrap_or_else(|error| {
        // that nobody can be told is no other failure: `eprintln!` would panic
        let _ = writeln!(anstream::stderr(), "error: {error:#}");
        ExitCode::from(if error.is::<text::Unwritten>() { 1 } else { 2 })
    })
}
