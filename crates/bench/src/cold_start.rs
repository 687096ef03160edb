//! How long it takes until the first event is asked for, and how large the programs are.

use std::{fs, time::Duration};

use anyhow::Context as _;
use chrono::SecondsFormat;
use serde_json::json;

use crate::{
    case::{Case, Mode},
    contenders::instant,
    fleet::HOME,
    host::{self, Host},
    lambda::Environment,
    process,
    programs::Programs,
    results::{ColdStart, Size},
};

/// The functions whose start is measured.
const FUNCTIONS: [&str; 4] = ["creator", "copier", "manager", "watcher"];
/// What boto3 is called in the results.
pub(crate) const BOTO3: &str = "boto3";
/// An empty account answers at once.
const LIMIT: Duration = Duration::from_mins(1);
/// Deflates a file as hard as it can, and tells how long that is.
const ZIP: &str = "import io, sys, zipfile
archive = io.BytesIO()
with zipfile.ZipFile(archive, 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as zip:
    zip.write(sys.argv[1], 'bootstrap')
print(len(archive.getvalue()))";

/// Starts each function and boto3 in turn, so often.
pub(crate) fn measure(programs: &Programs, seed: u64, times: usize) -> anyhow::Result<Vec<ColdStart>> {
    let mut starts = Vec::new();
    for _ in 0..times {
        for function in FUNCTIONS {
            starts.push(of_function(programs, function, seed)?);
        }
        let usage = process::run(programs.python("cold_start.py")?.env("AWS_DEFAULT_REGION", HOME), LIMIT)?;
        anyhow::ensure!(usage.succeeded, "boto3 cannot be imported");
        starts.push(ColdStart { of: BOTO3.to_owned(), to_event: usage.wall.as_secs_f64(), to_call: None });
    }
    Ok(starts)
}

fn of_function(programs: &Programs, function: &str, seed: u64) -> anyhow::Result<ColdStart> {
    let empty = Case::creator(Mode::RatesOff, 0, 1);
    let simulator = host::simulator(&empty, seed, Duration::ZERO)?;
    let host = Host::open(simulator.clone())?;
    let mut command = programs.ours(function)?;
    command.env("AWS_ENDPOINT_URL", host.endpoint()).env("AWS_REGION", HOME);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut environment = Environment::start(command, 128).await?;
        let to_event = environment.asked().await?.as_secs_f64();
        let invoked = simulator.now();
        let at = instant(host::start()?).to_rfc3339_opts(SecondsFormat::Secs, true);
        // whatever the job makes of an empty account
        let _ = environment.invoke(json!({"scheduled_time": at}), LIMIT).await?;
        let called = simulator.calls().first().map(|call| call.at).context("the function called nothing")?;
        environment.end().await?;
        let to_call = (called - invoked).to_std().unwrap_or_default().as_secs_f64();
        anyhow::Ok(ColdStart { of: function.to_owned(), to_event, to_call: Some(to_call) })
    })
}

/// How large the functions are, as they are and as Lambda takes them.
pub(crate) fn sizes(programs: &Programs) -> anyhow::Result<Vec<Size>> {
    FUNCTIONS.into_iter().map(|function| size(programs, function)).collect()
}

fn size(programs: &Programs, function: &str) -> anyhow::Result<Size> {
    let binary = programs.binary(function);
    let length = fs::metadata(&binary).with_context(|| format!("there is no {function}"))?.len();
    let path = binary.to_str().context("a path that is no text")?;
    let zip = programs.told_by_python(&["-c", ZIP, path])?.parse::<u64>().context("the length of a zip")?;
    Ok(Size { of: function.to_owned(), binary: length, zip })
}
