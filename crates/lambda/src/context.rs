//! What surrounds a run while it is carried out: how long it may take, and who watches.

use std::{fmt, time::Duration};

use snapkeeper_core::run::Run;
use tokio::time::Instant;

use crate::reach::Reach;

/// No action is begun when less than this is left: a creation without an answer may have to be looked for, made again and
/// looked for again.
const MARGIN_TO_BEGIN: Duration = Duration::from_mins(2);
/// Actions still under way are left when less than this remains: the report must get out, and the news of a failure.
const MARGIN_TO_TELL: Duration = Duration::from_secs(15);

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
}

impl Context {
    /// A run without a deadline that nobody watches.
    pub fn new(run: Run) -> Self {
        Self { run, deadline: Deadline::none(), progress: Progress::default(), reach: Reach::default() }
    }
}

/// When a run must stop beginning actions, leave those under way, stop reading, and stop telling others.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Limits>);

#[derive(Clone, Copy, Debug)]
struct Limits {
    begin: Instant,
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
            begin: cut_off - MARGIN_TO_BEGIN.min(time / 4),
            leave: cut_off - margin,
            stop: cut_off - margin * 4 / 5,
            tell: cut_off - margin / 5,
        }))
    }

    /// Whether it is too late to begin an action.
    pub(crate) fn is_near(&self) -> bool {
        self.0.is_some_and(|limits| Instant::now() >= limits.begin)
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
