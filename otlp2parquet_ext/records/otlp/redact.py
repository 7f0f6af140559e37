"""Redaction of OTLP requests: text that an expression matches never leaves our memory.

    payload --parse--> every string, every number of an attribute --Redactor--> payload

The rules are those for Lambda's telemetry (records/telemetry/redact.py): an attribute is searched
as its value and as `key=value`; an array's elements have its key. Bytes are searched as text. Ids,
times, counts and the values of data points are no text, so they stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.records.otlp.messages import request_class
from otlp2parquet_ext.records.otlp.pieces import UNSPLIT_BYTES, joined, pieces
from otlp2parquet_ext.records.telemetry.redact import masked, masked_key

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from otlp2parquet_ext.records.otlp.messages import Signal
    from otlp2parquet_ext.records.telemetry.redact import Redactor


def redacted(signal: Signal, payload: bytes, redactor: Redactor) -> bytes:
    """Return a request with a mask over each match; without one, the payload.

    Args:
        signal: the request's signal.
        payload: as `Accepted.payload`. Fields of a newer protocol are removed, because their
            meaning is unknown and no table has them.
        redactor: the compiled rules.
    """
    if len(payload) <= UNSPLIT_BYTES:
        return _redacted(signal, payload, redactor)
    changed = False
    kept: list[bytes] = []
    for piece in pieces(signal, payload):
        kept.append(_redacted(signal, piece, redactor))
        changed |= kept[-1] is not piece
    return joined(signal, kept) if changed else payload


def _redacted(signal: Signal, payload: bytes, redactor: Redactor) -> bytes:
    request = request_class(signal).FromString(payload)
    size = request.ByteSize()
    request.DiscardUnknownFields()
    changed = request.ByteSize() != size
    changed |= _walk(request, redactor)
    return bytes(request.SerializeToString()) if changed else payload


def _walk(message: Message, redactor: Redactor, key: str = "") -> bool:
    """Mask texts in a message and its nested messages; return whether any was masked.

    Args:
        message: changed in place.
        redactor: searches.
        key: key of the attribute that contains the message; "" outside attributes.
    """
    name, changed = message.DESCRIPTOR.name, False
    if name == "KeyValue":
        key = message.key  # read before the key is masked, so that `key=value` still matches
    elif name == "AnyValue":
        changed = _mask_scalar(message, redactor, key)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for below in value if field.is_repeated else (value,):
                changed |= _walk(below, redactor, key)
        elif field.type == field.TYPE_STRING and name != "AnyValue":
            changed |= _mask_texts(message, field, redactor)
    return changed


def _mask_texts(message: Message, field: Any, redactor: Redactor) -> bool:
    """Mask a field with one text or several."""
    value = getattr(message, field.name)
    texts = list(value) if field.is_repeated else [value]
    if message.DESCRIPTOR.name == "KeyValue":
        after = [masked_key(redactor, text) for text in texts]
    else:
        after = [masked(redactor, "", text) for text in texts]
    if after == texts:
        return False
    if field.is_repeated:
        value[:] = after
    else:
        setattr(message, field.name, after[0])
    return True


def _mask_scalar(value: Any, redactor: Redactor, key: str) -> bool:
    """Mask a scalar value; a masked number becomes text, because no number can show a mask."""
    kind = value.WhichOneof("value")
    if kind == "bytes_value":
        text = value.bytes_value.decode("utf-8", "surrogateescape")
        after = masked(redactor, key, text)
        value.bytes_value = after.encode("utf-8", "surrogateescape")
        return bool(after != text)
    if kind not in ("string_value", "int_value", "double_value"):
        return False
    text = str(getattr(value, kind))
    after = masked(redactor, key, text)
    if after != text:
        value.string_value = after
    return bool(after != text)
