//! The door for everyone else: HTTP/1 on a socket.
//!
//! Beside AWS's interface it answers `GET /_simulator/published`, `GET /_simulator/calls` and `GET /_simulator/counts`, in
//! JSON.

use crate::door::{Cut, exchange, received};
use crate::simulator::Simulator;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// How long to wait where a connection cannot be accepted, as when there are too many open files.
const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

/// A simulator that listens. It ends when this is stopped or dropped.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listener {
    pub(crate) async fn open(simulator: Simulator, address: SocketAddr) -> std::io::Result<Listener> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(serve(listener, simulator));
        Ok(Listener { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the socket and all connections, and returns when that is done.
    pub async fn stop(mut self) {
        self.task.abort();
        // an error only says that the task was aborted, which is what was asked for
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts connections for ever. They are tasks of this one's set, so they end when it does.
async fn serve(listener: TcpListener, simulator: Simulator) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, simulator.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(AFTER_FAILED_ACCEPT).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn connection(stream: TcpStream, simulator: Simulator) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let service = service_fn(move |request| answer(simulator.clone(), request));
    // where the service returns an error, hyper closes the connection without an answer: a cut connection
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "connection closed");
    }
}

async fn answer(simulator: Simulator, request: hyper::Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
    match request.uri().path() {
        "/_simulator/published" => return Ok(json(&simulator.published())),
        "/_simulator/calls" => return Ok(json(&simulator.calls())),
        // a list: an object's members have texts for names
        "/_simulator/counts" => return Ok(json(&simulator.call_counts().into_iter().collect::<Vec<_>>())),
        _ => {}
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let header = |name: &'static str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let request = received(header, head.uri.query(), &body);
    let answer = exchange(&simulator, &request).await?;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Ok(response(status, answer.content_type, answer.body))
}

fn json(value: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_string(value) {
        Ok(text) => response(StatusCode::OK, "application/json", text),
        Err(error) => response(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
    }
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use crate::testing::{ACCOUNT, authorization, simulator};
    use crate::{Fault, FaultKind, Simulator};
    use std::net::SocketAddr;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    /// Sends one request to EC2 over a socket, and returns all that comes back until the connection closes.
    async fn send(simulator: &Simulator, method: &str, path: &str, body: &str) -> String {
        send_to(simulator, "ec2", "", method, path, body).await
    }

    /// Sends one request with more headers, each with its line's end, to a service.
    async fn send_to(
        simulator: &Simulator,
        service: &str,
        headers: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> String {
        let listener = simulator.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let mut stream = TcpStream::connect(listener.address()).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: {}\r\n\
             {headers}content-length: {}\r\n\r\n{body}",
            authorization("AKID", "us-east-1", service),
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        listener.stop().await;
        answer
    }

    const DESCRIBE: &str = "Action=DescribeRegions&Version=2016-11-15";

    #[tokio::test]
    async fn a_call_is_answered_by_post_and_by_get() {
        let sim = simulator();
        for answer in [send(&sim, "POST", "/", DESCRIBE).await, send(&sim, "GET", &format!("/?{DESCRIBE}"), "").await] {
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("<regionName>us-east-1<"), "{answer}");
        }
        let calls = send(&sim, "GET", "/_simulator/calls", "").await;
        assert!(calls.contains("\"action\":\"DescribeRegions\""), "{calls}");
        let counts = send(&sim, "GET", "/_simulator/counts", "").await;
        assert!(counts.contains(r#""action":"DescribeRegions"},{"calls":2,"throttled":0"#), "{counts}");
    }

    #[tokio::test]
    async fn a_service_that_speaks_json_is_answered_in_json() {
        let sim = simulator();
        let target = "x-amz-target: TrentService.DescribeKey\r\ncontent-type: application/x-amz-json-1.1\r\n";
        let answer = send_to(&sim, "kms", target, "POST", "/", r#"{"KeyId": "alias/aws/rds"}"#).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""KeyManager":"AWS""#), "{answer}");
        assert!(answer.contains("content-type: application/x-amz-json-1.1\r\n"), "{answer}");
        for broken in ["", "KeyId=alias/aws/rds", "[]"] {
            let answer = send_to(&sim, "kms", target, "POST", "/", broken).await;
            let is_told = answer.contains(r#""__type":"SerializationException""#);
            assert!(answer.starts_with("HTTP/1.1 400") && is_told, "{answer}");
        }
    }

    #[tokio::test]
    async fn every_kind_of_fault_comes_through_the_socket() {
        let broken = || (500, "InternalError".to_owned());
        let create = "Action=CreateVolume&Version=2016-11-15&AvailabilityZone=us-east-1a&Size=8";
        let ((status, code), (status_after, code_after)) = (broken(), broken());
        for (kind, begins, made) in [
            (FaultKind::Throttle, "HTTP/1.1 503", 0),
            (FaultKind::Status { status, code }, "HTTP/1.1 500", 0),
            (FaultKind::StatusAfter { status: status_after, code: code_after }, "HTTP/1.1 500", 1),
            (FaultKind::CutBefore, "", 0),
            (FaultKind::CutAfter, "", 1),
            (FaultKind::Slow(Duration::from_millis(1)), "HTTP/1.1 200", 1),
        ] {
            let sim = simulator();
            sim.inject(Fault::any(kind.clone()).one_in(1).always());
            let answer = send(&sim, "POST", "/", create).await;
            assert!(answer.starts_with(begins) && answer.is_empty() == begins.is_empty(), "{kind:?}: {answer}");
            assert_eq!(sim.volumes(ACCOUNT, "us-east-1").len(), made, "{kind:?}");
        }
    }

    #[tokio::test]
    async fn a_cut_connection_carries_no_byte_of_an_answer() {
        let sim = simulator();
        sim.inject(Fault::new("DescribeRegions", FaultKind::CutAfter));
        assert_eq!(send(&sim, "POST", "/", DESCRIBE).await, "");
    }
}
