//! Volumes that nobody protects and nobody left out.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::{
    ids::{InstanceId, VolumeId},
    inventory::Volume,
    plan::{Finding, FindingKind},
};

/// The volumes of which no snapshot has come yet, although it should.
#[derive(Default)]
pub(super) struct Unprotected(BTreeMap<VolumeId, Alone>);

struct Alone {
    created: DateTime<Utc>,
    /// The first instance to which it is attached.
    on: Option<InstanceId>,
}

impl Unprotected {
    pub(super) fn add(&mut self, volume: &Volume) {
        let alone = Alone { created: volume.created, on: volume.attached_to.first().cloned() };
        self.0.insert(volume.id.clone(), alone);
    }

    /// There is a snapshot of this volume.
    pub(super) fn protect(&mut self, volume: &VolumeId) {
        self.0.remove(volume);
    }

    /// Finds those of which there is none.
    pub(super) fn find(self, findings: &mut Vec<Finding>) {
        findings.extend(self.0.into_iter().map(|(volume, Alone { created, on })| {
            let (place, tag) = match on {
                Some(instance) => (format!("on {instance}"), format!("tag {instance} Backup=Yes")),
                None => ("attached to no instance".to_owned(), "delete it if it is not needed".to_owned()),
            };
            Finding {
                kind: FindingKind::Unprotected,
                resource: volume.to_string(),
                what: format!("no snapshot at all; {place}"),
                since: Some(created),
                todo: format!("{tag}, or tag the volume Backup=No to be asked no more"),
            }
        }));
    }
}
