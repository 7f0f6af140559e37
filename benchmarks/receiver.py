"""Compares the CPU of receivers: ours, the same on aiohttp, and Node with parsing.

    python benchmarks/receiver.py [SECONDS]

Each server is a separate process, and one client sends the same deliveries to each. Only the
server's CPU time counts, so a loaded machine changes little. Ours and the one on aiohttp do all the
work of the agent: read the facts of the body, write it to the spool, seal and discard as if
flushed. Node's does the least work of an extension in JavaScript: JSON.parse, and push to an array.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reference_mix import events as mix

from otlp2parquet_ext.extension.receive.receiver import Receiver
from otlp2parquet_ext.records.telemetry.peek import peek
from otlp2parquet_ext.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (1, 10, 100, 1_000)
SEALED_BYTES = 262_144
PATH = "/t/benchmark"
LIMIT_BYTES = 4_194_304
NODE = """
const http = require('http'); let kept = [];
http.createServer((request, response) => {
  const parts = [];
  request.on('data', part => parts.push(part));
  request.on('end', () => {
    for (const event of JSON.parse(Buffer.concat(parts).toString())) kept.push(event);
    if (kept.length > 10000) kept = [];
    response.end();
  });
}).listen({fd: 3});
"""


def hot_side(folder: Path) -> Callable[[bytes], None]:
    """Return the agent's handler of a body, without the flush."""
    spool = Spool(folder, 1 << 28, 0)

    def deliver(body: bytes) -> None:
        seen = peek(body)
        spool.append(body, time.time_ns() // 1_000, max(1, seen.events))
        if spool.open is not None and spool.open.size_bytes > SEALED_BYTES:
            segment = spool.seal()
            if segment is not None:
                spool.discard(segment)

    return deliver


async def ours(listener: socket.socket, deliver: Callable[[bytes], None]) -> None:
    """Serve with the receiver."""
    receiver = Receiver(deliver, frozenset({PATH}), LIMIT_BYTES, refused=print)
    await receiver.start(listener)
    await asyncio.Event().wait()


async def on_aiohttp(listener: socket.socket, deliver: Callable[[bytes], None]) -> None:
    """Serve in the same way with aiohttp's low-level server."""
    from aiohttp import web  # noqa: PLC0415 - only where it is measured

    async def handle(request: web.BaseRequest) -> web.Response:
        deliver(await request.read())
        response = web.Response()
        response.force_close()
        return response

    server = web.Server(handle, access_log=None)  # type: ignore[arg-type]
    await asyncio.get_running_loop().create_server(server, sock=listener)
    await asyncio.Event().wait()


def serve(name: str, listener: socket.socket, folder: Path) -> None:
    """Run one of the servers until it is killed."""
    if name == "node":
        os.dup2(listener.fileno(), 3)
        os.set_inheritable(3, True)  # noqa: FBT003 - the function's own signature
        os.execvp("node", ["node", "-e", NODE])  # noqa: S606 - whichever is there
    server = {"ours": ours, "aiohttp": on_aiohttp}[name]
    asyncio.run(server(listener, hot_side(folder)))


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def send(port: int, bodies: list[bytes], seconds: float) -> int:
    """Send deliveries one after the other for some time; return how many."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    until_s, sent = time.monotonic() + seconds, 0
    while time.monotonic() < until_s:
        client.request("POST", PATH, bodies[sent % len(bodies)])
        answer = client.getresponse()
        answer.read()
        assert answer.status == 200
        sent += 1
    return sent


def measure(name: str, events: int, seconds: float) -> dict[str, Any]:
    """Return the figures of one server for deliveries of `events` events."""
    bodies = [
        json.dumps(mix(events, seed=number), separators=(",", ":")).encode() for number in range(50)
    ]
    listener = socket.create_server(("127.0.0.1", 0), backlog=1_024)
    folder = Path(tempfile.mkdtemp())
    server = multiprocessing.get_context("fork").Process(
        target=serve, args=(name, listener, folder), daemon=True
    )
    server.start()
    port = listener.getsockname()[1]
    listener.close()
    assert server.pid is not None
    send(port, bodies, seconds / 4)  # warm
    before = cpu_s(server.pid)
    sent = send(port, bodies, seconds)
    used_s = cpu_s(server.pid) - before
    server.kill()
    shutil.rmtree(folder)
    return {
        "server": name,
        "events_per_delivery": events,
        "bytes_per_delivery": sum(map(len, bodies)) // len(bodies),
        "cpu_us_per_delivery": round(used_s / sent * 1e6, 1),
        "events_per_cpu_s": round(sent * events / used_s),
    }


def results(seconds: float = 4.0) -> list[dict[str, Any]]:
    """Measure all servers in turn, for each size."""
    names = ["ours", "aiohttp", *(["node"] if shutil.which("node") else [])]
    return [measure(name, events, seconds) for events in SIZES for name in names]


def main() -> None:
    """Print a table."""
    for row in results(float(sys.argv[1]) if len(sys.argv) > 1 else 4.0):
        print(
            f"{row['events_per_delivery']:6} events, {row['server']:8} "
            f"{row['cpu_us_per_delivery']:9.1f} µs a delivery {row['events_per_cpu_s']:9,} events/s"
        )
    if shutil.which("node"):
        print(subprocess.run(["node", "--version"], capture_output=True, text=True).stdout)  # noqa: PLW1510


if __name__ == "__main__":
    main()
