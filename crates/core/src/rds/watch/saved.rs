//! The failsafe account: whether what is shared is saved, and recent.

use std::collections::BTreeMap;

use super::{More, State, is_overdue, stuck};
use crate::{
    ids::Region,
    plan::{Finding, FindingKind},
    rds::{
        inventory::{DbSnapshot, DbSnapshotState, KeyState},
        name,
        save::{self, Origin, Shelf},
        wrong,
    },
    run::Run,
    tags,
};

pub(super) fn findings(more: &More, run: &Run, findings: &mut Vec<Finding>) {
    if run.settings.failsafe.live_accounts.is_empty() {
        return;
    }
    not_saved(more, run, findings);
    nothing_saved(more, run, findings);
    strangers(more, run, findings);
    keys(more, findings);
    for (Origin { account, region, database }, shelf) in save::shelves(&more.manual, &run.region) {
        let Some(newest) = shelf.newest().filter(|newest| is_lacking(newest, run)) else { continue };
        findings.push(Finding {
            kind: FindingKind::NotFailsafe,
            resource: database,
            what: format!(
                "no copy of account {account} in {region} of its data within {} hours: the newest is {}",
                run.settings.rpo.num_hours(),
                newest.id
            ),
            since: newest.data_at(),
            todo:
                "look at the sharer there and at the saver here; if the database is gone for good, tag its newest copy \
                   KeepForever to be asked no more"
                    .to_owned(),
        });
    }
    for region in save::second_regions(run) {
        match more.elsewhere.get(region) {
            Some(Ok(there)) => second_copies(region, there, more, run, findings),
            Some(Err(cause)) => findings.push(unknown(region, &format!("could not be looked at: {cause}"))),
            None => findings.push(unknown(region, "were not looked at")),
        }
    }
}

pub(super) fn states(more: &More, run: &Run) -> Vec<State> {
    if run.settings.failsafe.live_accounts.is_empty() {
        return Vec::new();
    }
    let newest = save::shelves(&more.manual, &run.region).into_values().filter_map(|shelf| shelf.newest());
    newest.map(|newest| State { newest: newest.data_at(), is_lacking: is_lacking(newest, run) }).collect()
}

/// Whether a database's newest copy is too old. One that the operator keeps for ever is of a database that is gone.
fn is_lacking(newest: &DbSnapshot, run: &Run) -> bool {
    !newest.is_kept_forever() && newest.data_at().is_none_or(|at| is_overdue(at, run))
}

/// What is shared, and has been for longer than the RPO, without an available copy.
fn not_saved(more: &More, run: &Run, findings: &mut Vec<Finding>) {
    let offered = save::offered(&more.shared, run);
    let shelves = save::shelves(&more.manual, &run.region);
    for shared in offered.iter().filter(|shared| shared.is_available()) {
        let origin = save::origin_of_offered(shared);
        let is_saved = more.manual.iter().any(|copy| save::is_copy_of(copy, shared) && copy.is_available());
        let Some(since) = shared.made.filter(|made| is_overdue(*made, run)) else { continue };
        if is_saved || save::is_past(shared, &offered, shelves.get(&origin), run).is_some() {
            continue;
        }
        findings.push(Finding {
            kind: FindingKind::NotSaved,
            resource: shared.id.to_string(),
            what: format!("shared by account {}, but there is no available copy of it", shared.owner),
            since: Some(since),
            todo: "look at the saver's last reports, and whether the live account lets this one use its key".to_owned(),
        });
    }
}

/// The live accounts of which nothing has come yet.
fn nothing_saved(more: &More, run: &Run, findings: &mut Vec<Finding>) {
    let is_there = |account: &str| {
        save::saved_from(&more.manual, &run.region)
            .filter(|copy| copy.is_available() || copy.state == DbSnapshotState::InProgress)
            .any(|copy| copy.tags.get(tags::SOURCE_ACCOUNT) == Some(account))
    };
    let silent = run.settings.failsafe.live_accounts.iter().filter(|account| !is_there(account.as_str()));
    findings.extend(silent.map(|account| Finding {
        kind: FindingKind::NotFailsafe,
        resource: account.clone(),
        what: format!("nothing of account {account} is saved in {}", run.region),
        since: None,
        todo: "check SNAPKEEPER_LIVE_ACCOUNT here, SNAPKEEPER_FAILSAFE_ACCOUNT and the region there".to_owned(),
    }));
}

