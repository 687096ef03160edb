//! What each action asks of the caller's policy: on which resources, with which condition keys.
//!
//! Source, where nothing else is said: Service Authorization Reference, "Actions, resources, and condition keys for
//! Amazon EC2". Its keys are per action and resource: a tag that a call writes is no key of a volume that it reads. Not
//! all of them are here, only those that a policy is allowed to name. `aws:ResourceAccount` is left out: IAM excepts
//! actions of EC2 from it, and which ones is unconfirmed.

use crate::action::is_describe;
use crate::ec2::tags;
use crate::iam::ask::Ask;
use crate::model::ids::Kind;
use crate::model::launch_template::{LaunchTemplate, LaunchTemplateVersion};
use crate::model::parameter;
use crate::model::snapshot::{PUBLIC_OWNER, PUBLIC_OWNER_ALIAS};
use crate::model::tags::{Tags, is_reserved};
use crate::model::{Here, Place};
use crate::wire::error::Error;
use crate::wire::request::Params;

pub(crate) fn asks(action: &str, params: &Params, here: &mut Here<'_>) -> Result<Vec<Ask>, Error> {
    let asks = match action {
        "CreateSnapshot" => of_snapshot(params, here)?,
        "CreateSnapshots" => of_set(params, here)?,
        "CopySnapshot" => of_copy(params, here)?,
        "CopyImage" => of_image_copy(params, here)?,
        "DescribeLaunchTemplateVersions" => of_template_versions(action, params, here)?,
        "CreateTags" | "DeleteTags" => of_tags(action, params, here)?,
        "DeleteSnapshot" | "LockSnapshot" | "UnlockSnapshot" | "DisableImage" | "DeregisterImage"
        | "StartInstances" | "StopInstances" | "TerminateInstances" | "AttachVolume" | "DetachVolume"
        | "DeleteVolume" => of_named(action, params, here),
        describe if is_describe(describe) => vec![Ask::new(format!("ec2:{describe}"), "*")],
        // of what no one with a policy has needed yet
        other => {
            let message = format!("The simulator does not know what {other} asks of the caller's policy.");
            return Err(Error::new("UnauthorizedOperation", message));
        }
    };
    Ok(asks.into_iter().map(|ask| ask.with("ec2:Region", &here.place.region)).collect())
}

fn of_snapshot(params: &Params, here: &mut Here<'_>) -> Result<Vec<Ask>, Error> {
    let (action, tags) = ("CreateSnapshot", tags::specified(params, Kind::Snapshot)?);
    let volume = params.required("VolumeId")?;
    let mut asks = vec![existing(action, volume, here), made_of(action, volume, here.place, &tags)];
    asks.extend(tagging(action, here.place, Kind::Snapshot, &tags));
    Ok(asks)
}

fn of_set(params: &Params, here: &mut Here<'_>) -> Result<Vec<Ask>, Error> {
    let (action, tags) = ("CreateSnapshots", tags::specified(params, Kind::Snapshot)?);
    let id = params.required("InstanceSpecification.InstanceId")?;
    let excluded = params.list("InstanceSpecification.ExcludeDataVolumeId");
    let exclude_boot = params.flag("InstanceSpecification.ExcludeBootVolume")?.unwrap_or_default();
    let mut volumes: Vec<String> = Vec::new();
    if let Ok(instance) = here.region().instance(id) {
        let boot = instance.root_volume().filter(|_| exclude_boot);
        let is_chosen = |volume: &&String| boot != Some(volume.as_str()) && !excluded.contains(&volume.as_str());
        volumes.extend(instance.devices.values().filter(is_chosen).cloned());
    }
    let mut asks = vec![existing(action, id, here)];
    for volume in &volumes {
        asks.push(existing(action, volume, here));
        asks.push(made_of(action, volume, here.place, &tags));
    }
    asks.extend(tagging(action, here.place, Kind::Snapshot, &tags));
    Ok(asks)
}

