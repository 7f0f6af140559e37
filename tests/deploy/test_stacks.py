"""The templates deployed (moto, with permissions checked), and used as functions would use them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import moto_cloudformation
import pytest
from lake_bench import bodies_at
from moto_iam import ACCOUNT, REGION
from places import soon
from policy_documents import document, filled, together
from stacks import LAYER, Stack, client, deploy

from otlp2parquet_ext.functions.committer.function import answer
from otlp2parquet_ext.functions.committer.opening import open_places
from otlp2parquet_ext.lake.destinations.destination import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moto_iam import Server
    from places import Place
    from policy_documents import Policy

pytestmark = pytest.mark.thorough

TABLES_REGION = "us-east-1"  # moto has table buckets in few
S3_TABLES = ["s3-tables", "inbox-apart"]
ROLES = [
    ("function", "none", ["plain-s3"]),
    ("function", "glue", ["glue"]),
    ("function", "iceberg", S3_TABLES),
    ("committer", "glue", ["glue", "committer-queue"]),
    ("committer", "iceberg", [*S3_TABLES, "committer-queue"]),
    ("ingest", "none", ["plain-s3"]),
    ("ingest", "glue", ["glue"]),
    ("ingest", "iceberg", S3_TABLES),
]
WRITERS = [
    ("function", "none", ["plain-s3"]),
    ("function", "glue", ["glue"]),
    ("function", "iceberg", S3_TABLES),
    ("committer", "glue", ["inbox-mode"]),
    ("committer", "iceberg", ["s3-tables", "inbox-mode"]),
]
TABLES = (
    "logs",
    "traces",
    "metrics_gauge",
    "metrics_sum",
    "metrics_histogram",
    "metrics_exponential_histogram",
    "metrics_summary",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """moto in the place of AWS."""
    with moto_cloudformation.running(tmp_path_factory.mktemp("moto")) as found:
        yield found


def deployed(server: Server, template: str, mode: str, **more: str) -> Stack:
    """Deploy a template for a kind of lake."""
    region = TABLES_REGION if mode == "iceberg" else REGION
    return deploy(server, template, region, CatalogMode=mode, **more)


def logs(stack: Stack) -> Policy:
    """Return what writing to CloudWatch Logs needs."""
    group = f"arn:aws:logs:{stack.region}:{ACCOUNT}:log-group:/aws/lambda/{stack.name}:*"
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    statement = {"Sid": "Logs", "Effect": "Allow", "Action": actions, "Resource": group}
    return {"Version": "2012-10-17", "Statement": [statement]}


def expected(stack: Stack, mode: str, documents: list[str]) -> Policy:
    """Return policies of docs/iam with a stack's own names."""
    bucket = stack.outputs["DataBucketName"]
    found = []
    for name in documents:
        of_tables = name == "s3-tables"
        values = {
            "BUCKET": stack.outputs["S3TablesBucketName"] if of_tables else bucket,
            "PREFIX": "lake",
            "DATABASE": "otel",
            "INBOX_BUCKET": bucket,
            "INBOX_PREFIX": "lake",
            "REGION": stack.region,
            "ACCOUNT": ACCOUNT,
            "QUEUE": stack.outputs.get("QueueUrl", "").rpartition("/")[2],
        }
        found.append(filled(document(name), values))
    assert ("s3-tables" in documents) == (mode == "iceberg")
    return together(*found)


def comparable(policy: Policy) -> list[str]:
    """Return the statements in a fixed order; a resource may be in a list or alone."""
    listed = [
        {
            **one,
            "Resource": [one["Resource"]] if isinstance(one["Resource"], str) else one["Resource"],
        }
        for one in policy["Statement"]
    ]
    return sorted(json.dumps(one, sort_keys=True) for one in listed)


@pytest.mark.parametrize(("template", "mode", "documents"), ROLES)
def test_the_role_may_do_what_docs_iam_says_and_no_more(
    server: Server, template: str, mode: str, documents: list[str]
) -> None:
    """Those policies are tried action by action (tests/iam); here they are the templates'."""
    stack = deployed(server, template, mode)
    wanted = together(expected(stack, mode, documents), logs(stack))
    assert comparable(stack.role_policy()) == comparable(wanted)


