//! Block device mappings, and the volumes that are made from them.

use crate::model::Here;
use crate::model::ids::Kind;
use crate::model::keys::{self, DEFAULT_KEY};
use crate::model::snapshot::SnapshotState;
use crate::model::tags::Tags;
use crate::model::volume::{Volume, check_type};
use crate::wire::error::Error;
use crate::wire::request::Params;

/// A device that a caller asks for.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) device: String,
    pub(super) volume: VolumeWish,
    pub(super) delete_on_termination: Option<bool>,
}

/// A volume that a caller asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct VolumeWish {
    pub(super) size: Option<u32>,
    pub(super) volume_type: Option<String>,
    pub(super) iops: Option<u32>,
    pub(super) encrypted: Option<bool>,
    pub(super) kms_key: Option<String>,
    pub(super) snapshot_id: Option<String>,
    pub(super) multi_attach: bool,
}

/// Reads `BlockDeviceMapping.N`.
pub(super) fn mappings(params: &Params) -> Result<Vec<Mapping>, Error> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for member in params.members("BlockDeviceMapping") {
        let ebs = format!("{member}.Ebs.");
        let mapping = Mapping {
            device: params.required(&format!("{member}.DeviceName"))?.to_owned(),
            volume: VolumeWish::read(params, &ebs, "VolumeSize")?,
            delete_on_termination: params.flag(&format!("{ebs}DeleteOnTermination"))?,
        };
        if mappings.iter().any(|other| other.device == mapping.device) {
            let message = format!("The device '{}' is used in more than one block-device mapping", mapping.device);
            return Err(Error::new("InvalidBlockDeviceMapping", message));
        }
        mappings.push(mapping);
    }
    Ok(mappings)
}

impl VolumeWish {
    /// Reads the parameters that `CreateVolume` and block device mappings share; only the size has two names.
    pub(super) fn read(params: &Params, prefix: &str, size: &str) -> Result<VolumeWish, Error> {
        let name = |name: &str| format!("{prefix}{name}");
        let snapshot_id = params.text(&name("SnapshotId")).map(|id| Kind::Snapshot.check(id)).transpose()?;
        Ok(VolumeWish {
            size: params.parsed(&name(size))?,
            volume_type: params.text(&name("VolumeType")).map(str::to_owned),
            iops: params.parsed(&name("Iops"))?,
            encrypted: params.flag(&name("Encrypted"))?,
            kms_key: params.text(&name("KmsKeyId")).map(str::to_owned),
            snapshot_id,
            multi_attach: false,
        })
    }

    /// The volume that would come of it, which is not put into the region yet: so that a call for several makes all of
    /// them or none.
    pub(super) fn draft(&self, here: &mut Here<'_>, zone: &str, tags: &Tags) -> Result<Volume, Error> {
        let source = match &self.snapshot_id {
            Some(id) => Some(here.readable_snapshot(id)?),
            None => None,
        };
        if source.as_ref().is_some_and(|source| source.state != SnapshotState::Completed) {
            return Err(Error::new("IncorrectState", "The snapshot is not completed."));
        }
        let least = source.as_ref().map(|source| source.volume_size);
        let Some(size) = self.size.or(least) else {
            return Err(Error::missing("size/snapshot"));
        };
        if least.is_some_and(|least| size < least) {
            return Err(Error::new("InvalidBlockDeviceMapping", "Volume is smaller than its snapshot."));
        }
        let volume_type = self.volume_type.as_deref().unwrap_or("gp3");
        check_type(volume_type, size)?;
        if self.multi_attach && !matches!(volume_type, "io1" | "io2") {
            return Err(Error::invalid(format!(
                "MultiAttachEnabled is not supported for volume type '{volume_type}'."
            )));
        }
        let kms_key_id = self.key(here, source.and_then(|source| source.kms_key_id))?;
        Ok(Volume {
            id: here.world.ids.fresh(Kind::Volume),
            size,
            volume_type: volume_type.to_owned(),
            iops: self.iops,
            encrypted: kms_key_id.is_some(),
            kms_key_id,
            multi_attach: self.multi_attach,
            availability_zone: zone.to_owned(),
            snapshot_id: self.snapshot_id.clone(),
            created_at: here.now,
            attachments: Vec::new(),
            tags: tags.clone(),
            last_snapshot_at: None,
        })
    }

    /// The ARN of the key that the volume is encrypted with: the one asked for, else that of the snapshot, else EBS's.
    fn key(&self, here: &mut Here<'_>, of_snapshot: Option<String>) -> Result<Option<String>, Error> {
        let encrypted = self.encrypted == Some(true);
        let Some(name) = &self.kms_key else {
            let default = encrypted.then(|| keys::arn(here.place, DEFAULT_KEY));
            return Ok(of_snapshot.or(default));
        };
        if !encrypted {
            return Err(Error::new(
                "InvalidParameterDependency",
                "The parameter KmsKeyId requires the parameter Encrypted to be set.",
            ));
        }
        let place = here.place;
        let key = keys::arn(place, name);
        // real AWS accepts the call and loses the volume a little later
        if here.region().can_use_key(place, &key) {
            Ok(Some(key))
        } else {
            Err(Error::invalid(format!("Given key ID {name} is not accessible")))
        }
    }
}
