"""S3 Tables in SeaweedFS: the special behaviour of table buckets.

The suite for all destinations runs against the same server, see `test_conformance.py`. AWS's own
behaviour is tested with a stand-in of ours, see `iceberg/test_s3_tables.py`.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import counting_proxy
import places
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import seaweedfs
from counting_proxy import Pattern
from lake_bench import bodies_at
from places import Place, soon
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField

from otlp2parquet_ext.lake.destinations.destination import Batch, DestinationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counting_proxy import Proxy
    from pyiceberg.table import Table

KINDS = {
    "configuration": Pattern("GET", "*/v1/config*"),
    "namespace": Pattern("POST", "*/namespaces"),
    "create": Pattern("POST", "*/tables"),
    "table": Pattern("GET", "*/tables/*"),
    "commit": Pattern("POST", "*/tables/*"),
    "data file": Pattern("PUT", "/our-tables/*.parquet"),
    "descriptor": Pattern("PUT", "/beside/*/inbox/*"),
    "look into the inbox": Pattern("GET", "/beside/"),
    "manifest": Pattern("PUT", "*-m0.avro"),
    "manifest list": Pattern("PUT", "*/snap-*.avro"),
    "old manifest list": Pattern("GET", "*/snap-*.avro"),
}
PUTS = {"data file": 1, "manifest": 1, "manifest list": 1}


@pytest.fixture
def place(s3_tables: Place) -> Place:
    """A table that does not exist yet, by its bucket's ARN."""
    return places.s3_tables(s3_tables)


@contextmanager
def watched(place: Place) -> Iterator[tuple[Place, list[Proxy]]]:
    """Stand before the catalog and before S3."""
    arn, _, catalog = place.url.partition("?endpoint=")
    with (
        counting_proxy.running(catalog) as rest,
        counting_proxy.running(place.environ["AWS_ENDPOINT_URL_S3"]) as s3,
    ):
        environ = {**place.environ, "AWS_ENDPOINT_URL_S3": s3.url}
        yield replace(place, url=f"{arn}?endpoint={rest.url}", environ=environ), [rest, s3]


def tally(proxies: list[Proxy]) -> Counter[str]:
    """Return the requests since the last call."""
    found: Counter[str] = Counter()
    for proxy in proxies:
        found += proxy.tally(KINDS)
        proxy.reset()
    return found


def flushes(place: Place, proxies: list[Proxy], *bodies: str) -> list[Counter[str]]:
    """Store and commit a batch for each body, by one process; return the requests of each."""
    destination, found = place.open(), []
    for body in bodies:
        batch = Batch(
            f"{place.environ['OTLP2PARQUET_NAMESPACE']}{body}", {"logs": bodies_at(0, body)}
        )
        destination.store(batch, commit_follows=True)
        destination.commit(soon())
        found.append(tally(proxies))
    return found


def test_a_flush_takes_four_requests_and_a_cold_one_nine(place: Place) -> None:
    """The first flush creates the table; each first commit reads the inbox.

    Another writer has just changed the table, so it is loaded again before the commit.
    """
    with watched(place) as (there, proxies):
        first, *_, steady = flushes(there, proxies, "a", "b", "c")
        cold, _ = flushes(there, proxies, "d", "e")
    commit = {"commit": 1, **PUTS}
    known = {"configuration": 1, "table": 1, "look into the inbox": 1}
    assert first == {**known, "namespace": 1, "create": 1, **commit}
    assert steady == commit
    assert cold == {**known, "table": 2, "old manifest list": 1, **commit}
    assert place.bodies() == ["a", "b", "c", "d", "e"]


def test_who_only_stores_asks_once_where_and_then_takes_two_requests(place: Place) -> None:
    """The catalog gives the location of files, and later commits find them."""
    environ = {**place.environ, "OTLP2PARQUET_COMMIT": "inbox"}
    with watched(replace(place, environ=environ)) as (there, proxies):
        first, steady = flushes(there, proxies, "a", "b")
        cold, again = flushes(there, proxies, "c", "d")
    stored = {"data file": 1, "descriptor": 1}
    assert first == {"configuration": 1, "table": 1, "namespace": 1, "create": 1, **stored}
    assert cold == {"configuration": 1, "table": 1, **stored}
    assert steady == again == stored
    assert len(place.inbox()) == 4
    assert place.bodies() == []
    assert place.open().commit(soon()) == 4
    assert place.bodies() == ["a", "b", "c", "d"]
    assert place.inbox() == []


def test_without_an_inbox_a_batch_is_committed_or_stays_with_its_owner(place: Place) -> None:
    """There is no place for a descriptor: what is stored is safe only once it is committed."""
    environ = dict(place.environ)
    del environ["OTLP2PARQUET_INBOX"]
    with watched(replace(place, environ=environ)) as (there, (rest, _)):
        destination = there.open()
        assert destination.store(Batch("a" * 32, {"logs": bodies_at(0, "a")})).safe is False
        rest.fault(503, method="POST", path="*/tables/*", times=100)
        with pytest.raises(DestinationError, match="503"):
            destination.commit(soon(2_000))
        with pytest.raises(DestinationError, match="set OTLP2PARQUET_INBOX=s3://bucket/prefix"):
            destination.describe()
        rest.reset()
        destination.commit(soon())
    assert place.bodies() == ["a"]


