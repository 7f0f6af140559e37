"""The extension as a process, against a Lambda that misbehaves."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
from scripted_lambda import (
    LAUNCHER,
    LAYER,
    REGISTERED,
    Answer,
    ScriptedLambda,
    event,
    invoke,
    shut_down,
    shutdown,
)

from otlp2parquet_ext.tools import query
from otlp2parquet_ext.tools.query import QueryError

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
INVALID_EVENT = Answer(403, b'{"errorType":"Extension.InvalidEventType"}')
INVALID_NAME = Answer(403, b'{"errorType":"Extension.InvalidExtensionName"}')
NOT_SUPPORTED = Answer(202, b'{"errorType":"Telemetry.NotSupported"}')

NEVER_IMPORTED = Path(__file__).with_name("never_imported.py")


def bodies(folder: Path) -> list[str]:
    """Read the lake back."""
    try:
        connection = query.connect(f"file://{folder}/lake")
    except QueryError:
        return []
    return [r[0] for r in connection.execute("SELECT Body FROM logs ORDER BY Body").fetchall()]


def test_before_the_first_next_only_the_standard_library_is_imported(tmp_path: Path) -> None:
    """Of it, only what C provides: `socket`, `json`, `typing` or `enum` would each show here.

    The subscription is refused, so the process stays where it is when it first asks for an event.
    The message about it is masked like every message: three of the modules come with that alone.
    """
    lambda_ = ScriptedLambda(subscribe=[NOT_SUPPORTED])
    command = [sys.executable, "-S", "-X", "importtime", str(LAUNCHER)]
    extension = lambda_.start(tmp_path, command=command, PYTHONPATH=str(ROOT))
    extension.until_next()
    shut_down(extension)
    lambda_.close()
    imported = {
        line.split("|")[-1].strip() for line in extension.lines if line.startswith("import time:")
    }
    ours = {name for name in imported if name.startswith("otlp2parquet_ext")}
    assert {"otlp2parquet_ext.extension.bootstrap", "_socket"} <= imported
    assert ours == {
        "otlp2parquet_ext",
        "otlp2parquet_ext.__main__",
        "otlp2parquet_ext.common",
        "otlp2parquet_ext.common.secrets",
        "otlp2parquet_ext.common.settings.settings",
        "otlp2parquet_ext.extension",
        "otlp2parquet_ext.extension.bootstrap",
        "otlp2parquet_ext.extension.import_phase",
        "otlp2parquet_ext.extension.lifecycle",
        "otlp2parquet_ext.extension.lifecycle.calls",
        "otlp2parquet_ext.common.hold_limits",
        "otlp2parquet_ext.common.secrets.masking",
        "otlp2parquet_ext.common.log",
        "otlp2parquet_ext.common.secrets.forms",
        "otlp2parquet_ext.common.settings",
        "otlp2parquet_ext.common.settings.lake",
        "otlp2parquet_ext.common.settings.setting",
        "otlp2parquet_ext.common.settings.table",
        "otlp2parquet_ext.common.secrets.url_options",
    }
    looked_for = {"imported package", "lazily"}  # a heading, and a file that only the layer has
    others = {name.split(".")[0] for name in imported - ours} - looked_for
    assert others <= sys.stdlib_module_names
    heavy = {"asyncio", "collections", "enum", "http", "json", "re", "socket", "ssl", "typing"}
    assert not others & heavy


def test_the_calls_up_to_next_are_the_ones_lambda_expects(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """It registers, subscribes with the port that listens, and asks for the next event."""
    extension = scripted.start(tmp_path)
    extension.until_next()
    assert [(method, path) for method, path, _, _ in scripted.asked] == [
        ("POST", "/2020-01-01/extension/register"),
        ("PUT", "/2022-07-01/telemetry"),
        ("GET", "/2020-01-01/extension/event/next"),
    ]
    assert [h.get("Lambda-Extension-Identifier") for _, _, h, _ in scripted.asked] == [
        None,
        "7",
        "7",
    ]
    port, path = scripted.destination()
    assert len(path) == len("/t/") + 32
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    shut_down(extension)


@pytest.mark.parametrize("status", [202, 400, 403, 500])
def test_a_refused_subscription_leaves_the_function_alone(tmp_path: Path, status: int) -> None:
    """An emulator answers 202.

    After any such answer the extension answers `next` and collects nothing.
    """
    lambda_ = ScriptedLambda(subscribe=[Answer(status, b'not "json"')])
    extension = lambda_.start(tmp_path)
    for number in range(3):
        extension.until_next()
        lambda_.events.put(invoke(f"r-{number}"))
    extension.until_next()
    shut_down(extension)
    lambda_.close()
    assert len(extension.lines) == 1
    said = json.loads(extension.lines[-1])
    assert said["message"].startswith(f'subscribe was answered with HTTP {status} not "json"')


def test_a_refused_subscription_fails_init_when_the_user_wants_it(tmp_path: Path) -> None:
    """EXTENSION_FAIL=closed means that no function runs without telemetry."""
    lambda_ = ScriptedLambda(subscribe=[Answer(400)])
    extension = lambda_.start(tmp_path, EXTENSION_FAIL="closed")
    assert extension.end() == 1
    assert lambda_.asked[-1][1] == "/2020-01-01/extension/init/error"
    lambda_.close()


def test_without_a_destination_nothing_is_subscribed_and_one_line_says_so(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """A layer without its variable does nothing."""
    extension = scripted.start(tmp_path, OTLP2PARQUET_DESTINATION="")
    extension.until_next()
    shut_down(extension)
    assert [path for _, path, _, _ in scripted.asked if "telemetry" in path] == []
    assert [json.loads(line)["message"] for line in extension.lines] == [
        "OTLP2PARQUET_DESTINATION is not set: no telemetry is collected"
    ]


def test_a_misspelled_destination_is_said(scripted: ScriptedLambda, tmp_path: Path) -> None:
    """No other line would report this mistake."""
    extension = scripted.start(tmp_path, OTLP2PARQUET_DESTINATION="", OTLP2PARQUET_DESTINATON="x")
    extension.until_next()
    shut_down(extension)
    assert [json.loads(line)["message"] for line in extension.lines] == [
        "OTLP2PARQUET_DESTINATION is not set: no telemetry is collected",
        "OTLP2PARQUET_DESTINATON: there is no such setting; it has no effect",
    ]


def test_refused_invoke_means_managed_instances(tmp_path: Path) -> None:
    """They refuse INVOKE with 403, and the extension then registers for SHUTDOWN only."""
    lambda_ = ScriptedLambda(register=[INVALID_EVENT, REGISTERED])
    extension = lambda_.start(tmp_path)
    extension.until_next()
    # Lambda posts their telemetry to the root, not to the requested path.
    assert extension.post(event("hello"), path="/") == 200
    shut_down(extension)
    lambda_.close()
    registrations = [json.loads(b) for _, path, _, b in lambda_.asked if path.endswith("/register")]
    assert registrations == [{"events": ["INVOKE", "SHUTDOWN"]}, {"events": ["SHUTDOWN"]}]
    assert bodies(tmp_path) == ["hello"]


def test_the_launchers_file_name_is_the_name_whatever_the_variable_says(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """Users of another layer have EXTENSION_NAME set to the file of that layer."""
    extension = scripted.start(tmp_path, EXTENSION_NAME="data-taps-lambda-extension")
    extension.until_next()
    shut_down(extension)
    assert registered_names(scripted) == ["otlp2parquet"]


def test_a_foreign_name_gives_way_to_our_own_when_it_is_refused(tmp_path: Path) -> None:
    """Without the launcher only the variable has a name, and it may be wrong."""
    lambda_ = ScriptedLambda(register=[INVALID_NAME, REGISTERED])
    module = (sys.executable, "-m", "otlp2parquet_ext")
    extension = lambda_.start(tmp_path, command=module, EXTENSION_NAME="data-taps")
    extension.until_next()
    shut_down(extension)
    lambda_.close()
    assert registered_names(lambda_) == ["data-taps", "otlp2parquet"]


@pytest.mark.parametrize("version", ["2022-12-13", "2020\u201301\u201301", "x y"])
def test_a_version_that_is_none_does_not_fail_the_function(
    scripted: ScriptedLambda, tmp_path: Path, version: str
) -> None:
    """It would be an unknown path, and a refused registration fails the function."""
    variables = {
        "AWS_LAMBDA_RUNTIME_EXTENSION_API_VERSION": version,
        "AWS_LAMBDA_RUNTIME_TELEMETRY_API_VERSION": version,
    }
    extension = scripted.start(tmp_path, **variables)
    extension.until_next()
    shut_down(extension)
    assert [path for _, path, _, _ in scripted.asked][:2] == [
        "/2020-01-01/extension/register",
        "/2022-07-01/telemetry",
    ]
    assert len(extension.lines) == 2


def test_a_name_that_is_not_ascii_gives_way_to_our_own(tmp_path: Path) -> None:
    """A header cannot contain it, but the function must not fail for it."""
    lambda_ = ScriptedLambda(register=[INVALID_NAME, REGISTERED])
    module = (sys.executable, "-m", "otlp2parquet_ext")
    extension = lambda_.start(tmp_path, command=module, EXTENSION_NAME="扩展")
    extension.until_next()
    shut_down(extension)
    lambda_.close()
    assert registered_names(lambda_)[1] == "otlp2parquet"


def registered_names(lambda_: ScriptedLambda) -> list[str]:
    """Return the names with which the extension tried to register."""
    return [h["Lambda-Extension-Name"] for _, path, h, _ in lambda_.asked if "register" in path]


def test_a_refused_registration_ends_the_process_with_the_reason(tmp_path: Path) -> None:
    """Lambda fails the function in any case, and the line has the reason."""
    lambda_ = ScriptedLambda(register=[INVALID_NAME])
    extension = lambda_.start(tmp_path)
    assert extension.end() == 1
    lambda_.close()
    assert "HTTP 403" in extension.lines[-1]
    assert "Extension.InvalidExtensionName" in extension.lines[-1]


@pytest.mark.parametrize("address", ["", "nonsense", "127.0.0.1:", "127.0.0.1:1"])
def test_without_lambda_it_says_what_is_missing(
    scripted: ScriptedLambda, tmp_path: Path, address: str
) -> None:
    """Started by hand, or in an image without the variable, it prints one line and no traceback."""
    extension = scripted.start(tmp_path, AWS_LAMBDA_RUNTIME_API=address)
    assert extension.end() == 1
    assert len(extension.lines) == 1
    assert f"AWS_LAMBDA_RUNTIME_API={address!r}: expected what Lambda sets" in extension.lines[0]


def test_a_function_that_empties_tmp_takes_nothing(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """Some functions clean up /tmp at the end of every invocation."""
    extension = scripted.start(tmp_path, TIMEOUT_MS="900000", OTLP2PARQUET_FLUSH="threshold")
    extension.until_next()
    for number in range(3):
        assert extension.post(event(f"body {number}")) == 200
        shutil.rmtree(tmp_path / "tmp", ignore_errors=True)
    shut_down(extension)
    assert bodies(tmp_path) == ["body 0", "body 1", "body 2"]


BAD_BODIES = [
    (b'[{"time":"x"', ['{"time":"x"']),
    (b'{"time":"t"}', ['{"time":"t"}']),
    (b"\xff\xfe", ["\ufffd\ufffd"]),
    (b'[{"type":"function","record":"no time"},{"time":"t","record":"no type"}]', None),
    (
        b'[{"time":"9999-99-99T99:99:99Z","type":"function","record":"absurd time"}]',
        ["absurd time"],
    ),
    (b'[{"time":"2026-03-14T09:26:53Z","type":"platform.new","record":{"a":1}}]', ['{"a":1}']),
    (b'[{"time":"2026-03-14T09:26:53Z","type":"function","record":"a \xff b"}]', ["a \ufffd b"]),
]


@pytest.mark.parametrize(("bad", "kept"), BAD_BODIES)
def test_a_bad_body_becomes_rows_and_costs_only_itself(
    scripted: ScriptedLambda, tmp_path: Path, bad: bytes, kept: list[str] | None
) -> None:
    """The answer is 200, because a retry cannot improve it.

    The good bodies beside it are complete.
    """
    extension = scripted.start(tmp_path)
    extension.until_next()
    assert [extension.post(b) for b in (event("A good"), bad, event("Z good"))] == [200, 200, 200]
    shut_down(extension)
    read = bodies(tmp_path)
    assert {"A good", "Z good"} <= set(read)
    others = [b for b in read if not b.endswith(" good")]
    assert others == kept if kept is not None else len(others) == 2


def test_a_body_of_three_megabytes_is_taken_and_one_over_the_limit_is_413(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """At Lambda's own maximum settings a body may have three megabytes."""
    extension = scripted.start(tmp_path)
    extension.until_next()
    assert extension.post(event("x" * 3_000_000)) == 200
    assert extension.post(event("y" * 5_000_000)) == 413
    shut_down(extension)
    rows = query.connect(f"file://{tmp_path}/lake").execute(
        "SELECT EventName, length(Body) = 3_000_000, "
        "(LogAttributes->>'droppedBytes')::INT > 5_000_000 FROM logs ORDER BY 1"
    )
    assert rows.fetchall() == [
        ("function", True, None),
        ("otlp2parquet_ext.dropped", False, True),
    ]


