//! The copier as a Lambda function.

use snapkeeper_aws::Aws;
use snapkeeper_core::run::Job;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), snapkeeper_lambda::RuntimeError> {
    snapkeeper_lambda::serve(Job::Copier, Aws::from_environment, snapkeeper_copier::run, Aws::publish).await
}
