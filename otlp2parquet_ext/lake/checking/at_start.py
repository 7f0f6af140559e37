"""The check in the layer: once, when an environment starts, beside everything else.

    OTLP2PARQUET_CHECK=1 --> a thread of its own --> a JSON line a step, on standard error

It holds no invocation, shares nothing with the flush side, and is bounded: each request, and the
whole. An error in the check itself is logged and has no other effect. Turn the check off again once
it passes: each environment that starts sends the destination some ten requests more.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.common.settings.settings import Settings

LIMIT_MS = 5_000
TOTAL_MS = 60_000


def begin(settings: Settings, environ: Mapping[str, str]) -> threading.Thread:
    """Check on a thread that nobody waits for.

    Args:
        settings: name the destination.
        environ: variables of the process.
    """
    thread = threading.Thread(target=_check, args=(settings, environ), name="check", daemon=True)
    thread.start()
    return thread


def _check(settings: Settings, environ: Mapping[str, str]) -> None:
    """Say what is found out."""
    try:
        _log_all(settings, environ)
    except Exception as error:  # noqa: BLE001 - a check may not break what it checks
        log("error", f"check: broke: {type(error).__name__}: {quote(error)}")


def _log_all(settings: Settings, environ: Mapping[str, str]) -> None:
    # After the first `next`, and only for who asks for it.
    from otlp2parquet_ext.lake.checking.render import sentence, summary  # noqa: PLC0415
    from otlp2parquet_ext.lake.checking.run import Wish, settings_of, verdicts  # noqa: PLC0415
    from otlp2parquet_ext.lake.checking.runner import FAILED  # noqa: PLC0415
    from otlp2parquet_ext.lake.checking.setting_sources import DEFAULT  # noqa: PLC0415

    began_ms = time.monotonic_ns() // 1_000_000
    told, found = settings_of(environ)
    set_ = [f"{one.source}={one.value!r}" for one in told if one.source != DEFAULT]
    log("info", f"check: settings: {', '.join(set_)}; all others are defaults")
    wish = Wish(
        _wanted(settings),
        create=settings.create_table and settings.commit == "direct",
        limit_ms=LIMIT_MS,
        total_ms=TOTAL_MS,
        in_environment=True,
    )
    for verdict in verdicts(environ, wish):
        log("error" if verdict.state == FAILED else "info", sentence(verdict))
        found.append(verdict)
    took_ms = time.monotonic_ns() // 1_000_000 - began_ms
    failed = any(verdict.state == FAILED for verdict in found)
    log("error" if failed else "info", summary(found, took_ms))


def _wanted(settings: Settings) -> tuple[str, ...]:
    """Return the tables whose first rows will come: metrics are made of sums and gauges."""
    return ("logs", "traces") if settings.has_signal("traces") else ("logs",)
