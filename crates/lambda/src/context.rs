//! What surrounds a run while it is carried out: how long it may take, who watches, and who ends it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use snapkeeper_core::{on_demand::Request, rds::announcement::Announcement, run::Run};
use tokio::time::Instant;

use crate::{continuation::Continuation, reach::Reach};

/// No action is begun when less than this is left: a creation without an answer may have to be looked for, made again and
/// looked for again.
const MARGIN_TO_BEGIN: Duration = Duration::from_mins(2);
/// Actions still under way are left when less than this remains: the report must get out, and the news of a failure.
const MARGIN_TO_TELL: Duration = Duration::from_secs(15);
/// No instance is stopped when less than this is left: it must have come to a halt, and be started again.
const MARGIN_TO_STOP_INSTANCES: Duration = Duration::from_mins(7);

/// One run, being carried out.
#[derive(Debug)]
pub struct Context {
    /// The run as its plan sees it.
    pub run: Run,
    /// When it must end.
    pub deadline: Deadline,
    /// Who watches.
    pub progress: Progress,
    /// Where the webhook of the heartbeat may be.
    pub reach: Reach,
    /// What an operator asked for, by hand: the creator does this, and nothing of what its schedule is for; and
    /// [`perform`](crate::perform) tells the request's topics, but neither heartbeat nor metrics.
    pub request: Option<Request>,
    /// What the message said that started the run, if one did, or what of it was not understood: a hint to the job that
    /// keeps shared snapshots.
    pub announced: Option<Result<Announcement, String>>,
    /// Where the run goes on, if somebody invokes the job again as long as it asks for that: then it does no more at once
    /// than is worth its time.
    pub continuation: Option<Continuation>,
    /// Ends the run early.
    pub cancel: Cancel,
    /// When it began, as the clock says; in tests, the instant of the run.
    pub began: Began,
}

impl Context {
    /// A run without a deadline that nobody watches.
    pub fn new(run: Run) -> Self {
        let began = Began::at(run.instant);
        Self {
            run,
            deadline: Deadline::none(),
            progress: Progress::default(),
            reach: Reach::default(),
            request: None,
            announced: None,
            continuation: None,
            cancel: Cancel::default(),
            began,
        }
    }

    /// The present instant, as far as it is known from when the run began.
    pub fn now(&self) -> DateTime<Utc> {
        let Began { clock, instant } = self.began;
        TimeDelta::from_std(instant.elapsed()).ok().and_then(|passed| clock.checked_add_signed(passed)).unwrap_or(clock)
    }

    /// Why no action is to be begun any more, if that is so.
    pub fn why_not_begin(&self) -> Option<&'static str> {
        if self.cancel.is_cancelled() {
            Some("interrupted")
        } else if self.deadline.is_near() {
            Some("no time left")
        } else {
            None
        }
    }

    /// Why no instance is to be stopped any more, if that is so.
    pub fn why_not_stop_instances(&self) -> Option<&'static str> {
        if self.cancel.is_cancelled() {
            Some("interrupted")
        } else if self.deadline.is_near_for_stopping() {
            Some("too little time is left to stop it and start it again")
        } else {
            None
        }
    }
}

/// When a run began: what the clock said, and tokio's time then.
#[derive(Clone, Copy, Debug)]
pub struct Began {
    clock: DateTime<Utc>,
    instant: Instant,
}

impl Began {
    /// Now, which the clock calls so.
    pub fn at(clock: DateTime<Utc>) -> Self {
        Self { clock, instant: Instant::now() }
    }
}

/// Ends a run early: nothing new is begun, and what cannot be left half done is done. Clones end the same run.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends the run.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the run is to end.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// When a run must stop beginning actions, leave those under way, stop reading, and stop telling others.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Limits>);

#[derive(Clone, Copy, Debug)]
struct Limits {
    stop_instances: Instant,
    begin: Instant,
    start_instances: Instant,
    leave: Instant,
    stop: Instant,
    tell: Instant,
}

impl Deadline {
    /// As long as it takes.
    pub fn none() -> Self {
        Self(None)
    }

    /// In `time` from now all is cut off. The margins are shorter where the time is short.
    pub fn within(time: Duration) -> Self {
        let cut_off = Instant::now() + time;
        let margin = MARGIN_TO_TELL.min(time / 10);
        Self(Some(Limits {
            stop_instances: cut_off - MARGIN_TO_STOP_INSTANCES.min(time / 2),
            begin: cut_off - MARGIN_TO_BEGIN.min(time / 4),
            start_instances: cut_off - margin * 6 / 5,
            leave: cut_off - margin,
            stop: cut_off - margin * 4 / 5,
            tell: cut_off - margin / 5,
        }))
    }

