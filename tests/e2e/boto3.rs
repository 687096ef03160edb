//! boto3 and botocore as witnesses: a client that we did not write, unmodified.

use std::process::Command;

use serde_json::{Value, json};
use snapkeeper_core::run::Job::{Copier, Creator};
use snapkeeper_simulator::{Config, Simulator};
use snapkeeper_tests::{
    World,
    policies::access_key,
    python::program,
    world::{START, instant},
};

#[tokio::test]
async fn boto3_lives_the_life_of_a_snapshot_alike_with_the_simulator_and_with_moto() {
    let mut config = Config::starting(instant(START));
    config.snapshot_time = std::time::Duration::from_millis(300);
    config.copy_time = std::time::Duration::from_millis(300);
    let simulator = Simulator::new(config);
    simulator.create_key("123456789012", "eu-west-1", "alias/aws/ebs");
    let listener = simulator.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    let ours = life(&format!("http://{}", listener.address()), &["--beyond-moto"]).await;
    let moto = World::moto();
    let theirs = life(&moto.endpoint().unwrap(), &[]).await;

    let (ours, theirs) = (ours.as_array().unwrap(), theirs.as_array().unwrap());
    assert!(theirs.len() > 70, "{} steps", theirs.len());
    assert!(ours.len() >= theirs.len());
    let differ: Vec<String> = ours
        .iter()
        .zip(theirs)
        .filter(|(ours, theirs)| (&ours["step"], &ours["answer"]) != (&theirs["step"], &theirs["answer"]))
        .map(|(ours, theirs)| {
            format!("{}\n  simulator {}\n  moto      {}", ours["step"], ours["answer"], theirs["answer"])
        })
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    // where moto answers otherwise than AWS, the simulator answers as AWS does
    let mut beyond: Vec<(String, String)> = ours
        .iter()
        .filter_map(|step| step["beyond_moto"].as_object())
        .flatten()
        .map(|(key, value)| (key.clone(), value.to_string()))
        .collect();
    beyond.dedup();
    for (key, expected) in [
        ("new_volume_state", r#""creating""#),
        ("new_state", r#""pending""#),
        ("pages", r#"{"at least 3":true,"none above 5":true}"#),
        ("copy_volume_id", r#""vol-ffffffff""#),
        ("any_of_two_tag_keys", r#"["snap-2","snap-3","snap-4","snap-5"]"#),
        ("unknown_filter", r#"{"error":"InvalidParameterValue","http":400}"#),
        ("not_an_id", r#"{"error":"InvalidParameterValue","http":400}"#),
        ("id_of_wrong_length", r#"{"error":"InvalidSnapshotID.Malformed","http":400}"#),
        ("reserved_tag", r#"{"error":"InvalidParameterValue","http":400}"#),
        ("too_soon", r#"{"error":"SnapshotCreationPerVolumeRateExceeded","http":400}"#),
        ("encrypted_without_key", r#"{"Encrypted":true,"SnapshotId":"snap-22"}"#),
        ("excluded_volumes", r#"["/dev/sdf"]"#),
    ] {
        let told: Vec<&str> = beyond.iter().filter(|it| it.0 == key).map(|it| it.1.as_str()).collect();
        assert_eq!(told.first(), Some(&expected), "{key}");
    }
    listener.stop().await;
}

async fn life(endpoint: &str, more: &[&str]) -> Value {
    let mut command = program("life_of_a_snapshot.py");
    command.arg(endpoint).args(more);
    let output = tokio::process::Command::from(command).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The presigned URL of a copy is, byte for byte, the one that botocore makes of the same call at the same second.
#[tokio::test(start_paused = true)]
async fn a_copy_carries_the_presigned_url_that_botocore_makes() {
    let world = World::in_process().with("COPY_KMS_KEY", "alias/backup");
    world.simulator().create_key("123456789012", "us-west-2", "alias/backup");
    let operator = world.operator("us-east-1").await;
    let name = "web (äß+~*) & 100%=?/";
    operator.run_instance(&["/dev/sdf"], &[("Backup", "Yes"), ("Copy_Dest", "us-west-2"), ("Name", name)]).await;
    world.run_well(Creator, "us-east-1", "2026-11-21T05:00:00Z").await;
    world.settle().await;
    world.simulator().forget_calls();
    assert_eq!(world.run_well(Copier, "us-east-1", "2026-11-21T06:00:00Z").await.counts.applied, 2);

    let calls = world.simulator().calls();
    let copies: Vec<_> = calls.iter().filter(|call| call.action == "CopySnapshot").collect();
    assert_eq!(copies.len(), 2);
    for call in copies {
        let get =
            |key: &str| call.params.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str()).unwrap();
        assert_eq!((call.region.as_str(), get("DestinationRegion")), ("us-west-2", "us-west-2"));
        let url = get("PresignedUrl");
        let timestamp = url.split("X-Amz-Date=").nth(1).unwrap().split('&').next().unwrap();
        // botocore writes parameters in the order in which it is given them: here, ours
        let mut parameters = Vec::new();
        let mut tags = Vec::new();
        for (key, value) in &call.params {
            match key.as_str() {
                "PresignedUrl" | "DestinationRegion" => {}
                "Encrypted" => parameters.push(format!("{}: {value}", json!(key))),
                "TagSpecification.1.ResourceType" => assert_eq!(value, "snapshot"),
                key if key.ends_with(".Key") => {
                    tags.push(json!({"Key": value, "Value": get(&key.replace(".Key", ".Value"))}));
                }
                key if key.ends_with(".Value") => {}
                _ => parameters.push(format!("{}: {}", json!(key), json!(value))),
            }
        }
        let tags = json!([{"ResourceType": "snapshot", "Tags": tags}]);
        parameters.push(format!("\"TagSpecifications\": {tags}"));
        let input = format!(
            r#"{{"region": "us-west-2", "source_region": "us-east-1", "access_key": "{}", "secret_key": "secret",
                "session_token": null, "timestamp": "{timestamp}", "parameters": {{{}}}}}"#,
            access_key(Copier, "us-east-1"),
            parameters.join(", ")
        );
        let witness = told(program("presign.py"), &input);
        assert_eq!(url, witness["presigned_url"].as_str().unwrap());
    }
}

fn told(mut command: Command, input: &str) -> Value {
    use std::{io::Write, process::Stdio};
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
