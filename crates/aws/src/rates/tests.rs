use std::cell::{Cell, RefCell};

use futures::{StreamExt, stream};

use super::*;

const ACTION: &str = "DeleteSnapshot";
/// How many calls a job makes at once.
const AT_ONCE: usize = 16;
const LATENCY: Duration = Duration::from_millis(50);

#[tokio::test(start_paused = true)]
async fn after_the_burst_calls_come_at_the_documented_rate() {
    for (rate, action, calls, seconds) in [
        (ApiRate::Share(1.0), "CreateSnapshots", 98, 0.0),
        (ApiRate::Share(1.0), "CreateSnapshots", 200, 20.0),
        (ApiRate::Share(0.5), "CreateSnapshots", 200, 60.0),
        (ApiRate::Share(1.0), "DescribeSnapshots", 200, 5.0),
        (ApiRate::Share(1.0), "CopySnapshot", 100, 10.0),
        (ApiRate::Share(1.0), "CopyImage", 110, 10.0),
        (ApiRate::Share(1.0), "StopInstances", 100, 10.0),
        (ApiRate::Share(1.0), "StartInstances", 25, 10.0),
        (ApiRate::Share(0.01), "CopySnapshot", 2, 20.0),
        (ApiRate::Share(0.01), "CopyDBSnapshot", 1_000, 0.0),
        (ApiRate::Share(0.01), "DescribeKey", 1_000, 0.0),
        (ApiRate::Off, "CreateSnapshots", 10_000, 0.0),
    ] {
        let gates = Gates::new(rate);
        let begun = Instant::now();
        for _ in 0..calls {
            gates.pass(&region(), action).await;
        }
        let took = begun.elapsed().as_secs_f64();
        let later = took - seconds;
        assert!((-0.001..=0.26).contains(&later), "{calls} × {action} at {rate:?} took {took} s");
    }
}

