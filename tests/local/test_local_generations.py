"""A request belongs to the generation whose server took its connection, whenever it is read."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
from local_bench import PROBE, noted, plan_with_probe

from otlp2parquet_ext.tools.local import ExtensionProgram
from otlp2parquet_ext.tools.local.environment import run_async

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

# Prints where the APIs are and waits for a word; the first generation then ends with status 1.
WAITING = f"""
import os, pathlib, time
folder = pathlib.Path(os.environ["PROBE_DIR"])
first = not (folder / "first").exists()
print(os.environ["AWS_LAMBDA_RUNTIME_API"], flush=True)
wanted = folder / ("first" if first else "second")
deadline = time.monotonic() + 15
while not wanted.exists() and time.monotonic() < deadline:
    time.sleep(0.01)
if first:
    os._exit(1)
os.execv({sys.executable!r}, {list(PROBE.command)!r})
"""
REGISTER = (
    b"POST /2020-01-01/extension/register HTTP/1.1\r\nHost: x\r\nContent-Length: 23\r\n",
    b'Lambda-Extension-Name: probe\r\n\r\n{"events": ["INVOKE"]} ',
)
RUNTIME_NEXT = (
    b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n",
    b"\r\n",
)


@pytest.mark.parametrize("request_parts", [REGISTER, RUNTIME_NEXT])
async def test_a_request_of_an_ended_generation_never_reaches_the_next(
    tmp_path: Path, request_parts: tuple[bytes, bytes]
) -> None:
    """A process killed right after `register` otherwise makes its successor's register a 403.

    The request's first part is sent while the first generation lives, the rest when the second
    one has started and has not registered yet. The other routes need an identifier, which the next
    generation does not know.
    """
    beginning, rest = request_parts
    addresses: asyncio.Queue[str] = asyncio.Queue()

    def on_line(source: str, line: str) -> None:
        if source == "probe" and line.startswith("127."):
            addresses.put_nowait(line)

    program = ExtensionProgram(name="probe", command=(sys.executable, "-c", WAITING))
    plan = plan_with_probe(tmp_path, extensions=(program,), invocations=1)
    running = asyncio.create_task(run_async(plan, None, on_line))

    host, port = (await addresses.get()).split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(beginning)
    await writer.drain()
    (tmp_path / "first").touch()

    await addresses.get()
    writer.write(rest)
    try:
        answer = await asyncio.wait_for(reader.read(4096), 10)
    except ConnectionError:
        answer = b""
    (tmp_path / "second").touch()
    outcome = await running
    writer.close()

    assert answer == b""
    assert [status for status, _ in noted(tmp_path, "register")] == [200]
    assert noted(tmp_path, "refused") == []
    assert outcome.succeeded
