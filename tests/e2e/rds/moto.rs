//! The failsafe copies of databases on moto, an RDS that we did not write, as far as it goes. Each job runs under its policy
//! there, as far as moto evaluates it (`moto_users.py`).
//!
//! What moto 5.2.5 cannot:
//!
//! - it takes an automated snapshot when a database is made, and none ever again; so there is one of each, of today by the
//!   wall clock, and a newer one is made here by hand, with the tags of a copy;
//! - snapshots and copies are `available` at once, so nothing is ever in progress or fails;
//! - a key must be there, but need not be enabled or shared, and RDS's own key blocks nothing; it is told as a customer's;
//! - it has no quotas: `DescribeAccountAttributes` is HTTP 500, so that they count as unknown;
//! - it lists everything in one page, whatever `MaxRecords` says;
//! - what is shared is listed by its plain name and with its tags, where AWS has the ARN and, it seems, none;
//! - `SnapshotCreateTime` of a cluster's copy is that of the copy;
//! - nobody can ask it what was published, so that the announcement is seen by its tag;
//! - `DescribeOptionGroups` without a name is HTTP 500: there is no database here for which it would be asked;
//! - it looks for what is copied in one's own account only, which `serve_moto.py` mends.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;
use snapkeeper_core::run::Job::{self, RdsSaver, RdsSharer, Watcher};
use snapkeeper_lambda::Report;
use snapkeeper_tests::{
    Estate,
    estate::{ENROLLED, FAILSAFE, HOME, LIVE, LIVE_KEY, SAVER_KEY, Side, message},
    policies::FAILSAFE_TOPIC,
};

use crate::policies::TOPIC;

#[tokio::test]
async fn in_moto_the_newest_is_copied_shared_announced_saved_and_expires() {
    Box::pin(lives(Estate::moto().with_live("ALERT_TOPIC_ARN", TOPIC))).await;
}

async fn lives(estate: Estate) {
    let (live, failsafe) = (estate.operator(Side::Live).await, estate.operator(Side::Failsafe).await);
    live.create_kms_key(LIVE_KEY).await;
    failsafe.create_kms_key(SAVER_KEY).await;
    live.sns.create_topic().name("failsafe").send().await.expect("CreateTopic");
    live.create_db_instance("orders", ENROLLED).await;
    live.create_db_cluster("shop", ENROLLED).await;
    live.create_db_instance("scratch", &[]).await;
    live.db_snapshot_by_hand("scratch", "failsafe-scratch-by-hand", &[]).await;
    let now = snapkeeper_lambda::clock::now();

    let copied = run(&estate, RdsSharer, now).await;
    assert_eq!(copied.applied.len(), 2, "{:?}", copied.applied);
    let names = names(&estate, Side::Live).await;
    let orders = names.iter().find(|name| name.starts_with("failsafe-orders-")).expect("a copy").clone();
    assert!(names.iter().any(|name| name.starts_with("failsafe-shop-")) && names.len() == 3, "{names:?}");
    let shared = run(&estate, RdsSharer, now).await;
    assert_eq!(shared.applied.len(), 2, "shared and announced: {:?}", shared.applied);
    let again = run(&estate, RdsSharer, now).await;
    assert_eq!(again.applied, [], "announced once");

    let text = json!({ "Instance": "orders", "FailsafeSnapshotID": orders }).to_string();
    let event = message(FAILSAFE_TOPIC, &text, &now.to_rfc3339_opts(SecondsFormat::Millis, true));
    let mut context = estate.failsafe.context(RdsSaver, HOME, &at(now));
    context.announced = snapkeeper_lambda::Event::read(&event, "8476a536").expect("a message").announced;
    let saved = Box::pin(estate.failsafe.run_in(&context)).await;
    assert!(saved.failed.is_empty() && saved.findings.is_empty(), "{:?}, {:?}", saved.failed, saved.findings);
    assert_eq!(saved.applied.len(), 2, "{:?}", saved.applied);
    assert!(run(&estate, RdsSaver, now).await.applied.is_empty(), "saved once");
    for side in [Side::Live, Side::Failsafe] {
        let report = Box::pin(estate.side(side).run(Watcher, HOME, &at(now))).await;
        assert!(report.failed.is_empty() && report.findings.is_empty(), "{side:?}: {report:?}");
    }

    // a newer one, made and shared by hand; the sharer then lets the older one go, and the saver keeps both until the first
    // is due
    let newer = "failsafe-orders-2099-01-01-05-00";
    let tags = [("Type", "Automated"), ("Source_DBSnapshot", "orders"), ("Source_Database", "db:orders")];
    live.db_snapshot_by_hand("orders", newer, &tags).await;
    live.share_db_snapshot(newer, FAILSAFE).await;
    assert_eq!(run(&estate, RdsSaver, now).await.applied.len(), 1);
    let later = now + TimeDelta::days(40);
    let report = run(&estate, RdsSharer, later).await;
    assert!(report.applied.iter().any(|step| step.resource == format!("snapshot:{orders}")), "{:?}", report.applied);
    assert_eq!(self::names(&estate, Side::Live).await.iter().filter(|name| **name == orders).count(), 0);
    let expired = run(&estate, RdsSaver, later).await;
    let expired: Vec<&str> = expired.applied.iter().map(|step| step.resource.as_str()).collect();
    assert_eq!(expired, [format!("snapshot:{orders}").as_str()], "never the newest, nor the cluster's only one");
    let left = self::names(&estate, Side::Failsafe).await;
    assert!(left.len() == 2 && left.iter().any(|name| name == newer), "{left:?}");
}

/// Runs a job for an instant, which must not fail.
async fn run(estate: &Estate, job: Job, instant: DateTime<Utc>) -> Report {
    let report = Box::pin(estate.of_job(job).run(job, HOME, &at(instant))).await;
    assert!(report.failed.is_empty() && report.unfinished.is_empty(), "{job}: {:?}", report.failed);
    report
}

/// The names of the manual snapshots of an account.
async fn names(estate: &Estate, side: Side) -> Vec<String> {
    let rds = estate.operator(side).await.rds;
    let of_instances = rds.describe_db_snapshots().snapshot_type("manual").send().await.expect("DescribeDBSnapshots");
    let of_clusters = rds.describe_db_cluster_snapshots().snapshot_type("manual").send().await;
    let of_clusters = of_clusters.expect("DescribeDBClusterSnapshots");
    let mut names: Vec<String> =
        of_instances.db_snapshots().iter().filter_map(|it| it.db_snapshot_identifier.clone()).collect();
    names.extend(of_clusters.db_cluster_snapshots().iter().filter_map(|it| it.db_cluster_snapshot_identifier.clone()));
    let account = if side == Side::Live { LIVE } else { FAILSAFE };
    let arns: Vec<&str> = of_instances.db_snapshots().iter().filter_map(|it| it.db_snapshot_arn()).collect();
    assert!(arns.iter().all(|arn| arn.contains(account)), "{arns:?}");
    names
}

fn at(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}
