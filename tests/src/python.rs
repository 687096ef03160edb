//! The Python programs beside the tests, in virtual environments that the tests make themselves.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

/// What most of the programs need.
const REQUIREMENTS: &str = "requirements.txt";

/// A command that runs one of the programs in `tests/python/`, with what most of them need pinned and installed.
///
/// # Panics
/// If the environment cannot be made: the tests need Python 3 with `venv`, and `PyPI`.
pub fn program(name: &str) -> Command {
    program_of(REQUIREMENTS, name)
}

/// The same with other requirements, a file in `tests/python/`: each such file has an environment of its own.
///
/// # Panics
/// If the environment cannot be made.
pub fn program_of(requirements: &str, name: &str) -> Command {
    python(&environment(requirements), &folder().join(name))
}

/// A command that runs a program that came with what is installed, such as `moto_server`.
///
/// # Panics
/// If the environment cannot be made.
pub fn tool(name: &str) -> Command {
    tool_of(REQUIREMENTS, name)
}

/// The same with other requirements.
///
/// # Panics
/// If the environment cannot be made.
pub fn tool_of(requirements: &str, name: &str) -> Command {
    // not the script itself: the path in its first line may be too long for the kernel
    let environment = environment(requirements);
    python(&environment, &environment.join("bin").join(name))
}

fn python(environment: &Path, script: &Path) -> Command {
    let mut command = Command::new(environment.join("bin/python"));
    command.arg(script);
    crate::binaries::harmless(&mut command);
    command
}

/// Where the programs' logs may be kept.
pub(crate) fn folder_for_logs() -> PathBuf {
    crate::binaries::target_folder()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

/// Makes an environment once for each state of its pinned requirements; whoever comes meanwhile waits.
fn environment(requirements: &str) -> PathBuf {
    let target = crate::binaries::target_folder();
    fs::create_dir_all(&target).expect("the target folder");
    // `requirements.txt` becomes `python`, `deploy-requirements.txt` becomes `python-deploy`
    let of = requirements.strip_suffix(REQUIREMENTS).expect("a file of requirements").trim_end_matches('-');
    let name = if of.is_empty() { "python".to_owned() } else { format!("python-{of}") };
    let place = target.join(&name);
    let lock = File::create(target.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock");
    let requirements = folder().join(requirements);
    let wanted = fs::read_to_string(&requirements).expect("the requirements");
    let stamp = place.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return place;
    }
    let _ = fs::remove_dir_all(&place);
    run(Command::new("python3").args(["-m", "venv"]).arg(&place));
    run(Command::new(place.join("bin/python")).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements));
    fs::write(&stamp, wanted).expect("the stamp");
    place
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    assert!(
        output.status.success(),
        "the Python environment of the tests cannot be made: {command:?} ended with {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}
