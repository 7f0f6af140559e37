"""What trimming and shims leave: one function for each, called by name; prints `done`."""

import datetime as dt
import os
import sys
import tempfile
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


def mismatch() -> None:
    """The error about a field that does not fit names it, and prints nothing."""
    import pyarrow as pa
    from pyiceberg.catalog import load_catalog

    folder = tempfile.mkdtemp()
    catalog = load_catalog("c", type="sql", uri="sqlite:///:memory:", warehouse=f"file://{folder}")
    catalog.create_namespace("n")
    table = catalog.create_table("n.t", schema=pa.schema([("size", pa.int64())]))
    try:
        table.append(pa.table({"size": pa.array(["large"])}))
    except ValueError as error:
        assert "size" in str(error)
    else:
        raise AssertionError("a string went into a column of integers")


def variables() -> None:
    """PyIceberg's settings come from variables; a file says what to do instead."""
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
    """OpenSSL, requests and pyarrow's S3 look at one bundle, which is the layer's."""
    import ssl

    import certifi

    bundle = "/opt/otlp2parquet/etc/cert.pem"
    assert ssl.get_default_verify_paths().cafile == bundle  # what pyarrow's S3 asks, too
    assert certifi.where() == bundle
    assert len(ssl.create_default_context(cafile=certifi.where()).get_ca_certs()) > 50


def symbols() -> None:
    """Every library that is left loads with all of its symbols bound (LD_BIND_NOW is set)."""
    import ctypes

    import pyarrow as pa

    assert pa.table is not None  # pyarrow's libraries find each other once it is loaded
    folder = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    libraries = [*folder.rglob("*.so"), *folder.rglob("*.so.*")]
    assert len(libraries) > 20
    for library in libraries:
        ctypes.CDLL(str(library))


if __name__ == "__main__":
    {f.__name__: f for f in (times, zstd, charset, mismatch, variables, certificates, symbols)}[
        sys.argv[1]
    ]()
    print("done")
