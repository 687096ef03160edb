//! Finds databases that are not failsafe as promised, in each account what it can see.

mod live;
mod saved;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::{
    ids::Region,
    plan::{Finding, FindingKind, Measure},
    rds::{
        enrolled::Enrolment,
        inventory::{Database, DbSnapshot, DbSnapshotId, DbSnapshotState, KeyState, Quotas},
        limits, save, wrong,
    },
    run::Run,
};

/// What the watcher reads of RDS.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// All databases of the region.
    pub databases: Vec<Database>,
    /// What else there is, where a database is enrolled or the settings name a failsafe or a live account.
    pub more: Option<More>,
}

/// What is read only where it matters.
#[derive(Clone, Debug)]
pub struct More {
    /// The automated snapshots of the region.
    pub automated: Vec<DbSnapshot>,
    /// All manual snapshots of the account in the region.
    pub manual: Vec<DbSnapshot>,
    /// With which accounts the available own copies are shared.
    pub shared_with: BTreeMap<DbSnapshotId, BTreeSet<String>>,
    /// All snapshots that others share with this account.
    pub shared: Vec<DbSnapshot>,
    /// The manual snapshots in each region of the setting `SAVER_COPY_DEST`, or why they could not be read.
    pub elsewhere: BTreeMap<Region, Result<Vec<DbSnapshot>, String>>,
    /// The key of the setting `FAILSAFE_KMS_KEY`, if it is set.
    pub key: Option<KeyState>,
    /// The keys that [`keys_of_saved`] named, by their ARNs.
    pub keys_of_saved: BTreeMap<String, KeyState>,
    /// The quotas of manual snapshots, of this region and of each of those.
    pub quotas: BTreeMap<Region, Quotas>,
}

/// Whether there is more to read than the databases.
pub fn matters(databases: &[Database], run: &Run) -> bool {
    let settings = &run.settings.failsafe;
    settings.account.is_some()
        || !settings.live_accounts.is_empty()
        || !Enrolment::of(databases, run).enrolled.is_empty()
}

/// Of how many keys of saved copies KMS is asked. There is one, or a second one after it was changed.
const KEYS: usize = 5;

/// The keys under which available saved copies of the region are, by their ARNs.
pub fn keys_of_saved(manual: &[DbSnapshot]) -> BTreeSet<String> {
    let saved = manual.iter().filter(|copy| copy.is_saved() && copy.is_available());
    let keys: BTreeSet<&str> = saved.filter_map(|copy| copy.kms_key.as_deref()).collect();
    keys.into_iter().filter(|key| key.starts_with("arn:")).take(KEYS).map(str::to_owned).collect()
}

/// What is not as promised. `Err` tells why RDS could not be read.
pub fn findings(inventory: &Result<Inventory, String>, run: &Run) -> Vec<Finding> {
    let inventory = match inventory {
        Ok(inventory) => inventory,
        Err(cause) => {
            return vec![Finding {
                kind: FindingKind::DatabasesUnknown,
                resource: run.region.to_string(),
                what: format!("databases could not be looked at: {cause}"),
                since: None,
                todo: "check that the watcher may read RDS, and that RDS answers".to_owned(),
            }];
        }
    };
    let enrolment = Enrolment::of(&inventory.databases, run);
    let mut findings = enrolment.findings;
    let Some(more) = &inventory.more else { return findings };
    live::findings(&enrolment.enrolled, more, run, &mut findings);
    saved::findings(more, run, &mut findings);
    // of second copies that lie here the watcher of their own region tells
    let own = || {
        let shared = more.manual.iter().filter(|copy| copy.is_to_share());
        shared.chain(save::saved_from(&more.manual, &run.region))
    };
    findings.extend(wrong::all_failed(own(), &run.region));
    findings.extend(own().filter_map(|copy| stuck(copy, &run.region, run)));
    findings.extend(wrong::shared_with_strangers(&more.shared_with, run.settings.failsafe.account.as_deref()));
    findings.extend(limits::near_in_each(&more.quotas));
    findings
}

/// How well databases are protected, in numbers for a dashboard; none where there is nothing to protect.
pub fn measures(inventory: &Result<Inventory, String>, run: &Run) -> BTreeMap<&'static str, Measure> {
    let mut measures = BTreeMap::new();
    let Ok(Inventory { databases, more: Some(more) }) = inventory else { return measures };
    let mut states = live::states(&Enrolment::of(databases, run).enrolled, more, run);
    states.extend(saved::states(more, run));
    // what is new and still has its time is neither
    let count = |of: fn(&State) -> bool| {
        Measure::Count(states.iter().filter(|state| of(state)).count().try_into().unwrap_or(u64::MAX))
    };
    measures.insert("DatabasesFailsafe", count(|state| !state.is_lacking && state.newest.is_some()));
    measures.insert("DatabasesNotFailsafe", count(|state| state.is_lacking));
    if let Some(oldest) = states.iter().filter_map(|state| state.newest).min() {
        let age = (run.instant - oldest).num_seconds();
        measures.insert("OldestFailsafeAge", Measure::Seconds(age.try_into().unwrap_or_default()));
    }
    measures
}

/// How it stands with a database.
struct State {
    /// The data of its newest copy, shared or saved.
    newest: Option<DateTime<Utc>>,
    /// Whether it lacks a recent one, and has had its time.
    is_lacking: bool,
}

/// Whether something that began then has had its time.
fn is_overdue(since: DateTime<Utc>, run: &Run) -> bool {
    run.instant - since > run.settings.rpo
}

fn stuck(copy: &DbSnapshot, region: &Region, run: &Run) -> Option<Finding> {
    let is_stuck = copy.state == DbSnapshotState::InProgress && copy.made.is_some_and(|made| is_overdue(made, run));
    is_stuck.then(|| Finding {
        kind: FindingKind::CopyStuck,
        resource: copy.id.to_string(),
        what: format!("copy of {} in {region} is still being made", copy.database),
        since: copy.made,
        todo: "look at the events of RDS; AWS makes 20 copies at once into one region, 5 of Aurora".to_owned(),
    })
}

#[cfg(test)]
mod tests;
