use proptest::prelude::*;

use super::*;
use crate::{fixtures::region, near::near, plain::plain, rds::inventory::DatabaseKind};

const IMAGE: &str = r#"
aws_client_config:
  aws_account_id: 123456789012
  profile: live
sync_web:
  sync_type: ec2_ami
  source_region: us-east-1
  destination_region: [us-west-2, EU-west-1]
  ami_owner: "012345678901"
  sync_identifier: web
  filters: ["tag:Environment=Production, Staging", "tag-value=Sync"]
  newest: true
  max_images_to_retain: 3
  kms_key_id: alias/images
  aws_client_config:
    profile: images
    role_arn: arn:aws:iam::123456789012:role/sync/images
    external_id: "4711"
    endpoint_url: http://127.0.0.1:5000
sync_orders:
  sync_type: rds_automated_snapshot
  source_region: us-east-1
  destination_region: us-west-2, eu-west-1
  db_instance: Orders
  max_snapshots_to_retain: 1
  kms_key_id: 1234abcd-12ab-34cd-56ef-1234567890ab
"#;
const DATABASE: &str = r#"{"sync_billing": {"sync_type": "rds_automated_snapshot", "source_region": "us-east-1",
    "destination_region": "us-west-2", "db_cluster": "billing"}}"#;

#[expect(clippy::unnecessary_wraps, reason = "so that what is expected reads as it is")]
fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn each_option_is_read() {
    let global = ClientConfig { account: text("123456789012"), profile: text("live"), ..ClientConfig::default() };
    let destinations: BTreeSet<Region> = [region("us-west-2"), region("eu-west-1")].into();
    let orders = SyncJob {
        name: "sync_orders".to_owned(),
        source: region("us-east-1"),
        destinations: destinations.clone(),
        client: global.clone(),
        what: What::Database(DatabaseSync {
            database: DatabaseId { kind: DatabaseKind::Instance, name: "orders".to_owned() },
            max_snapshots_to_retain: NonZeroU16::new(1).unwrap(),
            kms_key: text("1234abcd-12ab-34cd-56ef-1234567890ab"),
        }),
    };
    let web = SyncJob {
        name: "sync_web".to_owned(),
        source: region("us-east-1"),
        destinations,
        client: ClientConfig {
            profile: text("images"),
            role_arn: text("arn:aws:iam::123456789012:role/sync/images"),
            external_id: text("4711"),
            endpoint_url: text("http://127.0.0.1:5000"),
            ..global
        },
        what: What::Image(ImageSync {
            owner: text("012345678901"),
            identifier: text("web"),
            filters: vec![
                ("tag:Environment".to_owned(), vec!["Production".to_owned(), "Staging".to_owned()]),
                ("tag-value".to_owned(), vec!["Sync".to_owned()]),
            ],
            newest: true,
            max_images_to_retain: NonZeroU16::new(3),
            kms_key: text("alias/images"),
        }),
    };
    assert_eq!(Config::read("sync.yaml", IMAGE), Ok(Config { jobs: vec![orders, web] }));
}

#[test]
fn what_is_not_said_is_as_documented() {
    let config = Config::read("sync.json", DATABASE).unwrap();
    let [job] = config.jobs.as_slice() else { panic!("{config:?}") };
    assert_eq!(job.client, ClientConfig::default());
    let What::Database(sync) = &job.what else { panic!("{job:?}") };
    assert_eq!(sync.database.to_string(), "cluster:billing");
    assert_eq!((sync.max_snapshots_to_retain, &sync.kms_key), (SNAPSHOTS_TO_RETAIN, &None));

    let image = "{sync_a: {sync_type: ec2_ami, source_region: us-east-1, destination_region: us-west-2, \
                 ami_owner: self, filters: [name=web-*]}}";
    let config = Config::read("sync.yaml", image).unwrap();
    let What::Image(sync) = &config.jobs[0].what else { panic!("{config:?}") };
    let filters = vec![("name".to_owned(), vec!["web-*".to_owned()])];
    let (owner, identifier, max_images_to_retain, kms_key) = (None, None, None, None);
    assert_eq!(*sync, ImageSync { owner, identifier, filters, newest: false, max_images_to_retain, kms_key });
}

