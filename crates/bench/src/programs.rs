//! The programs that are measured: built and installed by the benchmark itself.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};

/// The functions' packages.
const FUNCTIONS: [&str; 4] = ["snapkeeper-creator", "snapkeeper-copier", "snapkeeper-manager", "snapkeeper-watcher"];
/// The command's package, built by itself: it needs more of the SDK than a function does.
const COMMAND: &str = "snapkeeper";

/// Where the programs are.
pub(crate) struct Programs {
    /// The release build.
    binaries: PathBuf,
    /// The virtual environment.
    python: PathBuf,
    /// What the programs say.
    log: PathBuf,
}

impl Programs {
    /// Builds and installs what is missing.
    pub(crate) fn made() -> anyhow::Result<Self> {
        let own = env::current_exe().context("the benchmark's own path")?;
        let target = own.parent().and_then(Path::parent).context("the folder to which cargo builds")?;
        build(target, &FUNCTIONS)?;
        build(target, &[COMMAND])?;
        let python = environment(target)?;
        let log = target.join("bench.log");
        File::create(&log).context("the log")?;
        Ok(Self { binaries: target.join("release"), python, log })
    }

    /// One of our binaries.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// A command that runs one of our binaries.
    pub(crate) fn ours(&self, name: &str) -> anyhow::Result<Command> {
        self.quiet(Command::new(self.binary(name)))
    }

    /// A command that runs one of the Python programs of this crate.
    pub(crate) fn python(&self, program: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(self.python.join("bin/python"));
        command.arg(folder().join(program));
        self.quiet(command)
    }

    /// What Python says on standard output to these arguments.
    pub(crate) fn told_by_python(&self, arguments: &[&str]) -> anyhow::Result<String> {
        told(Command::new(self.python.join("bin/python")).args(arguments))
    }

    /// In an environment that leads nowhere, with what it says in the log.
    fn quiet(&self, mut command: Command) -> anyhow::Result<Command> {
        let log = File::options().append(true).open(&self.log).context("the log")?;
        harmless(&mut command);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }
}

/// What a command says on standard output.
pub(crate) fn told(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stderr(Stdio::null()).output().context("a program does not start")?;
    if !output.status.success() {
        bail!("{} ended with {}", command.get_program().display(), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Takes out of a command's environment what could lead it to a real AWS, or to this machine's settings.
fn harmless(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let name_text = name.to_string_lossy().to_ascii_uppercase();
        let is_ours = ["AWS_", "SNAPKEEPER_", "RUST_LOG", "BENCH_"].iter().any(|start| name_text.starts_with(start));
        if is_ours || name_text.ends_with("_PROXY") {
            command.env_remove(&name);
        }
    }
    command
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_ACCESS_KEY_ID", "AKIDBENCH")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
}

/// Builds packages as they are deployed.
fn build(target: &Path, packages: &[&str]) -> anyhow::Result<()> {
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--release", "--locked", "--quiet", "--bins"]);
    for package in packages {
        build.args(["--package", package]);
    }
    build.arg("--target-dir").arg(target).current_dir(workspace());
    let status = build.status().context("cargo does not start")?;
    if !status.success() {
        bail!("{packages:?} cannot be built");
    }
    Ok(())
}

/// Makes the environment anew whenever its pinned requirements have changed.
fn environment(target: &Path) -> anyhow::Result<PathBuf> {
    let place = target.join("python-bench");
    let requirements = folder().join("requirements.txt");
    let wanted = fs::read_to_string(&requirements).context("the requirements")?;
    let stamp = place.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(place);
    }
    // it may not be there
    let _ = fs::remove_dir_all(&place);
    told(Command::new("python3").args(["-m", "venv"]).arg(&place)).context("python3 with venv is needed")?;
    told(Command::new(place.join("bin/python")).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements))
        .context("what the peers need cannot be installed")?;
    fs::write(&stamp, wanted).context("the stamp")?;
    Ok(place)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
