//! Images, and who may read them.

use crate::model::ids::{Kind, hash};
use crate::model::snapshot::{PUBLIC_OWNER, public};
use crate::model::tags::Tags;
use crate::model::{Place, World};
use crate::wire::error::Error;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// An Amazon machine image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its id.
    pub id: String,
    /// The account that owns it.
    pub owner: String,
    /// Its name, which no other image of its owner has in this region.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its state.
    pub state: ImageState,
    /// Why it is `failed`.
    pub state_message: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Its processor architecture.
    pub architecture: String,
    /// Its kind of virtualization.
    pub virtualization_type: String,
    /// The device that its instances boot from.
    pub root_device: String,
    /// Its devices, each with the snapshot that it is made from.
    pub devices: Vec<ImageDevice>,
    /// The instance that it was made of.
    pub source_instance: Option<String>,
    /// The image that it was copied from, or from which the instance was started that it was made of.
    pub source: Option<ImageSource>,
    /// The other accounts that may use it, and read its snapshots.
    pub shared_with: BTreeSet<String>,
    /// Its tags.
    pub tags: Tags,
}

/// The image that another came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSource {
    /// Its region.
    pub region: String,
    /// Its id.
    pub image: String,
}

impl Image {
    /// Whether everyone may use it.
    pub(crate) fn is_public(&self) -> bool {
        self.owner == PUBLIC_OWNER
    }

    /// Whether it is made from this snapshot.
    pub fn uses(&self, snapshot: &str) -> bool {
        self.devices.iter().any(|device| device.snapshot_id.as_deref() == Some(snapshot))
    }
}

/// A device of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDevice {
    /// Its name, such as `/dev/xvda`.
    pub name: String,
    /// The snapshot that it is made from; an empty volume if `None`.
    pub snapshot_id: Option<String>,
    /// Its size in GiB.
    pub size: u32,
    /// Its volume type.
    pub volume_type: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// Whether its volume goes when the instance does.
    pub delete_on_termination: bool,
}

/// The state of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageState {
    /// Its snapshots are being made.
    Pending,
    /// It can be used.
    Available,
    /// It cannot be used, and is listed only on demand. It still holds its snapshots.
    Disabled,
    /// One of its snapshots could not be made.
    Failed,
}

impl ImageState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ImageState::Pending => "pending",
            ImageState::Available => "available",
            ImageState::Disabled => "disabled",
            ImageState::Failed => "failed",
        }
    }
}

impl World {
    /// An image that an account may read in a region: one of its own, one that is shared with it, or the public one.
    pub(crate) fn readable_image(&self, place: &Place, id: &str) -> Result<Image, Error> {
        let own = self.regions.get(place).and_then(|region| region.images.get(id));
        let found = own.or_else(|| self.shared_images(place).find(|image| image.id == id)).cloned();
        let found = found.or_else(|| Some(public_image(&place.region)).filter(|image| image.id == id));
        found.ok_or_else(|| Kind::Image.not_found(id))
    }

    /// The images of other accounts in a region that are shared with an account. A disabled one is its owner's alone.
    pub(crate) fn shared_images<'a>(&'a self, place: &'a Place) -> impl Iterator<Item = &'a Image> {
        self.regions
            .iter()
            .filter(move |(of, _)| of.region == place.region && of.account != place.account)
            .flat_map(|(_, region)| region.images.values())
            .filter(move |image| image.shared_with.contains(&place.account) && image.state != ImageState::Disabled)
    }

    /// Whether the next copy of an image is to fail, one of those that were asked to being used up.
    pub(crate) fn takes_failing_image_copy(&mut self) -> bool {
        let fails = self.failing_image_copies > 0;
        self.failing_image_copies = self.failing_image_copies.saturating_sub(1);
        fails
    }
}

/// Someone else's image, which every region lists to whoever does not ask for their own only. Everyone can read and copy
/// it, since its snapshot is public too.
pub(crate) fn public_image(region: &str) -> Image {
    let snapshot = public(region).into_iter().next();
    Image {
        id: format!("ami-0{:016x}", hash(&format!("public image {region}"))),
        owner: PUBLIC_OWNER.to_owned(),
        name: "public-image-1".to_owned(),
        description: "Public image 1".to_owned(),
        state: ImageState::Available,
        state_message: None,
        created_at: snapshot.as_ref().map(|snapshot| snapshot.start_time).unwrap_or_default(),
        architecture: "x86_64".to_owned(),
        virtualization_type: "hvm".to_owned(),
        root_device: "/dev/xvda".to_owned(),
        devices: vec![ImageDevice {
            name: "/dev/xvda".to_owned(),
            snapshot_id: snapshot.map(|snapshot| snapshot.id),
            size: 8,
            volume_type: "gp3".to_owned(),
            encrypted: false,
            delete_on_termination: true,
        }],
        source_instance: None,
        source: None,
        shared_with: BTreeSet::new(),
        // one account never sees another's tags
        tags: Tags::new(),
    }
}
