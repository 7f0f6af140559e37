"""A REST catalog with tables in S3 and vended credentials: the fixture, and moto."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import boto3
import counting_proxy
import duckdb
import pytest
import rest_fixture
from lake_bench import Home, bodies_at, soon
from pyiceberg.catalog.rest import RestCatalog as PyIcebergRestCatalog
from rest_bench import asked

from otlp2parquet_ext.lake.http.aws import AwsClient
from otlp2parquet_ext.lake.http.client import Client
from otlp2parquet_ext.lake.iceberg import open_table
from otlp2parquet_ext.lake.iceberg.catalogs import vended
from otlp2parquet_ext.lake.iceberg.catalogs.rest_client import RestTable
from otlp2parquet_ext.lake.storage.s3 import S3Storage
from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from counting_proxy import Proxy
    from pyiceberg.table import Table

    from otlp2parquet_ext.lake.iceberg.catalogs.rest_catalog import RestCatalog
    from otlp2parquet_ext.lake.iceberg.commit.table import CommitTable
    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile

pytestmark = [pytest.mark.xdist_group("jvm"), pytest.mark.thorough]

NAMES = count()
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
BUCKET = "lends-credentials"
EXPIRED = b"<Error><Code>ExpiredToken</Code><Message>too old</Message></Error>"


@pytest.fixture(scope="module")
def s3(moto: str) -> str:
    """Make a bucket."""
    boto3.client("s3", endpoint_url=moto, region_name="us-east-1", **KEYS).create_bucket(
        Bucket=BUCKET
    )
    return moto


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, s3: str) -> Iterator[str]:
    """Start the catalog, its warehouse in S3."""
    options = {
        "CATALOG_WAREHOUSE": f"s3://{BUCKET}/warehouse",
        "CATALOG_IO__IMPL": "org.apache.iceberg.aws.s3.S3FileIO",
        "CATALOG_S3_ENDPOINT": s3,
        "CATALOG_S3_PATH__STYLE__ACCESS": "true",
        "CATALOG_CLIENT_REGION": "us-east-1",
        "CATALOG_S3_ACCESS__KEY__ID": "lent",
        "CATALOG_S3_SECRET__ACCESS__KEY": "secret",
        "CATALOG_INCLUDE__CREDENTIALS": "true",
        "AWS_REGION": "us-east-1",
    }
    with rest_fixture.running(tmp_path_factory.mktemp("rest"), options) as url:
        yield url


@pytest.fixture
def files(s3: str) -> Iterator[Proxy]:
    """Start a proxy before S3."""
    with counting_proxy.running(s3) as found:
        yield found


@pytest.fixture
def catalogs(server: str) -> Iterator[Proxy]:
    """Start a proxy before the catalog."""
    with counting_proxy.running(server) as found:
        yield found


class S3Home:
    """A table that does not exist yet."""

    def __init__(self, folder: Path, catalog_url: str, s3_url: str) -> None:
        self.name = f"logs{next(NAMES)}"
        self._home = Home(folder)
        wanted = RestTable(catalog_url, "", "otel", self.name, vended=True)
        self.catalog: RestCatalog = open_table.bearer_catalog(Client(), wanted)
        aws = AwsClient(
            Client(),
            vended.VendedCredentials(self.catalog.storage_config),
            region="us-east-1",
            service="s3",
        )
        self.storage = S3Storage(aws, "", endpoint=s3_url, path_style=True)
        self.table: CommitTable = open_table.rest_table(self.catalog, self.storage, label=self.name)

    def store(self, body: str) -> list[DataFile]:
        """Store a row in the table's location; return its descriptor."""
        location = self.table.location(soon()).removeprefix("s3://")
        made = self._home.store(bodies_at(0, body), body)
        found = []
        for file in made:
            path = f"{location}/data/{body}.parquet"
            with open(file.path, "rb") as data:  # noqa: PTH123 - a path as text
                self.storage.put(path, data.read())
            found.append(type(file)(**{**fields(file), "path": self.storage.url(path)}))
        return found

    def append(self, body: str) -> None:
        """Store a row and commit it."""
        self.table.commit(self.store(body), soon())


def fields(file: DataFile) -> dict[str, Any]:
    """Return a descriptor's fields."""
    return {name: getattr(file, name) for name in file.__struct_fields__}


@pytest.fixture
def home(tmp_path: Path, catalogs: Proxy, files: Proxy) -> S3Home:
    """Open a table of its own."""
    return S3Home(tmp_path, catalogs.url, files.url)


def pyiceberg_table(home: S3Home, server: str, s3: str) -> Table:
    """Open the table with PyIceberg."""
    keys = {"s3.access-key-id": "testing", "s3.secret-access-key": "testing"}
    catalog = PyIcebergRestCatalog("rest", uri=server, **{"s3.endpoint": s3, **keys})
    found: Table = catalog.load_table(("otel", home.name))
    return found


def bodies(home: S3Home, server: str, s3: str) -> list[str]:
    """Read every body with PyIceberg and DuckDB, which must agree."""
    table = pyiceberg_table(home, server, s3)
    read = sorted(table.scan(selected_fields=("Body",)).to_arrow()["Body"].to_pylist())
    connection = duckdb.connect()
    query._load(connection, "httpfs", "avro", "iceberg")
    connection.execute(
        "CREATE SECRET (TYPE s3, KEY_ID 'testing', SECRET 'testing', REGION 'us-east-1', "
        f"ENDPOINT '{s3.removeprefix('http://')}', URL_STYLE 'path', USE_SSL false)"
    )
    again = connection.execute(
        f"SELECT Body FROM iceberg_scan('{table.metadata_location}')"  # noqa: S608 - ours
    ).fetchall()
    assert read == sorted(row[0] for row in again)
    return read


def test_a_steady_flush_is_three_puts_and_one_post(
    home: S3Home, catalogs: Proxy, files: Proxy, server: str, s3: str
) -> None:
    """They are data file, manifest, manifest list and commit. Nothing is read or listed."""
    home.append("a")
    for body in ("b", "c"):
        catalogs.reset()
        files.reset()
        home.append(body)
        assert asked(files) == ["PUT 200"] * 3
        assert asked(catalogs) == ["POST 200"]
    assert bodies(home, server, s3) == ["a", "b", "c"]


def test_files_are_signed_with_what_the_catalog_lends(home: S3Home) -> None:
    """The function's role needs no permission on the bucket."""
    home.append("a")
    config = home.catalog.storage_config(soon())
    assert vended.vends(config)
    credentials = vended.VendedCredentials(home.catalog.storage_config).current(soon())
    assert credentials == ("lent", "secret", None)


def test_credentials_that_have_ended_are_asked_for_again(
    home: S3Home, catalogs: Proxy, files: Proxy, server: str, s3: str
) -> None:
    """They end in the middle of a flush, and the batch is stored anyway."""
    home.append("a")
    catalogs.reset()
    files.reset()
    files.fault(403, method="PUT", body=EXPIRED)
    home.append("b")
    assert asked(files) == ["PUT 403", "PUT 200", "PUT 200", "PUT 200"]
    assert asked(catalogs) == ["GET 200", "POST 200"]
    assert bodies(home, server, s3) == ["a", "b"]


def test_rows_somebody_deleted_stay_deleted(home: S3Home, server: str, s3: str) -> None:
    """A file is removed and its manifest rewritten; our append copies the list unchanged."""
    home.append("keep")
    home.append("delete me")
    pyiceberg_table(home, server, s3).delete("Body == 'delete me'")
    home.append("new")
    assert bodies(home, server, s3) == ["keep", "new"]
