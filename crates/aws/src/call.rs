//! One call to AWS: counted, limited, and repeated where that is harmless.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use backon::{ExponentialBuilder, Retryable};
use snapkeeper_core::{
    calls::{Calls, REPEATS, REPEATS_OF_OPEN},
    ids::Region,
};

use crate::{
    error::{Error, Kind},
    rates::{Gates, Pass},
};

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Whether making a call twice does what making it once does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twice {
    /// It reads, deletes, sets a tag, or starts an instance.
    Harmless,
    /// It creates: AWS would create two, for lack of a client token. Or it stops an instance, which may have been started
    /// between the two.
    Harmful,
}

/// Where the jitter of repeats comes from: chance, or a seed, so that a test can repeat itself.
#[derive(Debug, Default)]
pub(crate) struct Jitter {
    seed: Option<u64>,
    drawn: AtomicU64,
}

impl Jitter {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }

    fn of(&self, waits: ExponentialBuilder) -> ExponentialBuilder {
        match self.seed {
            None => waits.with_jitter(),
            // each call its own, or all would wait alike
            Some(seed) => waits.with_jitter().with_jitter_seed(seed ^ self.drawn.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// Makes the calls to one region.
#[derive(Clone)]
pub(crate) struct Caller {
    region: Region,
    gates: Arc<Gates>,
    jitter: Arc<Jitter>,
    calls: Calls,
}

impl Caller {
    pub(crate) fn new(region: Region, gates: Arc<Gates>, jitter: Arc<Jitter>, calls: Calls) -> Self {
        Self { region, gates, jitter, calls }
    }

    /// Waits for the place of a call of `action` under the rate limit.
    pub(crate) async fn pass(&self, action: &'static str) -> Pass {
        self.gates.pass(&self.region, action).await
    }

    /// The same for a call of either action: of the first one, unless the second has its place sooner.
    pub(crate) async fn pass_either(&self, first: &'static str, second: &'static str) -> Pass {
        self.gates.pass_either(&self.region, first, second).await
    }

    /// Calls `action` by `send`, which makes one attempt.
    pub(crate) async fn call<T, E, F>(
        &self,
        action: &'static str,
        twice: Twice,
        send: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let pass = self.pass(action).await;
        self.call_with(pass, twice, send).await
    }

    /// The same with a pass that was waited for.
    pub(crate) async fn call_with<T, E, F>(&self, pass: Pass, twice: Twice, send: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (action, send) = (pass.action, &send);
        let mut first = Some(pass);
        let attempt = || {
            let first = first.take();
            async move {
                let pass = match first {
                    Some(pass) => pass,
                    None => self.pass(action).await,
                };
                self.calls.count(action);
                let answer = send().await.map_err(|error| Error::of(action, &error));
                if answer.as_ref().is_err_and(|error| error.kind == Kind::Throttled) {
                    self.gates.throttled(&self.region, &pass);
                }
                answer
            }
        };
        let mut open = 0;
        attempt
            .retry(
                self.jitter.of(ExponentialBuilder::default()
                    .with_min_delay(FIRST_WAIT)
                    .with_max_delay(LONGEST_WAIT)
                    .with_max_times(REPEATS)),
            )
            .when(|error: &Error| {
                let is_open = error.kind == Kind::Open;
                open += usize::from(is_open);
                error.kind.may_pass() && (!is_open || twice == Twice::Harmless && open <= REPEATS_OF_OPEN)
            })
            .notify(|error, wait| tracing::debug!(region = %self.region, %error, ?wait, "repeated after a while"))
            .await
    }
}
