//! `CopySnapshot`, which runs in the destination.

use crate::action::{Read, act};
use crate::ec2::snapshots::{check_quota, description};
use crate::ec2::{key_rights, tags};
use crate::model::ids::Kind;
use crate::model::keys::{self, DEFAULT_KEY};
use crate::model::region::KEY_NOT_ACCESSIBLE;
use crate::model::snapshot::{Draft, Fate, Snapshot, SnapshotState, Source, StorageTier, Work};
use crate::model::tags::{Tags, tag_set};
use crate::model::{Here, Place, REGIONS};
use crate::wire::error::Error;
use crate::wire::request::{Params, Request, Scope};
use crate::wire::xml::Nodes;

/// What a call of `CopySnapshot` asks for.
struct Wish {
    source: Source,
    description: String,
    tags: Tags,
    encrypted: bool,
    key: Option<String>,
    destination: Option<String>,
    presigned_url: Option<String>,
}

pub(super) fn copy(params: &Params) -> Read {
    let copy = Wish {
        source: Source {
            region: params.required("SourceRegion")?.to_owned(),
            snapshot: Kind::Snapshot.check(params.required("SourceSnapshotId")?)?,
        },
        description: description(params)?,
        tags: tags::specified(params, Kind::Snapshot)?,
        encrypted: params.flag("Encrypted")?.unwrap_or_default(),
        key: params.text("KmsKeyId").map(str::to_owned),
        destination: params.text("DestinationRegion").map(str::to_owned),
        presigned_url: params.text("PresignedUrl").map(str::to_owned),
    };
    check_wish(&copy.source.region, copy.encrypted, copy.key.as_deref())?;
    Ok(act(move |here| {
        check_addresses(here, &copy)?;
        let source = source(here, &copy)?;
        check_room(here, 1)?;
        let key = key(here, copy.encrypted, copy.key.as_deref(), &source);
        let draft = Draft {
            work: Work::Copy,
            volume_size: source.volume_size,
            fate: fate(here, &source, key.as_deref()),
            description: copy.description,
            tags: copy.tags,
            kms_key_id: key,
            source: Some(copy.source),
        };
        let made = here.world.begin_snapshot(here.place, here.now, draft);
        Ok(Nodes::new().text("snapshotId", &made.id).and(tag_set(&made.tags)))
    }))
}

/// Refuses a source that is no region, and a key where nothing is to be encrypted.
pub(super) fn check_wish(source: &str, encrypted: bool, key: Option<&str>) -> Result<(), Error> {
    if !REGIONS.contains(&source) {
        return Err(Error::invalid(format!("Invalid source region: {source}")));
    }
    if key.is_some() && !encrypted {
        return Err(Error::new(
            "InvalidParameterDependency",
            "The parameter KmsKeyId requires the parameter Encrypted to be set.",
        ));
    }
    Ok(())
}

/// Refuses more copies into this region than may be in progress, and more snapshots than it may hold.
pub(super) fn check_room(here: &mut Here<'_>, more: usize) -> Result<(), Error> {
    let most = here.world.copies_at_once;
    if here.region().under_way.copies() + more > most {
        let message = format!("The number of in-progress copies into this region is limited to {most}.");
        return Err(Error::new("ResourceLimitExceeded", message));
    }
    check_quota(here, more)
}

/// Refuses to copy from a region that does not answer.
pub(super) fn check_up(here: &Here<'_>, region: &str) -> Result<(), Error> {
    if here.world.down.contains(region) {
        return Err(Error::new("Unavailable", format!("The source region {region} does not answer.")));
    }
    Ok(())
}

/// Refuses a destination or a presigned URL that says something else than the call does.
fn check_addresses(here: &Here<'_>, copy: &Wish) -> Result<(), Error> {
    let here_region = here.place.region.as_str();
    if copy.destination.as_deref().is_some_and(|destination| destination != here_region) {
        return Err(Error::invalid("DestinationRegion is not the region that was called."));
    }
    let Some(url) = &copy.presigned_url else { return Ok(()) };
    let refused = |what: &str| Err(Error::invalid(format!("Value for parameter PresignedUrl is invalid: {what}.")));
    let Some((_, query)) = url.split_once('?') else { return refused("no query") };
    let request = Request::parse(None, Some(query), b"");
    let expected = [
        ("Action", "CopySnapshot"),
        ("SourceRegion", copy.source.region.as_str()),
        ("SourceSnapshotId", copy.source.snapshot.as_str()),
        ("DestinationRegion", here_region),
    ];
    for (name, value) in expected {
        if request.get(name) != Some(value) {
            return refused(name);
        }
    }
    // it is the source region that reads it, so it must be signed for that
    let scope = request.get("X-Amz-Credential").and_then(Scope::of_credential);
    if !scope.is_some_and(|scope| scope.region == copy.source.region && scope.service == "ec2") {
        return refused("X-Amz-Credential");
    }
    if request.get("X-Amz-Signature").is_none_or(str::is_empty) {
        return refused("X-Amz-Signature");
    }
    Ok(())
}

