//! Virtual time: the only place that asks tokio what time it is.

use chrono::{DateTime, Utc};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A clock that begins at a given instant and moves with tokio's time, paused or real.
pub(crate) struct Clock {
    start: DateTime<Utc>,
    /// Set at first use, so that a simulator may be made before the runtime is.
    origin: OnceLock<Instant>,
    skipped: Mutex<Duration>,
}

impl Clock {
    pub(crate) fn starting(start: DateTime<Utc>) -> Clock {
        Clock { start, origin: OnceLock::new(), skipped: Mutex::new(Duration::ZERO) }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        let elapsed = self.origin.get_or_init(Instant::now).elapsed();
        let skipped = *self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        self.start + elapsed + skipped
    }

    pub(crate) fn skip(&self, by: Duration) {
        *self.skipped.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_is_what_tokio_slept_and_what_was_skipped() {
        let start = DateTime::<Utc>::default();
        let clock = Clock::starting(start);
        assert_eq!(clock.now(), start);
        tokio::time::sleep(Duration::from_secs(7)).await;
        clock.skip(Duration::from_mins(1));
        assert_eq!(clock.now(), start + Duration::from_secs(67));
    }
}
