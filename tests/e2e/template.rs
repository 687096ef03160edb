//! The template of the stack: what linters and a scanner find in it, and whether it says what the policies and the
//! documentation say. That it can be deployed, and that it works then, is another matter: `deployed.rs`.

use std::{path::Path, process::Command};

use snapkeeper_tests::python::{program_of, tool_of};

/// Runs it, and gives what it printed.
#[track_caller]
fn check(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    told
}

#[test]
fn sam_and_cfn_lint_take_it_and_it_says_what_policies_and_documentation_say() {
    check(&mut program_of("deploy-requirements.txt", "check_template.py"));
}

#[test]
fn checkov_finds_nothing_that_is_not_answered() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut checkov = tool_of("checkov-requirements.txt", "checkov");
    checkov.args(["--config-file", "tests/python/checkov.yaml", "--file", "template.yaml"]).current_dir(root);
    let told = check(&mut checkov);
    assert!(told.contains("Failed checks: 0") && !told.contains("Passed checks: 0"), "{told}");
}
