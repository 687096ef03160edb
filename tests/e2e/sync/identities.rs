//! As whom AWS is called: an account that must be the right one, a role in another account, a configuration in a parameter.

use serde_json::Value;
use snapkeeper_core::{run::Job::Syncer, sync::SyncState::Created};
use snapkeeper_lambda::Report;
use snapkeeper_simulator::{Config, Policy, Simulator};
use snapkeeper_tests::{
    World,
    policies::{SYNC_PARAMETER, SYNC_ROLES, document_in, policy, syncer_with_all},
    world::{ACCOUNT, START, instant},
};

use super::{COPIES_TAKE, build, own_images, result, run, run_well, states};
use crate::{
    peers::{HOME, WEST},
    policies::TOPIC,
};

/// The other account, in which the role is.
const OTHER: &str = "210987654321";
/// What the role's trust policy asks for.
const WORD: &str = "a-word-that-both-know";

/// A job with these lines in its `aws_client_config`.
fn text(client: &str) -> String {
    format!(
        "sync_web:\n  sync_type: ec2_ami\n  source_region: us-east-1\n  destination_region: us-west-2\n  \
         sync_identifier: web\n  aws_client_config:\n{client}"
    )
}

/// Both accounts, each with an image of its own.
async fn accounts(text: &str) -> World {
    let world = World::of(Simulator::new(Config::starting(instant(START))));
    let world = world.with_policy(Syncer, syncer_with_all(HOME, TOPIC)).with("SYNC_CONFIG", text);
    for (account, name) in [(ACCOUNT, "ours"), (OTHER, "theirs")] {
        build(&world.beside(account), HOME, name, &[("Sync-Identifier", "web")]).await;
    }
    let simulator = world.simulator();
    simulator.allow_role(SYNC_ROLES[0], Some(WORD), ACCOUNT);
    simulator.attach_policy(SYNC_ROLES[0], of_role());
    simulator.forget_calls();
    world
}

/// What the role may do: what the job's own policy says, in that account.
fn of_role() -> Policy {
    policy(&document_in(OTHER, Syncer, HOME, &format!("arn:aws:sns:us-east-1:{OTHER}:alerts")))
}

/// The accounts in which anything was changed.
fn changed(world: &World) -> Vec<String> {
    let calls = world.simulator().calls().into_iter();
    let mut accounts: Vec<String> =
        calls.filter(|call| matches!(call.action.as_str(), "CopyImage" | "CreateTags")).map(|it| it.account).collect();
    accounts.sort_unstable();
    accounts.dedup();
    accounts
}

