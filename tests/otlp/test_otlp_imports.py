"""Modules that reading OTLP may import, and when, because every import is billed."""

from __future__ import annotations

import subprocess
import sys

IDLE = """
import sys
from otlp2parquet_ext.records.otlp.requests import Accepted, Signal, response, status
response(Signal.LOGS, Accepted(b"", 0, 0, ""), json=False)
status(3, "m", json=False)
print(*sorted(sys.modules))
"""
READ = """
import sys
from otlp2parquet_ext.records.otlp.requests import Signal, read_request
for signal in Signal:
    read_request(signal, b"", json=False)
    read_request(signal, b"{}", json=True)
print(*sorted(sys.modules))
"""
MAP = """
import sys
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.resource import Resource
from otlp2parquet_ext.records.otlp.requests import Signal, read_request
from otlp2parquet_ext.records.otlp.tables import otlp_tables
record = b'{"attributes":[{"key":"a"},{"key":"a"}]}'
body = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + record + b"]}]}]}"
payload = read_request(Signal.LOGS, body, json=True).payload
otlp_tables(Signal.LOGS, [(payload, 1)], Resource("s", None, "i", "{}"), Invocations())
print(*sorted(sys.modules))
"""


def modules_of(script: str) -> set[str]:
    """Run a script that prints the modules it has imported."""
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


def test_before_the_first_request_no_message_class_is_imported() -> None:
    """A listener without clients costs only its socket."""
    assert not {"google.protobuf", "opentelemetry.proto", "pyarrow"} & modules_of(IDLE)


def test_reading_requests_needs_no_pyarrow_and_not_protobufs_own_json() -> None:
    """The hot side answers; columns are the flush side's."""
    imported = modules_of(READ)
    assert "google._upb._message" in imported
    assert not {"pyarrow", "google.protobuf.json_format", "opentelemetry.sdk"} & imported


def test_mapping_requests_imports_no_more_of_pyarrow_than_its_core() -> None:
    """`pyarrow.compute` doubles the cost of pyarrow, and is not in the layer."""
    heavy = {"pyarrow.compute", "pyarrow.parquet", "pyarrow.dataset", "pandas", "pyiceberg"}
    assert not heavy & modules_of(MAP)
