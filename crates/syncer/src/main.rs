//! The syncer as a Lambda function.

use snapkeeper_aws::Aws;
use snapkeeper_core::run::Job;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), snapkeeper_lambda::RuntimeError> {
    snapkeeper_lambda::serve(Job::Syncer, Aws::from_environment, snapkeeper_syncer::run, Aws::publish).await
}