def test_bad_settings_are_said_one_line_each_and_change_nothing(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """Each line has the name, the value, the valid range, and the value in use."""
    extension = scripted.start(tmp_path, MAX_ITEMS="many", OTLP2PARQUET_COLOUR="blue")
    extension.until_next()
    assert extension.post(event("hello")) == 200
    shut_down(extension)
    messages = [json.loads(line)["message"] for line in extension.lines]
    assert [m for m in messages if m.startswith(("MAX_ITEMS", "OTLP2PARQUET_COLOUR"))] == [
        (
            "MAX_ITEMS='many': expected a whole number of events from 1 to 1000000, "
            "for example 10000; using 10000"
        ),
        "OTLP2PARQUET_COLOUR: there is no such setting; it has no effect",
    ]
    assert bodies(tmp_path) == ["hello"]


def test_a_malformed_destination_harms_no_invocation_and_is_said_once(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """The telemetry stays in the spool, and the line describes a valid destination."""
    extension = scripted.start(tmp_path, OTLP2PARQUET_DESTINATION="s4://bucket", TIMEOUT_MS="25")
    for number in range(3):
        extension.until_next()
        scripted.events.put(invoke(f"r-{number}"))
        assert extension.post(event(f"body {number}")) == 200
    extension.until_next()
    shut_down(extension)
    wrong = [line for line in extension.lines if "s4://bucket" in line]
    assert len(wrong) == 1
    assert "there is no scheme 's4'; expected s3://" in wrong[0]
    assert list((tmp_path / "tmp").rglob("*.seg")) != []


def test_a_destination_that_comes_back_gets_everything(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """The batch is refused, kept, tried again and delivered once.

    Two lines report begin and end.
    """
    (tmp_path / "lake").write_text("in the way")
    extension = scripted.start(tmp_path, TIMEOUT_MS="25", OTLP2PARQUET_FLUSH="threshold")
    extension.until_next()
    for number in range(3):
        assert extension.post(event(f"body {number}")) == 200
    wait_for(lambda: list((tmp_path / "tmp").rglob("*.seg")) != [])
    (tmp_path / "lake").unlink()
    wait_for(lambda: bodies(tmp_path) == ["body 0", "body 1", "body 2"])
    shut_down(extension)
    assert bodies(tmp_path) == ["body 0", "body 1", "body 2"]


def test_bad_clients_of_the_receiver_cost_a_line_each_and_no_traceback(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """A library's message is one JSON line, and is not repeated for every such client."""
    extension = scripted.start(tmp_path)
    extension.until_next()
    assert extension.post(event("hello")) == 200
    port, path = scripted.destination()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode()
    for bad in (b"no http\r\n\r\n", head + b"Content-Length: x\r\n\r\n") * 3:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(bad)
            client.recv(1_000)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(head + b"Content-Length: 100\r\n\r\nhalf")
    assert extension.post(event("world")) == 200
    shut_down(extension)
    assert len(extension.lines) <= 3
    assert {json.loads(line)["extension"] for line in extension.lines} <= {"otlp2parquet"}
    assert bodies(tmp_path) == ["hello", "world"]


def wait_for(condition: object) -> None:
    """Poll until a condition of the outside world holds; bounded."""
    assert callable(condition)
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "this never came true"
        time.sleep(0.02)


def test_sigterm_is_a_shutdown(scripted: ScriptedLambda, tmp_path: Path) -> None:
    """Local runners send this signal instead of the event."""
    extension = scripted.start(tmp_path)
    extension.until_next()
    assert extension.post(event("hello")) == 200
    extension.process.send_signal(signal.SIGTERM)
    assert extension.end() == 0
    assert bodies(tmp_path) == ["hello"]


@pytest.mark.timing
def test_sigterm_ends_the_hold_of_an_invocation(scripted: ScriptedLambda, tmp_path: Path) -> None:
    """A runner gives seconds between SIGTERM and SIGKILL, not the rest of a function's timeout."""
    extension = scripted.start(tmp_path, OTLP2PARQUET_FLUSH="end")
    extension.until_next()
    assert extension.post(event("before")) == 200
    scripted.events.put(invoke("r-1", timeout_ms=60_000))
    assert extension.post(event("hello")) == 200
    started = time.monotonic()
    extension.process.send_signal(signal.SIGTERM)
    assert extension.end() == 0
    assert time.monotonic() - started < 10
    assert bodies(tmp_path) == ["before", "hello"]


def test_when_next_fails_what_is_held_is_flushed_before_the_end(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """500 means that the container is broken. The extension saves its telemetry and ends."""
    extension = scripted.start(tmp_path)
    extension.until_next()
    assert extension.post(event("hello")) == 200
    for _ in range(3):
        scripted.events.put(Answer(500, b'{"errorType":"InternalServerError"}'))
    assert extension.end() == 0
    assert bodies(tmp_path) == ["hello"]
    assert "next failed 3 times" in extension.lines[-1]


def test_an_unknown_event_is_passed_over(scripted: ScriptedLambda, tmp_path: Path) -> None:
    """AWS adds event types without notice, and only SHUTDOWN ends the extension."""
    extension = scripted.start(tmp_path)
    extension.until_next()
    scripted.events.put(Answer(body=b'{"eventType":"RESTORE"}'))
    extension.until_next()
    shut_down(extension)
    assert "unknown event, ignored" in extension.lines[-1]


@pytest.mark.timing
def test_telemetry_nobody_delivers_costs_one_second_once(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """Emulators accept a subscription and deliver nothing, so no end is reported."""
    extension = scripted.start(tmp_path, OTLP2PARQUET_FLUSH="end")
    extension.until_next()
    started = time.monotonic()
    for number in range(12):
        scripted.events.put(invoke(f"r-{number}", timeout_ms=60_000))
        extension.until_next()
    assert time.monotonic() - started < 8
    shut_down(extension)


@pytest.mark.timing
def test_without_platform_events_no_invocation_is_held(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """Its end will never be delivered, and a hold would last until the function's timeout."""
    extension = scripted.start(
        tmp_path, OTLP2PARQUET_FLUSH="end", OTLP2PARQUET_TELEMETRY_TYPES="function"
    )
    extension.until_next()
    assert extension.post(event("warm")) == 200
    started = time.monotonic()
    scripted.events.put(invoke("r-1", timeout_ms=15_000))
    assert extension.post(event("hello")) == 200
    extension.until_next()
    assert time.monotonic() - started < 8
    shut_down(extension)
    assert bodies(tmp_path) == ["hello", "warm"]


def test_with_tmp_unwritable_telemetry_lives_in_memory(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """It is bounded there, and delivered, too."""
    (tmp_path / "tmp").write_text("no folder")
    extension = scripted.start(tmp_path)
    extension.until_next()
    assert extension.post(event("hello")) == 200
    shut_down(extension)
    assert bodies(tmp_path) == ["hello"]


def test_what_is_dropped_becomes_a_row_that_says_how_much(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """A record is committed, kept, or dropped and counted, and never lost silently."""
    (tmp_path / "lake").write_text("in the way")
    extension = scripted.start(
        tmp_path,
        OTLP2PARQUET_SPOOL_CAPACITY_BYTES="1048576",
        OTLP2PARQUET_MEMORY_CAPACITY_BYTES="0",
    )
    extension.until_next()
    for number in range(4):
        assert extension.post(event(str(number) * 400_000)) == 200
    (tmp_path / "lake").unlink()
    shut_down(extension)
    read = bodies(tmp_path)
    assert [b[0] for b in read if len(b) == 400_000] == ["0", "1"]
    dropped = query.connect(f"file://{tmp_path}/lake").execute(
        "SELECT LogAttributes->>'droppedRecords', LogAttributes->>'reason', SeverityText "
        "FROM logs WHERE EventName = 'otlp2parquet_ext.dropped'"
    )
    assert dropped.fetchall() == [("2", "the spool is full", "WARN")]


@pytest.mark.parametrize(
    "limit", [{"MAX_ITEMS": "3"}, {"MAX_BYTES": "65536"}, {"TIMEOUT_MS": "300"}], ids=str
)
def test_a_batch_is_flushed_at_each_limit_without_an_invocation(
    scripted: ScriptedLambda, tmp_path: Path, limit: dict[str, str]
) -> None:
    """Items, bytes and age each cause a flush. The first two do not before their limit."""
    settings = {"TIMEOUT_MS": "900000", "OTLP2PARQUET_FLUSH": "threshold"} | limit
    extension = scripted.start(tmp_path, **settings)
    extension.until_next()
    for number in range(2):
        assert extension.post(event(f"{number}" * 25_000)) == 200
    if "TIMEOUT_MS" not in limit:
        time.sleep(0.5)
        assert bodies(tmp_path) == []
    assert extension.post(event("2" * 25_000)) == 200
    wait_for(lambda: len(bodies(tmp_path)) == 3)
    shut_down(extension)


@pytest.mark.skipif(bool(LAYER), reason="nobody can put a library before the layer's own")
def test_a_broken_library_leaves_the_function_alone(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """The extension fails open: it answers `next` until the end, even if it cannot collect."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "msgspec.py").write_text("raise RuntimeError('half a layer')")
    extension = scripted.start(tmp_path, PYTHONPATH=str(broken))
    for number in range(3):
        extension.until_next()
        scripted.events.put(invoke(f"r-{number}"))
    extension.until_next()
    shut_down(extension)
    assert [json.loads(line)["message"] for line in extension.lines] == [
        "stopped collecting: RuntimeError: half a layer"
    ]


def slow_library(folder: Path, seconds: float) -> str:
    """Make a msgspec that loads slowly and then fails; return its folder."""
    (folder / "slow").mkdir()
    code = f"import time\ntime.sleep({seconds})\nraise RuntimeError('slow and broken')"
    (folder / "slow" / "msgspec.py").write_text(code)
    return str(folder / "slow")


@pytest.mark.timing
def test_threshold_holds_no_invocation_while_libraries_load(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """Otherwise four invocations would be held for a second each."""
    path = slow_library(tmp_path, 6)
    extension = scripted.start(tmp_path, PYTHONPATH=path, OTLP2PARQUET_FLUSH="threshold")
    extension.until_next()
    started = time.monotonic()
    for number in range(4):
        scripted.events.put(invoke(f"r-{number}", timeout_ms=60_000))
        extension.until_next()
    assert time.monotonic() - started < 3
    shut_down(extension)


def test_a_next_that_fails_while_libraries_load_is_not_asked_again_at_once(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """Thousands of refusals a second would use the CPU of the function's own start."""
    extension = scripted.start(tmp_path, PYTHONPATH=slow_library(tmp_path, 1))
    extension.until_next()
    for _ in range(20):
        scripted.events.put(Answer(500, b'{"errorType":"InternalServerError"}'))
    assert extension.end() == 0
    assert len([path for _, path, _, _ in scripted.asked if path.endswith("/next")]) <= 5


def test_a_taken_port_is_replaced_by_a_free_one(scripted: ScriptedLambda, tmp_path: Path) -> None:
    """Another layer or a dead predecessor may use it.

    The subscription names the port that listens.
    """
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        extension = scripted.start(tmp_path, RECEIVER_PORT=str(port))
        extension.until_next()
        assert scripted.destination()[0] != port
        assert extension.post(event("hello")) == 200
        shut_down(extension)
    assert bodies(tmp_path) == ["hello"]
    assert f"cannot listen on 0.0.0.0:{port}" in extension.lines[0]


def test_an_address_that_is_not_ours_does_not_stop_us(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """RECEIVER_ADDRESS names an interface of Lambda. Elsewhere the name may not resolve."""
    extension = scripted.start(tmp_path, RECEIVER_ADDRESS="nowhere.invalid")
    extension.until_next()
    assert extension.post(event("hello")) == 200
    shut_down(extension)
    assert bodies(tmp_path) == ["hello"]


def test_environments_restored_from_one_snapshot_have_names_of_their_own(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """They share all random values from before the snapshot, so the instance id is drawn again."""
    extension = scripted.start(tmp_path, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start")
    extension.until_next()
    assert extension.post(event("before the snapshot")) == 200
    scripted.events.put(invoke("r-1"))
    extension.until_next()
    assert extension.post(event("after it")) == 200
    scripted.events.put(invoke("r-2"))
    extension.until_next()
    assert extension.post(event("later")) == 200
    shut_down(extension)
    rows = query.connect(f"file://{tmp_path}/lake").execute(
        "SELECT Body, ServiceInstanceId FROM logs"
    )
    instance = dict(rows.fetchall())
    assert instance["before the snapshot"] != instance["after it"] == instance["later"]


@pytest.mark.parametrize(
    "reason", ["spindown", "TIMEOUT", "failure", "SandboxTerminated", "ReleaseFail", "", None]
)
@pytest.mark.parametrize("window_ms", [2_000, None])
@pytest.mark.timing
def test_whatever_the_reason_of_a_shutdown_what_comes_in_its_window_is_stored(
    scripted: ScriptedLambda, tmp_path: Path, reason: str | None, window_ms: int | None
) -> None:
    """Emulators send other reasons, and AWS may add some. Without a deadline there are two seconds.

    The report is missing, so the receiver stays open for it as long as there is time for a flush.
    """
    extension = scripted.start(tmp_path)
    extension.until_next()
    scripted.events.put(
        invoke("r-1", timeout_ms=100)
    )  # it timed out, so its end is never delivered
    extension.until_next()
    scripted.events.put(shutdown(window_ms, reason))
    time.sleep(0.4)
    report = {"requestId": "r-1", "status": "timeout", "metrics": {"durationMs": 1}}
    late = {"time": "2026-03-14T09:26:53.540Z", "type": "platform.report", "record": report}
    assert extension.post(json.dumps([late]).encode()) == 200
    started = time.monotonic()
    assert extension.end() == 0, extension.lines
    assert time.monotonic() - started < 1.6
    assert len(bodies(tmp_path)) == 1


@pytest.mark.parametrize("window_ms", [-3_600_000, -1_000, 0, 150, 3_600_000])
def test_a_shutdown_deadline_of_another_clock_neither_hurries_nor_holds_us(
    scripted: ScriptedLambda, tmp_path: Path, window_ms: int
) -> None:
    """Our clock may be ahead by seconds or behind by hours: SHUTDOWN leaves two seconds."""
    extension = scripted.start(tmp_path)
    extension.until_next()
    scripted.events.put(
        invoke("r-1")
    )  # its report is missing, so the receiver listens until the deadline
    extension.until_next()
    assert extension.post(event("hello")) == 200
    scripted.events.put(shutdown(window_ms))
    assert extension.end() == 0, extension.lines
    assert bodies(tmp_path) == ["hello"]


def test_what_a_shutdown_leaves_is_in_the_spool_and_told(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """In Lambda the spool may end with the environment, and a silent loss is the worst case."""
    (tmp_path / "lake").write_text("in the way")
    extension = scripted.start(tmp_path)
    extension.until_next()
    assert extension.post(event("hello")) == 200
    scripted.events.put(shutdown())
    assert extension.end() == 0, extension.lines
    told = [line for line in extension.lines if "were not stored before the end" in line]
    assert len(told) == 1, extension.lines
    (tmp_path / "lake").unlink()
    again = scripted.start(tmp_path)
    again.until_next()
    wait_for(lambda: bodies(tmp_path))  # what was left is stored without a new delivery
    shut_down(again)
    assert bodies(tmp_path) == ["hello"]
    assert "before the end" not in "".join(again.lines)


@pytest.mark.parametrize("window_ms", [-1_000, 2_000, 3_600_000])
def test_an_end_before_anything_can_be_read_is_told(
    scripted: ScriptedLambda, tmp_path: Path, window_ms: int
) -> None:
    """The bodies that the kernel has queued are lost, and a line has to report it."""
    scripted.events.put(shutdown(window_ms))
    extension = scripted.start(tmp_path, command=[sys.executable, str(NEVER_IMPORTED)])
    assert extension.end() == 0
    assert [json.loads(line)["message"] for line in extension.lines] == [
        "the end came while libraries were imported: what was delivered is lost"
    ]
