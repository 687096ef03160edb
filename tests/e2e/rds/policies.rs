//! The policies of sharer and saver allow each what it needs, and nothing else, as `policies.rs` shows it of the other jobs.
//! Whatever is taken out of one is missed: an action, a resource or a value by the job, a condition, a `Deny` or the region
//! of a resource by whoever it protects.

mod attacks;

use std::collections::BTreeSet;

use serde_json::Value;
use snapkeeper_core::{
    plan::FindingKind,
    run::Job::{self, RdsSaver, RdsSharer},
};
use snapkeeper_lambda::Report;
use snapkeeper_simulator::{DatabaseKind, Fault, FaultKind};
use snapkeeper_tests::{
    Estate,
    estate::{ENROLLED, FAILSAFE, HOME, LIVE, SAVER_KEY, Side, WEST, sdk_tags},
    policies::document_in,
};

use self::attacks::{ATTACKS, Attack};
use super::{COPIES_TAKE, Scene, available, check, config, own_of};
use crate::policies::variants::{Allows, Variant, variants};

/// What IAM takes inline in a role, without white space (IAM quotas).
const LONGEST: usize = 10_240;
/// The jobs of databases.
const JOBS: [Job; 2] = [RdsSharer, RdsSaver];

/// Why no attack shows that this part of a policy holds, if there is a reason: by the statement, and by what is in it.
fn why_not_attacked(sid: &str, what: &str) -> Option<&'static str> {
    if what.starts_with("account of") {
        return Some("what a call names without an ARN is the caller's own, and of others' no tags are seen");
    }
    if sid.contains("TheKey") {
        return Some("the simulator has keys only as RDS uses them, each in the region of what it is asked for");
    }
    if sid == "TellOfFailures" || sid == "AnnounceSharedCopies" {
        return Some("which topic a job tells is in its settings, and the simulator knows no policies of topics");
    }
    if sid == "CopyWhatTheLiveAccountsShare" && what.starts_with("region of") {
        return Some("what is shared in another region cannot be read there");
    }
    None
}

#[tokio::test(start_paused = true)]
async fn under_its_policy_a_job_can_do_all_of_its_work() {
    for job in JOBS {
        assert_eq!(Box::pin(served(job, &policy(job))).await, Ok(()), "{job}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_taken_out_of_what_is_allowed_is_missed() {
    for (job, variant) in of_both_jobs(Allows::Less) {
        let served = Box::pin(served(job, &variant.document)).await;
        assert!(served.is_err(), "{job}.json, {}: nobody needs {}", variant.sid, variant.what);
    }
}

#[tokio::test(start_paused = true)]
async fn every_condition_deny_and_region_stops_an_attack() {
    for (job, variant) in of_both_jobs(Allows::More) {
        let Variant { sid, what, whole, document, .. } = variant;
        if why_not_attacked(&sid, &what).is_some() {
            continue;
        }
        let stopped: Vec<&Attack> =
            ATTACKS.iter().filter(|it| it.job == job && it.sid == sid && what.starts_with(it.what)).collect();
        assert!(!stopped.is_empty(), "{job}.json, {sid}: nothing is stopped by {what}");
        for (attack, kind) in stopped.into_iter().flat_map(|it| kinds_of(&what).iter().map(move |kind| (it, *kind))) {
            let told = format!("{job}.json, {sid}, {what}: {:?} of {kind:?}", attack.call);
            let refused: Result<(), String> = Err("AccessDenied".to_owned());
            assert_eq!(Box::pin(attack.attempted(whole.clone(), kind)).await, refused, "{told}");
            let done = Box::pin(attack.attempted(document.clone(), kind)).await;
            assert_eq!(done, Ok(()), "{told}: does something else stop it?");
        }
    }
}

/// Nor does an attack outlive what stops it.
#[test]
fn attacks_name_what_is_there() {
    let there: Vec<(Job, Variant)> = of_both_jobs(Allows::More);
    for Attack { job, sid, what, .. } in ATTACKS {
        let is_there = there.iter().any(|(of, it)| of == job && it.sid == *sid && it.what.starts_with(what));
        assert!(is_there, "{job}.json, {sid}: there is no {what}");
    }
}

#[test]
fn each_policy_fits_into_a_role_and_says_what_it_is_for() {
    for job in JOBS {
        let policy = policy(job);
        let length = policy.to_string().len();
        assert!(length <= LONGEST, "{job}: {length} characters");
        let statements = policy["Statement"].as_array().expect("statements");
        let sids: BTreeSet<&str> = statements.iter().filter_map(|it| it["Sid"].as_str()).collect();
        assert_eq!(sids.len(), statements.len(), "{job}: every statement has a name of its own");
    }
}

/// The kinds of database that a line of a policy is about.
fn kinds_of(what: &str) -> &'static [DatabaseKind] {
    if what.contains(":cluster-snapshot:") || what.contains("DBClusterSnapshot") {
        &[DatabaseKind::Cluster]
    } else if what.contains(":snapshot:") || what.contains("DBSnapshot") {
        &[DatabaseKind::Instance]
    } else {
        &[DatabaseKind::Instance, DatabaseKind::Cluster]
    }
}

/// The account in which a job works.
fn account(job: Job) -> &'static str {
    if job == RdsSaver { FAILSAFE } else { LIVE }
}

