//! Jobs that follow from tags alone: an image tagged `Sync-Identifier` and `Copy_Dest`, a database tagged
//! `Backup_Sync`.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ids::Region,
    plan::Finding,
    rds::inventory::Database,
    run::Run,
    sync::{
        config::{ClientConfig, DatabaseSync, ImageSync, SNAPSHOTS_TO_RETAIN, SyncJob, What},
        image::{Image, ImageState},
    },
    tags::{self, TagError},
};

/// The jobs that own images and databases of the region ask for by their tags; what cannot be read is a finding each.
///
/// Of the images with one identifier, the newest says where. Copies that sync made here ask for nothing.
pub fn jobs(images: &[Image], databases: &[Database], run: &Run) -> (Vec<SyncJob>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut newest: BTreeMap<&str, &Image> = BTreeMap::new();
    let is_asking = |image: &&Image| {
        image.state == ImageState::Available && image.tags.has(tags::COPY_DEST) && !image.tags.has(tags::SYNC_MADE)
    };
    for image in images.iter().filter(is_asking) {
        match image.tags.get(tags::SYNC_IDENTIFIER) {
            None => {}
            Some(value) if value.trim().is_empty() => {
                let expected = "a name, the same from build to build";
                let error = TagError { key: tags::SYNC_IDENTIFIER, value: value.to_owned(), expected };
                findings.push(Finding::unreadable(&image.id, &error));
            }
            Some(identifier) => {
                let last = newest.entry(identifier).or_insert(image);
                if last.by_age(image).is_lt() {
                    *last = image;
                }
            }
        }
    }
    let mut jobs = Vec::new();
    for (identifier, image) in newest {
        let (regions, errors) = tags::destinations(&image.tags, &run.region);
        findings.extend(errors.iter().map(|error| Finding::unreadable(&image.id, error)));
        let what = What::Image(ImageSync {
            owner: None,
            identifier: Some(identifier.to_owned()),
            filters: vec![("tag-key".to_owned(), vec![tags::COPY_DEST.to_owned()])],
            newest: true,
            max_images_to_retain: None,
            kms_key: run.settings.copy_kms_key.clone(),
        });
        jobs.extend(job(identifier.to_owned(), regions, what, run));
    }
    for database in databases.iter().filter(|it| it.tags.has(tags::BACKUP_SYNC)) {
        let (regions, errors) = tags::regions(tags::BACKUP_SYNC, &database.tags, &run.region);
        findings.extend(errors.iter().map(|error| Finding::unreadable(&database.id, error)));
        let what = What::Database(DatabaseSync {
            database: database.id.clone(),
            max_snapshots_to_retain: SNAPSHOTS_TO_RETAIN,
            kms_key: run.settings.copy_kms_key.clone(),
        });
        jobs.extend(job(database.id.to_string(), regions, what, run));
    }
    (jobs, findings)
}

/// A job, if there is a region for it.
fn job(name: String, destinations: BTreeSet<Region>, what: What, run: &Run) -> Option<SyncJob> {
    let client = ClientConfig::default();
    (!destinations.is_empty()).then(|| SyncJob { name, source: run.region.clone(), destinations, client, what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::run,
        rds::fixtures::{cluster, instance},
        sync::image::fixtures::image,
    };

    #[track_caller]
    fn check(images: &[Image], databases: &[Database], jobs: &[&str], findings: &[&str]) {
        let run = run("2026-11-21T05:12:00Z");
        let (made, found) = super::jobs(images, databases, &run);
        let made: Vec<String> = made
            .iter()
            .map(|job| {
                assert_eq!((&job.source, &job.client), (&run.region, &ClientConfig::default()));
                let to: Vec<&str> = job.destinations.iter().map(Region::as_str).collect();
                format!("{} to {}", job.name, to.join(" "))
            })
            .collect();
        assert_eq!(made, jobs);
        assert_eq!(found.iter().map(|it| format!("{}: {}", it.resource, it.what)).collect::<Vec<_>>(), findings);
    }

    fn asking(id: &str, identifier: &str, to: &str, day: &str) -> Image {
        image(id, &format!("{identifier} {day}"), day)
            .tagged(tags::SYNC_IDENTIFIER, identifier)
            .tagged(tags::COPY_DEST, to)
    }

    #[test]
    fn the_newest_image_of_an_identifier_says_where() {
        let (old, new) =
            (asking("ami-2", "web", "eu-west-1", "2026-11-19"), asking("ami-1", "web", "us-west-2", "2026-11-20"));
        let other = asking("ami-3", "worker", "us-west-2, eu-west-1", "2026-11-01");
        check(&[old.clone(), new.clone(), other], &[], &["web to us-west-2", "worker to eu-west-1 us-west-2"], &[]);
        // one in the making says nothing yet, nor do copies that came from elsewhere
        for silent in [new.clone().in_state(ImageState::Pending), new.clone().tagged(tags::SYNC_MADE, "Yes")] {
            check(&[silent, old.clone()], &[], &["web to eu-west-1"], &[]);
        }
        for key in [tags::SYNC_IDENTIFIER, tags::COPY_DEST] {
            check(&[new.clone().untagged(key)], &[], &[], &[]);
        }
    }

    #[test]
    fn an_image_is_looked_for_by_its_identifier_the_newest() {
        let mut run = run("2026-11-21T05:12:00Z");
        run.settings.copy_kms_key = Some("alias/copies".to_owned());
        let (jobs, _) = super::jobs(&[asking("ami-1", "web", "us-west-2", "2026-11-20")], &[], &run);
        let What::Image(image) = &jobs[0].what else { panic!("{jobs:?}") };
        assert_eq!((image.identifier.as_deref(), image.newest), (Some("web"), true));
        assert_eq!((image.kms_key.as_deref(), image.max_images_to_retain), (Some("alias/copies"), None));
    }

    #[test]
    fn databases_say_where() {
        let orders = instance("orders").tagged(tags::BACKUP_SYNC, "us-west-2");
        let billing = cluster("billing").tagged(tags::BACKUP_SYNC, "eu-west-1 us-west-2");
        let databases = [orders, billing, instance("silent")];
        check(&[], &databases, &["db:orders to us-west-2", "cluster:billing to eu-west-1 us-west-2"], &[]);
    }

    #[test]
    fn what_cannot_be_read_is_found_and_takes_nothing_from_the_rest() {
        check(
            &[
                asking("ami-1", "web", "us-east-1 us-west-2", "2026-11-20"),
                asking("ami-2", " ", "us-west-2", "2026-11-20"),
            ],
            &[instance("orders").tagged(tags::BACKUP_SYNC, "mars")],
            &["web to us-west-2"],
            &[
                "ami-2: tag Sync-Identifier is \" \": expected a name, the same from build to build",
                "ami-1: tag Copy_Dest is \"us-east-1\": expected a region other than its own",
                "db:orders: tag Backup_Sync is \"mars\": expected a region's name, such as us-west-2",
            ],
        );
    }
}
