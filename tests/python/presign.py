"""What an unmodified botocore sends for CopySnapshot, to be matched byte for byte.

Reads one JSON document from standard input:

    {"region": "eu-west-1", "source_region": "us-east-1",
     "parameters": {…, the arguments of copy_snapshot, in the order in which they are to be sent},
     "access_key": "…", "secret_key": "…", "session_token": "…" or null,
     "timestamp": "20261121T050000Z"}

Prints one: {"body": the form body as sent, "presigned_url": its PresignedUrl, decoded}. Nothing goes out.

Where SourceRegion is not among the parameters, it is sent first.
"""

import json
import os
import sys
from datetime import datetime
from unittest.mock import patch
from urllib.parse import parse_qs

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config


def main():
    asked = json.load(sys.stdin)
    parameters = asked["parameters"]
    if "SourceRegion" not in parameters:
        parameters = {"SourceRegion": asked["source_region"]} | parameters
    if parameters["SourceRegion"] != asked["source_region"]:
        sys.exit("source_region and parameters.SourceRegion differ")
    # botocore's signers take the time, naive and in UTC, from here, and only from here.
    now = datetime.strptime(asked["timestamp"], "%Y%m%dT%H%M%SZ")
    with patch("botocore.auth.get_current_datetime", lambda: now):
        body = sent(client(asked), parameters)
    json.dump({"body": body, "presigned_url": parse_qs(body)["PresignedUrl"][0]}, sys.stdout, indent=2)
    print()


def client(asked):
    # Nothing of the machine's own AWS settings has a say here.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    return botocore.session.get_session().create_client(
        "ec2",
        region_name=asked["region"],
        aws_access_key_id=asked["access_key"],
        aws_secret_access_key=asked["secret_key"],
        aws_session_token=asked["session_token"],
        config=Config(retries={"total_max_attempts": 1}),
    )


def sent(ec2, parameters):
    """The body of the request that CopySnapshot makes."""
    bodies = []

    def answer_in_its_place(request, **_):
        bodies.append(request.body)
        return AWSResponse(request.url, 200, {}, NoContent())

    ec2.meta.events.register("before-send.ec2.CopySnapshot", answer_in_its_place)
    ec2.copy_snapshot(**parameters)
    (body,) = bodies
    return body if isinstance(body, str) else body.decode("ascii")


class NoContent:
    def stream(self, **_):
        yield b"<CopySnapshotResponse/>"


if __name__ == "__main__":
    main()
