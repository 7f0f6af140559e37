"""Everything the extension does with its libraries, once each; prints `done`."""

import asyncio
import sqlite3
import ssl
import tempfile
from pathlib import Path

import aiohttp
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset
import pyarrow.fs
import pyarrow.ipc
import pyarrow.json
import pyarrow.parquet as pq
import pyiceberg.catalog.rest  # noqa: F401
import requests
from aiohttp import web
from pyiceberg.catalog import load_catalog
from pyiceberg.types import LongType

FOLDER = Path(tempfile.mkdtemp())
ROWS = pa.table(
    {
        "n": pa.array([1, 2, 3], pa.int64()),
        "time": pa.array([1, 2, 3], pa.timestamp("us", tz="UTC")),
        "body": pa.array(["x", None, "z"]),
    }
)


def parquet() -> None:
    """Write with each codec we offer, read back, compute."""
    for codec in ("zstd", "snappy", "gzip", "none"):
        pq.write_table(ROWS, FOLDER / "rows.parquet", compression=codec, write_page_index=True)
        assert pq.read_table(FOLDER / "rows.parquet").equals(ROWS)
    assert pyarrow.dataset.dataset(FOLDER / "rows.parquet").count_rows() == 3
    assert pc.sum(ROWS["n"]).as_py() == 6
    assert pyarrow.json.ReadOptions is not None
    assert pyarrow.csv.ReadOptions is not None
    assert pyarrow.ipc.new_stream is not None
    pyarrow.fs.S3FileSystem(anonymous=True, region="us-east-1")


def iceberg() -> None:
    """Create, append, evolve, delete and read with PyIceberg on SQLite."""
    catalog = load_catalog(
        "lake", type="sql", uri=f"sqlite:///{FOLDER}/catalog.db", warehouse=f"file://{FOLDER}"
    )
    catalog.create_namespace("otel")
    table = catalog.create_table("otel.logs", schema=ROWS.schema)
    table.append(ROWS)
    table.append(ROWS)
    with table.update_schema() as update:
        update.add_column("added", LongType())
    table.delete("n = 1")
    assert table.scan(row_filter="n > 1").to_arrow().num_rows == 4
    assert len(table.inspect.snapshots()) >= 3


def small_things() -> None:
    """Decode JSON, query SQLite, make a TLS context, see that requests is whole."""
    assert msgspec.json.decode(b'{"a":1}') == {"a": 1}
    assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)
    assert len(ssl.create_default_context().get_ca_certs()) > 50
    assert requests.Session().verify is True


async def answer(request: web.Request) -> web.Response:
    """Say how much came."""
    return web.json_response({"bytes": len(await request.read())})


async def http() -> None:
    """Serve and ask with aiohttp."""
    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{port}/", data=b"x" * 70_000) as response,
    ):
        assert await response.json() == {"bytes": 70_000}
    await runner.cleanup()


def main() -> None:
    """Do it all."""
    parquet()
    iceberg()
    small_things()
    asyncio.run(http())
    print("done")


if __name__ == "__main__":
    main()
