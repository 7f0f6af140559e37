"""From spawn to the first `next`: a listening socket, a registration, a subscription.

    start() --> Booted: what the agent takes over

A listening socket is all Lambda needs to deliver; the kernel queues until the agent, imported
while Lambda already waits for its next event, serves it. So this room imports nothing but
`_socket`, the C part of `socket`, whose Python part would double the time to get here
(docs/decisions/0001-socket-first.md).

It never fails the function: one JSON line reports what went wrong, and `idle` keeps answering
`next` without collecting anything. `EXTENSION_FAIL=closed` turns that into an init error.

Source: AWS Lambda Developer Guide, "Extensions API", "Telemetry API".
"""

from __future__ import annotations

import _socket
import os

from otlp2parquet_ext.common.log import hide, log, quote
from otlp2parquet_ext.common.settings.settings import DEFAULT_NAME, load, secrets_in
from otlp2parquet_ext.extension.lifecycle import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.common.settings.settings import Settings

INIT_DEADLINE_S = 8.0  # Lambda allows 10 s for everyone's init together
BACKLOG = 1_024
"""Connections the kernel keeps for us: while we are frozen or import, function code may open many,
and one of the platform's that finds no place tries again only a second later."""

RECEIVE_BYTES = 65_536
ANY_ADDRESS = "0.0.0.0"
LOOPBACK = "127.0.0.1"
SANDBOX_NAMES = ("sandbox", "sandbox.localdomain", "")


class Booted:
    """What start-up leaves for the agent.

    Args:
        settings: checked settings.
        problems: one line for each bad setting.
        environ: the environment as it was at the start.
        api: (address, port) of the Extensions API.
        listener: the receiver's listening socket, None when there is nothing to receive.
        managed: invocations run side by side, and nobody tells us of them.
        snapshot: what is here before the first INVOKE many environments will have in common.
        otlp_listener: the OTLP endpoint's listening socket, None where it is off or its port taken.
        path: the receiver's unguessable path.
        subscribed: Lambda promised to deliver.
        pending: the connection on which the answer to `next` will come.
        early: (Unix microseconds, body) of events that came before the agent was there; the last
            one is not answered yet when nothing is pending.
        ends_ms: monotonic ms at which SIGKILL follows a SHUTDOWN that came early; 0 before one.
        import_ms: how long the agent's imports took: how fast this environment is.
    """

    def __init__(self, settings: Settings, problems: list[str], environ: Mapping[str, str]) -> None:
        self.settings = settings
        self.problems = problems
        self.environ = environ
        host, _, port = environ.get("AWS_LAMBDA_RUNTIME_API", "").rpartition(":")
        self.api = (host, int(port) if port.isdecimal() else 0)
        initialization = environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", "")
        self.managed = initialization == "lambda-managed-instances"
        self.snapshot = initialization == "snap-start"
        self.path = "/t/" + os.urandom(16).hex()
        self.listener: _socket.socket | None = None
        self.otlp_listener: _socket.socket | None = None
        self.identifier = ""
        self.registration = b"{}"
        self.subscribed = False
        self.phase = calls.Phase.NEW
        self.pending: _socket.socket | None = None
        self.early: list[tuple[int, bytes]] = []
        self.import_ms = self.ends_ms = 0

    def call(self, request: calls.ApiRequest, timeout_s: float | None) -> calls.ApiResponse:
        """Make one call and wait for its answer.

        Raises:
            OSError: nobody there, or no answer within `timeout_s`.
            ValueError: the answer is not HTTP.
        """
        connection = self.send(request, timeout_s)
        try:
            return receive(connection)
        finally:
            connection.close()

    def send(self, request: calls.ApiRequest, timeout_s: float | None) -> _socket.socket:
        """Send one call and return the connection on which its answer will come."""
        if request.call not in calls.LEGAL[self.phase]:
            raise calls.IllegalCallError(f"{request.call} is not legal in phase {self.phase!r}")
        connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        connection.connect(self.api)
        connection.sendall(request.encode(f"{self.api[0]}:{self.api[1]}"))
        return connection


def receive(connection: _socket.socket) -> calls.ApiResponse:
    """Wait for one answer on `connection`."""
    data = b""
    while True:
        chunk = connection.recv(RECEIVE_BYTES)
        data += chunk
        if len(data) > RECEIVE_BYTES:  # Lambda's answers have a few hundred
            raise ValueError(f"an answer exceeds {RECEIVE_BYTES} bytes")
        response = calls.parse_response(data, closed=not chunk)
        if response is not None:
            return response