/// A copy is asked for in its destination, and asks there for the source as well.
///
/// AWS's words ("Identity-based policy examples for Amazon EBS"; "Enhancing resource-level permissions for copying
/// Amazon EBS snapshots"): the new snapshot is `snapshot/${*}`, the source `snapshot/snap-*`, and the tags of the
/// request are of the new one only. The rest is our reading, and unconfirmed: that the source's ARN has the source's
/// region, that `ec2:Owner` is a key of the source only, and that the source has no `aws:ResourceTag/…`, which is not
/// listed.
fn of_copy(params: &Params, here: &mut Here<'_>) -> Result<Vec<Ask>, Error> {
    let tags = tags::specified(params, Kind::Snapshot)?;
    let from = Place::new(&here.place.account, params.required("SourceRegion")?);
    let id = params.required("SourceSnapshotId")?;
    let source = Ask::new("ec2:CopySnapshot", arn(&from, Kind::Snapshot, id));
    let source = match here.world.readable_snapshot(&from, id) {
        Ok(snapshot) => source.with("ec2:Owner", owner(&snapshot.owner)),
        Err(_) => source.of_nothing(),
    };
    let mut asks = vec![source, made("CopySnapshot", here.place, Kind::Snapshot, &tags)];
    asks.extend(tagging("CopySnapshot", here.place, Kind::Snapshot, &tags));
    Ok(asks)
}

/// The copy of an image is asked for in its destination as well: for the source, for the image and for the snapshots that
/// are made.
///
/// AWS's words ("Grant permissions to copy Amazon EC2 AMIs"): `ec2:CopyImage` "also grants permission to copy the AMI's
/// backing snapshots", so that `ec2:CopySnapshot` is not asked for, and since October 2024 source and snapshots can be
/// named; `ec2:CreateTags` tags both. As with snapshots it is our reading, and unconfirmed, that what is made is `*`,
/// that the source's ARN has the source's region, and that `ec2:Owner` is a key of the source only; and that tags which
/// `CopyImageTags` takes along are asked for as if they had been specified.
fn of_image_copy(params: &Params, here: &mut Here<'_>) -> Result<Vec<Ask>, Error> {
    let action = "CopyImage";
    let [image_tags, snapshot_tags] = tags::specified_each(params, [Kind::Image, Kind::Snapshot])?;
    let from = Place::new(&here.place.account, params.required("SourceRegion")?);
    let id = params.required("SourceImageId")?;
    let source = Ask::new(format!("ec2:{action}"), arn(&from, Kind::Image, id));
    let found = here.world.readable_image(&from, id).ok();
    let source = match &found {
        Some(image) => source.with("ec2:Owner", owner(&image.owner)),
        None => source.of_nothing(),
    };
    let mut asks = vec![source];
    asks.push(made(action, here.place, Kind::Image, &image_tags));
    asks.push(made(action, here.place, Kind::Snapshot, &snapshot_tags));
    let mut written = image_tags;
    if params.flag("CopyImageTags")?.unwrap_or_default()
        && let Some(image) = found.filter(|image| image.owner == here.place.account)
    {
        for (key, value) in image.tags.into_iter().filter(|(key, _)| !is_reserved(key)) {
            written.entry(key).or_insert(value);
        }
    }
    asks.extend(tagging(action, here.place, Kind::Image, &written));
    asks.extend(tagging(action, here.place, Kind::Snapshot, &snapshot_tags));
    Ok(asks)
}

/// A list of versions asks for the parameters of Systems Manager that stand in their images' place, where those are to be
/// told instead. That it is for each of them, by its ARN, is our reading, and unconfirmed.
fn of_template_versions(action: &str, params: &Params, here: &mut Here<'_>) -> Result<Vec<Ask>, Error> {
    let mut asks = vec![Ask::new(format!("ec2:{action}"), "*")];
    if params.flag("ResolveAlias")?.unwrap_or_default() {
        let (id, name) = (params.text("LaunchTemplateId"), params.text("LaunchTemplateName"));
        let is_meant = |template: &&LaunchTemplate| {
            id.is_none_or(|id| template.id == id) && name.is_none_or(|name| template.name == name)
        };
        let place = here.place;
        let versions = here.region().launch_templates.values().filter(is_meant).flat_map(|one| &one.versions);
        let named = versions.filter_map(LaunchTemplateVersion::parameter);
        asks.extend(named.map(|name| Ask::new("ssm:GetParameters", parameter::arn(place, name))));
    }
    Ok(asks)
}

