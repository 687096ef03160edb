//! SNS: the topics that are told.

use aws_config::SdkConfig;
use aws_sdk_sns::{Client, config};
use snapkeeper_core::{notice::Notice, settings::TopicArn};

use crate::{
    call::{Caller, Twice},
    error::Error,
    whole::Whole,
};

pub(crate) async fn publish(aws: &SdkConfig, caller: &Caller, topic: &TopicArn, notice: &Notice) -> Result<(), Error> {
    let region = config::Region::new(topic.region.to_string());
    let client = Client::from_conf(config::Builder::from(aws).region(region).interceptor(Whole).build());
    let call = client.publish().topic_arn(&topic.arn).subject(&notice.subject).message(&notice.body);
    // two mails are better than none
    caller.call("Publish", Twice::Harmless, || call.clone().send()).await?;
    Ok(())
}
