//! Forty days of two accounts: each database's newest automated snapshot is copied, shared, announced, saved, saved once
//! more in another region, and expires.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, SecondsFormat, TimeDelta};
use serde_json::{Value, json};
use snapkeeper_core::run::Job::{RdsSaver, RdsSharer};
use snapkeeper_simulator::{Call, Published};
use snapkeeper_tests::{
    Estate,
    estate::{FAILSAFE, HOME, LIVE, Side, WEST, sns_event},
    policies::FAILSAFE_TOPIC,
    world::instant,
};

use super::{Scene, available, find, newest_automated, own_of};

/// How many days there are.
const DAYS: i64 = 40;
/// For how many the saver keeps what it saved.
const RETENTION: i64 = 31;
/// How many minutes after five the sharer runs on a day: each quarter of an hour as long as there is something to do. What
/// it would do at the other quarters is nothing, and takes time to find out.
const SHARER: [i64; 8] = [15, 30, 45, 60, 75, 90, 420, 900];
/// And the saver, beside the messages.
const SAVER: [i64; 3] = [60, 420, 900];
/// When the watcher of each account runs, after all that.
const WATCHER: i64 = 960;
/// What is enrolled: by its tag, by its name, and a cluster.
const ALL: [&str; 3] = ["cluster:shop", "db:legacy", "db:orders"];

#[tokio::test(start_paused = true)]
async fn over_forty_days_all_is_copied_shared_announced_saved_and_expires() {
    let estate = Estate::in_process().with_live("DB_INSTANCES", "legacy, shop").with_second_copies();
    Box::pin(lives(estate)).await;
}

async fn lives(estate: Estate) {
    let live = estate.operator(Side::Live).await;
    live.create_db_instance("legacy", &[("Backup", "No")]).await;
    live.create_db_instance("scratch", &[]).await;
    let mut scene = Scene::set_in(estate).await;
    scene.units = ALL.to_vec();
    let mut heard = 0;
    for day in 0..DAYS {
        Box::pin(a_day(&mut scene, day, &mut heard)).await;
        each_step_was_taken(&scene, day);
        if day == 0 {
            what_was_told_is_true(&scene);
        }
    }
    old_ones_have_expired(&scene);
    each_copy_had_its_tags_from_the_start(&scene);
    let published = announcements(&scene);
    assert_eq!((published.len(), heard), (ALL.len() * usize::try_from(DAYS).expect("some"), published.len()));
    let of_others = [Side::Live, Side::Failsafe].map(|side| own_of(&scene.estate, side, HOME, "db:scratch").len());
    assert_eq!(of_others, [0, 0], "what is not enrolled is not copied");
}

/// Everything that is scheduled on a day, and the messages as they come.
async fn a_day(scene: &mut Scene, day: i64, heard: &mut usize) {
    let five = instant("2026-11-21T05:00:00Z") + TimeDelta::days(day);
    let begins = |minutes: i64| (five + TimeDelta::minutes(minutes)).to_rfc3339_opts(SecondsFormat::Secs, true);
    for minutes in SHARER {
        // the scene was set at six on the first day
        if day == 0 && minutes < 60 {
            continue;
        }
        scene.until(&begins(minutes)).await;
        scene.run_well(RdsSharer).await.expect("the sharer");
        for message in announcements(scene).into_iter().skip(*heard) {
            let report = Box::pin(scene.estate.hear(&sns_event(&message))).await;
            assert!(report.succeeded() && report.findings.is_empty(), "{:?} {:?}", report.failed, report.findings);
            scene.look().expect("nothing that must not be");
            *heard += 1;
        }
        if SAVER.contains(&minutes) {
            let report = scene.run_well(RdsSaver).await.expect("the saver");
            assert!(report.unfinished.is_empty(), "{:?}", report.unfinished);
        }
    }
    scene.until(&begins(WATCHER)).await;
    for side in [Side::Live, Side::Failsafe] {
        let report = scene.estate.watch(side).await;
        assert!(report.succeeded(), "day {day}, {side:?}: {:?}", report.failed);
        assert_eq!(report.findings, [], "day {day}, {side:?}");
    }
}

/// What the sharer has published.
fn announcements(scene: &Scene) -> Vec<Published> {
    let mut published = scene.estate.simulator().published();
    published.retain(|message| message.topic_arn == FAILSAFE_TOPIC);
    published
}

