"""The built layer, cold, at 128 MB: what comes after SHUTDOWN is in the bucket before SIGKILL."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import places
import pytest
from layer_roots import PYTHON

from otlp2parquet_ext.tools import local
from otlp2parquet_ext.tools.local import ExtensionProgram, Faults, Plan
from otlp2parquet_ext.tools.local.plan import MEMORY_MB_PER_VCPU

if TYPE_CHECKING:
    from layer_roots import Root
    from places import Place

    from otlp2parquet_ext.tools.local.outcome import Outcome

pytestmark = [pytest.mark.timing, pytest.mark.layer, pytest.mark.e2e, pytest.mark.timeout(120)]

SAMPLE = Path(local.__file__).parent / "sample"
MAKERS = {"plain": places.plain_s3, "inbox": places.glue}
MEMORY_MB = 128
ATTEMPTS = 3
START_S = 0.020
"""CPU of a bare start of the layer at /opt: docs/performance.md's machine at its quickest."""


def vcpus(root: Root) -> float:
    """Return the share of 128 MB on that machine, and a larger one on a slower or busy machine.

    Otherwise a slow machine would fail the test without a change of ours.
    """
    command = root.at_opt(PYTHON, "-I", "-S", "-c", "")
    starts_s = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        starts_s.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return max(1.0, min(starts_s) / START_S) * MEMORY_MB / MEMORY_MB_PER_VCPU


def stored(place: Place) -> list[str]:
    """List what a reader or a committer needs, by its folder."""
    return [name.split("/")[0] for name in place.objects.names()]


def shut_down_at_once(root: Root, place: Place, spool: Path) -> Outcome:
    """Run one invocation whose telemetry comes after SHUTDOWN only."""
    endpoints = {name: value for name, value in place.environ.items() if "ENDPOINT" in name}
    return local.run(
        Plan(
            handler="app.handler",
            code=SAMPLE,
            memory_mb=MEMORY_MB,
            cpus=vcpus(root),
            timeout_s=3,
            extensions=(
                ExtensionProgram(name="otlp2parquet", command=tuple(root.extension(spool))),
            ),
            destination=place.url,
            region=places.AWS["AWS_REGION"],
            env={
                **endpoints,
                "OTLP2PARQUET_COMMIT": "inbox",
                "OTLP2PARQUET_SPOOL_DIR": str(spool),
            },
            faults=Faults(telemetry_after_shutdown_ms=50),
        )
    )


@pytest.mark.parametrize("kind", MAKERS)
def test_all_telemetry_after_shutdown_is_stored_within_its_window(
    root: Root, moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """No library is imported yet, and 0.07 of a CPU has two seconds.

    The spool ends with the environment, so batches outside the bucket are lost then. A shared
    machine may stop for half a second at any time, so one environment of three is enough.
    """
    for name, value in places.AWS.items():
        monkeypatch.setenv(name, value)
    for attempt in range(ATTEMPTS):
        place = MAKERS[kind](moto)
        spool = tmp_path / str(attempt)
        spool.mkdir(mode=0o777)
        spool.chmod(0o777)
        outcome = shut_down_at_once(root, place, spool)
        if stored(place) == (["logs"] if kind == "plain" else ["data", "inbox"]):
            break
    else:
        pytest.fail(f"not stored in time: {outcome.extension_lines}")
    assert outcome.extensions[0].exit_code == 0, outcome.extension_lines
    place.open().commit(places.soon())
    delivered = sum(1 for event in outcome.events if event.type != "extension")
    assert place.rows("SELECT count(*) FROM logs") == [(delivered,)]
