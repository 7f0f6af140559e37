"""Failing destinations: a clear line, a kept batch, and a delivery when the cause is gone.

Real servers run behind a proxy that refuses, cuts and delays. Each test ends with all rows in
place.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import counting_proxy
import places
import pytest
from counting_proxy import Cut
from lake_bench import bodies_at
from places import Place, soon

from otlp2parquet_ext.lake.destinations.destination import Batch, DestinationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counting_proxy import Proxy

DENIED = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
EXPIRED = b"<Error><Code>ExpiredToken</Code><Message>expired</Message></Error>"
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>slow</Message></Error>"
SKEWED = b"<Error><Code>RequestTimeTooSkewed</Code><Message>skewed</Message></Error>"


@dataclass(frozen=True)
class Troubled:
    """A place whose servers are behind proxies."""

    place: Place
    s3: Proxy
    catalog: Proxy


@pytest.fixture
def plain(moto: str) -> Iterator[Troubled]:
    """Plain Parquet in a bucket."""
    place = places.plain_s3(moto)
    with counting_proxy.running(moto) as proxy:
        yield Troubled(replace(place, url=place.url.replace(moto, proxy.url)), proxy, proxy)


@pytest.fixture
def glue(moto: str) -> Iterator[Troubled]:
    """Iceberg in Glue."""
    place = places.glue(moto)
    with counting_proxy.running(moto) as proxy:
        environ = {**place.environ, "AWS_ENDPOINT_URL": proxy.url}
        yield Troubled(replace(place, environ=environ), proxy, proxy)


@pytest.fixture
def rest(iceberg_rest_on_s3: Place) -> Iterator[Troubled]:
    """Iceberg in a REST catalog, files in a bucket."""
    place = places.rest_on_s3(iceberg_rest_on_s3)
    with (
        counting_proxy.running(place.url.removeprefix("rest+")) as catalog,
        counting_proxy.running(place.environ["AWS_ENDPOINT_URL_S3"]) as s3,
    ):
        environ = {**place.environ, "AWS_ENDPOINT_URL_S3": s3.url}
        yield Troubled(replace(place, url=f"rest+{catalog.url}", environ=environ), s3, catalog)


def one(name: str = "one") -> Batch:
    """Make a batch of one row."""
    return Batch(name.rjust(32, "0"), {"logs": bodies_at(0, name)})


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (403, DENIED, r"s3:PutObject on arn:aws:s3:::lake-.*/some/\* is not allowed"),
        (403, EXPIRED, "the credentials are not, or no longer, valid"),
        (403, SKEWED, "the clock of this machine is wrong"),
        (500, b"", "HTTP 500"),
    ],
)
def test_a_refused_file_is_an_error_that_names_what_would_help(
    plain: Troubled, status: int, body: bytes, says: str
) -> None:
    """It names the permission, the credentials or the clock. The same batch succeeds afterwards."""
    destination = plain.place.open()
    plain.s3.fault(status, method="PUT", times=100, body=body)
    with pytest.raises(DestinationError, match=says):
        destination.store(one())
    plain.s3.reset()
    destination.store(one())
    assert plain.place.bodies() == ["one"]


def test_a_bucket_that_does_not_exist_is_named(plain: Troubled) -> None:
    """It may be a typing error, or another account's. It works when the bucket is created."""
    assert isinstance(plain.place.objects, places.Bucket)
    name = "not-there-" + plain.place.objects.bucket
    wrong = replace(
        plain.place,
        url=plain.place.url.replace(plain.place.objects.bucket, name),
        objects=replace(plain.place.objects, bucket=name),
    )
    destination = wrong.open()
    with pytest.raises(DestinationError, match=rf"s3://{name}/.*there is no such bucket"):
        destination.store(one())
    region = {"LocationConstraint": places.AWS["AWS_REGION"]}
    plain.place.objects.client.create_bucket(Bucket=name, CreateBucketConfiguration=region)
    destination.store(one())
    assert wrong.bodies() == ["one"]


