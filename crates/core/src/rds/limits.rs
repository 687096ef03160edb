//! What AWS bounds: the copies that are made at once, and the manual snapshots of an account.

use std::collections::BTreeMap;

use crate::{
    ids::Region,
    plan::{Finding, FindingKind},
    rds::inventory::{DatabaseKind, DbSnapshot, DbSnapshotState, Quota, Quotas},
};

/// How many copies may be under way into one region (RDS user guide, "Copying a DB snapshot").
const COPIES: usize = 20;
/// How many of them of Aurora clusters (Aurora user guide, "Copying a DB cluster snapshot").
const COPIES_OF_AURORA: usize = 5;
/// From this share of a quota on, in per cent, the operator is told.
const NEAR: u64 = 80;

/// The copies that are under way into one region.
pub(crate) struct UnderWay {
    all: usize,
    of_aurora: usize,
}

impl UnderWay {
    /// Those among the manual snapshots of the region. One that is being taken by hand counts as well: there is no telling.
    pub(crate) fn among(manual: &[DbSnapshot]) -> Self {
        let under_way = || manual.iter().filter(|snapshot| snapshot.state == DbSnapshotState::InProgress);
        Self { all: under_way().count(), of_aurora: under_way().filter(|it| it.is_aurora()).count() }
    }

    /// Takes a place for one more. `false` where there is none left.
    pub(crate) fn take_place(&mut self, is_aurora: bool) -> bool {
        if self.all >= COPIES || (is_aurora && self.of_aurora >= COPIES_OF_AURORA) {
            return false;
        }
        self.all += 1;
        self.of_aurora += usize::from(is_aurora);
        true
    }
}

/// The quotas that are nearly used up, of several regions.
pub(super) fn near_in_each(quotas: &BTreeMap<Region, Quotas>) -> Vec<Finding> {
    quotas.iter().flat_map(|(region, quotas)| near(quotas, region)).collect()
}

/// The quotas of a region that are nearly used up.
pub(super) fn near(quotas: &Quotas, region: &Region) -> Vec<Finding> {
    let kinds = [(DatabaseKind::Instance, "DB"), (DatabaseKind::Cluster, "cluster")];
    let used_up = kinds.into_iter().filter_map(|(kind, name)| {
        let Quota { used, max } = quotas.of(kind)?;
        (used.saturating_mul(100) >= max.saturating_mul(NEAR)).then(|| Finding {
            kind: FindingKind::QuotaNear,
            resource: region.to_string(),
            what: format!("{used} of {max} manual {name} snapshots are there: past {max} nothing is copied any more"),
            since: None,
            todo: "have AWS raise the quota (Service Quotas, Amazon RDS), or delete what is not needed".to_owned(),
        })
    });
    used_up.collect()
}
