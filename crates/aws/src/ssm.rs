//! Systems Manager: the parameter that holds a configuration.

use aws_config::SdkConfig;
use aws_sdk_ssm::{Client, config, types::Parameter};
use snapkeeper_core::ids::Region;

use crate::{
    call::{Caller, Twice},
    error::{Error, Kind},
};

/// The text of a parameter, given by its name or ARN.
pub(crate) async fn parameter(aws: &SdkConfig, region: &Region, caller: &Caller, name: &str) -> Result<String, Error> {
    const ACTION: &str = "GetParameter";
    let region = config::Region::new(region.to_string());
    let client = Client::from_conf(config::Builder::from(aws).region(region).build());
    let call = client.get_parameter().name(name).with_decryption(true);
    let answer = caller.call(ACTION, Twice::Harmless, || call.clone().send()).await?;
    let text = answer.parameter().and_then(Parameter::value);
    text.map(str::to_owned).ok_or_else(|| {
        let message = "the answer holds no value".to_owned();
        Error { action: ACTION, kind: Kind::Open, message }
    })
}