/// A job's policy, with its alerts going to a topic of its account.
fn policy(job: Job) -> Value {
    document_in(account(job), job, HOME, &topic(job))
}

fn topic(job: Job) -> String {
    format!("arn:aws:sns:{HOME}:{}:alerts", account(job))
}

/// The variants of both policies that allow less, or more.
fn of_both_jobs(allows: Allows) -> Vec<(Job, Variant)> {
    let of = |job: Job| variants(&policy(job)).into_iter().map(move |variant| (job, variant));
    let all: Vec<(Job, Variant)> = JOBS.into_iter().flat_map(of).filter(|(_, it)| it.allows == allows).collect();
    assert!(!all.is_empty());
    all
}

/// Whether a job can do all of its work under a policy; and if not, what it could not.
async fn served(job: Job, policy: &Value) -> Result<(), String> {
    let mut config = config();
    // nearly as many as there are at the end, so that the job has to tell of it
    config.db_snapshot_limit = if job == RdsSharer { 10 } else { 5 };
    let estate = Estate::of(config).with_policy(job, policy.clone());
    let estate = match job {
        RdsSaver => {
            estate.with_failsafe("ALERT_TOPIC_ARN", &topic(job)).with_failsafe("RETENTION", "1d").with_second_copies()
        }
        RdsSharer | Job::Creator | Job::Copier | Job::Manager | Job::Watcher | Job::Syncer => {
            estate.with_live("ALERT_TOPIC_ARN", &topic(job))
        }
    };
    let side = if job == RdsSaver { Side::Failsafe } else { Side::Live };
    let made = estate.operator(side).await.sns.create_topic().name("alerts").send().await.expect("CreateTopic");
    check(made.topic_arn() == Some(topic(job).as_str()), || format!("{made:?} is the topic"))?;
    let mut scene = Scene::set_in(estate).await;
    if job == RdsSharer {
        Box::pin(shares(&mut scene)).await?;
    } else {
        Box::pin(saves(&mut scene)).await?;
    }
    // a run that fails tells of it
    let told = scene.estate.simulator().published().len();
    scene.estate.simulator().inject(Fault::new("DescribeDBSnapshots", FaultKind::Deny).always());
    Box::pin(scene.estate.run(job)).await;
    check(scene.estate.simulator().published().len() > told, || "nobody was told of a failure".to_owned())
}

