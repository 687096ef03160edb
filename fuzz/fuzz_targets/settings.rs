//! The settings, from any environment.

#![no_main]

use libfuzzer_sys::fuzz_target;
use snapkeeper_core::settings::{ApiRate, Settings};

/// What follows the prefix. The last one is no setting.
const NAMES: [&str; 10] = [
    "DEFAULT_RETENTION",
    "TIME_ZONE",
    "RPO_HOURS",
    "MAX_DELETE_PERCENT",
    "COPY_KMS_KEY",
    "ALERT_TOPIC_ARN",
    "HEARTBEAT_URL",
    "API_RATE",
    "DRY_RUN",
    "RETENTION",
];

fuzz_target!(|said: (Vec<(u8, String)>, Vec<(String, String)>)| {
    let (ours, others) = said;
    let ours: Vec<(String, String)> = ours
        .into_iter()
        .map(|(name, value)| (format!("SNAPKEEPER_{}", NAMES[usize::from(name) % NAMES.len()]), value))
        .collect();
    let others = others.into_iter().filter(|(name, _)| !name.starts_with("SNAPKEEPER_"));
    let read = Settings::from_variables(ours.iter().cloned());
    assert_eq!(read, Settings::from_variables(ours.iter().cloned().chain(others)), "others change nothing");
    match read {
        Ok(settings) => {
            assert!(settings.max_delete_percent <= 100);
            assert!(settings.rpo.num_hours() >= 1);
            assert!(settings.heartbeat_url.is_none_or(|url| url.scheme() == "https"));
            assert!(matches!(settings.api_rate, ApiRate::Off | ApiRate::Share(0.01..=1.0)));
        }
        Err(error) => {
            let told = error.to_string();
            assert!(ours.iter().any(|(name, _)| told.contains(name)), "{told}");
            // alone, and long enough not to stand there by chance
            let webhooks = ours.iter().filter(|(name, _)| name.ends_with("HEARTBEAT_URL"));
            for (name, value) in webhooks.filter(|(_, value)| value.trim().chars().count() > 20) {
                let told = |value: &str| Settings::from_variables([(name.clone(), value.to_owned())]).err();
                let Some(told_of_it) = told(value) else { continue };
                // some texts stand in every message
                let always = told("?").is_some_and(|error| error.to_string().contains(value.trim()));
                assert!(always || !told_of_it.to_string().contains(value.trim()), "{told_of_it}");
            }
        }
    }
});
