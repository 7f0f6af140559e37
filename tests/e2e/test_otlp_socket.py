"""The OTLP endpoint's socket: it listens from the start if it is on, and is never fatal."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from reserved_port import ReservedPort
from scripted_lambda import LAYER, WAIT_S, Answer, ScriptedLambda, shut_down

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.e2e


def connects(port: int, address: str = "127.0.0.1") -> bool:
    """Tell whether a server accepts connections."""
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(("otlp", "listens"), [("on", True), ("off", False), ("", False)])
def test_the_socket_listens_before_the_first_next_where_it_is_on(
    scripted: ScriptedLambda, tmp_path: Path, otlp: str, *, listens: bool
) -> None:
    """An SDK may export while the function initialises. The kernel queues its connection."""
    port = ReservedPort()
    variables = {"OTLP2PARQUET_OTLP": otlp, "OTLP2PARQUET_OTLP_PORT": str(port)}
    extension = scripted.start(tmp_path, **variables)
    extension.until_next()
    assert connects(port.number) is listens
    assert not connects(port.number, "127.0.0.2")  # loopback, but not the address it is bound to
    shut_down(extension)


def test_a_port_of_another_collector_costs_a_warning(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """The function's exporters use this port only, so no other port is tried."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        variables = {"OTLP2PARQUET_OTLP": "on", "OTLP2PARQUET_OTLP_PORT": port}
        extension = scripted.start(tmp_path, **variables)
        extension.until_next()
        shut_down(extension)
    said = f"OTLP2PARQUET_OTLP_PORT={port}: expected a free port; OTLP is not received"
    assert any(said in line for line in extension.lines)


@pytest.mark.skipif(bool(LAYER), reason="nobody can put a library before the layer's own")
def test_who_only_answers_next_refuses_exporters_at_once(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """An exporter without an answer would wait for ten seconds of the function's time.

    The request for the second event shows that the first was answered without collecting.
    """
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "msgspec.py").write_text("raise RuntimeError('half a layer')")
    port = ReservedPort()
    extension = scripted.start(
        tmp_path,
        OTLP2PARQUET_OTLP="on",
        OTLP2PARQUET_OTLP_PORT=str(port),
        PYTHONPATH=str(tmp_path / "broken"),
    )
    extension.until_next()
    assert extension.process.stderr is not None
    assert "stopped collecting" in extension.process.stderr.readline()
    scripted.events.put(Answer(body=b'{"eventType":"INVOKE","requestId":"1","deadlineMs":1}'))
    extension.until_next()
    assert not connects(port.number)
    shut_down(extension)


@pytest.mark.parametrize("status", [202, 400, 500])
def test_exporters_are_heard_where_lambda_delivers_nothing(tmp_path: Path, status: int) -> None:
    """The function's own exports need no subscription."""
    lambda_ = ScriptedLambda(subscribe=[Answer(status)])
    port = ReservedPort()
    variables = {"OTLP2PARQUET_OTLP": "on", "OTLP2PARQUET_OTLP_PORT": str(port)}
    extension = lambda_.start(tmp_path, **variables)
    extension.until_next()
    connection = http.client.HTTPConnection("127.0.0.1", port.number, timeout=WAIT_S)
    connection.request("POST", "/v1/logs", b"", {"Content-Type": "application/x-protobuf"})
    assert connection.getresponse().status == 200
    connection.close()
    shut_down(extension)
    lambda_.close()


def test_the_endpoint_is_imported_without_what_reads_requests() -> None:
    """`warm_up` or the first request imports protobuf. pyarrow comes later."""
    program = (
        "import sys; import otlp2parquet_ext.extension.receive.otlp_receiver; "
        "print({n.split('.')[0] for n in sys.modules} & {'google', 'opentelemetry', 'pyarrow'})"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert said.stdout == "set()\n"
