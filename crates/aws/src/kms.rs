//! KMS: what is known of a key before it is used.

use aws_config::SdkConfig;
use aws_sdk_kms::{
    Client, config,
    types::{KeyManagerType, KeyMetadata, KeyState as State},
};
use snapkeeper_core::{ids::Region, rds::inventory::KeyState};

use crate::{
    call::{Caller, Twice},
    error::Kind,
};

/// The state of a key, given by its alias, id or ARN.
pub(crate) async fn key_state(aws: &SdkConfig, region: &Region, caller: &Caller, key: &str) -> KeyState {
    let region = config::Region::new(region.to_string());
    let client = Client::from_conf(config::Builder::from(aws).region(region).build());
    let call = client.describe_key().key_id(key);
    match caller.call("DescribeKey", Twice::Harmless, || call.clone().send()).await {
        Ok(answer) => told(answer.key_metadata()),
        Err(error) if error.kind == Kind::NotFound => KeyState::Missing,
        Err(error) => KeyState::Unknown(error.to_string()),
    }
}

fn told(key: Option<&KeyMetadata>) -> KeyState {
    let unknown = || KeyState::Unknown("DescribeKey: the answer does not tell the key's state".to_owned());
    let Some(key) = key else { return unknown() };
    match (key.key_state(), key.arn()) {
        _ if key.key_manager() == Some(&KeyManagerType::Aws) => KeyState::AwsManaged,
        (Some(State::Enabled), Some(arn)) => KeyState::Usable(arn.to_owned()),
        (Some(State::Enabled), None) | (None, _) => unknown(),
        (Some(state), _) => KeyState::NotEnabled(state.as_str().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    #[test]
    fn a_key_is_usable_only_if_kms_says_so() {
        let unknown = KeyState::Unknown("DescribeKey: the answer does not tell the key's state".to_owned());
        for (manager, state, arn, expected) in [
            (KeyManagerType::Customer, Some(State::Enabled), Some(ARN), KeyState::Usable(ARN.to_owned())),
            (KeyManagerType::Aws, Some(State::Enabled), Some(ARN), KeyState::AwsManaged),
            (KeyManagerType::Customer, Some(State::Disabled), Some(ARN), KeyState::NotEnabled("Disabled".to_owned())),
            (
                KeyManagerType::Customer,
                Some(State::PendingDeletion),
                None,
                KeyState::NotEnabled("PendingDeletion".to_owned()),
            ),
            (KeyManagerType::Customer, None, Some(ARN), unknown.clone()),
            (KeyManagerType::Customer, Some(State::Enabled), None, unknown.clone()),
        ] {
            // KMS requires an id, and the SDK with it
            let key = KeyMetadata::builder().key_id("1234abcd").key_manager(manager);
            let key = key.set_key_state(state).set_arn(arn.map(str::to_owned)).build().unwrap();
            assert_eq!(told(Some(&key)), expected);
        }
        assert_eq!(told(None), unknown);
    }
}
