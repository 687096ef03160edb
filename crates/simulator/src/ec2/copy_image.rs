//! `CopyImage`, which runs in the destination.

use crate::action::{Read, act};
use crate::ec2::copy::{check_room, check_up, check_wish, fate, key};
use crate::ec2::images::{check_name, name, unavailable};
use crate::ec2::snapshots::description;
use crate::ec2::tags;
use crate::model::ids::{Kind, hash};
use crate::model::image::{Image, ImageDevice, ImageSource, ImageState};
use crate::model::snapshot::{Draft, Fate, Snapshot, SnapshotState, Source, StorageTier, Work};
use crate::model::tags::{Tags, is_reserved, merged};
use crate::model::{Here, Place};
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::xml::Nodes;
use std::collections::{BTreeMap, BTreeSet};

/// Source: "Ensuring idempotency in Amazon EC2 API requests". The API model has 128 for this one call.
const LONGEST_TOKEN: usize = 64;
/// As Packer's users report it, of whatever cause.
const FAILED: &str = "Copy image failed with an internal error.";

/// What a call of `CopyImage` asks for.
#[derive(Debug)]
struct Wish {
    source: ImageSource,
    name: String,
    description: String,
    encrypted: bool,
    key: Option<String>,
    copies_tags: bool,
    image_tags: Tags,
    snapshot_tags: Tags,
}

/// An image's snapshots, by id.
type Snapshots = BTreeMap<String, Snapshot>;

pub(super) fn copy(params: &Params) -> Read {
    let [image_tags, snapshot_tags] = tags::specified_each(params, [Kind::Image, Kind::Snapshot])?;
    let wish = Wish {
        source: ImageSource {
            region: params.required("SourceRegion")?.to_owned(),
            image: Kind::Image.check(params.required("SourceImageId")?)?,
        },
        name: name(params)?,
        description: description(params)?,
        encrypted: params.flag("Encrypted")?.unwrap_or_default(),
        key: params.text("KmsKeyId").map(str::to_owned),
        copies_tags: params.flag("CopyImageTags")?.unwrap_or_default(),
        image_tags,
        snapshot_tags,
    };
    check_wish(&wish.source.region, wish.encrypted, wish.key.as_deref())?;
    let token = client_token(params)?;
    Ok(act(move |here| {
        let asked = hash(&format!("{wish:?}"));
        let known = token.as_ref().and_then(|token| here.region().copied_images.get(token).cloned());
        // whatever has become of the image since
        let id = match known {
            Some((of, id)) if of == asked => id,
            Some(_) => {
                let message = "The request uses the same client token as a previous, but non-identical request.";
                return Err(Error::new("IdempotentParameterMismatch", message));
            }
            None => begin(here, &wish)?,
        };
        if let Some(token) = token {
            here.region().copied_images.insert(token, (asked, id.clone()));
        }
        Ok(Nodes::new().text("imageId", id))
    }))
}

fn client_token(params: &Params) -> Result<Option<String>, Error> {
    let token = params.text("ClientToken");
    if let Some(wrong) = token.filter(|token| token.len() > LONGEST_TOKEN || !token.is_ascii()) {
        return Err(Error::invalid_value("ClientToken", wrong));
    }
    Ok(token.map(str::to_owned))
}

/// Begins the copy of an image, which is there when the copies of its snapshots are.
fn begin(here: &mut Here<'_>, wish: &Wish) -> Result<String, Error> {
    check_name(here, &wish.name)?;
    let (source, snapshots) = source(here, &wish.source)?;
    check_room(here, snapshots.len())?;
    let tags = merged(&own_tags(here, wish, &source), &wish.image_tags)?;
    let fails = here.world.takes_failing_image_copy();
    let id = here.world.ids.fresh(Kind::Image);
    let mut copies = Snapshots::new();
    for (of, snapshot) in snapshots {
        let draft = draft(here, wish, &id, &snapshot, fails);
        let copy = here.world.begin_snapshot(here.place, here.now, draft);
        copies.insert(of, copy);
    }
    let image = Image {
        id: id.clone(),
        owner: here.place.account.clone(),
        name: wish.name.clone(),
        description: wish.description.clone(),
        state: ImageState::Pending,
        state_message: None,
        created_at: here.now,
        devices: source.devices.iter().map(|device| copied(device, &copies)).collect(),
        source_instance: None,
        source: Some(wish.source.clone()),
        // "Launch permissions … are not copied"
        shared_with: BTreeSet::new(),
        tags,
        architecture: source.architecture,
        virtualization_type: source.virtualization_type,
        root_device: source.root_device,
    };
    here.region().images.insert(id.clone(), image);
    Ok(id)
}

/// The image to be copied and its snapshots, if the caller may read them. The codes but for that of an unknown image are
/// as users report them, and unconfirmed.
fn source(here: &mut Here<'_>, from: &ImageSource) -> Result<(Image, Snapshots), Error> {
    check_up(here, &from.region)?;
    let place = Place::new(&here.place.account, &from.region);
    let image = here.world.readable_image(&place, &from.image)?;
    if image.state != ImageState::Available {
        return Err(unavailable(&image.id));
    }
    let storage = Place::new(&image.owner, &from.region);
    let mut snapshots = Snapshots::new();
    for id in image.devices.iter().filter_map(|device| device.snapshot_id.as_ref()) {
        let is_ready =
            |one: &Snapshot| one.state == SnapshotState::Completed && one.storage_tier == StorageTier::Standard;
        let found = here.world.readable_snapshot(&storage, id).ok().filter(is_ready);
        let Some(snapshot) = found else {
            return Err(Error::new("InvalidRequest", "You do not have permission to access the storage of this ami"));
        };
        snapshots.insert(id.clone(), snapshot);
    }
    Ok((image, snapshots))
}

/// The tags of the source that come along, where that is asked for: its owner's own, and nobody else's.
fn own_tags(here: &Here<'_>, wish: &Wish, source: &Image) -> Tags {
    if !wish.copies_tags || source.owner != here.place.account {
        return Tags::new();
    }
    source.tags.clone().into_iter().filter(|(key, _)| !is_reserved(key)).collect()
}

/// A copy of a snapshot, for an image that is being copied.
fn draft(here: &mut Here<'_>, wish: &Wish, image: &str, source: &Snapshot, fails: bool) -> Draft {
    let key = key(here, wish.encrypted, wish.key.as_deref(), source);
    let ImageSource { region, image: of } = &wish.source;
    Draft {
        work: Work::Copy,
        volume_size: source.volume_size,
        // as AWS describes it
        description: format!(
            "Copied for DestinationAmi {image} from SourceAmi {of} for SourceSnapshot {}. Task created on {}.",
            source.id,
            with_commas(here.now.timestamp_millis())
        ),
        tags: wish.snapshot_tags.clone(),
        fate: if fails { Fate::Fails(FAILED.to_owned()) } else { fate(here, source, key.as_deref()) },
        kms_key_id: key,
        source: Some(Source { region: region.clone(), snapshot: source.id.clone() }),
    }
}

/// `1,795,237,200,000`.
fn with_commas(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A device with the copy of its snapshot.
fn copied(device: &ImageDevice, copies: &Snapshots) -> ImageDevice {
    let copy = device.snapshot_id.as_ref().and_then(|id| copies.get(id));
    ImageDevice {
        snapshot_id: copy.map(|copy| copy.id.clone()),
        encrypted: copy.map_or(device.encrypted, |copy| copy.encrypted),
        ..device.clone()
    }
}

#[cfg(test)]
#[path = "copy_image_tests.rs"]
mod tests;
