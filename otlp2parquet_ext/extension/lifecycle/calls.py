"""The calls of the Extensions and Telemetry APIs as values, and the order in which they are legal.

    register() subscribe() next_event() init_error() --> Request --encode()--> bytes to send
    bytes received --parse_response()--> Response, or None while it is not complete

This module runs before the first `next`, so it imports nothing but the settings: no `http.client`
(28 ms at 2.5 GHz), no `json`. Every call uses its own connection, because a connection that is kept
through a freeze may be dead after it.

Source: AWS Lambda Developer Guide, "Extensions API", "Telemetry API reference".
"""

from __future__ import annotations

from otlp2parquet_ext.common.settings.table import TELEMETRY_TYPES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.common.settings.settings import Settings

IDENTIFIER_HEADER = "lambda-extension-identifier"


class Phase:
    """Phase of the session; plain strings, because importing `enum` takes a third of start-up."""

    NEW = "new"
    INIT = "init"
    RUNNING = "running"
    SHUTDOWN = "shutdown"


class Call:
    """The calls that Lambda offers."""

    REGISTER = "register"
    SUBSCRIBE = "subscribe"
    NEXT = "next"
    INIT_ERROR = "init/error"
    EXIT_ERROR = "exit/error"


# Each row lists the legal calls of a phase. Any other call is a bug of ours and raises
# IllegalCallError, because Lambda would answer an unspecific 403.
LEGAL: Mapping[str, frozenset[str]] = {
    Phase.NEW: frozenset({Call.REGISTER}),
    Phase.INIT: frozenset({Call.SUBSCRIBE, Call.NEXT, Call.INIT_ERROR}),
    Phase.RUNNING: frozenset({Call.NEXT, Call.EXIT_ERROR}),
    Phase.SHUTDOWN: frozenset({Call.EXIT_ERROR}),
}


class IllegalCallError(RuntimeError):
    """A call was made in a phase in which Lambda would refuse it."""


class ApiRequest:
    """One HTTP request without its Host header.

    Args:
        call: one of `Call`.
        method: HTTP method.
        path: absolute path.
        headers: lines without CRLF.
        body: b"" for none.
    """

    __slots__ = ("body", "call", "headers", "method", "path")

    def __init__(
        self, call: str, method: str, path: str, headers: tuple[str, ...] = (), body: bytes = b""
    ) -> None:
        self.call, self.method, self.path, self.headers, self.body = (
            call,
            method,
            path,
            headers,
            body,
        )

    def encode(self, host: str) -> bytes:
        """Return the bytes to send to `host` ("address:port")."""
        lines = (
            f"{self.method} {self.path} HTTP/1.1",
            f"Host: {host}",
            "Connection: close",
            f"Content-Length: {len(self.body)}",
            *self.headers,
        )
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace") + self.body


class ApiResponse:
    """One HTTP answer.

    Args:
        status: HTTP status.
        headers: names in lower case; of a repeated name the last value.
        body: decoded from its transfer coding.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


def register(settings: Settings, name: str, *, managed: bool) -> ApiRequest:
    """Register as `name`; on Managed Instances without INVOKE, which Lambda refuses there."""
    events = b'{"events":["SHUTDOWN"]}' if managed else b'{"events":["INVOKE","SHUTDOWN"]}'
    headers = (
        f"Lambda-Extension-Name: {name}",
        "Lambda-Extension-Accept-Feature: accountId",
        "Content-Type: application/json",
    )
    path = f"/{settings.extension_api_version}/extension/register"
    return ApiRequest(Call.REGISTER, "POST", path, headers, events)


def subscribe(settings: Settings, identifier: str, port: int, path: str) -> ApiRequest:
    """Ask for telemetry at `path` of our receiver on `port`.

    The requested buffering stays within Lambda's ranges, whatever our own limits are. Its timeout
    is short, because the report of an invocation's end should not arrive a second late.
    """
    types = ",".join(f'"{t}"' for t in TELEMETRY_TYPES if t in settings.telemetry_types)
    body = (
        f'{{"schemaVersion":"{settings.telemetry_schema_version}","types":[{types}],'
        f'"buffering":{{"maxItems":{min(max(settings.max_items, 1_000), 10_000)},'
        f'"maxBytes":{platform_max_bytes(settings)},'
        f'"timeoutMs":{settings.platform_timeout_ms}}},'
        f'"destination":{{"protocol":"HTTP","URI":"http://sandbox.localdomain:{port}{path}"}}}}'
    )
    headers = (f"Lambda-Extension-Identifier: {identifier}", "Content-Type: application/json")
    url = f"/{settings.telemetry_api_version}/telemetry"
    return ApiRequest(Call.SUBSCRIBE, "PUT", url, headers, body.encode("ascii"))


def platform_max_bytes(settings: Settings) -> int:
    """Return the bytes Lambda may buffer for us: MAX_BYTES within the legal range."""
    return min(max(settings.max_bytes, 262_144), 1_048_576)


def next_event(settings: Settings, identifier: str) -> ApiRequest:
    """Request the next event; the answer has no deadline, and a freeze may come before it."""
    path = f"/{settings.extension_api_version}/extension/event/next"
    return ApiRequest(Call.NEXT, "GET", path, (f"Lambda-Extension-Identifier: {identifier}",))


def failed(settings: Settings, call: str, identifier: str, reason: str) -> ApiRequest:
    """Tell Lambda that we cannot go on; `call` is INIT_ERROR or EXIT_ERROR."""
    headers = (
        f"Lambda-Extension-Identifier: {identifier}",
        f"Lambda-Extension-Function-Error-Type: {reason}",
    )
    return ApiRequest(call, "POST", f"/{settings.extension_api_version}/extension/{call}", headers)


def parse_response(data: bytes, *, closed: bool = False) -> ApiResponse | None:
    """Read one answer from the bytes received so far.

    Args:
        data: everything received on the connection.
        closed: the other side has closed it.

    Returns:
        The answer, or None while bytes are missing.

    Raises:
        ValueError: this is not HTTP, or the connection closed in the middle of an answer.
    """
    head, separator, rest = data.partition(b"\r\n\r\n")
    if not separator:
        if closed:
            raise ValueError(f"connection closed after {len(data)} bytes of an answer")
        return None
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {k.strip().lower(): v.strip() for k, _, v in (li.partition(":") for li in lines)}
    status = int(status_line.partition(" ")[2][:3])
    body = _body(headers, rest, closed=closed)
    return None if body is None else ApiResponse(status, headers, body)


def _body(headers: Mapping[str, str], rest: bytes, *, closed: bool) -> bytes | None:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = _unchunk(rest)
    elif "content-length" in headers:
        length = int(headers["content-length"])
        body = rest[:length] if len(rest) >= length else None
    else:
        return rest if closed else None
    if body is None and closed:
        raise ValueError("connection closed in the middle of a body")
    return body


def _unchunk(rest: bytes) -> bytes | None:
    body = b""
    while True:
        size_line, separator, rest = rest.partition(b"\r\n")
        if not separator:
            return None
        size = int(size_line.partition(b";")[0], 16)
        if size == 0:
            return body
        if len(rest) < size + 2:
            return None
        body, rest = body + rest[:size], rest[size + 2 :]
