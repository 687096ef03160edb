//! Positions at which something goes wrong: each is tried in a world of its own.

use snapkeeper_tests::parallel;

use crate::reliability::say;

/// The SDK, unoptimized as it is in tests, may need more than the two megabytes that a thread has otherwise.
const STACK: usize = 16 << 20;

/// Tries all of these, of which there must be so many, each in a world of its own.
pub(crate) fn try_all<T: Sync + std::fmt::Debug>(
    what: &str,
    least: usize,
    all: &[T],
    attempt: impl AsyncFn(&T) -> Result<(), String> + Sync,
) {
    assert!(all.len() >= least, "{what}: {} positions, and the documentation says {least}", all.len());
    let outcomes = parallel::map(all, |one| {
        let outcome = parallel::caught(|| played(async || attempt(one).await));
        outcome.unwrap_or_else(Err).map_err(|why| format!("{one:?}: {why}"))
    });
    let wrong: Vec<&String> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{what}: {} of {}: {:#?}", wrong.len(), all.len(), &wrong[..wrong.len().min(5)]);
    say(&format!("{what}: {} positions", all.len()));
}

/// What comes of this, in virtual time, on a thread of its own.
pub(crate) fn played<R: Send>(act: impl AsyncFnOnce() -> R + Send) -> R {
    let play = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(act())
    };
    std::thread::scope(|scope| {
        let played = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, play).expect("a thread");
        match played.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
