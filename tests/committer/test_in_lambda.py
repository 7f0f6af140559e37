"""The committer as a Lambda function: AWS's runtime client, a bucket's own events, a queue."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import places
import pytest
from committer_bench import store
from places import AWS, Bucket, Place, glue, sqlite
from wakes import SCHEDULE, s3_event, sqs_event

from otlp2parquet_ext.tools.local import Outcome, Plan
from otlp2parquet_ext.tools.local.environment import run

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
HANDLER = "otlp2parquet_ext.functions.committer.function.handler"
BOOTSTRAP = "from otlp2parquet_ext.functions.committer.runtime import main; main()"


def invoke(place: Place, events: Sequence[object], folder: Path, **options: Any) -> Outcome:
    """Invoke the function in a local execution environment, once for each event."""
    given: dict[str, Any] = {"handler": HANDLER, "memory_mb": 512, "timeout_s": 30.0} | options
    plan = Plan(
        code=folder,
        extensions=(),
        invocations=len(events),
        events=tuple(json.dumps(event).encode() for event in events),
        env={**place.variables, "PYTHONPATH": str(ROOT)},
        **given,
    )
    return run(plan)


def answers(outcome: Outcome) -> list[Any]:
    """Return what the function answered."""
    assert [i.status for i in outcome.invocations] == ["success"] * len(outcome.invocations)
    return [json.loads(invocation.response) for invocation in outcome.invocations]


class Queue:
    """A queue that gets a bucket's events about new descriptors."""

    def __init__(self, endpoint: str, bucket: Bucket) -> None:
        named = {"region_name": AWS["AWS_REGION"], "endpoint_url": endpoint}
        keys = {
            "aws_access_key_id": AWS["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": AWS["AWS_SECRET_ACCESS_KEY"],
        }
        self._sqs = boto3.client("sqs", **named, **keys)
        self.url = self._sqs.create_queue(QueueName=f"{bucket.bucket}-inbox")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        rules = [
            {"Name": "prefix", "Value": f"{bucket.prefix}inbox/"},
            {"Name": "suffix", "Value": ".json"},
        ]
        bucket.client.put_bucket_notification_configuration(
            Bucket=bucket.bucket,
            NotificationConfiguration={
                "QueueConfigurations": [
                    {
                        "QueueArn": arn["Attributes"]["QueueArn"],
                        "Events": ["s3:ObjectCreated:*"],
                        "Filter": {"Key": {"FilterRules": rules}},
                    }
                ]
            },
        )

    def send(self, body: str) -> None:
        """Put something foreign into it."""
        self._sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def poll(self) -> dict[str, Any]:
        """Receive all messages, as Lambda's poller hands them over."""
        found: list[dict[str, Any]] = []
        while some := self._sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=60
        ).get("Messages"):
            found += some
        event = sqs_event([message["Body"] for message in found])
        for record, message in zip(event["Records"], found, strict=True):
            record["messageId"] = message["MessageId"]
            record["receiptHandle"] = message["ReceiptHandle"]
        return event

    def settle(self, event: dict[str, Any], answer: dict[str, Any]) -> int:
        """Delete what has not failed, as Lambda's poller does; return how much has."""
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        assert failed <= {record["messageId"] for record in event["Records"]}
        for record in event["Records"]:
            handle = record["receiptHandle"]
            if record["messageId"] in failed:
                self._sqs.change_message_visibility(
                    QueueUrl=self.url, ReceiptHandle=handle, VisibilityTimeout=0
                )
            else:
                self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=handle)
        return len(failed)


@pytest.mark.thorough
def test_a_bucket_wakes_the_function_through_a_queue(moto: str, tmp_path: Path) -> None:
    """Each descriptor is an event; all of a batch's window become one snapshot."""
    lake = glue(moto)
    assert isinstance(lake.objects, Bucket)
    queue = Queue(moto, lake.objects)
    names = [f"{number:02}" for number in range(12)]
    store(lake, *names)
    queue.send("no JSON at all")
    event = queue.poll()
    assert len(event["Records"]) == 14  # S3 tells the queue once that it is connected
    again = sqs_event([record["body"] for record in event["Records"]])
    found = answers(invoke(lake, [event, again, SCHEDULE], tmp_path))
    assert found[:2] == [{"batchItemFailures": []}] * 2
    assert found[2] == {"files": 0, "rows": 0, "snapshots": 0}
    assert queue.settle(event, found[0]) == 0
    assert queue.poll() == {"Records": []}
    assert lake.bodies() == names
    assert lake.inbox() == []
    assert len(lake.objects.names("metadata/snap-")) == 1


@pytest.mark.thorough
def test_messages_come_back_until_the_cause_is_gone(moto: str, tmp_path: Path) -> None:
    """The catalog refuses: the poller gets them again, and later they are done."""
    lake = glue(moto)
    assert isinstance(lake.objects, Bucket)
    queue = Queue(moto, lake.objects)
    store(lake, "a", "b")
    queue.send("no JSON at all")
    nowhere = {**lake.environ, "AWS_ENDPOINT_URL_GLUE": "http://127.0.0.1:9"}
    refused = places.Place(lake.kind, lake.url, lake.objects, nowhere)
    event = queue.poll()
    (answer,) = answers(invoke(refused, [event], tmp_path))
    assert queue.settle(event, answer) == 2
    event = queue.poll()
    (answer,) = answers(invoke(lake, [event], tmp_path))
    assert queue.settle(event, answer) == 0
    assert lake.bodies() == ["a", "b"]


def test_the_layer_alone_is_enough(tmp_path: Path) -> None:
    """A runtime of our own: what would be packaged is one file of three lines."""
    lake = sqlite(tmp_path)
    store(lake, "a", "b")
    waiting = [s3_event(f"x/{name}") for name in lake.inbox()]
    environ = {"OTLP2PARQUET_COMMITTER_DESTINATION": lake.url}
    function = places.Place(lake.kind, "", lake.objects, environ)
    command = (sys.executable, "-c", BOOTSTRAP)
    events = [sqs_event(["no JSON", *waiting]), SCHEDULE]
    found = answers(invoke(function, events, tmp_path, handler="", command=command))
    assert found == [{"batchItemFailures": []}, {"files": 0, "rows": 0, "snapshots": 0}]
    assert lake.bodies() == ["a", "b"]


def test_a_committer_without_a_table_fails_its_start_and_says_what_to_set(tmp_path: Path) -> None:
    """Lambda reports it as the function's own error."""
    nothing = sqlite(tmp_path)
    function = places.Place("none", "", nothing.objects)
    command = (sys.executable, "-c", BOOTSTRAP)
    outcome = invoke(function, [SCHEDULE], tmp_path, handler="", command=command)
    (invocation,) = outcome.invocations
    assert invocation.status == "error"
    assert b"OTLP2PARQUET_DESTINATION=''" in invocation.response


def test_what_the_runtime_cannot_do_fails_the_invocation_and_not_the_next(tmp_path: Path) -> None:
    """The catalog is no database at first."""
    lake = sqlite(tmp_path)
    store(lake, "a")
    catalog = tmp_path / "catalog.db"
    catalog.write_bytes(b"no database at all, but long enough to be one" * 100)
    command = (sys.executable, "-c", BOOTSTRAP)
    outcome = invoke(lake, [SCHEDULE], tmp_path, handler="", command=command)
    (invocation,) = outcome.invocations
    assert (invocation.status, invocation.error_type) == ("error", "Function.CommitterError")
    catalog.unlink()
    answers(invoke(lake, [SCHEDULE], tmp_path, handler="", command=command))
    assert lake.bodies() == ["a"]
