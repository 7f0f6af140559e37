"""Writes attributes as JSON text: ours first, then the record's own; none is overwritten."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from otlp2parquet_ext.records.mapping.fields import Fields, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

Attributes = dict[str, object]


def exception(values: Mapping[str, object]) -> Attributes | None:
    """Return `exception.*` for a record with an error; None for one without.

    Source: OpenTelemetry semantic conventions, "Exceptions in logs".
    """
    if "errorType" not in values and "errorMessage" not in values:
        return None
    found: Attributes = {}
    for key, name in (("errorType", "exception.type"), ("errorMessage", "exception.message")):
        value = values.get(key)
        if isinstance(value, str):
            found[name] = value
    return found


class AttributeWriter:
    """Writes attributes as JSON text; caches the first attributes of an invocation.

    The cache and the writer exist for one batch.
    """

    def __init__(self) -> None:
        """Begin with an empty cache."""
        self.opening = cache(_opening)

    def write(
        self,
        event_type: str,
        request_id: str | None,
        own: Mapping[str, object] | None = None,
        fields: Fields | None = None,
    ) -> bytes:
        """Write `type`, `faas.invocation_id`, our own attributes, then the other record fields.

        Args:
            event_type: the event's type.
            request_id: None if the record belongs to no invocation.
            own: further attributes that we set, if any.
            fields: the other fields of the record; see `merge`.
        """
        if not own:
            opening = self.opening(event_type, request_id)
            if fields is None:
                return opening + b"}"
            rest = fields.rest
            if not (fields.repeated or "type" in rest or "faas.invocation_id" in rest):
                return opening + (b"," + encode(rest)[1:] if rest else b"}")
        known: Attributes = {"type": event_type}
        if request_id is not None:
            known["faas.invocation_id"] = request_id
        return merge({**known, **(own or {})}, fields)


def _opening(event_type: str, request_id: str | None) -> bytes:
    known = {"type": event_type}
    if request_id is not None:
        known["faas.invocation_id"] = request_id
    return encode(known)[:-1]


def merge(own: Mapping[str, object], fields: Fields | None = None) -> bytes:
    """Write attributes as a compact JSON object.

    Args:
        own: attributes that we set; their keys are reserved.
        fields: the other fields of the record. A reserved key gets the prefix `record.`, repeated
            until the key is unique. Equal keys stay equal, in their order.
    """
    text = encode(own)
    if fields is None or not (fields.rest or fields.repeated):
        return text
    rest = fields.rest
    if not rest.keys().isdisjoint(own):
        names = {key: _free_name(key, own, rest) for key in own if key in rest}
        rest = {names.get(key, key): value for key, value in rest.items()}
    else:
        names = {}
    parts = [text[1:-1]] if own else []
    parts += [encode({names.get(key, key): value})[1:-1] for key, value in fields.repeated]
    if rest:
        parts.append(encode(rest)[1:-1])
    return b"{%b}" % b",".join(parts)


def _free_name(key: str, own: Mapping[str, object], rest: Mapping[str, object]) -> str:
    name = f"record.{key}"
    while name in own or name in rest:
        name = f"record.{name}"
    return name
