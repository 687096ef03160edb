//! The Python programs beside the tests, in a virtual environment that the tests make themselves.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

/// A command that runs one of the programs in `tests/python/`, with what they need pinned and installed.
///
/// # Panics
/// If the environment cannot be made: the tests need Python 3 with `venv`, and `PyPI`.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(environment().join("bin/python"));
    command.arg(folder().join(name));
    crate::binaries::harmless(&mut command);
    command
}

/// A command that runs a program that came with what is installed, such as `moto_server`.
///
/// # Panics
/// If the environment cannot be made.
pub fn tool(name: &str) -> Command {
    // not the script itself: the path in its first line may be too long for the kernel
    let place = environment().join("bin");
    let mut command = Command::new(place.join("python"));
    command.arg(place.join(name));
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

/// Makes the environment once for each state of the pinned requirements; whoever comes meanwhile waits.
fn environment() -> PathBuf {
    let target = crate::binaries::target_folder();
    fs::create_dir_all(&target).expect("the target folder");
    let place = target.join("python");
    let lock = File::create(target.join("python.lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let wanted = fs::read_to_string(folder().join("requirements.txt")).expect("requirements.txt");
    let stamp = place.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return place;
    }
    let _ = fs::remove_dir_all(&place);
    run(Command::new("python3").args(["-m", "venv"]).arg(&place));
    let requirements = folder().join("requirements.txt");
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