@pytest.mark.parametrize("by", ["s3_tables", "seaweed"])
@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OTLP2PARQUET_NAMESPACE", "Otel", "S3 Tables takes 1 to 255 lower-case letters"),
        ("OTLP2PARQUET_TABLE_LOGS", "my-logs", "S3 Tables takes 1 to 255 lower-case letters"),
        ("OTLP2PARQUET_NAMESPACE", "a.b", "S3 Tables takes 1 to 255 lower-case letters"),
        ("AWS_SECRET_ACCESS_KEY", "wrong", "the function's role"),
        ("AWS_ACCESS_KEY_ID", "nobody", "the function's role"),
    ],
)
def test_a_wrong_configuration_is_said(
    by: str, variable: str, value: str, said: str, request: pytest.FixtureRequest
) -> None:
    """One line, whether the bucket is named by its ARN or as the warehouse of a catalog."""
    place = places.s3_tables(request.getfixturevalue(by))
    wrong = replace(place, environ={**place.environ, variable: value})
    with pytest.raises(DestinationError, match=said):
        wrong.open().store(Batch("a" * 32, {"logs": bodies_at(0, "a")}))


def test_a_table_bucket_that_is_not_there_is_said(place: Place) -> None:
    """A typing error in the ARN."""
    wrong = replace(place, url=place.url.replace("our-tables", "nobodys"))
    with pytest.raises(DestinationError, match="nobodys not found"):
        wrong.open().store(Batch("a" * 32, {"logs": bodies_at(0, "a")}))


def test_old_snapshots_go_and_what_they_added_is_still_known(place: Place) -> None:
    """The catalog applies `remove-snapshots` and `set-properties` in the very commit that adds."""
    few = replace(place, environ={**place.environ, "OTLP2PARQUET_SNAPSHOTS_KEPT": "3"})
    bodies = [f"{number:02}" for number in range(7)]
    flushes(few, [], *bodies)
    assert len(pyiceberg_table(place).metadata.snapshots) == 3
    flushes(few, [], bodies[0])
    assert place.bodies() == bodies


def pyiceberg_catalog(place: Place) -> RestCatalog:
    """Open the catalog with PyIceberg, as AWS's user guide describes."""
    arn, _, endpoint = place.url.partition("?endpoint=")
    return RestCatalog(
        "tables",
        **{
            "uri": f"{endpoint}/iceberg",
            "warehouse": arn,
            "rest.sigv4-enabled": "true",
            "rest.signing-name": "s3tables",
            "rest.signing-region": place.environ["AWS_REGION"],
            "client.access-key-id": place.environ["AWS_ACCESS_KEY_ID"],
            "client.secret-access-key": place.environ["AWS_SECRET_ACCESS_KEY"],
            "s3.region": place.environ["AWS_REGION"],  # or AWS is asked
            "s3.endpoint": place.environ["AWS_ENDPOINT_URL_S3"],
        },
    )


def pyiceberg_table(place: Place) -> Table:
    """Open the table with PyIceberg."""
    name = (place.environ["OTLP2PARQUET_NAMESPACE"], "logs")
    found: Table = pyiceberg_catalog(place).load_table(name)
    return found


def test_we_append_to_what_pyiceberg_has_changed(place: Place) -> None:
    """It comes with a signature of its own, and leaves manifests of its own."""
    flushes(place, [], "a", "gone", "b")
    pyiceberg_table(place).delete("body == 'gone'")
    flushes(place, [], "c")
    assert place.bodies() == ["a", "b", "c"]
    bodies = pyiceberg_table(place).scan().to_arrow()["body"].to_pylist()
    assert sorted(bodies) == ["a", "b", "c"]


def test_files_are_reached_with_what_the_catalog_lends(seaweed: Place) -> None:
    """The role may only call the catalog, and vended credentials are valid for this table only."""
    place = places.s3_tables(seaweed)
    environ = {**place.environ, **seaweedfs.VISITOR}
    del environ["OTLP2PARQUET_INBOX"]  # for which the catalog vends nothing
    own = replace(place, environ=environ)
    with pytest.raises(DestinationError, match=r"s3:PutObject on .* is not allowed"):
        flushes(own, [], "a")
    flushes(replace(own, url=f"{place.url}&vended=true"), [], "a", "b")
    assert place.bodies() == ["a", "b"]


def test_rows_no_column_takes_lie_beside_the_inbox(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    """The table has a column of another type, and a table bucket accepts no other files."""
    catalog, namespace = pyiceberg_catalog(place), place.environ["OTLP2PARQUET_NAMESPACE"]
    catalog.create_namespace(namespace)
    body = NestedField(1, "body", LongType(), required=False)
    catalog.create_table((namespace, "logs"), Schema(body))
    flushes(place, [], "a")
    assert "1 files lie beside it" in capfd.readouterr().err
    (beside,) = place.waiting.names()
    rows = pq.read_table(pa.BufferReader(place.waiting.read(beside)))
    assert (beside.split("/")[0], rows["body"].to_pylist()) == ("beside", ["a"])
    assert place.bodies() == []


def test_the_bucket_takes_nothing_but_what_belongs_to_the_table(place: Place) -> None:
    """So we write nothing else there."""
    flushes(place, [], "a", "b")
    folders = {urlsplit(name).path.split("/")[0] for name in place.objects.names()}
    assert folders == {"data", "metadata"}
    with pytest.raises(Exception, match="AccessDenied"):
        place.objects.write("inbox/x.json", b"{}")
