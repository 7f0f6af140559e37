"""The tools of the benchmark; tests/layer has a quick run of all of it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
from performance import figures_in
from performance_parts import deliver, envelopes, mixes, processes, sink
from performance_parts.lambda_api import LambdaApi


def test_deliveries_beyond_the_first_are_no_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that came before would be recognised, and cost nothing."""
    monkeypatch.setattr(mixes, "MADE", 1_000)
    bodies = list(mixes.bodies("mix", 32_000))
    assert len(bodies) == len(set(bodies)) == 64
    assert sum(len(json.loads(body)) for body in bodies) == 32_000


@pytest.mark.parametrize(
    ("mix", "kinds"),
    [
        ("text", {"function", "platform.start", "platform.runtimeDone", "platform.report"}),
        ("platform", {"platform.start", "platform.runtimeDone", "platform.report"}),
    ],
)
def test_a_mix_holds_its_kinds_of_events(mix: str, kinds: set[str]) -> None:
    """And the generator is as it was afterwards."""
    (body,) = mixes.bodies(mix, 500)
    events = json.loads(body)
    assert {event["type"] for event in events} == kinds
    lines = [event["record"] for event in events if event["type"] == "function"]
    assert all(isinstance(line, str) for line in lines)
    (normal,) = mixes.bodies("mix", 500)
    assert {type(e["record"]) for e in json.loads(normal) if e["type"] == "function"} == {str, dict}


def test_a_body_comes_whole_through_deliverer_and_sink() -> None:
    """Both ends use the same HTTP, with connections kept and closed."""
    with sink.running() as where:
        port = int(where.url.rpartition(":")[2])
        deliver.post_all(port, "/", [b"x" * size for size in (0, 1, 300_000)], connections=2)
        with urllib.request.urlopen(where.url, data=b"yz") as answer:  # noqa: S310 - ours
            assert answer.status == 200
    assert sorted(where.sizes) == [0, 1, 2, 300_000]


def test_a_delivery_that_is_refused_is_an_error() -> None:
    """The throughput of refusals is meaningless."""
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        connection, _ = listener.accept()
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
        connection.close()

    thread = threading.Thread(target=refuse)
    thread.start()
    with pytest.raises(ConnectionError, match="503"):
        deliver.Deliverer(listener.getsockname()[1], "/").post(b"{}")
    thread.join()
    listener.close()


@pytest.mark.e2e
def test_the_baseline_forwards_every_event_it_was_given() -> None:
    """A reference that loses events is cheaper than it should be."""
    if shutil.which("node") is None:
        pytest.skip("Node is not installed: apt-get install nodejs")
    with (
        sink.running() as where,
        processes.extension(processes.baseline(where.url)) as (running, api),
    ):
        port, path = api.receiver
        assert path == "/"
        deliver.post_all(port, "/", mixes.bodies("mix", 1_000), connections=2)
        api.invoke("1")
        api.wait_for_next()
        deliver.post_all(port, "/", mixes.bodies("mix", 500, seed=1))
        api.shut_down()
        running.end()
        assert len(where.sizes) == 2
        assert where.sizes[0] > 1_000 * 528


@pytest.mark.e2e
def test_a_program_in_an_envelope_has_what_it_gives_and_is_gone_afterwards() -> None:
    """Limits are set before the program runs, and removed afterwards."""
    code = "import os; print(os.sysconf('SC_NPROCESSORS_ONLN')); input()"
    subject = processes.Subject((sys.executable, "-I", "-S", "-c", code))
    with processes.started(
        subject, envelopes.ENVELOPES[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.process.stdout is not None
        running.process.stdout.readline()
        assert running.cpu_ms() > 0
        memory = running.memory()
        assert 0 < memory.anonymous_mb < memory.all_mb
        groups = Path(f"/proc/{running.process.pid}/cgroup").read_text()
        if "none" not in envelopes.facts()["cpu"]:
            assert "otlp2parquet_bench_" in groups
    assert running.process.returncode is not None


def test_the_api_tells_of_each_next_before_it_answers() -> None:
    """The usage of a program until then is read while it waits."""
    seen: list[str] = []
    api = LambdaApi(lambda: seen.append("next"))
    api.invoke("7")
    url = f"http://{api.address}/2020-01-01/extension/event/next"
    with urllib.request.urlopen(url) as answer:
        assert json.load(answer)["requestId"] == "7"
    api.wait_for_next()
    assert seen == ["next"]
    api.close()


def test_a_part_that_does_not_come_to_its_end_keeps_what_it_had_told() -> None:
    """A failure of the last part must not lose twenty minutes of results."""
    told = '{"a": 1}\n{"a": 1, "b": 2}\n'
    assert figures_in(told, "") == {"a": 1, "b": 2}
    assert figures_in(told, "not over") == {"a": 1, "b": 2, "problems": ["not over"]}
    assert figures_in("", "Traceback") == {"failed": "Traceback"}
