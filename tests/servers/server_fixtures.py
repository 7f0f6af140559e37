"""Real servers, each started once for all tests of a run that ask for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import counting_proxy
import moto_glue
import places
import postgres
import pytest
import rest_fixture
import seaweedfs
from places import Bucket, Place

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """S3, Glue, SQS, Lambda and DynamoDB: the URL."""
    with moto_glue.running(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A PostgreSQL server: the URL of its database, without a scheme."""
    with postgres.running() as url:
        yield url.removeprefix("postgresql://")


@pytest.fixture(scope="session")
def iceberg_rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Apache Iceberg's own REST catalog: its URL and the folder of its tables."""
    folder = tmp_path_factory.mktemp("rest")
    with rest_fixture.running(folder) as url:
        yield url, str(folder / "warehouse")


@pytest.fixture(scope="session")
def iceberg_rest_on_s3(moto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The same with its tables in a bucket: a place to make others from."""
    bucket = places.new_bucket(moto, places.AWS, "warehouse/")
    options = {
        "CATALOG_WAREHOUSE": f"s3://{bucket.bucket}/warehouse",
        "CATALOG_IO__IMPL": "org.apache.iceberg.aws.s3.S3FileIO",
        "CATALOG_S3_ENDPOINT": moto,
        "CATALOG_S3_PATH__STYLE__ACCESS": "true",
        **places.AWS,
    }
    with rest_fixture.running(tmp_path_factory.mktemp("rest"), options) as url:
        environ = {**places.AWS, "AWS_ENDPOINT_URL_S3": moto}
        yield Place("rest on S3", f"rest+{url}", bucket, environ)


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """SeaweedFS with a table bucket, named by its catalog's address, and another bucket."""
    with seaweedfs.running(tmp_path_factory.mktemp("seaweedfs")) as server:
        s3 = seaweedfs.client("s3", server.s3)
        s3.create_bucket(Bucket="beside")
        seaweedfs.client("s3tables", server.s3).create_table_bucket(name="our-tables")
        environ = {**seaweedfs.CREDENTIALS, "AWS_ENDPOINT_URL_S3": server.s3}
        url = f"rest+{server.catalog}?warehouse={seaweedfs.ARN}our-tables"
        tables, beside = Bucket(s3, "our-tables", ""), Bucket(s3, "beside", "")
        yield Place("s3tables", url, tables, environ, elsewhere=beside)


@pytest.fixture(scope="session")
def s3_tables(seaweed: Place) -> Iterator[Place]:
    """The same table bucket named by its ARN; its catalog is below `/iceberg`, as in AWS."""
    catalog, _, arn = seaweed.url.removeprefix("rest+").partition("?warehouse=")
    with counting_proxy.running(catalog, mount="/iceberg") as proxy:
        yield replace(seaweed, url=f"{arn}?endpoint={proxy.url}")
