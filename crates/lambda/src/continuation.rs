//! A run that takes more than one invocation. Each invocation says in its result where the next one goes on, and whoever
//! invokes the function passes that back: nothing is kept anywhere else.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// What a token may measure, in characters: EC2's are a tenth of that.
const LONGEST_TOKEN: usize = 4_096;
const KEYS: [&str; 4] = ["token", "invocations", "failed", "wait_seconds"];

/// Where a run goes on. That of the first invocation is empty, `{}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Continuation {
    /// Of the creator: the page of instances with which it goes on. Without it, the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// How many invocations the run has had.
    pub invocations: u32,
    /// Whether anything failed in one of them.
    pub failed: bool,
    /// How long to wait before the next one.
    #[serde(rename = "wait_seconds", serialize_with = "in_whole_seconds")]
    pub wait: Duration,
}

impl Continuation {
    /// Reads what an event has under `continuation`.
    ///
    /// # Errors
    /// Says which part of it is not understood.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        let Value::Object(parts) = value else { return Err(format!("its continuation is {value}, no object")) };
        if let Some(key) = parts.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(format!("its continuation has the key `{key}`"));
        }
        let wrong =
            |key: &str, value: &Value, expected: &str| format!("the {key} of its continuation is {value}, {expected}");
        let token = match parts.get("token") {
            None => None,
            Some(Value::String(token)) if token.chars().count() <= LONGEST_TOKEN => Some(token.clone()),
            Some(Value::String(_)) => {
                return Err(format!("the token of its continuation has more than {LONGEST_TOKEN} characters"));
            }
            Some(other) => return Err(wrong("token", other, "not a text")),
        };
        let number = |key: &str| match parts.get(key) {
            None => Ok(0),
            Some(value) => value.as_u64().ok_or_else(|| wrong(key, value, "not a whole number")),
        };
        let invocations = number("invocations")?;
        let invocations = u32::try_from(invocations)
            .map_err(|_| wrong("invocations", &Value::from(invocations), "too large a number"))?;
        let failed = match parts.get("failed") {
            None => false,
            Some(Value::Bool(failed)) => *failed,
            Some(other) => return Err(wrong("failed", other, "neither true nor false")),
        };
        Ok(Self { token, invocations, failed, wait: Duration::from_secs(number("wait_seconds")?) })
    }

    /// Whether this is the run's first invocation.
    pub(crate) fn is_first(&self) -> bool {
        self.invocations == 0
    }

    /// Where the next invocation goes on, after this wait: a second at least, so that nothing goes round without rest.
    #[must_use]
    pub fn next(&self, token: Option<String>, wait: Duration) -> Self {
        let invocations = self.invocations.saturating_add(1);
        Self { token, invocations, failed: self.failed, wait: wait.max(Duration::from_secs(1)) }
    }
}

/// Rounded up: the next invocation may begin with a rate limit that is thought to be full.
fn in_whole_seconds<S: Serializer>(wait: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_one_is_empty() {
        assert_eq!(Continuation::read(&json!({})), Ok(Continuation::default()));
        assert!(Continuation::default().is_first());
    }

    #[test]
    fn the_next_one_counts_and_remembers() {
        let first = Continuation { failed: true, ..Continuation::default() };
        let next = first.next(Some("page 2".to_owned()), Duration::from_millis(19_900));
        let told = json!({"token": "page 2", "invocations": 1, "failed": true, "wait_seconds": 20});
        assert_eq!(serde_json::to_value(&next).unwrap(), told);
        let last = next.next(None, Duration::ZERO);
        let told = json!({"invocations": 2, "failed": true, "wait_seconds": 1});
        assert_eq!(serde_json::to_value(&last).unwrap(), told);
        assert!(!next.is_first());
    }

    #[track_caller]
    fn check(value: &Value, part: &str) {
        let error = Continuation::read(value).expect_err("nothing of the sort");
        assert!(error.contains(part), "{value} gave: {error}");
    }

    #[test]
    fn what_is_not_understood_is_named() {
        check(&json!(null), "its continuation is null, no object");
        check(&json!([]), "its continuation is [], no object");
        check(&json!({"pages": 3}), "has the key `pages`");
        check(&json!({"token": null}), "the token of its continuation is null, not a text");
        check(&json!({"token": 7}), "the token of its continuation is 7");
        check(&json!({"token": "x".repeat(4_097)}), "more than 4096 characters");
        check(&json!({"invocations": "3"}), "the invocations of its continuation is \"3\", not a whole number");
        check(&json!({"invocations": -1}), "not a whole number");
        check(&json!({"invocations": 4_294_967_296_u64}), "too large a number");
        check(&json!({"failed": "no"}), "the failed of its continuation is \"no\", neither true nor false");
        check(&json!({"wait_seconds": 1.5}), "the wait_seconds of its continuation is 1.5");
    }

    proptest! {
        #[test]
        fn what_is_told_is_read_again(
            token in proptest::option::of(".{0,40}"),
            invocations in any::<u32>(),
            failed in any::<bool>(),
            seconds in 0_u64..100_000,
        ) {
            let told = Continuation { token, invocations, failed, wait: Duration::from_secs(seconds) };
            prop_assert_eq!(Continuation::read(&serde_json::to_value(&told).unwrap()), Ok(told));
        }
    }
}
