"""From spawn to the first `next`: a listening socket, a registration, a subscription.

    start() --> Booted: what the agent takes over

Lambda can deliver as soon as a socket listens. The kernel queues the deliveries until the agent
serves the socket; the agent is imported while Lambda already waits for its next event. So this
module imports nothing but `_socket`, the C part of `socket`: the Python part would double the time
to get here (docs/decisions/0001-socket-first.md).

A failure here never fails the function: one JSON line reports the error, and `idle` keeps answering
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

INIT_DEADLINE_S = 8.0  # Lambda allows 10 s for the init of the runtime and all extensions
BACKLOG = 1_024
"""Most connections that the kernel queues for us. Function code may open many while we are frozen
or importing. A connection of the platform that finds the queue full is retried only a second later.
"""

RECEIVE_BYTES = 65_536
ANY_ADDRESS = "0.0.0.0"
LOOPBACK = "127.0.0.1"
SANDBOX_NAMES = ("sandbox", "sandbox.localdomain", "")


class Booted:
    """The result of start-up, which the agent takes over.

    Args:
        settings: checked settings.
        problems: one line for each bad setting.
        environ: the environment as it was at the start.
        api: (address, port) of the Extensions API.
        listener: the receiver's listening socket, None when there is nothing to receive.
        managed: a Managed Instance: invocations run concurrently, and Lambda sends no INVOKE.
        snapshot: many environments will start from one snapshot of this process (SnapStart).
        otlp_listener: the OTLP endpoint's listening socket, None if it is off or its port is taken.
        path: the receiver's unguessable path.
        subscribed: Lambda accepted the subscription.
        pending: the connection on which the answer to `next` will come.
        early: (Unix microseconds, body) of events that came before the agent was imported. If
            `pending` is None, the last one is not answered yet.
        ends_ms: monotonic ms at which SIGKILL follows a SHUTDOWN that came early; 0 before one.
        import_ms: duration of the agent's imports, a measure of this environment's speed.
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
            OSError: the connection failed, or no answer came within `timeout_s`.
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
    """Listen, register and subscribe, so that Lambda waits only for `next`.

    Args:
        environ: the process environment.
        name: the extension's file name as the launcher passes it; None uses the settings.

    Raises:
        SystemExit: Lambda refused the registration, so it fails the function in any case.
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
    # The name may not resolve here. A dead process of ours or another layer may hold the port.
    return _listen_on(wanted, settings.receiver_port) or _listen_on(ANY_ADDRESS, 0)


def _listen_for_otlp(settings: Settings) -> _socket.socket | None:
    # Another port is useless, because the function's exporters send to this one.
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
    # Local emulators answer 202 when they deliver nothing. This is no failure, but there is no
    # telemetry.
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
    """Answer `next` until SHUTDOWN and collect nothing: this is how we fail open.

    Without it, a bug of ours would end as `Extension.Crash`, and the function would fail.
    """
    for listener in (booted.listener, booted.otlp_listener):
        if listener is not None:
            # Lambda gives up a refused delivery at once; one that hangs would hold a connection.
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
