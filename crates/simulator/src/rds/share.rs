//! With which accounts a snapshot is shared: the attribute `restore`.

use crate::action::{Read, act};
use crate::model::database::DatabaseKind;
use crate::model::db_snapshot::{DbSnapshot, DbSnapshotState, EVERYONE};
use crate::model::keys::{self, RDS_KEY};
use crate::rds::params::{old_id, texts};
use crate::rds::snapshots::own;
use crate::rds::words::{Words, words};
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::xml::Nodes;

/// The one attribute that there is.
const RESTORE: &str = "restore";
/// With how many accounts a snapshot may be shared. Source: RDS user guide, "Sharing a DB snapshot".
const MOST_ACCOUNTS: usize = 20;

pub(super) fn modify(kind: DatabaseKind, params: &Params) -> Read {
    let id = old_id(params, &words(kind).snapshot_id())?;
    let attribute = params.required("AttributeName")?;
    if attribute != RESTORE {
        return Err(Error::invalid_value("AttributeName", attribute));
    }
    let added = texts(params, "ValuesToAdd", "AttributeValue")?;
    let removed = texts(params, "ValuesToRemove", "AttributeValue")?;
    if let Some(other) = added.iter().chain(&removed).find(|value| !is_account(value)) {
        return Err(Error::invalid(format!("Invalid account id: {other}")));
    }
    if added.is_empty() && removed.is_empty() {
        return Err(Error::missing("ValuesToAdd"));
    }
    Ok(act(move |here| {
        let words = words(kind);
        let own_key = keys::arn(here.place, RDS_KEY);
        let snapshot = own(here, kind, &id)?;
        check(snapshot, words, &own_key, &added)?;
        let mut shared_with = snapshot.shared_with.clone();
        shared_with.extend(added);
        shared_with.retain(|account| !removed.contains(account));
        if shared_with.iter().filter(|account| *account != EVERYONE).count() > MOST_ACCOUNTS {
            let message = format!("A snapshot can be shared with at most {MOST_ACCOUNTS} accounts.");
            return Err(Error::new("SharedSnapshotQuotaExceeded", message));
        }
        snapshot.shared_with = shared_with;
        Ok(attributes(snapshot, words))
    }))
}

pub(super) fn describe(kind: DatabaseKind, params: &Params) -> Read {
    let id = old_id(params, &words(kind).snapshot_id())?;
    Ok(act(move |here| Ok(attributes(own(here, kind, &id)?, words(kind)))))
}

fn is_account(value: &str) -> bool {
    value == EVERYONE || value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// Refuses what cannot be shared. Source: RDS user guide, "Sharing a DB snapshot", "Sharing encrypted snapshots". With which
/// code is our reading, and unconfirmed, but that it is one of those that the action has.
fn check(snapshot: &DbSnapshot, words: &Words, own_key: &str, added: &[String]) -> Result<(), Error> {
    let refused = |why: &str| Err(words.bad_snapshot(why));
    if snapshot.is_automated {
        return refused("Automated snapshots cannot be shared; copy it first.");
    }
    if snapshot.state != DbSnapshotState::Available {
        return refused("The snapshot is not available.");
    }
    if added.is_empty() {
        return Ok(());
    }
    if snapshot.is_of_multi_az_cluster() {
        return refused("Snapshots of Multi-AZ DB clusters cannot be shared.");
    }
    if snapshot.has_tde {
        return refused("Snapshots with Transparent Data Encryption cannot be shared.");
    }
    if snapshot.kms_key_id.as_deref() == Some(own_key) {
        return refused("Snapshots that are encrypted with the default key of RDS cannot be shared.");
    }
    if snapshot.kms_key_id.is_some() && added.iter().any(|value| value == EVERYONE) {
        return refused("Encrypted snapshots cannot be shared with everyone.");
    }
    Ok(())
}

fn attributes(snapshot: &DbSnapshot, words: &Words) -> Nodes {
    let values = snapshot.shared_with.iter().fold(Nodes::new(), |list, account| list.text("AttributeValue", account));
    let attribute = Nodes::new().text("AttributeName", RESTORE).nest("AttributeValues", values);
    let name = words.snapshot;
    let list = Nodes::new().nest(format!("{name}Attribute"), attribute);
    let result = Nodes::new().text(words.snapshot_id(), &snapshot.id).nest(format!("{name}Attributes"), list);
    Nodes::new().nest(format!("{name}AttributesResult"), result)
}

#[cfg(test)]
#[path = "share_tests.rs"]
mod tests;
