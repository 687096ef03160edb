//! A Lambda Runtime API on loopback: hands out one event and takes what the function posts back.

use std::{net::SocketAddr, process::Command, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue},
    routing::{get, post},
};
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::Command as AsyncCommand,
    sync::{Mutex, mpsc},
};

/// What a function posted for an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Posted {
    /// A result.
    Response(Value),
    /// An error: `errorType` and `errorMessage`.
    Error(Value),
}

struct Api {
    events: Mutex<Vec<Value>>,
    deadline: DateTime<Utc>,
    posted: mpsc::UnboundedSender<Posted>,
}

/// Runs a function's binary against a Runtime API that hands out `events`, one after the other, each with this deadline.
/// Returns what it posted, in order, and its standard output.
///
/// # Panics
/// If the function does not answer within a minute.
pub async fn invoke(function: Command, events: Vec<Value>, deadline: DateTime<Utc>) -> (Vec<Posted>, String) {
    let expected = events.len();
    let (posted, mut answers) = mpsc::unbounded_channel();
    let api = Arc::new(Api { events: Mutex::new(events.into_iter().rev().collect()), deadline, posted });
    let router = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .with_state(api);
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    let mut function = AsyncCommand::from(function);
    function
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "test")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "/test")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "test")
        .stdout(std::process::Stdio::piped())
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

async fn next(State(api): State<Arc<Api>>) -> (HeaderMap, String) {
    let Some(event) = api.events.lock().await.pop() else { std::future::pending().await };
    let mut headers = HeaderMap::new();
    headers.insert("lambda-runtime-aws-request-id", HeaderValue::from_static("request"));
    headers.insert("lambda-runtime-deadline-ms", HeaderValue::from(api.deadline.timestamp_millis()));
    headers.insert(
        "lambda-runtime-invoked-function-arn",
        HeaderValue::from_static("arn:aws:lambda:us-east-1:123456789012:function:test"),
    );
    (headers, event.to_string())
}

async fn response(State(api): State<Arc<Api>>, Path(_): Path<String>, body: String) {
    let _ = api.posted.send(Posted::Response(serde_json::from_str(&body).unwrap_or(Value::String(body))));
}

async fn error(State(api): State<Arc<Api>>, Path(_): Path<String>, body: String) {
    let _ = api.posted.send(Posted::Error(serde_json::from_str(&body).unwrap_or(Value::String(body))));
}
