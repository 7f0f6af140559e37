"""Modules that the flush side may not import, because each costs billed time."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.derived import derive
from otlp2parquet_ext.records.mapping.open_activities import OpenActivities
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.telemetry.values import EnvironmentContext, Delivery
body = b'[{"type":"function","record":"m"},{"type":"function","record":{"a":NaN}},{]'
log_table([Delivery(body, 1)], EnvironmentContext(instance_id="i"), Invocations())
report = b'[{"type":"platform.report","record":{"requestId":"r","metrics":{"maxMemoryUsedMB":1}}}]'
context = EnvironmentContext(instance_id="i", managed=True)
made, _ = derive([Delivery(report, 1)], context, Invocations(), OpenActivities(), {"metrics"})
assert made
print(*sorted(sys.modules))
"""


def test_mapping_a_batch_imports_no_more_of_pyarrow_than_its_core() -> None:
    """`pyarrow.compute` doubles the cost of pyarrow; a single `cast` pulls it in."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True
    )
    heavy = {"pyarrow.compute", "pyarrow.parquet", "pyarrow.dataset", "pandas", "pyiceberg"}
    assert not heavy & set(done.stdout.split())
