"""Cuts large requests into small ones before they are parsed.

A record of 2 bytes takes 136 bytes of memory when it is parsed, and more while its row is made.

    payload --pieces()--> requests of 128 KiB or 4096 records each --joined()--> payload

A piece repeats the resource, the scope and the metric of its records. A single record or resource
is never cut. Instead its values are counted, and `TooLargeError` refuses it if there are too many.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.records.otlp.messages import Signal, request_class
from otlp2parquet_ext.records.otlp.refusals import TooLargeError, TooManyError
from otlp2parquet_ext.records.otlp.weight import require_light
from otlp2parquet_ext.records.otlp.wire import delimited, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from otlp2parquet_ext.records.otlp.refusals import Refusals

UNSPLIT_BYTES = 262_144
"""Most bytes of a request that is parsed at once. The default batch of an SDK is shorter."""

PIECE_BYTES, PIECE_RECORDS = 131_072, 4_096
"""Bytes and records at which a piece ends."""

MOST_RECORDS = 100_000
"""Most records of one request, and most resources, scopes and metrics without records. 6 MiB of the
shortest meaningful records have no more."""

Span = tuple[int, int, int, int]
"""A field: its number, and the positions of its tag, its content and its end in the message."""

_LENGTH = 2
_DATA = (5, 7, 9, 10, 11)  # gauge, sum, histogram, exponential_histogram, summary
_LEVELS: dict[Signal, tuple[tuple[int, ...], ...]] = {
    Signal.LOGS: ((1,), (2,), (2,)),
    Signal.TRACES: ((1,), (2,), (2,)),
    Signal.METRICS: ((1,), (2,), (2,), _DATA, (1,)),
}
"""For the request and each message around records: the fields that lead to records."""


class Open:
    """A message of the request whose records are being collected.

    Attributes:
        number: its field number in the parent message; 0 for the request.
        head: its other fields.
        parts: its collected content, as fields.
        given: a piece with its head was yielded.
    """

    __slots__ = ("given", "head", "number", "parts")

    def __init__(self, number: int, head: bytes) -> None:
        self.number, self.head, self.given = number, head, False
        self.parts: list[bytes | memoryview] = []

    def content(self) -> bytes:
        """Return the message."""
        return b"".join((self.head, *self.parts))


def pieces(signal: Signal, payload: bytes, refusals: Refusals | None = None) -> Iterator[bytes]:
    """Yield requests that together have the records of one request, in their order.

    Args:
        signal: the request's signal.
        payload: any bytes; at most `UNSPLIT_BYTES` are yielded unchanged.
        refusals: collects records with too many values; None: the request was checked before.

    Raises:
        TooLargeError: the request has too many records, or one resource has too many values.
        BadValueError: a message around records cannot be read.
    """
    if len(payload) <= UNSPLIT_BYTES:
        yield payload
    else:
        yield from _Cutter(signal, refusals).cut(payload)


def joined(signal: Signal, parts: Iterable[bytes]) -> bytes:
    """Return one request with the records of several; equal adjacent resources become one."""
    return _Joiner(signal).join(parts)


class _Cutter:
    def __init__(self, signal: Signal, refusals: Refusals | None) -> None:
        self._levels = _LEVELS[signal]
        self._descriptor = request_class(signal).DESCRIPTOR
        self._refusals = refusals
        self._stack: list[Open] = []
        self._bytes = self._records = self._seen = self._around = 0

    def cut(self, payload: bytes) -> Iterator[bytes]:
        yield from self._enter(memoryview(payload), self._descriptor, 0, 0)

    def _enter(self, data: memoryview, descriptor: Any, number: int, level: int) -> Iterator[bytes]:
        numbers = self._levels[level]
        head, spans = scan(data, numbers)
        if self._refusals is not None and len(head) > PIECE_BYTES:
            require_light(head, descriptor, descriptor.name)
        self._around = counted(self._around + 1)
        self._stack.append(Open(number, head))
        self._bytes += len(head)
        self._records += 1
        if level == len(self._levels) - 1:
            yield from self._take_records(data, descriptor, spans)
        else:
            for below, _, begin, end in spans:
                inner = descriptor.fields_by_number[below].message_type
                yield from self._enter(data[begin:end], inner, below, level + 1)
        if level == 0:
            if self._stack[0].parts or not self._stack[0].given:
                yield self._give()
            return
        done = self._stack.pop()
        if done.parts or not done.given:
            self._stack[-1].parts.append(delimited(done.number, done.content()))
        if self._records >= PIECE_RECORDS or self._bytes >= PIECE_BYTES:
            yield self._give()

    def _take_records(
        self, data: memoryview, descriptor: Any, spans: Iterable[Span]
    ) -> Iterator[bytes]:
        parts, refusals = self._stack[-1].parts, self._refusals
        inner = descriptor.fields_by_number[self._levels[-1][0]].message_type
        for _, start, begin, end in spans:
            self._seen = counted(self._seen + 1)
            if refusals is not None and end - begin > PIECE_BYTES:
                try:
                    require_light(data[begin:end], inner, inner.name)
                except TooLargeError as error:
                    refusals.add(str(error))
                    continue
            parts.append(data[start:end])
            self._bytes += end - start
            self._records += 1
            if self._records >= PIECE_RECORDS or self._bytes >= PIECE_BYTES:
                yield self._give()
                parts = self._stack[-1].parts

    def _give(self) -> bytes:
        content = _nested(self._stack)
        for one in self._stack:
            one.parts, one.given = [], True
        self._bytes = self._records = 0
        return content


class _Joiner:
    def __init__(self, signal: Signal) -> None:
        self._levels = _LEVELS[signal]
        self._stack: list[Open] = []

    def join(self, parts: Iterable[bytes]) -> bytes:
        for part in parts:
            self._add(memoryview(part), 0, 0)
        self._close(1)
        return self._stack[0].content() if self._stack else b""

    def _add(self, data: memoryview, number: int, level: int) -> None:
        head, spans = scan(data, self._levels[level])
        here = self._stack[level] if len(self._stack) > level else None
        if here is None or (here.number, here.head) != (number, head):
            self._close(level)
            here = Open(number, head)
            self._stack.append(here)
        for below, start, begin, end in spans:
            if level == len(self._levels) - 1:
                here.parts.append(data[start:end])
            else:
                self._add(data[begin:end], below, level + 1)

    def _close(self, level: int) -> None:
        while len(self._stack) > level:
            done = self._stack.pop()
            if self._stack:
                self._stack[-1].parts.append(delimited(done.number, done.content()))


def _nested(stack: list[Open]) -> bytes:
    """Return the request of nested open messages, the last one innermost."""
    content = stack[-1].content()
    for outer, inner in zip(reversed(stack[:-1]), reversed(stack), strict=False):
        content = outer.content() + delimited(inner.number, content)
    return content


def scan(data: memoryview, numbers: tuple[int, ...]) -> tuple[bytes, Iterable[Span]]:
    """Separate the fields of a message that lead to records from the others.

    Returns:
        The other fields, and the spans of the fields that lead to records.
    """
    head: list[memoryview] = []
    spans = array("Q")
    for number, wire_type, start, begin, end in fields_of(data):
        if wire_type == _LENGTH and number in numbers:
            spans.extend((number, start, begin, end))
            counted(len(spans) // 4)
        else:
            head.append(data[start:end])
    return b"".join(head), zip(*(spans[at::4] for at in range(4)), strict=True)


def counted(number: int) -> int:
    """Return the number if it is allowed.

    Raises:
        TooManyError: it exceeds `MOST_RECORDS`.
    """
    if number > MOST_RECORDS:
        raise TooManyError(f"the request has more than {MOST_RECORDS} records: send fewer at once")
    return number
