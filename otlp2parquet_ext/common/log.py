"""How we speak: one JSON line on standard error, and seldom.

Lambda forwards it to CloudWatch where that is on; it does not come back to us, because we do not
subscribe to the `extension` stream unless asked to. Runs before the first `next`: no `json`.

This module masks secrets, because every line passes through it: a server may quote our own token
in its refusal, and a library the address it was given.

    a foreign text --quote()--> masked, then cut, on one line --> a message --say()--> a line

The forms in which secrets are looked for are computed with the first message (`masking`): an
environment that has nothing to say does not pay for them.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from otlp2parquet_ext.common.secrets.masking import Masker

QUOTED_CHARACTERS = 300
MOST_FETCHED = 32
"""Secrets that came while we run, of which the latest are remembered: each replaces another."""

_pending: list[Iterable[str]] = []
_secrets: list[str] = []
_fetched: list[str] = []
_maskers: list[Masker] = []


def hide(secrets: Iterable[str]) -> None:
    """Say `***` instead of these from now on; they are looked at with the next message."""
    _pending.append(secrets)


def hide_fetched(*secrets: str | None) -> None:
    """Say `***` instead of these, which were fetched and are replaced by others in time."""
    new = [secret for secret in secrets if secret and secret not in _fetched]
    if new:
        _fetched[:] = [*_fetched, *new][-MOST_FETCHED:]
        _maskers.clear()


def _any_secret() -> bool:
    """Collect the secrets of `hide`; tell whether there are any."""
    while _pending:
        _secrets.extend(_pending[0])
        _maskers.clear()
        del _pending[0]
    return bool(_secrets or _fetched)


def _masker() -> Masker:
    """Return what masks; made anew when there are other secrets."""
    _any_secret()
    found = next(iter(_maskers), None)
    if found is None:
        from otlp2parquet_ext.common.secrets.masking import Masker  # noqa: PLC0415 - with the first message

        found = Masker((*_secrets, *_fetched))
        _maskers[:] = [found]
    return found


def without_secrets(text: str) -> str:
    """Return a text of ours with `***` instead of what is hidden, and URLs as they may be shown."""
    masked = _masker().mask(text) if _any_secret() else text
    return _with_urls_shown(masked, web_paths=True)


def _with_urls_shown(text: str, *, web_paths: bool) -> str:
    """Return a text with URLs as they may be shown; see `urls`."""
    if ":" not in text and "=" not in text:
        return text
    if "//" not in text and "\\/" not in text and "?" not in text and "&" not in text:
        return text
    from otlp2parquet_ext.common.secrets.urls import shown_in  # noqa: PLC0415 - with the first URL

    return shown_in(text, web_paths=web_paths)


def quote(text: object, characters: int = QUOTED_CHARACTERS) -> str:
    """Return what others wrote as it may be quoted: on one line, masked, and only then cut.

    A part of a secret at its beginning or end is hidden, too: the text may have been cut before.

    Args:
        text: a text, an exception, or bytes in UTF-8.
        characters: to show, at most.
    """
    if not text:
        return ""
    masker = _masker()
    near = characters + masker.margin + QUOTED_CHARACTERS
    whole = (
        bytes(text[: 4 * near]).decode("utf-8", "replace").replace("\ufffd", "")
        if isinstance(text, bytes | bytearray | memoryview)
        else str(text)
    )
    masked = _with_urls_shown(masker.mask(whole[:near], edges=True), web_paths=False)
    line = "".join(char if char.isprintable() else " " for char in masked)
    return " ".join(line.split())[:characters]


def _escaped(text: str) -> str:
    """Return a text as JSON has it between quotes; few messages need it."""
    escapes = {i: f"\\u{i:04x}" for i in range(32)} | {34: '\\"', 92: "\\\\", 127: "\\u007f"}
    return text.encode("utf-8", "replace").decode("utf-8").translate(escapes)


def line(level: str, message: str) -> str:
    """Return the line without its end; whatever `message` holds, the line is valid JSON."""
    safe = without_secrets(message)
    if not (safe.isascii() and safe.isprintable()) or '"' in safe or "\\" in safe:
        safe = _escaped(safe)
    return f'{{"extension":"otlp2parquet","level":"{level}","message":"{safe}"}}'


def log(level: str, message: str) -> None:
    """Write one line; with standard error closed the line is lost, and nothing else happens.

    Args:
        level: "info", "warning" or "error".
        message: what happened, to what, and what became of the data (see style: errors).
    """
    try:  # noqa: SIM105 - contextlib would be imported before the first `next`
        os.write(2, (line(level, message) + "\n").encode("utf-8"))
    except OSError:
        pass
