//! Which image is kept in sync: the only one that can be, or the newest.

use super::{Image, Inventory};
use crate::{
    sync::config::{ImageSync, SyncJob},
    tags,
};

/// The source among what was found.
///
/// # Errors
/// In words, what was found in its place.
pub(super) fn source<'a>(found: &'a [Image], sync: &ImageSync, job: &SyncJob) -> Result<&'a Image, String> {
    // EC2's filters know wildcards, an identifier does not
    let has = |it: &Image, identifier: &String| it.tags.get(tags::SYNC_IDENTIFIER) == Some(identifier.as_str());
    let is_meant = |it: &&Image| sync.identifier.as_ref().is_none_or(|identifier| has(it, identifier));
    let mut meant: Vec<&Image> = found.iter().filter(is_meant).collect();
    meant.sort_by(|a, b| b.by_age(a));
    let available: Vec<&Image> = meant.iter().copied().filter(|it| it.is_available()).collect();
    let from = &job.source;
    match available.as_slice() {
        [source] => Ok(*source),
        [newest, _, ..] if sync.newest => Ok(*newest),
        [] if meant.is_empty() => Err(format!("no image in {from} {}", in_words(sync))),
        [] => {
            let states: Vec<String> = meant.iter().map(|it| format!("{} is {}", it.id, it.state)).collect();
            Err(format!("no image in {from} {} is available: {}", in_words(sync), states.join(", ")))
        }
        several => {
            let images: Vec<String> = several.iter().map(|it| told(it)).collect();
            Err(format!(
                "{} images in {from} {}, expected one: {}; narrow the filters, or set `newest: true`",
                several.len(),
                in_words(sync),
                images.join(", ")
            ))
        }
    }
}

/// Whether an image is this account's own, as far as that is known.
pub fn is_own(image: &Image, inventory: &Inventory, sync: &ImageSync, job: &SyncJob) -> bool {
    let mut there = inventory.destinations.values().flatten().flat_map(|there| &there.images);
    sync.owner.is_none()
        || job.client.account.as_ref() == Some(&image.owner)
        || there.any(|other| other.owner == image.owner)
}

fn told(image: &Image) -> String {
    format!("{} ({}, made {})", image.id, image.name, image.created.map_or_else(|| "?".to_owned(), tags::stamp))
}

/// What holds of the image: `tagged Sync-Identifier=web, with tag:Env=PROD, of 123456789012`.
fn in_words(sync: &ImageSync) -> String {
    let identifier = sync.identifier.iter().map(|it| format!("tagged {}={it}", tags::SYNC_IDENTIFIER));
    let filters = sync.filters.iter().map(|(name, values)| format!("with {name}={}", values.join(",")));
    let owner = sync.owner.iter().map(|owner| format!("of {owner}"));
    identifier.chain(filters).chain(owner).collect::<Vec<_>>().join(", ")
}
