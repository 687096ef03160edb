//! STS: who is calling, and as whom else.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_sts::{Client, config};

use crate::{
    call::{Caller, Twice},
    error::{Error, Kind},
    whole::Whole,
};

/// How sessions of ours are called in `CloudTrail`.
const SESSION: &str = "snapkeeper";

/// The account of whoever calls.
pub(crate) async fn account(aws: &SdkConfig, caller: &Caller) -> Result<String, Error> {
    const ACTION: &str = "GetCallerIdentity";
    let call = client(aws).get_caller_identity();
    let answer = caller.call(ACTION, Twice::Harmless, || call.clone().send()).await?;
    answer.account.ok_or_else(|| {
        let message = "the answer names no account".to_owned();
        Error { action: ACTION, kind: Kind::Open, message }
    })
}

/// The credentials of a role. They last an hour, longer than any run: a run assumes it once.
pub(crate) async fn assume(
    aws: &SdkConfig,
    caller: &Caller,
    role: &str,
    external_id: Option<&str>,
) -> Result<Credentials, Error> {
    const ACTION: &str = "AssumeRole";
    let call = client(aws)
        .assume_role()
        .role_arn(role)
        .role_session_name(SESSION)
        .set_external_id(external_id.map(str::to_owned));
    let answer = caller.call(ACTION, Twice::Harmless, || call.clone().send()).await?;
    let Some(credentials) = answer.credentials() else {
        let message = "the answer holds no credentials".to_owned();
        return Err(Error { action: ACTION, kind: Kind::Open, message });
    };
    let token = credentials.session_token().to_owned();
    Ok(Credentials::new(credentials.access_key_id(), credentials.secret_access_key(), Some(token), None, ACTION))
}

/// STS in the region of the configuration: its answers hold wherever AWS is called.
fn client(aws: &SdkConfig) -> Client {
    Client::from_conf(config::Builder::from(aws).interceptor(Whole).build())
}
