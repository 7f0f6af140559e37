"""The check in the layer: once for each environment, when it starts.

    OTLP2PARQUET_CHECK=1 --> a separate thread --> a JSON line for each step, on standard error

It delays no invocation and shares no state with flushes. Each request and the whole check have a
deadline. An error in the check itself is logged and has no other effect. Turn the check off once it
passes, because each new environment sends about ten additional requests to the destination.
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
    """Start the check on a thread, and do not wait for it.

    Args:
        settings: hold the destination.
        environ: environment variables of the process.
    """
    thread = threading.Thread(target=_check, args=(settings, environ), name="check", daemon=True)
    thread.start()
    return thread


def _check(settings: Settings, environ: Mapping[str, str]) -> None:
    """Run the check and log its results."""
    try:
        _log_all(settings, environ)
    except Exception as error:  # noqa: BLE001 - an error in the check must not stop the extension
        log("error", f"check: broke: {type(error).__name__}: {quote(error)}")


def _log_all(settings: Settings, environ: Mapping[str, str]) -> None:
    # Imported here: after the first `next`, and only if the check is on.
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
    """Return the required tables; none of metrics, because an SDK may fill only some of them."""
    return ("logs", "traces") if settings.has_signal("traces") else ("logs",)
