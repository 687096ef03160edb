use proptest::prelude::*;

use super::*;
use crate::near::near;

#[test]
fn each_setting_is_read_or_refused() {
    #[track_caller]
    fn check(name: &str, good: &[&str], bad: &[&str]) {
        let read = |value: &str| Settings::from_variables([(format!("{PREFIX}{name}"), value.to_owned())]);
        for value in good {
            assert_ne!(read(value).unwrap(), Settings::default(), "{name}={value}");
        }
        for value in bad {
            let error = read(value).unwrap_err().to_string();
            let told = if name == "HEARTBEAT_URL" { "…" } else { value };
            assert!(error.starts_with(&format!("SNAPKEEPER_{name} is `{told}`: expected ")), "{error}");
        }
        assert_eq!(read("  ").unwrap(), Settings::default(), "an empty {name} is as good as none");
    }
    check("DEFAULT_RETENTION", &["14", "7d 4w"], &["0", "2weeks"]);
    check("TIME_ZONE", &["Europe/Berlin", "America/New_York"], &["CEST", "Mars/Base", "europe berlin"]);
    check("RPO_HOURS", &["1", "65535"], &["0", "-1", "1.5", "65536"]);
    check("MAX_DELETE_PERCENT", &["0", "100"], &["101", "-1", "50%"]);
    check(
        "COPY_KMS_KEY",
        &["alias/backup", "1234abcd-12ab-34cd-56ef-1234567890ab", "mrk-1234abcd12ab34cd56ef1234567890ab"],
        &["backup", "alias/", "alias/my key", "arn:aws:kms:us-east-1:123456789012:alias/backup"],
    );
    check(
        "ALERT_TOPIC_ARN",
        &["arn:aws:sns:us-east-1:123456789012:alerts", "arn:aws-us-gov:sns:us-gov-west-1:123456789012:a"],
        &[
            "alerts",
            "arn:aws:sqs:us-east-1:123456789012:alerts",
            "arn:gcp:sns:us-east-1:123456789012:alerts",
            "arn:aws:sns:mars:123456789012:alerts",
            "arn:aws:sns:us-east-1:12:alerts",
            "arn:aws:sns:us-east-1:12345678901x:alerts",
            "arn:aws:sns:us-east-1:123456789012:",
        ],
    );
    check(
        "HEARTBEAT_URL",
        &["https://hc.example/uuid"],
        &["http://hc.example/uuid", "file:///etc/passwd", "hc.example"],
    );
    check("API_RATE", &["off", "0.5"], &["0", "1.1", "fast", "NaN", "-0.5"]);
    check("DRY_RUN", &["true", "YES", "1"], &["maybe"]);
    check("DB_INSTANCES", &["orders", "Orders, billing-2"], &[",", "1orders", "orders;billing", "orders db:billing"]);
    check(
        "FAILSAFE_ACCOUNT",
        &["123456789012"],
        &["12345678901", "1234567890123", "12345678901x", "１23456789012", "123456789012 123456789013", "+12345678901"],
    );
    check(
        "FAILSAFE_KMS_KEY",
        &[
            "alias/failsafe",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws:kms:us-east-1:123456789012:alias/failsafe",
            "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        ],
        &[
            "failsafe",
            "alias/aws/rds",
            "arn:aws:kms:us-east-1:123456789012:alias/aws/rds",
            "arn:aws:kms:us-east-1:123456789012:failsafe",
            "arn:aws:kms:mars:123456789012:alias/failsafe",
            "arn:aws:kms:us-east-1:12:alias/failsafe",
            "arn:aws:rds:us-east-1:123456789012:alias/failsafe",
        ],
    );
    check("FAILSAFE_TOPIC_ARN", &["arn:aws:sns:us-east-1:123456789012:failsafe"], &["failsafe"]);
    check("LIVE_ACCOUNT", &["123456789012", "123456789012,210987654321"], &[",", "123456789012 live"]);
    check(
        "SAVER_KMS_KEY",
        &["alias/saved", "1234abcd-12ab-34cd-56ef-1234567890ab"],
        &["saved", "alias/aws/rds", "arn:aws:kms:us-east-1:123456789012:alias/saved"],
    );
    check("SAVER_COPY_DEST", &["us-west-2", "us-west-2 EU-west-1"], &[",", "us-west-2 mars"]);
    check("RETENTION", &["14", "7d 4w"], &["0", "2weeks"]);
}

#[test]
fn what_is_in_a_list_is_read_each_by_itself() {
    let read = |name: &str, value: &str| {
        Settings::from_variables([(format!("{PREFIX}{name}"), value.to_owned())]).unwrap().failsafe
    };
    let of = |entries: &[&str]| entries.iter().map(|entry| (*entry).to_owned()).collect::<BTreeSet<String>>();
    assert_eq!(read("DB_INSTANCES", " Orders,,billing\torders ").databases, of(&["billing", "orders"]));
    assert_eq!(read("LIVE_ACCOUNT", "210987654321 123456789012").live_accounts, of(&["123456789012", "210987654321"]));
    let regions: Vec<Region> = read("SAVER_COPY_DEST", "us-west-2, eu-west-1").copy_to.into_iter().collect();
    assert_eq!(regions.iter().map(Region::as_str).collect::<Vec<_>>(), ["eu-west-1", "us-west-2"]);
}

/// What is wrong with it, the syncer says, for it concerns no other job.
#[test]
fn the_configuration_of_the_syncer_is_taken_as_it_is() {
    for value in ["ssm:/snapkeeper/sync", "sync_web:\n  sync_type: ec2_ami", "{}", "mars"] {
        let read = Settings::from_variables([(format!("{PREFIX}SYNC_CONFIG"), format!("  {value}\n"))]).unwrap();
        assert_eq!(read, Settings { sync_config: Some(value.to_owned()), ..Settings::default() });
    }
    let empty = Settings::from_variables([(format!("{PREFIX}SYNC_CONFIG"), " \n".to_owned())]);
    assert_eq!(empty, Ok(Settings::default()));
}

#[test]
fn what_is_so_by_default_can_be_said() {
    for (name, values) in [("DRY_RUN", ["false", "No", "0"]), ("API_RATE", ["aws", "AWS", "1"])] {
        for value in values {
            let read = Settings::from_variables([(format!("{PREFIX}{name}"), value.to_owned())]);
            assert_eq!(read, Ok(Settings::default()), "{name}={value}");
        }
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_other_variables_are_left_alone() {
    let variables = [("PATH", "/bin"), ("SNAPKEEPER_RPO_HOURS", "x"), ("SNAPKEEPER_KEEP_FOR", "7d")];
    let error = Settings::from_variables(variables.map(|(n, v)| (n.to_owned(), v.to_owned()))).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 2, "{error}");
    assert!(error.contains("SNAPKEEPER_KEEP_FOR is no setting: there are SNAPKEEPER_DEFAULT_RETENTION, "), "{error}");
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(NAMES.to_vec()).prop_map(|name| format!("{PREFIX}{name}")),
        1 => near(&["SNAPKEEPER_DRY_RUN", "SNAPKEEPER_HEARTBEAT_URL", "SNAPKEEPER_", "snapkeeper_dry_run", "PATH"]),
    ]
}

fn values() -> BoxedStrategy<String> {
    near(&[
        "7d 4w",
        "Europe/Berlin",
        "30",
        "+100",
        "alias/backup",
        "alias/aws/rds",
        "arn:aws:kms:us-east-1:123456789012:alias/failsafe",
        "123456789012",
        "123456789012, 210987654321",
        "orders billing-2",
        "us-west-2 eu-west-1",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "arn:aws:sns:us-east-1:123456789012:alerts",
        "https://hc.example/5ecre7-0123",
        "0.5",
        "1e-1",
        "inf",
        "off",
        "true",
    ])
}

proptest! {
    #[test]
    fn whatever_is_set_is_read_within_bounds_or_named(
        variables in prop::collection::vec((names(), values()), 0..4),
    ) {
        match Settings::from_variables(variables.clone()) {
            Ok(settings) => {
                prop_assert!(settings.max_delete_percent <= 100);
                prop_assert!(settings.rpo >= TimeDelta::hours(1));
                prop_assert!(settings.heartbeat_url.is_none_or(|url| url.scheme() == "https"));
                prop_assert!(settings.alert_topic.is_none_or(|topic| topic.arn.starts_with("arn:aws")));
                let is_share = matches!(settings.api_rate, ApiRate::Share(share) if share > 0.0 && share <= 1.0);
                prop_assert!(is_share || settings.api_rate == ApiRate::Off);
                let failsafe = settings.failsafe;
                let is_account = |it: &String| it.len() == 12 && it.bytes().all(|b| b.is_ascii_digit());
                prop_assert!(failsafe.account.iter().chain(&failsafe.live_accounts).all(is_account));
                let keys = [failsafe.kms_key, failsafe.saver_kms_key];
                prop_assert!(!keys.iter().flatten().any(|key| key.contains("alias/aws/")));
                prop_assert!(failsafe.databases.iter().all(|name| *name == name.to_ascii_lowercase()));
            }
            Err(error) => {
                let named = |(name, _): &(String, String)| error.to_string().contains(name.as_str());
                prop_assert!(variables.iter().any(|it| it.0.starts_with(PREFIX) && named(it)), "{}", error);
            }
        }
    }

    #[test]
    fn what_is_not_a_setting_of_ours_changes_nothing(
        name in near(&["PATH", "AWS_REGION", "snapkeeper_dry_run"]),
        value in values(),
    ) {
        prop_assume!(!name.starts_with(PREFIX));
        prop_assert_eq!(Settings::from_variables([(name, value)]).unwrap(), Settings::default());
    }

    #[test]
    fn the_address_of_a_webhook_is_in_no_error(
        value in near(&["http://hc.example/5ecre7-0123", "hc.example/5ecre7-0123"]),
    ) {
        if let Err(error) = Settings::from_variables([(format!("{PREFIX}HEARTBEAT_URL"), value.clone())]) {
            // a word or two may stand there by chance
            let is_told = value.trim().chars().count() >= 12 && error.to_string().contains(value.trim());
            prop_assert!(!is_told, "{}", error);
        }
    }
}
