"""Fresh destinations, the networked ones behind a proxy that can be told to fail.

with Targets() as targets:
    target = targets.new("s3", folder)     # an empty place of its own
    target.begin(Trouble(what=500, after=0))
    target.end()
    target.place.rows(...)                 # around the proxy: the truth
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import counting_proxy
import moto_glue
import places
import rest_fixture
import telemetry_sinks
from counting_proxy import Latency
from telemetry_sinks import Collector, Tap

from faults.scenario import FILE, GLUE, OTLP, REST, S3, SQLITE, TAP, Down
from faults.sinks import Sunk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from counting_proxy import Proxy
    from places import Place

    from faults.scenario import Trouble
    from otlp2parquet_ext.tools.local import Outcome

SLOW_MS = 2_000
DENIED = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>slow</Message></Error>"
ALWAYS = 1 << 30


@dataclass(frozen=True)
class Target:
    """One destination.

    Attributes:
        place: looked at directly.
        variables: what the extension is given: the same place, through the proxy if it has one.
        proxy: None where there is no network.
    """

    place: Place | Sunk
    variables: Mapping[str, str]
    proxy: Proxy | None

    def begin(self, trouble: Trouble) -> None:
        """Let the trouble begin."""
        assert self.proxy is not None, "only a networked destination can be in trouble"
        if trouble.what is Down.REFUSED:
            self.proxy.close()
        elif trouble.what is Down.SLOW:
            self.proxy.latencies = (Latency(SLOW_MS),)
        elif not isinstance(trouble.what, Down):
            body = SLOW_DOWN if trouble.what == 503 else DENIED
            self.proxy.fault(trouble.what, target=trouble.target, times=ALWAYS, body=body)

    def end(self) -> None:
        """Let it be over."""
        if self.proxy is not None:
            self.proxy.reset()
            self.proxy.latencies = ()
            self.proxy.open()


class Targets:
    """Makes destinations; moto and the REST catalog are started with the first that needs them.

    Attributes:
        healthy: what runs without trouble were like, for those that have some.
    """

    def __init__(self) -> None:
        self.healthy: dict[tuple[object, ...], Outcome] = {}
        self._stack = ExitStack()
        self._moto = ""
        self._catalog: tuple[str, Path] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def new(self, kind: str, folder: Path) -> Target:
        """Make an empty destination of a kind; `folder` is for its files on this disk."""
        if kind == FILE:
            return _plain(places.plain_folder(folder))
        if kind == SQLITE:
            return _plain(places.sqlite(folder))
        if kind in (TAP, OTLP):
            return self._sunk(Sunk(Tap() if kind == TAP else Collector()))
        if kind == REST:
            return self._rest()
        server = self._server()
        proxy = self._stack.enter_context(counting_proxy.running(server))
        if kind == S3:
            place = places.plain_s3(server)
            url = place.url.replace(server, proxy.url)
            return Target(place, {**place.environ, "OTLP2PARQUET_DESTINATION": url}, proxy)
        assert kind == GLUE, f"{kind!r}: expected one of file, sqlite, s3, glue, rest, tap, otlp"
        place = places.glue(server)
        return Target(place, {**place.variables, "AWS_ENDPOINT_URL": proxy.url}, proxy)

    def _sunk(self, sunk: Sunk) -> Target:
        served = self._stack.enter_context(telemetry_sinks.running(sunk.sink))
        proxy = self._stack.enter_context(counting_proxy.running(served.url))
        return Target(sunk, sunk.variables(proxy), proxy)

    def _rest(self) -> Target:
        """Make a table of a REST catalog behind a proxy; its files are on this disk."""
        if self._catalog is None:
            folder = Path(tempfile.mkdtemp(prefix="rest-"))
            self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
            url = self._stack.enter_context(rest_fixture.running(folder))
            self._catalog = url, folder / "warehouse"
        url, warehouse = self._catalog
        proxy = self._stack.enter_context(counting_proxy.running(url))
        place = places.rest(url, warehouse)
        through = {"OTLP2PARQUET_DESTINATION": place.url.replace(url, proxy.url)}
        return Target(place, {**place.environ, **through}, proxy)

    def _server(self) -> str:
        if not self._moto:
            folder = Path(tempfile.mkdtemp(prefix="moto-"))
            self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
            self._moto = self._stack.enter_context(moto_glue.running(folder))
        return self._moto


def _plain(place: Place) -> Target:
    return Target(place, place.variables, None)