#[track_caller]
fn refused(report: &Report, parts: &[&str]) {
    let told = result(report, "sync_web");
    let errors = told.errors.join("\n");
    assert!(!told.succeeded() && !report.succeeded(), "{told:?}");
    for part in parts {
        assert!(errors.contains(part), "{part}: {errors}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_with_a_role_works_in_the_account_of_the_role_and_nowhere_else() {
    let role = format!("    aws_account_id: \"{OTHER}\"\n    role_arn: {}\n    external_id: {WORD}\n", SYNC_ROLES[0]);
    let world = accounts(&text(&role)).await;
    let report = run_well(&world).await;
    assert_eq!(states(&report, "sync_web"), [(WEST.to_owned(), Created)]);
    assert_eq!(changed(&world), [OTHER]);
    let copies = world.simulator().images(OTHER, WEST);
    assert!(copies.len() == 1 && copies[0].name == "theirs", "{copies:?}");
    assert!(world.simulator().images(ACCOUNT, WEST).is_empty());
    world.pass(COPIES_TAKE).await;
    let again = run_well(&world).await;
    assert!(again.applied.iter().all(|step| step.made.is_empty()), "{:?}", again.applied);
    assert_eq!(world.simulator().images(OTHER, WEST).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_cannot_be_taken_on_fails_its_job_alone() {
    let good = text("    aws_account_id: \"123456789012\"\n").replace("sync_web", "sync_ok");
    for role in [
        format!("    role_arn: {}\n", SYNC_ROLES[0]),
        format!("    role_arn: {}\n    external_id: another-word\n", SYNC_ROLES[0]),
        "    role_arn: arn:aws:iam::210987654321:role/another\n".to_owned(),
    ] {
        let world = accounts(&format!("{}{good}", text(&role))).await;
        let report = run(&world).await;
        refused(&report, &["arn:aws:iam::210987654321:role/"]);
        assert!(!result(&report, "sync_web").errors.join("").contains("another-word"), "what must not be told");
        assert!(result(&report, "sync_ok").succeeded(), "{:?}", report.results);
        assert_eq!(changed(&world), [ACCOUNT], "{role}");
        assert_eq!(own_images(&world, WEST).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn another_account_than_the_one_named_is_refused_before_anything_is_done() {
    let world = accounts(&text(&format!("    aws_account_id: \"{OTHER}\"\n"))).await;
    let report = run(&world).await;
    refused(&report, &[OTHER, ACCOUNT]);
    assert_eq!(changed(&world), [] as [&str; 0]);
    let key = world.access_key(Syncer, HOME);
    let asked = world.simulator().calls();
    let of_job = asked.iter().filter(|it| it.caller == key && it.service == "ec2" && it.region == WEST);
    assert_eq!(of_job.count(), 0, "nothing is even read in the destination");
}

/// The job's own goes before the one for all, key by key.
#[tokio::test(start_paused = true)]
async fn what_a_job_says_goes_before_what_is_said_for_all() {
    let global = format!("aws_client_config:\n  aws_account_id: \"{OTHER}\"\n  role_arn: {}\n", SYNC_ROLES[0]);
    let own = text(&format!("    external_id: {WORD}\n"));
    let world = accounts(&format!("{global}{own}")).await;
    run_well(&world).await;
    assert_eq!(changed(&world), [OTHER]);

    let global = "aws_client_config:\n  aws_account_id: \"999999999999\"\n";
    let world = accounts(&format!("{global}{}", text(&format!("    aws_account_id: \"{ACCOUNT}\"\n")))).await;
    run_well(&world).await;
    assert_eq!(changed(&world), [ACCOUNT]);
}

#[tokio::test(start_paused = true)]
async fn a_configuration_may_stand_in_a_parameter_and_is_read_in_each_run() {
    let world = accounts(&format!("ssm:{SYNC_PARAMETER}")).await;
    let report = run(&world).await;
    assert!(!report.succeeded(), "there is none");
    let told: Vec<String> = report.failed.iter().map(|it| format!("{}: {}", it.resource, it.cause)).collect();
    let told = told.join("\n");
    assert!(told.contains(SYNC_PARAMETER) && told.contains("ParameterNotFound"), "{told}");

    let client = "    aws_account_id: \"123456789012\"\n";
    world.simulator().put_parameter(ACCOUNT, HOME, SYNC_PARAMETER, &text(client));
    let report = run_well(&world).await;
    assert_eq!(states(&report, "sync_web"), [(WEST.to_owned(), Created)]);
    // what is wrong in it is told by its name
    world.simulator().put_parameter(ACCOUNT, HOME, SYNC_PARAMETER, "sync_web: {}");
    let report = run(&world).await;
    let told: Vec<String> = report.failed.iter().map(|it| format!("{}: {}", it.resource, it.cause)).collect();
    let told = told.join("\n");
    assert!(told.contains(SYNC_PARAMETER) && told.contains("sync_web.sync_type"), "{told}");
}

/// Whatever the configuration says, the policy lets the job take on no other role and read no other parameter.
#[tokio::test(start_paused = true)]
async fn no_other_role_and_no_other_parameter_is_allowed() {
    let role = "arn:aws:iam::210987654321:role/admin";
    let world = accounts(&text(&format!("    role_arn: {role}\n"))).await;
    world.simulator().allow_role(role, None, ACCOUNT);
    let report = run(&world).await;
    refused(&report, &[role]);
    assert_eq!(changed(&world), [] as [&str; 0]);

    let world = accounts("ssm:/other/secret").await;
    world.simulator().put_parameter(ACCOUNT, HOME, "/other/secret", &text("    profile: none\n"));
    let report = run(&world).await;
    let told: Value = serde_json::to_value(&report.failed).expect("JSON");
    assert!(told.to_string().contains("AccessDenied"), "{told}");
}
