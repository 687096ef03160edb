//! `CreateTags` and `DeleteTags`, and the tags that other calls write.

use crate::action::{Read, act};
use crate::ec2::done;
use crate::model::Here;
use crate::model::ids::Kind;
use crate::model::tags::{self, Tags};
use crate::wire::error::Error;
use crate::wire::request::Params;
use std::collections::BTreeMap;

pub(super) fn create(params: &Params) -> Read {
    let resources = resources(params)?;
    let pairs = pairs(params, "Tag")?;
    if pairs.is_empty() {
        return Err(Error::missing("Tag"));
    }
    let new = tags::checked(with_values(pairs))?;
    Ok(act(move |here| {
        check_own(here, &resources)?;
        let region = here.region();
        // all or nothing: every resource is looked at before any is changed
        let merged: Vec<Tags> =
            resources.iter().map(|id| tags::merged(region.tags(id)?, &new)).collect::<Result<_, _>>()?;
        for (id, tags) in resources.iter().zip(merged) {
            region.set_tags(id, tags)?;
        }
        Ok(done())
    }))
}

pub(super) fn delete(params: &Params) -> Read {
    let resources = resources(params)?;
    let pairs = pairs(params, "Tag")?;
    if pairs.iter().any(|(key, _)| tags::is_reserved(key)) {
        return Err(Error::invalid("Tag keys starting with 'aws:' are reserved for internal use"));
    }
    Ok(act(move |here| {
        check_own(here, &resources)?;
        let region = here.region();
        for id in &resources {
            region.tags(id)?;
        }
        for id in &resources {
            let mut left = region.tags(id)?.clone();
            left.retain(|key, value| tags::is_reserved(key) || !names(&pairs, key, value));
            region.set_tags(id, left)?;
        }
        Ok(done())
    }))
}

fn check_own(here: &Here<'_>, resources: &[String]) -> Result<(), Error> {
    resources.iter().try_for_each(|id| here.check_own(id))
}

/// Whether a `DeleteTags` means this tag: by key alone, or by key and value; no tag named at all means every one.
fn names(pairs: &[(String, Option<String>)], key: &str, value: &str) -> bool {
    pairs.is_empty()
        || pairs.iter().any(|(named, wanted)| named == key && wanted.as_deref().is_none_or(|wanted| wanted == value))
}

/// The tags for resources of one kind that a call makes.
pub(super) fn specified(params: &Params, kind: Kind) -> Result<Tags, Error> {
    let [tags] = specified_each(params, [kind])?;
    Ok(tags)
}

/// The tags for resources of several kinds that a call makes; naming any other kind is an error.
pub(super) fn specified_each<const N: usize>(params: &Params, kinds: [Kind; N]) -> Result<[Tags; N], Error> {
    let mut specified: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
    for member in params.members("TagSpecification") {
        let resource = params.required(&format!("{member}.ResourceType"))?;
        if !kinds.iter().any(|kind| resource_type(*kind) == resource) {
            return Err(Error::invalid(format!(
                "'{resource}' is not a valid taggable resource type for this operation."
            )));
        }
        let pairs = pairs(params, &format!("{member}.Tag"))?;
        if pairs.is_empty() {
            return Err(Error::invalid("Tag specification must have at least one tag"));
        }
        if specified.insert(resource, with_values(pairs)).is_some() {
            return Err(Error::invalid(format!("'{resource}' appears in more than one tag specification.")));
        }
    }
    let mut result = std::array::from_fn(|_| Tags::new());
    for (tags, kind) in result.iter_mut().zip(kinds) {
        *tags = tags::checked(specified.remove(resource_type(kind)).unwrap_or_default())?;
    }
    Ok(result)
}

/// What a kind of resource is called, in the specification of tags and in ARNs.
pub(super) fn resource_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Instance => "instance",
        Kind::Volume => "volume",
        Kind::Snapshot => "snapshot",
        Kind::Image => "image",
        Kind::LaunchTemplate => "launch-template",
    }
}

/// The tags that `CreateTags` writes or `DeleteTags` names.
pub(super) fn named(params: &Params) -> Result<Tags, Error> {
    Ok(with_values(pairs(params, "Tag")?).into_iter().collect())
}

fn resources(params: &Params) -> Result<Vec<String>, Error> {
    let resources: Vec<String> = params.list("ResourceId").into_iter().map(str::to_owned).collect();
    if resources.is_empty() {
        return Err(Error::missing("ResourceId"));
    }
    Ok(resources)
}

fn pairs(params: &Params, prefix: &str) -> Result<Vec<(String, Option<String>)>, Error> {
    let read = |member: &String| {
        let key = params.required(&format!("{member}.Key"))?;
        Ok((key.to_owned(), params.text(&format!("{member}.Value")).map(str::to_owned)))
    };
    params.members(prefix).iter().map(read).collect()
}

fn with_values(pairs: Vec<(String, Option<String>)>) -> Vec<(String, String)> {
    pairs.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use crate::testing::{Look as _, call, simulator, volume};

    #[tokio::test(start_paused = true)]
    async fn tags_are_written_to_all_resources_or_to_none() {
        let sim = simulator();
        let id = volume(&sim, "us-east-1");
        let tags = || sim.volumes("123456789012", "us-east-1").remove(0).tags;
        let write = |other: &str| {
            call(
                &sim,
                "us-east-1",
                "CreateTags",
                &[
                    ("ResourceId.1", id.as_str()),
                    ("ResourceId.2", other),
                    ("Tag.1.Key", "Backup"),
                    ("Tag.1.Value", "No"),
                ],
            )
        };
        assert_eq!(write("vol-00000000").code(), "InvalidVolume.NotFound");
        assert!(tags().is_empty());
        write(&id).ok();
        assert_eq!(tags().get("Backup").map(String::as_str), Some("No"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_tag_is_deleted_by_key_or_by_key_and_value() {
        let sim = simulator();
        let id = volume(&sim, "us-east-1");
        let tag = [("ResourceId.1", id.as_str()), ("Tag.1.Key", "Backup"), ("Tag.1.Value", "No")];
        let other = [("ResourceId.1", id.as_str()), ("Tag.1.Key", "Backup"), ("Tag.1.Value", "Yes")];
        let count = || sim.volumes("123456789012", "us-east-1").remove(0).tags.len();
        call(&sim, "us-east-1", "CreateTags", &tag).ok();
        call(&sim, "us-east-1", "DeleteTags", &other).ok();
        assert_eq!(count(), 1, "another value");
        call(&sim, "us-east-1", "DeleteTags", &tag[..2]).ok();
        assert_eq!(count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn reserved_tags_are_refused() {
        let sim = simulator();
        let id = volume(&sim, "us-east-1");
        let answer = call(&sim, "us-east-1", "CreateTags", &[("ResourceId.1", &id), ("Tag.1.Key", "aws:x")]);
        assert_eq!(answer.code(), "InvalidParameterValue");
    }
}
