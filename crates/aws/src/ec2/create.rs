//! The calls that create, and what follows where their outcome stays open.
//!
//! Neither `CreateSnapshot`, `CreateSnapshots` nor `CopySnapshot` has a client token: a call made twice creates twice.
//! After no certain answer the account is therefore looked at, by the tags that the call carried, before it is made
//! again; and it is made again once at most. Where EC2 says that the volume was snapshotted a moment ago, that may have
//! been the same run, started twice: there, too, it is looked first.

use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_ec2::types::InstanceSpecification;
use snapkeeper_core::{
    calls::{LOOKS, TRIES_TOO_SOON},
    copy::CopySnapshot,
    create::Backup,
    ids::{SnapshotId, VolumeId},
    inventory::{Snapshot, SnapshotState},
    tags,
};
use tokio::time::sleep;

use super::{Ec2, snapshot_tags};
use crate::{
    call::Twice,
    error::{Error, Kind},
    presign::Presign,
    rates::Pass,
};

/// What was taken of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The snapshots, each with its volume.
    pub made: Vec<(VolumeId, SnapshotId)>,
    /// The members of which none was found, although there are some of others: the same run, started twice, took the set
    /// without them, or EC2 does not show them yet.
    pub missing: Vec<VolumeId>,
}

/// How a call that creates came to its end.
enum Made<T> {
    /// It was answered.
    Told(Vec<T>),
    /// It was not, or EC2 did it a moment ago; this was found.
    Found(Vec<Snapshot>),
}

impl Ec2 {
    /// Takes a backup: one snapshot, or a crash-consistent set.
    ///
    /// # Errors
    /// [`Kind::Open`] only if it may have been made all the same.
    pub async fn create_snapshots(&self, backup: &Backup) -> Result<Taken, Error> {
        let missing = |found: &[Snapshot]| -> Vec<VolumeId> {
            let is_there = |volume: &&VolumeId| found.iter().any(|snapshot| snapshot.volume() == **volume);
            backup.members.iter().filter(|volume| !is_there(volume)).cloned().collect()
        };
        let made = self.create_once_for_certain(
            async || match backup.members.as_slice() {
                [volume] => self.take_one(backup, volume).await,
                _ => self.take_set(self.caller.pass("CreateSnapshots").await, backup).await,
            },
            async || {
                let wanted = [tags::BACKUP_RUN, tags::SOURCE_INSTANCE_ID]
                    .map(|key| (key, backup.tags.get(key).unwrap_or_default()));
                let mut found = self.automated_snapshots_tagged(&wanted).await?;
                // requests by hand and a run of the schedule may be of the same instant
                let is_of_its_kind = |it: &Snapshot| {
                    it.tags.has(tags::SCRIPTED) == backup.tags.has(tags::SCRIPTED)
                        && it.tags.get(tags::BACKUP_REQUEST) == backup.tags.get(tags::BACKUP_REQUEST)
                };
                found.retain(|it| is_of_its_kind(it) && it.copy_of().is_none() && backup.takes(&it.volume()));
                Ok(found)
            },
            |found| missing(found).is_empty(),
        );
        Ok(match made.await? {
            Made::Told(made) => Taken { made, missing: Vec::new() },
            Made::Found(found) => {
                let missing = missing(&found);
                Taken { made: found.into_iter().map(|it| (it.volume(), it.id)).collect(), missing }
            }
        })
    }

