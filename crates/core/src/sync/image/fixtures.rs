//! Images, made up for tests.

use chrono::TimeDelta;

use super::{Image, ImageState};
use crate::{
    fixtures::{HOME, at, region},
    ids::SnapshotId,
    tags::{self, Tags},
};

/// An available image of an account of its own, made on that day, with a root device and its snapshot.
pub(crate) fn image(id: &str, name: &str, day: &str) -> Image {
    Image {
        id: id.into(),
        name: name.to_owned(),
        description: "what a stack starts from".to_owned(),
        owner: "111111111111".to_owned(),
        state: ImageState::Available,
        message: None,
        created: Some(at(&format!("{day}T05:00:00Z"))),
        copy_of: None,
        devices: vec![("/dev/xvda".to_owned(), SnapshotId::from(id.replace("ami", "snap")))],
        encrypted: false,
        tags: Tags::default(),
    }
}

impl Image {
    /// With this tag.
    pub(crate) fn tagged(mut self, key: &str, value: &str) -> Self {
        self.tags.set(key, value);
        self
    }

    /// Without this tag.
    pub(crate) fn untagged(mut self, key: &str) -> Self {
        self.tags = self.tags.iter().filter(|(other, _)| *other != key).collect();
        self
    }

    /// In this state.
    pub(crate) fn in_state(mut self, state: ImageState) -> Self {
        self.state = state;
        self
    }
}

/// The copy that sync made of an image of `us-east-1`, on the day after.
pub(crate) fn copy_of(source: &Image, id: &str) -> Image {
    let devices =
        source.devices.iter().map(|(device, _)| (device.clone(), SnapshotId::from(id.replace("ami", "snap"))));
    Image {
        id: id.into(),
        created: source.created.map(|created| created + TimeDelta::days(1)),
        copy_of: Some((region(HOME), source.id.clone())),
        devices: devices.collect(),
        ..source.clone()
    }
    .tagged(tags::SYNC_MADE, "Yes")
    .tagged("Sync-From-us-east-1", &format!("20261120060000+0000 / {}", source.id))
}