/// Copies, shares and announcements of an instance under RDS's key, one under a key of its own and a cluster, a look at an
/// option group, and deletions.
async fn shares(scene: &mut Scene) -> Result<(), String> {
    let simulator = scene.estate.simulator();
    simulator.create_key(LIVE, HOME, "alias/own");
    let live = scene.estate.operator(Side::Live).await;
    let call = live.rds.create_db_instance().db_instance_identifier("own").engine("postgres");
    let call = call.db_instance_class("db.t3.micro").allocated_storage(20).storage_encrypted(true);
    let call = call.kms_key_id("alias/own").backup_retention_period(7).preferred_backup_window("05:00-05:30");
    call.set_tags(sdk_tags(ENROLLED)).send().await.expect("CreateDBInstance");
    let group = [
        ("OptionGroupName", "audited"),
        ("EngineName", "oracle-ee"),
        ("MajorEngineVersion", "19"),
        ("OptionGroupDescription", "with an option"),
    ];
    simulator.call("rds", HOME, "CreateOptionGroup", &group)?;
    let oracle = [
        ("DBInstanceIdentifier", "vault"),
        ("Engine", "oracle-ee"),
        ("DBInstanceClass", "db.t3.micro"),
        ("AllocatedStorage", "20"),
        ("OptionGroupName", "audited"),
    ];
    simulator.call("rds", HOME, "CreateDBInstance", &oracle)?;
    for name in ["by-hand", "by-hand-too"] {
        live.db_snapshot_by_hand("orders", name, &[]).await;
    }
    scene.pass(COPIES_TAKE).await;
    let mut found: BTreeSet<FindingKind> = BTreeSet::new();
    // on the third day the first day's copies go
    for (at, actions) in [
        ("2026-11-21T06:30:00Z", 3),
        ("2026-11-21T07:00:00Z", 3),
        ("2026-11-22T06:30:00Z", 3),
        ("2026-11-22T07:00:00Z", 3),
        ("2026-11-23T06:30:00Z", 6),
        ("2026-11-23T07:00:00Z", 3),
    ] {
        scene.until(at).await;
        let report = Box::pin(scene.estate.run(RdsSharer)).await;
        done(&report, actions)?;
        found.extend(report.findings.iter().map(|it| it.kind));
    }
    check(found == BTreeSet::from([FindingKind::QuotaNear]), || format!("found: {found:?}"))?;
    let announced = scene.estate.simulator().published().len();
    check(announced == 9, || format!("{announced} announcements"))?;
    for unit in ["db:orders", "db:own", "cluster:shop"] {
        let copies = own_of(&scene.estate, Side::Live, HOME, unit);
        let is_well = copies.len() == 2 && copies.iter().all(|it| it.shared_with.contains(FAILSAFE));
        check(is_well, || format!("{unit}: {copies:?}"))?;
    }
    Ok(())
}

/// Copies of what is shared, second copies, and deletions of both.
async fn saves(scene: &mut Scene) -> Result<(), String> {
    let operator = scene.estate.operator(Side::Failsafe).await;
    operator.db_snapshot_by_hand("ledger", "by-hand", &[]).await;
    let west = scene.estate.failsafe.operator(WEST).await;
    west.create_db_instance("ledger", &[]).await;
    scene.pass(COPIES_TAKE).await;
    for name in ["by-hand", "by-hand-too"] {
        west.db_snapshot_by_hand("ledger", name, &[]).await;
    }
    scene.oracle.learn(&scene.estate);
    scene.estate.simulator().create_key(FAILSAFE, WEST, SAVER_KEY);
    let mut found: BTreeSet<(FindingKind, String)> = BTreeSet::new();
    // saved, and saved once more elsewhere; on the second day the first ones go, in the end elsewhere as well
    for (day, runs) in [("2026-11-21", [2, 2, 0]), ("2026-11-22", [2, 4, 2])] {
        scene.until(&format!("{day}T06:30:00Z")).await;
        for _ in 0..2 {
            scene.run_well(RdsSharer).await?;
            scene.pass(COPIES_TAKE).await;
        }
        for actions in runs {
            let report = Box::pin(scene.estate.run(RdsSaver)).await;
            done(&report, actions)?;
            found.extend(report.findings.iter().map(|it| (it.kind, it.resource.clone())));
            scene.pass(COPIES_TAKE).await;
        }
    }
    let near = [HOME, WEST].map(|region| (FindingKind::QuotaNear, region.to_owned()));
    check(found == BTreeSet::from(near), || format!("found: {found:?}"))?;
    for region in [HOME, WEST] {
        for unit in super::UNITS {
            let saved = available(&scene.estate, Side::Failsafe, region, unit);
            check(saved.len() == 1, || format!("{unit} in {region}: {saved:?}"))?;
        }
    }
    Ok(())
}

/// Whether a run did so much, and failed at nothing.
fn done(report: &Report, actions: usize) -> Result<(), String> {
    let is_done = report.failed.is_empty() && report.unfinished.is_empty() && report.applied.len() == actions;
    check(is_done, || format!("{} done of {actions}, failed: {:?}", report.applied.len(), report.failed))
}
