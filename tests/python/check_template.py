"""Checks template.yaml: that SAM and cfn-lint take it without a word, in every region, and that it says the same as the
policies in iam/ and as the documentation.

    check_template.py

Prints what is wrong, and then fails.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
# By logical id, the name of each job.
JOBS = {
    "Creator": "creator", "Copier": "copier", "Manager": "manager", "Watcher": "watcher",
    "RdsSharer": "rds-sharer", "RdsSaver": "rds-saver", "Syncer": "syncer",
}
# Those that are there only where a parameter gives them work: the account at the other end, or what to keep in sync.
GIVEN_WORK = {
    "RdsSharer": {"Fn::Not": [{"Fn::Equals": [{"Ref": "FailsafeAccount"}, ""]}]},
    "RdsSaver": {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "LiveAccount"}]}, ""]}]},
    "Syncer": {"Fn::Or": [
        {"Fn::Not": [{"Fn::Equals": [{"Ref": "SyncConfig"}, ""]}]},
        {"Condition": "SyncConfigParameterGiven"},
        {"Fn::Equals": [{"Ref": "SyncByTags"}, "true"]},
    ]},
}
# By dashboard, the jobs on it, and the condition under which it is there.
DASHBOARDS = {
    "Dashboard": ({"Creator", "Copier", "Manager", "Watcher"}, None),
    "FailsafeDashboard": ({"RdsSharer", "RdsSaver", "Watcher"}, "FailsafeDeployed"),
    "SyncDashboard": ({"Syncer"}, "SyncerDeployed"),
}
# IAM's limit for all policies in one role together, without white space.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
POLICIES_OF_A_ROLE = 10_240
# The jobs that the state machine carries on, in the order in which it runs them.
CARRIED_ON = ["Creator", "Copier", "Manager", "Watcher"]
# By job and condition, what it may do besides.
FURTHER = {
    "Creator": {"StoppingAllowed": "iam/creator-stop.json", "TopicsOfRequestsGiven": "iam/creator-topics.json"},
    "Syncer": {"SyncConfigParameterGiven": "iam/syncer-parameter.json", "SyncRolesGiven": "iam/syncer-roles.json"},
}
ALERT_TOPIC = {"Fn::If": ["OwnTopic", {"Ref": "AlertTopic"}, {"Ref": "AlertTopicArn"}]}
# Settings that are not simply the parameter of their name. The sharer's topic is the stack's own. What to keep in sync
# stands in a parameter of the stack, or in one of Systems Manager.
SPECIAL = {
    "SNAPKEEPER_ALERT_TOPIC_ARN": ALERT_TOPIC,
    "SNAPKEEPER_FAILSAFE_TOPIC_ARN": {"Fn::If": ["RdsSharerDeployed", {"Ref": "FailsafeTopic"}, ""]},
    "SNAPKEEPER_SYNC_CONFIG": {
        "Fn::If": ["SyncConfigParameterGiven", {"Fn::Sub": "ssm:${SyncConfigParameter}"}, {"Ref": "SyncConfig"}],
    },
}
# A parameter of another name: beside DefaultRetention it has to tell whose it is.
RENAMED = {"SNAPKEEPER_RETENTION": "SaverRetention"}

wrong = []


def check(right, what):
    if not right:
        wrong.append(what)


def lint():
    tools = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as home:
        # SAM keeps notes in the home folder
        environment = {**os.environ, "HOME": home, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}
        for call in [
            ["sam", "validate", "--lint", "--template-file", str(TEMPLATE)],
            ["cfn-lint", "--non-zero-exit-code", "informational", "--regions", "ALL_REGIONS", "-t", str(TEMPLATE)],
        ]:
            # not the script itself: the path in its first line may be too long for the kernel
            done = subprocess.run(
                [sys.executable, str(tools / call[0]), *call[1:]],
                env=environment, cwd=home, capture_output=True, text=True,
            )
            check(done.returncode == 0, f"{' '.join(call)} ended with {done.returncode}\n{done.stdout}{done.stderr}")


def as_in_files(value):
    """A part of a policy as it stands in iam/: what CloudFormation fills in, as a placeholder."""
    if value == ALERT_TOPIC:
        return "${AlertTopicArn}"
    if isinstance(value, list):
        return [as_in_files(it) for it in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Ref"}:
        return "${" + value["Ref"] + "}"
    if set(value) == {"Fn::Sub"} and isinstance(value["Fn::Sub"], str):
        return value["Fn::Sub"]
    return {key: as_in_files(it) for key, it in value.items()}


def policies(template):
    """The first policy of each function is its file. The second leaves it no log but its own. The third is the same for
    all, and about the topic's key only. Creator and syncer have their further files where parameters say so."""
    thirds = []
    for job in JOBS:
        first, second, third, *others = template["Resources"][job]["Properties"]["Policies"]
        file = f"iam/{JOBS[job]}.json"
        check(as_in_files(first) == content(file), f"{job}'s policy in the template is not {file}")
        size = len(json.dumps([first, second, third, *others], separators=(",", ":")))
        check(size < POLICIES_OF_A_ROLE, f"{job}'s policies are {size} characters long")
        check(second["Statement"] == [no_log_but(f"{job}Logs")], f"{job}'s second policy is not about its log alone")
        thirds.append(third)
        expected = FURTHER.get(job, {})
        check(len(others) == len(expected), f"{job} has {len(others)} further policies")
        for policy, (condition, file) in zip(others, expected.items()):
            found, further, nothing = policy["Fn::If"]
            check((found, nothing) == (condition, {"Ref": "AWS::NoValue"}), f"{file} has another condition: {found}")
            check(as_in_files(further) == content(file), f"a further policy of {job} is not {file}")
    check(all(third == thirds[0] for third in thirds), "the functions differ in their third policy")
    condition, third, nothing = thirds[0]["Fn::If"]
    statement, = third["Statement"]
    check((condition, nothing) == ("KeyNeeded", {"Ref": "AWS::NoValue"}), "the third policy has another condition")
    check(statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"], "the third policy allows something else")
    check("AlertTopicKey" in json.dumps(statement["Resource"]), "the third policy is about something else")


def no_log_but(group):
    """The ARN of a group as CloudFormation has it, which ends in `:*`, is that of what is in it."""
    itself = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${" + group + "}"
    return {
        "Sid": "WriteIntoNoOtherLog",
        "Effect": "Deny",
        "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        "NotResource": [{"Fn::GetAtt": [group, "Arn"]}, {"Fn::Sub": itself}],
    }


def content(file):
    return json.loads((ROOT / file).read_text())


def settings(template, docs):
    """Each setting of the documentation reaches each function, by a parameter of its name, and nothing else does but how
    much is logged."""
    rows = re.findall(r"^\| `(SNAPKEEPER_\w+)` \| (.*?) \| .*? \| `(.*?)` \|$", docs, re.MULTILINE)
    documented = {name: (default.strip("`"), example) for name, default, example in rows}
    check(len(documented) > 8, "no table of settings in docs/settings.md")
    shared = template["Globals"]["Function"]["Environment"]["Variables"]
    parameters = template["Parameters"]
    for job in JOBS:
        environment = {**shared, **template["Resources"][job]["Properties"]["Environment"]["Variables"]}
        level = {"Fn::If": ["LogLevelGiven", {"Ref": "LogLevel"}, {"Ref": "AWS::NoValue"}]}
        check(environment.pop("RUST_LOG", None) == level, f"RUST_LOG of {job} is not the parameter LogLevel")
        for name in sorted(environment.keys() ^ documented.keys()):
            check(False, f"{name}: not both in docs/settings.md and in the environment of {job}")
        for name, (default, example) in documented.items():
            parameter = "".join(word.capitalize() for word in name.removeprefix("SNAPKEEPER_").split("_"))
            parameter = RENAMED.get(name, parameter)
            if name == "SNAPKEEPER_HEARTBEAT_URL":
                parameter = job + parameter
            check(parameter in parameters, f"{name} has no parameter {parameter}")
            properties = parameters.get(parameter, {})
            is_list = properties.get("Type") == "CommaDelimitedList"
            expected = SPECIAL.get(name) or ({"Fn::Join": [",", {"Ref": parameter}]} if is_list else {"Ref": parameter})
            check(environment.get(name) == expected, f"{name} of {job} is {environment.get(name)}")
            # CloudFormation holds each member of a list to the pattern
            for value in re.split("[ ,]+", example) if is_list else [example]:
                check(fits(value, properties), f"{parameter} refuses the example {value} of {name}")
            if properties.get("Default") == "" and default != "none":
                told = f"Empty is {default}" in " ".join(properties["Description"].split())
                check(told, f"{parameter} does not tell the default of {name}, {default}")
            else:
                check(properties.get("Default") in ("", default), f"{parameter} and {name} differ in their default")
    level = re.search(r"Empty is (\S+)\.", parameters["LogLevel"]["Description"])
    check(level is not None and f"`{level[1]}`" in docs, "LogLevel does not tell the default of RUST_LOG")


def fits(value, parameter):
    value = str(value)
    if "AllowedPattern" in parameter:
        return re.fullmatch(parameter["AllowedPattern"], value) is not None
    if "AllowedValues" in parameter:
        return value in [str(it) for it in parameter["AllowedValues"]]
    return "MinValue" in parameter and int(parameter["MinValue"]) <= int(value) <= int(parameter["MaxValue"])


def parameters(template):
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    check(sorted(grouped) == sorted(template["Parameters"]), "not every parameter stands in one group")
    for name, parameter in template["Parameters"].items():
        for key in ["Description", "Default", "ConstraintDescription"]:
            check(key in parameter, f"{name} has no {key}")
        check(fits(parameter.get("Default"), parameter), f"{name} refuses its own default")


def metrics_of(docs):
    """By job, the metrics that the documentation names; of them the reasons to keep something, and the watcher's."""
    table = docs.partition("\n## Metrics\n")[2]
    rows = [line.split("|")[1:4] for line in table.splitlines() if line.startswith("| `")]
    names = {name: meaning for names, _, meaning in rows for name in re.findall(r"`([^`]+)`", names)}
    reasons = docs.partition("\nReasons in `kept_by_reason`:\n")[2].partition("\nKinds of finding")[0]
    kept = {job: set() for job in JOBS}
    for jobs, listed in re.findall(r"^\| ([a-z -]+) \| (.*) \|$", reasons, re.MULTILINE):
        others = [job for job in JOBS if job != "Watcher"]
        for job in others if jobs == "all but the watcher" else [job for job in JOBS if JOBS[job] == jobs]:
            kept[job] |= {f"Kept_{reason}" for reason in re.findall(r"`([a-z_]+)`", listed.partition(":")[0])}
    watchers = {name for name, meaning in names.items() if "the watcher only" in meaning and "<" not in name}
    watchers |= set(re.findall(r"`(Findings_[A-Za-z]+)`", table))
    common = {name for name in names if "<" not in name} - watchers
    return {job: common | kept[job] | (watchers if job == "Watcher" else set()) for job in JOBS}, kept, watchers


def alarms(template, documented):
    headings = set()
    guide = ROOT / "docs" / "operate.md"
    for heading in re.findall(r"^#+ (.*)$", guide.read_text(), re.MULTILINE):
        headings.add(re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-"))
    seen = set()
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::CloudWatch::Alarm":
            continue
        alarm = resource["Properties"]
        job = next((job for job in JOBS if name.startswith(job)), None)
        # what counts successes must not be there while no run counts: it would be ringing, unheard, when runs begin
        needed = f"{job}Deployed"
        if alarm["MetricName"] == "Succeeded":
            needed = f"{job}Counts"
            both = {"Fn::And": [{"Condition": f"{job}Deployed"}, {"Condition": "RunsCount"}]}
            check(template["Conditions"].get(needed) == both, f"{needed} is another condition")
        of_machine = alarm["Namespace"] == "AWS/States"
        expected = "CarriedOn" if of_machine else job and needed
        check(resource.get("Condition") == expected, f"{name} is there without its job, or not with it")
        if job in GIVEN_WORK:
            deployed = template["Conditions"].get(f"{job}Deployed")
            check(deployed == GIVEN_WORK[job], f"{job} is there under another condition: {deployed}")
        check("ActionsEnabled" not in alarm, f"{name} may be silent")
        check(alarm["AlarmActions"] == alarm["OKActions"] == [ALERT_TOPIC], f"{name} does not go to the topic")
        anchor = re.search(r"docs/operate\.md#([a-z0-9_-]+)$", alarm["AlarmDescription"])
        check(anchor is not None and anchor[1] in headings, f"{name} points to no heading of docs/operate.md")
        dimensions = {it["Name"]: it["Value"] for it in alarm["Dimensions"]}
        seen.add((alarm["Namespace"], alarm["MetricName"], job))
        if alarm["Namespace"] == "Snapkeeper":
            check(alarm["MetricName"] in documented[job], f"{name}: no such metric in docs/settings.md")
            expected = {"Job": JOBS[job], "Region": {"Ref": "AWS::Region"}}
            check(dimensions == expected, f"{name} has the dimensions {dimensions}")
        elif job:
            check(dimensions == {"FunctionName": {"Ref": job}}, f"{name} has the dimensions {dimensions}")
        elif of_machine:
            check(dimensions == {"StateMachineArn": {"Ref": "Machine"}}, f"{name} has the dimensions {dimensions}")
    expected = {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", None),
        ("AWS/Scheduler", "InvocationDroppedCount", None),
        ("AWS/States", "ExecutionsFailed", None),
        ("AWS/States", "ExecutionsTimedOut", None),
        ("AWS/States", "ExecutionsAborted", None),
        ("AWS/States", "ExecutionThrottled", None),
    }
    for job in JOBS:
        expected.add(("Snapkeeper", "Succeeded", job))
        for metric in ["Errors", "Throttles", "Duration", "AsyncEventsDropped", "DestinationDeliveryFailures"]:
            expected.add(("AWS/Lambda", metric, job))
    check(seen == expected, f"alarms are missing or too many: {sorted(map(str, seen ^ expected))}")


def dashboards(template, documented, kept, watchers):
    """They show nothing that is not documented, and of what the documentation says all but what tells the same. What is
    of the failsafe jobs, or of the syncer, is on a board of its own, which is there with them."""
    shown = {job: set() for job in JOBS}
    boards = {name for name, it in template["Resources"].items() if it["Type"] == "AWS::CloudWatch::Dashboard"}
    check(boards == set(DASHBOARDS), f"other dashboards: {sorted(boards ^ set(DASHBOARDS))}")
    for name, (jobs, condition) in DASHBOARDS.items():
        resource = template["Resources"][name]
        check(resource.get("Condition") == condition, f"{name} is there under another condition")
        for job, metrics in on_dashboard(name, resource["Properties"], documented).items():
            check(job in jobs, f"{name} shows the {JOBS[job]}")
            shown[job] |= metrics
    for job in JOBS:
        expected = {"Succeeded", "Failed", "Unfinished", "ApiCalls", "Duration"} | kept[job]
        # what the creator and the copier applied are dates and tags as well
        work = "Made" if job in ("Creator", "Copier") else "Applied"
        expected |= watchers | {"Findings"} if job == "Watcher" else {work, "Kept"}
        check(expected <= shown[job], f"the dashboards lack of the {JOBS[job]}: {sorted(expected - shown[job])}")


def on_dashboard(name, properties, documented):
    """By job, the metrics that a dashboard shows."""
    for part in ["AWS::StackName", "AWS::Region"]:
        check("${" + part + "}" in properties["DashboardName"]["Fn::Sub"], f"the name of {name} lacks {part}")
    body = json.loads(re.sub(r"\$\{AWS::\w+\}", "here", properties["DashboardBody"]["Fn::Sub"]))
    # it would open on three hours, in which most jobs do not run, and with periods of its own choice
    opened = {key: body.get(key) for key in body if key != "widgets"}
    check(opened == {"start": "-P14D", "periodOverride": "inherit"}, f"{name} opens with {opened}")
    shown = {}
    places = set()
    for widget in body["widgets"]:
        for x in range(widget["x"], widget["x"] + widget["width"]):
            for y in range(widget["y"], widget["y"] + widget["height"]):
                check(x < 24 and (x, y) not in places, f"{name}: two widgets at {x}, {y}, or one beyond the edge")
                places.add((x, y))
        for metric in widget["properties"].get("metrics", []):
            if isinstance(metric[0], dict):
                continue
            namespace, measured, *dimensions = [it for it in metric if isinstance(it, str)]
            job = next((job for job in JOBS if JOBS[job] == dimensions[1]), None)
            check((namespace, *dimensions) == ("Snapkeeper", "Job", JOBS.get(job), "Region", "here"), f"{metric}")
            check(measured in documented.get(job, set()), f"{name}: {measured} of {job} is not in docs/settings.md")
            shown.setdefault(job, set()).add(measured)
    return shown


def schedules(template, docs):
    for job in JOBS:
        runs = template["Resources"][job]["Properties"]["Events"]["Runs"]["Properties"]
        check(f"\n{runs['Input']}\n" in docs, f"the input of {job}'s schedule is not as in docs/settings.md")
        check(runs["OmitName"] is True, f"{job}'s schedule would have the same name in every stack")
        check(runs["RoleArn"] == {"Fn::GetAtt": ["SchedulerRole", "Arn"]}, f"{job}'s schedule has another role")


def machine(template):
    """All of it is there with CarryOn alone; it starts in place of the creator, with the same event, invokes what is
    deployed, and may do nothing else; its name is one that a policy can know. How it runs is tried elsewhere:
    tests/e2e/machine.rs."""
    resources, conditions = template["Resources"], template["Conditions"]
    check(conditions["CarriedOn"] == {"Fn::Equals": [{"Ref": "CarryOn"}, "true"]}, "CarriedOn is another condition")
    for name, resource in resources.items():
        if name.startswith("Machine"):
            check(resource.get("Condition") == "CarriedOn", f"{name} is there without CarryOn")
    creator = resources["Creator"]["Properties"]["Events"]["Runs"]["Properties"]
    alone = {"Fn::And": [{"Condition": "SchedulesRun"}, {"Fn::Not": [{"Condition": "CarriedOn"}]}]}
    check(conditions["CreatorStartsAlone"] == alone, "CreatorStartsAlone is another condition")
    check(creator["State"] == {"Fn::If": ["CreatorStartsAlone", "ENABLED", "DISABLED"]}, "two would start the creator")
    runs = resources["MachineRuns"]["Properties"]
    for key in ["ScheduleExpression", "ScheduleExpressionTimezone", "GroupName"]:
        check(runs[key] == creator[key], f"the machine has another {key} than the creator")
    for key in ["Input", "RetryPolicy", "DeadLetterConfig"]:
        check(runs["Target"][key] == creator[key], f"the machine has another {key} than the creator")
    nothing = {"Ref": "AWS::NoValue"}
    deployed = [{"Fn::If": [f"{job}Deployed", {"Fn::GetAtt": [job, "Arn"]}, nothing]} for job in CARRIED_ON]
    invoke, logs, trace = resources["MachineRole"]["Properties"]["Policies"]
    expected = [{"Sid": "InvokeTheJobs", "Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": deployed}]
    check(invoke["PolicyDocument"]["Statement"] == expected, "the machine may invoke something else")
    others = [*logs["PolicyDocument"]["Statement"], *trace["Fn::If"][1]["PolicyDocument"]["Statement"]]
    actions = [action for statement in others for action in statement["Action"]]
    check(all(it.startswith(("logs:", "xray:")) for it in actions), f"the machine may do {actions}")

    # a policy names it so: docs/security.md
    name = resources["Machine"]["Properties"]["StateMachineName"]
    check(name == {"Fn::Sub": "${AWS::StackName}-Machine"}, f"the machine is named {name}")
    one = {"Fn::If": ["ConcurrencyReserved", {"Ref": "ReservedConcurrency"}, {"Fn::If": ["CarriedOn", 1, nothing]}]}
    check(resources["Copier"]["Properties"]["ReservedConcurrentExecutions"] == one, "two copiers could run at once")
    _, values = resources["Machine"]["Properties"]["DefinitionString"]["Fn::Sub"]
    items = [
        {"Fn::If": [
            f"{job}Deployed",
            {"Fn::Sub": '{"job": "%s", "function": "${%s.Arn}"}' % (JOBS[job], job)},
            nothing,
        ]}
        for job in CARRIED_ON
    ]
    check(values["Jobs"] == {"Fn::Join": [", ", items]}, "the machine runs other jobs, or in another order")
    hours = template["Mappings"]["Hours"]
    check(list(map(int, hours)) == template["Parameters"]["CarryOnHours"]["AllowedValues"], "other hours are mapped")
    # of 25,000: eleven for each invocation, of the creator twice; 60 for each failed function of a job; the rest
    events = 11 * 4 * template["Parameters"]["CarryOnInvocations"]["MaxValue"] + 4 * 60 + 100
    check(events <= 25_000, f"the history of a run could have {events} events")
    check(all(it["Seconds"] == 3600 * int(hour) for hour, it in hours.items()), "an hour has 3,600 seconds")


def names(template):
    """Nothing has a name of its own that two stacks could both want."""
    for resource, properties in template["Resources"].items():
        if properties["Type"] == "AWS::Lambda::Permission":
            # it names the function that it is for
            continue
        for key in properties["Properties"].keys() & {
            "AlarmName", "AliasName", "FunctionName", "GroupName", "LogGroupName", "Name", "QueueName", "RoleName",
            "TopicName",
        } - ({"GroupName"} if properties["Type"] == "AWS::Scheduler::Schedule" else set()):
            check(False, f"{resource} has a {key}")


def main():
    template = yaml_parse(TEMPLATE.read_text())
    docs = (ROOT / "docs" / "settings.md").read_text()
    lint()
    parameters(template)
    policies(template)
    settings(template, docs)
    documented, kept, watchers = metrics_of(docs)
    alarms(template, documented)
    dashboards(template, documented, kept, watchers)
    schedules(template, docs)
    machine(template)
    names(template)
    if wrong:
        # what is wrong with the environment of all functions is told once
        sys.exit("\n".join(dict.fromkeys(wrong)))


main()
