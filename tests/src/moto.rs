//! moto: an EC2 that we did not write. Ends with the test that started it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read, Seek},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{binaries::Process, python};

/// How often it is looked whether moto listens, with a tenth of a second between.
const LOOKS: u32 = 600;

/// A moto server of its own.
pub struct Moto {
    _process: Process,
    endpoint: String,
    /// Access keys and their secrets, by the user who has them. Where there are none, any key may do anything.
    keys: BTreeMap<String, (String, String)>,
}

impl Moto {
    /// Starts one on a free port, mended where a test could not do with it as it is: see `serve_moto.py`.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start() -> Self {
        Self::served(&mut python::program("serve_moto.py"))
    }

    /// Starts one like that, with a user for each of these policies and one who may do anything: see `moto_users.py`.
    ///
    /// # Panics
    /// If it does not start, or does not take a policy.
    pub fn under(policies: &Value) -> Self {
        Self::served(python::program("serve_moto.py").arg(policies.to_string()))
    }

    fn served(command: &mut Command) -> Self {
        let mut log = Log::new();
        let mut process = Process::start(command.stderr(log.writer()));
        let mut lines = BufReader::new(process.output()).lines();
        let mut line = || lines.next().and_then(Result::ok).unwrap_or_default();
        let (address, keys) = (line(), line());
        let endpoint = address.strip_prefix("listening on ").map(str::to_owned);
        match (endpoint, serde_json::from_str(&keys)) {
            (Some(endpoint), Ok(keys)) => Self { _process: process, endpoint, keys },
            (_, _) => panic!("moto does not start: {address}\n{keys}\n{}", log.text()),
        }
    }

    /// Starts moto's own server, as a user would and as it was published.
    ///
    /// # Panics
    /// If it does not start.
    pub fn as_published() -> Self {
        // `moto_server` does not tell which port it got, so it is given one that was free a moment ago
        for _ in 0..3 {
            if let Some(moto) = Self::at(free_port()) {
                return moto;
            }
        }
        panic!("moto_server found its port taken three times");
    }

    /// Starts moto's own server there; `None` if the port is taken by then.
    fn at(address: SocketAddr) -> Option<Self> {
        let mut log = Log::new();
        let mut command: Command = python::tool("moto_server");
        command.args(["-H", "127.0.0.1", "-p", &address.port().to_string()]).stderr(log.writer());
        let mut process = Process::start(&mut command);
        for _ in 0..LOOKS {
            if process.has_ended() {
                let told = log.text();
                assert!(told.contains("in use"), "moto_server does not start: {told}");
                return None;
            }
            if TcpStream::connect(address).is_ok() {
                return Some(Self { _process: process, endpoint: format!("http://{address}"), keys: BTreeMap::new() });
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("moto_server does not listen after a minute: {}", log.text());
    }

    /// Its address.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The access key of a user, and its secret.
    pub fn keys_of(&self, user: &str) -> Option<(String, String)> {
        self.keys.get(user).cloned()
    }
}

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address")
}

/// What moto says on standard error, kept for when it fails: a pipe that nobody reads would fill.
struct Log(File);

impl Log {
    fn new() -> Self {
        let place =
            python::folder_for_logs().join(format!("moto-{}-{:?}.log", std::process::id(), thread::current().id()));
        let file = File::options().read(true).append(true).create(true).open(&place);
        let file = file.unwrap_or_else(|error| panic!("{}: {error}", place.display()));
        // it lives as long as someone has it open
        std::fs::remove_file(&place).expect("the log's name");
        Self(file)
    }

    fn writer(&self) -> Stdio {
        self.0.try_clone().expect("the log").into()
    }

    fn text(&mut self) -> String {
        let mut text = Vec::new();
        self.0.rewind().expect("the log");
        self.0.read_to_end(&mut text).expect("the log");
        String::from_utf8_lossy(&text).into_owned()
    }
}
