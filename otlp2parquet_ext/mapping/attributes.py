"""Attributes as JSON text: ours first, then the record's own, neither overwriting the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.mapping.fields import Fields, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

Attributes = dict[str, object]


def exception(values: Mapping[str, object]) -> Attributes:
    """Give `exception.*` for a record that carries an error, {} for one that does not.

    Source: reference otlp-mapping.md, section 7; OpenTelemetry semantic conventions, exceptions.
    """
    found: Attributes = {}
    for key, name in (("errorType", "exception.type"), ("errorMessage", "exception.message")):
        value = values.get(key)
        if isinstance(value, str):
            found[name] = value
    return found


def merge(own: Mapping[str, object], fields: Fields | None = None) -> bytes:
    """Write attributes as a compact JSON object.

    Args:
        own: what we set; these keys are ours.
        fields: what is left of the record. A key that is ours becomes `record.<key>`, as often
            as it takes to be nobody else's; equal keys stay equal, the last one last.
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