def start(environ: Mapping[str, str], name: str | None) -> Booted:
    """Bring the extension to where Lambda waits for nothing but its `next`.

    Args:
        environ: the process environment.
        name: the extension's file name as its launcher knows it, None to go by the settings.

    Raises:
        SystemExit: Lambda refused the registration: it will fail the function whatever we do.
    """
    settings, problems = load(environ)
    booted = Booted(settings, problems, environ)
    hide(secrets_in(environ))
    hide((booted.path,))
    _register(booted, name or settings.extension_name)
    if settings.destination:
        booted.listener = _listen(settings)
        if settings.otlp:
            booted.otlp_listener = _listen_for_otlp(settings)
        booted.subscribed = booted.listener is not None and _subscribe(booted, booted.listener)
    else:
        log("error", "OTLP2PARQUET_DESTINATION is not set: no telemetry is collected")
    if not booted.subscribed and settings.fail == "closed":
        _fail_init(booted)
    booted.pending = booted.send(calls.next_event(settings, booted.identifier), None)
    booted.phase = calls.Phase.RUNNING
    return booted


def _register(booted: Booted, name: str) -> None:
    answer = _try_register(booted, name, managed=booted.managed)
    if b"InvalidEventType" in answer.body and not booted.managed:
        booted.managed = True
        answer = _try_register(booted, name, managed=True)
    if b"InvalidExtensionName" in answer.body and name != DEFAULT_NAME:
        log("warning", f"{name!r} is not this file's name; registering as {DEFAULT_NAME!r}")
        answer = _try_register(booted, DEFAULT_NAME, managed=booted.managed)
    if answer.status != 200:
        log("error", f"register was refused with HTTP {answer.status} {quote(answer.body)}")
        raise SystemExit(1)
    booted.identifier = answer.headers[calls.IDENTIFIER_HEADER]
    booted.registration = answer.body
    booted.phase = calls.Phase.INIT


def _try_register(booted: Booted, name: str, *, managed: bool) -> calls.ApiResponse:
    request = calls.register(booted.settings, name, managed=managed)
    try:
        return booted.call(request, INIT_DEADLINE_S)
    except (OSError, ValueError) as error:
        address = f"AWS_LAMBDA_RUNTIME_API={booted.environ.get('AWS_LAMBDA_RUNTIME_API', '')!r}"
        log(
            "error",
            f"register failed: {quote(error)}; {address}: expected what Lambda sets, host:port",
        )
        raise SystemExit(1) from None


def _listen(settings: Settings) -> _socket.socket | None:
    address = settings.receiver_address
    wanted = ANY_ADDRESS if address in SANDBOX_NAMES else address
    # The name may not resolve here, and the port may be a dead predecessor's or another layer's.
    return _listen_on(wanted, settings.receiver_port) or _listen_on(ANY_ADDRESS, 0)


def _listen_for_otlp(settings: Settings) -> _socket.socket | None:
    # No other port would do: this one is where the function's exporters send.
    port = settings.otlp_port
    listener = _listen_on(LOOPBACK, port)
    if listener is None:
        log("warning", f"OTLP2PARQUET_OTLP_PORT={port}: expected a free port; OTLP is not received")
    return listener


def _listen_on(host: str, port: int) -> _socket.socket | None:
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        log("warning", f"cannot listen on {host}:{port}: {quote(error)}")
        return None
    return listener


def _subscribe(booted: Booted, listener: _socket.socket) -> bool:
    port = listener.getsockname()[1]
    request = calls.subscribe(booted.settings, booted.identifier, port, booted.path)
    try:
        answer = booted.call(request, INIT_DEADLINE_S)
    except (OSError, ValueError) as error:
        log("error", f"subscribe failed: {quote(error)}; no telemetry is collected")
        return False
    if answer.status == 200:
        return True
    # 202 is how local emulators say that they deliver nothing; not a failure, but no telemetry.
    log(
        "warning" if answer.status == 202 else "error",
        f"subscribe was answered with HTTP {answer.status} {quote(answer.body)}; "
        "no telemetry is collected",
    )
    return False


def _fail_init(booted: Booted) -> None:
    reason = "Extension.ConfigInvalid"
    request = calls.failed(booted.settings, calls.Call.INIT_ERROR, booted.identifier, reason)
    booted.call(request, INIT_DEADLINE_S)
    raise SystemExit(1)


def idle(booted: Booted) -> None:
    """Answer `next` until SHUTDOWN, doing nothing: how we fail open.

    Without this a bug of ours would be an `Extension.Crash`, and the function would fail.
    """
    for listener in (booted.listener, booted.otlp_listener):
        if listener is not None:
            # A refused delivery costs its sender nothing; one that hangs holds a connection.
            listener.close()
    request = calls.next_event(booted.settings, booted.identifier)
    while True:
        connection = booted.pending or booted.send(request, None)
        booted.pending = None
        connection.settimeout(None)
        answer = receive(connection)
        connection.close()
        if answer.status != 200 or b'"SHUTDOWN"' in answer.body:
            return
