"""Measures first and steady flushes by destination, envelope and phase, and their requests."""

from __future__ import annotations

import json
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import counting_proxy
import moto_glue
import places
import rest_fixture

from performance_parts import mixes, processes, stats
from performance_parts.envelopes import ENVELOPES
from performance_parts.processes import Subject
from performance_parts.stage import START

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from places import Place

    from performance_parts.envelopes import Envelope

PROBE = Path(__file__).with_name("flush_probe.py")
FIRST, STEADY = 1_000, 10_000
FLUSHES = (("first", FIRST), ("second", FIRST), ("steady", STEADY))
ROUNDS = {1_769: 5, 512: 3, 128: 2}
LIMIT_S = 120
TROUBLES = (RuntimeError, ValueError, OSError, subprocess.SubprocessError)

Flushes = dict[str, dict[str, dict[str, float]]]


def measure(*, quick: bool) -> dict[str, Any]:
    """Return ms by destination, envelope, flush and phase; and requests by destination."""
    found: dict[str, Any] = {"ms": {}, "requests": {}, "problems": []}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _write_bodies(folder / "bodies")
        moto = stack.enter_context(moto_glue.running(folder / "moto"))
        catalog, origin = ("", None) if quick else _rest(stack, folder, moto)
        makers = _makers(folder, moto, origin)
        for kind, make in makers.items():
            try:
                _measure_place(kind, make(), (moto, catalog), folder, found, quick=quick)
            except TROUBLES as error:  # the other destinations are still measured
                found["problems"].append(f"{kind}: {error}"[-1_500:])
            stats.so_far(found)
    return found


def _measure_place(
    kind: str,
    place: Place,
    servers: tuple[str, ...],
    folder: Path,
    found: dict[str, Any],
    *,
    quick: bool,
) -> None:
    """Measure one destination; add the figures of each envelope."""
    _probe(place, None, folder)  # makes the table, fills caches
    if not place.url.startswith(("file", "sqlite")):
        found["requests"][kind] = _requests(place, servers, folder)
    if kind == "glue":
        inbox = replace(place, environ={**place.environ, "OTLP2PARQUET_COMMIT": "inbox"})
        found["requests"]["inbox"] = _requests(inbox, servers, folder)
    of = found["ms"].setdefault(kind, {})
    for envelope in ENVELOPES[:1] if quick else ENVELOPES:
        of[envelope.name] = _of_rounds(place, envelope, folder, 1 if quick else 0)


def _makers(folder: Path, moto: str, origin: Place | None) -> dict[str, Callable[[], Place]]:
    (folder / "file").mkdir()
    (folder / "sqlite").mkdir()
    found: dict[str, Callable[[], Place]] = {
        "file": lambda: places.plain_folder(folder / "file"),
        "sqlite": lambda: places.sqlite(folder / "sqlite"),
        "s3": lambda: places.plain_s3(moto),
        "glue": lambda: places.glue(moto),
    }
    if origin is not None:
        found["rest"] = lambda: places.rest_on_s3(origin)
    return found


def _rest(stack: ExitStack, folder: Path, moto: str) -> tuple[str, Place | None]:
    """Start Iceberg's own REST catalog; ("", None) if Java or its libraries are missing."""
    bucket = places.new_bucket(moto, places.AWS, "warehouse/")
    options = {
        "CATALOG_WAREHOUSE": f"s3://{bucket.bucket}/warehouse",
        "CATALOG_IO__IMPL": "org.apache.iceberg.aws.s3.S3FileIO",
        "CATALOG_S3_ENDPOINT": moto,
        "CATALOG_S3_PATH__STYLE__ACCESS": "true",
        **places.AWS,
    }
    try:
        url = stack.enter_context(rest_fixture.running(folder / "rest", options))
    except BaseException as error:  # a test's `skip` is no Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        return "", None
    environ = {**places.AWS, "AWS_ENDPOINT_URL_S3": moto}
    return url, places.Place("rest", f"rest+{url}", bucket, environ)


def _write_bodies(folder: Path) -> None:
    folder.mkdir()
    events = sum(number for _, number in FLUSHES)
    for number, body in enumerate(mixes.bodies("mix", events)):
        (folder / f"{number:04}").write_bytes(body)


def _command(folder: Path, *, step: bool = False) -> tuple[str, ...]:
    flushes = [f"{name}:{events // mixes.PER_DELIVERY}" for name, events in FLUSHES]
    return (START, str(PROBE), str(folder), *(["step"] if step else []), *flushes)


def _variables(place: Place, folder: Path) -> dict[str, str]:
    return {**place.variables, "OTLP2PARQUET_SPOOL_DIR": tempfile.mkdtemp(dir=folder)}


def _of_rounds(place: Place, envelope: Envelope, folder: Path, rounds: int) -> Flushes:
    found = [_probe(place, envelope, folder) for _ in range(rounds or ROUNDS[envelope.memory_mb])]
    phases = sorted({phase for one in found for flush in one.values() for phase in flush})
    nothing = {"wall_ms": 0.0, "cpu_ms": 0.0}
    return {
        flush: {
            phase: stats.medians([one[flush].get(phase, nothing) for one in found])
            for phase in phases
        }
        for flush in found[0]
    }


def _probe(place: Place, envelope: Envelope | None, folder: Path) -> Flushes:
    """Run the flushes in a separate process; return ms by flush and phase."""
    subject = Subject(_command(folder), _variables(place, folder))
    with processes.started(
        subject, envelope, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        out, said = running.process.communicate(timeout=LIMIT_S)
    if running.process.returncode:
        raise RuntimeError(f"{place.kind}: {said.decode()[-1_500:]}")
    return {one["name"]: one["phases"] for one in map(json.loads, out.splitlines())}


def _requests(place: Place, servers: tuple[str, ...], folder: Path) -> int:
    """Count the requests of the last flush, without new tables and other writers."""
    with ExitStack() as stack:
        proxies = {url: stack.enter_context(counting_proxy.running(url)) for url in servers if url}
        environ, url = dict(_variables(place, folder)), place.url
        for server, proxy in proxies.items():
            url = url.replace(server, proxy.url)
            environ = {name: text.replace(server, proxy.url) for name, text in environ.items()}
        environ["OTLP2PARQUET_DESTINATION"] = url
        with processes.started(
            Subject(_command(folder, step=True), environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as running:
            for _ in FLUSHES:
                for proxy in proxies.values():
                    proxy.reset()
                _step(running)
            return sum(proxy.count() for proxy in proxies.values())


def _step(running: processes.Running) -> Mapping[str, Any]:
    process = running.process
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    found: Mapping[str, Any] = json.loads(process.stdout.readline())
    return found
