r"""Redaction: text that an expression matches never leaves our memory.

    OTLP2PARQUET_REDACT --compile_rules()--> Redactor --body()--> the same body, masked

Every string and number of an event's `record` is searched, alone and as `key=value`, so
`password=(\S+)` finds the text line and the JSON field. An array's elements have its key. The
search works on the tokens of the JSON text, so unmasked bytes stay unchanged. The envelope's `type`
and `time`, and the `requestId` of platform events, are never masked, because the mapping needs
them.
"""

from __future__ import annotations

import re
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.records.telemetry.rules import SlowError, refuse_slow

if TYPE_CHECKING:
    from collections.abc import Iterable

    Span = tuple[int, int]

MASK = "[redacted]"
VARIABLE = "OTLP2PARQUET_REDACT"
ENVELOPE = frozenset({"type", "time"})

# A string before a colon is a key. An unclosed string runs to the end of the text.
_TOKEN = re.compile(
    r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?(?:[ \t\r\n]*(:))?|-?[0-9][0-9.eE+-]*|[\[\]{}]', re.DOTALL
)
# The envelope as Lambda writes it: six tokens in one match.
_USUAL = re.compile(r'\{"time":"[^"\\]*","type":"([^"\\]*)","record":')
# One unit is one character of a JSON string's text, possibly escaped.
_UNIT = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL
)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_read = msgspec.json.Decoder(msgspec.Raw).decode


class RedactError(Exception):
    """The expression cannot be used; the message omits it, because it may contain a secret."""


def compile_rules(text: str) -> Redactor:
    """Compile a regular expression of Python's `re`.

    Args:
        text: alternatives with `|`. If an alternative has groups, only their matches are masked,
            else its complete match.

    Raises:
        RedactError: it is no valid expression, or could take minutes on a long text.
    """
    try:
        refuse_slow(text)
        return Redactor(re.compile(text))
    except (re.error, SlowError, OverflowError, RecursionError) as error:
        raise RedactError(
            f"{VARIABLE}: {error}; expected a regular expression, for example "
            r"password=(\S+)|\b\d{16}\b; until it is one, every text and number is masked"
        ) from None


class Redactor:
    """Masks the matches of a compiled expression; `MASK_ALL`, without one, masks everything."""

    def __init__(self, pattern: re.Pattern[str] | None) -> None:
        self._pattern = pattern

    def body(self, body: bytes) -> bytes:
        """Return the body of a delivery with a mask over each match; without one, the body.

        A body that is no JSON is also searched as plain text.
        """
        text = body.decode("utf-8", "surrogateescape")
        masked = _replaced(text, _Walk(self, text).edits())
        if not _is_json(body):
            spans = self.spans(masked)
            masked = _masked(masked, masked, spans) if spans else masked
        return body if masked is text else masked.encode("utf-8", "surrogateescape")

    def spans(self, text: str) -> list[Span]:
        """Return the spans to mask in a text, in any order."""
        if self._pattern is None:
            return [(0, len(text))] if text else []
        found: list[Span] = []
        if self._pattern.search(text) is None:  # the common case, and faster than a loop
            return found
        for match in self._pattern.finditer(text):
            groups = [match.span(number) for number in range(1, match.re.groups + 1)]
            found += [span for span in groups if span[0] < span[1]] or [match.span()]
        return [span for span in found if span[0] < span[1]]

    def spans_in_value(self, key: str, value: str) -> list[Span]:
        """Return the spans to mask in the value of a key; "" means no key."""
        found = self.spans(value)
        if key and self._pattern is not None:
            skip = len(key) + 1
            for start, end in self.spans(f"{key}={value}"):
                if end > skip:
                    found.append((max(start - skip, 0), end - skip))
        return found

    def spans_in_key(self, key: str) -> list[Span]:
        """Return the spans to mask in a key."""
        return [] if self._pattern is None else self.spans(key)


def masked(redactor: Redactor, key: str, value: str) -> str:
    """Return the value of a key ("" for no key) with a mask over each match."""
    spans = redactor.spans_in_value(key, value)
    return _masked(value, value, spans) if spans else value


def masked_key(redactor: Redactor, key: str) -> str:
    """Return a key with a mask over each match."""
    spans = redactor.spans_in_key(key)
    return _masked(key, key, spans) if spans else key


MASK_ALL = Redactor(None)
"""Masks everything, for an invalid expression, so that no secret leaves unmasked."""


