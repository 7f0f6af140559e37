"""The real OpenTelemetry collector: OTLP in, a file out; `make test-tools TOOLS=otelcol`."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from built_tools import needed
from server_process import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_S = 20
CONFIG = """
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:{port}
exporters:
  file:
    path: {file}
    flush_interval: 50ms
service:
  pipelines:
    logs: {{receivers: [otlp], exporters: [file]}}
    traces: {{receivers: [otlp], exporters: [file]}}
    metrics: {{receivers: [otlp], exporters: [file]}}
"""


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Start the collector; yields its base endpoint; `taken` has what it took."""
    program = needed("otelcol")
    config = folder / "config.yaml"

    def command(port: int) -> list[str]:
        config.write_text(CONFIG.format(port=port, file=folder / "taken.json"))
        return [str(program), "--config", f"file:{config}"]

    with serving(command, folder / "otelcol.log") as port:
        yield f"http://127.0.0.1:{port}"


def taken(folder: Path, last: str) -> list[dict[str, Any]]:
    """Return what the collector wrote, requests as OTLP/JSON, once `last` is in it."""
    deadline = time.monotonic() + WAIT_S
    text = ""
    while last not in text or not text.endswith("\n"):
        assert time.monotonic() < deadline, f"{last!r} is not in {text[-500:]!r}"
        time.sleep(0.05)
        text = (folder / "taken.json").read_text()
    return [json.loads(line) for line in text.splitlines()]
