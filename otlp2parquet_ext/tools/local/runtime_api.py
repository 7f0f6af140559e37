"""The Runtime API as thin HTTP handlers over `parties.Runtime`.

Source: AWS runtimes-api; limits and error types of the emulator.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

from aiohttp import web

from otlp2parquet_ext.tools.local.responses import (
    BAD_REQUEST,
    FORBIDDEN,
    TOO_LARGE,
    error_document,
    ok,
    refusal,
    server_error,
)
from otlp2parquet_ext.tools.local.runtime import Flight, UnknownInvocationError
from otlp2parquet_ext.tools.local.states import IllegalStateError, RuntimeCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.tools.local.parties import Parties

_MOST_RESPONSE_BYTES = 6 * (1 << 20) + 100
_ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
_RESPONSE_MODE = "Lambda-Runtime-Function-Response-Mode"
_KNOWN_ERROR = re.compile(r"(Runtime|Function)\.[A-Z][A-Za-z]+")


class LocalRuntimeApi:
    """Handlers over the runtime of one generation."""

    def __init__(self, parties: Parties) -> None:
        self._parties = parties

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        runtime = "/2018-06-01/runtime"
        return [
            web.get(f"{runtime}/invocation/next", self.next),
            web.post(runtime + "/invocation/{id}/response", self.response),
            web.post(runtime + "/invocation/{id}/error", self.error),
            web.post(f"{runtime}/init/error", self.init_error),
            web.get(f"{runtime}/restore/next", self.restore_next),
            web.post(f"{runtime}/restore/error", self.restore_error),
        ]

    async def next(self, _: web.Request) -> web.StreamResponse:
        """Answer `GET /invocation/next` once there is an invocation."""
        try:
            answer = await self._parties.runtime.next()
        except IllegalStateError as error:
            return _illegal(error)
        except asyncio.CancelledError:
            return server_error()
        return web.Response(body=answer.body, headers=answer.headers)

    async def response(self, request: web.Request) -> web.Response:
        """Answer `POST /invocation/{id}/response`, streamed or not."""
        runtime = self._parties.runtime
        mode = request.headers.get(_RESPONSE_MODE, "")
        if mode.lower() not in ("", "streaming"):
            return refusal(BAD_REQUEST, "InvalidFunctionResponseMode", f"{mode!r}")
        try:
            flight = runtime.flight(request.match_info["id"])
            body = await _read(request, flight, limited=not mode)
            if body is None:
                return _too_large(runtime.respond, flight)
            runtime.respond(flight, body)
        except UnknownInvocationError:
            return _unknown()
        except IllegalStateError as error:
            return _illegal(error)
        except (ConnectionError, web.RequestPayloadError):
            return refusal(BAD_REQUEST, "TruncatedHTTPRequest", "the request ended too early")
        return ok()

    async def error(self, request: web.Request) -> web.Response:
        """Answer `POST /invocation/{id}/error`."""
        runtime = self._parties.runtime
        try:
            flight = runtime.flight(request.match_info["id"])
            flight.began_s = time.monotonic()
            body = await request.read()
            runtime.respond(flight, body, _error_type(request, "Function.Unknown"))
        except UnknownInvocationError:
            return _unknown()
        except IllegalStateError as error:
            return _illegal(error)
        return ok()

    async def init_error(self, request: web.Request) -> web.Response:
        """Answer `POST /init/error`."""
        return await self._init_failed(request, RuntimeCall.INIT_ERROR)

    async def restore_error(self, request: web.Request) -> web.Response:
        """Answer `POST /restore/error`."""
        return await self._init_failed(request, RuntimeCall.RESTORE_ERROR)

    async def restore_next(self, _: web.Request) -> web.Response:
        """Answer `GET /restore/next` once the snapshot is resumed."""
        runtime = self._parties.runtime
        try:
            runtime.call(RuntimeCall.RESTORE_NEXT)
        except IllegalStateError as error:
            return _illegal(error)
        await runtime.restored.wait()
        return web.Response()

    async def _init_failed(self, request: web.Request, call: RuntimeCall) -> web.Response:
        runtime = self._parties.runtime
        body = await request.read()
        try:
            runtime.fail_init(call, _error_type(request, "Runtime.Unknown"), body)
        except IllegalStateError as error:
            return _illegal(error)
        return ok()


async def _read(request: web.Request, flight: Flight, *, limited: bool) -> bytes | None:
    """Read a response and the time of its first byte; None if it exceeds Lambda's limit."""
    body = bytearray()
    too_large = False
    flight.began_s = time.monotonic()
    async for chunk in request.content.iter_any():
        too_large = too_large or (limited and len(body) + len(chunk) > _MOST_RESPONSE_BYTES)
        if not too_large:
            body += chunk
    return None if too_large else bytes(body)


def _too_large(respond: Callable[[Flight, bytes, str], None], flight: Flight) -> web.Response:
    message = f"Response payload size exceeded maximum allowed payload size ({6 << 20} bytes)."
    error_type = "Function.ResponseSizeTooLarge"
    respond(flight, error_document(error_type, message), error_type)
    return refusal(TOO_LARGE, "RequestEntityTooLarge", message)


def _error_type(request: web.Request, otherwise: str) -> str:
    error_type = request.headers.get(_ERROR_TYPE, "")
    return error_type if _KNOWN_ERROR.fullmatch(error_type) else otherwise


def _unknown() -> web.Response:
    return refusal(BAD_REQUEST, "InvalidRequestID", "Invalid request ID")


def _illegal(error: IllegalStateError) -> web.Response:
    return refusal(FORBIDDEN, "InvalidStateTransition", str(error))
