//! The door for the Rust SDK: an HTTP client that is the model itself. No sockets, so time can be virtual.

use crate::door::{exchange, received};
use crate::simulator::Simulator;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use std::time::Duration;

/// The in-process door.
#[derive(Clone, Debug)]
pub(crate) struct InProcess(pub(crate) Simulator);

/// A connection through it, for one choice of settings.
#[derive(Debug)]
struct Connection {
    simulator: Simulator,
    /// The SDK keeps the time-outs of operations and attempts itself; that of reading is the HTTP client's to keep.
    read_timeout: Option<Duration>,
}

impl HttpClient for InProcess {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connection { simulator: self.0.clone(), read_timeout: settings.read_timeout() })
    }
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let simulator = self.simulator.clone();
        let read_timeout = self.read_timeout.unwrap_or(Duration::MAX);
        let query = request.uri().split_once('?').map(|(_, query)| query);
        // the bodies of these protocols are always in memory
        let body = request.body().bytes().unwrap_or_default();
        let headers = request.headers();
        let request = received(|name| headers.get(name), query, body);
        HttpConnectorFuture::new(async move {
            let answer = tokio::time::timeout(read_timeout, exchange(&simulator, &request))
                .await
                .map_err(|elapsed| ConnectorError::timeout(elapsed.into()))?
                .map_err(|cut| ConnectorError::io(cut.into()))?;
            let status =
                StatusCode::try_from(answer.status).map_err(|error| ConnectorError::other(error.into(), None))?;
            let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
            response.headers_mut().insert("content-type", answer.content_type);
            Ok(response)
        })
    }
}
