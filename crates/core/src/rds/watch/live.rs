//! The live account: whether each enrolled database has a recent copy that the failsafe account can take.

use chrono::{DateTime, Utc};

use super::{More, State, is_overdue};
use crate::{
    plan::{Finding, FindingKind},
    rds::{
        enrolled,
        inventory::{Database, DbSnapshot, KeyState},
    },
    run::Run,
    tags,
};

pub(super) fn findings(enrolled: &[&Database], more: &More, run: &Run, findings: &mut Vec<Finding>) {
    findings.extend(enrolled.iter().filter_map(|database| enrolled::obstacle(database)));
    findings.extend(settings(enrolled, more, run));
    if run.settings.failsafe.account.is_none() {
        return;
    }
    for database in enrolled.iter().filter(|database| enrolled::obstacle(database).is_none()) {
        let shared = newest_shared(database, more, run);
        let Some(since) = lacking_since(database, shared, run) else { continue };
        let last = shared.map_or_else(|| "never shared".to_owned(), |at| format!("last of {}", tags::stamp(at)));
        findings.push(Finding {
            kind: FindingKind::NotFailsafe,
            resource: database.id.to_string(),
            what: format!(
                "no copy of its data within {} hours is shared with the failsafe account: {last}",
                run.settings.rpo.num_hours()
            ),
            since: Some(since),
            todo: "look at the sharer's last reports for this database".to_owned(),
        });
    }
}

/// What the settings lack, and the key, where a database is enrolled.
fn settings(enrolled: &[&Database], more: &More, run: &Run) -> Vec<Finding> {
    let mut findings = Vec::new();
    if enrolled.is_empty() {
        return findings;
    }
    if run.settings.failsafe.account.is_none() {
        let enrolled: Vec<String> = enrolled.iter().map(|database| database.id.to_string()).collect();
        findings.push(Finding {
            kind: FindingKind::NotFailsafe,
            resource: run.region.to_string(),
            what: format!("enrolled, but SNAPKEEPER_FAILSAFE_ACCOUNT is not set: {}", enrolled.join(", ")),
            since: None,
            todo: "set it for the sharer and the watcher, or take the databases out of the enrolment".to_owned(),
        });
    }
    let key = run.settings.failsafe.kms_key.as_deref();
    let (what, todo) = match (&more.key, key) {
        (None, _) | (_, None) => {
            ("SNAPKEEPER_FAILSAFE_KMS_KEY is not set".to_owned(), "set it to a key of your own that is enabled")
        }
        (Some(KeyState::Unknown(cause)), Some(_)) => {
            (format!("whether it can be used is not known: {cause}"), "let the watcher call kms:DescribeKey on it")
        }
        (Some(state), Some(key)) => match state.obstacle(key) {
            Some(what) => (what, "enable it, or name an enabled key of your own"),
            None => return findings,
        },
    };
    let resource = key.map_or_else(|| run.region.to_string(), str::to_owned);
    findings.push(Finding { kind: FindingKind::KeyBlocks, resource, what, since: None, todo: todo.to_owned() });
    findings
}

pub(super) fn states(enrolled: &[&Database], more: &More, run: &Run) -> Vec<State> {
    let state = |database: &&Database| {
        let newest = newest_shared(database, more, run);
        let is_lacking = enrolled::obstacle(database).is_some() || lacking_since(database, newest, run).is_some();
        State { newest, is_lacking }
    };
    enrolled.iter().map(state).collect()
}

/// The data of the newest available copy that is shared with the failsafe account.
fn newest_shared(database: &Database, more: &More, run: &Run) -> Option<DateTime<Utc>> {
    let account = run.settings.failsafe.account.as_ref()?;
    more.manual
        .iter()
        .filter(|copy| copy.database == database.id && copy.is_to_share() && copy.is_available())
        .filter(|copy| more.shared_with.get(&copy.id).is_some_and(|accounts| accounts.contains(account)))
        .filter_map(DbSnapshot::data_at)
        .max()
}

/// Since when a database has waited for the next copy to be shared, if that is too long: since the data of the last one,
/// or since it has been there.
fn lacking_since(database: &Database, shared: Option<DateTime<Utc>>, run: &Run) -> Option<DateTime<Utc>> {
    shared.or(database.created).filter(|since| is_overdue(*since, run))
}
