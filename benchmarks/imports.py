"""Measures the import of each library after the first `next`: CPU, memory, modules.

    python benchmarks/imports.py [--runs 5] [--layer FOLDER]

Each row is a separate interpreter, started as by the launcher, that has loaded the libraries of
BEFORE. The row shows the additional cost, as medians. FOLDER is an unpacked layer, mounted on /opt
in a namespace (as root); without it, the checkout's interpreter is measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

START = """
import os, resource, sys, time
for path in os.environ.get("BENCHMARK_PATH", "").split(os.pathsep):
    if path: sys.path.append(path)
try: import lazily
except ImportError: pass
else: lazily.enable()
from otlp2parquet_ext.extension import bootstrap, import_phase
bootstrap.start, import_phase.run_when_imported
def memory():
    found = {}
    for line in open("/proc/self/smaps_rollup"):
        name, _, rest = line.partition(":")
        if rest.strip().endswith("kB"): found[name] = int(rest.split()[0]) / 1024
    return found["Rss"], found["Anonymous"]
"""
MEASURE = """
rss, anonymous = memory(); modules = len(sys.modules); began = time.process_time()
exec(%r, {"__name__": "measured", "sys": sys, "early": early})
cpu = (time.process_time() - began) * 1000; after = memory()
print(cpu, after[0] - rss, after[1] - anonymous, len(sys.modules) - modules, *after)
"""

AGENT = """
import os
runs = []; early._import_agent(runs, os.pipe()[1]); assert callable(runs[0]), runs
"""
STORE = """
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.common.settings.settings import load
FlushPipeline(load({"OTLP2PARQUET_DESTINATION": "file:///tmp/nowhere"})[0], {}).rehearse()
"""

FUTURES = """
import threading, socket, selectors, contextlib, concurrent.futures as futures
threading.Lock, socket.socket, selectors.DefaultSelector, futures.ThreadPoolExecutor
"""
WITHOUT = "sys.modules[{0!r}] = None\nimport {1} as it\ndir(it)\ndel sys.modules[{0!r}]"

BEFORE: dict[str, tuple[str, str]] = {
    "nothing": ("", "pass"),
    "threading, socket, selectors, futures": ("", FUTURES),
    "asyncio": ("", "import asyncio; asyncio.run"),
    "asyncio without ssl": ("", WITHOUT.format("ssl", "asyncio")),
    "asyncio without ssl, on top of futures": (FUTURES, WITHOUT.format("ssl", "asyncio")),
    "msgspec, on top of asyncio": (
        "import asyncio; asyncio.run",
        "import msgspec; msgspec.json",
    ),
    "msgspec without typing_extensions": (
        "import asyncio; asyncio.run",
        WITHOUT.format("typing_extensions", "msgspec"),
    ),
    "aiohttp, on top of asyncio": (
        "import asyncio; asyncio.run",
        "from aiohttp import web; web.Server, web.Response",
    ),
    "hashlib, on top of the agent": (AGENT, "import hashlib; hashlib.sha256"),
    "ssl, on top of the agent": (AGENT, "import ssl; ssl.SSLContext"),
    "the agent, all of it": ("", AGENT),
    "pyarrow, on top of the agent": (AGENT, "import pyarrow; pyarrow.array"),
    "a batch made and thrown away, likewise": (AGENT, STORE),
}
"""Rows by name: the code that runs before, and the measured code."""


def command(layer: str) -> tuple[list[str], dict[str, str]]:
    """Return the command that runs Python code as the launcher does, and its environment."""
    if layer:
        mount = f'mount --bind {layer} /opt && exec /opt/otlp2parquet/start -c "$0"'
        return ["unshare", "--mount", "sh", "-c", mount], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    paths = f"{ROOT}:{sysconfig.get_paths()['purelib']}"
    environ = {"BENCHMARK_PATH": paths, "MALLOC_ARENA_MAX": "1"}
    return [sys.executable, "-I", "-S", "-c"], environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"}


def one(name: str, layer: str = "") -> dict[str, Any]:
    """Measure one row once."""
    before, code = BEFORE[name]
    argv, environ = command(layer)
    source = START + f"exec({before!r}, {{'__name__': 'before', 'sys': sys, 'early': early}})"
    done = subprocess.run(
        [*argv, source + MEASURE % code], env=environ, capture_output=True, text=True, check=True
    )
    cpu_ms, rss, anonymous, modules, *after = map(float, done.stdout.split())
    return {
        "name": name,
        "cpu_ms": cpu_ms,
        "rss_mb": rss,
        "anonymous_mb": anonymous,
        "modules": modules,
        "rss_after_mb": after[0],
        "anonymous_after_mb": after[1],
    }


def results(layer: str = "", runs: int = 5) -> list[dict[str, Any]]:
    """Return a row of medians for each library, as plain values; the rows take turns."""
    made: dict[str, list[dict[str, Any]]] = {name: [] for name in BEFORE}
    for _ in range(runs):
        for name, rows in made.items():
            rows.append(one(name, layer))
    return [
        {"name": name}
        | {
            key: round(statistics.median(row[key] for row in rows), 1)
            for key in rows[0]
            if key != "name"
        }
        for name, rows in made.items()
    ]


def main() -> None:
    """Print a line for each library."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--layer", default="")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for row in results(options.layer, options.runs):
        if options.json:
            print(json.dumps(row))
            continue
        print(
            f"{row['name']:42} {row['cpu_ms']:7.1f} ms  {row['rss_mb']:5.1f} MB, "
            f"{row['anonymous_mb']:5.1f} anonymous, {row['modules']:4.0f} modules; then "
            f"{row['rss_after_mb']:5.1f} / {row['anonymous_after_mb']:5.1f}"
        )


if __name__ == "__main__":
    main()
