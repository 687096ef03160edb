"""What a Lambda function in Python does before it can read its first event: import boto3, make one client."""

import os

import boto3

boto3.client("ec2", region_name="us-east-1")
# the end of the interpreter is no part of a start
os._exit(0)
