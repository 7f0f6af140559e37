"""Bodies of telemetry events, one a line → rows of the logs table.

    {"time", "type", "record",                    an event of the Telemetry API
     "version", "region", "logGroup", "logStream",  added by a data-taps extension: the function
     "retryAttempt"}                                number of retries: ignored

Events are read as the extension reads its own, separately for each environment. `retryAttempt` is
ignored, so that a repeated batch has the same name.

Source: the posts of data-taps-lambda-extension; docs/forwarding.md, "Data Tap".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pyarrow as pa

from otlp2parquet_ext.functions.ingest.accepted import AcceptedRequest, lines_of
from otlp2parquet_ext.records.digests import batch_name, strong_digest_of
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.mapping.times import NEAR_US
from otlp2parquet_ext.records.otlp.requests import Accepted, OtlpError
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp2parquet_ext.records.mapping.exclude import Exclusion
    from otlp2parquet_ext.records.telemetry.redact import Redactor

LOGS = "logs"
ABSENT = "NA"
"""The text that a data-taps extension writes for a missing variable."""

EVENTS_A_DELIVERY = 1_000
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


class _Line(NamedTuple):
    """An event in the form of the Telemetry API, or a line that is no event."""

    text: bytes
    is_event: bool


def take_events(
    body: bytes,
    received_us: int,
    redactor: Redactor | None,
    exclude: Exclusion | None,
    *,
    near_us: int = NEAR_US,
) -> AcceptedRequest:
    """Parse a body.

    Args:
        body: decompressed body; a line that is no event becomes a row of text.
        received_us: time of receipt, Unix microseconds.
        redactor: masks sensitive text; None for no masking.
        exclude: rule for rows to exclude; None for no rule.
        near_us: as for `log_table`.

    Raises:
        OtlpError: the body has no line.
        TooManyError: see `lines_of`.
    """
    lines = lines_of(body)
    if not lines:
        raise OtlpError("the body has no line: expected one for each event")
    groups: dict[EnvironmentContext, list[_Line]] = {}
    for _, line in lines:
        context, event = _read(line)
        groups.setdefault(context, []).append(event)
    digests: list[bytes] = []
    tables: list[pa.Table] = []
    for context, events in groups.items():
        bodies = [redactor.body(one) if redactor else one for one in _bodies(events)]
        deliveries = [Delivery(one, received_us) for one in bodies]
        digests += [strong_digest_of(part) for part in (_encode(context), *bodies)]
        made = log_table(deliveries, context, Invocations(), exclude, near_us=near_us)
        tables.append(made.table)
    table = pa.concat_tables(tables)
    rows = {LOGS: table} if table.num_rows else {}
    return AcceptedRequest(batch_name(digests), rows, Accepted(b"", len(lines), 0, ""))


def _read(line: bytes) -> tuple[EnvironmentContext, _Line]:
    """Return the environment of a line's event, and the event in the Telemetry API's form."""
    try:
        fields = _fields(line)
        kind = _text(fields["type"])
    except (msgspec.MsgspecError, KeyError, RecursionError):
        return EnvironmentContext(instance_id=""), _Line(line, is_event=False)
    context = EnvironmentContext(
        instance_id=_take(fields, "logStream"),
        function_name=_take(fields, "logGroup"),
        function_version=_take(fields, "version"),
        region=_take(fields, "region"),
    )
    fields.pop("retryAttempt", None)
    if kind.startswith("platform."):
        fields["record"] = _as_object(fields.get("record", msgspec.Raw(b"null")))
    return context, _Line(_encode(fields), is_event=True)


def _take(fields: dict[str, msgspec.Raw], name: str) -> str:
    """Remove and return a text field; a field that is no text stays, and becomes an attribute."""
    try:
        value = _text(fields[name])
    except (msgspec.MsgspecError, KeyError):
        return ""
    del fields[name]
    return "" if value == ABSENT else value


def _as_object(record: msgspec.Raw) -> msgspec.Raw:
    """Return the record of a platform event as an object: some clients send it as text."""
    if not bytes(record).startswith(b'"'):
        return record
    try:
        text = _text(record).encode()
        _fields(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return record
    return msgspec.Raw(text)


def _bodies(lines: list[_Line]) -> Iterator[bytes]:
    """Yield the events of one environment as bodies of the Telemetry API, in their order.

    A line that is no event is a body of its own, so that it does not affect the others.
    """
    together: list[bytes] = []
    for line in lines:
        if together and (not line.is_event or len(together) >= EVENTS_A_DELIVERY):
            yield b"[%b]" % b",".join(together)
            together = []
        if line.is_event:
            together.append(line.text)
        else:
            yield line.text
    if together:
        yield b"[%b]" % b",".join(together)
