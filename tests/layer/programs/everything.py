"""Everything the extension does with its libraries, once each; prints `done`."""

import asyncio
import socket
import sqlite3
import ssl
import tempfile
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import requests

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.extension.receive.otlp_receiver import OtlpReceiver
from otlp2parquet_ext.lake.checking.run import Wish, verdicts
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.lake.destinations.refit import fitted
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.resource import Resource
from otlp2parquet_ext.records.otlp.requests import Accepted, OtlpError, Signal, read_request
from otlp2parquet_ext.records.otlp.tables import otlp_tables
from otlp2parquet_ext.records.tables.columns import Column
from otlp2parquet_ext.records.tables.registry import TABLES, arrow

VALUES = {"timestamptz": 0, "string": "x", "int": 0, "long": 0, "double": 0.5, "boolean": True}
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


def check() -> None:
    """Try destinations step by step, as with OTLP2PARQUET_CHECK=1."""
    for url in (f"sqlite://{FOLDER}/checked.db?warehouse={FOLDER}/checked", f"file://{FOLDER}/c"):
        found = verdicts({"OTLP2PARQUET_DESTINATION": url}, Wish(create=True))
        assert {verdict.state for verdict in found} == {"ok"}, url


def lake() -> None:
    """Store and commit rows of every table, as the extension does; read files as `refit`."""
    tables = {
        name: pa.Table.from_pylist([{c.name: value(c) for c in columns}] * 3, schema=arrow(name))
        for name, columns in TABLES.items()
    }
    for url, files in ((f"sqlite://{FOLDER}/catalog.db", 7), (f"file://{FOLDER}/plain", 0)):
        destination = choose(load({"OTLP2PARQUET_DESTINATION": url})[0], {})
        destination.store(Batch("a" * 32, tables))
        assert destination.commit(2**50) == files
        destination.close()
    for name, columns in TABLES.items():
        (stored,) = (FOLDER / "warehouse/otel" / name).rglob("a*.parquet")
        assert fitted(pq.ParquetFile(stored).read(), columns).equals(tables[name])


def value(column: Column) -> object:
    """Make a value, or a list of two."""
    if column.element_type:
        return [VALUES[column.element_type]] * 2
    return VALUES[column.type]


def small_things() -> None:
    """Decode JSON, query SQLite, make a TLS context, see that requests is whole."""
    assert msgspec.json.decode(b'{"a":1}') == {"a": 1}
    assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)
    assert len(ssl.create_default_context().get_ca_certs()) > 50
    assert requests.Session().verify is True


def otlp() -> None:
    """Read requests of each signal in both encodings, one of them bad; map the accepted ones."""
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


async def http() -> None:
    """Serve an OTLP request, and ask."""
    loop, taken = asyncio.get_running_loop(), []

    def accept(signal: Signal, accepted: Accepted) -> None:
        taken.append((signal, accepted.records))

    listener = socket.create_server(("127.0.0.1", 0))
    receiver = OtlpReceiver(accept, 1_000_000)
    await receiver.start(listener)
    body = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}'
    head = "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with socket.create_connection(listener.getsockname()) as client:
        client.setblocking(False)  # noqa: FBT003 - the socket's own signature
        for _ in range(2):
            request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
            await loop.sock_sendall(client, request)
            assert (await loop.sock_recv(client, 4_096)).startswith(b"HTTP/1.1 200 OK\r\n")
    receiver.stop()
    assert taken == [(Signal.LOGS, 1)] * 2


def main() -> None:
    """Do it all."""
    parquet()
    lake()
    check()
    small_things()
    otlp()
    asyncio.run(http())
    print("done")


if __name__ == "__main__":
    main()
