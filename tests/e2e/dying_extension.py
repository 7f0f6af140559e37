"""The real extension, with one change: it ends when it works on a body with a certain word.

    deadly      mapping it as rows
    deadlier    as text, too
    deadliest   and counting its records

The kernel does that to a process without memory; here it happens at a moment that a test knows.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.__main__ import main
from otlp2parquet_ext.flush import intake, table_builder

if TYPE_CHECKING:
    from collections.abc import Callable


def arm(owner: Any, name: str, word: bytes) -> None:
    """Let a function end this process if an argument contains a word."""
    function: Callable[..., Any] = getattr(owner, name)

    def armed(*arguments: Any, **named: Any) -> Any:
        for argument in arguments:
            bodies = [d.body for d in getattr(argument, "deliveries", ())]
            if any(word in body for body in (argument, *bodies) if isinstance(body, bytes)):
                os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)

    setattr(owner, name, armed)


arm(table_builder.TableBuilder, "make", b"deadl")
arm(table_builder.TableBuilder, "parts", b"deadl")
arm(table_builder.TableBuilder, "make_text", b"deadlie")
arm(intake, "peek", b"deadliest")
main("otlp2parquet")
