//! What a stack is looked at for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use snapkeeper_core::run::Job::{self, Copier, Creator, Manager, RdsSaver, RdsSharer, Syncer, Watcher};
use snapkeeper_tests::{
    deployment::{Attempt, Ministack, Resource, Stack},
    policies,
    world::ACCOUNT,
};

use super::{architecture, queue};

/// What holds of every stack, whatever its parameters.
pub(super) fn any(stack: &Stack) {
    for job in stack.jobs() {
        function(stack, job);
        schedule(stack, job);
        alarms(stack, job);
    }
    let topic = json!([stack.outputs["AlertTopic"]]);
    for alarm in stack.of_kind("AWS::CloudWatch::Alarm") {
        let of = &alarm.properties;
        assert_eq!((&of["AlarmActions"], &of["OKActions"]), (&topic, &topic), "{}", alarm.id);
        assert!(of["AlarmDescription"].as_str().unwrap().contains("docs/operate.md#"), "{}", alarm.id);
    }
    // nothing has a name of its own, with which another stack or region could collide
    for (name, resource) in &stack.resources {
        let names =
            ["RoleName", "FunctionName", "TopicName", "QueueName", "LogGroupName", "AlarmName", "Name"].into_iter();
        let own: Vec<&str> =
            names.filter(|key| resource.kind != CONFIG && !resource.properties[*key].is_null()).collect();
        assert!(own.is_empty(), "{name} has {own:?}");
    }
    // and the dashboard, which must have one, has that of the stack and the region
    let dashboard = &stack.of_kind("AWS::CloudWatch::Dashboard")[0].properties;
    let name = dashboard["DashboardName"].as_str().unwrap();
    assert!(name.contains("snapkeeper") && name.contains(&stack.region), "{name}");
}

/// It names the function that it is about.
const CONFIG: &str = "AWS::Lambda::EventInvokeConfig";

/// The function runs its binary, under a role that only Lambda can take, that may do what the job's file says, and that
/// writes into no log but its own.
fn function(stack: &Stack, job: Job) {
    let function = &stack.function(job).properties;
    let settings = function["Environment"]["Variables"].as_object().unwrap();
    assert!(settings.keys().all(|name| name.starts_with("SNAPKEEPER_") || name == "RUST_LOG"), "{settings:?}");
    assert_eq!(function["Runtime"], "provided.al2023");
    assert_eq!(settings["SNAPKEEPER_ALERT_TOPIC_ARN"], stack.outputs["AlertTopic"].as_str());

    let role = &stack.role(&function["Role"]).properties;
    let trusted = &role["AssumeRolePolicyDocument"]["Statement"];
    assert_eq!(trusted.as_array().unwrap().len(), 1);
    assert_eq!(said(&trusted[0]["Principal"]["Service"]), "lambda.amazonaws.com");
    let managed = ["service-role/AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess"];
    for arn in role["ManagedPolicyArns"].as_array().unwrap() {
        let name = arn.as_str().unwrap().strip_prefix("arn:aws:iam::aws:policy/").unwrap();
        assert!(managed.contains(&name), "{name}");
    }
    let topic = &stack.outputs["AlertTopic"];
    let mut files = vec![policies::document(job, &stack.region, topic)];
    if job == Job::Creator {
        files.extend(policies::further_of_creator(&stack.region, topic));
    }
    let documents: Vec<&Value> =
        role["Policies"].as_array().unwrap().iter().map(|policy| &policy["PolicyDocument"]).collect();
    for file in &files {
        assert!(documents.contains(&file), "{job} may do {role:#}");
    }
    let group = said(&function["LoggingConfig"]["LogGroup"]);
    let log = format!("arn:aws:logs:{}:{ACCOUNT}:log-group:{group}", stack.region);
    let own = json!([format!("{log}:*"), log]);
    assert!(documents.iter().any(|it| it["Statement"][0]["NotResource"] == own), "{job} may do {role:#}");

    let config = stack.of_kind(CONFIG).into_iter().find(|it| it.properties["FunctionName"] == stack.function(job).id);
    let config = &config.unwrap().properties;
    // the next run of these comes soon, and goes on by itself
    let retries = match job {
        Copier | RdsSharer | RdsSaver | Syncer => "0",
        Creator | Manager | Watcher => "2",
    };
    assert_eq!((said(&config["MaximumRetryAttempts"]).as_str(), &config["Qualifier"]), (retries, &json!("$LATEST")));
}

