//! What must hold for every call.

use crate::testing::{
    ACCOUNT, Look as _, Reply, authorization, call, call_service, simulator, simulator_with, snapshot, volume,
};
use crate::wire::request::Request;
use crate::{CallCount, Fault, FaultKind, OPERATOR, Outcome, Simulator, SnapshotState};
use std::time::Duration;

const REGION: &str = "us-east-1";

fn create(sim: &Simulator, volume: &str) -> Reply {
    call(sim, REGION, "CreateSnapshot", &[("VolumeId", volume)])
}

/// Injects a fault, and checks the status of the answer (0 for none) and how many snapshots there are afterwards.
#[track_caller]
fn check(kind: FaultKind, status: u16, snapshots: usize) {
    let sim = simulator();
    let volume = volume(&sim, REGION);
    sim.inject(Fault::new("CreateSnapshot", kind));
    assert_eq!(create(&sim, &volume).status, status);
    assert_eq!(sim.snapshots(ACCOUNT, REGION).len(), snapshots);
}

#[tokio::test(start_paused = true)]
async fn a_fault_strikes_before_the_effect_or_after_it() {
    let broken = || "InternalError".to_owned();
    check(FaultKind::Throttle, 503, 0);
    check(FaultKind::Deny, 403, 0);
    check(FaultKind::Status { status: 500, code: broken() }, 500, 0);
    check(FaultKind::StatusAfter { status: 500, code: broken() }, 500, 1);
    check(FaultKind::CutBefore, 0, 0);
    check(FaultKind::CutAfter, 0, 1);
    check(FaultKind::Slow(Duration::from_secs(1)), 200, 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_call_takes_effect_after_its_caller_has_looked() {
    let sim = simulator();
    let volume = volume(&sim, REGION);
    sim.inject(Fault::new("CreateSnapshot", FaultKind::Late(Duration::from_secs(90))));
    let (called, after) = (sim.now(), Duration::from_secs(90));
    assert_eq!(create(&sim, &volume).status, 0);
    let look = || call(&sim, REGION, "DescribeSnapshots", &[("Owner.1", "self")]).ok().texts("snapshotId").len();
    sim.skip(Duration::from_secs(89));
    assert_eq!(look(), 0);
    sim.skip(Duration::from_secs(11));
    assert_eq!(look(), 1);
    let made = sim.snapshots(ACCOUNT, REGION).remove(0);
    assert_eq!((made.start_time, made.state), (called + after, SnapshotState::Pending));
    assert_eq!(sim.calls().iter().filter(|call| call.action == "CreateSnapshot").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_call_is_seen_by_the_owner_too() {
    let sim = simulator();
    let volume = volume(&sim, REGION);
    sim.inject(Fault::new("CreateSnapshot", FaultKind::Late(Duration::from_secs(90))));
    create(&sim, &volume);
    assert!(sim.snapshots(ACCOUNT, REGION).is_empty());
    sim.skip(Duration::from_mins(3));
    assert_eq!(sim.snapshots(ACCOUNT, REGION)[0].state, SnapshotState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_late_deletion_is_its_callers() {
    let sim = simulator();
    let (mine, theirs) = (snapshot(&sim, REGION), snapshot(&sim, REGION));
    sim.inject(Fault::new("DeleteSnapshot", FaultKind::Late(Duration::from_secs(10))).by("AKID"));
    sim.call("ec2", REGION, "DeleteSnapshot", &[("SnapshotId", &theirs)]).unwrap();
    assert_eq!(call(&sim, REGION, "DeleteSnapshot", &[("SnapshotId", &mine)]).status, 0);
    sim.skip(Duration::from_secs(10));
    let told: Vec<(String, String)> = sim.deletions().into_iter().map(|one| (one.caller, one.snapshot.id)).collect();
    assert_eq!(told, [(OPERATOR.to_owned(), theirs), ("AKID".to_owned(), mine)]);
}

#[tokio::test(start_paused = true)]
async fn a_token_expires_between_two_pages() {
    let sim = simulator_with(|config| config.page_size = 1);
    for _ in 0..2 {
        volume(&sim, REGION);
    }
    let kind = FaultKind::Status { status: 400, code: "InvalidPaginationToken".to_owned() };
    sim.inject(Fault::new("DescribeVolumes", kind).of_later_pages());
    let token = call(&sim, REGION, "DescribeVolumes", &[("MaxResults", "5")]).ok().first("nextToken");
    let next = || call(&sim, REGION, "DescribeVolumes", &[("MaxResults", "5"), ("NextToken", &token)]);
    assert_eq!((next().code().as_str(), next().status), ("InvalidPaginationToken", 200));
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_and_calls_give_the_same_strikes() {
    let statuses = |seed: u64| -> Vec<u16> {
        let sim = simulator_with(|config| config.seed = seed);
        sim.inject(Fault::any(FaultKind::Throttle).one_in(3).always());
        (0..50).map(|_| call(&sim, REGION, "DescribeVolumes", &[]).status).collect()
    };
    assert_eq!(statuses(1), statuses(1));
    assert_ne!(statuses(1), statuses(2));
}

#[tokio::test(start_paused = true)]
async fn a_region_that_is_down_or_does_not_exist_does_not_answer() {
    let sim = simulator();
    sim.region_down(REGION);
    assert_eq!(call(&sim, REGION, "DescribeVolumes", &[]).status, 0);
    assert_eq!(call(&sim, "us-west-2", "DescribeVolumes", &[]).status, 200);
    sim.region_up(REGION);
    assert_eq!(call(&sim, REGION, "DescribeVolumes", &[]).status, 200);
    assert_eq!(call(&sim, "us-east-9", "DescribeVolumes", &[]).status, 0);
}

#[tokio::test(start_paused = true)]
async fn calls_are_remembered_with_their_answers() {
    let sim = simulator();
    call(&sim, REGION, "DeleteSnapshot", &[("SnapshotId", "snap-00000000")]);
    let calls = sim.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0].action.as_str(), calls[0].service.as_str()), ("DeleteSnapshot", "ec2"));
    assert_eq!(calls[0].caller, "AKID");
    assert_eq!(calls[0].params, [("SnapshotId".to_owned(), "snap-00000000".to_owned())]);
    let code = "InvalidSnapshot.NotFound".to_owned();
    assert_eq!(calls[0].answer, Outcome::Error { status: 400, code });
    sim.forget_calls();
    assert!(sim.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted_even_if_they_are_not_kept() {
    let sim = simulator_with(|config| config.keeps_calls = false);
    sim.inject(Fault::any(FaultKind::Throttle).times(2));
    sim.inject(Fault::any(FaultKind::CutBefore).after(3));
    for _ in 0..5 {
        call(&sim, REGION, "DescribeVolumes", &[]);
    }
    sim.call("ec2", "us-west-2", "DeleteSnapshot", &[("SnapshotId", "snap-00000000")]).unwrap_err();
    assert!(sim.calls().is_empty());
    let counts = sim.call_counts();
    let told: Vec<(&str, &str, &str)> =
        counts.keys().map(|kind| (kind.caller.as_str(), kind.region.as_str(), kind.action.as_str())).collect();
    assert_eq!(told, [("AKID", REGION, "DescribeVolumes"), (OPERATOR, "us-west-2", "DeleteSnapshot")]);
    let all: CallCount = counts.values().sum();
    assert_eq!((all.calls, all.throttled, all.cut), (6, 2, 1));
    let errors: Vec<(&str, u64)> = all.errors.iter().map(|(code, count)| (code.as_str(), *count)).collect();
    assert_eq!(errors, [("InvalidSnapshot.NotFound", 1), ("RequestLimitExceeded", 2)]);
    sim.forget_calls();
    assert!(sim.call_counts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_access_key_says_which_account_it_is() {
    let sim = simulator_with(|config| config.accounts = vec![("OTHER".to_owned(), "210987654321".to_owned())]);
    let body = b"Action=CreateVolume&Version=2016-11-15&AvailabilityZone=us-east-1a&Size=8";
    sim.handle(&Request::parse(Some(&authorization("OTHER", REGION, "ec2")), None, body));
    assert_eq!(sim.volumes("210987654321", REGION).len(), 1);
    assert!(sim.volumes(ACCOUNT, REGION).is_empty());
    let unsigned = sim.handle(&Request::parse(None, None, body)).answer.unwrap();
    assert_eq!(unsigned.status, 403);
}

#[tokio::test(start_paused = true)]
async fn a_key_of_twelve_digits_is_its_own_account() {
    let sim = simulator_with(|config| config.accounts = vec![("111111111111".to_owned(), ACCOUNT.to_owned())]);
    let id = volume(&sim, REGION);
    let seen = |key: &str| sim.ask(key, "ec2", REGION, "DescribeVolumes", &[]).ok().texts("volumeId");
    let own = [("AvailabilityZone", "us-east-1a"), ("Size", "8")];
    let other = sim.ask("210987654321", "ec2", REGION, "CreateVolume", &own).ok().first("volumeId");
    assert_eq!(seen("210987654321"), [other.as_str()]);
    for of_the_default in ["AKID", ACCOUNT, "111111111111", "21098765432", "2109876543210", "21098765432x"] {
        assert_eq!(seen(of_the_default), [id.as_str()], "{of_the_default}");
    }
    let told = sim.ask("210987654321", "sts", REGION, "GetCallerIdentity", &[]).ok().first("Account");
    assert_eq!(told, "210987654321");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_refused_whatever_the_service() {
    let sim = simulator();
    for (service, action) in [("ec2", "DescribeVolumes"), ("sns", "CreateTopic"), ("s3", "\u{1b}")] {
        let answer = call_service(&sim, service, REGION, action, &[("Name", "\u{1}")]);
        assert_eq!(answer.code(), "InvalidParameterValue", "{service}");
    }
    let twice =
        call(&sim, REGION, "DescribeVolumes", &[("VolumeId.1", "vol-00000001"), ("VolumeId.1", "vol-00000001")]);
    assert_eq!(twice.code(), "InvalidQueryParameter");
    assert!(twice.body.contains("VolumeId.1"), "{}", twice.body);
}

#[tokio::test(start_paused = true)]
async fn the_same_calls_give_the_same_ids() {
    let ids = || snapshot(&simulator(), REGION);
    assert_eq!(ids(), ids());
}
