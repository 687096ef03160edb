//! `snapkeeper snapshot`: snapshots of certain instances, now.
//!
//! What is asked for is read in one place, [`Request::from_json`], as of a payload of the creator's function: the
//! options are the payload's keys, and the errors are the same.

mod interrupt;
mod wait;

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Map, Value, json};
use snapkeeper_aws::Aws;
use snapkeeper_core::{
    calls::Calls,
    ids::InstanceId,
    on_demand::{self, Request, Selection},
    run::{Job, Run},
    settings::Settings,
};
use snapkeeper_lambda::{Began, Context, clock, environment, perform};

use crate::{
    connection::Connection,
    run::{self, Output},
};

/// What tells of the steps, by the level `info`.
pub(crate) const STEPS: &str = "snapkeeper_creator::on_demand";

/// What can be said after `snapkeeper snapshot`
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Arguments {
    /// An instance; with tags as well, only those that have them
    #[arg(short, long = "instance", value_name = "ID", num_args = 1..)]
    instances: Vec<String>,
    /// A tag of the instances, with `*` and `?` as EC2 has them; several values of one tag: any of them
    #[arg(short, long = "tag", value_name = "KEY=VALUE", num_args = 1.., value_parser = tag)]
    tags: Vec<(String, String)>,
    #[expect(clippy::doc_link_with_quotes, reason = "it is JSON, for people")]
    /// Both as JSON: {"instances": ["i-…"], "tags": {"tag:Owner": "John", "tag:Env": ["PROD", "TEST"]}}
    #[arg(short, long, value_name = "JSON", value_parser = json_value)]
    filter: Option<Value>,
    /// Text put into the descriptions of the snapshots
    #[arg(short, long, allow_hyphen_values = true)]
    label: Option<String>,
    /// Stop each running instance before, and start it again as soon as its snapshots are begun
    #[arg(short, long, conflicts_with = "stopped")]
    stop: bool,
    /// Only where the instance is stopped already; a running one is left alone, and is an error
    #[arg(short = 'p', long)]
    stopped: bool,
    /// Never expires
    #[arg(long)]
    protected: bool,
    /// How long to keep, such as 7d or 4w; else as the instance's tag says, or the default
    #[arg(long, value_name = "RETENTION")]
    retention: Option<String>,
    /// The SNS topic that is told how it went
    #[arg(long, value_name = "ARN")]
    sns_arn: Option<String>,
    /// The SNS topic that is told of errors
    #[arg(long, value_name = "ARN")]
    sns_arn_error: Option<String>,
    /// Wait until the snapshots are completed, with a bar for each
    #[arg(long)]
    wait: bool,
    /// Start the instances that a run which was killed has stopped; take nothing
    #[arg(long, conflicts_with_all = [
        "instances", "tags", "filter", "label", "stop", "stopped", "protected", "retention", "sns_arn", "sns_arn_error",
        "wait",
    ])]
    recover: bool,
    /// Tell each step on standard error
    #[arg(long)]
    verbose: bool,
    /// Print the plan with its reasons, change nothing
    #[arg(long)]
    dry_run: bool,
    /// How to print the report
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn snapshot(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut settings = Settings::from_variables(environment::variables()).context("settings")?;
    let request = arguments.request(&id_at(clock::now()))?;
    let Arguments { wait, verbose, dry_run, output, connection, .. } = arguments;
    settings.dry_run |= dry_run;
    // the monitoring waits for the scheduled run, not for this
    settings.heartbeat_url = None;
    let calls = Calls::default();
    let aws = connection.open(&settings, &calls).await?;
    let now = clock::now();
    let asked = Run::new(Job::Creator, aws.region().clone(), now, settings);
    // steps that are told would tear the bar
    let bar = if verbose { ProgressBar::hidden() } else { run::bar(format!("snapshots in {}", aws.region())) };
    let context = Context { progress: run::shown_by(&bar), request, began: Began::at(now), ..Context::new(asked) };
    let cancel = context.cancel.clone();
    interrupt::on_interrupt(move || cancel.cancel()).context("Ctrl-C cannot be caught")?;
    let report = perform(
        &aws,
        &context,
        &calls,
        async |aws: &Aws, context: &Context| {
            // SDK futures are large: hence the boxes
            let Some(request) = &context.request else {
                return Box::pin(snapkeeper_creator::recover(aws, context, TimeDelta::zero())).await;
            };
            let mut report = Box::pin(snapkeeper_creator::on_demand(aws, context, request)).await?;
            bar.finish_and_clear();
            if wait {
                Box::pin(wait::until_completed(aws, context, &mut report)).await;
            }
            Ok(report)
        },
        Aws::publish,
    )
    .await;
    bar.finish_and_clear();
    run::tell(&report, output)
}

