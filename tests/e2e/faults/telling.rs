//! Who hears of failures; and dry runs, which only tell.

use snapkeeper_core::run::Job;
use snapkeeper_lambda::{Report, Step};
use snapkeeper_simulator::{Fault, FaultKind};
use snapkeeper_tests::World;

use super::{NOW, busy_in, changing, made, resources, simulator, state};
use crate::peers::{ENROLLED, FIRST, HOME, set};

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:alerts";

#[tokio::test(start_paused = true)]
async fn failures_are_published_to_the_alert_topic() {
    let world = with_topic(World::of(simulator()));
    let operator = world.operator(HOME).await;
    let instance = operator.run_instance(&[], ENROLLED).await;
    operator.run_instance(&["/dev/sdf"], ENROLLED).await;
    let volume = operator.volumes(&instance).await.remove("/dev/xvda").expect("a root volume");
    world.simulator().inject(Fault::new("CreateSnapshot", FaultKind::Deny).always());
    let report = world.run(Job::Creator, HOME, FIRST).await;
    assert_eq!((report.applied.len(), report.failed.len()), (1, 1));
    let published = world.simulator().published();
    assert_eq!(published.len(), 1);
    assert_eq!(published[0].subject.as_deref(), Some("Snapkeeper us-east-1: creator failed (1 failed)"));
    assert!(published[0].message.contains(&volume), "{}", published[0].message);
    assert!(published[0].message.contains("UnauthorizedOperation"), "{}", published[0].message);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_could_not_begin_is_published_too() {
    for job in Job::OF_EC2 {
        let world = with_topic(World::of(simulator()));
        world.simulator().inject(Fault::new("DescribeSnapshots", FaultKind::Deny).always());
        world.run(job, HOME, FIRST).await;
        let published = world.simulator().published();
        assert_eq!(published.len(), 1, "{job}");
        assert!(published[0].message.contains("DescribeSnapshots"), "{job}: {}", published[0].message);
    }
}

#[tokio::test(start_paused = true)]
async fn runs_without_failures_publish_nothing() {
    let world = with_topic(World::of(simulator()));
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    world.until(FIRST).await;
    for job in Job::OF_EC2 {
        world.run_well(job, HOME, FIRST).await;
        assert!(made(&world, "Publish").is_empty(), "{job}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_alert_topic_that_is_not_there_is_a_failure_as_well() {
    let world = World::of(simulator()).with("ALERT_TOPIC_ARN", TOPIC);
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    world.simulator().inject(Fault::new("CreateSnapshot", FaultKind::Deny).always());
    let report = world.run(Job::Creator, HOME, FIRST).await;
    assert_eq!((report.failed.len(), report.counts.failed), (2, 2));
    assert!(resources(&report.failed).is_superset(&set([&"alert topic".to_owned()])));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing_and_plans_what_the_run_does() {
    let world = busy_in(with_topic(World::of(simulator()))).await;
    for job in [Job::Watcher, Job::Manager, Job::Copier, Job::Creator] {
        world.simulator().forget_calls();
        let (before, published) = (state(&world), world.simulator().published().len());
        let dry = world.dry_run(job, HOME, NOW).await;
        assert!(dry.dry_run && dry.applied.is_empty() && dry.failed.is_empty(), "{job}");
        assert!(changing(&world).is_empty(), "{job} called {:?}", changing(&world));
        assert!(dry.calls.keys().all(|action| action.starts_with("Describe")), "{job}: {:?}", dry.calls);
        assert_eq!((state(&world), world.simulator().published().len()), (before, published), "{job}");

        let done = world.run_well(job, HOME, NOW).await;
        assert!(!dry.planned.is_empty(), "{job} had something to do");
        assert_eq!(steps(&dry.planned), steps(&done.applied), "{job}");
        assert_eq!(kept(&dry), kept(&done), "{job}");
        assert!(!changing(&world).is_empty(), "{job} did it");
    }
}

#[tokio::test(start_paused = true)]
async fn the_setting_for_dry_runs_makes_every_run_one() {
    let world = World::of(simulator()).with("DRY_RUN", "true");
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    world.simulator().forget_calls();
    for job in Job::OF_EC2 {
        let report = world.run(job, HOME, NOW).await;
        assert!(report.dry_run && report.applied.is_empty(), "{job}");
        assert_eq!(report.planned.len(), usize::from(job == Job::Creator), "{job}");
    }
    assert!(changing(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_that_fails_publishes_nothing() {
    let world = busy_in(with_topic(World::of(simulator()))).await;
    world.simulator().inject(Fault::new("DescribeSnapshots", FaultKind::Deny).always());
    for job in Job::OF_EC2 {
        let report = world.dry_run(job, HOME, NOW).await;
        assert_eq!(report.failed.len(), 1, "{job}");
    }
    assert!(changing(&world).is_empty());
}

/// A world with an alert topic.
fn with_topic(world: World) -> World {
    world.simulator().call("sns", HOME, "CreateTopic", &[("Name", "alerts")]).expect("CreateTopic");
    world.simulator().forget_calls();
    world.with("ALERT_TOPIC_ARN", TOPIC)
}

/// Steps without what they made.
fn steps(steps: &[Step]) -> Vec<(&str, &str)> {
    steps.iter().map(|step| (step.resource.as_str(), step.what.as_str())).collect()
}

/// What was left alone, and why.
fn kept(report: &Report) -> Vec<(&str, &str)> {
    report.kept.iter().map(|kept| (kept.resource.as_str(), kept.cause.as_str())).collect()
}
