"""EBS backups as the usual blog post has them: blog_post.py create|copy|delete

Written for Snapkeeper's benchmark, in the manner of many scripts and of none in particular: a call for each volume, tags
afterwards, `DeleteOn == today`. boto3 as it comes, with its default retries. It follows pages, which many posts forget,
and goes on after an error, since one that does not would have done less.

From the environment: AWS_ENDPOINT_URL, AWS_REGION, the keys; BENCH_TODAY, the day of the run as 2026-11-21 (else today, in
UTC); BENCH_RETENTION_DAYS (10); BENCH_COPY_DEST, the region that copies go to (us-west-2).

The last line of the output is JSON: how many snapshots were made, copied or deleted, and how many were not. One that
could not be tagged counts as failed. The exit status is 1 if any failed.
"""

import json
import os
import sys
from datetime import date, datetime, timedelta, timezone

import boto3
from botocore.exceptions import BotoCoreError, ClientError

FAILURES = (BotoCoreError, ClientError)


def create(ec2, today):
    days = int(os.environ.get("BENCH_RETENTION_DAYS", "10"))
    delete_on = (today + timedelta(days=days)).isoformat()
    pages = ec2.get_paginator("describe_instances").paginate(Filters=[{"Name": "tag:Backup", "Values": ["Yes"]}])
    for page in pages:
        for reservation in page["Reservations"]:
            for instance in reservation["Instances"]:
                for device in instance["BlockDeviceMappings"]:
                    yield attempt(lambda: snapshot(ec2, instance, device["Ebs"]["VolumeId"], delete_on))


def snapshot(ec2, instance, volume, delete_on):
    made = ec2.create_snapshot(VolumeId=volume, Description=f"Backup of {instance['InstanceId']}")
    tags = {"Type": "Automated", "DeleteOn": delete_on}
    for tag in instance.get("Tags", []):
        if tag["Key"] == "Name":
            tags["Name"] = tag["Value"]
    ec2.create_tags(Resources=[made["SnapshotId"]], Tags=[{"Key": key, "Value": tags[key]} for key in tags])


def copy(ec2, today):
    destination = boto3.client("ec2", region_name=os.environ.get("BENCH_COPY_DEST", "us-west-2"))
    filters = [{"Name": "tag:Type", "Values": ["Automated"]}, {"Name": "status", "Values": ["completed"]}]
    for page in ec2.get_paginator("describe_snapshots").paginate(OwnerIds=["self"], Filters=filters):
        for one in page["Snapshots"]:
            if one["StartTime"].date() == today:
                yield attempt(lambda: copy_one(destination, one))


def copy_one(destination, one):
    made = destination.copy_snapshot(
        SourceRegion=os.environ["AWS_REGION"],
        SourceSnapshotId=one["SnapshotId"],
        Description=f"Copy of {one['SnapshotId']}",
    )
    destination.create_tags(Resources=[made["SnapshotId"]], Tags=one["Tags"])


def delete(ec2, today):
    filters = [{"Name": "tag:Type", "Values": ["Automated"]}]
    for page in ec2.get_paginator("describe_snapshots").paginate(OwnerIds=["self"], Filters=filters):
        for one in page["Snapshots"]:
            tags = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
            if tags.get("DeleteOn") == today.isoformat() and "KeepForever" not in tags:
                yield attempt(lambda: ec2.delete_snapshot(SnapshotId=one["SnapshotId"]))


def attempt(act):
    try:
        act()
    except FAILURES as error:
        print(error, file=sys.stderr)
        return False
    return True


def main():
    job = {"create": create, "copy": copy, "delete": delete}[sys.argv[1]]
    given = os.environ.get("BENCH_TODAY")
    today = date.fromisoformat(given) if given else datetime.now(timezone.utc).date()
    counts = {True: 0, False: 0}
    status = 0
    try:
        for succeeded in job(boto3.client("ec2", region_name=os.environ["AWS_REGION"]), today):
            counts[succeeded] += 1
    except FAILURES as error:  # a list that could not be read ends the run
        print(error, file=sys.stderr)
        status = 1
    print(json.dumps({"done": counts[True], "failed": counts[False]}), flush=True)
    sys.exit(1 if counts[False] else status)


if __name__ == "__main__":
    main()
