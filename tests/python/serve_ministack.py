"""Serves ministack, an AWS that we did not write, on a free port of 127.0.0.1, until standard input is closed: the
CloudFormation, Lambda, Scheduler, SQS and so on of a stack whose functions find EC2 and SNS elsewhere.

    serve_ministack.py EC2_AND_SNS_ENDPOINT NOW

Prints its address. Then it answers commands, a line of JSON each, with a line of JSON: `{"answer": …}` or
`{"error": …}`.

    ["bucket", REGION, NAME]    makes a bucket for code
    ["stack", REGION, NAME]     outputs, and each resource: type, physical id, properties with all intrinsics resolved
    ["functions"]               by ARN: the access key of its role, and what its environment held when it last started
    ["next"]                    the next instant at which a schedule is due
    ["at", INSTANT]             lets it be so late, fires what is due, waits for it; gives all attempts at invocations
    ["executions"]              of state machines: status, and cause if it failed
    ["queue", ARN]              the messages that are in a queue
"""

import json
import os
import queue
import socket
import sys
import threading
import time
import traceback
from datetime import datetime, timezone

import botocore.session

ENDPOINT, NOW = sys.argv[1:]
ACCOUNT = "123456789012"
# What Lambda itself sets in a function's environment, as far as ministack does.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
SET_BY_LAMBDA = {
    "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_TASK_ROOT", "PATH", "_HANDLER",
}
# What the test adds, so that the function's SDK finds our EC2 and SNS, and does not look for credentials of a machine.
SET_BY_US = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_ENDPOINT_URL_EC2": ENDPOINT,
    "AWS_ENDPOINT_URL_SNS": ENDPOINT,
}
LONGEST_RUN = 60  # seconds


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


# Read when ministack is imported. With AUTH each function calls with keys of its own role, and ministack holds the
# calls that are made to it to IAM. It would listen on every interface, and for devices.
PORT = free_port()
os.environ.update(
    AUTH="true",
    BIND_HOST="127.0.0.1",
    GATEWAY_PORT=str(PORT),
    IOT_MTLS_ENABLED="0",
    SFTP_ENABLED="0",
    LAMBDA_EXECUTOR="local",
    LAMBDA_ASYNC_RETRY_BASE_SECONDS="0",  # between an attempt and the next; a minute and two in AWS
    SFN_WAIT_SCALE="0",  # a state machine's waits, and the time between its attempts
    LOG_LEVEL="WARNING",
)

from ministack import app  # noqa: E402
from ministack.core import lambda_runtime  # noqa: E402
from ministack.services import cloudformation, eventbridge, lambda_svc, scheduler, sqs, stepfunctions  # noqa: E402
from ministack.services.cloudformation import changesets, engine, handlers, stacks  # noqa: E402
from samtranslator.translator import transform  # noqa: E402


def main():
    mend()
    sys.argv = sys.argv[:1]
    threading.Thread(target=answer_commands, daemon=True).start()
    app.main()


# Everything in which this server differs from ministack as published. As little as can be lived with.

clock = datetime.fromisoformat(NOW.replace("Z", "+00:00")).timestamp()
attempts = []
environments = {}
ended = queue.Queue()
by_machine = threading.local()


class Clock:
    """The time of the schedules, which passes when it is told to."""

    @staticmethod
    def time():
        return clock


def mend():
    # The schedules' time is ours, so that days of it pass in seconds, and each schedule still fires when ministack
    # reads its expression so.
    scheduler.time = Clock
    scheduler.start_scheduler = lambda: None

    # Scheduler fills in what the input asks for; ministack hands it on as it is.
    # https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    invoke_target = eventbridge._invoke_target

    def invoke_target_with_attributes(target, event, schedule, view=None):
        at = datetime.fromtimestamp(clock, timezone.utc).strftime("%Y-%m-%dT%H:%M:00Z")
        text = target.get("Input", "")
        for attribute, value in {
            "scheduled-time": at,
            "schedule-arn": schedule["Arn"],
            "execution-id": event["EventId"],
            "attempt-number": "1",
        }.items():
            text = text.replace(f"<aws.scheduler.{attribute}>", value)
        return invoke_target({**target, "Input": text}, event, schedule, view)

    eventbridge._invoke_target = invoke_target_with_attributes

    # Scheduler invokes a function asynchronously: Lambda repeats what failed, and sends what no attempt could do to
    # its destination. ministack's own code for that is not called from here.
    def dispatch_to_lambda(arn, payload):
        function, config, _name = lambda_svc._get_func_record_for_ref(arn)
        record = lambda_svc._execution_record_for_config(function, config)
        lambda_svc.invoke_async_with_retry(record, json.loads(payload))

    eventbridge._dispatch_to_lambda = dispatch_to_lambda

    # Its functions inherit its own environment. Ours get what Lambda sets, what the template says and two addresses.
    worker_environment = lambda_svc._provided_worker_env

    def environment(config, code_dir, port):
        said = config.get("Environment", {}).get("Variables", {})
        found = worker_environment(config, code_dir, port)
        kept = {name: value for name, value in found.items() if name in SET_BY_LAMBDA or name in said} | SET_BY_US
        environments[config["FunctionArn"]] = kept
        return kept

    lambda_svc._provided_worker_env = environment

    # SAM's own translator sees the defaults of parameters only, where in AWS it sees their values: one of a property
    # that it translates itself, such as `Tracing`, would come to nothing.
    apply_transforms = changesets._apply_transforms
    translate = transform.transform

    def apply_transforms_to_parameters(template, provided, *previous):
        values = engine._transform_parameters(template, provided, *previous)
        transform.transform = lambda fragment, _nothing, *more: translate(fragment, values, *more)
        return apply_transforms(template, provided, *previous)

    changesets._apply_transforms = apply_transforms_to_parameters

    # In conditions it leaves `Fn::Join` as it is, so that an empty list is never equal to an empty text.
    evaluate_conditions = engine._evaluate_conditions

    def joined(value, params):
        if isinstance(value, list):
            return [joined(it, params) for it in value]
        if not isinstance(value, dict):
            return value
        if "Fn::Join" in value:
            between, items = value["Fn::Join"]
            # a list that is a parameter is one text here
            return between.join(it.strip() for it in params[items["Ref"]]["Value"].split(","))
        return {key: joined(it, params) for key, it in value.items()}

    def evaluate_joined_conditions(template, params):
        conditions = joined(template.get("Conditions", {}), params)
        return evaluate_conditions({**template, "Conditions": conditions}, params)

    for module in [changesets, handlers, stacks]:
        module._evaluate_conditions = evaluate_joined_conditions

    # And, changing nothing: each attempt is noted, and when there will be no further one.
    execute = lambda_svc._execute_function
    route_failure = lambda_svc._route_async_failure

    def execute_and_note(function, event):
        result = execute(function, event)
        config = function.get("config") or function
        attempts.append({
            "function": config["FunctionArn"],
            "event": event,
            "failed": bool(result.get("error")),
            "result": result.get("body"),
            "log": result.get("log", ""),
        })
        if not result.get("error") and not getattr(by_machine, "calls", False):
            ended.put(None)
        return result

    # a state machine waits for the function itself, and tries again by its own rules
    call_lambda = stepfunctions._call_lambda

    def call_lambda_for_a_machine(reference, event):
        by_machine.calls = True
        try:
            return call_lambda(reference, event)
        finally:
            by_machine.calls = False

    stepfunctions._call_lambda = call_lambda_for_a_machine

    def route_failure_and_note(*arguments):
        route_failure(*arguments)
        ended.put(None)

    lambda_svc._execute_function = execute_and_note
    lambda_svc._route_async_failure = route_failure_and_note


