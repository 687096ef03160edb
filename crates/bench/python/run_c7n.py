"""Runs one job by Cloud Custodian: run_c7n.py create|copy|delete

This process does what a Lambda function with a Custodian policy does: it loads what c7n.handler loads, and runs the
policy as that does, without the command line's set-up and check against the schema. One thing is better than it would be
there: the policy says today's date, which only the command line fills in (`{now:%Y-%m-%d}`).

From the environment: AWS_ENDPOINT_URL, AWS_REGION, the keys; AWS_ACCOUNT_ID (else the simulator's default account);
BENCH_TODAY, the day of the run as 2026-11-21 (else today, in UTC); BENCH_RETENTION_DAYS (10); BENCH_COPY_DEST, the region
that copies go to (us-west-2).

The last line of the output is JSON: how many instances had their snapshots taken, or how many snapshots were copied or
deleted, and how many were tried and were not. The exit status is Custodian's: 2 if the policy failed. What the policies
choose, in favour of Custodian:
- all that EC2 can filter by is filtered by EC2 (`query`), so that nothing else is read or held;
- pages of 1,000 instances (by itself it asks for none, and draws on a smaller bucket);
- the cache, metrics and logs in CloudWatch are off, and the output goes to a temporary folder;
- `create` tags within the call (`copy-tags`, with the tag `Name` alone);
- `copy` takes completed snapshots of that day, and `encrypted: false`, without which it asks for a key;
- `delete` leaves out what images use, as it does by itself.
Its workers (2 for each action), its chunks and its retries are its own; none of them can be configured.
"""

import json
import os
import sys
import tempfile
from datetime import date, datetime, timedelta, timezone

from botocore.client import BaseClient
from c7n.config import Config
from c7n.policy import PolicyCollection
from c7n.resources import load_resources
from c7n.resources.aws import AWS

# what the calls that count are about
SUBJECTS = {
    "CreateSnapshots": lambda asked: asked["InstanceSpecification"]["InstanceId"],
    "CopySnapshot": lambda asked: asked["SourceSnapshotId"],
    "DeleteSnapshot": lambda asked: asked["SnapshotId"],
}


def main():
    job = sys.argv[1]
    region = os.environ["AWS_REGION"]
    given = os.environ.get("BENCH_TODAY")
    today = date.fromisoformat(given) if given else datetime.now(timezone.utc).date()
    tried, done = set(), set()
    count_calls(tried, done)
    with tempfile.TemporaryDirectory() as output:
        status = run(policy(job, today), region, output)
    print(json.dumps({"done": len(done), "failed": len(tried - done)}), flush=True)
    sys.exit(status)


def run(policy, region, output):
    options = Config.empty(
        region=region,
        regions=[region],
        account_id=os.environ.get("AWS_ACCOUNT_ID", "123456789012"),
        output_dir=output,
        cache="memory",
        cache_period=0,
    )
    options = AWS().initialize(options)
    load_resources([policy["resource"]])
    try:
        for each in PolicyCollection.from_data({"policies": [policy]}, options):
            each.validate()
            each()
    except Exception as error:  # as c7n.commands.run does
        print(f"{policy['name']}: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 0


def policy(job, today):
    day = today.isoformat()
    automated = {"Name": "tag:Type", "Values": ["Automated"]}
    completed = {"Name": "status", "Values": ["completed"]}
    if job == "create":
        due = today + timedelta(days=int(os.environ.get("BENCH_RETENTION_DAYS", "10")))
        backup = {"Name": "tag:Backup", "Values": ["Yes"]}
        state = {"Name": "instance-state-name", "Values": ["running", "stopping", "stopped"]}
        return {
            "name": "create",
            "resource": "aws.ec2",
            "query": [{"Filters": [backup, state]}, {"MaxResults": 1000}],
            "actions": [
                {"type": "snapshot", "copy-tags": ["Name"], "tags": {"Type": "Automated", "DeleteOn": due.isoformat()}}
            ],
        }
    if job == "copy":
        taken = {"Name": "start-time", "Values": [f"{day}*"]}
        destination = os.environ.get("BENCH_COPY_DEST", "us-west-2")
        return {
            "name": "copy",
            "resource": "aws.ebs-snapshot",
            "query": [{"Filters": [automated, completed, taken]}],
            "actions": [{"type": "copy", "target_region": destination, "encrypted": False}],
        }
    if job == "delete":
        return {
            "name": "delete",
            "resource": "aws.ebs-snapshot",
            "query": [{"Filters": [automated]}],
            # such dates are in order as text; a snapshot without the tag does not match
            "filters": [
                {"type": "value", "key": "tag:DeleteOn", "op": "lte", "value": day},
                {"tag:KeepForever": "absent"},
            ],
            "actions": ["delete"],
        }
    sys.exit(f"no such job: {job}")


def count_calls(tried, done):
    """Notes which subjects were asked for, and which of them were answered with success."""
    call = BaseClient._make_api_call

    def counted(client, operation, asked):
        subject = SUBJECTS.get(operation)
        if subject is None:
            return call(client, operation, asked)
        subject = subject(asked)
        tried.add(subject)
        answer = call(client, operation, asked)
        done.add(subject)
        return answer

    BaseClient._make_api_call = counted


if __name__ == "__main__":
    main()
