//! The programs that are deployed, as processes.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
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
        build.args(["build", "--workspace", "--bins", "--quiet", "--locked"]).current_dir(workspace());
        let output = build.output().expect("cargo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
    let mut command = Command::new(target_folder().join("debug").join(name));
    harmless(&mut command);
    command
}

/// Takes out of a command's environment what could lead it to a real AWS, or to this machine's settings.
pub(crate) fn harmless(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let name_text = name.to_string_lossy();
        if ["AWS_", "SNAPKEEPER_", "RUST_LOG", "HTTP_PROXY", "HTTPS_PROXY"]
            .iter()
            .any(|start| name_text.starts_with(start))
        {
            command.env_remove(&name);
        }
    }
    command
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_ACCESS_KEY_ID", "AKIDTEST")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
}

/// Where cargo builds.
pub(crate) fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