@pytest.mark.parametrize(("status", "body"), [(503, SLOW_DOWN), (429, b""), (502, b"")])
def test_throttling_that_passes_is_not_even_an_error(
    plain: Troubled, status: int, body: bytes
) -> None:
    """S3 throttles whenever a prefix becomes busy, so a few repetitions are normal."""
    plain.s3.fault(status, method="PUT", times=2, body=body)
    plain.place.open().store(one())
    assert plain.place.bodies() == ["one"]


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER, Cut.HALF])
def test_a_file_whose_answer_was_lost_is_there_once(plain: Troubled, cut: Cut) -> None:
    """Its name follows from its content, and nothing is written over."""
    plain.s3.fault(cut, method="PUT")
    plain.place.open().store(one())
    assert plain.place.bodies() == ["one"]


@pytest.mark.timing
def test_a_bucket_that_does_not_answer_is_given_up_in_time(plain: Troubled) -> None:
    """The storing thread has other batches, and the error names the server."""
    destination = plain.place.open()
    [folder] = destination.members.values()
    folder._storage._limit_ms = 700  # type: ignore[attr-defined]
    plain.s3.fault(Cut.HANG, method="PUT", times=10)
    started = time.monotonic()
    with pytest.raises(DestinationError, match=r"not answered|no answer"):
        destination.store(one())
    assert time.monotonic() - started < 5
    plain.s3.reset()
    destination.store(one())
    assert plain.place.bodies() == ["one"]


GLUE_DENIED = json.dumps({"__type": "AccessDeniedException", "Message": "no"}).encode()
GLUE_THROTTLED = json.dumps({"__type": "ThrottlingException", "Message": "slow"}).encode()


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("AWSGlue.GetTable", "glue:GetTable on"),
        ("AWSGlue.CreateTable", "glue:CreateTable on"),
        ("AWSGlue.UpdateTable", "glue:UpdateTable on"),
    ],
)
def test_a_forbidden_call_of_glue_names_its_permission_and_keeps_the_batch(
    glue: Troubled, target: str, says: str
) -> None:
    """The file is stored by then. Its descriptor follows, and any permitted role commits it."""
    destination = glue.place.open()
    glue.catalog.fault(400, target=target, times=100, body=GLUE_DENIED)
    destination.store(one(), commit_follows=True)
    with pytest.raises(DestinationError, match=says):
        destination.commit(soon())
    destination.describe()
    assert len(glue.place.inbox()) == 1
    glue.catalog.reset()
    glue.place.open().commit(soon())
    destination.commit(soon())
    assert glue.place.bodies() == ["one"]
    assert glue.place.inbox() == []


def test_throttling_of_glue_is_waited_for_or_says_what_would_help(glue: Troubled) -> None:
    """Too many environments ask; one committer would not."""
    destination = glue.place.open()
    glue.catalog.fault(400, target="AWSGlue.UpdateTable", times=100, body=GLUE_THROTTLED)
    destination.store(one(), commit_follows=True)
    with pytest.raises(DestinationError, match="OTLP2PARQUET_COMMIT=inbox"):
        destination.commit(soon(4_000))
    glue.catalog.reset()
    destination.commit(soon())
    assert glue.place.bodies() == ["one"]


