"""The extension freezes with open connections, and thaws when they are dead.

The extension is the real process, frozen by SIGSTOP between two events as Lambda freezes it. The
destination is S3 on moto behind a proxy, which breaks connections as networks do.
"""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import counting_proxy
import places
import pytest
from counting_proxy import Cut
from scripted_lambda import Extension, ScriptedLambda, event, invoke, shut_down

from otlp2parquet_ext.tools.query import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from counting_proxy import Proxy
    from places import Place

pytestmark = pytest.mark.e2e

FREEZE_S = 1.2  # as long as the extension takes for a freeze
SILENCE_S = 20.0  # longest silence of a new connection; no test here takes so long


@pytest.fixture
def proxy(moto: str) -> Iterator[Proxy]:
    """Give the proxy before S3."""
    with counting_proxy.running(moto) as running:
        yield running


@pytest.fixture
def lake(moto: str, proxy: Proxy) -> Place:
    """Give plain Parquet in a bucket, reached through the proxy."""
    place = places.plain_s3(moto)
    return replace(place, url=place.url.replace(moto, proxy.url))


def start(scripted: ScriptedLambda, folder: Path, lake: Place) -> Extension:
    """Start the extension; it flushes during invocations."""
    extension = scripted.start(
        folder,
        **lake.environ,
        OTLP2PARQUET_DESTINATION=lake.url,
        OTLP2PARQUET_FLUSH="threshold",
        TIMEOUT_MS="25",
    )
    extension.until_next()
    return extension


def bodies(lake: Place) -> list[str]:
    """Read the lake back; there may be nothing yet."""
    try:
        return lake.bodies()
    except QueryError:
        return []


def freeze(extension: Extension, meanwhile: Callable[[], object]) -> None:
    """Freeze the extension until it notices, and let something happen meanwhile."""
    extension.process.send_signal(signal.SIGSTOP)
    time.sleep(FREEZE_S)
    meanwhile()
    extension.process.send_signal(signal.SIGCONT)


def until(condition: Callable[[], object]) -> None:
    """Wait for an event outside this process, within a bound."""
    end = time.monotonic() + SILENCE_S
    while not condition():
        assert time.monotonic() < end, "this never came true"
        time.sleep(0.02)


def test_an_idle_connection_that_the_server_closed_in_the_freeze_is_replaced(
    scripted: ScriptedLambda, tmp_path: Path, lake: Place, proxy: Proxy
) -> None:
    """S3 closes after about twenty seconds. The next batch is sent on a new connection, once."""
    extension = start(scripted, tmp_path, lake)
    assert extension.post(event("before")) == 200
    until(lambda: bodies(lake) == ["before"])

    def close_all() -> None:
        proxy.close()
        proxy.open()

    freeze(extension, close_all)
    scripted.events.put(invoke("r-1"))
    assert extension.post(event("after")) == 200
    until(lambda: bodies(lake) == ["after", "before"])
    shut_down(extension)
    assert proxy.count("PUT", "*.parquet") == 2
    assert not [text for text in extension.lines if '"error"' in text]


@pytest.mark.parametrize("dies", ["silently", "with a reset"])
@pytest.mark.timing
def test_a_request_that_died_in_the_freeze_is_begun_anew_and_lands_once(
    scripted: ScriptedLambda, tmp_path: Path, lake: Place, proxy: Proxy, dies: str
) -> None:
    """It was half sent at the freeze. Its twenty seconds of silence are not waited for."""
    extension = start(scripted, tmp_path, lake)
    hangs = proxy.fault(Cut.HANG, method="PUT")
    assert extension.post(event("hello")) == 200
    until(lambda: hangs.seen)
    thawed = time.monotonic()

    def die() -> None:
        nonlocal thawed
        if dies == "with a reset":
            proxy.close()
            proxy.open()
        thawed = time.monotonic()

    freeze(extension, die)
    scripted.events.put(invoke("r-1"))
    until(lambda: bodies(lake) == ["hello"])
    assert time.monotonic() - thawed < SILENCE_S / 2
    shut_down(extension)
    assert bodies(lake) == ["hello"]
    assert not [text for text in extension.lines if '"error"' in text]


def test_many_freezes_in_a_row_fire_each_timer_once(
    scripted: ScriptedLambda, tmp_path: Path, lake: Place, proxy: Proxy
) -> None:
    """Hours may pass between two invocations. A timer fires once after that, not once an hour."""
    extension = start(scripted, tmp_path, lake)
    for number in range(8):
        assert extension.post(event(f"line {number}")) == 200
        freeze(extension, lambda: None) if number == 0 else _blink(extension)
        scripted.events.put(invoke(f"r-{number}"))
        extension.until_next()
    until(lambda: len(bodies(lake)) == 8)
    shut_down(extension)
    assert bodies(lake) == [f"line {number}" for number in range(8)]
    assert proxy.count("PUT", "*.parquet") <= 9


def _blink(extension: Extension) -> None:
    """Freeze for longer than the age at which a batch is due."""
    extension.process.send_signal(signal.SIGSTOP)
    time.sleep(0.1)
    extension.process.send_signal(signal.SIGCONT)
