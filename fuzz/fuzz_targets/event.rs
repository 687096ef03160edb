//! The event of an invocation, from any JSON.

#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use snapkeeper_lambda::Event;

fuzz_target!(|bytes: &[u8]| {
    let Ok(event) = serde_json::from_slice::<Value>(bytes) else { return };
    match Event::read(&event, "8476a536") {
        Ok(Event { instant, dry_run, announced, .. }) => {
            let said = if announced.is_some() {
                event.pointer("/Records/0/Sns/Timestamp")
            } else if event.get("detail-type").is_some() {
                event.get("time")
            } else {
                event.get("scheduled_time")
            };
            let said = said.and_then(Value::as_str).map(|text| DateTime::parse_from_rfc3339(text).unwrap().to_utc());
            assert_eq!(instant, said);
            assert_eq!(dry_run, event.get("dry_run") == Some(&Value::Bool(true)));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