/// Compares all errors, each by its beginning after the origin.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let BadConfig(told) = Config::read("sync.yaml", text).unwrap_err();
    let begins = |told: &String, begin: &str| told.strip_prefix("sync.yaml: ").is_some_and(|it| it.starts_with(begin));
    let same = told.len() == expected.len() && told.iter().zip(expected).all(|(told, begin)| begins(told, begin));
    assert!(same, "told {told:#?}, expected {expected:#?}");
}

/// A job on an image, with these options besides.
fn image(options: &str) -> String {
    format!("sync_a: {{sync_type: ec2_ami, source_region: us-east-1, destination_region: us-west-2, {options}}}")
}

/// A job on a database, with these options besides.
fn database(options: &str) -> String {
    let options = format!("source_region: us-east-1, destination_region: us-west-2, {options}");
    format!("sync_a: {{sync_type: rds_automated_snapshot, {options}}}")
}

#[test]
fn jobs_that_would_let_go_what_another_keeps_are_refused() {
    let second = |text: String| text.replacen("sync_a", "sync_b", 1);
    let both = |one: &str, other: &str| format!("{one}\n{other}");
    let (seven, two) = (database("db_instance: orders, max_snapshots_to_retain: 7"), database("db_instance: orders"));
    let at_odds = "sync_b: the same database and destination as sync_a, expected one of them";
    check(&both(&seven, &second(two.clone())), &[at_odds]);
    let elsewhere = second(two).replace("us-west-2", "eu-west-1");
    assert!(Config::read("sync.yaml", &both(&seven, &elsewhere)).is_ok());
    assert!(Config::read("sync.yaml", &both(&seven, &second(database("db_cluster: orders")))).is_ok());

    let of_web = |more: &str| image(&format!("sync_identifier: web, {more}"));
    let staging = second(of_web("filters: [tag:Environment=Staging]"));
    let keeps_one = of_web("filters: [tag:Environment=Production], max_images_to_retain: 1");
    check(&both(&keeps_one, &staging), &["sync_b: the same sync_identifier (of which one lets images go) and dest"]);
    let keeps_all = of_web("filters: [tag:Environment=Production]");
    assert!(Config::read("sync.yaml", &both(&keeps_all, &staging)).is_ok());
}

#[test]
fn a_number_is_no_identifier_and_a_slip_no_region() {
    let expected = "sync_a.sync_identifier: ";
    for number in ["1.10", "1e3", "0x10"] {
        check(&image(&format!("sync_identifier: {number}")), &[expected]);
        let read = Config::read("sync.yaml", &image(&format!("sync_identifier: '{number}'"))).unwrap();
        let What::Image(sync) = &read.jobs[0].what else { panic!("{read:?}") };
        assert_eq!(sync.identifier.as_deref(), Some(number));
    }
    for slip in ["us-esat-1", "us-west-99", "us-west-0", "europe-west-1"] {
        let text = image("sync_identifier: web").replace("us-west-2", slip);
        check(&text, &[&format!("sync_a.destination_region: `{slip}`, expected a region's name")]);
    }
    for there in ["us-gov-west-1", "eusc-de-east-1", "ap-southeast-7", "cn-northwest-1", "il-central-1"] {
        assert!(
            Config::read("sync.yaml", &image("sync_identifier: web").replace("us-west-2", there)).is_ok(),
            "{there}"
        );
    }
}

#[test]
fn what_is_no_configuration_is_told() {
    let none = "there is no key that begins with sync_, expected one for each job";
    check("{}", &[none]);
    check("aws_client_config: {profile: live}", &[none]);
    check("[a, b]", &["it is a list, expected a mapping with keys that begin with sync_"]);
    check("sync", &["it is a text, expected a mapping"]);
    check("null", &["it is nothing, expected a mapping"]);
    check("{a", &["it is neither YAML nor JSON: "]);
    check("", &["it is "]);
    check("sync_a: 1", &["sync_a: a number, expected a mapping of options"]);
    check("sync_a: !job {}", &["it is neither YAML nor JSON: "]);
}

