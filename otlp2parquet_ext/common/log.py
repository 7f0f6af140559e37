"""The log: rare JSON lines on standard error.

Lambda forwards the lines to CloudWatch if that is on. They do not come back to us, because we
subscribe to the `extension` stream only if the settings say so. This module runs before the first
`next`, so it does not import `json`.

This module masks secrets, because every line passes through it. A server may quote our token in its
refusal, and a library may quote a URL with a password.

    a foreign text --quote()--> masked, then cut, on one line --> a message --log()--> a line

The forms of the secrets (`masking`) are computed with the first message. An environment that logs
nothing does not spend this time.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from otlp2parquet_ext.common.secrets.masking import Masker

QUOTED_CHARACTERS = 300
MOST_FETCHED = 32
"""Most fetched secrets that are remembered, the latest ones. Each fetched secret replaces an older
one."""

_pending: list[Iterable[str]] = []
_secrets: list[str] = []
_fetched: list[str] = []
_maskers: list[Masker] = []


def hide(secrets: Iterable[str]) -> None:
    """Mask these secrets with `***` in all later messages."""
    _pending.append(secrets)


def hide_fetched(*secrets: str | None) -> None:
    """Mask these fetched secrets, which later ones replace, with `***` in all later messages."""
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
    """Return the masker; make a new one if the secrets have changed."""
    _any_secret()
    found = next(iter(_maskers), None)
    if found is None:
        from otlp2parquet_ext.common.secrets.masking import Masker  # noqa: PLC0415 - with the first message

        found = Masker((*_secrets, *_fetched))
        _maskers[:] = [found]
    return found


def without_secrets(text: str) -> str:
    """Return a text of ours with secrets masked by `***`, and with the harmless parts of URLs."""
    masked = _masker().mask(text) if _any_secret() else text
    return _with_urls_shown(masked, web_paths=True)


def _with_urls_shown(text: str, *, web_paths: bool) -> str:
    """Return a text with only the harmless parts of its URLs; see `urls`."""
    if ":" not in text and "=" not in text:
        return text
    if "//" not in text and "\\/" not in text and "?" not in text and "&" not in text:
        return text
    from otlp2parquet_ext.common.secrets.urls import shown_in  # noqa: PLC0415 - with the first URL

    return shown_in(text, web_paths=web_paths)


def quote(text: object, characters: int = QUOTED_CHARACTERS) -> str:
    """Return a foreign text as it may be quoted: on one line, masked, and then cut.

    A part of a secret at either end of the text is masked, too, because the text may have been cut
    before.

    Args:
        text: a text, an exception, or bytes in UTF-8.
        characters: most characters of the result.
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
    """Return a text with JSON's escapes; few messages need them."""
    escapes = {i: f"\\u{i:04x}" for i in range(32)} | {34: '\\"', 92: "\\\\", 127: "\\u007f"}
    return text.encode("utf-8", "replace").decode("utf-8").translate(escapes)


def line(level: str, message: str) -> str:
    """Return the line without its line end; it is valid JSON for any `message`."""
    safe = without_secrets(message)
    if not (safe.isascii() and safe.isprintable()) or '"' in safe or "\\" in safe:
        safe = _escaped(safe)
    return f'{{"extension":"otlp2parquet","level":"{level}","message":"{safe}"}}'


def log(level: str, message: str) -> None:
    """Write one line; if standard error is closed, the line is lost without an error.

    Args:
        level: "info", "warning" or "error".
        message: the event, the thing concerned, and the consequence for the data.
    """
    try:  # noqa: SIM105 - contextlib would be imported before the first `next`
        os.write(2, (line(level, message) + "\n").encode("utf-8"))
    except OSError:
        pass
