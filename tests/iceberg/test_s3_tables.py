"""S3 Tables, by its ARN: signed requests, names in lower case, nothing listed, nothing deleted."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import boto3
import counting_proxy
import pytest
import rest_fixture
import table_bucket
from lake_bench import bodies_at
from places import AWS, Bucket, Place, soon
from pyiceberg.catalog.rest import RestCatalog

from otlp2parquet_ext.lake.destinations.destination import Batch, DestinationError
from otlp2parquet_ext.lake.iceberg.commit import expiry
from otlp2parquet_ext.records.tables.logs import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counting_proxy import Proxy
    from pyiceberg.table import Table

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("jvm")]

REGION = AWS["AWS_REGION"]
ARN = f"arn:aws:s3tables:{REGION}:123456789012:bucket/lake"
FILES = "63a8e430-6e0b-46f5--table-s3"
NAMES = count()


@pytest.fixture(scope="module")
def catalog(moto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the catalog behind the bucket, its files in S3."""
    boto3.client("s3", endpoint_url=moto, region_name=REGION, **keys(AWS)).create_bucket(
        Bucket=FILES, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    options = {
        "CATALOG_WAREHOUSE": f"s3://{FILES}/warehouse",
        "CATALOG_IO__IMPL": "org.apache.iceberg.aws.s3.S3FileIO",
        "CATALOG_S3_ENDPOINT": moto,
        "CATALOG_S3_PATH__STYLE__ACCESS": "true",
        **AWS,
    }
    with rest_fixture.running(tmp_path_factory.mktemp("rest"), options) as url:
        yield url


def keys(environ: dict[str, str]) -> dict[str, str]:
    """Return credentials as boto3 takes them."""
    return {
        "aws_access_key_id": environ["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": environ["AWS_SECRET_ACCESS_KEY"],
    }


@pytest.fixture
def endpoint(catalog: str) -> Iterator[str]:
    """Start the table bucket."""
    secrets = {AWS["AWS_ACCESS_KEY_ID"]: AWS["AWS_SECRET_ACCESS_KEY"]}
    with table_bucket.running(ARN, catalog, secrets) as url:
        yield url


@pytest.fixture
def requests(endpoint: str) -> Iterator[Proxy]:
    """Start a proxy before the table bucket."""
    with counting_proxy.running(endpoint) as proxy:
        yield proxy


@pytest.fixture
def files(moto: str) -> Iterator[Proxy]:
    """Start a proxy before its files, where nothing may be listed or deleted."""
    with counting_proxy.running(moto) as proxy:
        proxy.fault(405, method="DELETE", times=1_000_000)
        proxy.fault(405, method="POST", times=1_000_000)
        proxy.fault(405, method="GET", path=f"/{FILES}", times=1_000_000)
        yield proxy


@pytest.fixture
def place(moto: str, requests: Proxy, files: Proxy) -> Place:
    """A table that does not exist yet, with the configuration of a function."""
    namespace = f"otel{next(NAMES)}"
    client = boto3.client("s3", endpoint_url=moto, region_name=REGION, **keys(AWS))
    objects = Bucket(client, FILES, f"warehouse/{namespace}/logs/")
    environ = {
        **AWS,
        "AWS_ENDPOINT_URL_S3TABLES": requests.url,
        "AWS_ENDPOINT_URL_S3": files.url,
        "OTLP2PARQUET_NAMESPACE": namespace,
    }
    return Place("s3tables", ARN, objects, environ)


def flush(place: Place, *bodies: str) -> None:
    """Store and commit a batch for each body, in one process."""
    destination = place.open()
    for body in bodies:
        destination.store(
            Batch(body.replace("-", "x").rjust(32, "0"), {"logs": bodies_at(0, body)}),
            commit_follows=True,
        )
        destination.commit(soon())


def pyiceberg_table(place: Place, endpoint: str, moto: str) -> Table:
    """Open the table with PyIceberg, as AWS's user guide describes."""
    found: Table = RestCatalog(
        "s3tables",
        **{
            "uri": f"{endpoint}/iceberg",
            "warehouse": ARN,
            "rest.sigv4-enabled": "true",
            "rest.signing-name": "s3tables",
            "rest.signing-region": REGION,
            "client.access-key-id": AWS["AWS_ACCESS_KEY_ID"],
            "client.secret-access-key": AWS["AWS_SECRET_ACCESS_KEY"],
            "s3.endpoint": moto,
        },
    ).load_table((place.environ["OTLP2PARQUET_NAMESPACE"], "logs"))
    return found


def test_batches_become_visible_in_a_table_of_the_buckets_own_choosing(
    place: Place, endpoint: str, moto: str
) -> None:
    """DuckDB and PyIceberg read them, and PyIceberg's signature passes where ours did."""
    flush(place, "a", "b")
    assert place.bodies() == ["a", "b"]
    table = pyiceberg_table(place, endpoint, moto)
    assert sorted(table.scan().to_arrow()["body"].to_pylist()) == ["a", "b"]
    assert [field.name for field in table.schema().fields] == [c.name.lower() for c in COLUMNS]
    assert table.location().startswith(f"s3://{FILES}/")
    table.delete("body == 'a'")
    flush(place, "c")
    assert place.bodies() == ["b", "c"]


def test_a_steady_flush_is_three_puts_and_one_signed_post(
    place: Place, requests: Proxy, files: Proxy
) -> None:
    """Data file, manifest, manifest list, commit."""
    destination = place.open()
    for body in ("a", "b", "c"):
        requests.reset()
        before = len(files.requests)
        destination.store(
            Batch(body.replace("-", "x").rjust(32, "0"), {"logs": bodies_at(0, body)}),
            commit_follows=True,
        )
        destination.commit(soon())
    assert [r.method for r in files.requests[before:]] == ["PUT"] * 3
    assert [(r.method, r.status) for r in requests.requests] == [("POST", 200)]


def test_nothing_is_listed_or_deleted(
    place: Place, requests: Proxy, files: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds after snapshots have expired, and after a lost race: S3 removes unused files."""
    monkeypatch.setattr(expiry, "COMMITS_TO_LIVE", 1)
    first, second = place.open(), place.open()
    for number in range(12):
        for destination in (first, second):
            body = f"{number}-{id(destination)}"
            destination.store(
                Batch(body.replace("-", "x").rjust(32, "0"), {"logs": bodies_at(0, body)}),
                commit_follows=True,
            )
            commit_in_the_end(destination)
    assert requests.count("POST", "*/tables/logs") >= 24
    assert any(r.status == 409 for r in requests.requests)
    assert len(place.bodies()) == 24
    assert {r.method for r in files.requests} <= {"GET", "PUT", "HEAD"}
    assert files.count("GET", f"/{FILES}") == 0


def commit_in_the_end(destination: object) -> None:
    """Commit, and try again if another writer was faster."""
    try:
        destination.commit(soon())  # type: ignore[attr-defined]
    except DestinationError:
        destination.commit(soon())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("environ", "url", "said"),
    [
        ({"AWS_ACCESS_KEY_ID": "stranger"}, ARN, "credentials are those of the function's role"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, ARN, "credentials are those of the function's role"),
        ({}, f"{ARN}-no", "no such table bucket; the warehouse, or the catalog's address"),
    ],
)
def test_a_wrong_configuration_is_said(
    place: Place, environ: dict[str, str], url: str, said: str
) -> None:
    """The message is one line, and the caller keeps the batch."""
    wrong = replace(place, url=url, environ={**place.environ, **environ})
    with pytest.raises(DestinationError, match=said):
        flush(wrong, "a")


def test_a_clock_that_is_wrong_is_corrected(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's date shows the difference."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 3_600)
    destination = place.open()
    destination.store(Batch("a".rjust(32, "0"), {"logs": bodies_at(0, "a")}), commit_follows=True)
    destination.commit(soon())
    monkeypatch.undo()
    assert place.bodies() == ["a"]
