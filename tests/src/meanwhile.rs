//! A way to the simulator on which something else happens at a chosen call: before it, or from then on.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
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

/// The way of one process's calls to the simulator. Clones are the same one.
#[derive(Clone)]
pub struct Meanwhile(Arc<Inner>);

struct Inner {
    /// Counted from 0.
    call: u32,
    /// Whether the call is made only when the other thing is done.
    waits: bool,
    through: SharedHttpClient,
    calls: AtomicU32,
    /// Told when the call is about to be made.
    reached: Notify,
    /// Told when the other thing is done.
    done: Notify,
}

impl Meanwhile {
    /// The other thing is done before the call of this number, which waits for it; the process's other calls do not.
    pub fn before(call: u32, through: SharedHttpClient) -> Self {
        Self::at(call, true, through)
    }

    /// The other thing begins at the call of this number, and goes on beside it and all that come after.
    pub fn beside(call: u32, through: SharedHttpClient) -> Self {
        Self::at(call, false, through)
    }

    fn at(call: u32, waits: bool, through: SharedHttpClient) -> Self {
        let (calls, reached, done) = (AtomicU32::new(0), Notify::new(), Notify::new());
        Self(Arc::new(Inner { call, waits, through, calls, reached, done }))
    }

    /// The SDK's end of it.
    pub fn client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    /// What the process comes to, and the other thing; `None` if the process never made that call.
    pub async fn both<P, A>(&self, process: impl Future<Output = P>, act: impl Future<Output = A>) -> (P, Option<A>) {
        let is_over = Notify::new();
        let process = async {
            let result = process.await;
            is_over.notify_one();
            result
        };
        let act = async {
            tokio::select! {
                biased;
                () = self.0.reached.notified() => {}
                () = is_over.notified() => return None,
            }
            let result = act.await;
            self.0.done.notify_one();
            Some(result)
        };
        tokio::join!(process, act)
    }

    async fn forward(
        &self,
        through: &SharedHttpConnector,
        request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let call = self.0.calls.fetch_add(1, Ordering::Relaxed);
        if call == self.0.call {
            self.0.reached.notify_one();
            if self.0.waits {
                self.0.done.notified().await;
            }
        }
        through.call(request).await
    }
}

impl fmt::Debug for Meanwhile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Meanwhile").field("call", &self.0.call).finish_non_exhaustive()
    }
}

impl HttpClient for Meanwhile {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let through = self.0.through.http_connector(settings, components);
        SharedHttpConnector::new(Connection { way: self.clone(), through })
    }
}

/// The way, for one choice of settings.
#[derive(Debug)]
struct Connection {
    way: Meanwhile,
    through: SharedHttpConnector,
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (way, through) = (self.way.clone(), self.through.clone());
        HttpConnectorFuture::new(async move { way.forward(&through, request).await })
    }
}