    /// Whether it is too late to begin an action.
    pub(crate) fn is_near(&self) -> bool {
        self.0.is_some_and(|limits| Instant::now() >= limits.begin)
    }

    /// Whether it is too late to stop an instance that must be started again.
    fn is_near_for_stopping(&self) -> bool {
        self.0.is_some_and(|limits| Instant::now() >= limits.stop_instances)
    }

    /// Reads what one of several jobs needs; `None` if that had to be left, for from now on nothing is begun.
    pub async fn for_reading<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        until(self.0.map(|limits| limits.begin), work).await
    }

    /// Does what an instance is stopped for; `None` if that had to be left, for from now on it is to be started again.
    pub async fn for_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        until(self.0.map(|limits| limits.begin), work).await
    }

    /// Starts an instance again; `None` if that had to be left, a moment before the action would be.
    pub async fn for_starting<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        until(self.0.map(|limits| limits.start_instances), work).await
    }

    /// Carries out one action; `None` if it had to be left.
    pub(crate) async fn for_action<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        until(self.0.map(|limits| limits.leave), work).await
    }

    /// Carries out the whole job; `None` if it had to be stopped.
    pub(crate) async fn for_job<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        until(self.0.map(|limits| limits.stop), work).await
    }

    /// Tells others of it; `None` if that took too long for the log to be written still.
    pub(crate) async fn for_telling<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        until(self.0.map(|limits| limits.tell), work).await
    }
}

async fn until<T>(limit: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout_at(limit, work).await.ok(),
        None => Some(work.await),
    }
}

/// Told how many actions there are and how many are done.
pub struct Progress(Box<dyn Fn(usize, usize) + Send + Sync>);

impl Progress {
    /// Calls `tell` with the number done and the number of all.
    pub fn new(tell: impl Fn(usize, usize) + Send + Sync + 'static) -> Self {
        Self(Box::new(tell))
    }

    pub(crate) fn tell(&self, done: usize, of: usize) {
        (self.0)(done, of);
    }
}

impl Default for Progress {
    /// Tells nobody.
    fn default() -> Self {
        Self::new(|_, _| {})
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

#[cfg(test)]
mod tests {
    use snapkeeper_core::{run::Job, settings::Settings};

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn context(deadline: Deadline) -> Context {
        let instant = "2026-11-21T05:00:07Z".parse().unwrap();
        let run = Run::new(Job::Creator, "us-east-1".parse().unwrap(), instant, Settings::default());
        Context { deadline, ..Context::new(run) }
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_is_stopped_only_while_there_is_time_to_start_it() {
        let context = context(Deadline::within(15 * MINUTE));
        for (passes, stops, begins) in [
            (Duration::ZERO, true, true),
            (7 * MINUTE, true, true),
            (2 * MINUTE, false, true),
            (5 * MINUTE, false, false),
        ] {
            tokio::time::sleep(passes).await;
            assert_eq!(context.why_not_stop_instances().is_none(), stops, "after {passes:?} more");
            assert_eq!(context.why_not_begin().is_none(), begins, "after {passes:?} more");
        }
        // what it was stopped for is over, and there is time to start it still
        assert!(context.deadline.for_stopped(std::future::pending::<()>()).await.is_none());
        assert!(context.deadline.for_starting(tokio::time::sleep(MINUTE / 2)).await.is_some());
        assert!(context.deadline.for_starting(std::future::pending::<()>()).await.is_none());
        // and to tell what is not started, before the action is left
        assert!(context.deadline.for_action(tokio::time::sleep(Duration::from_secs(2))).await.is_some());
        assert!(context.deadline.for_action(std::future::pending::<()>()).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_is_ended_begins_nothing() {
        let context = context(Deadline::none());
        let ends = context.cancel.clone();
        assert_eq!((context.why_not_begin(), context.why_not_stop_instances()), (None, None));
        ends.cancel();
        assert_eq!(
            (context.why_not_begin(), context.why_not_stop_instances()),
            (Some("interrupted"), Some("interrupted"))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_present_goes_on_from_when_the_run_began() {
        let context = context(Deadline::none());
        assert_eq!(context.now(), context.run.instant);
        tokio::time::sleep(MINUTE).await;
        assert_eq!(context.now(), context.run.instant + TimeDelta::minutes(1));
    }
}
