"""Parses OTLP/JSON to messages: the JSON mapping of protobuf, with ids in hex.

It follows the descriptors of the messages: lowerCamelCase names and the original ones, 64-bit
integers as strings or numbers, enums as numbers or names, bytes in base64, `NaN` and `Infinity` as
strings, `null` as absent; unknown fields are ignored. google.protobuf's own parser reads ids as
base64 and refuses a request for one bad value.
"""

from __future__ import annotations

from typing import Any

import msgspec

from otlp2parquet_ext.records.otlp.checks import require_storable
from otlp2parquet_ext.records.otlp.json_fields import Field, fields
from otlp2parquet_ext.records.otlp.messages import MAX_DEPTH, RECORDS
from otlp2parquet_ext.records.otlp.refusals import BadValueError, OtlpError, Refusals, shown
from otlp2parquet_ext.records.telemetry.exact import exact

_decode = msgspec.json.Decoder().decode


def read_json(body: bytes, request: Any, refusals: Refusals) -> None:
    """Read a request.

    Args:
        body: any bytes. The last of equal keys counts; invalid Unicode is replaced.
        request: an empty request message; gets the valid records.
        refusals: collects the invalid records.

    Raises:
        OtlpError: the body is no JSON, or a part outside its records cannot be read.

    Source: OTLP specification, "JSON Protobuf Encoding"; protobuf's ProtoJSON format.
    """
    try:
        _JsonReader(refusals).read_request(request, _parse(body))
    except BadValueError as error:
        raise OtlpError(f"{request.DESCRIPTOR.name} as JSON: {error}") from None


def _parse(body: bytes) -> object:
    try:
        try:
            return _decode(body)
        except (msgspec.MsgspecError, ValueError):
            # NaN, half surrogates, raw control characters, bytes that are no UTF-8
            return _decode(exact(body.decode(errors="replace").lstrip("\ufeff")))
    except RecursionError:
        raise BadValueError("it is nested too deeply to be read") from None
    except (msgspec.MsgspecError, ValueError) as error:
        start = shown(body[:20].decode(errors="replace"))
        raise BadValueError(f"{start} (the first of {len(body)} bytes): {error}") from None


class _JsonReader:
    """Fills messages; refuses records.

    A stack of keys and indexes holds the position in the request. An error leaves the stack
    unchanged, and only then the path is written as text.
    """

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals
        self._path: list[str | int] = []

    def read_request(self, request: Any, value: object) -> None:
        """Fill a request.

        Raises:
            BadValueError: a part of it outside its records cannot be read.
        """
        try:
            self._read(request, value, 0)
        except BadValueError as error:
            raise BadValueError((self._where() or "the request") + str(error)) from None

    def _read(self, message: Any, value: object, depth: int) -> None:
        if not isinstance(value, dict):
            raise BadValueError(f" is {shown(value)}: expected an object")
        if depth > MAX_DEPTH:
            raise BadValueError(f" is nested deeper than {MAX_DEPTH} messages")
        known = fields(message.DESCRIPTOR)
        path = self._path
        for key, given in value.items():
            field = known.get(key)
            if field is None or given is None:
                continue
            path.append(key)
            if field.oneof and message.WhichOneof(field.oneof) not in {None, field.name}:
                raise BadValueError(" is one value too many: expected one of its kind")
            if field.repeated:
                self._read_all(getattr(message, field.name), field, given, depth)
            elif field.convert is None:
                child = getattr(message, field.name)
                child.SetInParent()
                self._read(child, given, depth + 1)
            else:
                setattr(message, field.name, field.convert(given))
            path.pop()

    def _read_all(self, target: Any, field: Field, given: object, depth: int) -> None:
        if not isinstance(given, list):
            raise BadValueError(f" is {shown(given)}: expected an array")
        for index, one in enumerate(given):
            self._path.append(index)
            if field.convert is not None:
                target.append(field.convert(one))
            elif field.name in RECORDS:
                self._read_record(target, one, depth + 1)
            else:
                self._read(target.add(), one, depth + 1)
            self._path.pop()

    def _read_record(self, target: Any, one: object, depth: int) -> None:
        refused, here = self._refusals.records, len(self._path)
        record = target.add()
        try:
            self._read(record, one, depth)
            require_storable(record)
        except BadValueError as error:
            del target[-1]
            points = _points(one) - (self._refusals.records - refused)
            self._refusals.add(self._where() + str(error), max(1, points))
            del self._path[here:]

    def _where(self) -> str:
        parts = (f"[{one}]" if isinstance(one, int) else f".{one}" for one in self._path)
        return "".join(parts).removeprefix(".")


def _points(metric: object) -> int:
    """Count the data points of a metric that is refused completely; 0 for other records."""
    data = metric.values() if isinstance(metric, dict) else ()
    lists = [one.get("dataPoints", one.get("data_points")) for one in data if isinstance(one, dict)]
    return sum(len(one) for one in lists if isinstance(one, list))
