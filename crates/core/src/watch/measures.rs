//! How well the volumes of a region are protected, in numbers for a dashboard.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::Watch;
use crate::{
    plan::{Finding, FindingKind, Measure},
    tags::Choice,
};

impl Watch<'_> {
    /// The numbers. They agree with the findings: what is new and still has its time is neither protected nor
    /// unprotected.
    pub(super) fn measures(&self, findings: &[Finding]) -> BTreeMap<&'static str, Measure> {
        let instances = self.inventory.instances.iter().filter(|it| it.is_there());
        let enrolled = instances.filter(|it| Choice::from_tags(&it.tags).0 == Choice::Yes);
        // a volume that instances share counts once
        let (mut protected, mut lacking) = (BTreeSet::new(), BTreeSet::new());
        let mut oldest: Option<DateTime<Utc>> = None;
        for promised in enrolled.flat_map(|instance| self.promised_of(instance)) {
            if self.is_overdue(promised.since) {
                lacking.insert(&promised.device.volume);
            } else if promised.good.is_some() {
                protected.insert(&promised.device.volume);
            }
            oldest = oldest.into_iter().chain(promised.good).min();
        }
        let without_any = findings.iter().filter(|finding| finding.kind == FindingKind::Unprotected).count();
        let mut measures = BTreeMap::from([
            ("VolumesProtected", count(protected.len())),
            ("VolumesUnprotected", count(lacking.len() + without_any)),
        ]);
        if let Some(oldest) = oldest {
            let age = (self.run.instant - oldest).num_seconds();
            measures.insert("OldestBackupAge", Measure::Seconds(age.try_into().unwrap_or_default()));
        }
        measures
    }
}

fn count(number: usize) -> Measure {
    Measure::Count(number.try_into().unwrap_or(u64::MAX))
}
