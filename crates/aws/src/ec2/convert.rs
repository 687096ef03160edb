//! From the SDK's types to Snapkeeper's. What lacks its id is no answer of EC2's and is left out.

use aws_sdk_ec2::{primitives::DateTime as SdkDateTime, types};
use chrono::{DateTime, Utc};
use snapkeeper_core::{
    ids::{ImageId, SnapshotId},
    inventory::{Device, Instance, InstanceState, Snapshot, SnapshotState, Volume},
    sync::image::{Image, ImageState},
    tags::Tags,
};

pub(super) fn instance_state(state: Option<&types::InstanceState>) -> InstanceState {
    use types::InstanceStateName as Name;
    match state.and_then(types::InstanceState::name) {
        Some(Name::Pending) => InstanceState::Pending,
        Some(Name::Running) => InstanceState::Running,
        Some(Name::Stopping) => InstanceState::Stopping,
        Some(Name::Stopped) => InstanceState::Stopped,
        Some(Name::ShuttingDown) => InstanceState::ShuttingDown,
        Some(Name::Terminated) => InstanceState::Terminated,
        _ => InstanceState::Unknown,
    }
}

pub(super) fn instance(instance: &types::Instance) -> Option<Instance> {
    let devices = instance.block_device_mappings().iter().filter_map(|mapping| {
        let ebs = mapping.ebs()?;
        Some(Device {
            name: mapping.device_name().unwrap_or_default().to_owned(),
            volume: ebs.volume_id()?.into(),
            attached: ebs.attach_time().and_then(instant),
        })
    });
    Some(Instance {
        id: instance.instance_id()?.into(),
        state: instance_state(instance.state()),
        launched: instance.launch_time().and_then(instant).unwrap_or_default(),
        root_device: instance.root_device_name().map(str::to_owned),
        devices: devices.collect(),
        root_is_store: instance.root_device_type() == Some(&types::DeviceType::InstanceStore),
        is_spot: instance.instance_lifecycle() == Some(&types::InstanceLifecycleType::Spot),
        tags: tags(instance.tags()),
    })
}

pub(super) fn volume(volume: &types::Volume) -> Option<Volume> {
    Some(Volume {
        id: volume.volume_id()?.into(),
        created: volume.create_time().and_then(instant).unwrap_or_default(),
        attached_to: volume.attachments().iter().filter_map(|it| it.instance_id().map(Into::into)).collect(),
        tags: tags(volume.tags()),
    })
}

pub(super) fn snapshot(snapshot: &types::Snapshot) -> Option<Snapshot> {
    use types::SnapshotState as State;
    let state = match snapshot.state() {
        Some(State::Pending) => SnapshotState::Pending,
        Some(State::Completed) => SnapshotState::Completed,
        Some(State::Error) => SnapshotState::Error,
        Some(State::Recoverable | State::Recovering) => SnapshotState::InRecycleBin,
        _ => SnapshotState::Unknown,
    };
    Some(Snapshot {
        id: snapshot.snapshot_id()?.into(),
        volume_as_told: snapshot.volume_id().unwrap_or_default().into(),
        state,
        message: snapshot.state_message().filter(|message| !message.is_empty()).map(str::to_owned),
        started: snapshot.start_time().and_then(instant).unwrap_or_default(),
        description: snapshot.description().unwrap_or_default().to_owned(),
        archived: snapshot.storage_tier() == Some(&types::StorageTier::Archive),
        tags: tags(snapshot.tags()),
    })
}

pub(super) fn used_by_image(image: &types::Image) -> Vec<(SnapshotId, ImageId)> {
    let Some(id) = image.image_id() else { return Vec::new() };
    let snapshots = image.block_device_mappings().iter().filter_map(|mapping| mapping.ebs()?.snapshot_id());
    snapshots.map(|snapshot| (snapshot.into(), id.into())).collect()
}

pub(super) fn image(image: &types::Image) -> Option<Image> {
    let said = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let ebs = || image.block_device_mappings().iter().filter_map(|mapping| Some((mapping, mapping.ebs()?)));
    let devices = ebs().filter_map(|(mapping, ebs)| {
        Some((mapping.device_name().unwrap_or_default().to_owned(), SnapshotId::from(ebs.snapshot_id()?)))
    });
    let reason = image.state_reason();
    Some(Image {
        id: image.image_id()?.into(),
        name: image.name().unwrap_or_default().to_owned(),
        description: image.description().unwrap_or_default().to_owned(),
        owner: image.owner_id().unwrap_or_default().to_owned(),
        state: image_state(image.state()),
        message: reason.and_then(|reason| said(reason.message()).or_else(|| said(reason.code()))),
        created: image
            .creation_date()
            .and_then(|date| DateTime::parse_from_rfc3339(date).ok())
            .map(|created| created.to_utc()),
        copy_of: image
            .source_image_region()
            .and_then(|region| region.parse().ok())
            .zip(said(image.source_image_id()).map(ImageId::from)),
        devices: devices.collect(),
        encrypted: ebs().any(|(_, ebs)| ebs.encrypted() == Some(true)),
        tags: tags(image.tags()),
    })
}

fn image_state(state: Option<&types::ImageState>) -> ImageState {
    use types::ImageState as State;
    match state {
        Some(State::Available) => ImageState::Available,
        Some(State::Pending) => ImageState::Pending,
        Some(State::Failed | State::Error | State::Invalid) => ImageState::Failed,
        Some(State::Disabled) => ImageState::Disabled,
        _ => ImageState::Unknown,
    }
}

fn tags(tags: &[types::Tag]) -> Tags {
    tags.iter().filter_map(|tag| Some((tag.key()?, tag.value().unwrap_or_default()))).collect()
}

fn instant(at: &SdkDateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.secs(), at.subsec_nanos())
}