impl Arguments {
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// What is asked for, as a request of this id; `None` if nothing is to be taken.
    fn request(&self, id: &str) -> anyhow::Result<Option<Request>> {
        if self.recover {
            return Ok(None);
        }
        Ok(Some(Request::from_json(&self.payload()?, id)?))
    }

    /// The payload with which the creator's function would do the same.
    fn payload(&self) -> anyhow::Result<Value> {
        let mut selection = match &self.filter {
            Some(filter) => Selection::from_json(filter).context("--filter")?,
            None => Selection { instances: Vec::new(), tags: BTreeMap::new() },
        };
        selection.instances.extend(self.instances.iter().map(|id| InstanceId::from(id.as_str())));
        for (key, value) in &self.tags {
            selection.tags.entry(key.clone()).or_default().push(value.clone());
        }
        let mut payload = Map::new();
        if !selection.instances.is_empty() {
            payload.insert("instances".to_owned(), json!(selection.instances));
        }
        if !selection.tags.is_empty() {
            let tags = selection.tags.into_iter().map(|(key, values)| (format!("tag:{key}"), json!(values)));
            payload.insert("tags".to_owned(), Value::Object(tags.collect()));
        }
        let texts = [
            ("label", &self.label),
            ("retention", &self.retention),
            ("sns-arn", &self.sns_arn),
            ("sns-arn-error", &self.sns_arn_error),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                payload.insert(key.to_owned(), json!(text));
            }
        }
        let flags = [
            ("stop", self.stop),
            ("stopped", self.stopped),
            ("protected", self.protected),
            ("verbose", self.verbose),
            ("dry_run", self.dry_run),
        ];
        for (key, flag) in flags {
            payload.insert(key.to_owned(), json!(flag));
        }
        Ok(Value::Object(payload))
    }
}