def redacting(text: str) -> tuple[Redactor, str]:
    """Return the redactor of an expression, and the problem with it, "" if there is none.

    An invalid expression masks everything.
    """
    try:
        return compile_rules(text), ""
    except RedactError as error:
        return MASK_ALL, str(error)


class _Walk:
    """One pass over the tokens of a JSON text, valid or not."""

    def __init__(self, redactor: Redactor, text: str) -> None:
        self._redactor = redactor
        self._text = text
        self._outer: list[tuple[bool, str]] = []  # of each open container except the innermost
        self._in_object, self._key = False, ""
        self._event_depth = 2 if text.lstrip("\ufeff \t\r\n").startswith("[") else 1
        self._type = ""

    def edits(self) -> list[tuple[int, int, str]]:
        """Return edits as (start, end, replacement) in order."""
        found: list[tuple[int, int, str]] = []
        text, end = self._text, 0
        while token := _TOKEN.search(text, end):
            start, end = token.span()
            mark = text[start]
            if mark == '"':
                found += self._string(start, end, is_key=token[1] is not None)
            elif mark in "{[":
                self._outer.append((self._in_object, self._key))
                self._in_object = mark == "{"
                self._key = "" if mark == "{" else self._key
                if len(self._outer) == self._event_depth and (usual := _USUAL.match(text, start)):
                    self._type, self._key, end = usual[1], "record", usual.end()
            elif mark in "}]":
                if self._outer:
                    self._in_object, self._key = self._outer.pop()
            else:
                found += self._number(start, end)
        return found

    def _string(self, start: int, end: int, *, is_key: bool) -> list[tuple[int, int, str]]:
        if is_key:
            end = self._text.rindex('"', start, end) + 1
        raw = self._text[start + 1 : end].removesuffix('"')
        value = _unescaped(raw) if "\\" in raw else raw
        if is_key:
            self._key = value
            kept = self._is_envelope() or self._is_request_id()
            spans = [] if kept else self._redactor.spans_in_key(value)
        elif self._is_needed(value):
            return []
        else:
            spans = self._redactor.spans_in_value(self._key, value)
        if not spans:
            return []
        return [(start + 1, start + 1 + len(raw), _masked(raw, value, spans))]

    def _number(self, start: int, end: int) -> list[tuple[int, int, str]]:
        digits = self._text[start:end]
        spans = self._redactor.spans_in_value(self._key, digits)
        return [(start, end, f'"{_masked(digits, digits, spans)}"')] if spans else []

    def _is_envelope(self) -> bool:
        return self._in_object and len(self._outer) == self._event_depth

    def _is_needed(self, value: str) -> bool:
        """Tell whether the mapping needs a string unmasked."""
        if self._is_envelope() and self._key in ENVELOPE:
            if self._key == "type":
                self._type = value
            return True
        return self._is_request_id()

    def _is_request_id(self) -> bool:
        return (
            self._key == "requestId"
            and len(self._outer) == self._event_depth + 1
            and self._outer[-1] == (True, "record")
            and self._type.startswith("platform.")
        )


def _is_json(body: bytes) -> bool:
    try:
        _read(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _unescaped(raw: str) -> str:
    """Return the text of the inside of a JSON string, with any escapes."""
    try:
        return str(scanstring(raw + '"', 0, False)[0])  # noqa: FBT003 - control characters allowed
    except JSONDecodeError:
        return "".join(map(_character, _UNIT.findall(raw)))


def _character(unit: str) -> str:
    if unit[0] != "\\" or len(unit) == 1:
        return unit
    if unit[1] == "u" and len(unit) > 2:
        return str(scanstring(unit + '"', 0, False)[0])  # noqa: FBT003
    return _ESCAPES.get(unit[1], unit[1])


def _masked(raw: str, value: str, spans: Iterable[Span]) -> str:
    """Return `raw` with a mask over each span of its unescaped text."""
    units = raw if raw == value else _UNIT.findall(raw)
    parts: list[str] = []
    done = 0
    for start, end in sorted(spans):
        if end <= done:
            continue
        if start > done or not parts:
            parts += [*units[done:start], MASK]
        done = end
    return "".join((*parts, *units[done:]))


def _replaced(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    """Return a text with edits applied; without edits, the same object."""
    parts: list[str] = []
    done = 0
    for start, end, instead in sorted(edits):
        if start >= done:
            parts += (text[done:start], instead)
            done = end
    return "".join((*parts, text[done:])) if parts else text
