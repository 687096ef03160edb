use std::fmt;

use snapkeeper_core::{
    plan::{FindingKind, Reason},
    run::{Job, Run},
    settings::Settings,
};
use tokio::time::{Instant, sleep};

use super::*;
use crate::{context::Deadline, continuation::Continuation};

/// The action of this number. Of those under way the last ends first.
struct Number(usize);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "number {}", self.0)
    }
}

impl Action for Number {
    fn resource(&self) -> String {
        self.0.to_string()
    }
}

fn plan(actions: usize) -> Plan<Number> {
    Plan { actions: (0..actions).map(Number).collect(), ..Plan::default() }
}

fn context(listed: usize) -> Context {
    let instant = "2026-11-21T05:00:00Z".parse().unwrap();
    let run = Run::new(Job::Manager, "us-east-1".parse().unwrap(), instant, Settings::default());
    Context::new(Run { listed, ..run })
}

fn going_on() -> Context {
    let continuation = Some(Continuation { invocations: 2, ..Continuation::default() });
    Context { continuation, ..context(usize::MAX) }
}

/// Does what is even, fails at every third, and finds every fifth gone.
async fn act(Number(number): &Number, outcome: &mut Outcome) {
    sleep(Duration::from_millis(100 - u64::try_from(number % 16).unwrap())).await;
    if number.is_multiple_of(3) {
        outcome.failed(number, "by three");
    }
    if number.is_multiple_of(5) {
        outcome.kept(number, "by five");
    }
    if number.is_multiple_of(2) {
        outcome.made([format!("snap-{number}"), format!("snap-{number}-2")]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_listed_is_the_beginning_in_the_order_of_the_plan_and_all_is_counted() {
    let of_kept = |listed: usize| async move {
        let mut plan = plan(300);
        plan.keep("snap-kept", Reason::LastGood);
        plan.kept_unlisted = [("not_due", 7)].into();
        let mut report = apply(plan, &context(listed), act).await;
        report.count();
        report
    };
    let whole = of_kept(usize::MAX).await;
    assert_eq!((whole.applied.len(), whole.failed.len(), whole.kept.len()), (150, 100, 61));
    for listed in [0, 1, 10, 100, 200] {
        let report = of_kept(listed).await;
        assert_eq!(report.counts, whole.counts, "{listed}");
        assert_eq!((report.counts.kept, report.made()), (68, 300), "{listed}");
        assert_eq!(report.kept_by_reason, whole.kept_by_reason);
        assert_eq!(report.kept_by_reason["changed_meanwhile"], 60);
        assert_eq!(report.applied, whole.applied[..listed.min(150)]);
        assert_eq!(report.failed, whole.failed[..listed.min(100)]);
        assert_eq!(report.kept, whole.kept[..listed.min(61)]);
    }
}

#[tokio::test]
async fn a_dry_run_lists_no_more_either() {
    let mut context = context(3);
    context.run.dry_run = true;
    let mut report = apply(plan(10), &context, act).await;
    report.count();
    assert_eq!((report.planned.len(), report.counts.planned, report.counts.applied), (3, 10, 0));
}

/// Does actions that take a second each, under a bucket that is drained or has nearly all of its tokens.
async fn with_share(context: &Context, actions: usize, calls_read: u64, drained: bool) -> Report {
    let refilled_in = || Duration::from_secs(if drained { 60 } else { 7 });
    let share = Share { calls_read, refilled_in: &refilled_in };
    apply_share(plan(actions), context, share, async |_: &Number, outcome: &mut Outcome| {
        sleep(Duration::from_secs(1)).await;
        outcome.done();
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_share_is_done_when_it_was_worth_the_reading_and_the_bucket_is_drained() {
    let report = with_share(&going_on(), 1_000, 3, true).await;
    let done = report.applied.len();
    assert!((150..150 + 2 * AT_ONCE).contains(&done), "{done} done");
    assert_eq!(report.unfinished.len(), 1_000 - done);
    assert!(report.unfinished[0].cause.starts_with("left for the next invocation: number "));
    let expected = Continuation { invocations: 3, wait: Duration::from_mins(1), ..Continuation::default() };
    assert_eq!(report.continuation, Some(expected));
    assert!(report.succeeded());
    // there is more in it, or nobody goes on, or that was all
    for (context, actions, drained) in
        [(going_on(), 1_000, false), (context(usize::MAX), 1_000, true), (going_on(), 150, true)]
    {
        let report = with_share(&context, actions, 3, drained).await;
        assert_eq!((report.applied.len(), report.unfinished.len(), report.continuation), (actions, 0, None));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_deadline_leaves_is_gone_on_with() {
    let begun = Instant::now();
    let context = Context { deadline: Deadline::within(Duration::from_mins(4)), ..going_on() };
    let report = with_share(&context, 10_000, 1_000, false).await;
    assert!(begun.elapsed() <= Duration::from_mins(4));
    assert!(!report.unfinished.is_empty() && report.failed.is_empty());
    assert_eq!(report.continuation.map(|next| next.wait), Some(Duration::from_secs(7)));
}

/// Each invocation tries these again, and what comes after them must have its turn all the same.
#[tokio::test(start_paused = true)]
async fn what_fails_is_no_part_of_the_share() {
    let refilled_in = || Duration::from_mins(1);
    let share = Share { calls_read: 1, refilled_in: &refilled_in };
    let context = going_on();
    let report = apply_share(plan(300), &context, share, async |number: &Number, outcome: &mut Outcome| {
        if number.0 < 200 {
            sleep(Duration::from_secs(10)).await;
            outcome.failed(number.0, "no");
        } else {
            sleep(Duration::from_secs(1)).await;
            outcome.done();
        }
    });
    let report = report.await;
    let done = report.applied.len();
    assert!((50..50 + 2 * AT_ONCE).contains(&done), "{done} done");
    assert_eq!((report.failed.len(), report.unfinished.len()), (200, 100 - done));
    assert_eq!(report.applied[0].resource, "200");
    assert_eq!(report.continuation.map(|next| next.wait), Some(Duration::from_mins(1)));
}

#[tokio::test(start_paused = true)]
async fn an_invocation_in_which_nothing_can_be_done_is_the_last_one_and_fails() {
    let soon_over = |context: Context| async move {
        let context = Context { deadline: Deadline::within(Duration::from_mins(4)), ..context };
        sleep(Duration::from_secs(190)).await;
        with_share(&context, 20, 3, false).await
    };
    let report = soon_over(going_on()).await;
    assert_eq!((report.applied.len(), report.unfinished.len()), (0, 20));
    assert_eq!(report.failed, [Told::new("us-east-1", NOTHING_DONE)]);
    assert!(report.continuation.is_none() && !report.succeeded());
    // where nobody goes on, the next run does
    let report = soon_over(context(usize::MAX)).await;
    assert_eq!((report.unfinished.len(), report.failed.len(), report.continuation), (20, 0, None));
}

/// What was cut off may have been done, and what is read a moment later may not tell of it yet.
#[tokio::test(start_paused = true)]
async fn after_what_was_cut_off_readings_have_the_time_to_catch_up() {
    let refilled_in = || Duration::from_secs(7);
    let share = Share { calls_read: 1, refilled_in: &refilled_in };
    let context = Context { deadline: Deadline::within(Duration::from_mins(4)), ..going_on() };
    let report = apply_share(plan(40), &context, share, async |_: &Number, outcome: &mut Outcome| {
        sleep(Duration::from_mins(2)).await;
        outcome.done();
    });
    let report = report.await;
    assert_eq!((report.applied.len(), report.unfinished.len()), (AT_ONCE, 40 - AT_ONCE));
    assert!(report.unfinished[0].cause.starts_with("cut off by the deadline, perhaps done: number "));
    assert_eq!(report.continuation.map(|next| next.wait), Some(Duration::from_secs(15)));
}

#[tokio::test(start_paused = true)]
async fn a_region_that_is_full_holds_up_no_other() {
    let refilled_in = || Duration::from_secs(20);
    let share = Share { calls_read: 1, refilled_in: &refilled_in };
    let context = going_on();
    let report = apply_share(plan(300), &context, share, async |number: &Number, outcome: &mut Outcome| {
        if number.0.is_multiple_of(2) {
            outcome.unfinished(number.0, "the region is full");
        } else {
            sleep(Duration::from_secs(1)).await;
            outcome.done();
        }
    });
    let report = report.await;
    let done = report.applied.len();
    assert!((50..50 + 2 * AT_ONCE).contains(&done), "{done} done");
    assert_eq!(report.continuation.map(|next| next.wait), Some(Duration::from_secs(20)));
}

#[tokio::test]
async fn what_the_plan_has_found_and_does_not_list_is_counted() {
    let mut plan = Plan { listed: 100, ..plan(0) };
    for number in 0..1_000 {
        let (kind, text) = (FindingKind::UnreadableTag, || format!("snap-{number}"));
        plan.find(Finding { kind, resource: text(), what: text(), since: None, todo: text() });
    }
    let mut report = apply(plan, &context(100), act).await;
    report.count();
    assert_eq!((report.findings.len(), report.counts.findings), (100, 1_000));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_others_is_left_to_the_next_run() {
    let refilled_in = || Duration::from_secs(20);
    let share = Share { calls_read: 1, refilled_in: &refilled_in };
    let context = going_on();
    let report = apply_share(plan(30), &context, share, async |number: &Number, outcome: &mut Outcome| {
        if number.0 < 20 {
            outcome.done();
        } else {
            outcome.unfinished(number.0, "the region is full");
        }
    });
    let report = report.await;
    assert_eq!((report.applied.len(), report.unfinished.len()), (20, 10));
    assert_eq!(report.continuation, None);
}
