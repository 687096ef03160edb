//! What may be wrong with own copies, as the two jobs and the watcher tell it alike.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ids::Region,
    plan::{Finding, FindingKind},
    rds::inventory::{DbSnapshot, DbSnapshotId, DbSnapshotState},
};

/// An own copy that failed.
pub(super) fn failed(copy: &DbSnapshot, region: &Region) -> Finding {
    Finding {
        kind: FindingKind::CopyFailed,
        resource: copy.id.to_string(),
        what: format!("copy of {} in {region} ended in `failed`", copy.database),
        since: copy.made,
        todo: "look at the events of RDS, and at the KMS keys of source and copy and who may use them".to_owned(),
    }
}

/// Those of the own copies that failed.
pub(super) fn all_failed<'a>(
    own: impl Iterator<Item = &'a DbSnapshot>,
    region: &Region,
) -> impl Iterator<Item = Finding> {
    own.filter(|copy| copy.state == DbSnapshotState::Failed).map(move |copy| failed(copy, region))
}

/// Own copies that are shared with somebody else than the failsafe account.
pub(super) fn shared_with_strangers(
    shared_with: &BTreeMap<DbSnapshotId, BTreeSet<String>>,
    failsafe: Option<&str>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (snapshot, accounts) in shared_with {
        let strangers: Vec<&str> =
            accounts.iter().map(String::as_str).filter(|account| Some(*account) != failsafe).collect();
        if !strangers.is_empty() {
            findings.push(Finding {
                kind: FindingKind::SharedWithStranger,
                resource: snapshot.to_string(),
                what: format!("shared with {}, which is not the failsafe account", strangers.join(", ")),
                since: None,
                todo: "find out who shared it, and take it back".to_owned(),
            });
        }
    }
    findings
}
