"""The Extensions API and the Telemetry API's subscription, as thin HTTP handlers.

Each handler finds the caller, asks the party's state machine, and writes the answer. `parties` and
`states` define the calls, `subscription` the valid subscriptions.

Source: AWS runtimes-extensions-api, telemetry-api; error catalogue of the emulator.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from typing import TYPE_CHECKING, Any

from aiohttp import web

from otlp2parquet_ext.tools.local.extension import Extension
from otlp2parquet_ext.tools.local.responses import (
    ACCEPTED,
    BAD_REQUEST,
    FORBIDDEN,
    ok,
    refusal,
    server_error,
)
from otlp2parquet_ext.tools.local.states import ExtensionCall, ExtensionState, IllegalStateError
from otlp2parquet_ext.tools.local.subscription import ValidationError, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.tools.local.parties import Parties
    from otlp2parquet_ext.tools.local.plan import Plan
    from otlp2parquet_ext.tools.local.subscription import Subscription

_EVENTS = frozenset({"INVOKE", "SHUTDOWN"})
_MOST_EXTENSIONS = 10
_IDENTIFIER = "Lambda-Extension-Identifier"
_ERROR_TYPE = "Lambda-Extension-Function-Error-Type"


class _RefusedError(Exception):
    """A refused call, with its answer."""

    def __init__(self, answer: web.Response) -> None:
        super().__init__(answer.text)
        self.answer = answer


class LocalExtensionsApi:
    """Handlers over the parties of one generation."""

    def __init__(
        self,
        plan: Plan,
        parties: Parties,
        subscribe: Callable[[str, Subscription], None],
    ) -> None:
        self._plan = plan
        self._parties = parties
        self._subscribe = subscribe
        self._nexts = 0

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of both APIs."""
        extension = "/2020-01-01/extension"
        return [
            web.post(f"{extension}/register", self.register),
            web.get(f"{extension}/event/next", self.next),
            web.post(f"{extension}/init/error", self.init_error),
            web.post(f"{extension}/exit/error", self.exit_error),
            web.put("/2022-07-01/telemetry", self.telemetry),
        ]

    async def register(self, request: web.Request) -> web.Response:
        """Answer `POST /register`."""
        try:
            events = self._requested_events(await request.read())
            extension = self._newcomer(request.headers.get("Lambda-Extension-Name", ""), events)
            extension.register(events)
        except _RefusedError as refused:
            return refused.answer
        except IllegalStateError as error:
            return refusal(FORBIDDEN, "Extension.InvalidExtensionState", str(error))
        return web.json_response(
            self._introduction(request.headers.get("Lambda-Extension-Accept-Feature", "")),
            headers={_IDENTIFIER: extension.identifier},
        )

    async def next(self, request: web.Request) -> web.StreamResponse:
        """Answer `GET /event/next` once there is an event."""
        try:
            extension = self._caller(request)
            if self._next_is_broken():
                return server_error()
            answer = await extension.next()
        except _RefusedError as refused:
            return refused.answer
        except IllegalStateError as error:
            return refusal(FORBIDDEN, "Extension.InvalidExtensionState", str(error))
        except asyncio.CancelledError:
            return server_error()
        return web.Response(body=answer.body, headers=answer.headers)

    def _next_is_broken(self) -> bool:
        self._nexts += 1
        broken_from = self._plan.faults.broken_next_from
        return self._parties.generation == 0 and 0 < broken_from <= self._nexts

    async def init_error(self, request: web.Request) -> web.Response:
        """Answer `POST /init/error`."""
        return await self._error(request, ExtensionCall.INIT_ERROR, "Extension.InitError")

    async def exit_error(self, request: web.Request) -> web.Response:
        """Answer `POST /exit/error`."""
        return await self._error(request, ExtensionCall.EXIT_ERROR, "Extension.ExitError")

    async def telemetry(self, request: web.Request) -> web.Response:
        """Answer `PUT /telemetry`."""
        try:
            extension = self._caller(request)
        except _RefusedError as refused:
            return refused.answer
        answer = self._subscription_refused(extension)
        if answer is not None:
            return answer
        try:
            subscription = parse(await request.read(), managed=self._plan.managed)
        except ValidationError as error:
            return refusal(BAD_REQUEST, "ValidationError", str(error))
        extension.subscribed = True
        self._subscribe(extension.name, subscription)
        return web.json_response("OK")

    def _subscription_refused(self, extension: Extension) -> web.Response | None:
        fault = self._plan.faults.refuse_subscription
        if fault == ACCEPTED:
            return refusal(ACCEPTED, "Telemetry.NotSupported", "Telemetry API is not supported")
        if fault == BAD_REQUEST:
            return refusal(BAD_REQUEST, "ValidationError", "refused by a fault switch")
        if fault == FORBIDDEN or not self._parties.initialising:
            return refusal(
                FORBIDDEN, "Telemetry.SubscriptionClosed", "Telemetry API subscription is closed"
            )
        return server_error() if extension.subscribed else None

    async def _error(
        self, request: web.Request, call: ExtensionCall, error_type: str
    ) -> web.Response:
        try:
            extension = self._caller(request)
        except _RefusedError as refused:
            return refused.answer
        if _ERROR_TYPE not in request.headers:
            return refusal(FORBIDDEN, "Extension.MissingHeader", f"{_ERROR_TYPE} not found")
        try:
            extension.call(call)
        except IllegalStateError as error:
            return refusal(FORBIDDEN, "Extension.InvalidExtensionState", str(error))
        extension.error_type = error_type
        return ok()

    def _requested_events(self, body: bytes) -> frozenset[str]:
        document: Any = None
        with contextlib.suppress(ValueError):
            document = json.loads(body)
        if not isinstance(document, dict):
            raise _RefusedError(
                refusal(FORBIDDEN, "InvalidRequestFormat", "request body is not a JSON object")
            )
        if document.get("configurationKeys"):
            raise _RefusedError(
                refusal(FORBIDDEN, "InvalidRequestFormat", "configurationKeys are not supported")
            )
        allowed = _EVENTS - {"INVOKE"} if self._plan.managed else _EVENTS
        events = [str(event) for event in document.get("events") or ()]
        for event in events:
            if event not in allowed:
                raise _RefusedError(
                    refusal(
                        FORBIDDEN, "Extension.InvalidEventType", f"{event}: ErrorInvalidEventType"
                    )
                )
        return frozenset(events)

    def _newcomer(self, name: str, events: frozenset[str]) -> Extension:
        """Return the extension of this name; while the runtime runs, a new internal one."""
        parties = self._parties
        if not name:
            raise _RefusedError(
                refusal(FORBIDDEN, "Extension.InvalidExtensionName", "Empty extension name")
            )
        for extension in parties.extensions:
            if extension.name == name:
                return extension
        if not parties.initialising:
            raise _RefusedError(
                refusal(
                    FORBIDDEN,
                    "Extension.RegistrationClosed",
                    "Extension registration closed already",
                )
            )
        return self._internal(parties, name, events)

    def _internal(self, parties: Parties, name: str, events: frozenset[str]) -> Extension:
        if parties.runtime.program is None:
            raise _RefusedError(
                refusal(
                    FORBIDDEN,
                    "Extension.InvalidExtensionName",
                    f"{name!r} is not the name of an extension that was started",
                )
            )
        if "SHUTDOWN" in events:
            raise _RefusedError(
                refusal(
                    FORBIDDEN,
                    "Extension.InvalidEventType",
                    "SHUTDOWN: ErrorInvalidEventType (internal extension)",
                )
            )
        if len(parties.extensions) >= _MOST_EXTENSIONS:
            raise _RefusedError(
                refusal(
                    FORBIDDEN,
                    "Extension.TooManyExtensions",
                    f"Extension limit ({_MOST_EXTENSIONS}) reached",
                )
            )
        extension = Extension(name=name, external=False, changes=parties.changes)
        parties.extensions.append(extension)
        return extension

    def _introduction(self, features: str) -> dict[str, str]:
        plan = self._plan
        answer = {
            "functionName": plan.function_name,
            "functionVersion": plan.function_version,
            "handler": plan.handler,
        }
        if "accountId" in (feature.strip() for feature in features.split(",")):
            answer["accountId"] = plan.account_id
        return answer

    def _caller(self, request: web.Request) -> Extension:
        identifier = request.headers.get(_IDENTIFIER, "")
        if not identifier:
            raise _RefusedError(
                refusal(FORBIDDEN, "Extension.MissingExtensionIdentifier", f"{_IDENTIFIER} missing")
            )
        try:
            uuid.UUID(identifier)
        except ValueError:
            raise _RefusedError(
                refusal(FORBIDDEN, "Extension.InvalidExtensionIdentifier", f"{identifier!r}")
            ) from None
        extension = self._parties.by_identifier(identifier)
        if extension is None:
            raise _RefusedError(
                refusal(FORBIDDEN, "Extension.UnknownExtensionIdentifier", "Unknown extension UUID")
            )
        if extension.state in (ExtensionState.INIT_ERROR, ExtensionState.EXIT_ERROR):
            raise _RefusedError(
                refusal(
                    FORBIDDEN, "Extension.InvalidExtensionState", f"extension is {extension.state}"
                )
            )
        return extension
