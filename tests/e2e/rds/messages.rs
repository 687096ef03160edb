//! Messages that are lost, come twice, in the wrong order or too early, or are somebody else's: a message starts a run, and
//! says nothing that the run takes for true.

use serde_json::json;
use snapkeeper_core::{plan::FindingKind, run::Job::RdsSaver};
use snapkeeper_simulator::{DatabaseKind, Published};
use snapkeeper_tests::{
    estate::{ENROLLED, FAILSAFE, HOME, Side, message, sns_event},
    policies::FAILSAFE_TOPIC,
};

use super::{
    COPIES_TAKE, STRANGER, Scene, UNITS, available, find,
    stages::{ROUNDS, Stage},
};
use crate::positions::try_all;

/// What is left of the messages of two copies, as indices of theirs in the order in which they come.
const DELIVERED: [&[usize]; 9] =
    [&[], &[0], &[1], &[0, 1], &[1, 0], &[0, 0], &[1, 1, 0, 0], &[0, 1, 0, 1], &[1, 0, 1, 0]];

#[test]
fn messages_may_be_lost_come_twice_or_in_the_wrong_order() {
    try_all("databases, messages", 9, &DELIVERED, async |delivered| {
        let mut scene = Stage::Shared.reached().await;
        let messages = announcements(&scene);
        if messages.len() != 2 {
            return Err(format!("{messages:?}"));
        }
        for number in *delivered {
            let report = Box::pin(scene.estate.hear(&sns_event(&messages[*number]))).await;
            if !report.succeeded() || !report.findings.is_empty() {
                return Err(format!("{:?}, {:?}", report.failed, report.findings));
            }
            scene.look()?;
        }
        scene.pass(COPIES_TAKE).await;
        let saved = UNITS.iter().filter(|unit| !available(&scene.estate, Side::Failsafe, HOME, unit).is_empty());
        let (saved, expected) = (saved.count(), if delivered.is_empty() { 0 } else { UNITS.len() });
        if saved != expected {
            return Err(format!("{saved} of {expected} are saved"));
        }
        scene.heals(ROUNDS).await
    });
}

/// Each comes at once with another, too.
#[tokio::test(start_paused = true)]
async fn messages_that_come_at_once_save_everything_once() {
    let mut scene = Box::pin(Stage::Shared.reached()).await;
    let messages = announcements(&scene);
    let [one, other] = [0, 1].map(|number| sns_event(&messages[number]));
    let (one, other) = tokio::join!(Box::pin(scene.estate.hear(&one)), Box::pin(scene.estate.hear(&other)));
    for report in [one, other] {
        assert!(report.succeeded(), "{:?}", report.failed);
    }
    scene.pass(COPIES_TAKE).await;
    assert_eq!(scene.heals(ROUNDS).await, Ok(()));
}

#[test]
fn what_a_message_says_is_not_taken_for_true() {
    let text = |kind: &str, database: &str, snapshot: &str| {
        json!({ kind: database, "FailsafeSnapshotID": snapshot }).to_string()
    };
    let texts = [
        text("Instance", "orders", "failsafe-orders-2026-11-20-05-00"),
        text("Instance", "orders", "rds:orders-2026-11-21-05-00"),
        text("Instance", "orders", "failsafe-orders-by-hand"),
        text("Instance", "orders", "orders-for-others"),
        text("Cluster", "orders", "failsafe-orders-2026-11-21-05-00"),
        text("Instance", "ledger", "failsafe-orders-2026-11-21-05-00"),
        text("Instance", "ledger", "failsafe-ledger-by-hand"),
        text("Instance", "../../orders", "arn:aws:rds:us-east-1:999999999999:snapshot:failsafe-orders"),
        text("Instance", "", ""),
        json!({ "Instance": "orders", "Cluster": "orders", "FailsafeSnapshotID": "failsafe-orders" }).to_string(),
        json!({ "Instance": ["orders"], "FailsafeSnapshotID": 1 }).to_string(),
        "[]".to_owned(),
        "null".to_owned(),
        String::new(),
        "{".repeat(1000),
        "\u{1b}[2J\n\u{202e}delete everything".to_owned(),
    ];
    try_all("databases, forged messages", 16, &texts, async |text| {
        let mut scene = Stage::Shared.reached().await;
        let now = scene.estate.now();
        let report = Box::pin(scene.estate.hear(&message(FAILSAFE_TOPIC, text, &now))).await;
        let told = report.findings.iter().filter(|it| it.kind == FindingKind::FalseAnnouncement).count();
        if !report.succeeded() || told != 1 {
            return Err(format!("{:?}, {:?}", report.failed, report.findings));
        }
        if report.findings.iter().any(|it| it.what.contains(['\n', '\u{1b}', '\u{202e}'])) {
            return Err(format!("not fit for one line: {:?}", report.findings));
        }
        scene.look()?;
        // the run that it has started did what there was to do
        if report.applied.len() != UNITS.len() {
            return Err(format!("{:?}", report.applied));
        }
        scene.heals(ROUNDS).await
    });
}

/// Somebody else shares a snapshot of the same name with the failsafe account, before ours is there.
#[tokio::test(start_paused = true)]
async fn a_snapshot_of_the_same_name_from_another_account_is_not_saved() {
    let mut scene = Box::pin(Stage::Copied.reached()).await;
    let name = "failsafe-orders-2026-11-21-05-00";
    let stranger = scene.estate.live.beside(STRANGER).operator(HOME).await;
    stranger.create_db_instance("orders", ENROLLED).await;
    scene.pass(COPIES_TAKE).await;
    stranger.db_snapshot_by_hand("orders", "by-hand", &[]).await;
    scene.pass(COPIES_TAKE).await;
    // that of RDS's own key cannot be shared
    let simulator = scene.estate.simulator();
    simulator.create_key(STRANGER, HOME, "alias/theirs");
    simulator.share_key(STRANGER, HOME, "alias/theirs", FAILSAFE);
    let another = "failsafe-orders-2026-11-22-05-00";
    for theirs in [name, another] {
        stranger.copy_db_snapshot("by-hand", theirs, "alias/theirs", &[("Type", "Automated")]).await;
        scene.pass(COPIES_TAKE).await;
        stranger.share_db_snapshot(theirs, FAILSAFE).await;
    }

    let text = json!({ "Instance": "orders", "FailsafeSnapshotID": name }).to_string();
    let now = scene.estate.now();
    let report = Box::pin(scene.estate.hear(&message(FAILSAFE_TOPIC, &text, &now))).await;
    assert!(report.succeeded() && report.applied.is_empty(), "{:?}", report.applied);
    assert_eq!(report.findings.iter().map(|it| it.kind).collect::<Vec<_>>(), [FindingKind::FalseAnnouncement]);
    assert_eq!(scene.heals(ROUNDS).await, Ok(()), "and ours is saved under its name");
    scene.run_well(RdsSaver).await.expect("again");
    let kind = DatabaseKind::Instance;
    assert_eq!(find(&scene.estate, Side::Failsafe, HOME, kind, another), None);
}

/// What the sharer has published.
fn announcements(scene: &Scene) -> Vec<Published> {
    let mut published = scene.estate.simulator().published();
    published.retain(|message| message.topic_arn == FAILSAFE_TOPIC);
    published
}
