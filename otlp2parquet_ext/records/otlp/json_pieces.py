"""Cuts large requests in JSON into small ones before they become Python values; see pieces.py.

    body --json_pieces()--> bodies of 128 KiB or 4096 records each

Only the objects around records are parsed. Each record stays text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from otlp2parquet_ext.records.otlp.messages import Signal
from otlp2parquet_ext.records.otlp.pieces import (
    MOST_RECORDS,
    PIECE_BYTES,
    PIECE_RECORDS,
    UNSPLIT_BYTES,
    counted,
)
from otlp2parquet_ext.records.otlp.refusals import BadValueError, TooLargeError, shown
from otlp2parquet_ext.records.otlp.weight import require_light_json, values_in
from otlp2parquet_ext.records.telemetry.exact import exact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp2parquet_ext.records.otlp.refusals import Refusals


class _Empty(msgspec.Struct, gc=False):
    """An object whose content is ignored."""


class _Level(NamedTuple):
    """A level of objects around records: the names that lead on, and whether they name a list."""

    names: frozenset[str]
    is_list: bool


_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_count_objects = msgspec.json.Decoder(list[_Empty | None]).decode
_encode = msgspec.json.Encoder().encode


def _level(*names: str, is_list: bool = True) -> _Level:
    return _Level(frozenset(names), is_list)


_DATA = ("gauge", "sum", "histogram", "exponentialHistogram", "exponential_histogram", "summary")
_LEVELS = {
    Signal.LOGS: (
        _level("resourceLogs", "resource_logs"),
        _level("scopeLogs", "scope_logs"),
        _level("logRecords", "log_records"),
    ),
    Signal.TRACES: (
        _level("resourceSpans", "resource_spans"),
        _level("scopeSpans", "scope_spans"),
        _level("spans"),
    ),
    Signal.METRICS: (
        _level("resourceMetrics", "resource_metrics"),
        _level("scopeMetrics", "scope_metrics"),
        _level("metrics"),
        _level(*_DATA, is_list=False),
        _level("dataPoints", "data_points"),
    ),
}


class _Open:
    """An object of the request whose records are being collected."""

    __slots__ = ("given", "head", "level", "name", "parts")

    def __init__(self, name: str, head: list[bytes], level: _Level) -> None:
        self.name, self.head, self.level, self.given = name, head, level, False
        self.parts: dict[str, list[bytes]] = {}

    def text(self) -> bytes:
        """Return the object."""
        members = list(self.head)
        for name, parts in self.parts.items():
            inner = b",".join(parts)
            members.append(_member(name, b"[%b]" % inner if self.level.is_list else inner))
        return b"{%b}" % b",".join(members)


def json_pieces(signal: Signal, body: bytes, refusals: Refusals) -> Iterator[bytes]:
    """Yield bodies that together have the records of one request, in their order.

    Args:
        signal: the request's signal.
        body: any bytes; a body of at most `UNSPLIT_BYTES` is yielded unchanged.
        refusals: collects records with too many values.

    Raises:
        TooLargeError: the request has too many records, or one resource has too many values.
        BadValueError: an object around records cannot be read.
    """
    if len(body) <= UNSPLIT_BYTES:
        yield body
        return
    cutter = _JsonCutter(signal, refusals)
    try:
        members = _decode_object(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        if values_in(body, MOST_RECORDS) > MOST_RECORDS:
            problem = "more values than are read of JSON that is not strict: send fewer at once"
            raise TooLargeError(f"the request has {problem}") from None
        members = _members(_strict(body))
    yield from cutter.enter(members, "", 0)


class _JsonCutter:
    def __init__(self, signal: Signal, refusals: Refusals) -> None:
        self._levels = _LEVELS[signal]
        self._refusals = refusals
        self._stack: list[_Open] = []
        self._bytes = self._records = self._seen = self._around = 0

    def enter(self, members: dict[str, msgspec.Raw], name: str, at: int) -> Iterator[bytes]:
        """Yield the pieces that end in an object around records."""
        level = self._levels[at]
        leads = [key for key in members if key in level.names and bytes(members[key]) != b"null"]
        head = [_member(key, bytes(raw)) for key, raw in members.items() if key not in level.names]
        head_bytes = sum(map(len, head))
        if head_bytes > PIECE_BYTES:
            require_light_json(b",".join(head), name or "request")
        self._around = counted(self._around + 1)
        self._stack.append(_Open(name, head, level))
        self._bytes += head_bytes
        self._records += 1
        for key in leads:
            found = _elements(members.pop(key), key) if level.is_list else [members.pop(key)]
            if at == len(self._levels) - 1:
                yield from self._take_records(found, key)
            else:
                for one in found:
                    yield from self.enter(_members(bytes(one)), key, at + 1)
        if at == 0:
            if self._stack[0].parts or not self._stack[0].given:
                yield self._give()
            return
        done = self._stack.pop()
        if done.parts or not done.given:
            self._stack[-1].parts.setdefault(done.name, []).append(done.text())
        if self._records >= PIECE_RECORDS or self._bytes >= PIECE_BYTES:
            yield self._give()

    def _take_records(self, found: list[msgspec.Raw], key: str) -> Iterator[bytes]:
        for raw in found:
            self._seen = counted(self._seen + 1)
            text = bytes(raw)
            if len(text) > PIECE_BYTES:
                try:
                    require_light_json(text, key)
                except TooLargeError as error:
                    self._refusals.add(str(error))
                    continue
            self._stack[-1].parts.setdefault(key, []).append(text)
            self._bytes += len(text)
            self._records += 1
            if self._records >= PIECE_RECORDS or self._bytes >= PIECE_BYTES:
                yield self._give()

    def _give(self) -> bytes:
        text = self._stack[-1].text()
        for outer, inner in zip(reversed(self._stack[:-1]), reversed(self._stack), strict=False):
            outer.parts.setdefault(inner.name, []).append(text)
            text = outer.text()
        for one in self._stack:
            one.parts, one.given = {}, True
        self._bytes = self._records = 0
        return text


def _member(name: str, text: bytes) -> bytes:
    return b"%b:%b" % (_encode(name), text)


def _members(text: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _decode_object(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadValueError(f"{shown(text[:20].decode(errors='replace'))}: {error}") from None


def _elements(raw: msgspec.Raw, name: str) -> list[msgspec.Raw]:
    """Return the elements of a list; count them only if there may be many."""
    try:
        if bytes(raw).count(b",") >= MOST_RECORDS:
            counted(len(_count_objects(raw)))
        return _decode_list(raw)
    except msgspec.ValidationError as error:
        raise BadValueError(f"{name}: {error}") from None


def _strict(body: bytes) -> bytes:
    try:
        return exact(body.decode(errors="replace").lstrip("\ufeff"))
    except RecursionError:
        raise BadValueError("it is nested too deeply to be read") from None
    except ValueError as error:
        start = shown(body[:20].decode(errors="replace"))
        raise BadValueError(f"{start} (the first of {len(body)} bytes): {error}") from None
