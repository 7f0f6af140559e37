"""Redaction of OTLP requests: what an expression matches leaves no memory of ours.

    payload --parse--> every string, every number of an attribute --Redactor--> payload

The same rules as for Lambda's telemetry (telemetry/redact.py): an attribute is looked at as its
value and as `key=value`, an array's elements have its key. Ids, times, counts and the values of
data points are no text, and stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.otlp.messages import request_class
from otlp2parquet_ext.telemetry.redact import masked, masked_key

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from otlp2parquet_ext.otlp.messages import Signal
    from otlp2parquet_ext.telemetry.redact import Redactor


def redacted(signal: Signal, payload: bytes, redactor: Redactor) -> bytes:
    """Return a request with a mask over each match.

    Args:
        signal: what it carries.
        payload: as `Accepted.payload`.
        redactor: searches.
    """
    request = request_class(signal).FromString(payload)
    _walk(request, redactor)
    return bytes(request.SerializeToString())


def _walk(message: Message, redactor: Redactor, key: str = "") -> None:
    """Mask what is in a message, and in those below it; `key` is of the attribute it is in."""
    name = message.DESCRIPTOR.name
    if name == "KeyValue":
        key = message.key
    elif name == "AnyValue":
        _mask_number(message, redactor, key)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for below in value if field.is_repeated else (value,):
                _walk(below, redactor, key)
        elif field.type == field.TYPE_STRING and field.is_repeated:
            value[:] = [masked(redactor, "", text) for text in value]
        elif field.type == field.TYPE_STRING:
            if name == "KeyValue":
                text = masked_key(redactor, value)
            else:
                text = masked(redactor, key if name == "AnyValue" else "", value)
            if text != value:
                setattr(message, field.name, text)


def _mask_number(value: Any, redactor: Redactor, key: str) -> None:
    """Turn a number that matches into a masked string."""
    kind = value.WhichOneof("value")
    if kind in ("int_value", "double_value"):
        digits = str(getattr(value, kind))
        text = masked(redactor, key, digits)
        if text != digits:
            value.string_value = text