#[tokio::test(start_paused = true)]
async fn of_five_thousand_calls_none_is_throttled_and_no_time_is_lost() {
    for slowest in [0, 50, 200] {
        let (gates, account) = (Gates::new(ApiRate::Share(1.0)), RefCell::new(Account::full()));
        // the first calls open the connections, and of the others each takes its own time
        let on_the_way = |call: usize| {
            let spread = u64::try_from(call * 37 % 50).unwrap_or_default();
            Duration::from_millis(if call < AT_ONCE { slowest } else { spread.min(slowest) })
        };
        let made = make(5_000, &gates, &account, on_the_way).await;
        assert_eq!((made.calls, made.throttled), (5_000, 0), "{slowest} ms");
        assert!((980.0..=980.0 * 1.005).contains(&made.seconds), "{slowest} ms: {} s", made.seconds);
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_finds_the_bucket_empty_slows_down_at_once() {
    let (gates, account) = (Gates::new(ApiRate::Share(1.0)), RefCell::new(Account::empty()));
    let made = make(1_000, &gates, &account, |_| LATENCY / 2).await;
    assert!(made.throttled <= AT_ONCE + 2, "what was under way, and hardly more: {}", made.throttled);
    assert!(made.seconds <= 200.0 * 1.1, "{} s", made.seconds);
}

#[tokio::test(start_paused = true)]
async fn two_processes_share_a_bucket_and_the_one_that_stays_is_fast_again() {
    let account = RefCell::new(Account::full());
    let both = [Gates::new(ApiRate::Share(1.0)), Gates::new(ApiRate::Share(1.0))];
    let (one, other) = tokio::join!(
        make(1_500, &both[0], &account, |_| LATENCY / 2),
        make(1_500, &both[1], &account, |call| LATENCY / 2 + Duration::from_millis(call as u64 % 7)),
    );
    let (calls, throttled) = (one.calls + other.calls, one.throttled + other.throttled);
    assert!(throttled * 200 <= calls * 7, "{throttled} of {calls}");
    let (sooner, later) = (one.seconds.min(other.seconds), one.seconds.max(other.seconds));
    assert!(later <= 580.0 * 1.08, "{later} s");
    assert!(sooner >= later * 0.7, "neither starves: {sooner} s, {later} s");

    sleep(RECOVERY).await;
    let made = make(1_000, &both[0], &account, |_| LATENCY / 2).await;
    assert_eq!(made.throttled, 0);
    assert!((180.0..=180.0 * 1.005).contains(&made.seconds), "{} s", made.seconds);
}

#[tokio::test(start_paused = true)]
async fn who_waits_pauses_when_another_call_is_throttled() {
    let gates = Gates::new(ApiRate::Share(1.0));
    let first = gates.pass(&region(), ACTION).await;
    let begun = Instant::now();
    sleep(LATENCY).await;
    gates.throttled(&region(), &first);
    gates.pass(&region(), ACTION).await;
    let paused = begun.elapsed().as_secs_f64();
    assert!((0.05 + 0.2..0.05 + 0.3).contains(&paused), "a token at 0.8 of five a second: {paused} s");
}

#[tokio::test(start_paused = true)]
async fn many_throttled_calls_that_were_under_way_together_count_once() {
    let gates = Gates::new(ApiRate::Share(1.0));
    let mut under_way = Vec::new();
    for _ in 0..AT_ONCE {
        under_way.push(gates.pass(&region(), ACTION).await);
    }
    for call in &under_way {
        sleep(Duration::from_millis(1)).await;
        gates.throttled(&region(), call);
    }
    let begun = Instant::now();
    gates.pass(&region(), ACTION).await;
    assert!(begun.elapsed() <= Duration::from_millis(300), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_bucket_slows_down_to_an_eighth_at_most() {
    let gates = Gates::new(ApiRate::Share(1.0));
    for _ in 0..20 {
        let call = gates.pass(&region(), ACTION).await;
        sleep(LATENCY).await;
        gates.throttled(&region(), &call);
    }
    let begun = Instant::now();
    gates.pass(&region(), ACTION).await;
    let took = begun.elapsed().as_secs_f64();
    assert!((1.4..=1.61).contains(&took), "{took} s");
}

#[tokio::test(start_paused = true)]
async fn of_two_actions_the_first_is_called_while_it_can_be_and_then_whichever_can() {
    let gates = Gates::new(ApiRate::Share(1.0));
    let either = async || gates.pass_either(&region(), "CreateSnapshot", "CreateSnapshots").await.action;
    let begun = Instant::now();
    for call in 0..196 {
        let expected = if call < 98 { "CreateSnapshot" } else { "CreateSnapshots" };
        assert_eq!(either().await, expected, "call {call}");
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let mut later = BTreeMap::new();
    for _ in 0..100 {
        *later.entry(either().await).or_insert(0) += 1;
    }
    assert_eq!(later.into_values().collect::<Vec<i32>>(), [50, 50]);
    let took = begun.elapsed().as_secs_f64();
    assert!((9.5..=10.25).contains(&took), "ten a second: {took} s");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_waited_for_no_longer_is_not_lost() {
    let gates = Gates::new(ApiRate::Share(1.0));
    for _ in 0..98 {
        gates.pass(&region(), ACTION).await;
    }
    let begun = Instant::now();
    assert!(tokio::time::timeout(Duration::from_millis(20), gates.pass(&region(), ACTION)).await.is_err());
    for _ in 0..10 {
        gates.pass(&region(), ACTION).await;
    }
    assert!(begun.elapsed() <= Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_fullest_use_of_a_bucket_says_when_all_are_full_again() {
    let gates = Gates::new(ApiRate::Share(1.0));
    assert_eq!(gates.refilled_in(), Duration::ZERO);
    for (action, calls) in [("DescribeSnapshots", 90), ("CreateTags", 40), ("CreateSnapshot", 50)] {
        for _ in 0..calls {
            gates.pass(&region(), action).await;
        }
    }
    assert_eq!(gates.refilled_in(), Duration::from_secs(10));
    sleep(Duration::from_secs(8)).await;
    assert!(gates.refilled_in() <= Duration::from_millis(2_001), "{:?}", gates.refilled_in());
    sleep(Duration::from_secs(3)).await;
    assert_eq!(gates.refilled_in(), Duration::ZERO);

    let call = gates.pass(&region(), "CreateSnapshot").await;
    sleep(LATENCY).await;
    gates.throttled(&region(), &call);
    let said = gates.refilled_in();
    assert!(said > Duration::from_secs(20) && said < Duration::from_secs(30), "more slowly: {said:?}");
    sleep(said).await;
    assert_eq!(gates.refilled_in(), Duration::ZERO);

    let gates = Gates::new(ApiRate::Off);
    gates.pass(&region(), "CreateSnapshot").await;
    assert_eq!(gates.refilled_in(), Duration::ZERO);
}

fn region() -> Region {
    "us-east-1".parse().unwrap()
}

/// AWS's bucket, counted as the simulator does.
struct Account {
    millis: u128,
    at: Instant,
}

impl Account {
    fn full() -> Self {
        Self { millis: 100_000, at: Instant::now() }
    }

    fn empty() -> Self {
        Self { millis: 0, at: Instant::now() }
    }

    fn takes_a_call(&mut self) -> bool {
        let now = Instant::now();
        self.millis = 100_000.min(self.millis + 5 * (now - self.at).as_millis());
        self.at = now;
        let is_there = self.millis >= 1000;
        if is_there {
            self.millis -= 1000;
        }
        is_there
    }
}

/// What it took to make calls.
struct Made {
    calls: usize,
    throttled: usize,
    seconds: f64,
}

/// Makes so many calls through one process's gates, each until it is not throttled. `on_the_way` is how long each takes to
/// arrive; the answer takes as long again.
async fn make(calls: usize, gates: &Gates, account: &RefCell<Account>, on_the_way: impl Fn(usize) -> Duration) -> Made {
    let begun = Instant::now();
    let (made, throttled) = (Cell::new(0), Cell::new(0));
    let one = async |call: usize| {
        let mut wait = Duration::from_millis(250);
        loop {
            let pass = gates.pass(&region(), ACTION).await;
            made.set(made.get() + 1);
            sleep(on_the_way(call)).await;
            let takes = account.borrow_mut().takes_a_call();
            sleep(on_the_way(call)).await;
            if takes {
                return;
            }
            throttled.set(throttled.get() + 1);
            gates.throttled(&region(), &pass);
            // in place of chance
            let jitter = u32::try_from(call * 61 % 100).unwrap_or_default();
            sleep(wait + wait * jitter / 100).await;
            wait = (wait * 2).min(Duration::from_secs(20));
        }
    };
    stream::iter(0..calls).map(one).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    Made { calls: made.get(), throttled: throttled.get(), seconds: begun.elapsed().as_secs_f64() }
}
