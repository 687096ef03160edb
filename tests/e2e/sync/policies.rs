//! The policy of the syncer allows what it needs, and nothing else, as `policies.rs` shows it of the other jobs. Whatever is
//! taken out of it is missed: an action, a resource or a value by the job, a condition, a `Deny` or the place of a resource
//! by whoever it protects.

mod attacks;

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_ec2::types::{BlockDeviceMapping, EbsBlockDevice, RequestLaunchTemplateData};
use serde_json::Value;
use snapkeeper_core::run::Job::Syncer;
use snapkeeper_lambda::Report;
use snapkeeper_simulator::{Fault, FaultKind, Simulator};
use snapkeeper_tests::{
    World,
    policies::{SYNC_PARAMETER, SYNC_ROLES, document_in, policy, syncer_with_all},
    world::ACCOUNT,
};

use self::attacks::{ATTACKS, Attack};
use super::{COPIES_TAKE, KEY, build, check, config, own_db_snapshots, own_images, tag_all};
use crate::{
    peers::{HOME, IRELAND, WEST},
    policies::{
        TOPIC,
        variants::{Allows, Variant, variants},
    },
    positions::try_all,
};

/// What IAM takes inline in a role, without white space (IAM quotas). What the template and SAM add to it takes some 600.
const LONGEST: usize = 9_600;
/// The account of the role that one of the jobs takes on.
const OTHER: &str = "210987654321";
/// The key of the source's volumes.
const KEY_OF_SOURCE: &str = "alias/own";

/// All that the job is to do.
const JOBS: &str = "
sync_web:
  sync_type: ec2_ami
  source_region: us-east-1
  destination_region: us-west-2 eu-west-1
  sync_identifier: web
  newest: true
  kms_key_id: alias/dr
  max_images_to_retain: 1
sync_orders:
  sync_type: rds_automated_snapshot
  source_region: us-east-1
  destination_region: us-west-2 eu-west-1
  db_instance: orders
  kms_key_id: alias/dr
  max_snapshots_to_retain: 1
sync_shop:
  sync_type: rds_automated_snapshot
  source_region: us-east-1
  destination_region: us-west-2 eu-west-1
  db_cluster: shop
  kms_key_id: alias/dr
  max_snapshots_to_retain: 1
sync_theirs:
  sync_type: ec2_ami
  source_region: us-east-1
  destination_region: us-west-2
  sync_identifier: theirs
  aws_client_config:
    role_arn: arn:aws:iam::210987654321:role/snapkeeper-sync
";

/// Why no attack shows that this part of the policy holds, if there is a reason: by the statement, and by what is in it.
fn why_not_attacked(sid: &str, what: &str) -> Option<&'static str> {
    if what.starts_with("account of arn:aws:rds") {
        return Some(
            "automated snapshots cannot be shared, and what is made, tagged or deleted is in one's own account",
        );
    }
    if what.starts_with("account of arn:aws:ssm") {
        return Some("what a call names without an ARN is the caller's own");
    }
    if what.contains("kms:ViaService") || what.contains("kms:GrantIsForAWSResource") {
        return Some("the simulator has keys only as EC2 and RDS use them; there is no KMS in it that could be called");
    }
    if sid == "TellOfFailures" {
        return Some("which topic a job tells is in its settings, and the simulator knows no policies of topics");
    }
    None
}

#[tokio::test(start_paused = true)]
async fn under_its_policy_the_syncer_can_do_all_of_its_work() {
    assert_eq!(Box::pin(served(&whole())).await, Ok(()));
}

#[test]
fn whatever_is_taken_out_of_what_is_allowed_is_missed() {
    let less = of(Allows::Less);
    try_all("sync, less is allowed", 60, &less, async |variant| match Box::pin(served(&variant.document)).await {
        Ok(()) => Err(format!("{}: nobody needs {}", variant.sid, variant.what)),
        Err(_) => Ok(()),
    });
}

#[test]
fn every_condition_deny_and_place_stops_an_attack() {
    let more: Vec<Variant> =
        of(Allows::More).into_iter().filter(|it| why_not_attacked(&it.sid, &it.what).is_none()).collect();
    try_all("sync, more is allowed", 20, &more, async |Variant { sid, what, whole, document, .. }| {
        let stopped: Vec<&Attack> = ATTACKS.iter().filter(|it| it.sid == sid && what.starts_with(it.what)).collect();
        check(!stopped.is_empty(), || format!("{sid}: nothing is stopped by {what}"))?;
        for attack in stopped {
            let refused = Box::pin(attack.attempted(whole.clone())).await;
            let is_refused =
                refused.as_ref().is_err_and(|code| code == "AccessDenied" || code == "UnauthorizedOperation");
            check(is_refused, || format!("{:?} is not refused: {refused:?}", attack.call))?;
            let done = Box::pin(attack.attempted(document.clone())).await;
            check(done.is_ok(), || format!("{:?}: {done:?}: does something else stop it?", attack.call))?;
        }
        Ok(())
    });
}

/// Nor does an attack outlive what it is stopped by.
#[test]
fn attacks_name_what_is_there() {
    let there = of(Allows::More);
    for Attack { sid, what, .. } in ATTACKS {
        assert!(there.iter().any(|it| it.sid == *sid && it.what.starts_with(what)), "{sid}: there is no {what}");
    }
}

#[test]
fn the_policy_fits_into_a_role_and_says_what_it_is_for() {
    let policy = whole();
    let length = policy.to_string().len();
    assert!(length <= LONGEST, "{length} characters");
    let statements = policy["Statement"].as_array().expect("statements");
    let sids: BTreeSet<&str> = statements.iter().filter_map(|it| it["Sid"].as_str()).collect();
    assert_eq!(sids.len(), statements.len(), "every statement has a name of its own");
}

