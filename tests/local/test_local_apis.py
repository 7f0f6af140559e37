"""The APIs refuse what Lambda refuses, with Lambda's status and error type."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from otlp2parquet_ext.tools.local import Plan
from otlp2parquet_ext.tools.local.changes import Changes
from otlp2parquet_ext.tools.local.extension import Extension
from otlp2parquet_ext.tools.local.parties import Parties
from otlp2parquet_ext.tools.local.requests import NextResponse
from otlp2parquet_ext.tools.local.runtime import Flight, Runtime
from otlp2parquet_ext.tools.local.server import served
from otlp2parquet_ext.tools.local.states import ExtensionState, RuntimeState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from otlp2parquet_ext.tools.local.subscription import Subscription

REGISTER = "/2020-01-01/extension/register"
NEXT = "/2020-01-01/extension/event/next"
TELEMETRY = "/2022-07-01/telemetry"
RUNTIME = "/2018-06-01/runtime"
BOTH = {"events": ["INVOKE", "SHUTDOWN"]}
SUBSCRIPTION = {
    "schemaVersion": "2025-01-29",
    "types": ["platform"],
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243"},
}


@dataclass
class Bench:
    """The three APIs on loopback, with one expected extension that has not connected."""

    session: aiohttp.ClientSession
    address: str
    parties: Parties
    subscriptions: list[tuple[str, Subscription]] = field(default_factory=list)

    async def call(
        self, method: str, path: str, body: Any = None, /, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Make a call; header names are given with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"http://{self.address}{path}"
        async with self.session.request(method, url, data=data, headers=named) as answer:
            text = await answer.text()
            content = json.loads(text) if text.startswith(("{", '"')) else text
            return answer.status, content, dict(answer.headers)

    async def refused(self, method: str, path: str, body: Any = None, /, **headers: str) -> Any:
        """Make a call; return status and error type."""
        status, content, _ = await self.call(method, path, body, **headers)
        return status, content["errorType"]

    async def registered(self) -> str:
        """Register the expected extension; return its identifier."""
        _, _, headers = await self.call("POST", REGISTER, BOTH, Lambda_Extension_Name="probe")
        return headers["Lambda-Extension-Identifier"]


@asynccontextmanager
async def bench(**plan: Any) -> AsyncIterator[Bench]:
    """Serve the APIs."""
    changes = Changes()
    parties = Parties(generation=0, changes=changes, runtime=Runtime(changes=changes))
    parties.extensions.append(Extension(name="probe", external=True, changes=changes))
    taken: list[tuple[str, Subscription]] = []
    async with (
        served(Plan(**plan), parties, lambda *it: taken.append(it)) as address,
        aiohttp.ClientSession() as session,
    ):
        yield Bench(session, address, parties, taken)


@pytest.mark.parametrize(
    ("name", "body", "error_type"),
    [
        ("", BOTH, "Extension.InvalidExtensionName"),
        ("unknown", BOTH, "Extension.InvalidExtensionName"),
        ("probe", b"not json", "InvalidRequestFormat"),
        ("probe", BOTH | {"configurationKeys": ["x"]}, "InvalidRequestFormat"),
        ("probe", {"events": ["INVOKED"]}, "Extension.InvalidEventType"),
    ],
)
async def test_a_wrong_register_is_refused(name: str, body: Any, error_type: str) -> None:
    """All with 403, as the catalogue has it."""
    async with bench() as api:
        headers = {"Lambda_Extension_Name": name} if name else {}
        assert await api.refused("POST", REGISTER, body, **headers) == (403, error_type)


async def test_an_extension_registers_once() -> None:
    """The second time the state is wrong; after INIT strangers are too late."""
    async with bench() as api:
        await api.registered()
        again = await api.refused("POST", REGISTER, BOTH, Lambda_Extension_Name="probe")
        assert again == (403, "Extension.InvalidExtensionState")
        api.parties.initialising = False
        late = await api.refused("POST", REGISTER, BOTH, Lambda_Extension_Name="other")
        assert late == (403, "Extension.RegistrationClosed")


async def test_the_account_id_is_given_to_those_who_ask() -> None:
    """The feature header is a list."""
    async with bench(account_id="000000000042") as api:
        _, content, _ = await api.call(
            "POST",
            REGISTER,
            BOTH,
            Lambda_Extension_Name="probe",
            Lambda_Extension_Accept_Feature="other, accountId",
        )
        assert content["accountId"] == "000000000042"
    async with bench() as api:
        _, content, _ = await api.call("POST", REGISTER, BOTH, Lambda_Extension_Name="probe")
        assert "accountId" not in content


@pytest.mark.parametrize(
    ("identifier", "error_type"),
    [
        ("", "Extension.MissingExtensionIdentifier"),
        ("me", "Extension.InvalidExtensionIdentifier"),
        ("7d444840-9dc0-11d1-b245-5ffdce74fad2", "Extension.UnknownExtensionIdentifier"),
    ],
)
async def test_a_wrong_identifier_is_refused_everywhere(identifier: str, error_type: str) -> None:
    """By next, both errors, and the Telemetry API."""
    headers = {"Lambda_Extension_Identifier": identifier} if identifier else {}
    async with bench() as api:
        for method, path in (
            ("GET", NEXT),
            ("POST", "/2020-01-01/extension/init/error"),
            ("POST", "/2020-01-01/extension/exit/error"),
            ("PUT", TELEMETRY),
        ):
            assert await api.refused(method, path, **headers) == (403, error_type)


async def test_errors_are_accepted_once_and_end_the_extension() -> None:
    """They need their error type, and after one every call is refused."""
    async with bench() as api:
        me = {"Lambda_Extension_Identifier": await api.registered()}
        path = "/2020-01-01/extension/init/error"
        assert await api.refused("POST", path, **me) == (403, "Extension.MissingHeader")
        me["Lambda_Extension_Function_Error_Type"] = "Extension.Reason"
        status, content, _ = await api.call("POST", path, **me)
        assert (status, content) == (202, {"status": "OK"})
        assert api.parties.extensions[0].state is ExtensionState.INIT_ERROR
        for method, after in (("GET", NEXT), ("POST", path)):
            assert await api.refused(method, after, **me) == (
                403,
                "Extension.InvalidExtensionState",
            )


async def test_a_subscription_is_accepted_once_and_only_during_init() -> None:
    """200 "OK", then 500 for a second one, 400 for nonsense, 403 after INIT."""
    async with bench() as api:
        me = {"Lambda_Extension_Identifier": await api.registered()}
        broken = SUBSCRIPTION | {"types": []}
        assert await api.refused("PUT", TELEMETRY, broken, **me) == (400, "ValidationError")
        status, content, _ = await api.call("PUT", TELEMETRY, SUBSCRIPTION, **me)
        assert (status, content) == (200, "OK")
        ((name, subscription),) = api.subscriptions
        assert (name, subscription.port) == ("probe", 4243)
        again = await api.refused("PUT", TELEMETRY, SUBSCRIPTION, **me)
        assert again == (500, "InternalServerError")
        api.parties.initialising = False
        late = await api.refused("PUT", TELEMETRY, SUBSCRIPTION, **me)
        assert late == (403, "Telemetry.SubscriptionClosed")


async def test_unknown_paths_are_404_and_not_json() -> None:
    """The legacy Logs API among them."""
    async with bench() as api:
        status, content, _ = await api.call("PUT", "/2020-08-15/logs", {})
        assert status == 404
        assert isinstance(content, str)


async def test_an_event_told_while_the_extension_is_busy_waits_for_its_next() -> None:
    """SHUTDOWN may come while a flush is under way."""
    async with bench() as api:
        me = {"Lambda_Extension_Identifier": await api.registered()}
        (extension,) = api.parties.extensions
        extension.send(NextResponse(b'{"eventType":"SHUTDOWN"}', {"Content-Type": "text/plain"}))
        _, content, headers = await api.call("GET", NEXT, **me)
        assert content == {"eventType": "SHUTDOWN"}
        assert headers["Content-Type"] == "text/plain"
        assert extension.state is ExtensionState.RUNNING


async def test_the_runtime_answers_an_invocation_once_and_in_order() -> None:
    """Unknown ids are 400, calls out of order 403, a bad streaming mode 400."""
    async with bench() as api:
        runtime = api.parties.runtime
        flight = Flight("id-1", NextResponse(b"{}", {"Lambda-Runtime-Aws-Request-Id": "id-1"}))
        runtime.invoke(flight)
        _, content, headers = await api.call("GET", f"{RUNTIME}/invocation/next")
        assert (content, headers["Lambda-Runtime-Aws-Request-Id"]) == ({}, "id-1")
        early = await api.refused("GET", f"{RUNTIME}/invocation/next")
        assert early == (403, "InvalidStateTransition")
        path = RUNTIME + "/invocation/{}/response"
        unknown = await api.refused("POST", path.format("id-2"), b"x")
        assert unknown == (400, "InvalidRequestID")
        mode = {"Lambda_Runtime_Function_Response_Mode": "loud"}
        bad = await api.refused("POST", path.format("id-1"), b"x", **mode)
        assert bad == (400, "InvalidFunctionResponseMode")
        status, content, _ = await api.call("POST", path.format("id-1"), b"x")
        assert (status, content) == (202, {"status": "OK"})
        assert flight.response == b"x"
        assert runtime.state is RuntimeState.DONE
        late = await api.refused("POST", f"{RUNTIME}/init/error", {})
        assert late == (403, "InvalidStateTransition")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Function.ValueError", "Function.ValueError"),
        ("Runtime.Oops", "Runtime.Oops"),
        ("ValueError", "Function.Unknown"),
    ],
)
async def test_error_types_are_rewritten_as_lambda_does(given: str, kept: str) -> None:
    """Other types than `Runtime.Xxx` or `Function.Xxx` become unknown."""
    async with bench() as api:
        flight = Flight("id", NextResponse(b"{}", {}))
        api.parties.runtime.invoke(flight)
        await api.call("GET", f"{RUNTIME}/invocation/next")
        header = {"Lambda_Runtime_Function_Error_Type": given}
        await api.call("POST", f"{RUNTIME}/invocation/id/error", {"errorType": "E"}, **header)
        assert flight.error_type == kept


async def test_a_response_too_large_is_413_unless_it_is_streamed() -> None:
    """6 MiB and 100 bytes; streams have no such limit."""
    for mode, status in (
        ({}, 413),
        ({"Lambda_Runtime_Function_Response_Mode": "streaming"}, 202),
    ):
        async with bench() as api:
            api.parties.runtime.invoke(Flight("id", NextResponse(b"{}", {})))
            await api.call("GET", f"{RUNTIME}/invocation/next")
            body = b"x" * ((6 << 20) + 101)
            path = f"{RUNTIME}/invocation/id/response"
            assert (await api.call("POST", path, body, **mode))[0] == status
