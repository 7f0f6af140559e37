"""Spawn to first `next`, counted in instructions: the same on a busy machine as on an idle one.

Beside the bare interpreter of the same layer, so that a newer Python does not look like our doing.
docs/performance.md has the times.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from performance_parts import processes
from performance_parts.lambda_api import LambdaApi

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from layer_roots import Root

pytestmark = pytest.mark.layer

MOST = 1.545
"""Measured: 1.537 to 1.539, of 23.5 million. A module more before `next` exceeds the limit."""

MOST_LOADED = 13.5
"""Measured: 13.3. A dataclass with what it imports would be two more."""

LOAD = """
import os
import lazily
lazily.enable()
from otlp2parquet_ext.extension import import_phase
runs = []
import_phase.gc.set_threshold(import_phase.COLLECT_AFTER, *import_phase.gc.get_threshold()[1:])
import_phase._import_agent(runs, os.pipe()[1])
assert callable(runs[0]), runs
import asyncio
from otlp2parquet_ext.extension.agent import forward_library_logs
asyncio.run(asyncio.sleep(0))
forward_library_logs()
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.common.settings.settings import load
lake = {"OTLP2PARQUET_DESTINATION": "sqlite:///tmp/none.db?warehouse=/tmp/none"}
side = FlushPipeline(load(lake)[0], {})
side.rehearse()
side.tidy()
side.warm_up_commit()
assert side.loaded
os._exit(0)
"""

COUNTED = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
PYTHON = ("/opt/otlp2parquet/python3", "-I", "-S", "-X", "utf8")  # as layer/start.c starts it


def instructions(root: Root, arguments: tuple[str, ...], environ: Mapping[str, str]) -> int:
    """Run the layer's interpreter at /opt; return how many instructions it takes."""
    done = subprocess.run(
        root.at_opt(*COUNTED, *PYTHON, *arguments),
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC0", **environ},
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found, done.stderr
    return int(found[1])


@pytest.mark.e2e
@pytest.mark.timeout(120)
def test_coming_to_the_first_next_takes_less_than_half_of_a_bare_start_more(
    root: Root, tmp_path: Path
) -> None:
    """Each instruction here is part of every cold start of every function.

    The subscription is answered 202, and the first event is SHUTDOWN, so nothing follows.
    """
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed: as root, tests/prepare")
    bare = instructions(root, ("-c", "pass"), {})
    api = LambdaApi(lambda: None, subscribe_status=202)
    api.shut_down()
    subject = processes.layer(tmp_path)
    ours = instructions(
        root, subject.command, {**subject.environ, "AWS_LAMBDA_RUNTIME_API": api.address}
    )
    api.close()
    assert bare < ours <= MOST * bare, (bare, ours, ours / bare)


@pytest.mark.e2e
@pytest.mark.timeout(120)
def test_being_ready_for_a_first_batch_takes_what_it_took(root: Root) -> None:
    """On a fourteenth of a CPU ten million instructions are a tenth of a second, in each INIT."""
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed: as root, tests/prepare")
    bare = instructions(root, ("-c", "pass"), {})
    loaded = instructions(root, ("-c", LOAD), {})
    assert 5 * bare < loaded <= MOST_LOADED * bare, (bare, loaded, loaded / bare)
