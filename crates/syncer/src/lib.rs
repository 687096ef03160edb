//! Keeps present in other regions what a stack starts from: its image, and its database's newest automated snapshot.

mod configuration;
mod image;
mod job;
mod snapshot;
pub mod sync;

use snapkeeper_aws::Aws;
use snapkeeper_core::{
    plan::Finding,
    sync::{
        config::{BadConfig, ClientConfig, Config, SyncJob, What},
        tagged,
    },
    tags,
};
use snapkeeper_lambda::{Context, Report, Told};

pub use crate::configuration::configuration;

/// Runs the syncer once: the jobs of its configuration, and those that tags alone ask for.
///
/// # Errors
/// If the configuration could not be had: nothing was done.
pub async fn run(aws: &Aws, context: &Context) -> anyhow::Result<Report> {
    let config = match configuration(aws, &context.run.settings).await {
        Ok(config) => config,
        Err(error) => return refused(error, context),
    };
    let mut report = Report::of(&context.run);
    let tagged = by_tags(aws, context, &mut report).await;
    for job in config.jobs.iter().chain(&without_what_is_configured(tagged, &config)) {
        job::run(aws, context, job, &mut report).await;
    }
    Ok(report)
}

/// The jobs by tags without what the configuration has a job for, with numbers and keys of its own.
fn without_what_is_configured(mut tagged: Vec<SyncJob>, config: &Config) -> Vec<SyncJob> {
    for tag in &mut tagged {
        // one that is made as somebody else may be of another account
        for job in config.jobs.iter().filter(|job| job.source == tag.source && job.client == ClientConfig::default()) {
            if let (What::Database(one), What::Database(other)) = (&tag.what, &job.what)
                && one.database == other.database
            {
                tag.destinations.retain(|region| !job.destinations.contains(region));
            }
        }
    }
    tagged.retain(|tag| !tag.destinations.is_empty());
    tagged
}

/// Runs the jobs of this configuration once, and no others.
pub async fn run_config(aws: &Aws, context: &Context, config: &Config) -> Report {
    let mut report = Report::of(&context.run);
    for job in &config.jobs {
        job::run(aws, context, job, &mut report).await;
    }
    report
}

/// What is wrong with the configuration, one by one.
fn refused(error: anyhow::Error, context: &Context) -> anyhow::Result<Report> {
    let BadConfig(errors) = error.downcast()?;
    let mut report = Report::of(&context.run);
    report.failed = errors.into_iter().map(|error| Told::new(&context.run.region, error)).collect();
    Ok(report)
}

/// The jobs that tags of the home region ask for. What of it cannot be read fails in the report, and stops no other.
async fn by_tags(aws: &Aws, context: &Context, report: &mut Report) -> Vec<SyncJob> {
    let (images, databases) =
        (aws.ec2.images_with_identifier().await, aws.rds().databases_with_tag(tags::BACKUP_SYNC).await);
    let errors = [images.as_ref().err(), databases.as_ref().err()];
    report.failed.extend(errors.into_iter().flatten().map(|error| Told::new(&context.run.region, error)));
    let (jobs, findings) = tagged::jobs(&images.unwrap_or_default(), &databases.unwrap_or_default(), &context.run);
    report.findings.extend(findings.into_iter().map(Finding::plain));
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_goes_before_what_tags_ask_for() {
        let text = "sync_orders: {sync_type: rds_automated_snapshot, source_region: us-east-1, db_instance: orders, \
                    destination_region: us-west-2, max_snapshots_to_retain: 7}";
        let config = Config::read("a setting", text).expect("it can be read");
        let by_tags = |destinations: &str| {
            let text = text.replace("sync_orders", "sync_by_tags").replace('7', "2");
            Config::read("tags", &text.replace("us-west-2", destinations)).expect("it can be read").jobs
        };
        assert_eq!(without_what_is_configured(by_tags("us-west-2"), &config), []);
        let both = without_what_is_configured(by_tags("'us-west-2 eu-west-1'"), &config);
        assert_eq!(both, by_tags("eu-west-1"));
        // as somebody else, it may be another account's
        let role = "aws_client_config: {role_arn: 'arn:aws:iam::210987654321:role/sync'}";
        let of_others = Config::read("a setting", &format!("{text}\n{role}")).expect("it can be read");
        assert_eq!(without_what_is_configured(by_tags("us-west-2"), &of_others), by_tags("us-west-2"));
    }
}
