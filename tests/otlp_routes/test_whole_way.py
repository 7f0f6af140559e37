"""Generated OTLP requests, all the way: HTTP, spool, Iceberg, and read back by DuckDB.

Each is posted in the next of the twelve ways a request may come; all rows are compared at the end.
"""

from __future__ import annotations

import asyncio
import gzip
import http.client
import itertools
import json
import socket
import threading
import zlib
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from expected_rows import Row, comparable, expected, without_json_bodies
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from requests_strategies import as_json, requests
from test_encodings import bare_deflate, zstd

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.extension.context import context_note
from otlp2parquet_ext.extension.otlp_side import KINDS
from otlp2parquet_ext.extension.receive.otlp_receiver import OtlpReceiver
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.lake.destinations.few_days import ATTRIBUTE
from otlp2parquet_ext.records.mapping.resource import resource
from otlp2parquet_ext.records.otlp.requests import Signal
from otlp2parquet_ext.records.telemetry.values import EnvironmentContext
from otlp2parquet_ext.spool import Appended, Spool
from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otlp2parquet_ext.records.otlp.requests import Accepted

FLUSH_EVERY = 50
RECEIVED_US = 1_773_482_400_000_000
CONTEXT = EnvironmentContext(instance_id="i-1", function_name="orders", region="eu-west-1")
COMPRESSED = {
    "": lambda body: body,
    "identity": lambda body: body,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    " DEFLATE": bare_deflate,
    "zstd": zstd,
}
WAYS = list(itertools.product((False, True), COMPRESSED))


class WholeWay:
    """The real parts, from the endpoint to the lake."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite://{folder}/catalog.db?warehouse={folder}/warehouse"
        self._spool = Spool(folder / "spool", 1 << 28, 0)
        self._spool.set_preamble([context_note(CONTEXT)])
        self._side = FlushPipeline(load({"OTLP2PARQUET_DESTINATION": self.url})[0], {})
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._receiver = OtlpReceiver(self._accept, 1 << 22)
        self.port = self._listener.getsockname()[1]
        self.is_new = False
        self.wanted: dict[str, list[Row]] = {}

    def _accept(self, signal: Signal, accepted: Accepted) -> str | None:
        result = self._spool.append(accepted.payload, RECEIVED_US, accepted.records, KINDS[signal])
        assert isinstance(result, Appended)
        self.is_new = not result.duplicate
        return None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Serve on a thread of its own."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        asyncio.run_coroutine_threadsafe(self._receiver.start(self._listener), loop).result()
        yield
        loop.call_soon_threadsafe(self._receiver.stop)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def post(self, signal: Signal, body: bytes, content_type: str, encoding: str) -> bytes:
        """Post a request that is taken; return the answer."""
        headers = {"Content-Type": content_type}
        if encoding:
            headers["Content-Encoding"] = encoding
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("POST", f"/v1/{signal}", body, headers)
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        assert answer.status == 200, said
        return said

    def send(self, signal: Signal, request: Any, *, as_text: bool, encoding: str) -> None:
        """Post a request in one of its ways, and note the rows it must give."""
        self.is_new = False
        if as_text:
            body = json.dumps(as_json(request, names=encoding == "gzip")).encode()
        else:
            body = request.SerializeToString()
        content_type = "application/json" if as_text else "application/x-protobuf"
        said = self.post(signal, COMPRESSED[encoding](body), content_type, encoding)
        assert said == (b"{}" if as_text else b"")  # nothing of it was refused
        if not self.is_new:
            return  # the same bytes again are a repetition
        for name, rows in expected(signal, request, RECEIVED_US, resource(CONTEXT)).items():
            self.wanted.setdefault(name, []).extend(rows)

    def flush(self) -> None:
        """Store and commit what came."""
        segment = self._spool.seal()
        if segment is not None:
            self._side.store(segment, commit_follows=True)
            assert self._side.commit(2**60) > 0
            self._spool.discard(segment)

    def found(self) -> dict[str, list[Row]]:
        """Read the lake back."""
        connection = query.connect(self.url)
        return {
            name: comparable(connection.table(name).to_arrow_table().to_pylist())
            for name in self.wanted
        }


def own_times(found: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Give rows of a batch of too many days their own times back, which are an attribute."""
    for name, rows in found.items():
        column = {"logs": "LogAttributes", "traces": "SpanAttributes"}.get(name, "Attributes")
        for row in rows:
            text = row[column].pop(ATTRIBUTE, None)
            if text is not None:
                assert row["Timestamp"] == RECEIVED_US
                moment = datetime.fromisoformat(text) - datetime.fromtimestamp(0, UTC)
                row["Timestamp"] = moment // timedelta(microseconds=1)
                if "TimestampTime" in row:
                    row["TimestampTime"] = row["Timestamp"] // 1_000_000 * 1_000_000
    return found


def in_order(rows: list[Row]) -> list[str]:
    """Give rows as text, sorted: a table has no order."""
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


@pytest.mark.hypothesis
def test_every_field_of_any_request_is_read_back_by_another_engine(tmp_path: Path) -> None:
    """The promise of the whole: nothing an SDK may send is changed, lost or doubled on the way."""
    way = WholeWay(tmp_path)
    count = itertools.count(1)
    ways = {signal: itertools.cycle(WAYS) for signal in Signal}

    @examples(
        1.5,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.data())
    def send_one(data: st.DataObject) -> None:
        signal = data.draw(st.sampled_from(Signal))
        request = data.draw(requests(signal))
        as_text, encoding = next(ways[signal])
        way.send(signal, request, as_text=as_text, encoding=encoding)
        if next(count) % FLUSH_EVERY == 0:
            way.flush()

    with way.listening():
        send_one()
    way.flush()
    found, wanted = without_json_bodies(own_times(way.found())), without_json_bodies(way.wanted)
    for name, rows in wanted.items():
        assert in_order(found[name]) == in_order(rows), name
