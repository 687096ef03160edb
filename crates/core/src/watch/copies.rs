//! Copies that are not where the tags promise them, told once for each volume and destination.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::is_overdue;
use crate::{
    copy::Copies,
    ids::{Region, SnapshotId, VolumeId},
    inventory::{Snapshot, SnapshotState},
    plan::{Finding, FindingKind},
    run::Run,
    tags::{self, DeleteOn},
};

/// In which regions copies are promised, and what is wrong with them there.
#[derive(Default)]
pub(super) struct Promises {
    named: BTreeSet<Region>,
    there: BTreeMap<Region, Result<Copies, String>>,
    /// The primaries that name a destination of which nothing has been told yet.
    waiting: BTreeMap<Region, Vec<Primary>>,
    wrong: BTreeMap<(FindingKind, VolumeId, Region), Wrong>,
}

/// A completed primary that is promised a copy.
#[derive(Clone)]
struct Primary {
    id: SnapshotId,
    volume: VolumeId,
    taken: DateTime<Utc>,
}

/// The primaries of one volume whose copies lack the same.
struct Wrong {
    count: usize,
    /// When the oldest was taken.
    oldest: DateTime<Utc>,
    newest: Primary,
    /// What is wrong with the newest one's copy.
    why: String,
}

impl Promises {
    /// These regions are named by somebody.
    pub(super) fn name(&mut self, regions: impl IntoIterator<Item = Region>) {
        self.named.extend(regions);
    }

    pub(super) fn unread(&self) -> BTreeSet<Region> {
        self.named.iter().filter(|region| !self.there.contains_key(*region)).cloned().collect()
    }

    /// What is in a destination. Those that have waited for that are judged.
    pub(super) fn there(&mut self, region: Region, copies: Result<Copies, String>, run: &Run) {
        self.there.insert(region.clone(), copies);
        for primary in self.waiting.remove(&region).unwrap_or_default() {
            self.judge(primary, &region, run);
        }
    }

    pub(super) fn add(&mut self, primary: &Snapshot, run: &Run, findings: &mut Vec<Finding>) {
        let (named, errors) = tags::destinations(&primary.tags, &run.region);
        if primary.state == SnapshotState::Completed {
            findings.extend(errors.iter().map(|error| Finding::unreadable(&primary.id, error)));
            let is_due = matches!(primary.delete_on(), DeleteOn::Day(day) if day <= run.day());
            if !is_due || primary.is_kept_forever() {
                let primary = Primary { id: primary.id.clone(), volume: primary.volume(), taken: primary.taken() };
                for region in &named {
                    if self.there.contains_key(region) {
                        self.judge(primary.clone(), region, run);
                    } else {
                        self.waiting.entry(region.clone()).or_default().push(primary.clone());
                    }
                }
            }
        }
        self.name(named);
    }

    fn judge(&mut self, primary: Primary, region: &Region, run: &Run) {
        let Some(Ok(there)) = self.there.get(region) else { return };
        let Some((kind, why)) = what_is_wrong(&primary, there, run) else { return };
        let Primary { volume, taken, .. } = primary.clone();
        let wrong = self.wrong.entry((kind, volume, region.clone())).or_insert_with(|| Wrong {
            count: 0,
            oldest: taken,
            newest: primary.clone(),
            why: String::new(),
        });
        wrong.count += 1;
        wrong.oldest = wrong.oldest.min(taken);
        // of two of one instant the later one
        if taken >= wrong.newest.taken {
            (wrong.newest, wrong.why) = (primary, why);
        }
    }

    pub(super) fn find(self, findings: &mut Vec<Finding>) {
        for (region, copies) in &self.there {
            if let Err(cause) = copies {
                findings.push(Finding {
                    kind: FindingKind::DestinationUnknown,
                    resource: region.to_string(),
                    what: format!("copies there could not be looked at: {cause}"),
                    since: None,
                    todo: "check that the region exists, is enabled for the account, and answers".to_owned(),
                });
            }
        }
        for ((kind, volume, region), Wrong { count, oldest, newest, why }) in self.wrong {
            let more = if count > 1 { format!(" (and {} older)", count - 1) } else { String::new() };
            findings.push(Finding {
                kind,
                resource: volume.to_string(),
                what: format!("{}{more} in {region}: {why}", newest.id),
                since: Some(oldest),
                todo: if kind == FindingKind::CopyFailed {
                    "check the KMS key of the destination and who may use it"
                } else {
                    "look at the copier's last reports; AWS runs 20 copies at once into one region"
                }
                .to_owned(),
            });
        }
    }
}

fn what_is_wrong(primary: &Primary, there: &Copies, run: &Run) -> Option<(FindingKind, String)> {
    let copies = there.of(&primary.id);
    if copies.iter().any(|copy| copy.state == SnapshotState::Completed) {
        return None;
    }
    if let Some(copy) = copies.iter().find(|copy| copy.is_live()) {
        return is_overdue(copy.started, run)
            .then(|| (FindingKind::CopyStuck, format!("copy {} is still pending", copy.id)));
    }
    if let Some(copy) = copies.iter().rfind(|copy| copy.state == SnapshotState::Error) {
        let why = there.cause(&copy.id).unwrap_or("AWS does not say why");
        return Some((FindingKind::CopyFailed, format!("copy {} ended in error: {why}", copy.id)));
    }
    is_overdue(primary.taken, run).then(|| (FindingKind::CopyMissing, "there is no copy".to_owned()))
}
