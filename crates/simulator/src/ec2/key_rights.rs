//! What EC2 asks of KMS on a caller's behalf.

use crate::iam::Policy;
use crate::iam::ask::Ask;
use crate::model::keys::{self, DEFAULT_KEY};
use crate::model::{Here, Place};

/// What is asked of the key of the source.
const TO_READ: [&str; 4] = ["DescribeKey", "CreateGrant", "Decrypt", "ReEncryptFrom"];
/// What is asked of the key of the copy.
const TO_WRITE: [&str; 4] = ["DescribeKey", "CreateGrant", "GenerateDataKeyWithoutPlaintext", "ReEncryptTo"];

/// Whether the caller's policy lets EC2 copy from a snapshot with one key to a snapshot with another; either may have
/// none.
///
/// AWS lists these actions together ("Copy an Amazon EBS snapshot", "Requirements for Amazon EBS encryption"). Which it
/// asks of which key, and whether all of them, is our reading, and unconfirmed.
pub(super) fn may_copy(here: &Here<'_>, from: Option<&str>, to: Option<&str>) -> bool {
    let Some(policy) = here.policy else { return true };
    let may = |key: &str, actions: [&str; 4]| may_use(policy, &here.place.account, key, &actions);
    from.is_none_or(|key| may(key, TO_READ)) && to.is_none_or(|key| may(key, TO_WRITE))
}

/// Whether the caller's policy lets EC2 start an instance with a volume that has this key.
///
/// Source: "Requirements for Amazon EBS encryption": `kms:CreateGrant`. The other actions that stand there are those of
/// whoever makes a volume.
pub(super) fn may_start(here: &Here<'_>, key: &str) -> bool {
    here.policy.is_none_or(|policy| may_use(policy, &here.place.account, key, &["CreateGrant"]))
}

fn may_use(policy: &Policy, caller: &str, key: &str, actions: &[&str]) -> bool {
    let Some(Place { account, region }) = Place::of_arn(key) else { return false };
    // the policy of EBS's own key lets everyone in its account use it by way of EC2. What is not modelled is a policy
    // that denies just that
    if key == keys::arn(&Place::new(&account, &region), DEFAULT_KEY) {
        return true;
    }
    // unconfirmed: that EC2 speaks to a key in the key's own region
    let here = Place::new(caller, &region);
    actions.iter().all(|action| {
        let ask = Ask::new(format!("kms:{action}"), key)
            .called_in(&here)
            .with("aws:ResourceAccount", &account)
            .with("kms:CallerAccount", caller)
            .with("kms:ViaService", &format!("ec2.{region}.amazonaws.com"));
        let ask = if *action == "CreateGrant" { ask.with("kms:GrantIsForAWSResource", "true") } else { ask };
        policy.check(&ask).is_ok()
    })
}
