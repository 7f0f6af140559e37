"""The command line: options make a plan, bad ones make a sentence, and Ctrl-C leaves nothing."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from local_bench import HERE

from otlp2parquet_ext.tools.local import ExtensionProgram, Kill, KillPoint, Plan
from otlp2parquet_ext.tools.local.command import add_arguments, events_of, plan_of, run

MAIN = """
import argparse, sys
from otlp2parquet_ext.tools.local import command
parser = argparse.ArgumentParser()
command.add_arguments(parser)
sys.exit(command.run(parser.parse_args()))
"""
HANDLER = ("--handler", "local_handlers.echo", "--code", str(HERE))


def parsed(*options: str) -> argparse.Namespace:
    """Parse options."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(options)


def test_without_options_our_extension_is_run_with_lambdas_defaults() -> None:
    """128 MB, 3 s, one empty event."""
    plan = plan_of(parsed(*HANDLER))
    assert plan == Plan(handler="local_handlers.echo", code=HERE)
    assert plan.extensions[0].name == "otlp2parquet"
    assert (plan.memory_mb, plan.timeout_s, plan.events) == (128, 3.0, (b"{}",))


def test_cpu_comes_with_memory_unless_it_is_asked_for() -> None:
    """A benchmark of memory need not wait for a fourteenth of a CPU."""
    assert Plan(memory_mb=1_769).vcpus == 1
    assert Plan(memory_mb=128, cpus=0.5).vcpus == 0.5


def test_everything_after_two_dashes_is_the_command() -> None:
    """Its own options included."""
    plan = plan_of(parsed("--memory", "512", "--", "node", "index.js", "--flag"))
    assert (plan.command, plan.memory_mb) == (("node", "index.js", "--flag"), 512)


def test_an_extension_is_registered_under_its_file_name(tmp_path: Path) -> None:
    """As on Lambda."""
    path = tmp_path / "my-extension"
    plan = plan_of(parsed(*HANDLER, "--extension", str(path)))
    assert plan.extensions == (ExtensionProgram(name="my-extension", command=(str(path),)),)
    assert plan_of(parsed(*HANDLER, "--no-extension")).extensions == ()


def test_fault_switches_reach_the_plan() -> None:
    """One of each kind."""
    plan = plan_of(
        parsed(*HANDLER, "--kill", "delivery:3", "--late-telemetry", "0", "--redeliver", "2")
    )
    assert plan.faults.kill == Kill(point=KillPoint.DELIVERY, at=3)
    assert plan.faults.telemetry_after_shutdown_ms == 0
    assert plan.faults.redeliver_every == 2


def test_an_event_file_holds_one_document_or_one_per_line(tmp_path: Path) -> None:
    """A pretty-printed document is one event, not many broken ones."""
    path = tmp_path / "event.json"
    path.write_text('{\n "a": 1\n}\n')
    assert events_of(path) == (b'{\n "a": 1\n}\n',)
    path.write_text('{"a": 1}\n\n{"a": 2}\n')
    assert events_of(path) == (b'{"a": 1}', b'{"a": 2}')


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((), "give either --handler MODULE.FUNCTION or -- COMMAND"),
        ((*HANDLER, "--env", "NAME"), "--env 'NAME': expected NAME=VALUE"),
        ((*HANDLER, "--event", "/nowhere.json"), "'/nowhere.json': No such file"),
        (("--handler", "a.b", "--code", "/nowhere"), "--code '/nowhere': expected an existing"),
        ((*HANDLER, "--concurrency", "2"), "--concurrency needs --managed"),
        ((*HANDLER, "--no-extension", "--extension", "x"), "contradict each other"),
    ],
)
def test_a_bad_option_is_a_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], complaint: str
) -> None:
    """It has the option, the value, and valid values."""
    assert run(parsed(*options)) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("text", ["not json", "{}\nbroken\n", ""])
def test_an_event_file_that_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    """Before anything is started."""
    path = tmp_path / "event.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="--event"):
        events_of(path)


@pytest.mark.parametrize(
    "option", [("--memory", "64"), ("--timeout", "0"), ("--kill", "noon"), ("--invoke", "x")]
)
def test_a_value_out_of_range_is_refused_by_the_parser(
    capsys: pytest.CaptureFixture[str], option: tuple[str, str]
) -> None:
    """With the range in the message."""
    with pytest.raises(SystemExit):
        parsed(*HANDLER, *option)
    assert f"{option[1]!r}: expected" in capsys.readouterr().err


@pytest.mark.e2e
def test_a_run_ends_with_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    """It lists what ran, the durations, and the outcome of the telemetry."""
    code = run(
        parsed(*HANDLER, "--no-extension", "--invoke", "3", "--unlimited", "--log-format", "json")
    )
    text = capsys.readouterr().out
    assert code == 0
    assert "local_handlers.echo, 128 MB (0.07 vCPU), timeout 3 s, JSON logs" in text
    assert "3 success" in text
    assert "CPU limit off" in text


@pytest.mark.e2e
def test_a_handler_that_cannot_be_imported_is_said_in_the_runtimes_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """There is no traceback of ours."""
    options = ("--handler", "nowhere.x", "--code", str(HERE), "--no-extension", "--unlimited")
    assert run(parsed(*options)) == 1
    text = capsys.readouterr().out
    assert "Runtime.ImportModuleError: Unable to import module 'nowhere'" in text
    assert "otlp2parquet_ext" not in text


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_process_and_no_cgroup(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C in the middle of an invocation, or a polite kill."""
    event = tmp_path / "event.json"
    event.write_text('{"lines": 1}')
    options = ("--handler", "local_handlers.talk_and_sleep", "--code", str(HERE), "--no-extension")
    extra = ("--event", str(event), "--unlimited", "--timeout", "60", "--env", f"MARK={tmp_path}")
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, *options, *extra], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert "asleep" in process.stdout.readline()
        process.send_signal(number)
        assert process.wait(20) == 130
    assert not list(Path("/sys/fs/cgroup").glob(f"**/otlp2parquet-{process.pid}-*"))
    left = [path for path in Path("/proc").glob("[0-9]*/environ") if _has(path, f"MARK={tmp_path}")]
    assert left == []


def _has(environ: Path, text: str) -> bool:
    try:
        return environ.parent.name != str(os.getpid()) and text.encode() in environ.read_bytes()
    except OSError:
        return False
