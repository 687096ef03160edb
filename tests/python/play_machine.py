"""Plays one execution of the template's state machine in moto's Step Functions, an engine that we did not write, with
functions that answer as they are told.

    play_machine.py < PLAY

PLAY is a JSON object: `deployed`, a list of jobs; `limit`, the parameter CarryOnInvocations; `answers`, by job a list
of what its function does, one invocation after the other: `{"result": …}`, `{"error": …}` of the function, or
`{"refused": CODE}` by Lambda, which then runs nothing.

Prints a JSON object: `status`, `error` and `cause` of the execution; `invoked`, a list of job, event and how many
seconds after the one before; `longest`, the length of the longest text with which the invoking state was entered.

The seconds of `Retry` are one here, and not minutes, and so are those before a run is begun once more; nothing else of
the definition is changed.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

os.environ.update(AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", AWS_EC2_METADATA_DISABLED="true")
sys.dont_write_bytecode = True  # nothing of the tests' own is left beside them

import boto3
import yaml
from moto import mock_aws
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.exceptions import JsonRESTError

TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"
REGION = "us-east-1"
PLAY = json.load(sys.stdin)
LONGEST_PLAY = 60  # seconds

invoked = []


def main():
    LambdaSimpleBackend.invoke = invoke
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}}):
        machine = boto3.client("stepfunctions", region_name=REGION)
        role = "arn:aws:iam::123456789012:role/machine"
        arn = machine.create_state_machine(name="machine", definition=definition(), roleArn=role)["stateMachineArn"]
        event = json.dumps({"scheduled_time": "2026-11-21T05:00:00Z"})
        execution = machine.start_execution(stateMachineArn=arn, input=event)["executionArn"]
        done = wait_for(machine, execution)
        history = [it for page in pages(machine, execution) for it in page["events"]]
    entered = [it["stateEnteredEventDetails"] for it in history if "stateEnteredEventDetails" in it]
    print(json.dumps({
        "status": done["status"],
        "error": done.get("error"),
        "cause": done.get("cause"),
        "invoked": invoked,
        "longest": max(len(it["input"]) for it in entered if it["name"] == "Invoke"),
    }))


def invoke(_backend, function, _qualifier, body, _headers, response_headers):
    """In place of moto's own, which always succeeds."""
    job = function.rpartition(":")[2]
    now = time.monotonic()
    invoked.append([job, json.loads(body), now - invoke.last])
    invoke.last = now
    if not PLAY["answers"].get(job):
        response_headers["x-amz-function-error"] = "Unhandled"
        return json.dumps({"errorType": "Unexpected", "errorMessage": f"{job} has no further answer"}).encode()
    answer = PLAY["answers"][job].pop(0)
    if "refused" in answer:
        raise Refused(answer["refused"])
    if "error" in answer:
        response_headers["x-amz-function-error"] = "Unhandled"
    return json.dumps(answer.get("error") or answer["result"]).encode()


invoke.last = time.monotonic()


class Refused(JsonRESTError):
    code = 429

    def __init__(self, code):
        super().__init__(code, "by the play")


def wait_for(machine, execution):
    until = time.monotonic() + LONGEST_PLAY
    while time.monotonic() < until:
        done = machine.describe_execution(executionArn=execution)
        if done["status"] != "RUNNING":
            return done
        time.sleep(0.05)
    sys.exit(f"the play is not over after {LONGEST_PLAY} s: {invoked}")


def pages(machine, execution):
    return machine.get_paginator("get_execution_history").paginate(executionArn=execution)


def definition():
    """The definition as CloudFormation makes it, with shorter times between the tries."""
    resource = template()["Resources"]["Machine"]["Properties"]["DefinitionString"]
    text, values = resource["Fn::Sub"]
    values = {
        **{name: resolved(value) for name, value in values.items()},
        "AWS::Partition": "aws",
        "CarryOnInvocations": str(PLAY["limit"]),
    }
    said = json.loads(re.sub(r"\$\{([\w:]+)\}", lambda found: values[found[1]], text))
    states = said["States"]["EachJob"]["ItemProcessor"]["States"]
    for retry in states["Invoke"]["Retry"]:
        retry.update(IntervalSeconds=1, BackoffRate=1)
    again = states["TryAgain"]["Parameters"]["continuation"]
    if again != {"wait_seconds": 120}:
        sys.exit(f"a run is begun once more with {again}")
    again.update(wait_seconds=1)
    return json.dumps(said)


def resolved(value):
    """A text of the template, as far as this definition needs it."""
    match value:
        case {"Fn::FindInMap": ["Hours", {"Ref": "CarryOnHours"}, "Seconds"]}:
            return "43200"
        case {"Fn::Join": [between, items]}:
            return between.join(it for it in map(resolved, items) if it is not None)
        case {"Fn::If": [condition, then, otherwise]}:
            deployed = {f"{job.capitalize()}Deployed" for job in PLAY["deployed"]}
            return resolved(then if condition in deployed else otherwise)
        case {"Fn::Sub": str(text)}:
            of = "arn:aws:lambda:us-east-1:123456789012:function:"
            return re.sub(r"\$\{(\w+)\.Arn\}", lambda found: of + found[1].lower(), text)
        case {"Ref": "AWS::NoValue"}:
            return None
    sys.exit(f"the definition holds {value}")


def template():
    """The template, read without the tools of SAM, which are in another environment."""

    def short(loader, name, node):
        value = {
            yaml.ScalarNode: loader.construct_scalar,
            yaml.SequenceNode: lambda it: loader.construct_sequence(it, deep=True),
            yaml.MappingNode: lambda it: loader.construct_mapping(it, deep=True),
        }[type(node)](node)
        return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", short)
    return yaml.load(TEMPLATE.read_text(), Loader)


if __name__ == "__main__":
    main()
