"""A standard-library extension: it registers, subscribes, and records everything it gets.

    PROBE_DIR/deliveries.jsonl  one JSON line per delivery: headers, path, body
    PROBE_DIR/events.jsonl      one JSON line per answer of /event/next, with headers
    PROBE_DIR/heartbeat         a Unix time every few milliseconds while the process may run

Variables (PROBE_*) say what it does wrong; see `main`.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

FOLDER = Path(os.environ["PROBE_DIR"])
NAME = os.environ.get("PROBE_NAME", "probe")


def call(
    method: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Make one call to the APIs on a connection of its own."""
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    text = None if body is None else json.dumps(body)
    connection.request(method, path, text, headers or {})
    response = connection.getresponse()
    answer = response.status, dict(response.headers), response.read()
    connection.close()
    return answer


def note(name: str, line: object) -> None:
    """Write down one line."""
    with (FOLDER / name).open("a") as file:
        file.write(json.dumps(line) + "\n")


class Receiver(BaseHTTPRequestHandler):
    """Writes down deliveries."""

    protocol_version = "HTTP/1.1"
    count = 0

    def do_POST(self) -> None:
        """Take one delivery."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(float(os.environ.get("PROBE_SLOW_S", "0")))
        failing = int(os.environ.get("PROBE_FAIL_FIRST", "0"))
        Receiver.count += 1
        refused = Receiver.count <= failing
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not refused:
            note(
                "deliveries.jsonl",
                {
                    "path": self.path,
                    "headers": headers,
                    "body": json.loads(body),
                    "peer": self.client_address[1],
                    "pid": os.getpid(),
                },
            )
        self.send_response(500 if refused else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Say nothing."""


def beat() -> None:
    """Show that the process runs."""
    with (FOLDER / "heartbeat").open("ab", buffering=0) as file:
        while True:
            file.write(b"%.4f\n" % time.time())
            time.sleep(0.002)


class LineReceiver(StreamRequestHandler):
    """Writes down deliveries over TCP: one event per line."""

    def handle(self) -> None:
        """Take the events of one connection."""
        body = [json.loads(line) for line in self.rfile]
        note("deliveries.jsonl", {"body": body, "pid": os.getpid()})


def subscribe_tcp(identifier: dict[str, str]) -> None:
    """Ask for telemetry over TCP."""
    server = ThreadingTCPServer(("127.0.0.1", 0), LineReceiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    destination = {"protocol": "TCP", "port": server.server_address[1]}
    request = {
        "schemaVersion": "2025-01-29",
        "types": ["platform", "function"],
        "destination": destination,
    }
    call("PUT", "/2022-07-01/telemetry", request, identifier)


def subscribe(identifier: dict[str, str], port: int) -> None:
    """Subscribe with PROBE_TYPES, PROBE_SCHEMA and PROBE_TIMEOUT_MS."""
    request = {
        "schemaVersion": os.environ.get("PROBE_SCHEMA", "2025-01-29"),
        "types": os.environ.get("PROBE_TYPES", "platform,function").split(","),
        "buffering": {"timeoutMs": int(os.environ.get("PROBE_TIMEOUT_MS", "25"))},
        "destination": {
            "protocol": "HTTP",
            "URI": f"http://sandbox.localdomain:{port}/probe",
        },
    }
    status, _, body = call("PUT", "/2022-07-01/telemetry", request, identifier)
    note("subscription.jsonl", [status, body.decode()])


def main() -> int:
    """Live the life of an extension."""
    if os.environ.get("PROBE_EXIT_AT_START"):
        return 3
    FOLDER.mkdir(parents=True, exist_ok=True)
    note("variables.jsonl", dict(os.environ))
    events = os.environ.get("PROBE_EVENTS", "INVOKE,SHUTDOWN").split(",")
    headers = {"Lambda-Extension-Name": NAME, "Lambda-Extension-Accept-Feature": "accountId"}
    path = "/2020-01-01/extension/register"
    status, answer, body = call("POST", path, {"events": events}, headers)
    if status == 403 and "INVOKE" in events:
        note("refused.jsonl", json.loads(body))
        status, answer, body = call("POST", path, {"events": ["SHUTDOWN"]}, headers)
    note("register.jsonl", [status, json.loads(body)])
    identifier = {"Lambda-Extension-Identifier": answer["Lambda-Extension-Identifier"]}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if os.environ.get("PROBE_BEAT"):
        threading.Thread(target=beat, daemon=True).start()
    if os.environ.get("PROBE_TCP"):
        subscribe_tcp(identifier)
    else:
        subscribe(identifier, server.server_address[1])
    if os.environ.get("PROBE_INIT_ERROR"):
        headers = identifier | {"Lambda-Extension-Function-Error-Type": "Extension.Bad"}
        call("POST", "/2020-01-01/extension/init/error", None, headers)
        return 1
    time.sleep(float(os.environ.get("PROBE_INIT_S", "0")))
    return loop(identifier)


def loop(identifier: dict[str, str]) -> int:
    """Take events until SHUTDOWN."""
    seen = 0
    while True:
        _, headers, body = call("GET", "/2020-01-01/extension/event/next", None, identifier)
        event = json.loads(body)
        note("events.jsonl", {"headers": headers, "event": event, "at_ms": time.time() * 1000})
        if event["eventType"] == "SHUTDOWN":
            print("probe: shutting down")  # noqa: T201 (its output is part of the test)
            time.sleep(float(os.environ.get("PROBE_LINGER_S", "0.1")))
            return 0
        seen += 1
        print(f"probe: invocation {seen}", flush=True)  # noqa: T201 (likewise)
        time.sleep(float(os.environ.get("PROBE_BUSY_S", "0")))
        if os.environ.get("PROBE_CRASH_AT") == str(seen):
            os._exit(7)


if __name__ == "__main__":
    sys.exit(main())