/// Accounts that share what is named as our copies are, and are no live accounts of ours. Anyone can do that.
fn strangers(more: &More, run: &Run, findings: &mut Vec<Finding>) {
    let live = &run.settings.failsafe.live_accounts;
    let mut shared: BTreeMap<&str, usize> = BTreeMap::new();
    for it in more.shared.iter().filter(|it| it.id.name.starts_with(name::PREFIX) && !live.contains(&it.owner)) {
        *shared.entry(it.owner.as_str()).or_default() += 1;
    }
    findings.extend(shared.into_iter().map(|(account, count)| Finding {
        kind: FindingKind::NotSaved,
        resource: account.to_owned(),
        what: format!("{count} shared by account {account}, which SNAPKEEPER_LIVE_ACCOUNT does not name"),
        since: None,
        todo: "name the account if it is yours; if you do not know it, leave it alone: anyone may share".to_owned(),
    }));
}

/// The keys without which saved copies cannot be restored.
fn keys(more: &More, findings: &mut Vec<Finding>) {
    for (key, state) in &more.keys_of_saved {
        let (what, todo) = match state {
            KeyState::Usable(_) | KeyState::AwsManaged => continue,
            KeyState::NotEnabled(_) | KeyState::Missing => (
                state.obstacle(key).unwrap_or_default(),
                "enable it, and cancel its deletion, at once: without it nobody can restore them",
            ),
            KeyState::Unknown(cause) => {
                (format!("whether it can be used is not known: {cause}"), "let the watcher call kms:DescribeKey on it")
            }
        };
        let under_it = |copy: &&DbSnapshot| copy.is_saved() && copy.kms_key.as_deref() == Some(key.as_str());
        let count = more.manual.iter().filter(under_it).count();
        findings.push(Finding {
            kind: FindingKind::KeyBlocks,
            resource: key.clone(),
            what: format!("{what}; {count} saved copies are under it"),
            since: None,
            todo: todo.to_owned(),
        });
    }
}

fn unknown(region: &Region, why: &str) -> Finding {
    Finding {
        kind: FindingKind::DestinationUnknown,
        resource: region.to_string(),
        what: format!("saved copies there {why}"),
        since: None,
        todo: "check that the region exists, is enabled for the account, and answers".to_owned(),
    }
}

/// Second copies that are not where the setting promises them, told once for each database and region.
fn second_copies(region: &Region, there: &[DbSnapshot], more: &More, run: &Run, findings: &mut Vec<Finding>) {
    let saved_there = || save::saved_from(there, &run.region);
    findings.extend(wrong::all_failed(saved_there(), region));
    findings.extend(saved_there().filter_map(|copy| stuck(copy, region, run)));
    let shelves_there: BTreeMap<Origin, Shelf<'_>> = save::shelves(there, &run.region);
    for (origin, shelf) in save::shelves(&more.manual, &run.region) {
        let missing: Vec<&DbSnapshot> = shelf
            .copies()
            .filter(|saved| saved.made.is_some_and(|made| is_overdue(made, run)))
            // what failed or is stuck is told of already
            .filter(|saved| !there.iter().any(|copy| save::is_second_copy_of(copy, saved)))
            .filter(|saved| save::is_wanted_elsewhere(saved, &shelf, shelves_there.get(&origin), run))
            .collect();
        let Some(newest) = missing.last() else { continue };
        let others = match missing.len() {
            1 => String::new(),
            count => format!(" (and {} older)", count - 1),
        };
        findings.push(Finding {
            kind: FindingKind::CopyMissing,
            resource: newest.id.to_string(),
            what: format!("{origin}{others}: there is no copy in {region}"),
            since: missing.first().and_then(|oldest| oldest.made),
            todo: "look at the saver's last reports; AWS makes 20 copies at once into one region, 5 of Aurora"
                .to_owned(),
        });
    }
}