/// One schedule starts it, with the scheduled time as its input, and may.
fn schedule(stack: &Stack, job: Job) {
    let arn = stack.arn(job);
    let schedules = stack.of_kind("AWS::Scheduler::Schedule");
    let own: Vec<&&Resource> = schedules.iter().filter(|it| it.properties["Target"]["Arn"] == arn).collect();
    assert_eq!(own.len(), 1, "{job}");
    let (schedule, target) = (&own[0].properties, &own[0].properties["Target"]);
    assert_eq!(schedule["State"], "ENABLED");
    assert_eq!(target["Input"], r#"{"scheduled_time": "<aws.scheduler.scheduled-time>"}"#);
    assert_eq!(target["DeadLetterConfig"]["Arn"], queue(stack).as_str());
    let role = &stack.role(&target["RoleArn"]).properties;
    assert!(role["AssumeRolePolicyDocument"].to_string().contains("scheduler.amazonaws.com"), "{role:#}");
    let statements = role["Policies"].as_array().unwrap().iter().map(|it| &it["PolicyDocument"]["Statement"]);
    let mut statements = statements.filter_map(Value::as_array).flatten();
    let starts = |it: &Value| it["Action"] == "lambda:InvokeFunction" && said_all(&it["Resource"]).contains(&arn);
    assert!(statements.any(starts), "{job}: {role:#}");
}

/// Whatever can keep the job from its work raises an alarm.
fn alarms(stack: &Stack, job: Job) {
    let watched: Vec<(String, Vec<String>)> =
        stack.of_kind("AWS::CloudWatch::Alarm").into_iter().map(watched).collect();
    let function = stack.function(job).id.clone();
    for metric in ["Errors", "Throttles", "Duration", "AsyncEventsDropped", "DestinationDeliveryFailures"] {
        let wanted = (format!("AWS/Lambda {metric}"), vec![format!("FunctionName={function}")]);
        assert!(watched.contains(&wanted), "no alarm on {wanted:?} among {watched:#?}");
    }
    let group = said(&stack.of_kind("AWS::Scheduler::Schedule")[0].properties["GroupName"]);
    let queue = queue(stack).rsplit(':').next().unwrap().to_owned();
    for wanted in [
        ("Snapkeeper Succeeded".to_owned(), vec![format!("Job={job}"), format!("Region={}", stack.region)]),
        ("AWS/SQS ApproximateNumberOfMessagesVisible".to_owned(), vec![format!("QueueName={queue}")]),
        ("AWS/Scheduler InvocationDroppedCount".to_owned(), vec![format!("ScheduleGroup={group}")]),
    ] {
        assert!(watched.contains(&wanted), "no alarm on {wanted:?} among {watched:#?}");
    }
}

/// What an alarm watches: namespace and metric, and the dimensions.
fn watched(alarm: &Resource) -> (String, Vec<String>) {
    let of = &alarm.properties;
    let dimensions = of["Dimensions"].as_array().unwrap().iter();
    let mut dimensions: Vec<String> =
        dimensions.map(|it| format!("{}={}", said(&it["Name"]), said(&it["Value"]))).collect();
    dimensions.sort_unstable();
    (format!("{} {}", said(&of["Namespace"]), said(&of["MetricName"])), dimensions)
}

/// The metrics that alarms and dashboard look at are those that the functions write.
pub(super) fn metrics(stack: &Stack, attempts: &[Attempt]) {
    let mut written = BTreeSet::new();
    for line in attempts.iter().filter_map(Attempt::metrics) {
        let told = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!((&told["Namespace"], &told["Dimensions"]), (&json!("Snapkeeper"), &json!([["Job", "Region"]])));
        for metric in told["Metrics"].as_array().unwrap() {
            written.insert([said(&metric["Name"]), said(&line["Job"]), said(&line["Region"])]);
        }
    }
    for job in stack.jobs() {
        let succeeded = ["Succeeded".to_owned(), job.to_string(), stack.region.clone()];
        assert!(written.contains(&succeeded), "{succeeded:?} among {written:#?}");
    }
    let body = said(&stack.of_kind("AWS::CloudWatch::Dashboard")[0].properties["DashboardBody"]);
    let body: Value = serde_json::from_str(&body).expect("a dashboard in JSON");
    let widgets = body["widgets"].as_array().unwrap().iter();
    let metrics = widgets.filter_map(|widget| widget["properties"]["metrics"].as_array()).flatten();
    let own: Vec<&Value> = metrics.filter(|metric| metric[0] == "Snapkeeper").collect();
    assert!(own.len() > 20, "{own:#?}");
    for metric in own {
        assert_eq!((&metric[2], &metric[4]), (&json!("Job"), &json!("Region")));
        let shown = [said(&metric[1]), said(&metric[3]), said(&metric[5])];
        // a reason to keep something is written where there is one
        assert!(written.contains(&shown) || shown[0].starts_with("Kept_"), "{shown:?} among {written:#?}");
    }
}

/// The functions ran with what Lambda and the template set, and with nothing else that could make them work.
pub(super) async fn environment(ministack: &mut Ministack, stack: &Stack) {
    for job in stack.jobs() {
        let environment = ministack.environment(&stack.arn(job)).await;
        let variables = stack.function(job).properties["Environment"]["Variables"].as_object().unwrap();
        let wanted: BTreeMap<String, String> = variables.iter().map(|(name, it)| (name.clone(), said(it))).collect();
        let (own, other): (BTreeMap<_, _>, BTreeMap<_, _>) =
            environment.into_iter().partition(|(name, _)| wanted.contains_key(name));
        assert_eq!(own, wanted);
        assert_eq!(other["AWS_REGION"], stack.region);
        let ours = ["AWS_EC2_METADATA_DISABLED", "AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_SNS"];
        let lambdas =
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_REGION"];
        for name in other.keys().map(String::as_str) {
            let is_of_lambda = lambdas.contains(&name) || name.starts_with("AWS_LAMBDA_");
            let is_of_runtime = ["PATH", "_HANDLER", "LAMBDA_TASK_ROOT"].contains(&name);
            assert!(is_of_lambda || is_of_runtime || ours.contains(&name), "{name}");
        }
    }
}

/// Where the few parameters arrived, and what the defaults came to.
pub(super) fn few(stack: &Stack) {
    assert_eq!(stack.jobs(), Job::OF_EC2);
    check(stack, "AWS::Lambda::Function", "/Environment/Variables/SNAPKEEPER_DRY_RUN", "false");
    check(stack, "AWS::Lambda::Function", "/Environment/Variables/RUST_LOG", "null");
    check(stack, "AWS::Lambda::Function", "/TracingConfig", "null");
    check(stack, "AWS::Lambda::Function", "/ReservedConcurrentExecutions", "null");
    check(stack, "AWS::Lambda::Function", "/Timeout", "900");
    check(stack, "AWS::SNS::Subscription", "/Endpoint", "ops@example.com");
    check(stack, "AWS::SQS::Queue", "/SqsManagedSseEnabled", "true");
    check(stack, "AWS::IAM::Role", "/Path", "/");
    check(stack, "AWS::IAM::Role", "/PermissionsBoundary", "null");
    // the topic is encrypted with the stack's own key, which alarms may use
    let key = &stack.of_kind("AWS::KMS::Key")[0].properties["KeyPolicy"];
    assert!(key.to_string().contains("cloudwatch.amazonaws.com"), "{key:#}");
    let topic = &stack.of_kind("AWS::SNS::Topic")[0].properties;
    assert!(said(&topic["KmsMasterKeyId"]).contains(&stack.of_kind("AWS::KMS::Key")[0].id), "{topic:#}");
}

/// Where the many parameters arrived.
pub(super) fn many(stack: &Stack) {
    assert_eq!(stack.jobs(), [Manager, Watcher]);
    assert_eq!((stack.of_kind("AWS::KMS::Key").len(), stack.of_kind("AWS::SNS::Subscription").len()), (0, 0));
    for (setting, expected) in [
        ("DEFAULT_RETENTION", "7d 4w 12m"),
        ("TIME_ZONE", "America/Los_Angeles"),
        ("RPO_HOURS", "50"),
        ("MAX_DELETE_PERCENT", "80"),
        ("COPY_KMS_KEY", "alias/backup"),
        ("API_RATE", "0.5"),
        ("DRY_RUN", "false"),
    ] {
        check(stack, "AWS::Lambda::Function", &format!("/Environment/Variables/SNAPKEEPER_{setting}"), expected);
    }
    check(stack, "AWS::Lambda::Function", "/Environment/Variables/RUST_LOG", "warn,snapkeeper=debug");
    check(stack, "AWS::Lambda::Function", "/Architectures/0", architecture());
    check(stack, "AWS::Lambda::Function", "/MemorySize", "256");
    check(stack, "AWS::Lambda::Function", "/ReservedConcurrentExecutions", "1");
    check(stack, "AWS::Lambda::Function", "/TracingConfig/Mode", "Active");
    check(stack, "AWS::Logs::LogGroup", "/RetentionInDays", "30");
    check(stack, "AWS::IAM::Role", "/Path", "/backup/");
    check(stack, "AWS::IAM::Role", "/PermissionsBoundary", "arn:aws:iam::123456789012:policy/limit");
    check(stack, "AWS::SNS::Topic", "/KmsMasterKeyId", "null");
    check(stack, "AWS::Scheduler::Schedule", "/ScheduleExpressionTimezone", "America/Los_Angeles");
    let heartbeat = |job| said(&stack.function(job).properties["Environment"]["Variables"]["SNAPKEEPER_HEARTBEAT_URL"]);
    assert_eq!((heartbeat(Manager), heartbeat(Watcher)), (String::new(), "https://127.0.0.1:1/uuid".to_owned()));
}

/// Every resource of a type has this at this place; there is one at least.
#[track_caller]
fn check(stack: &Stack, kind: &str, place: &str, expected: &str) {
    let resources = stack.of_kind(kind);
    assert!(!resources.is_empty(), "there is no {kind}");
    for resource in resources {
        let found = resource.properties.pointer(place).map_or_else(|| "null".to_owned(), said);
        assert_eq!(found, expected, "{place} of {}", resource.id);
    }
}

/// A value as text: some of `CloudFormation`'s parameters turn numbers into texts.
fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(members) if members.len() == 1 => said(&members[0]),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// The members of a list, or the one value that stands for a list of one.
fn said_all(value: &Value) -> Vec<String> {
    value.as_array().map_or_else(|| vec![said(value)], |members| members.iter().map(said).collect())
}
