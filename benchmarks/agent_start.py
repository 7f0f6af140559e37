"""Measures the time from spawn until the agent serves, in CPU envelopes, and its idle memory.

    python benchmarks/agent_start.py [--runs 5] [--layer FOLDER ...] [--preload lazy init]

A delivery is sent as soon as the port is known; its answer shows that the agent runs. Idle memory
is measured two seconds later, anonymous and file-backed separately. FOLDER is an unpacked layer,
mounted on /opt in a namespace (as root); without one, the checkout is measured. Several layers take
turns.
"""

from __future__ import annotations

import argparse
import http.client
import http.server
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from otlp2parquet_ext.tools.local import cgroups

ROOT = Path(__file__).parents[1]
CHECKOUT = (sys.executable, str(ROOT / "extension" / "otlp2parquet"))
ENVELOPES = (1.0, 0.29, 0.07)
IDLE_S = 2.0
DEADLINE_S = 60.0


class Lambda(http.server.ThreadingHTTPServer):
    """The parts of the Extensions and Telemetry APIs that an idle extension uses."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.subscribed: threading.Event = threading.Event()
        self.destination = ""
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    """Accepts all requests, and never sends an event."""

    server: Lambda

    def do_GET(self) -> None:
        """Keep `next` waiting."""
        time.sleep(DEADLINE_S)

    def do_POST(self) -> None:
        """Register."""
        self._answer()

    def do_PUT(self) -> None:
        """Subscribe."""
        body = json.loads(self._answer())
        self.server.destination = body["destination"]["URI"]
        self.server.subscribed.set()

    def _answer(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Lambda-Extension-Identifier", "1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
        return body

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Log nothing."""


def command(layer: str) -> list[str]:
    """Return the command that runs the extension of an unpacked layer or of the checkout."""
    if not layer:
        return list(CHECKOUT)
    mount = f"mount --bind {layer} /opt && exec /opt/extensions/otlp2parquet"
    return ["unshare", "--mount", "sh", "-c", mount]


def memory_kb(pid: int) -> tuple[int, int]:
    """Return the resident memory of a process, in total and its anonymous part."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if rest.strip().endswith("kB"):
            found[name] = int(rest.split()[0])
    return found["Rss"], found["Anonymous"]


def cpu_ms(pid: int) -> float:
    """Return the CPU time of all threads of a process so far, ended ones included."""
    return time.clock_gettime((~pid << 3) | 2) * 1_000  # as clock_getcpuclockid(3) computes it


def post(destination: str) -> None:
    """Send an empty delivery and wait for its answer."""
    _, _, rest = destination.partition("//")
    host, _, path = rest.partition("/")
    client = http.client.HTTPConnection(
        "127.0.0.1", int(host.rpartition(":")[2]), timeout=DEADLINE_S
    )
    client.request("POST", "/" + path, b"[]")
    assert client.getresponse().status == 200


def one(layer: str, vcpus: float, preload: str = "lazy") -> dict[str, Any]:
    """Start the extension once in an envelope."""
    group = cgroups.make_group("cpu", f"otlp2parquet-bench-{os.getpid()}")
    door = None
    if group is not None:
        group.limit_cpu(vcpus)
        door = group.door()
    api = Lambda()
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
            "OTLP2PARQUET_DESTINATION": f"file://{folder}/lake",
            "OTLP2PARQUET_SPOOL_DIR": folder,
            "OTLP2PARQUET_PRELOAD": preload,
            "TIMEOUT_MS": "900000",
        }
        if layer:
            del environ["PATH"]
        started = time.monotonic()
        process = subprocess.Popen(
            command(layer),
            env=environ | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stderr=subprocess.DEVNULL,
            preexec_fn=None if door is None else partial(os.write, door, b"0"),  # noqa: PLW1509 - as local's
        )
        assert api.subscribed.wait(DEADLINE_S)
        post(api.destination)
        took_ms, used_ms = (time.monotonic() - started) * 1_000, cpu_ms(process.pid)
        time.sleep(IDLE_S if preload == "lazy" else 3 * IDLE_S)
        rss, anonymous = memory_kb(process.pid)
        idle_cpu = cpu_ms(process.pid)
        process.kill()
        process.wait()
    api.shutdown()
    api.server_close()
    if group is not None:
        os.close(door or 0)
        group.remove()
    return {
        "layer": layer or "checkout",
        "preload": preload,
        "vcpus": vcpus if group is not None else None,
        "agent_ms": took_ms,
        "agent_cpu_ms": used_ms,
        "idle_cpu_ms": idle_cpu,
        "idle_rss_mb": rss / 1_024,
        "idle_anonymous_mb": anonymous / 1_024,
    }


def results(
    layers: list[str], runs: int = 5, preloads: tuple[str, ...] = ("lazy",)
) -> list[dict[str, Any]]:
    """Return medians for each layer and envelope; layers take turns within an envelope."""
    rows = []
    for vcpus in ENVELOPES:
        made: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for _ in range(runs):
            for layer in layers:
                for preload in preloads:
                    made.setdefault((layer, preload), []).append(one(layer, vcpus, preload))
        rows += [
            {
                key: round(statistics.median(run[key] for run in several), 1)
                if isinstance(value, float)
                else value
                for key, value in several[0].items()
            }
            for several in made.values()
        ]
    return rows


def main() -> None:
    """Print a line for each layer and envelope."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--layer", nargs="*", default=[""])
    parser.add_argument("--preload", nargs="*", default=["lazy"])
    options = parser.parse_args()
    for row in results(options.layer, options.runs, tuple(options.preload)):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
