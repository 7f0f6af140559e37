"""Hostile code in the place of the function, against the real process.

Floods, freezes, forgeries.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from scripted_lambda import WAIT_S, Extension, ScriptedLambda, event, invoke, shut_down

from otlp2parquet_ext.extension.receive.admission import PENDING_CONNECTIONS
from otlp2parquet_ext.extension.receive.receiver import BODY_TIMEOUT_S, CONNECTIONS
from otlp2parquet_ext.tools import query

pytestmark = pytest.mark.e2e


def bodies(folder: Path) -> list[str]:
    """Read the lines of the function back."""
    connection = query.connect(f"file://{folder}/lake")
    rows = connection.execute("SELECT Body FROM logs WHERE EventName = 'function' ORDER BY Body")
    return [row[0] for row in rows.fetchall()]


def anonymous_kb(extension: Extension) -> int:
    """Return the process's anonymous memory."""
    status = Path(f"/proc/{extension.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if "RssAnon" in line)


def connections(extension: Extension) -> int:
    """Return how many sockets the process has open, without files of its own."""
    found = 0
    for entry in Path(f"/proc/{extension.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found += entry.readlink().name.startswith("socket:")
    return found


def start(scripted: ScriptedLambda, folder: Path, **variables: str) -> Extension:
    """Start the extension and wait until it serves."""
    extension = scripted.start(folder, **{"OTLP2PARQUET_FLUSH": "threshold"} | variables)
    extension.until_next()
    assert extension.post(event("0 first")) == 200
    return extension


def deliver(extension: Extension, body: bytes) -> None:
    """Deliver a body as the platform does, and repeat it after a 503."""
    until = time.monotonic() + WAIT_S
    while (status := extension.post(body)) == 503 and time.monotonic() < until:
        time.sleep(0.05)
    assert status == 200


def test_a_flood_of_connections_and_bodies_leaves_deliveries_memory_and_descriptors_alone(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """1 000 send nothing, and 100 that know the path send all of a body but its end."""
    extension = start(scripted, tmp_path)
    port, path = scripted.destination()
    before_kb, before = anonymous_kb(extension), connections(extension)
    idle = []
    for number in range(1_000):
        idle.append(socket.create_connection(("127.0.0.1", port), timeout=WAIT_S))
        if number % 100 == 99:
            assert extension.post(event(f"{number:03} idle")) == 200
            assert connections(extension) - before <= PENDING_CONNECTIONS + CONNECTIONS
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n".encode()
    for _ in range(100):
        idle.append(socket.create_connection(("127.0.0.1", port), timeout=WAIT_S))
        with contextlib.suppress(OSError):
            idle[-1].settimeout(0.05)
            idle[-1].sendall(head + bytes(3_900_000))
    assert anonymous_kb(extension) - before_kb < 40_000
    assert connections(extension) - before <= PENDING_CONNECTIONS + CONNECTIONS
    for client in idle:
        client.close()
    deliver(extension, event("after"))
    shut_down(extension)
    expected = ["0 first", *(f"{number:03} idle" for number in range(99, 1_000, 100)), "after"]
    assert bodies(tmp_path) == sorted(expected)


@pytest.mark.thorough
def test_a_delivery_frozen_half_way_is_taken_once_or_sent_again(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """The freeze is shorter or longer than every time limit, at each point of a delivery.

    As the platform does, the test repeats a delivery that was not answered 200. No body may be lost
    or doubled.
    """
    extension = start(scripted, tmp_path)
    port, path = scripted.destination()
    for frozen_s in (0.3, BODY_TIMEOUT_S + 0.5):
        wholes = {}
        for cut in (0, 20, -10, None):
            body = event(f"{frozen_s} cut at {cut}")
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            client = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
            whole = head.encode() + body
            client.sendall(whole[:cut])
            wholes[client] = (body, b"" if cut is None else whole[cut:])
        extension.process.send_signal(signal.SIGSTOP)
        time.sleep(frozen_s)
        for client, (_, rest) in wholes.items():
            client.sendall(rest)
        extension.process.send_signal(signal.SIGCONT)
        for client, (body, _) in wholes.items():
            answer = b""
            with contextlib.suppress(ConnectionError):
                answer = client.recv(1_000)
            client.close()
            if not answer.startswith(b"HTTP/1.1 200"):
                assert extension.post(body) == 200
    assert extension.post(event("last")) == 200
    shut_down(extension)
    cuts = [f"{s} cut at {cut}" for s in (0.3, BODY_TIMEOUT_S + 0.5) for cut in (0, 20, -10, None)]
    assert bodies(tmp_path) == sorted(["0 first", *cuts, "last"])


def test_what_is_posted_elsewhere_is_404_and_stored_nowhere(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """Without the path, code of the function can do nothing else."""
    extension = start(scripted, tmp_path)
    _, path = scripted.destination()
    for wrong in ("/", "/t/", path[:-1], path + "0", "/v1/logs", path.upper()):
        assert extension.post(event("forged"), path=wrong) == 404
    shut_down(extension)
    assert bodies(tmp_path) == ["0 first"]


def platform(kind: str, request_id: str) -> bytes:
    """Make a platform event about an invocation."""
    return event({"requestId": request_id, "status": "success"}, f"platform.{kind}")


def test_a_forged_end_ends_a_hold_early_and_loses_nothing(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """This is the worst case for a process that knows the path: later lines are flushed later."""
    extension = start(scripted, tmp_path, OTLP2PARQUET_FLUSH="end", TIMEOUT_MS="900000")
    scripted.events.put(invoke("r-1", timeout_ms=60_000))
    time.sleep(0.2)
    assert extension.post(platform("runtimeDone", "r-1")) == 200  # forged
    extension.until_next()
    assert extension.post(event("1 later")) == 200
    assert extension.post(platform("runtimeDone", "r-1")) == 200
    assert extension.post(platform("report", "r-1")) == 200
    shut_down(extension)
    assert bodies(tmp_path) == ["0 first", "1 later"]


@pytest.mark.timing
def test_forged_ends_of_others_do_not_make_a_hold_longer(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """Many of them neither hide the real end nor extend the wait for it."""
    extension = start(scripted, tmp_path, OTLP2PARQUET_FLUSH="end")
    stop = threading.Event()

    def flood() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            forged = [
                {"type": "platform.runtimeDone", "record": {"requestId": f"x-{number}-{i}"}}
                for i in range(200)
            ]
            extension.post(json.dumps(forged).encode())

    started = time.monotonic()
    scripted.events.put(invoke("r-1", timeout_ms=60_000))
    time.sleep(0.2)
    assert extension.post(platform("runtimeDone", "r-1")) == 200
    thread = threading.Thread(target=flood)
    thread.start()
    extension.until_next()
    assert time.monotonic() - started < 10
    stop.set()
    thread.join()
    shut_down(extension)
    assert bodies(tmp_path) == ["0 first"]