#[test]
fn a_key_that_is_unknown_is_told_with_the_nearest_known_one() {
    let good = image("sync_identifier: web");
    let expected = "unknown, expected aws_client_config or a key that begins with sync_";
    check(&format!("{good}\nsync-b: {{}}"), &[&format!("sync-b: {expected}; did you mean `sync_b`?")]);
    check(&format!("{good}\nsnyc_b: {{}}"), &[&format!("snyc_b: {expected}; did you mean `sync_b`?")]);
    let meant = format!("aws_client_confg: {expected}; did you mean `aws_client_config`?");
    check(&format!("{good}\naws_client_confg: {{}}"), &[&meant]);
    check(&format!("{good}\nregion: x"), &[&format!("region: {expected}")]);

    let wrong = image("sync_identifer: web, db_instance: orders, colour: blue, filters: [name=web]");
    check(
        &wrong,
        &[
            "sync_a.sync_identifer: unknown option, did you mean `sync_identifier`?",
            "sync_a.db_instance: unknown option, it is one of the other sync_type",
            "sync_a.colour: unknown option, expected one of sync_type, source_region, destination_region, ",
        ],
    );
    check(
        &format!("{good}\naws_client_config: {{rolearn: x, region: y}}"),
        &[
            "aws_client_config.rolearn: unknown option, did you mean `role_arn`?",
            "aws_client_config.region: unknown option, expected one of aws_account_id, profile, role_arn, ",
        ],
    );
}

#[test]
fn a_key_that_stands_twice_is_told_wherever_it_stands() {
    check(
        "sync_a: {}\nsync_a: {}",
        &[
            "sync_a: stands twice, expected once",
            "sync_a.sync_type: missing",
            "sync_a.source_region: missing",
            "sync_a.destination_region: missing",
        ],
    );
    check(&image("newest: true, newest: false, filters: [a=b]"), &["sync_a.newest: stands twice, expected once"]);
    check(
        &format!("{}\naws_client_config: {{profile: a, profile: a}}", image("filters: [a=b]")),
        &["aws_client_config.profile: stands twice, expected once"],
    );
}

#[test]
fn what_is_missing_is_told() {
    check(
        "sync_a: {}",
        &[
            "sync_a.sync_type: missing, expected ec2_ami or rds_automated_snapshot",
            "sync_a.source_region: missing, expected a region's name, such as us-east-1",
            "sync_a.destination_region: missing, expected one or more region names",
        ],
    );
    check(&image(""), &["sync_a: neither sync_identifier nor filters, expected at least one of them"]);
    check(&database(""), &["sync_a.db_instance: missing, expected a DB instance's identifier, or db_cluster"]);
    check(&database("db_instance: a, db_cluster: b"), &["sync_a: both db_instance and db_cluster, expected one"]);
    check(
        &image("filters: [a=b], max_images_to_retain: 2"),
        &["sync_a.max_images_to_retain: without sync_identifier, expected both"],
    );
}

#[test]
fn a_type_that_is_unknown_is_told_and_the_options_of_either_are_not() {
    let both = "filters: [a=b], db_instance: orders, colour: blue";
    check(
        &format!("sync_a: {{sync_type: ec2_amy, source_region: us-east-1, destination_region: us-west-2, {both}}}"),
        &[
            "sync_a.sync_type: `ec2_amy`, expected ec2_ami or rds_automated_snapshot",
            "sync_a.colour: unknown option, expected one of ",
        ],
    );
}

