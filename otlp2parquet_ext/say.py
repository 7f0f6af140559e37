"""How we speak: one JSON line on standard error, and seldom.

Lambda forwards it to CloudWatch where that is on; it does not come back to us, because we do not
subscribe to the `extension` stream unless asked to. Runs before the first `next`: no `json`.

What may never be said is known here, the one place through which everything goes: a server may
quote our own token in its refusal, and a library the address it was given.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

ESCAPES = {i: f"\\u{i:04x}" for i in range(32)} | {34: '\\"', 92: "\\\\", 127: "\\u007f"}

HIDDEN = "***"
SHORTEST_HIDDEN = 6
"""What is shorter would be found in ordinary words."""

_secrets: list[str] = []


def hide(secrets: Iterable[str]) -> None:
    """Say `***` instead of these from now on."""
    longest_first = sorted({*_secrets, *secrets}, key=len, reverse=True)
    _secrets[:] = [secret for secret in longest_first if len(secret) >= SHORTEST_HIDDEN]


def without_secrets(text: str) -> str:
    """Return a text with `***` instead of what is hidden."""
    for secret in _secrets:
        text = text.replace(secret, HIDDEN)
    return text


def line(level: str, message: str) -> str:
    """Return the line without its end; whatever `message` holds, the line is valid JSON."""
    safe = without_secrets(message).encode("utf-8", "replace").decode("utf-8").translate(ESCAPES)
    return f'{{"extension":"otlp2parquet","level":"{level}","message":"{safe}"}}'


def say(level: str, message: str) -> None:
    """Write one line; a closed standard error is nobody's problem.

    Args:
        level: "info", "warning" or "error".
        message: what happened, to what, and what became of the data (see style: errors).
    """
    try:  # noqa: SIM105 - contextlib would be imported before the first `next`
        os.write(2, (line(level, message) + "\n").encode("utf-8"))
    except OSError:
        pass
