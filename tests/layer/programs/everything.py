"""Everything the extension does with its libraries, once each; prints `done`."""

import asyncio
import sqlite3
import ssl
import tempfile
from pathlib import Path

import aiohttp
import msgspec
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import requests
from aiohttp import web

from otlp2parquet_ext.destinations import Batch
from otlp2parquet_ext.destinations.choose import choose
from otlp2parquet_ext.destinations.refit import fitted
from otlp2parquet_ext.mapping.invocations import Invocations
from otlp2parquet_ext.mapping.resource import Resource
from otlp2parquet_ext.otlp.requests import OtlpError, Signal, read_request
from otlp2parquet_ext.otlp.tables import otlp_tables
from otlp2parquet_ext.settings import load
from otlp2parquet_ext.tables.logs import COLUMNS, LOGS

FOLDER = Path(tempfile.mkdtemp())
ROWS = pa.table(
    {
        "n": pa.array([1, 2, 3], pa.int64()),
        "time": pa.array([1, 2, 3], pa.timestamp("us", tz="UTC")),
        "body": pa.array(["x", None, "z"]),
    }
)


def parquet() -> None:
    """Write with each codec we offer, read back."""
    for codec in ("zstd", "snappy", "gzip", "none"):
        pq.write_table(ROWS, FOLDER / "rows.parquet", compression=codec, write_page_index=True)
        assert pq.ParquetFile(FOLDER / "rows.parquet").read().equals(ROWS)
    assert pyarrow.ipc.new_stream is not None


def lake() -> None:
    """Store and commit rows of the logs table, as the extension does; read a file as `refit`."""
    values = {"timestamptz": 0, "string": "x", "int": 0}
    row = {column.name: values[column.type] for column in COLUMNS}
    rows = pa.Table.from_pylist([row] * 3, schema=LOGS)
    for url, files in ((f"sqlite://{FOLDER}/catalog.db", 1), (f"file://{FOLDER}/plain", 0)):
        destination = choose(load({"OTLP2PARQUET_DESTINATION": url})[0], {})
        destination.store(Batch("a" * 32, {"logs": rows}))
        assert destination.commit(2**50) == files
        destination.close()
    for stored in FOLDER.rglob("a*.parquet"):
        assert fitted(pq.ParquetFile(stored).read(), COLUMNS).equals(rows)


def small_things() -> None:
    """Decode JSON, query SQLite, make a TLS context, see that requests is whole."""
    assert msgspec.json.decode(b'{"a":1}') == {"a": 1}
    assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)
    assert len(ssl.create_default_context().get_ca_certs()) > 50
    assert requests.Session().verify is True


def otlp() -> None:
    """Read requests of each signal in both encodings, one of them bad; map what is accepted."""
    known = (Resource("s", None, "i", "{}"), Invocations())
    record = b'{"severityNumber":"SEVERITY_NUMBER_INFO"}'
    log = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + record + b"]}]}]}"
    accepted = read_request(Signal.LOGS, log, json=True)
    assert read_request(Signal.LOGS, accepted.payload, json=False) == accepted
    assert otlp_tables(Signal.LOGS, [(accepted.payload, 1)], *known)["logs"].num_rows == 1
    for signal in Signal:
        assert read_request(signal, b"", json=False).records == 0
        try:
            read_request(signal, b"\x08\x01", json=False)
        except OtlpError as error:
            assert "has wire type 0" in str(error)
    bad = b"\x0a\x06\x12\x04\x12\x02\x28\x01"
    assert read_request(Signal.LOGS, bad, json=False).rejected == 1


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
    lake()
    small_things()
    otlp()
    asyncio.run(http())
    print("done")


if __name__ == "__main__":
    main()