fn whole() -> Value {
    syncer_with_all(HOME, TOPIC)
}

/// The variants that allow less, or more.
fn of(allows: Allows) -> Vec<Variant> {
    let all: Vec<Variant> = variants(&whole()).into_iter().filter(|it| it.allows == allows).collect();
    assert!(!all.is_empty());
    all
}

/// Whether the syncer can do all of its work under a policy; and if not, what it could not.
async fn served(policy: &Value) -> Result<(), String> {
    let world = Box::pin(set(policy)).await;
    // copied, and tagged by device; on the next day copied, and what is superseded goes
    for day in ["2026-11-21", "2026-11-22"] {
        world.until(&format!("{day}T06:00:00Z")).await;
        if day == "2026-11-22" {
            encrypted_image(&world, "web-2").await;
        }
        for _ in 0..3 {
            let report = Box::pin(super::run(&world)).await;
            done(&report)?;
            world.pass(COPIES_TAKE).await;
        }
    }
    for region in [WEST, IRELAND] {
        let own = own_images(&world, region);
        check(own.len() == 1 && own[0].name == "web-2", || format!("{region}: {own:?}"))?;
        for snapshot in world.simulator().snapshots(ACCOUNT, region) {
            let is_of_it = own[0].uses(&snapshot.id) && snapshot.tags.contains_key("Device");
            check(is_of_it, || format!("{region}: {snapshot:?}"))?;
        }
        for unit in ["db:orders", "cluster:shop"] {
            let own = own_db_snapshots(&world, region, unit);
            check(own.len() == 1, || format!("{unit} in {region}: {own:?}"))?;
        }
    }
    for unit in ["db:tagged", "cluster:grouped"] {
        let own = own_db_snapshots(&world, WEST, unit);
        check(own.len() == 2, || format!("{unit}: {own:?}"))?;
    }
    let theirs = world.simulator().images(OTHER, WEST);
    check(theirs.len() == 1, || format!("{theirs:?}"))?;
    // a run that fails tells of it
    let told = world.simulator().published().len();
    world.simulator().inject(Fault::new("DescribeImages", FaultKind::Deny).always());
    Box::pin(super::run(&world)).await;
    check(world.simulator().published().len() > told, || "nobody was told of a failure".to_owned())
}

/// An account in which there is something of everything.
async fn set(policy: &Value) -> World {
    let world = World::of(Simulator::new(config())).with_policy(Syncer, policy.clone());
    let world = world.with("SYNC_CONFIG", &format!("ssm:{SYNC_PARAMETER}")).with("COPY_KMS_KEY", KEY);
    let world = world.with("ALERT_TOPIC_ARN", TOPIC);
    let simulator = world.simulator();
    simulator.put_parameter(ACCOUNT, HOME, SYNC_PARAMETER, JOBS);
    for region in [WEST, IRELAND] {
        simulator.create_key(ACCOUNT, region, KEY);
    }
    simulator.create_key(ACCOUNT, HOME, KEY_OF_SOURCE);
    simulator.allow_role(SYNC_ROLES[0], None, ACCOUNT);
    simulator.attach_policy(SYNC_ROLES[0], of_role());
    let home = world.operator(HOME).await;
    home.sns.create_topic().name("alerts").send().await.expect("CreateTopic");
    let untagged: &[(&str, &str)] = &[];
    let tagged: &[(&str, &str)] = &[("Backup_Sync", WEST)];
    for (instance, cluster, tags) in [("orders", "shop", untagged), ("tagged", "grouped", tagged)] {
        home.create_db_instance(instance, tags).await;
        home.create_db_cluster(cluster, tags).await;
    }
    encrypted_image(&world, "web-1").await;
    build(&world.beside(OTHER), HOME, "theirs", &[("Sync-Identifier", "theirs")]).await;
    let data = RequestLaunchTemplateData::builder().image_id("ami-12345678").build();
    let west = world.operator(WEST).await;
    let call = west.ec2.create_launch_template().launch_template_name("web").launch_template_data(data);
    call.send().await.expect("CreateLaunchTemplate");
    world
}

/// What the role may do: what the job's own policy says, in that account.
fn of_role() -> snapkeeper_simulator::Policy {
    policy(&document_in(OTHER, Syncer, HOME, &format!("arn:aws:sns:us-east-1:{OTHER}:alerts")))
}

/// An image of volumes that are encrypted with a key of the account's own.
async fn encrypted_image(world: &World, name: &str) {
    let operator = world.operator(HOME).await;
    let mut mappings = Vec::new();
    for device in ["/dev/xvda", "/dev/sdf"] {
        let volume = operator.ec2.create_volume().availability_zone("us-east-1a").size(8).encrypted(true);
        let volume = volume.kms_key_id(KEY_OF_SOURCE).send().await.expect("CreateVolume").volume_id.expect("an id");
        world.pass(Duration::from_mins(1)).await;
        let snapshot = operator.snapshot_by_hand(&volume, &[("Device", device)]).await;
        let ebs = EbsBlockDevice::builder().snapshot_id(snapshot).build();
        mappings.push(BlockDeviceMapping::builder().device_name(device).ebs(ebs).build());
    }
    world.settle().await;
    let call = operator.ec2.register_image().name(name).root_device_name("/dev/xvda");
    let call = call.set_block_device_mappings(Some(mappings));
    let image = call.send().await.expect("RegisterImage").image_id.expect("an id");
    tag_all(&operator, &image, &[("Sync-Identifier", "web")]).await;
}

/// Whether a run failed at nothing, and left nothing.
fn done(report: &Report) -> Result<(), String> {
    let is_done = report.failed.is_empty() && report.unfinished.is_empty();
    check(is_done, || format!("failed: {:?}, left: {:?}", report.failed, report.unfinished))
}