# The commands.


def answer_commands():
    wait_until_it_listens()
    print(f"http://127.0.0.1:{PORT}", flush=True)
    for line in sys.stdin:
        try:
            name, *arguments = json.loads(line)
            said = {"answer": COMMANDS[name](*arguments)}
        except Exception:
            said = {"error": traceback.format_exc()}
        print(json.dumps(said, default=str), flush=True)
    # the functions end by themselves when nobody has another event for them
    os._exit(0)


def wait_until_it_listens():
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", PORT)) == 0:
                return
        time.sleep(0.05)


def bucket(region, name):
    session = botocore.session.get_session()
    session.set_credentials(ACCOUNT, "secret")
    s3 = session.create_client("s3", region_name=region, endpoint_url=f"http://127.0.0.1:{PORT}")
    elsewhere = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **elsewhere)


def stack(region, name):
    found = cloudformation._stacks.get_scoped(ACCOUNT, region, name)
    return {
        "outputs": {it["OutputKey"]: it["OutputValue"] for it in found["Outputs"]},
        "resources": {
            id: {"type": it["ResourceType"], "id": it["PhysicalResourceId"], "properties": it["Properties"]}
            for id, it in found["_resources"].items()
        },
    }


def functions():
    configs = [it["config"] for it in lambda_svc._functions._data.values()]
    return {
        config["FunctionArn"]: {
            "access_key": lambda_runtime.execution_credentials(config)["AWS_ACCESS_KEY_ID"],
            "environment": environments.get(config["FunctionArn"], {}),
        }
        for config in configs
    }


def next_due():
    due = []
    for key, schedule in scheduler._schedules._data.items():
        # ministack begins to count at the first look
        last = datetime.fromtimestamp(scheduler._schedule_last_fired.setdefault(key, clock), timezone.utc)
        fields = eventbridge._parse_cron_fields(schedule["ScheduleExpression"])
        rate = eventbridge._parse_rate_seconds(schedule["ScheduleExpression"])
        if schedule["State"] == "ENABLED":
            due.append(eventbridge._cron_next_fire(fields, last).timestamp() if fields else last.timestamp() + rate)
    return datetime.fromtimestamp(min(due), timezone.utc).isoformat()


def at(instant):
    global clock
    clock = datetime.fromisoformat(instant).timestamp()
    attempts.clear()
    dispatched = []
    dispatch = eventbridge._dispatch_to_lambda
    eventbridge._dispatch_to_lambda = lambda arn, payload: (dispatched.append(arn), dispatch(arn, payload))
    scheduler._tick_schedules()
    eventbridge._dispatch_to_lambda = dispatch
    for _ in dispatched:
        ended.get(timeout=LONGEST_RUN)
    wait_for_executions()
    return list(attempts)


def wait_for_executions():
    until = time.monotonic() + LONGEST_RUN
    while any(it["status"] == "RUNNING" for it in stepfunctions._executions._data.values()):
        if time.monotonic() > until:
            raise TimeoutError(f"an execution takes more than {LONGEST_RUN} s")
        time.sleep(0.05)


def executions():
    return [{"status": it["status"], "cause": it.get("cause")} for it in stepfunctions._executions._data.values()]


def messages(arn):
    found = [it for it in sqs._queues._data.values() if it["attributes"]["QueueArn"] == arn]
    return [json.loads(message["body"]) for message in found[0]["messages"]]


COMMANDS = {
    "bucket": bucket,
    "stack": stack,
    "functions": functions,
    "next": next_due,
    "at": at,
    "executions": executions,
    "queue": messages,
}

if __name__ == "__main__":
    main()