/// The id of a request that is made now: no other one has it, not even of the same second.
fn id_at(now: DateTime<Utc>) -> String {
    format!("{}.{:09}-{}", now.timestamp(), now.timestamp_subsec_nanos(), std::process::id())
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, such as Env=PROD")?;
    if let Some(key) = key.strip_prefix("tag:") {
        return Err(format!("expected {key}={value}: only in JSON does a tag's key begin with `tag:`"));
    }
    if key.is_empty() {
        return Err("expected a key before `=`, such as Env=PROD".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

fn json_value(text: &str) -> Result<Value, String> {
    on_demand::read_json(text)
        .map_err(|error| if error.is_data() { error.to_string() } else { format!("not JSON: {error}") })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const ID: &str = "i-0123456789abcdef0";

    /// The arguments as they stand after `snapkeeper snapshot`.
    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn read(words: &[&str]) -> Arguments {
        Words::try_parse_from([&["snapshot"][..], words].concat()).map_err(|error| error.to_string()).unwrap().arguments
    }

    #[test]
    fn each_option_is_a_key_of_the_payload() {
        #[track_caller]
        fn check(words: &[&str], expected: Value) {
            let payload = read(&[&["-i", ID][..], words].concat()).payload().unwrap();
            let mut all = json!({
                "instances": [ID], "stop": false, "stopped": false, "protected": false, "verbose": false,
                "dry_run": false,
            });
            if let (Some(all), Value::Object(expected)) = (all.as_object_mut(), expected) {
                all.extend(expected);
            }
            assert_eq!(payload, all, "{words:?}");
        }
        check(&[], json!({}));
        check(&["-l", "before"], json!({"label": "before"}));
        check(&["--label", "before"], json!({"label": "before"}));
        check(&["-l", "-before-"], json!({"label": "-before-"}));
        check(&["--label", "-- before", "-s"], json!({"label": "-- before", "stop": true}));
        check(&["-s"], json!({"stop": true}));
        check(&["--stop"], json!({"stop": true}));
        check(&["-p"], json!({"stopped": true}));
        check(&["--stopped"], json!({"stopped": true}));
        check(&["--protected"], json!({"protected": true}));
        check(&["--retention", "7d 4w"], json!({"retention": "7d 4w"}));
        check(&["--sns-arn", "a"], json!({"sns-arn": "a"}));
        check(&["--sns-arn-error", "a"], json!({"sns-arn-error": "a"}));
        check(&["--verbose"], json!({"verbose": true}));
        check(&["--dry-run"], json!({"dry_run": true}));
        // what concerns the command alone
        check(&["--wait", "--output", "json", "--region", "us-east-1"], json!({}));
    }

    #[test]
    fn flags_and_filter_are_one_selection() {
        #[track_caller]
        fn check(words: &[&str], instances: &[&str], tags: Value) {
            let payload = read(words).payload().unwrap();
            let told = |key: &str| payload.get(key).cloned().unwrap_or_default();
            assert_eq!(
                told("instances"),
                if instances.is_empty() { Value::Null } else { json!(instances) },
                "{words:?}"
            );
            assert_eq!(told("tags"), tags, "{words:?}");
        }
        const OTHER: &str = "i-89abcdef";
        const FILTER: &str =
            r#"{"instances": ["i-89abcdef"], "tags": {"tag:Env": "PROD", "tag:Owner": ["John", "Ann"]}}"#;
        check(&["-t", "Env=PROD"], &[], json!({"tag:Env": ["PROD"]}));
        check(&["-t", "Env=a=b", "Role=db", "--tag", "Env="], &[], json!({"tag:Env": ["a=b", ""], "tag:Role": ["db"]}));
        check(&["-i", ID, OTHER], &[ID, OTHER], Value::Null);
        check(&["-i", ID, "--instance", OTHER], &[ID, OTHER], Value::Null);
        check(&["-f", FILTER], &[OTHER], json!({"tag:Env": ["PROD"], "tag:Owner": ["John", "Ann"]}));
        check(
            &["-f", FILTER, "-i", ID, "-t", "Env=TEST"],
            &[OTHER, ID],
            json!({"tag:Env": ["PROD", "TEST"], "tag:Owner": ["John", "Ann"]}),
        );
        check(&["--stop"], &[], Value::Null);
    }

    #[test]
    fn a_key_that_stands_twice_in_a_filter_is_named() {
        for (filter, told) in [
            (r#"{"instances": ["i-89abcdef"], "instances": []}"#, "it has the key `instances` twice"),
            (r#"{"tags": {"tag:Env": "PROD", "tag:Env": "TEST"}}"#, "it has the key `tag:Env` twice"),
            ("{instances}", "not JSON: "),
        ] {
            let error = json_value(filter).unwrap_err();
            assert!(error.starts_with(told), "{filter}: {error}");
        }
    }

    #[test]
    fn each_request_has_an_id_of_its_own() {
        let id_of = |at: &str| {
            let request = read(&["-i", ID]).request(&id_at(at.parse().unwrap())).unwrap();
            request.map(|request| request.id)
        };
        let id = id_of("2026-11-21T05:00:07.000000001Z");
        assert_eq!(id, Some(format!("1795237207.000000001-{}", std::process::id())));
        assert_ne!(id, id_of("2026-11-21T05:00:07.000000002Z"), "of the same second");
    }

    #[test]
    fn to_recover_nothing_else_is_asked() {
        assert!(read(&["--recover"]).request("1").unwrap().is_none());
        assert!(read(&[]).request("1").is_err(), "nothing selected is not everything");
        for word in ["--stop", "--wait", "--protected"] {
            assert!(Words::try_parse_from(["snapshot", "--recover", word]).is_err(), "{word}");
        }
    }
}
