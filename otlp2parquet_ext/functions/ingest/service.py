"""From an event to its response.

    event --> IngestRequest --token--> IngestCall --inflate, read--> AcceptedRequest --store--> 200
                   |          |            |              |                            |
                   +----------+------------+--------------+----------------------------+--> refusal

There is one service for the life of an environment; it owns the destination.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.common.log import hide, log, quote
from otlp2parquet_ext.common.settings.settings import Settings, load, secrets_in
from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.functions.ingest.call import Format, IngestCall
from otlp2parquet_ext.functions.ingest.event_bodies import take_events
from otlp2parquet_ext.functions.ingest.events import BodyError, IngestRequest, body_of, read_event
from otlp2parquet_ext.functions.ingest.otlp_bodies import take_otlp
from otlp2parquet_ext.functions.ingest.responses import IngestResponse, as_gateway, refusal, success
from otlp2parquet_ext.functions.ingest.routes import is_health, read_head, wants_json
from otlp2parquet_ext.functions.ingest.store import Store
from otlp2parquet_ext.functions.ingest.tokens import IngestTokens, SecretError, split_tokens
from otlp2parquet_ext.lake.destinations.destination import Batch, DestinationError
from otlp2parquet_ext.records.mapping.exclude import exclusion
from otlp2parquet_ext.records.otlp.encodings import EncodingError, OverLimitError, inflate
from otlp2parquet_ext.records.otlp.messages import request_class
from otlp2parquet_ext.records.otlp.pieces import MOST_RECORDS
from otlp2parquet_ext.records.otlp.refusals import TooLargeError, TooManyError
from otlp2parquet_ext.records.otlp.requests import OtlpError, Signal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.functions.ingest.accepted import AcceptedRequest
    from otlp2parquet_ext.functions.ingest.secrets import Secret
    from otlp2parquet_ext.records.telemetry.redact import Redactor

PROBLEM_CHARACTERS = 1_000
PASSING = (DestinationError, SecretError, ImportError, MemoryError, OSError)
"""Exceptions with a temporary cause: the client gets 503 and sends the request again."""

NO_BASE64 = "the gateway did not mark the body as base64: see docs/ingest.md, binary media types"


class IngestService:
    """See the module.

    Args:
        environ: environment variables of the process.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        hide(secrets_in(environ))
        # If the function had OTLP2PARQUET_DESTINATION, the layer's extension would read it, too,
        # and would collect the telemetry of this function.
        own = environ.get("OTLP2PARQUET_INGEST_DESTINATION", "").strip()
        self._settings, problems = load(
            {**environ, "OTLP2PARQUET_DESTINATION": own} if own else environ
        )
        self._tokens, self._secret = _door(self._settings, environ)
        self._redactor = _redactor(self._settings, problems)
        self._exclude, bad = exclusion(self._settings.exclude)
        self._store = Store(self._settings, environ)
        for problem in problems + bad:
            log("warning", problem)

    def warm_up(self) -> None:
        """Import the modules for the first request, while INIT has a whole CPU.

        Raises:
            DestinationError: the settings name no destination.
        """
        for signal in Signal:
            request_class(signal)
        self._store.open()

    def answer(self, event: object, deadline_ms: int) -> dict[str, Any]:
        """Return the response to an event, in the gateway's form.

        Args:
            event: the event from Lambda.
            deadline_ms: Unix ms; the deadline of the response.

        Raises:
            EventError: the event is no HTTP request.
        """
        deadline, request = SteadyDeadline(deadline_ms), read_event(event)
        try:
            answer = self._answer(request, deadline)
        except PASSING as error:
            log(
                "error",
                f"a request is not stored: {quote(error, PROBLEM_CHARACTERS)}; its client is asked "
                "to send it again",
            )
            problem = "the destination did not accept it; the function's log has the reason"
            answer = refusal(503, problem, json=wants_json(request))
        except Exception as error:  # noqa: BLE001 - a bug must fail one request only
            log(
                "error",
                f"a request is refused, for a bug of ours: {type(error).__name__}: {quote(error)}",
            )
            problem = (
                "it could not be read, because of a bug in this function; its log has the error"
            )
            answer = refusal(500, problem, json=wants_json(request))
        return as_gateway(answer)

    def _answer(self, request: IngestRequest, deadline: SteadyDeadline) -> IngestResponse:
        if not is_health(request) and (no := self._check(request, deadline)):
            return no
        call = read_head(request)
        if isinstance(call, IngestResponse):
            return call
        taken = self._take(call, request)
        if isinstance(taken, IngestResponse):
            return taken
        if taken.tables:
            batch = Batch(taken.name, taken.tables, received_us=time.time_ns() // 1_000)
            lost = self._store.keep(batch, deadline.unix_ms())
            taken = taken.without(lost)
        return success(call, taken)

    def _check(self, request: IngestRequest, deadline: SteadyDeadline) -> IngestResponse | None:
        """Return None for a permitted client, else the refusal."""
        tokens = self._secret.tokens(deadline.unix_ms()) if self._secret else self._tokens
        return tokens.check(request) if tokens else None

    def _take(self, call: IngestCall, request: IngestRequest) -> AcceptedRequest | IngestResponse:
        """Parse a request; return a refusal if it is not valid."""
        json, limit_bytes = wants_json(request), self._settings.max_payload_bytes
        try:
            body = body_of(request)
            # In protobuf, an empty body is a valid request without records.
            if not body and json:
                problem = f"expected a body: {call.format.value}"
                return refusal(400, problem, json=json, error="missing request body")
            return self._read(call, inflate(body, call.encoding, limit_bytes))
        except BodyError as error:
            return refusal(400, str(error), json=json, error="invalid base64 body")
        except EncodingError as error:
            hint = "" if request.in_base64 else f"; {NO_BASE64}"
            word = f"{call.encoding} decompression failed"
            return refusal(400, f"{error}{hint}", json=json, error=word)
        except OtlpError as error:
            binary = call.format is Format.PROTOBUF and not request.in_base64
            return refusal(400, f"{error}; {NO_BASE64}" if binary else str(error), json=json)
        except OverLimitError:
            problem = f"the body has more than {limit_bytes} bytes, uncompressed: send smaller ones"
            more = {"limit_bytes": limit_bytes}
        except TooLargeError as error:
            problem = str(error)
            more = {"limit_records": MOST_RECORDS} if isinstance(error, TooManyError) else {}
        return refusal(413, problem, json=json, more=more)

    def _read(self, call: IngestCall, body: bytes) -> AcceptedRequest:
        received_us = time.time_ns() // 1_000
        if call.signal is None:
            return take_events(
                body,
                received_us,
                self._redactor,
                self._exclude or None,
                near_us=self._settings.record_time_ms * 1_000,
            )
        return take_otlp(call.signal, call.format, body, received_us, self._redactor)


def _door(
    settings: Settings, environ: Mapping[str, str]
) -> tuple[IngestTokens | None, Secret | None]:
    """Return the valid tokens, or the secret with them; with neither, all clients may send."""
    text = settings.ingest_token
    if text.startswith("arn:"):
        from otlp2parquet_ext.functions.ingest.secrets import Secret  # noqa: PLC0415 - seldom

        return None, Secret(text, environ)
    tokens = split_tokens(text)
    hide(tokens)
    return IngestTokens(tokens) if text else None, None


def _redactor(settings: Settings, problems: list[str]) -> Redactor | None:
    """Return the redactor; an invalid expression masks all text, and is added to `problems`."""
    if not settings.redact:
        return None
    from otlp2parquet_ext.records.telemetry.redact import redacting  # noqa: PLC0415 - seldom

    redactor, problem = redacting(settings.redact)
    if problem:
        problems.append(problem)
    return redactor
