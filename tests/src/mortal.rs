//! A way to the simulator on which the process dies at a chosen call.

use std::{
    fmt,
    future::{pending, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::Poll,
};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use tokio::sync::Notify;

/// At which of its calls a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// The call, counted from 0.
    pub call: u32,
    /// Whether the call takes effect.
    pub after: bool,
}

/// The way of one process's calls to the simulator. Clones are the same one.
#[derive(Clone)]
pub struct Mortal(Arc<Inner>);

struct Inner {
    death: Death,
    through: SharedHttpClient,
    calls: AtomicU32,
    is_dead: AtomicBool,
    /// Told when the process is killed.
    killed: Notify,
}

impl Mortal {
    /// A way on which the process dies then.
    pub fn new(death: Death, through: SharedHttpClient) -> Self {
        let (calls, is_dead, killed) = (AtomicU32::new(0), AtomicBool::new(false), Notify::new());
        Self(Arc::new(Inner { death, through, calls, is_dead, killed }))
    }

    /// The SDK's end of it.
    pub fn client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    /// What the process comes to; `None` if it was killed.
    pub async fn alive<T>(&self, process: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.0.killed.notified() => None,
            result = process => Some(result),
        }
    }

    async fn forward(
        &self,
        through: &SharedHttpConnector,
        request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        if self.0.is_dead.load(Ordering::Relaxed) {
            return pending().await;
        }
        let call = self.0.calls.fetch_add(1, Ordering::Relaxed);
        if self.0.death == (Death { call, after: false }) {
            return self.die().await;
        }
        let mut answer = Box::pin(through.call(request));
        // the simulator acts when it is first asked, and then waits with its answer
        let first = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
        if self.0.death == (Death { call, after: true }) {
            return self.die().await;
        }
        match first {
            Poll::Ready(answer) => answer,
            Poll::Pending => answer.await,
        }
    }

    /// Nothing comes back any more, to this call or any other.
    async fn die(&self) -> Result<HttpResponse, ConnectorError> {
        self.0.is_dead.store(true, Ordering::Relaxed);
        self.0.killed.notify_one();
        pending().await
    }
}

impl fmt::Debug for Mortal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mortal").field("death", &self.0.death).finish_non_exhaustive()
    }
}

impl HttpClient for Mortal {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let through = self.0.through.http_connector(settings, components);
        SharedHttpConnector::new(Connection { way: self.clone(), through })
    }
}

/// The way, for one choice of settings.
#[derive(Debug)]
struct Connection {
    way: Mortal,
    through: SharedHttpConnector,
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (way, through) = (self.way.clone(), self.through.clone());
        HttpConnectorFuture::new(async move { way.forward(&through, request).await })
    }
}