@pytest.mark.parametrize(
    ("mode", "documents"), [("glue", ["inbox-mode"]), ("iceberg", ["s3-tables", "inbox-mode"])]
)
def test_an_ingest_function_beside_a_committer_writes_files_and_descriptors_only(
    server: Server, mode: str, documents: list[str]
) -> None:
    """It makes nothing visible itself, so it may not write metadata or delete."""
    stack = deployed(server, "ingest", mode, CommitMode="inbox")
    wanted = together(expected(stack, mode, documents), logs(stack))
    assert comparable(stack.role_policy()) == comparable(wanted)


@pytest.mark.parametrize(("template", "mode", "documents"), WRITERS)
def test_the_policy_for_further_functions_is_that_of_docs_iam(
    server: Server, template: str, mode: str, documents: list[str]
) -> None:
    """It is attached to roles of functions outside our templates."""
    stack = deployed(server, template, mode)
    wanted = expected(stack, mode, documents)
    assert comparable(stack.policy("WriterPolicy")) == comparable(wanted)
    assert stack.outputs["WriterPolicyArn"] == stack.resources["WriterPolicy"]


@pytest.mark.parametrize("mode", ["none", "glue"])
def test_the_sample_function_writes_with_its_own_role_and_variables(
    server: Server, mode: str
) -> None:
    """A user invokes it, and finds its rows at the address in the stack's output."""
    stack = deployed(server, "function", mode, IcebergNamespace="sample")
    variables = stack.variables()
    assert variables["OTLP2PARQUET_DESTINATION"] == stack.outputs["DataLocation"]
    place = stack.place(stack.outputs["DataLocation"], stack.role_policy(), variables)
    store(place, "a")
    admin = stack.place(place.url, everything(), variables)
    if mode == "glue":
        assert admin.bodies() == ["a"]
    assert [key for key in keys(stack) if key.endswith(".parquet")]


def store(place: Place, name: str) -> None:
    """Store a batch, and commit it if the destination has commits."""
    lake = place.open()
    lake.store(Batch(name * 32, {"logs": bodies_at(0, name)}))
    lake.commit(soon())
    lake.close()


def everything() -> Policy:
    """Return what an administrator may do."""
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [allow]}


def keys(stack: Stack) -> list[str]:
    """List the lake's bucket."""
    found = stack.client("s3").list_objects_v2(Bucket=stack.outputs["DataBucketName"])
    assert all(one["Key"].startswith("lake/") for one in found["Contents"])
    return [one["Key"] for one in found["Contents"]]


def test_with_s3_tables_the_inbox_is_the_bucket_and_the_tables_are_not(server: Server) -> None:
    """A table bucket can have no inbox; a batch that cannot be committed needs one."""
    stack = deployed(server, "function", "iceberg")
    arn = f"arn:aws:s3tables:{TABLES_REGION}:{ACCOUNT}:bucket/{stack.outputs['S3TablesBucketName']}"
    assert stack.outputs["S3TablesBucketArn"] == stack.outputs["DataLocation"] == arn
    assert stack.variables() == {
        "OTLP2PARQUET_DESTINATION": arn,
        "OTLP2PARQUET_INBOX": stack.outputs["InboxLocation"],
        "OTLP2PARQUET_NAMESPACE": "otel",
    }
    tables = stack.client("s3tables")
    (namespace,) = tables.list_namespaces(tableBucketARN=arn)["namespaces"]
    assert namespace["namespace"] == ["otel"]


def test_a_lake_that_is_there_is_taken_as_it_is(server: Server) -> None:
    """A second stack in the same lake makes no bucket, and has the same location."""
    first = deployed(server, "function", "iceberg")
    there = {
        "BucketName": first.outputs["DataBucketName"],
        "CreateBucket": "no",
        "TableBucketArn": first.outputs["S3TablesBucketArn"],
    }
    second = deployed(server, "ingest", "iceberg", **there)
    assert not second.resources.keys() & {"Bucket", "BucketPolicy", "TableBucket", "Namespace"}
    assert {k: v for k, v in second.outputs.items() if k in LAKE} == {
        k: v for k, v in first.outputs.items() if k in LAKE
    }