/// The snapshot to be copied, if it can be.
fn source(here: &mut Here<'_>, copy: &Wish) -> Result<Snapshot, Error> {
    let Source { region, snapshot: id } = &copy.source;
    check_up(here, region)?;
    let place = Place::new(&here.place.account, region);
    let source = here.world.readable_snapshot(&place, id)?;
    if source.state != SnapshotState::Completed {
        return Err(Error::new("IncorrectState", format!("The snapshot {id} is not completed.")));
    }
    if source.storage_tier == StorageTier::Archive {
        return Err(Error::new("IncorrectState", format!("The snapshot {id} is archived.")));
    }
    if source.encrypted && copy.presigned_url.is_none() {
        // as the API reference has it; whether AWS still insists is unconfirmed
        return Err(Error::invalid("PresignedUrl is required for an encrypted source snapshot."));
    }
    Ok(source)
}

/// The ARN of the key that the copy is encrypted with. A copy of an encrypted snapshot is always encrypted.
pub(super) fn key(here: &Here<'_>, encrypted: bool, name: Option<&str>, source: &Snapshot) -> Option<String> {
    (encrypted || source.encrypted).then(|| keys::arn(here.place, name.unwrap_or(DEFAULT_KEY)))
}

/// AWS looks at the keys, and at what the caller may do with them, only after it has accepted the call.
pub(super) fn fate(here: &mut Here<'_>, source: &Snapshot, key: Option<&str>) -> Fate {
    let place = here.place;
    let is_usable = key.is_none_or(|key| here.region().can_use_key(place, key));
    // another account's key must be shared
    let is_own = source.owner == place.account;
    let of_source = source.kms_key_id.as_deref().filter(|_| !is_own);
    let is_readable = of_source.is_none_or(|key| here.world.may_use_key(&place.account, key));
    if is_usable && is_readable && key_rights::may_copy(here, source.kms_key_id.as_deref(), key) {
        return Fate::Completes;
    }
    Fate::Fails(KEY_NOT_ACCESSIBLE.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::testing::{ACCOUNT, Look as _, Reply, call, simulator, simulator_with, snapshot, volume_with};
    use crate::{Simulator, Snapshot, SnapshotState};
    use std::time::Duration;

    const TO: &str = "us-west-2";

    fn copy(sim: &Simulator, source: &str, more: &[(&str, &str)]) -> Reply {
        let params = [[("SourceRegion", "us-east-1"), ("SourceSnapshotId", source)].as_slice(), more].concat();
        call(sim, TO, "CopySnapshot", &params)
    }

    fn copies(sim: &Simulator) -> Vec<Snapshot> {
        sim.snapshots(ACCOUNT, TO)
    }

    fn encrypted_snapshot(sim: &Simulator) -> String {
        let volume = volume_with(sim, "us-east-1", &[("Encrypted", "true")]);
        let id = call(sim, "us-east-1", "CreateSnapshot", &[("VolumeId", &volume)]).ok().first("snapshotId");
        sim.skip(Duration::from_mins(1));
        id
    }

    fn presigned(source: &str, signed_for: &str) -> String {
        format!(
            "https://ec2.us-east-1.amazonaws.com/?Action=CopySnapshot&Version=2016-11-15&SourceRegion=us-east-1\
             &SourceSnapshotId={source}&DestinationRegion={TO}&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKID%2F20261121%2F{signed_for}%2Fec2%2Faws4_request&X-Amz-Signature=00"
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_copy_has_its_own_volume_start_and_tags() {
        let sim = simulator();
        let source = snapshot(&sim, "us-east-1");
        let tags = [("ResourceId.1", source.as_str()), ("Tag.1.Key", "Name")];
        call(&sim, "us-east-1", "CreateTags", &tags).ok();
        copy(&sim, &source, &[("Description", "a copy")]).ok();
        let copied = copies(&sim).remove(0);
        assert_eq!((copied.volume_id.as_str(), copied.start_time, copied.tags.len()), ("vol-ffffffff", sim.now(), 0));
        assert_eq!(copied.source.map(|from| from.snapshot), Some(source));
        sim.skip(Duration::from_secs(299));
        assert_eq!(copies(&sim)[0].state, SnapshotState::Pending);
        sim.skip(Duration::from_secs(1));
        assert_eq!(copies(&sim)[0].state, SnapshotState::Completed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_must_be_there_and_completed() {
        let sim = simulator();
        assert_eq!(copy(&sim, "snap-00000000", &[]).code(), "InvalidSnapshot.NotFound");
        let volume = volume_with(&sim, "us-east-1", &[]);
        let id = call(&sim, "us-east-1", "CreateSnapshot", &[("VolumeId", &volume)]).ok().first("snapshotId");
        assert_eq!(copy(&sim, &id, &[]).code(), "IncorrectState");
        sim.skip(Duration::from_mins(1));
        sim.archive(ACCOUNT, "us-east-1", &id);
        assert_eq!(copy(&sim, &id, &[]).code(), "IncorrectState");
    }

    #[tokio::test(start_paused = true)]
    async fn twenty_copies_run_at_once() {
        let sim = simulator();
        let source = snapshot(&sim, "us-east-1");
        for _ in 0..20 {
            copy(&sim, &source, &[]).ok();
        }
        assert_eq!(copy(&sim, &source, &[]).code(), "ResourceLimitExceeded");
        sim.skip(Duration::from_mins(5));
        copy(&sim, &source, &[]).ok();
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_copies_run_at_once_as_are_set() {
        let sim = simulator_with(|config| config.copies_at_once = 1);
        let source = snapshot(&sim, "us-east-1");
        copy(&sim, &source, &[]).ok();
        assert_eq!(copy(&sim, &source, &[]).code(), "ResourceLimitExceeded");
    }

    #[tokio::test(start_paused = true)]
    async fn a_copy_stays_pending_as_long_as_was_set_when_it_was_begun() {
        let sim = simulator();
        let source = snapshot(&sim, "us-east-1");
        let begin = |time: Duration| {
            sim.set_copy_time(time);
            copy(&sim, &source, &[]).ok().first("snapshotId")
        };
        let (stuck, quick) = (begin(Duration::from_hours(24 * 21)), begin(Duration::from_secs(10)));
        sim.skip(Duration::from_hours(24 * 20));
        let state = |id: &str| copies(&sim).into_iter().find(|one| one.id == id).map(|one| one.state);
        assert_eq!(state(&quick), Some(SnapshotState::Completed));
        assert_eq!(state(&stuck), Some(SnapshotState::Pending));
        sim.hurry(ACCOUNT, TO);
        assert_eq!(state(&stuck), Some(SnapshotState::Completed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_looked_at_only_after_the_call() {
        let sim = simulator();
        let source = snapshot(&sim, "us-east-1");
        sim.create_key(ACCOUNT, TO, "alias/backup");
        let with =
            |key: &str| copy(&sim, &source, &[("Encrypted", "true"), ("KmsKeyId", key)]).ok().first("snapshotId");
        let expected = [
            (with("alias/backup"), SnapshotState::Completed),
            (with("alias/aws/ebs"), SnapshotState::Completed),
            (with("alias/unknown"), SnapshotState::Error),
        ];
        sim.skip(Duration::from_mins(5));
        for (id, state) in expected {
            let copied = copies(&sim).into_iter().find(|one| one.id == id).unwrap();
            assert_eq!(copied.state, state);
            let message = (state == SnapshotState::Error).then_some("Given key ID is not accessible");
            assert_eq!(copied.state_message.as_deref(), message);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_copy_fails_when_its_key_is_disabled_on_the_way() {
        let sim = simulator();
        let source = snapshot(&sim, "us-east-1");
        sim.create_key(ACCOUNT, TO, "alias/backup");
        copy(&sim, &source, &[("Encrypted", "true"), ("KmsKeyId", "alias/backup")]).ok();
        sim.disable_key(ACCOUNT, TO, "alias/backup");
        sim.skip(Duration::from_mins(5));
        assert_eq!(copies(&sim)[0].state, SnapshotState::Error);
        sim.create_key(ACCOUNT, TO, "alias/backup");
        let id = copy(&sim, &source, &[("Encrypted", "true"), ("KmsKeyId", "alias/backup")]).ok().first("snapshotId");
        sim.skip(Duration::from_mins(5));
        let again = copies(&sim).into_iter().find(|one| one.id == id).map(|one| one.state);
        assert_eq!(again, Some(SnapshotState::Completed), "enabled again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_alone_does_not_encrypt() {
        let sim = simulator();
        let source = snapshot(&sim, "us-east-1");
        assert_eq!(copy(&sim, &source, &[("KmsKeyId", "alias/aws/ebs")]).code(), "InvalidParameterDependency");
    }

    #[tokio::test(start_paused = true)]
    async fn an_encrypted_source_wants_a_presigned_url_and_stays_encrypted() {
        let sim = simulator();
        let source = encrypted_snapshot(&sim);
        assert_eq!(copy(&sim, &source, &[]).code(), "InvalidParameterValue");
        copy(&sim, &source, &[("Encrypted", "false"), ("PresignedUrl", &presigned(&source, "us-east-1"))]).ok();
        assert!(copies(&sim)[0].encrypted);
    }

    #[tokio::test(start_paused = true)]
    async fn a_presigned_url_must_say_what_the_call_says() {
        let sim = simulator();
        let source = snapshot(&sim, "us-east-1");
        for url in [presigned("snap-00000000", "us-east-1"), presigned(&source, TO), "https://example.com".to_owned()] {
            assert_eq!(copy(&sim, &source, &[("PresignedUrl", &url)]).code(), "InvalidParameterValue", "{url}");
        }
        assert_eq!(copy(&sim, &source, &[("DestinationRegion", "eu-west-1")]).code(), "InvalidParameterValue");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_copied_from_a_region_that_is_down() {
        let sim = simulator();
        let source = snapshot(&sim, "us-east-1");
        sim.region_down("us-east-1");
        assert_eq!(copy(&sim, &source, &[]).code(), "Unavailable");
        sim.region_up("us-east-1");
        copy(&sim, &source, &[]).ok();
    }
}