    /// Takes the only member. Where it is all that its instance has, the action that takes sets takes the same, and has a
    /// token bucket of its own: whichever has a token first is called.
    async fn take_one(&self, backup: &Backup, volume: &VolumeId) -> Result<Vec<(VolumeId, SnapshotId)>, Error> {
        let is_whole_instance = !backup.excludes_boot() && backup.excluded_data().is_empty();
        let pass = if is_whole_instance {
            self.caller.pass_either("CreateSnapshot", "CreateSnapshots").await
        } else {
            self.caller.pass("CreateSnapshot").await
        };
        if pass.action == "CreateSnapshot" {
            return self.take_volume(pass, backup, volume).await;
        }
        let mut made = match self.take_set(pass, backup).await {
            Ok(made) => made,
            // nothing happened, perhaps for a reason that lies in the instance: the volume is asked for itself
            Err(error) if matches!(error.kind, Kind::Busy | Kind::NotFound | Kind::Refused | Kind::Denied) => {
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        // it may have been detached meanwhile
        if made.iter().all(|(taken, _)| taken != volume) {
            let pass = self.caller.pass("CreateSnapshot").await;
            match self.take_volume(pass, backup, volume).await {
                Ok(taken) => made.extend(taken),
                // another one is in its place, and has been taken
                Err(error) if error.kind == Kind::NotFound && !made.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(made)
    }

    /// One attempt at one volume.
    async fn take_volume(
        &self,
        pass: Pass,
        backup: &Backup,
        volume: &VolumeId,
    ) -> Result<Vec<(VolumeId, SnapshotId)>, Error> {
        let call = self
            .client
            .create_snapshot()
            .volume_id(volume.as_str())
            .description(backup.description())
            .tag_specifications(snapshot_tags(&backup.tags));
        let made = self.caller.call_with(pass, Twice::Harmful, || call.clone().send()).await?;
        named("CreateSnapshot", made.snapshot_id.map(|id| (volume.clone(), SnapshotId::from(id))))
    }

    /// One attempt at all volumes of the instance but those that the backup leaves out.
    async fn take_set(&self, pass: Pass, backup: &Backup) -> Result<Vec<(VolumeId, SnapshotId)>, Error> {
        let excluded: Vec<String> = backup.excluded_data().iter().map(ToString::to_string).collect();
        let instance = InstanceSpecification::builder()
            .instance_id(backup.instance.as_str())
            .exclude_boot_volume(backup.excludes_boot())
            .set_exclude_data_volume_ids((!excluded.is_empty()).then_some(excluded))
            .build();
        let call = self
            .client
            .create_snapshots()
            .instance_specification(instance)
            .description(backup.description())
            .tag_specifications(snapshot_tags(&backup.tags));
        let made = self.caller.call_with(pass, Twice::Harmful, || call.clone().send()).await?;
        let made = made.snapshots().iter().filter_map(|it| {
            let volume = VolumeId::from(it.volume_id().unwrap_or_default());
            Some((volume, SnapshotId::from(it.snapshot_id()?)))
        });
        named("CreateSnapshots", made)
    }

    /// Copies a snapshot into this region.
    ///
    /// # Errors
    /// [`Kind::Open`] only if it may have been made all the same; [`Kind::Full`] if the region copies as many as it
    /// can; [`Kind::NotFound`] if the primary is gone.
    pub async fn copy_snapshot(&self, copy: &CopySnapshot) -> Result<Vec<SnapshotId>, Error> {
        let unsent = |message: String| Error { action: "CopySnapshot", kind: Kind::Unsent, message };
        let provider = self.credentials.as_ref().ok_or_else(|| unsent("no credentials".to_owned()))?;
        let call = self
            .client
            .copy_snapshot()
            .source_region(copy.from.as_str())
            .source_snapshot_id(copy.source.as_str())
            .description(&copy.description)
            .set_encrypted(copy.kms_key.as_ref().map(|_| true))
            .set_kms_key_id(copy.kms_key.clone())
            .tag_specifications(snapshot_tags(&copy.tags));
        let made = self.create_once_for_certain(
            async || {
                let credentials = provider.provide_credentials().await.map_err(|error| unsent(error.to_string()))?;
                let (from, to) = (copy.from.clone(), self.region.clone());
                let made = self
                    .caller
                    .call("CopySnapshot", Twice::Harmful, || {
                        let (credentials, from, to) = (credentials.clone(), from.clone(), to.clone());
                        let presign = Presign { credentials, from, to };
                        async { call.clone().customize().interceptor(presign).send().await }
                    })
                    .await?;
                named("CopySnapshot", made.snapshot_id.map(SnapshotId::from))
            },
            async || {
                let mut found =
                    self.automated_snapshots_tagged(&[(tags::SOURCE_SNAPSHOT_ID, copy.source.as_str())]).await?;
                found.retain(|copy| copy.state != SnapshotState::Error);
                Ok(found)
            },
            |found| !found.is_empty(),
        );
        Ok(match made.await? {
            Made::Told(made) => made,
            Made::Found(found) => found.into_iter().map(|it| it.id).collect(),
        })
    }

    /// Makes a call that creates, and after an open outcome looks whether it did, before making it once more.
    async fn create_once_for_certain<T>(
        &self,
        create: impl AsyncFn() -> Result<Vec<T>, Error>,
        look: impl AsyncFn() -> Result<Vec<Snapshot>, Error>,
        is_whole: impl Fn(&[Snapshot]) -> bool,
    ) -> Result<Made<T>, Error> {
        let (mut open, mut too_soon) = (0, 0);
        loop {
            let outcome = create().await;
            let error = match outcome {
                Ok(made) => return Ok(Made::Told(made)),
                Err(error) => error,
            };
            match error.kind {
                Kind::Open => open += 1,
                Kind::TooSoon => too_soon += 1,
                Kind::Throttled
                | Kind::Busy
                | Kind::Full
                | Kind::Exists
                | Kind::InUse
                | Kind::NotFound
                | Kind::Refused
                | Kind::Denied
                | Kind::Unsent => return Err(error),
            }
            let mut found = Vec::new();
            for seconds in LOOKS {
                sleep(Duration::from_secs(seconds.into())).await;
                match look().await {
                    Ok(seen) => found = seen,
                    // not to know is no reason to create again
                    Err(_) => return if found.is_empty() { Err(error) } else { Ok(Made::Found(found)) },
                }
                if is_whole(&found) {
                    return Ok(Made::Found(found));
                }
            }
            // part of a set shows that a call was carried out, this one or that of the same run, started twice
            if !found.is_empty() {
                return Ok(Made::Found(found));
            }
            if open > 1 || too_soon >= TRIES_TOO_SOON {
                return Err(error);
            }
        }
    }
}

/// What was made, as the answer names it. One that names nothing does not say what happened.
fn named<T>(action: &'static str, made: impl IntoIterator<Item = T>) -> Result<Vec<T>, Error> {
    let made: Vec<T> = made.into_iter().collect();
    if made.is_empty() {
        let message = "the answer names no snapshot".to_owned();
        return Err(Error { action, kind: Kind::Open, message });
    }
    Ok(made)
}
