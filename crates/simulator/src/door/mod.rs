//! The two doors into the one model.

pub(crate) mod in_process;
pub(crate) mod listener;

use crate::simulator::Simulator;
use crate::wire::request::Request;
use crate::wire::response::Response;
use thiserror::Error;

/// The connection is cut, and nobody knows what became of the request.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the connection was closed before the answer")]
pub(crate) struct Cut;

/// The request that came in with these headers, to this query and with this body.
pub(crate) fn received<'a>(
    header: impl Fn(&'static str) -> Option<&'a str>,
    query: Option<&str>,
    body: &[u8],
) -> Request {
    let authorization = header("authorization");
    // only services that speak JSON are told the action in a header
    let request = match header("x-amz-target") {
        Some(target) => Request::parse_json(authorization, target, body),
        None => Request::parse(authorization, query, body),
    };
    request.dated(header("x-amz-date"))
}

/// Takes a request through the model, and as long about it as the model says.
pub(crate) async fn exchange(simulator: &Simulator, request: &Request) -> Result<Response, Cut> {
    let exchange = simulator.handle(request);
    if !exchange.delay.is_zero() {
        tokio::time::sleep(exchange.delay).await;
    }
    exchange.answer.ok_or(Cut)
}