#[test]
fn each_value_that_cannot_be_read_is_told() {
    #[track_caller]
    fn of_image(option: &str, value: &str, expected: &str) {
        let besides = if option == "filters" { "sync_identifier: web" } else { "filters: [a=b]" };
        check(&image(&format!("{besides}, {option}: {value}")), &[&format!("sync_a.{option}{expected}")]);
    }
    of_image("ami_owner", "12", ": `12`, expected an AWS account's twelve digits");
    of_image("ami_owner", "me", ": `me`, expected an AWS account's twelve digits");
    of_image("sync_identifier", "' '", ": empty, expected the value of the image's tag Sync-Identifier");
    of_image("sync_identifier", "[web]", ": a list, expected the value of the image's tag");
    of_image("filters", "[]", ": empty, expected a list of name=value");
    of_image("filters", "{a: b}", ": a mapping, expected a list of name=value");
    of_image("filters", "name", "[0]: `name`, expected name=value");
    of_image("filters", "[a=b, 'a=', c=d]", "[1]: `a=`, expected name=value");
    of_image("filters", "['=a']", "[0]: `=a`, expected name=value");
    of_image("filters", "['tag:=a']", "[0]: `tag:=a`, expected name=value");
    of_image("filters", "['a=b,,c']", "[0]: `a=b,,c`, expected name=value");
    of_image("filters", "[[a=b]]", "[0]: a list, expected name=value");
    of_image("filters", "[a=b, a=b]", "[1]: stands twice, expected once");
    of_image("newest", "yes", ": `yes`, expected true or false");
    of_image("newest", "1", ": `1`, expected true or false");
    of_image("kms_key_id", "backup", ": `backup`, expected a key's alias or id in the destination");
    of_image(
        "kms_key_id",
        "arn:aws:kms:us-east-1:123456789012:alias/a",
        ": `arn:aws:kms:us-east-1:123456789012:alias/a`",
    );
    for value in ["0", "-1", "65536", "1.5", "many", "'2'", "null"] {
        let told = if value == "null" { "nothing".to_owned() } else { format!("`{}`", value.replace('\'', "")) };
        let wrong = format!("sync_a.max_snapshots_to_retain: {told}, expected a whole number from 1 to 65535");
        check(&database(&format!("db_instance: orders, max_snapshots_to_retain: {value}")), &[&wrong]);
        check(
            &image(&format!("sync_identifier: web, max_images_to_retain: {value}")),
            &[&format!("sync_a.max_images_to_retain: {told}, expected a whole number")],
        );
    }
    for value in ["1orders", "orders.billing", "arn:aws:rds:us-east-1:123456789012:db:orders"] {
        for option in ["db_instance", "db_cluster"] {
            check(
                &database(&format!("{option}: '{value}'")),
                &[&format!("sync_a.{option}: `{value}`, expected a DB ")],
            );
        }
    }
}

#[test]
fn regions_are_read_and_none_is_the_source() {
    #[track_caller]
    fn of(source: &str, destination: &str, expected: &[&str]) {
        let regions = format!("source_region: {source}, destination_region: {destination}");
        check(&format!("sync_a: {{sync_type: ec2_ami, sync_identifier: web, {regions}}}"), expected);
    }
    of("mars", "us-west-2", &["sync_a.source_region: `mars`, expected a region's name"]);
    of("[us-east-1]", "us-west-2", &["sync_a.source_region: a list, expected a region's name"]);
    of("us-east-1", "us-east-1", &["sync_a.destination_region: `us-east-1` is the source_region, expected another"]);
    of(
        "us-east-1",
        "us-west-2 US-EAST-1 us-west-2 mars",
        &[
            "sync_a.destination_region: `us-east-1` is the source_region",
            "sync_a.destination_region: `us-west-2` stands twice",
            "sync_a.destination_region: `mars`, expected a region's name",
        ],
    );
    of("us-east-1", "[us-west-2, 7]", &["sync_a.destination_region[1]: `7`, expected a region's name"]);
    of("us-east-1", "[]", &["sync_a.destination_region: empty, expected one or more region names"]);
    of("us-east-1", "','", &["sync_a.destination_region: empty, expected one or more region names"]);
    of("us-east-1", "{a: b}", &["sync_a.destination_region: a mapping, expected one or more region names"]);
}