/// Whether the caller's policy lets a snapshot be deleted together with its image.
pub(super) fn may_delete(here: &mut Here<'_>, snapshot: &str) -> bool {
    let Some(policy) = here.policy else { return true };
    let place = here.place;
    let ask = existing("DeleteSnapshot", snapshot, here).with("ec2:Region", &place.region).called_in(place);
    policy.check(&ask).is_ok()
}

/// Tags on what is there have no `ec2:CreateAction`.
fn of_tags(action: &str, params: &Params, here: &mut Here<'_>) -> Result<Vec<Ask>, Error> {
    // unconfirmed: what value a deletion has that names a key alone; here an empty one
    let tags = tags::named(params)?;
    let ids = params.list("ResourceId");
    Ok(ids.into_iter().map(|id| existing(action, id, here).with_request_tags(&tags)).collect())
}

/// An action on what it names, each by itself.
fn of_named(action: &str, params: &Params, here: &mut Here<'_>) -> Vec<Ask> {
    let single = ["SnapshotId", "ImageId", "VolumeId", "InstanceId"].into_iter().filter_map(|name| params.text(name));
    let ids: Vec<&str> = single.chain(params.list("InstanceId")).collect();
    ids.into_iter().map(|id| existing(action, id, here)).collect()
}

/// An action on something that is there, with the tags that it has now.
fn existing(action: &str, id: &str, here: &mut Here<'_>) -> Ask {
    let action = format!("ec2:{action}");
    let Some(kind) = Kind::of(id) else { return Ask::new(action, "*").of_nothing() };
    let ask = Ask::new(action, arn(here.place, kind, id));
    match kind {
        Kind::Snapshot => match here.readable_snapshot(id) {
            Ok(snapshot) => ask
                .with_resource_tags(&snapshot.tags)
                .with("ec2:Owner", owner(&snapshot.owner))
                .with("ec2:ParentVolume", &arn(here.place, Kind::Volume, &snapshot.volume_id)),
            Err(_) => ask.of_nothing(),
        },
        Kind::Image => match here.region().image(id) {
            Ok(image) => ask.with_resource_tags(&image.tags).with("ec2:Owner", owner(&image.owner)),
            Err(_) => ask.of_nothing(),
        },
        Kind::Instance | Kind::Volume | Kind::LaunchTemplate => match here.region().tags(id) {
            Ok(tags) => ask.with_resource_tags(tags),
            Err(_) => ask.of_nothing(),
        },
    }
}

/// A snapshot or an image that is to be made: its id is not known yet, and a literal `*` stands for it. AWS says so of
/// copies of snapshots; that it is so of all that is made, and of the tags that it is made with, is our reading, and
/// unconfirmed.
fn made(action: &str, place: &Place, kind: Kind, tags: &Tags) -> Ask {
    Ask::new(format!("ec2:{action}"), arn(place, kind, "*")).with_request_tags(tags)
}

fn made_of(action: &str, volume: &str, place: &Place, tags: &Tags) -> Ask {
    made(action, place, Kind::Snapshot, tags).with("ec2:ParentVolume", &arn(place, Kind::Volume, volume))
}

/// The tags with which something is made ask for more: "Grant permission to tag Amazon EC2 resources during creation".
///
/// Unconfirmed: whether tags that `CopyTagsFromSource` takes along ask for anything. Here they do not.
fn tagging(action: &str, place: &Place, kind: Kind, tags: &Tags) -> Option<Ask> {
    (!tags.is_empty()).then(|| made("CreateTags", place, kind, tags).with("ec2:CreateAction", action))
}

/// The ARN of a resource. Snapshots and images have no account in theirs.
fn arn(place: &Place, kind: Kind, id: &str) -> String {
    let account = match kind {
        Kind::Instance | Kind::Volume | Kind::LaunchTemplate => place.account.as_str(),
        Kind::Snapshot | Kind::Image => "",
    };
    format!("arn:aws:ec2:{}:{account}:{}/{id}", place.region, tags::resource_type(kind))
}

/// The value of `ec2:Owner`: "amazon, aws-marketplace, or an AWS account ID".
fn owner(account: &str) -> &str {
    if account == PUBLIC_OWNER { PUBLIC_OWNER_ALIAS } else { account }
}
