//! Lambda and the state machine, played: a Runtime API on loopback that hands out events and takes the results, and what
//! invokes a job again as long as it asks for that.

use std::{convert::Infallible, net::SocketAddr, process::Command, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::HeaderValue,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use snapkeeper_lambda::clock;
use tokio::{
    net::TcpListener,
    process::{Child, Command as AsyncCommand},
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    billing::LONGEST,
    process::{Watch, cpu_of_children},
};

/// How long a function may take to ask for its first event.
const LONGEST_INIT: Duration = Duration::from_secs(30);
/// How often an invocation that failed is tried again, as an asynchronous one is.
const TRIES: u32 = 3;
/// How often the state machine invokes a job at most.
const MOST_INVOCATIONS: usize = 550;

/// What became of a job that was invoked until it was through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Played {
    /// From the start of the process to the first event that it asked for.
    pub(crate) init: Duration,
    /// How long each invocation took.
    pub(crate) invocations: Vec<Duration>,
    /// How long the machine waited between them.
    pub(crate) waited: Duration,
    /// What the process computed, its start among it.
    pub(crate) cpu: Duration,
    /// The most that it held at once, in KiB.
    pub(crate) peak_kib: u64,
    /// Whether it is through, and nothing failed.
    pub(crate) succeeded: bool,
}

/// What comes from the function.
enum Said {
    /// It asks for an event.
    Next(Instant),
    /// The result of the event, or the error.
    Done(Result<Value, Value>),
}

/// An event, the instant by which it must be done, and its number.
type Handed = (Value, DateTime<Utc>, usize);

struct Api {
    events: Mutex<mpsc::UnboundedReceiver<Handed>>,
    said: mpsc::UnboundedSender<Said>,
}

/// The two ends of a Runtime API in which a function runs.
pub(crate) struct Environment {
    events: mpsc::UnboundedSender<Handed>,
    said: mpsc::UnboundedReceiver<Said>,
    process: Child,
    begun: Instant,
    handed: usize,
}

impl Environment {
    /// Starts a function's process. It ends with this.
    pub(crate) async fn start(function: Command, memory: u32) -> anyhow::Result<Self> {
        let (events, to_hand) = mpsc::unbounded_channel();
        let (to_say, said) = mpsc::unbounded_channel();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        tokio::spawn(serve(listener, Arc::new(Api { events: Mutex::new(to_hand), said: to_say })));
        let mut function = AsyncCommand::from(function);
        function
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory.to_string())
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/bench")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
            .kill_on_drop(true);
        let begun = Instant::now();
        let process = function.spawn().context("the function does not start")?;
        Ok(Self { events, said, process, begun, handed: 0 })
    }

    /// Waits until it asks for an event; how long that took from the start of the process.
    pub(crate) async fn asked(&mut self) -> anyhow::Result<Duration> {
        match timeout(LONGEST_INIT, self.said.recv()).await {
            Ok(Some(Said::Next(at))) => Ok(at.saturating_duration_since(self.begun)),
            Ok(Some(Said::Done(_))) => bail!("the function answers without an event"),
            Ok(None) | Err(_) => bail!("the function asks for no event"),
        }
    }

    /// Hands out an event, and waits for its result; how long that took. An error is no error here.
    pub(crate) async fn invoke(
        &mut self,
        event: Value,
        limit: Duration,
    ) -> anyhow::Result<(Duration, Result<Value, Value>)> {
        let cut_off = clock::now() + TimeDelta::from_std(limit)?;
        self.handed += 1;
        let begun = Instant::now();
        self.events.send((event, cut_off, self.handed)).ok().context("the function has gone")?;
        match timeout(limit, self.said.recv()).await {
            Ok(Some(Said::Done(result))) => Ok((begun.elapsed(), result)),
            Ok(Some(Said::Next(_))) => bail!("the function asks for two events at once"),
            Ok(None) => bail!("the function has gone"),
            Err(_) => bail!("the function was cut off after {limit:?}"),
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.process.id().context("the function has ended")
    }

    /// Ends it.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        self.process.kill().await.context("the function has ended by itself")
    }
}