LAKE = {
    "DataLocation",
    "DataBucketName",
    "InboxLocation",
    "S3TablesBucketArn",
    "S3TablesBucketName",
}


def test_functions_store_the_queue_hears_of_it_and_the_committer_commits(server: Server) -> None:
    """Each with its own policy and variables, and the events the bucket sends."""
    stack = deployed(server, "committer", "glue", IcebergNamespace="fleet")
    inbox = {"OTLP2PARQUET_COMMIT": "inbox"}
    function = stack.place(stack.outputs["DataLocation"], stack.policy("WriterPolicy"), inbox)
    lake = function.open()
    for name in ("a", "b"):
        lake.store(Batch(name * 32, {"logs": bodies_at(0, name)}))
    event = {"Records": [{"messageId": body, "body": body} for body in heard(stack)]}
    assert len(event["Records"]) == 2

    variables = stack.variables()
    url = variables["OTLP2PARQUET_COMMITTER_DESTINATION"]
    committer = stack.place(url, stack.role_policy(), variables)
    own = {k: v for k, v in committer.variables.items() if k != "OTLP2PARQUET_DESTINATION"}
    assert answer(open_places(own), event, soon()) == {"batchItemFailures": []}
    assert stack.place(url, everything(), {}).bodies() == ["a", "b"]


def heard(stack: Stack) -> list[str]:
    """Return the queue's messages, without S3's test messages."""
    sqs, url = stack.client("sqs"), stack.outputs["QueueUrl"]
    found: list[str] = []
    while some := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [message["Body"] for message in some]
    return [body for body in found if "s3:TestEvent" not in body]


def test_each_table_tells_the_committer(server: Server) -> None:
    """Its inbox and nothing else: what the committer writes itself would wake it for ever."""
    stack = deployed(server, "committer", "glue", Prefix="some/where", IcebergNamespace="mine")
    told = stack.client("s3").get_bucket_notification_configuration(
        Bucket=stack.outputs["DataBucketName"]
    )["QueueConfigurations"]
    rules = [{r["Name"]: r["Value"] for r in one["Filter"]["Key"]["FilterRules"]} for one in told]
    assert rules == [
        {"prefix": f"some/where/mine/{table}/inbox/", "suffix": ".json"} for table in TABLES
    ]


def test_a_bucket_that_is_there_tells_the_committer_through_eventbridge(server: Server) -> None:
    """CloudFormation changes no bucket that is not its own."""
    parameters = {"BucketName": "a-bucket-of-yours", "CreateBucket": "no"}
    stack = deployed(server, "committer", "glue", **parameters)
    events = stack.client("events")
    rule = events.describe_rule(Name=stack.resources["Rule"])
    detail = json.loads(rule["EventPattern"])["detail"]
    assert detail["bucket"] == {"name": ["a-bucket-of-yours"]}
    assert detail["object"] == {"key": [{"wildcard": "lake/otel/*/inbox/*.json"}]}
    (target,) = events.list_targets_by_rule(Rule=stack.resources["Rule"])["Targets"]
    assert target["Arn"].rpartition(":")[2] == stack.outputs["QueueUrl"].rpartition("/")[2]


def test_the_committer_is_woken_by_queue_and_schedule(server: Server) -> None:
    """Messages come in batches, and one that fails five times is set aside."""
    stack = deployed(server, "committer", "glue", WindowSeconds="5")
    (mapping,) = stack.client("lambda").list_event_source_mappings(FunctionName=stack.name)[
        "EventSourceMappings"
    ]
    assert mapping["MaximumBatchingWindowInSeconds"] == 5
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    queue = attributes(stack, "QueueUrl")
    assert mapping["EventSourceArn"] == queue["QueueArn"]
    assert json.loads(queue["RedrivePolicy"]) == {
        "deadLetterTargetArn": attributes(stack, "DeadLetterQueueUrl")["QueueArn"],
        "maxReceiveCount": 5,
    }
    timeout = stack.function()["Timeout"]
    assert int(queue["VisibilityTimeout"]) >= 6 * timeout, "as AWS asks for"
    schedule = stack.client("scheduler").get_schedule(Name=stack.resources["Schedule"])
    assert schedule["ScheduleExpression"] == "rate(1 hour)"
    assert schedule["Target"]["Arn"] == stack.outputs["FunctionArn"]