#[test]
fn each_client_setting_is_read_or_refused() {
    #[track_caller]
    fn of(client: &str, expected: &[&str]) {
        check(&format!("{}\naws_client_config: {{{client}}}", image("filters: [a=b]")), expected);
    }
    of("aws_account_id: 12", &["aws_client_config.aws_account_id: `12`, expected an AWS account's twelve digits"]);
    of("profile: ''", &["aws_client_config.profile: empty, expected the name of a profile"]);
    for arn in [
        "snapkeeper",
        "arn:aws:iam::123456789012:user/ann",
        "arn:aws:iam::12:role/sync",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:sts::123456789012:assumed-role/sync/x",
    ] {
        let wrong = format!("aws_client_config.role_arn: `{arn}`, expected a role's ARN");
        of(&format!("role_arn: '{arn}'"), &[&wrong]);
    }
    for url in ["'127.0.0.1'", "ftp://x.example", "https://ann:pass@x.example"] {
        let wrong = "aws_client_config.endpoint_url: not understood, expected an address that begins with https://";
        of(&format!("endpoint_url: {url}"), &[wrong]);
    }
    of("external_id: x", &["aws_client_config.external_id: not understood, expected 2 to 1224 letters"]);
    of("external_id: ab", &["sync_a.aws_client_config.external_id: there is no role_arn, expected both or neither"]);
    let role = "role_arn: arn:aws:iam::123456789012:role/sync";
    let other = "sync_a.aws_client_config.role_arn: it is one of 123456789012, expected a role of aws_account_id";
    of(&format!("{role}, aws_account_id: 123456789013"), &[other]);
    check(&format!("{}\naws_client_config: []", image("filters: [a=b]")), &["aws_client_config: a list, expected"]);
}

#[test]
fn access_keys_are_refused_by_their_names() {
    for key in ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "AccessKeyId", "secret_key"] {
        let refused = format!("{key}: access keys do not belong into a file, expected `profile` or `role_arn`");
        for (text, path) in [
            (format!("{}\n{key}: AKIA5ECRE7", image("filters: [a=b]")), ""),
            (format!("{}\naws_client_config: {{{key}: AKIA5ECRE7}}", image("filters: [a=b]")), "aws_client_config."),
            (image(&format!("filters: [a=b], {key}: AKIA5ECRE7")), "sync_a."),
        ] {
            check(&text, &[&format!("{path}{refused}")]);
            assert!(!Config::read("x", &text).unwrap_err().to_string().contains("5ECRE7"));
        }
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_each_in_a_line_with_its_origin() {
    let text = "sync_a: {sync_type: x}\nsync_b: {sync_type: ec2_ami, source_region: \"a\\nb\"}\nother: 1";
    let error = Config::read("parameter /sync", text).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 7, "{error}");
    assert!(error.lines().all(|line| line.starts_with("parameter /sync: ")), "{error}");
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_within_bounds_or_told(
        text in near(&[IMAGE, DATABASE, "sync_a: {", "[[[[", "&a [*a]"]),
    ) {
        match Config::read("sync.yaml", &text) {
            Ok(config) => {
                prop_assert!(!config.jobs.is_empty());
                for job in &config.jobs {
                    prop_assert!(job.name.starts_with("sync_"));
                    prop_assert!(!job.destinations.is_empty() && !job.destinations.contains(&job.source));
                    if let What::Image(image) = &job.what {
                        prop_assert!(image.identifier.is_some() || !image.filters.is_empty());
                        prop_assert!(image.max_images_to_retain.is_none() || image.identifier.is_some());
                    }
                }
            }
            Err(BadConfig(told)) => {
                prop_assert!(!told.is_empty());
                for told in told {
                    prop_assert!(told.starts_with("sync.yaml: "));
                    prop_assert_eq!(plain(&told), told);
                }
            }
        }
    }
}
