"""A Lambda runtime that starts in milliseconds and does what its payload says, step by step.

    {"steps": [["say", 10, 100], ["sleep", 30], ["exit", 9]]}

It is run as a program of its own. Each line it says begins with a marker that no other line has:
`m<request id>-<number>`, so that one that is missing, or there twice, is known by name.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import time
from pathlib import Path

LEDGER = "FAULTS_LEDGER"
OTLP_S = 10
API = "/2018-06-01/runtime/invocation"
FULL = "full"
POISON = "kills"
NOISE = os.urandom(1 << 19).hex()  # nothing compresses it away


def call(method: str, path: str, body: bytes = b"") -> tuple[dict[str, str], bytes]:
    """Make one call of the Runtime API; return headers (lower case) and body."""
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + body)
        data = b"".join(iter(lambda: connection.recv(65_536), b""))
    lines, _, answer = data.partition(b"\r\n\r\n")
    pairs = (line.partition(": ") for line in lines.decode().split("\r\n")[1:])
    return {name.lower(): value for name, _, value in pairs}, answer


def field(number: int, payload: bytes) -> bytes:
    """Return a field of a protobuf message whose wire type is a length and bytes."""
    length, head = len(payload), bytes([number << 3 | 2])
    while length > 0x7F:
        head += bytes([length & 0x7F | 0x80])
        length >>= 7
    return head + bytes([length]) + payload


def attribute(key: str, value: bytes) -> bytes:
    """Return a KeyValue whose value is text."""
    return field(1, key.encode()) + field(2, field(1, value))


def text(key: str, size_bytes: int) -> bytes:
    """Return an attribute of so many bytes; nothing for none."""
    return attribute(key, b"w" * size_bytes) if size_bytes else b""


def logs(marker: bytes, resource: bytes, made: bytes, empty: int) -> bytes:
    """Return one ResourceLogs: a resource of one attribute, records, and empty ones behind them."""
    scope = field(1, field(1, marker)) + made + field(2, b"") * empty
    return field(1, field(1, field(1, resource) if resource else b"") + field(2, scope))


def export(body: bytes) -> int | None:
    """Export logs to the extension's endpoint; return how many it rejects, None for all.

    Records that a partial success rejects stay with the exporter, which knows their number. They
    are no loss.
    """
    head = "POST /v1/logs HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    head += f"Content-Type: application/x-protobuf\r\nContent-Length: {len(body)}\r\n\r\n"
    address = ("127.0.0.1", int(os.environ["OTLP2PARQUET_OTLP_PORT"]))
    try:
        with socket.create_connection(address, OTLP_S) as connection:
            connection.sendall(head.encode() + body)
            data = b"".join(iter(lambda: connection.recv(65_536), b""))
    except OSError:
        return None
    start, _, answer = data.partition(b"\r\n\r\n")
    return rejected(answer) if start.startswith(b"HTTP/1.1 200 ") else None


def rejected(answer: bytes) -> int:
    """Return the number in a partial success: the first field of the first field."""
    if not answer.startswith(b"\x0a"):
        return 0
    _, position = varint(answer, 1)
    return varint(answer, position + 1)[0] if answer[position : position + 1] == b"\x08" else 0


def varint(data: bytes, position: int) -> tuple[int, int]:
    """Return a number of protobuf, and its end."""
    number = shift = 0
    while position < len(data):
        number |= (data[position] & 0x7F) << shift
        shift, position = shift + 7, position + 1
        if data[position - 1] <= 0x7F:
            break
    return number, position


class Steps:
    """The steps that a payload can contain, in one invocation."""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._said = 0

    def say(self, lines: int, size_bytes: int) -> None:
        """Print lines of about so many bytes."""
        for _ in range(lines):
            self._said += 1
            start = self._said * 977 % (len(NOISE) - size_bytes)
            marker = f"m{self._request_id}-{self._said}"
            sys.stdout.write(f"{marker} {NOISE[start : start + size_bytes - len(marker) - 2]}\n")
        sys.stdout.flush()

    def poison(self, lines: int) -> None:
        """Print lines that kill a process which stores them."""
        for _ in range(lines):
            self._said += 1
            sys.stdout.write(f"m{self._request_id}-{self._said} {POISON}\n")
        sys.stdout.flush()

    def otlp(self, records: int, attribute_bytes: int) -> None:
        """Export one request: records without a word, a resource attribute of so many bytes."""
        self._export(logs(self._marker(), text("wide", attribute_bytes), b"", records), records)

    def otlp_services(self, services: int) -> None:
        """Export one request: a record each of so many services."""
        names = (attribute("service.name", b"service-%d" % n) for n in range(services))
        marker = self._marker()
        self._export(b"".join(logs(marker, name, b"", 1) for name in names), services)

    def otlp_distinct(self, records: int) -> None:
        """Export one request: records that have nothing in common, 150 bytes each."""
        noise = (NOISE[n * 131 % 100_000 :][:130].encode() for n in range(records))
        made = b"".join(
            field(2, field(6, attribute(f"k{n % 7}", it))) for n, it in enumerate(noise)
        )
        self._export(logs(self._marker(), b"", made, 0), records)

    def otlp_keys(self, keys: int) -> None:
        """Export one request: one record of so many attributes."""
        made = b"".join(field(6, attribute(f"key-{n}", b"x")) for n in range(keys))
        self._export(logs(self._marker(), b"", field(2, made), 0), 1)

    def otlp_deep(self, records: int, depth: int) -> None:
        """Export one request: records whose bodies are lists in lists."""
        value = field(1, b"x")
        for _ in range(depth):
            value = field(5, field(1, value))
        self._export(logs(self._marker(), b"", field(2, field(5, value)) * records, 0), records)

    def otlp_controls(self, size_bytes: int) -> None:
        """Export one request: an attribute of characters that JSON writes as six."""
        made = field(2, field(6, attribute("controls", b"\x01" * size_bytes)))
        self._export(logs(self._marker(), b"", made, 0), 1)

    def _marker(self) -> bytes:
        """Name the next request: each of its records is a row of that scope."""
        self._said += 1
        return f"otlp-{self._request_id}-{self._said}".encode()

    def _export(self, request: bytes, records: int) -> None:
        marker = f"otlp-{self._request_id}-{self._said}"
        self._note("?", marker, records)
        refused = export(request)
        if refused is not None:
            self._note("+", marker, records - refused)

    def _note(self, what: str, marker: str, records: int) -> None:
        """Enter a request into the ledger, which outlives us: `?` before it is sent, `+` after."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        file = os.open(os.environ[LEDGER], flags, 0o600)
        os.write(file, f"{what} {marker} {records}\n".encode())
        os.close(file)

    def sleep(self, duration_ms: int) -> None:
        """Sleep."""
        time.sleep(duration_ms / 1_000)

    def exit(self, code: int) -> None:
        """End the process, as a crash does."""
        os._exit(code)

    def fill_memory(self, mb: int) -> None:
        """Allocate and touch."""
        self._memory = b"x" * (mb << 20)

    def fill_tmp(self) -> None:
        """Write to /tmp until there is no room for a byte."""
        with (Path(os.environ["TMPDIR"]) / FULL).open("wb", buffering=0) as file:
            for size in (65_536, 1):
                try:
                    while file.write(bytes(size)):
                        pass
                except OSError:
                    pass

    def empty_tmp(self) -> None:
        """Remove everything in /tmp."""
        for path in Path(os.environ["TMPDIR"]).iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def main() -> None:
    """Take invocations for ever."""
    while True:
        headers, payload = call("GET", f"{API}/next")
        request_id = headers["lambda-runtime-aws-request-id"]
        steps = Steps(request_id)
        for name, *arguments in json.loads(payload)["steps"]:
            getattr(steps, name)(*arguments)
        call("POST", f"{API}/{request_id}/response", b"{}")


if __name__ == "__main__":
    main()
