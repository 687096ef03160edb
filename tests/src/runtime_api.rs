//! A Lambda Runtime API on loopback: hands out events and takes what the function posts back.

use std::{
    convert::Infallible,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::Command as AsyncCommand,
    sync::{Mutex, mpsc},
    task::JoinSet,
};

/// What a function posted for an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Posted {
    /// A result.
    Response(Value),
    /// An error: `errorType` and `errorMessage`.
    Error(Value),
}

/// How many events were given an id. Each has its own, unless it is tried again.
static IDS: AtomicU64 = AtomicU64::new(0);

struct Api {
    events: Mutex<Vec<(String, Value)>>,
    deadline: DateTime<Utc>,
    posted: mpsc::UnboundedSender<Posted>,
}

/// Runs a function's binary against a Runtime API that hands out `events`, one after the other, each with this deadline.
/// Returns what it posted, in order, and its standard output.
///
/// # Panics
/// If the function does not answer within a minute.
pub async fn invoke(function: Command, events: Vec<Value>, deadline: DateTime<Utc>) -> (Vec<Posted>, String) {
    let events = events.into_iter().map(|event| (format!("request-{}", IDS.fetch_add(1, Ordering::Relaxed)), event));
    invoke_as(function, events.collect(), deadline).await
}

/// The same with events that have ids already, as Lambda tries an event again.
///
/// # Panics
/// If the function does not answer within a minute.
pub async fn invoke_as(
    function: Command,
    events: Vec<(String, Value)>,
    deadline: DateTime<Utc>,
) -> (Vec<Posted>, String) {
    let expected = events.len();
    let (posted, mut answers) = mpsc::unbounded_channel();
    let api = Arc::new(Api { events: Mutex::new(events.into_iter().rev().collect()), deadline, posted });
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(serve(listener, api));

    let mut function = AsyncCommand::from(function);
    function
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "test")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "/test")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "test")
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut process = function.spawn().expect("the function starts");
    let mut all = Vec::new();
    while all.len() < expected {
        let answer = tokio::time::timeout(Duration::from_mins(1), answers.recv()).await;
        all.push(answer.expect("an answer within a minute").expect("an answer"));
    }
    process.start_kill().expect("it still runs, waiting for the next event");
    let output = process.wait_with_output().await.expect("its output");
    server.abort();
    (all, String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn serve(listener: TcpListener, api: Arc<Api>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let api = api.clone();
        let service = service_fn(move |request| answer(api.clone(), request));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(api: Arc<Api>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let said =
        || serde_json::from_slice(&body).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&body).as_ref()));
    let mut response = Response::builder();
    let mut content = String::new();
    if path.ends_with("/invocation/next") {
        let Some((id, event)) = api.events.lock().await.pop() else { std::future::pending().await };
        content = event.to_string();
        response = response
            .header("lambda-runtime-aws-request-id", id)
            .header("lambda-runtime-deadline-ms", api.deadline.timestamp_millis())
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:test");
    } else if path.contains("/invocation/") && path.ends_with("/response") {
        let _ = api.posted.send(Posted::Response(said()));
    } else if path.contains("/invocation/") && path.ends_with("/error") {
        let _ = api.posted.send(Posted::Error(said()));
    } else {
        response = response.status(404);
    }
    Ok(response.body(Full::new(Bytes::from(content))).expect("a response"))
}
