"""Serves moto's EC2, SNS and STS on a free port of 127.0.0.1, until standard input is closed.

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


if __name__ == "__main__":
    main()
