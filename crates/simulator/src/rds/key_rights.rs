//! What RDS asks of KMS on a caller's behalf.

use crate::iam::Policy;
use crate::iam::ask::Ask;
use crate::model::keys::{self, RDS_KEY};
use crate::model::{Here, Place};

/// What is asked of the key of the source.
const TO_READ: [&str; 4] = ["DescribeKey", "CreateGrant", "Decrypt", "ReEncryptFrom"];
/// What is asked of the key of the copy.
const TO_WRITE: [&str; 5] = ["DescribeKey", "CreateGrant", "Encrypt", "GenerateDataKey", "ReEncryptTo"];

/// Whether the caller's policy lets RDS copy from a snapshot with one key to a snapshot with another, each by ARN; either
/// may have none. Whether the keys are there, and let the caller's account use them, is another question.
///
/// AWS lists these actions together, for whoever is to use a key that a snapshot is shared under, and says that RDS acts
/// on behalf of the user, with `kms:ViaService` ("Sharing encrypted snapshots", "AWS KMS key management"). Which it asks of
/// which key, and whether all of them, is our reading, and unconfirmed. A copy that keeps its source's key asks the same.
pub(super) fn may_copy(here: &Here<'_>, from: Option<&str>, to: Option<&str>) -> bool {
    let Some(policy) = here.policy else { return true };
    let may = |key: &str, actions: &[&str]| may_use(policy, here.place, key, actions);
    from.is_none_or(|key| may(key, &TO_READ)) && to.is_none_or(|key| may(key, &TO_WRITE))
}

fn may_use(policy: &Policy, caller: &Place, key: &str, actions: &[&str]) -> bool {
    let Some(place) = Place::of_arn(key) else { return false };
    // the policy of RDS's own key lets everyone in its account use it by way of RDS, and nobody else
    if key == keys::arn(&place, RDS_KEY) {
        return place.account == caller.account;
    }
    // unconfirmed: that RDS speaks to a key in the key's own region
    let here = Place::new(&caller.account, &place.region);
    actions.iter().all(|action| {
        let ask = Ask::new(format!("kms:{action}"), key)
            .called_in(&here)
            .with("aws:ResourceAccount", &place.account)
            .with("kms:CallerAccount", &caller.account)
            .with("kms:ViaService", &format!("rds.{}.amazonaws.com", place.region));
        let ask = if *action == "CreateGrant" { ask.with("kms:GrantIsForAWSResource", "true") } else { ask };
        policy.check(&ask).is_ok()
    })
}
