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

API = "/2018-06-01/runtime/invocation"
FULL = "full"
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


class Steps:
    """What a payload can ask for, in one invocation."""

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
        """Remove whatever lies in /tmp."""
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
