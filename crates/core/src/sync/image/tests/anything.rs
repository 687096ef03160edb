//! The job among arbitrary images: the promise as a predicate over what was drawn, not over what the code reads.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use proptest::{prelude::*, sample::select};

use super::*;
use crate::sync::image::ImageState::{Available, Disabled, Failed, Pending, Unknown};

/// An image in the destination: of which build it is a copy, and how it stands.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is drawn by itself")]
struct Drawn {
    build: usize,
    state: ImageState,
    is_ours: bool,
    is_told: bool,
    keep_forever: bool,
    is_used: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let state = select(vec![Available, Available, Available, Pending, Failed, Disabled, Unknown]);
    let often = || prop::bool::weighted(0.85);
    let seldom = || prop::bool::weighted(0.15);
    (0..6_usize, state, often(), often(), seldom(), seldom()).prop_map(
        |(build, state, is_ours, is_told, keep_forever, is_used)| Drawn {
            build,
            state,
            is_ours,
            is_told,
            keep_forever,
            is_used,
        },
    )
}

fn build(index: usize) -> Image {
    let day = at("2026-11-01T00:00:00Z") + TimeDelta::days(i64::try_from(index).unwrap());
    web(&format!("ami-{index}"), &day.format("%Y-%m-%d").to_string())
}

fn id(place: usize) -> String {
    format!("ami-1{place:02}")
}

fn there(place: usize, drawn: &Drawn) -> Image {
    let mut it = copy_of(&build(drawn.build), &id(place)).in_state(drawn.state);
    if !drawn.is_told {
        it.copy_of = None;
    }
    if drawn.keep_forever {
        it = it.tagged(tags::KEEP_FOREVER, "");
    }
    if drawn.is_ours { it } else { it.untagged(tags::SYNC_MADE) }
}

proptest! {
    #[test]
    fn nothing_goes_but_what_is_ours_unused_and_past_the_number(
        all in prop::collection::vec(drawn(), 0..10),
        max in 1..4_u16,
        builds in prop::collection::btree_set(0..6_usize, 1..4),
    ) {
        let images: Vec<Image> = all.iter().enumerate().map(|(place, it)| there(place, it)).collect();
        let used: Vec<String> =
            all.iter().enumerate().filter(|(_, it)| it.is_used).map(|(place, _)| id(place)).collect();
        let inventory = of(
            builds.iter().map(|index| build(*index)).collect(),
            images,
            &used.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        let mut job = job(Some(max));
        sync(&mut job).newest = true;
        let newest = builds.last().copied().unwrap();
        let (plan, _) = plan(&inventory, &job, &run());

        let is_copy = |it: &Drawn| it.build == newest && (it.is_ours || it.is_told);
        let is_there = all.iter().any(|it| is_copy(it) && it.state == Available);
        let (mut copies, mut gone) = (0, BTreeSet::new());
        for action in &plan.actions {
            match action {
                SyncImage::Copy(copy) => {
                    copies += 1;
                    prop_assert_eq!(copy.source.as_str(), format!("ami-{newest}"));
                    prop_assert!(!all.iter().any(|it| is_copy(it) && it.state != Failed), "there is one");
                    prop_assert!(!all.iter().any(|it| it.build == newest), "its name is taken");
                }
                SyncImage::Tag { resource, .. } => {
                    prop_assert_eq!(resource.as_str(), format!("ami-{newest}"));
                }
                SyncImage::Deregister { image, .. } => {
                    prop_assert!(gone.insert(image.to_string()), "{image} twice");
                }
            }
        }
        prop_assert!(copies <= 1);
        let mut stay = 0;
        for (place, it) in all.iter().enumerate() {
            if !gone.contains(&id(place)) {
                stay += usize::from(it.is_ours && it.state == Available);
                continue;
            }
            prop_assert!(it.is_ours && !it.is_used && !it.keep_forever, "{it:?}");
            if it.state != Failed {
                prop_assert!(it.state == Available && is_there, "{it:?}");
            }
        }
        let good = all.iter().filter(|it| it.is_ours && it.state == Available).count();
        prop_assert!(stay >= good.min(usize::from(max)), "{stay} of {good} stay");
        if is_there {
            let is_left = |place: usize| !gone.contains(&id(place));
            let stays = |(place, it): (usize, &Drawn)| is_copy(it) && it.state == Available && is_left(place);
            prop_assert!(all.iter().enumerate().any(stays), "no copy of the newest one stays");
        }
    }
}