def attributes(stack: Stack, output: str) -> dict[str, str]:
    """Return a queue's attributes."""
    found = stack.client("sqs").get_queue_attributes(
        QueueUrl=stack.outputs[output], AttributeNames=["All"]
    )
    known: dict[str, str] = found["Attributes"]
    return known


def test_alarms_watch_the_committer_and_its_queues(server: Server) -> None:
    """If an address is set, it gets them."""
    stack = deployed(server, "committer", "glue", AlarmEmail="ops@example.com")
    found = {
        alarm["AlarmName"]: alarm
        for alarm in stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
    }
    topic = stack.resources["Topic"]
    for name, metric, watched in (
        ("DeadLettersAlarm", "ApproximateNumberOfMessagesVisible", "DeadLetterQueueUrl"),
        ("AgeAlarm", "ApproximateAgeOfOldestMessage", "QueueUrl"),
        ("ErrorsAlarm", "Errors", "FunctionName"),
        ("ThrottlesAlarm", "Throttles", "FunctionName"),
    ):
        alarm = found[stack.resources[name]]
        assert (alarm["MetricName"], alarm["AlarmActions"]) == (metric, [topic])
        assert watched_by(alarm) == stack.outputs[watched].rpartition("/")[2]


def watched_by(alarm: dict[str, Any]) -> str:
    """Return the name of what an alarm watches."""
    (dimension,) = alarm["Dimensions"]
    name: str = dimension["Value"]
    return name


def test_the_url_asks_for_a_signature_unless_told_otherwise(server: Server) -> None:
    """Without signatures it needs a token, and only callers of the URL may invoke the function."""
    closed = deployed(server, "ingest", "none")
    urls = closed.client("lambda")
    found = urls.get_function_url_config(FunctionName=closed.name)
    assert (found["AuthType"], found["FunctionUrl"]) == ("AWS_IAM", closed.outputs["FunctionUrl"])
    assert "OTLP2PARQUET_INGEST_TOKEN" not in closed.variables()
    assert not closed.resources.keys() & {"AnybodyMayAsk", "AnybodyMayInvokeByUrl"}

    opened = deployed(server, "ingest", "none", AuthType="NONE", IngestToken=LAYER)
    assert opened.variables()["OTLP2PARQUET_INGEST_TOKEN"] == LAYER
    assert opened.resources.keys() >= {"AnybodyMayAsk", "AnybodyMayInvokeByUrl"}


def test_without_logs_the_role_may_write_none(server: Server) -> None:
    """It is what CloudWatch Logs costs that people want to save."""
    stack = deployed(server, "function", "none", LogRetentionDays="0")
    assert "logs:" not in json.dumps(stack.role_policy())
    assert "LogGroup" not in stack.resources


def test_the_layer_is_made_of_a_zip_where_no_version_is_named(server: Server) -> None:
    """The key is the one publish_layer.sh --s3-bucket uploads to."""
    s3 = client(server, REGION, "s3")
    s3.create_bucket(Bucket="layers-here", CreateBucketConfiguration={"LocationConstraint": REGION})
    key = "otlp2parquet-ext/9.9.9/otlp2parquet-ext-x86_64.zip"
    s3.put_object(Bucket="layers-here", Key=key, Body=b"PK\5\6" + bytes(18))
    where = {"LambdaS3Bucket": "layers-here", "LambdaVersion": "9.9.9", "Architecture": "x86_64"}
    stack = deploy(server, "function", LayerArn="", **where)
    (layer,) = stack.client("lambda").list_layers()["Layers"]
    newest = layer["LatestMatchingVersion"]
    assert newest["Description"].startswith("otlp2parquet_ext 9.9.9")