REST_COMMIT = "/v1/namespaces/*/tables/*"
REST_ERROR = b'{"error": {"message": "no", "type": "%s", "code": %d}}'


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (401, b"NotAuthorizedException", "OTLP2PARQUET_REST_TOKEN"),
        (403, b"ForbiddenException", "it has to allow the commit on"),
        (404, b"NoSuchTableException", "the table was dropped or renamed"),
        (400, b"BadRequestException", "400"),
    ],
)
def test_a_refused_commit_to_a_rest_catalog_keeps_the_batch(
    rest: Troubled, status: int, kind: bytes, says: str
) -> None:
    """The error names the setting or permission."""
    destination = rest.place.open()
    destination.store(one(), commit_follows=True)
    answer = REST_ERROR % (kind, status)
    rest.catalog.fault(status, method="POST", path=REST_COMMIT, times=100, body=answer)
    with pytest.raises(DestinationError, match=says):
        destination.commit(soon())
    rest.catalog.reset()
    destination.commit(soon())
    assert rest.place.bodies() == ["one"]


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER, Cut.HALF, 500, 503])
def test_a_commit_of_unknown_outcome_is_looked_up_and_there_once(
    rest: Troubled, cut: Cut | int
) -> None:
    """It may have landed: nothing it refers to may be deleted, nothing may be added twice."""
    destination = rest.place.open()
    destination.store(one("first"), commit_follows=True)
    destination.commit(soon())
    rest.catalog.fault(cut, method="POST", path=REST_COMMIT)
    destination.store(one("second"), commit_follows=True)
    destination.commit(soon())
    assert rest.place.bodies() == ["first", "second"]


@pytest.mark.timing
def test_a_catalog_that_hangs_costs_a_commit_its_deadline_and_no_more(rest: Troubled) -> None:
    """The batch goes to the inbox meanwhile, and the next commit adds it."""
    destination = rest.place.open()
    destination.store(one("first"), commit_follows=True)
    destination.commit(soon())
    rest.catalog.fault(Cut.HANG, times=100)
    destination.store(one("second"), commit_follows=True)
    started = time.monotonic()
    with pytest.raises(DestinationError):
        destination.commit(soon(1_500))
    assert time.monotonic() - started < 4
    destination.describe()
    assert len(rest.place.inbox()) == 1
    rest.catalog.reset()
    rest.place.open().commit(soon())
    assert rest.place.bodies() == ["first", "second"]


def test_a_catalog_that_is_down_keeps_what_is_stored(rest: Troubled) -> None:
    """With refused connections for hours, files and descriptors are stored, and committed later."""
    destination = rest.place.open()
    destination.store(one("first"), commit_follows=True)
    destination.commit(soon())
    rest.catalog.fault(Cut.BEFORE, times=100)
    for name in ("second", "third"):
        destination.store(one(name), commit_follows=True)
        with pytest.raises(DestinationError):
            destination.commit(soon(300))
        destination.describe()
    rest.catalog.reset()
    destination.commit(soon())
    assert rest.place.bodies() == ["first", "second", "third"]
    assert rest.place.inbox() == []


def test_a_catalog_that_cannot_be_reached_before_the_first_file_keeps_the_batch(
    rest: Troubled,
) -> None:
    """Only the catalog has the location of the table, and the error says so."""
    destination = rest.place.open()
    rest.catalog.fault(500, times=100)
    with pytest.raises(DestinationError, match="the table's location is not known"):
        destination.store(one())
    rest.catalog.reset()
    destination.store(one())
    destination.commit(soon())
    assert rest.place.bodies() == ["one"]


def test_a_slow_bucket_is_only_slow(rest: Troubled) -> None:
    """Half a second for each request is no reason to give up, or to do anything twice."""
    rest.s3.latencies = (counting_proxy.Latency(300),)
    destination = rest.place.open()
    destination.store(one(), commit_follows=True)
    destination.commit(soon())
    assert rest.place.bodies() == ["one"]
    assert rest.s3.count("PUT", "*.parquet") == 1


def test_a_table_may_not_be_created_where_that_is_forbidden(glue: Troubled) -> None:
    """A user creates the tables, and the files wait."""
    place = replace(glue.place, environ={**glue.place.environ, "OTLP2PARQUET_CREATE_TABLE": "off"})
    destination = place.open()
    destination.store(one(), commit_follows=True)
    with pytest.raises(DestinationError, match="OTLP2PARQUET_CREATE_TABLE=off forbids"):
        destination.commit(soon())
    destination.describe()
    glue.place.open().commit(soon())
    assert glue.place.bodies() == ["one"]
