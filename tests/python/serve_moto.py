"""Serves moto's EC2, RDS, KMS, SNS, SSM and STS on a free port of 127.0.0.1, until standard input is closed.

    serve_moto.py [POLICIES]

POLICIES is a JSON object of policies by name. With it there is a user for each of them, and IAM is enforced: see
moto_users.py.

Prints two lines: `listening on http://127.0.0.1:PORT`, and a JSON object of keys by user, which is empty where there
are none. Ends with the process that holds the other end of standard input, however that process ends.
"""

import json
import logging
import os
import sys
from threading import Lock

# Read when moto is imported. Without it every region starts with hundreds of public images and their snapshots,
# which DescribeSnapshots lists among one's own (see life_of_a_snapshot.py, NOT_COMPARED).
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
sys.dont_write_bytecode = True  # nothing of the tests' own is left beside them

import moto_users
from moto.core.responses import ActionResult
from moto.ec2.responses import EC2Response
from moto.rds.models import RDSBackend
from moto.server import ThreadedMotoServer


def main():
    mend()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # failures only: nobody may be reading standard error
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    endpoint = f"http://127.0.0.1:{port}"
    keys = moto_users.make(endpoint, json.loads(sys.argv[1])) if len(sys.argv) > 1 else {}
    print(f"listening on {endpoint}")
    print(json.dumps(keys), flush=True)
    sys.stdin.buffer.read()


def mend():
    """Everything in which this server differs from moto as published. As little as can be lived with: a witness
    that we rewrite is no witness."""

    # AWS lists the snapshots under a lock; moto answers HTTP 500 to the action. It has no locks, so the true answer
    # is an empty list: moto's serializer makes `<snapshotSet/>` of it from botocore's model.
    EC2Response.describe_locked_snapshots = lambda _self: ActionResult({"Snapshots": []})

    # In AWS a snapshot appears together with the tags of the call that creates it. moto adds the snapshot first and
    # then one tag after the other, unguarded: another thread can see it half tagged, or fail with HTTP 500
    # ("dictionary changed size during iteration"), which is rare, and would be blamed on us. One EC2 call at a time
    # makes each call whole again.
    one_at_a_time = Lock()
    call_action = EC2Response.call_action

    def call_action_alone(self):
        with one_at_a_time:
            return call_action(self)

    EC2Response.call_action = call_action_alone

    # A copy of an image has the tags of the call, and so have the snapshots behind it. moto takes no notice of them.
    copy_image_without_tags = EC2Response.copy_image

    def copy_image(self):
        made = copy_image_without_tags(self)
        image = self.ec2_backend.amis[made.result["ImageId"]]
        tags = self._parse_tag_specification()
        image.add_tags(tags.get("image", {}))
        image.ebs_snapshot.add_tags(tags.get("snapshot", {}))
        return made

    EC2Response.copy_image = copy_image

    # A snapshot that another account shares is copied by its ARN. moto looks for it among one's own, whatever account
    # the ARN names; where it is told of the account, it finds it. That it is shared is looked at here, as in AWS.
    of_its_own = RDSBackend.get_snapshot

    def get_snapshot(self, identifier, resource_type, not_found_exception):
        account = identifier.split(":")[4] if identifier.startswith("arn:") else self.account_id
        if account == self.account_id:
            return of_its_own(self, identifier, resource_type, not_found_exception)
        backend = self.get_backend("rds", region=identifier.split(":")[3], account_id=account)
        snapshot = of_its_own(backend, identifier, resource_type, not_found_exception)
        if self.account_id not in snapshot.attributes["restore"]:
            raise not_found_exception(identifier)
        return snapshot

    RDSBackend.get_snapshot = get_snapshot


if __name__ == "__main__":
    main()