/// Invokes a job as the state machine does, until it asks for no more. Nothing else may be a child of this process
/// meanwhile.
pub(crate) async fn play(function: Command, memory: u32, at: DateTime<Utc>) -> anyhow::Result<Played> {
    let cpu_before = cpu_of_children()?;
    let mut environment = Environment::start(function, memory).await?;
    let watch = Watch::of(environment.pid()?);
    let mut played = Played { init: environment.asked().await?, ..Played::default() };
    let mut continuation = json!({});
    let mut tries = 0;
    loop {
        let event =
            json!({"scheduled_time": at.to_rfc3339_opts(SecondsFormat::Secs, true), "continuation": continuation});
        let (took, result) = environment.invoke(event, LONGEST).await?;
        played.invocations.push(took);
        environment.asked().await?;
        let Ok(report) = result else {
            tries += 1;
            if tries == TRIES {
                break;
            }
            continue;
        };
        tries = 0;
        match report.get("continuation").filter(|next| next.is_object()) {
            Some(next) if played.invocations.len() < MOST_INVOCATIONS => {
                let wait = next.get("wait_seconds").and_then(Value::as_f64).unwrap_or(0.0);
                let wait = Duration::try_from_secs_f64(wait).unwrap_or_default();
                played.waited += wait;
                continuation = next.clone();
                sleep(wait).await;
            }
            Some(_) => break,
            None => {
                played.succeeded = succeeded(&report, &continuation);
                break;
            }
        }
    }
    played.peak_kib = watch.peak_kib();
    environment.end().await?;
    played.cpu = cpu_of_children()?.saturating_sub(cpu_before);
    Ok(played)
}

/// Whether the last report, and all before it, told of no failure.
fn succeeded(report: &Value, continuation: &Value) -> bool {
    if let Some(succeeded) = report.get("succeeded").and_then(Value::as_bool) {
        return succeeded;
    }
    let failed_before = continuation.get("failed").and_then(Value::as_bool).unwrap_or(false);
    let failed = report.pointer("/counts/failed").and_then(Value::as_u64).unwrap_or(0);
    failed == 0 && !failed_before
}

async fn serve(listener: TcpListener, api: Arc<Api>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        // an answer is small, and must not wait for the next one
        let _ = stream.set_nodelay(true);
        let api = api.clone();
        let service = service_fn(move |request| answer(api.clone(), request));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(api: Arc<Api>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let said = || serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut response = Response::new(Full::new(Bytes::new()));
    if path.ends_with("/invocation/next") {
        // whoever does not listen any more has ended the function
        let _ = api.said.send(Said::Next(Instant::now()));
        let Some((event, cut_off, number)) = api.events.lock().await.recv().await else {
            return std::future::pending().await;
        };
        *response.body_mut() = Full::new(Bytes::from(event.to_string()));
        for (name, value) in [
            ("lambda-runtime-aws-request-id", format!("request-{number}")),
            ("lambda-runtime-deadline-ms", cut_off.timestamp_millis().to_string()),
            ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:bench".to_owned()),
        ] {
            if let Ok(value) = value.parse::<HeaderValue>() {
                response.headers_mut().insert(name, value);
            }
        }
    } else if path.ends_with("/response") {
        let _ = api.said.send(Said::Done(Ok(said())));
    } else if path.ends_with("/error") {
        let _ = api.said.send(Said::Done(Err(said())));
    } else {
        *response.status_mut() = hyper::StatusCode::NOT_FOUND;
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_succeeded_if_nothing_failed_now_or_before() {
        for (report, continuation, expected) in [
            (json!({"counts": {"failed": 0}}), json!({}), true),
            (json!({"counts": {"failed": 1}}), json!({}), false),
            (json!({"counts": {"failed": 0}}), json!({"failed": true}), false),
            (json!({"counts": {"failed": 0}}), json!({"failed": false, "invocations": 3}), true),
            (json!({"succeeded": false, "counts": {"failed": 0}}), json!({}), false),
        ] {
            assert_eq!(succeeded(&report, &continuation), expected, "{report} after {continuation}");
        }
    }
}
