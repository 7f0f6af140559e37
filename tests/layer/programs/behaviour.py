"""The effects of trimming and shims: one function for each, called by name; prints `done`."""

import datetime as dt
import os
import sys
from io import BytesIO
from pathlib import Path


def times() -> None:
    """Timestamps in UTC become Python values without any time zone file in the image."""
    import pyarrow as pa

    column = pa.array([0], pa.timestamp("us", tz="UTC"))
    assert column.to_pylist() == [dt.datetime(1970, 1, 1, tzinfo=dt.UTC)]
    assert not Path("/usr/share/zoneinfo").exists()


def zstd() -> None:
    """PyIceberg's codec of Avro and its reader of Puffin find what they call."""
    import zstandard
    from pyiceberg.avro.codecs.zstandard_codec import ZStandardCodec

    small, _ = ZStandardCodec.compress(b"a" * 100_000)
    assert len(small) < 100
    assert ZStandardCodec.decompress(small) == b"a" * 100_000
    assert zstandard.ZstdDecompressor().decompress(small) == b"a" * 100_000


def charset() -> None:
    """A response without a charset is read as UTF-8."""
    import requests

    response = requests.Response()
    response.raw = BytesIO("Füße".encode())
    assert response.text == "Füße"


def commit_through(**properties: str) -> str:
    """Return the error with which a commit to `catalog://lake` ends."""
    import time

    from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_catalog import catalog_table
    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile
    from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

    environ = {f"PYICEBERG_CATALOG__LAKE__{k.upper()}": v for k, v in properties.items()}
    table = catalog_table("lake", "otel", "logs", environ | {"AWS_REGION": "eu-west-1"})
    file = DataFile("a", "/tmp/a.parquet", 0, 1, 1)
    try:
        table.commit([file], time.time_ns() // 1_000_000 + 20_000)
    except CommitError as error:
        return str(error)
    raise AssertionError("nobody is there to accept this")


def catalogs() -> None:
    """Call REST, Glue and DynamoDB at their addresses, where no server listens."""
    url = "http://127.0.0.1:1"
    os.environ.update(dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "x"))
    os.environ["AWS_ENDPOINT_URL"] = url
    refused = "127.0.0.1", "onnect"
    for found in (
        commit_through(uri=url),
        commit_through(uri=url, rest__sigv4_enabled="true"),
        commit_through(type="glue", warehouse="/tmp"),
        commit_through(type="dynamodb", warehouse="/tmp"),
    ):
        assert all(word in found for word in refused), found
        assert "nstall" not in found, found


def left_out() -> None:
    """A catalog in a database or in Hive's metastore raises an error with the missing part."""
    found = commit_through(uri="postgresql://lake@127.0.0.1/lake")
    assert "SQLAlchemy support not installed" in found, found
    assert "No module named 'sqlalchemy'" in found, found
    found = commit_through(uri="thrift://127.0.0.1:1")
    assert "Apache Hive support not installed" in found, found


def stores() -> None:
    """A store that only PyIceberg reaches, by libraries that are not here, is named."""
    import logging

    from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_files import Files
    from otlp2parquet_ext.lake.storage.storage import StorageError

    logging.disable()  # PyIceberg says each thing it tries
    files = Files({})
    for address, properties in (("gs://bucket/x", {}), ("s3://bucket/x", {"s3.role-arn": "x"})):
        files.properties = properties
        try:
            files.get(address)
        except StorageError as error:
            assert address in str(error)
            assert "PyIceberg" in str(error)
        else:
            raise AssertionError("it was read")


def variables() -> None:
    """PyIceberg's settings come from variables; a file raises an error with the alternative."""
    from pyiceberg.utils.config import Config

    assert Config().get_catalog_config("lake") == {"uri": "sqlite:////tmp/c.db"}
    Path("/tmp/.pyiceberg.yaml").write_text("catalog:\n")
    os.environ["PYICEBERG_HOME"] = "/tmp"
    try:
        Config()
    except NotImplementedError as error:
        assert "PYICEBERG_CATALOG__" in str(error)
    else:
        raise AssertionError("a .pyiceberg.yaml was read")


def certificates() -> None:
    """OpenSSL, requests, botocore and our own client look at one bundle, which is the layer's."""
    import ssl

    import certifi

    bundle = "/opt/otlp2parquet/etc/cert.pem"
    assert ssl.get_default_verify_paths().cafile == bundle
    assert certifi.where() == bundle
    assert len(ssl.create_default_context(cafile=certifi.where()).get_ca_certs()) > 50


def symbols() -> None:
    """Every library that is left loads with all of its symbols bound (LD_BIND_NOW is set)."""
    import ctypes

    import pyarrow as pa

    assert pa.table is not None  # pyarrow's libraries find each other once it is loaded
    folder = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    libraries = [*folder.rglob("*.so"), *folder.rglob("*.so.*")]
    assert len(libraries) > 10
    for library in libraries:
        ctypes.CDLL(str(library))


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    print("done")
