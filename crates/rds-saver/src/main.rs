//! The rds-saver as a Lambda function.

use snapkeeper_aws::Aws;
use snapkeeper_core::run::Job;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), snapkeeper_lambda::RuntimeError> {
    snapkeeper_lambda::serve(Job::RdsSaver, Aws::from_environment, snapkeeper_rds_saver::run, Aws::publish).await
}
