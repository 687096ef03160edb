//! A stack, as it is deployed: by `sam deploy`, into ministack, an AWS that we did not write. Its functions are
//! processes of the binaries that are deployed, and find EC2 and SNS in a simulator.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use snapkeeper_core::run::Job;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command as AsyncCommand},
};

use crate::{binaries, python, world::ACCOUNT};

mod stack;

pub use stack::{Resource, Stack};

/// What ministack needs, apart from what SAM needs: the two ask for different versions of botocore.
const MINISTACK: &str = "ministack-requirements.txt";
/// What SAM needs.
const SAM: &str = "deploy-requirements.txt";
/// Longer than any command takes, the functions that it starts among it.
const ANSWER_WITHIN: Duration = Duration::from_mins(3);

/// A ministack of its own, and a build of the template. It ends with the test that started it.
pub struct Ministack {
    _process: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    endpoint: String,
    /// By job, the logical id of its function.
    functions: BTreeMap<Job, String>,
    folder: Folder,
}

/// One attempt at an invocation.
#[derive(Debug, PartialEq)]
pub struct Attempt {
    /// The function's ARN.
    pub function: String,
    /// What it was given.
    pub event: Value,
    /// Whether it ended in an error.
    pub failed: bool,
    /// Its result, or the error.
    pub result: Value,
    /// What it wrote.
    pub log: String,
}

impl Ministack {
    /// Starts one whose functions find EC2 and SNS at this address, and whose schedules begin at this instant.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(ec2_and_sns: &str, now: &str) -> Self {
        let folder = Folder::new();
        let functions = build(&folder.0);
        let mut serve = python::program_of(MINISTACK, "serve_ministack.py");
        // the functions inherit what it does not take away again
        serve.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default()).env("TMPDIR", &folder.0);
        serve.args([ec2_and_sns, now]).current_dir(&folder.0);
        let log = File::create(folder.log()).expect("a log file");
        let mut serve = AsyncCommand::from(serve);
        serve.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut process = serve.spawn().expect("ministack starts");
        let commands = process.stdin.take().expect("its input");
        let output = process.stdout.take().expect("its output");
        let answers = BufReader::new(output).lines();
        let mut ministack = Self { _process: process, commands, answers, endpoint: String::new(), functions, folder };
        ministack.endpoint = ministack.line().await;
        ministack
    }

    /// Deploys the built template as a stack in a region, with what is not default of its parameters.
    ///
    /// # Panics
    /// If it cannot be deployed.
    pub async fn deploy(&mut self, region: &str, name: &str, parameters: &[(&str, &str)]) -> Stack {
        let bucket = format!("code-{region}");
        self.ask(json!(["bucket", region, bucket])).await;
        let mut sam = python::tool_of(SAM, "sam");
        sam.args(["deploy", "--template-file", "template.yaml", "--stack-name", name, "--region", region])
            .args(["--s3-bucket", &bucket, "--capabilities", "CAPABILITY_IAM"])
            .args(["--no-confirm-changeset", "--no-progressbar", "--parameter-overrides"])
            .args(parameters.iter().map(|(key, value)| format!("{key}=\"{value}\"")))
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            // ministack takes an account's id for the keys of its root user
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .env("HOME", &self.folder.0)
            .env("TMPDIR", &self.folder.0)
            .env("__SAM_CLI_APP_DIR", &self.folder.0)
            .env("SAM_CLI_TELEMETRY", "0")
            .env("SAM_CLI_POLL_DELAY", "0.2")
            .current_dir(&self.folder.0);
        let output = AsyncCommand::from(sam).kill_on_drop(true).output().await.expect("sam starts");
        let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (told(&output.stdout), told(&output.stderr));
        assert!(output.status.success(), "{name} in {region}: {out}\n{err}\n{}", self.folder.logged());
        let stack = self.ask(json!(["stack", region, name])).await;
        Stack::read(region, &stack, &self.functions)
    }

    /// The access key under which a function calls, which is its role's.
    ///
    /// # Panics
    /// If there is no such function.
    pub async fn access_key(&mut self, function: &str) -> String {
        let functions = self.ask(json!(["functions"])).await;
        functions[function]["access_key"].as_str().expect("an access key").to_owned()
    }

    /// What the environment of a function held when it last started.
    ///
    /// # Panics
    /// If there is no such function.
    pub async fn environment(&mut self, function: &str) -> BTreeMap<String, String> {
        let functions = self.ask(json!(["functions"])).await;
        let variables = functions[function]["environment"].as_object().expect("variables");
        variables.iter().map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned())).collect()
    }

    /// The next instant at which a schedule is due.
    ///
    /// # Panics
    /// If there is none.
    pub async fn next(&mut self) -> DateTime<Utc> {
        let next = self.ask(json!(["next"])).await;
        next.as_str().and_then(|text| text.parse().ok()).expect("an instant")
    }

    /// Lets it be so late, so that what is due fires, and waits until Lambda and the state machines have done with it.
    /// Gives all attempts.
    ///
    /// # Panics
    /// If an invocation or an execution takes more than a minute.
    pub async fn at(&mut self, instant: DateTime<Utc>) -> Vec<Attempt> {
        let attempts = self.ask(json!(["at", instant.to_rfc3339_opts(SecondsFormat::Secs, false)])).await;
        attempts.as_array().expect("attempts").iter().map(Attempt::read).collect()
    }

    /// Of each execution of a state machine: `status`, and the `cause` if it failed.
    ///
    /// # Panics
    /// If ministack does not tell.
    pub async fn executions(&mut self) -> Vec<Value> {
        self.ask(json!(["executions"])).await.as_array().expect("executions").clone()
    }

    /// The messages that are in a queue.
    pub async fn queue(&mut self, arn: &str) -> Vec<Value> {
        let messages = self.ask(json!(["queue", arn])).await;
        messages.as_array().expect("messages").clone()
    }

    async fn ask(&mut self, command: Value) -> Value {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.expect("its input");
        let line = self.line().await;
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if let Some(error) = said["error"].as_str() {
            panic!("{command}: {error}\n{}", self.folder.logged());
        }
        said["answer"].clone()
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(ANSWER_WITHIN, self.answers.next_line()).await;
        let line = line.ok().and_then(Result::ok).flatten();
        line.unwrap_or_else(|| panic!("ministack says nothing: {}", self.folder.logged()))
    }
}

