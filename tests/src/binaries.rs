//! The programs that are deployed, as processes.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::OnceLock,
};

/// A command that runs one of the workspace's binaries, built as the tests are, in an environment that leads nowhere.
///
/// # Panics
/// If they cannot be built.
pub fn binary(name: &str) -> Command {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        // the whole workspace, so that features, and with them what is built already, are the same as in the tests
        let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--workspace", "--bins", "--quiet", "--locked", "--profile", profile()]);
        build.arg("--target-dir").arg(target_folder()).current_dir(workspace());
        let output = build.output().expect("cargo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
    let mut command = Command::new(profile_folder().join(name));
    harmless(&mut command);
    command
}

/// A process that ends with the test that started it, however the test ends.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts a command whose input ends when this does and whose output can be read.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        Self(child.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")))
    }

    /// Its output, once.
    ///
    /// # Panics
    /// If it was taken already.
    pub fn output(&mut self) -> ChildStdout {
        self.0.stdout.take().expect("its output, once")
    }

    /// Ends its input, and waits until it ends itself.
    pub fn finish(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().expect("it ends");
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(Some(_)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // one that has ended already takes no harm
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Takes out of a command's environment what could lead it to a real AWS, or to this machine's settings.
pub(crate) fn harmless(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let name_text = name.to_string_lossy().to_ascii_uppercase();
        let is_ours = ["AWS_", "SNAPKEEPER_", "RUST_LOG", "MOTO_"].iter().any(|start| name_text.starts_with(start));
        if is_ours || name_text.ends_with("_PROXY") {
            command.env_remove(&name);
        }
    }
    command
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_ACCESS_KEY_ID", "AKIDTEST")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
}

/// Where cargo builds: `target`, or whatever place it was told.
pub(crate) fn target_folder() -> PathBuf {
    profile_folder().parent().expect("the target folder").to_owned()
}

/// Where cargo puts the binaries of the profile under which the tests were built: `target/debug`. The tests themselves
/// are in `target/debug/deps`.
fn profile_folder() -> PathBuf {
    let test = env::current_exe().expect("the test's own path");
    test.parent().and_then(Path::parent).expect("the profile's folder").to_owned()
}

/// The profile of that folder.
fn profile() -> &'static str {
    static PROFILE: OnceLock<String> = OnceLock::new();
    PROFILE.get_or_init(|| {
        let folder = profile_folder();
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a profile's name");
        // the folder of cargo's profile `dev` has another name
        if name == "debug" { "dev".to_owned() } else { name.to_owned() }
    })
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
