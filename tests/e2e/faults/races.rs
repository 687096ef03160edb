//! What changes while a job is at work: resources that go or are taken into use, a second run, a killed one.

use std::time::Duration;

use snapkeeper_core::run::Job;
use snapkeeper_lambda::Report;
use snapkeeper_simulator::{Fault, FaultKind};
use snapkeeper_tests::{World, policies};
use tokio::time::{sleep, timeout};

use super::{CHANGING, NOW, are_tagged, busy_in, state, undisturbed};
use crate::peers::{
    COPIED, ENROLLED, FIRST, HOME, LONG_AFTER, WEST, answering_after, automated, back_up, back_up_daily, calls_of,
    copy, day, deleted, each_taken_once, register_image, set, standing, tag, taken,
};

/// How long every answer takes here. The creator reads thrice and the manager five times before they change anything.
const LATENCY: Duration = Duration::from_secs(2);
/// When the creator has read everything and has changed nothing.
const CREATOR_HAS_READ: Duration = Duration::from_secs(5);
/// When the manager has read everything and has changed nothing.
const MANAGER_HAS_READ: Duration = Duration::from_secs(9);

#[tokio::test(start_paused = true)]
async fn an_instance_that_vanishes_between_plan_and_call_is_no_failure() {
    let world = answering_after(LATENCY);
    let operator = world.operator(HOME).await;
    let single = operator.run_instance(&[], ENROLLED).await;
    let several = operator.run_instance(&["/dev/sdf"], ENROLLED).await;
    operator.run_instance(&[], ENROLLED).await;
    world.until(FIRST).await;
    let (report, ()) = tokio::join!(world.run(Job::Creator, HOME, FIRST), async {
        sleep(CREATOR_HAS_READ).await;
        ask(&world, "TerminateInstances", &[("InstanceId.1", &single), ("InstanceId.2", &several)]);
    });
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    assert_eq!(calls_of(&report, "CreateSnapshots"), 1, "it was still there when it was read");
    assert_eq!(report.applied.len(), 1, "the third one");
    assert_eq!(report.kept_by_reason.get("changed_meanwhile"), Some(&2), "{:?}", report.kept);
    assert!(each_taken_once(&world, FIRST, 1));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_deleted_meanwhile_counts_as_deleted() {
    let world = answering_after(LATENCY);
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(&world, 3).await;
    world.until(LONG_AFTER).await;
    let (report, ()) = tokio::join!(world.run(Job::Manager, HOME, LONG_AFTER), async {
        sleep(MANAGER_HAS_READ).await;
        ask(&world, "DeleteSnapshot", &[("SnapshotId", &backups[0])]);
    });
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    assert_eq!(report.applied.len(), 2);
    assert_eq!(standing(&world, HOME), set(&backups[2..]));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_an_image_comes_to_use_meanwhile_is_kept() {
    let world = answering_after(LATENCY);
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(&world, 3).await;
    world.until(LONG_AFTER).await;
    let (report, ()) = tokio::join!(world.run(Job::Manager, HOME, LONG_AFTER), async {
        sleep(MANAGER_HAS_READ).await;
        register_image(&world, "golden", &backups[0]);
    });
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    assert_eq!(report.kept_by_reason.get("changed_meanwhile"), Some(&1));
    assert_eq!(deleted(&world), set(&backups[1..2]));
}

/// The manager's policy denies a deletion against `KeepForever`, and EC2 one against a lock: as they should, so that the
/// run has not failed.
#[tokio::test(start_paused = true)]
async fn a_hold_that_is_set_meanwhile_is_honoured_and_no_failure() {
    for hold in [keep_forever as fn(&World, &str), lock] {
        let world = answering_after(LATENCY);
        let (report, backups) = Box::pin(held_meanwhile(&world, hold)).await;
        assert!(report.failed.is_empty(), "{:?}", report.failed);
        assert_eq!(report.kept_by_reason.get("changed_meanwhile"), Some(&1));
        assert_eq!(deleted(&world), set(&backups[1..2]));
    }
}

/// Nothing but the policy does it: by then the plan is made.
#[tokio::test(start_paused = true)]
async fn without_the_policy_a_keep_forever_that_is_set_meanwhile_comes_too_late() {
    let mut policy = policies::document(Job::Manager, HOME, "arn:aws:sns:us-east-1:123456789012:alerts");
    let statements = policy["Statement"].as_array_mut().expect("statements");
    let place = statements.iter().position(|it| it["Sid"] == "NeverDeleteWhatIsKeptForever").expect("the Deny");
    statements.remove(place);
    let world = answering_after(LATENCY).with_policy(Job::Manager, policy);
    let (report, backups) = Box::pin(held_meanwhile(&world, keep_forever)).await;
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    assert_eq!(deleted(&world), set(&backups[..2]));
}

/// Runs the manager when two of three backups are due, the first of which somebody holds when the manager has read
/// everything. Returns its report and the backups.
async fn held_meanwhile(world: &World, hold: fn(&World, &str)) -> (Report, Vec<String>) {
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(world, 3).await;
    world.until(LONG_AFTER).await;
    let (report, ()) = tokio::join!(world.run(Job::Manager, HOME, LONG_AFTER), async {
        sleep(MANAGER_HAS_READ).await;
        hold(world, &backups[0]);
    });
    (report, backups)
}

fn keep_forever(world: &World, snapshot: &str) {
    ask(world, "CreateTags", &[("ResourceId.1", snapshot), ("Tag.1.Key", "KeepForever"), ("Tag.1.Value", "")]);
}

fn lock(world: &World, snapshot: &str) {
    ask(world, "LockSnapshot", &[("SnapshotId", snapshot), ("LockMode", "governance"), ("LockDuration", "9")]);
}

/// What is denied for no such reason lingers, and is told of.
#[tokio::test(start_paused = true)]
async fn a_deletion_that_is_denied_without_a_hold_is_a_failure() {
    let world = World::in_process();
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(&world, 3).await;
    world.until(LONG_AFTER).await;
    world.simulator().inject(Fault::new("DeleteSnapshot", FaultKind::Deny).on(&backups[0]).always());
    let report = world.run(Job::Manager, HOME, LONG_AFTER).await;
    assert_eq!((report.failed.len(), report.failed[0].resource.as_str()), (1, backups[0].as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_deleted_before_it_is_copied_is_no_failure() {
    let world = answering_after(LATENCY);
    world.operator(HOME).await.run_instance(&["/dev/sdf"], COPIED).await;
    let primaries = back_up(&world, FIRST).await;
    world.until("2026-11-21T06:00:00Z").await;
    let (report, ()) = tokio::join!(world.run(Job::Copier, HOME, "2026-11-21T06:00:00Z"), async {
        // it reads here and there
        sleep(Duration::from_secs(3)).await;
        ask(&world, "DeleteSnapshot", &[("SnapshotId", &primaries[0])]);
    });
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    assert_eq!(report.kept_by_reason.get("changed_meanwhile"), Some(&1));
    assert_eq!(automated(&world, WEST).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_runs_of_the_same_event_at_once_take_no_snapshot_too_many() {
    let world = answering_after(LATENCY);
    let operator = world.operator(HOME).await;
    operator.run_instance(&[], ENROLLED).await;
    operator.run_instance(&["/dev/sdf", "/dev/sdg"], ENROLLED).await;
    world.until(FIRST).await;
    let (one, other) = tokio::join!(world.run(Job::Creator, HOME, FIRST), world.run(Job::Creator, HOME, FIRST));
    assert!(one.failed.is_empty() && other.failed.is_empty(), "{:?} {:?}", one.failed, other.failed);
    let counts = taken(&world, FIRST);
    assert_eq!(counts.len(), 4);
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    assert!(are_tagged(&automated(&world, HOME)));
    world.settle().await;
    world.run_well(Job::Creator, HOME, FIRST).await;
    assert_eq!(taken(&world, FIRST), counts, "and a third run takes no more");
}

#[tokio::test(start_paused = true)]
async fn two_managers_at_once_delete_what_is_due_and_no_more() {
    let world = answering_after(LATENCY);
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(&world, 4).await;
    world.until(LONG_AFTER).await;
    let (one, other) =
        tokio::join!(world.run(Job::Manager, HOME, LONG_AFTER), world.run(Job::Manager, HOME, LONG_AFTER));
    assert!(one.failed.is_empty() && other.failed.is_empty(), "{:?} {:?}", one.failed, other.failed);
    assert_eq!(deleted(&world), set(&backups[..3]));
}

#[tokio::test(start_paused = true)]
async fn a_killed_creator_is_made_up_for_by_the_same_event() {
    // in the readings, sixteen creations, the rest of them
    for killed_after in [500, 2_500, 3_500, 4_500] {
        let world = answering_after(Duration::from_secs(1));
        let operator = world.operator(HOME).await;
        operator.run_instances(15, &[], ENROLLED).await;
        operator.run_instances(15, &["/dev/sdf"], ENROLLED).await;
        world.until(FIRST).await;
        kill(&world, Job::Creator, FIRST, killed_after).await;
        assert!(are_tagged(&automated(&world, HOME)), "{killed_after}");
        world.run_well(Job::Creator, HOME, FIRST).await;
        assert!(each_taken_once(&world, FIRST, 45), "{killed_after}: {:?}", taken(&world, FIRST));
        assert!(are_tagged(&automated(&world, HOME)), "{killed_after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_copier_is_made_up_for_by_the_next_run() {
    for killed_after in [500, 1_500, 2_500, 3_500] {
        let world = answering_after(Duration::from_secs(1));
        world.operator(HOME).await.run_instances(18, &[], COPIED).await;
        let primaries = back_up(&world, FIRST).await;
        world.until("2026-11-21T06:00:00Z").await;
        kill(&world, Job::Copier, "2026-11-21T06:00:00Z", killed_after).await;
        copy(&world, "2026-11-21T06:00:00Z").await;
        let copies = automated(&world, WEST);
        let mut sources: Vec<&str> = copies.iter().filter_map(|copy| tag(copy, "Source_SnapshotId")).collect();
        sources.sort_unstable();
        assert_eq!(sources, primaries, "{killed_after}: one of each");
        assert!(are_tagged(&copies), "{killed_after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_manager_is_made_up_for_by_the_next_run() {
    for killed_after in [500, 4_500, 5_500, 6_500] {
        let world = answering_after(Duration::from_secs(1));
        world.operator(HOME).await.run_instances(20, &[], ENROLLED).await;
        let due = back_up(&world, FIRST).await;
        let last = back_up(&world, &day(1)).await;
        world.until(LONG_AFTER).await;
        kill(&world, Job::Manager, LONG_AFTER, killed_after).await;
        assert!(deleted(&world).is_subset(&set(&due)), "{killed_after}");
        world.run_well(Job::Manager, HOME, LONG_AFTER).await;
        assert_eq!((deleted(&world), standing(&world, HOME)), (set(&due), set(&last)), "{killed_after}");
    }
}

#[tokio::test(start_paused = true)]
async fn running_twice_is_the_same_as_running_once() {
    for job in CHANGING {
        let (expected, _) = undisturbed(job).await;
        let world = busy_in(answering_after(Duration::from_millis(100))).await;
        for _ in 0..3 {
            world.run_well(job, HOME, NOW).await;
        }
        assert_eq!(state(&world), expected, "{job}");
    }
}

/// Calls EC2 as somebody else, in no time.
#[track_caller]
fn ask(world: &World, action: &str, parameters: &[(&str, &str)]) {
    world.simulator().call("ec2", HOME, action, parameters).expect("done");
}

/// Runs a job, and drops it in the middle.
async fn kill(world: &World, job: Job, at: &str, after_milliseconds: u64) {
    let killed = timeout(Duration::from_millis(after_milliseconds), world.run(job, HOME, at)).await;
    assert!(killed.is_err(), "it was over after {after_milliseconds} ms");
}

/// An effect that comes only after the look for it: one snapshot too many, which expires like any other.
#[tokio::test(start_paused = true)]
async fn an_effect_that_comes_late_costs_one_snapshot_at_most() {
    for (seconds, most) in [(3, 1), (16, 2), (40, 2)] {
        let world = World::in_process();
        world.operator(HOME).await.run_instance(&[], ENROLLED).await;
        world.simulator().inject(Fault::new("CreateSnapshot", FaultKind::Late(Duration::from_secs(seconds))));
        world.run_well(Job::Creator, HOME, FIRST).await;
        world.settle().await;
        let counts = taken(&world, FIRST);
        assert!(
            counts.len() == 1 && counts.values().all(|count| (1..=most).contains(count)),
            "{seconds} s: {counts:?}"
        );
        assert!(are_tagged(&automated(&world, HOME)));
    }
}
