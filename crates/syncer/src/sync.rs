//! For programs of one's own: keeps in sync what a configuration says, and tells what became of each job.

use snapkeeper_aws::{Aws, Options};
use snapkeeper_core::{
    run::{Job, Run},
    settings::Settings,
};
use snapkeeper_lambda::{Began, Context, clock};

pub use snapkeeper_core::sync::{
    SyncResult, SyncState, Synced,
    config::{BadConfig, Config},
};

use crate::run_config;

/// Runs each job of the configuration once, with the credentials that the environment has, as the AWS CLI finds them. The
/// jobs are independent: one that fails stops no other. No copy is waited for: the next run sees whether it arrived.
///
/// ```no_run
/// use snapkeeper_syncer::sync::{self, Config};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::read(
///     "my stack",
///     "sync_web:
///   sync_type: ec2_ami
///   source_region: us-east-1
///   destination_region: us-west-2
///   sync_identifier: web
/// sync_orders:
///   sync_type: rds_automated_snapshot
///   source_region: us-east-1
///   destination_region: us-west-2
///   db_instance: orders
/// ",
/// )?;
/// for result in sync::run(&config).await {
///     for error in &result.errors {
///         eprintln!("{}: {error}", result.name);
///     }
///     for it in &result.synced {
///         println!("{}: {} is {:?} in {}", result.name, it.resource, it.state, it.region);
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub async fn run(config: &Config) -> Vec<SyncResult> {
    let Some(first) = config.jobs.first() else { return Vec::new() };
    let aws = match Aws::connect(Options { region: Some(first.source.clone()), ..Options::default() }).await {
        Ok(aws) => aws,
        Err(error) => return failed(config, &error.to_string()),
    };
    let now = clock::now();
    let run = Run::new(Job::Syncer, first.source.clone(), now, Settings::default());
    let context = Context { began: Began::at(now), ..Context::new(run) };
    Box::pin(run_config(&aws, &context, config)).await.results
}

/// None of the jobs can be begun.
fn failed(config: &Config, cause: &str) -> Vec<SyncResult> {
    let result = |name: &String| SyncResult { name: name.clone(), synced: Vec::new(), errors: vec![cause.to_owned()] };
    config.jobs.iter().map(|job| result(&job.name)).collect()
}
