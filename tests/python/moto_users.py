"""Users of moto, with a policy each, and its own evaluation of policies switched on.

What moto 5.2.5 makes of a policy is less than AWS does:

- it reads the whole document when a user gets it, and refuses one that is not well formed: unknown elements and
  operators, resources that are no ARN, names of statements that AWS would not take;
- it evaluates the *actions* of each call: what no statement allows is refused;
- it asks for one action a call, so the `ec2:CreateTags` of a call that creates with tags is not asked for;
- the resource of every EC2 call is `*` to it, which no ARN matches;
- it evaluates no condition of such a policy. A `Deny` with a condition denies always.

A policy of another account is named `ACCOUNT:name`, and so is its user. Each account has an operator.

So each user gets the policy as it is first, which moto must take, and then what of it moto can evaluate: the actions
of all statements that allow. What conditions and resources do, the simulator proves.
"""

import json
import urllib.request

import boto3
from moto.iam.access_control import IAMRequestBase

# Who sets up what the jobs run on. May do anything.
OPERATOR = "operator"


def make(endpoint, policies):
    """Makes the users and returns their keys: `{name: [access key, secret]}`. From then on nobody else may do
    anything."""
    keys = {}
    for account in sorted({account_of(name) for name in policies} | {""}):
        iam = client(endpoint, "iam", account)
        for name, policy in policies.items():
            if account_of(name) == account:
                keys[name] = user(iam, name_of(name), [policy, what_moto_can_evaluate(policy)])
        keys[f"{account}:{OPERATOR}" if account else OPERATOR] = user(iam, OPERATOR, [allow(["*"])])
    enforce(endpoint)
    return keys


def account_of(name):
    """The account of a user, or nothing for moto's own."""
    return name.rpartition(":")[0]


def name_of(name):
    return name.rpartition(":")[2]


def client(endpoint, service, account):
    """A client that may do anything in an account: of another account than moto's own by a role there, since moto
    knows no access key of it yet."""
    keys = {"aws_access_key_id": "AKIDTEST", "aws_secret_access_key": "secret"}
    make = lambda service, keys: boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", **keys)
    if account:
        role = f"arn:aws:iam::{account}:role/tests"
        assumed = make("sts", keys).assume_role(RoleArn=role, RoleSessionName="tests")["Credentials"]
        keys = {
            "aws_access_key_id": assumed["AccessKeyId"],
            "aws_secret_access_key": assumed["SecretAccessKey"],
            "aws_session_token": assumed["SessionToken"],
        }
    return make(service, keys)


def user(iam, name, policies):
    """Makes a user who gets one policy after the other, each in place of the one before, and returns the keys."""
    iam.create_user(UserName=name)
    for policy in policies:
        iam.put_user_policy(UserName=name, PolicyName="policy", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return [key["AccessKeyId"], key["SecretAccessKey"]]


def what_moto_can_evaluate(policy):
    """The actions that a policy allows, on anything."""
    allowed = [statement["Action"] for statement in policy["Statement"] if statement["Effect"] == "Allow"]
    return allow(sorted({action for one in allowed for action in ([one] if isinstance(one, str) else one)}))


def allow(actions):
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def enforce(endpoint):
    # moto encodes the parameters of a call anew and compares with the signature of that. It encodes a space otherwise
    # than the SDK for Rust does; AWS compares with what was sent. Whose a signature is, is what counts here
    IAMRequestBase.check_signature = lambda _self: None

    # after how many more calls policies are evaluated; by no form, which moto would not look into
    headers = {"Content-Type": "text/plain"}
    request = urllib.request.Request(f"{endpoint}/moto-api/reset-auth", data=b"0", headers=headers)
    with urllib.request.urlopen(request) as answer:
        answer.read()
