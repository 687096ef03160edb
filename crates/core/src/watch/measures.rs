//! How well the volumes of a region are protected, in numbers for a dashboard.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{instances::Instances, is_overdue};
use crate::{
    backup::Backups,
    plan::{Finding, FindingKind, Measure},
    run::Run,
};

/// The numbers. They agree with the findings: what is new and still has its time is neither protected nor unprotected.
pub(super) fn measures(
    instances: &Instances,
    backups: &Backups,
    findings: &[Finding],
    run: &Run,
) -> BTreeMap<&'static str, Measure> {
    // a volume that instances share counts once
    let (mut protected, mut lacking) = (BTreeSet::new(), BTreeSet::new());
    let mut oldest: Option<DateTime<Utc>> = None;
    for promised in instances.promised(backups) {
        if is_overdue(promised.since, run) {
            lacking.insert(promised.volume);
        } else if promised.good.is_some() {
            protected.insert(promised.volume);
        }
        oldest = oldest.into_iter().chain(promised.good).min();
    }
    let without_any = findings.iter().filter(|finding| finding.kind == FindingKind::Unprotected).count();
    let mut measures = BTreeMap::from([
        ("VolumesProtected", count(protected.len())),
        ("VolumesUnprotected", count(lacking.len() + without_any)),
    ]);
    if let Some(oldest) = oldest {
        let age = (run.instant - oldest).num_seconds();
        measures.insert("OldestBackupAge", Measure::Seconds(age.try_into().unwrap_or_default()));
    }
    measures
}

fn count(number: usize) -> Measure {
    Measure::Count(number.try_into().unwrap_or(u64::MAX))
}