impl Attempt {
    fn read(attempt: &Value) -> Self {
        let text = |key: &str| attempt[key].as_str().expect("a text").to_owned();
        Self {
            function: text("function"),
            event: attempt["event"].clone(),
            failed: attempt["failed"] == true,
            result: attempt["result"].clone(),
            log: text("log"),
        }
    }

    /// The line of metrics that it wrote, if it wrote one.
    pub fn metrics(&self) -> Option<Value> {
        let mut lines = self.log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line.get("_aws").is_some())
    }
}

/// Leaves in the folder what `sam build` would leave of the template, with the binaries of the profile under which the
/// tests were built: a release takes minutes. Returns each job's function.
fn build(folder: &Path) -> BTreeMap<Job, String> {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let mut command = python::program_of(SAM, "as_sam_build.py");
    let output = command.arg(template).arg(folder).output().expect("python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let functions: BTreeMap<String, String> = serde_json::from_slice(&output.stdout).expect("which binary goes where");
    for (function, name) in &functions {
        let binary: OsString = binaries::binary(name).get_program().to_owned();
        let bootstrap = folder.join(function).join("bootstrap");
        // a release is stripped too, and what is smaller is packed sooner
        let stripped = Command::new("strip").arg("-o").arg(&bootstrap).arg(&binary).status();
        if !stripped.is_ok_and(|status| status.success()) {
            fs::copy(&binary, &bootstrap).expect("the binary");
        }
    }
    // SAM asks PyPI for its newest version, unless it did so within a week
    fs::write(folder.join("metadata.json"), r#"{"telemetryEnabled": false, "lastVersionCheck": 4102444800}"#)
        .expect("SAM's own notes");
    functions.into_iter().map(|(function, name)| (name.parse::<Job>().expect("a job"), function)).collect()
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("deployed-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let place = binaries::target_folder().join(name);
        fs::create_dir_all(&place).expect("a folder");
        Self(place)
    }

    fn log(&self) -> PathBuf {
        self.0.join("ministack.log")
    }

    fn logged(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // what is left of it harms nobody
        let _ = fs::remove_dir_all(&self.0);
    }
}