fn each_step_was_taken(scene: &Scene, day: i64) {
    let estate = &scene.estate;
    assert_eq!(scene.is_as_promised(), Ok(()), "day {day}");
    for unit in ALL {
        let newest = newest_automated(estate, unit).expect("one a day");
        let name = newest.id.replacen("rds:", "failsafe-", 1);
        for (side, region) in [(Side::Live, HOME), (Side::Failsafe, HOME), (Side::Failsafe, WEST)] {
            let copy = find(estate, side, region, newest.kind, &name);
            let copy = copy.unwrap_or_else(|| panic!("day {day}: {name} is not in {region} of {side:?}"));
            assert_eq!(copy.taken_at, newest.taken_at, "{name} in {region} of {side:?}");
            assert_ne!(copy.kms_key_id, newest.kms_key_id, "a key of its own");
        }
        // the newest, and what was shared within the RPO of 30 hours
        let shared = available(estate, Side::Live, HOME, unit).len();
        assert!(shared <= 2, "day {day}: {unit} has {shared} copies in the live account");
        for region in [HOME, WEST] {
            let saved = available(estate, Side::Failsafe, region, unit).len();
            let expected = usize::try_from((day + 1).min(RETENTION)).expect("some");
            let at_most = if region == HOME { expected } else { expected + 1 };
            assert!((expected..=at_most).contains(&saved), "day {day}: {unit} has {saved} saved copies in {region}");
        }
    }
}

fn what_was_told_is_true(scene: &Scene) {
    let texts: BTreeSet<String> = announcements(scene).into_iter().map(|message| message.message).collect();
    let texts: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).expect("JSON")).collect();
    let expected = [
        json!({"Cluster": "shop", "FailsafeSnapshotID": "failsafe-shop-2026-11-21-05-00"}),
        json!({"Instance": "legacy", "FailsafeSnapshotID": "failsafe-legacy-2026-11-21-05-00"}),
        json!({"Instance": "orders", "FailsafeSnapshotID": "failsafe-orders-2026-11-21-05-00"}),
    ];
    assert!(expected.iter().all(|it| texts.contains(it)) && texts.len() == expected.len(), "{texts:?}");
    let copy = own_of(&scene.estate, Side::Live, HOME, "db:orders").remove(0);
    let tags: BTreeMap<&str, &str> = copy.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let source = format!("arn:aws:rds:{HOME}:{LIVE}:snapshot:rds:orders-2026-11-21-05-00");
    assert_eq!((tags["Source_DBSnapshot"], tags["Team"]), (source.as_str(), "Shop"));
    assert!(!tags.contains_key("Failsafe"), "the copy is no database: {tags:?}");
    let saved = own_of(&scene.estate, Side::Failsafe, HOME, "db:orders").remove(0);
    assert_eq!(saved.tags["Source_DBSnapshot"], copy.arn);
}

/// What is older than the retention is gone in the failsafe account, and nothing else.
fn old_ones_have_expired(scene: &Scene) {
    let first = instant("2026-11-21T00:00:00Z").date_naive();
    let named = |unit: &str, days: i64| {
        let (_, database) = unit.split_once(':').expect("a kind and a name");
        let day: NaiveDate = first + TimeDelta::days(days);
        format!("failsafe-{database}-{day}-05-00")
    };
    for unit in ALL {
        let expected: BTreeSet<String> = (DAYS - RETENTION..DAYS).map(|day| named(unit, day)).collect();
        assert_eq!(available(&scene.estate, Side::Failsafe, HOME, unit), expected);
        let deleted: BTreeSet<String> = scene
            .estate
            .simulator()
            .db_deletions()
            .into_iter()
            .filter(|it| (it.account.as_str(), it.region.as_str()) == (FAILSAFE, HOME))
            .filter(|it| super::unit_of(&it.snapshot) == unit)
            .map(|it| it.snapshot.id)
            .collect();
        assert_eq!(deleted, (0..DAYS - RETENTION).map(|day| named(unit, day)).collect());
    }
}

/// No copy is made by a call that does not carry its tags, and the only tag that comes later is the announcement's.
fn each_copy_had_its_tags_from_the_start(scene: &Scene) {
    let has = |call: &Call, value: &str| call.params.iter().any(|(_, of)| of == value);
    let calls = scene.estate.simulator().calls();
    let copies: Vec<&Call> = calls.iter().filter(|call| call.action.starts_with("CopyDB")).collect();
    assert!(copies.len() >= 3 * ALL.len() * usize::try_from(DAYS).expect("some"), "{}", copies.len());
    for call in copies {
        assert!(has(call, "Automated") && has(call, "Source_DBSnapshot"), "{call:?}");
        assert!(!call.params.iter().any(|(name, _)| name == "CopyTags"), "the keys would clash: {call:?}");
    }
    for call in calls.iter().filter(|call| call.action == "AddTagsToResource") {
        assert!(has(call, "Failsafe_Announced"), "{call:?}");
    }
    assert!(!calls.iter().any(|call| call.action == "ListTagsForResource"), "the lists have the tags");
}
