"""Whole runs with AWS's runtime client and a real extension process, on good days and bad ones."""

from __future__ import annotations

import asyncio
import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from local_bench import HERE, noted, plan_with_probe, platform, received, types

from otlp2parquet_ext.tools.local import (
    ExtensionProgram,
    LogFormat,
    Outcome,
    cgroups,
    run,
    run_async,
)
from otlp2parquet_ext.tools.local import isolation as isolation_module

pytestmark = pytest.mark.e2e


def acknowledged_equals_received(outcome: Outcome, folder: Path) -> bool:
    """Whether the books agree with what the probe wrote down."""
    return outcome.acknowledged == received(folder)


def test_a_good_run_answers_reports_and_delivers_everything(tmp_path: Path) -> None:
    """The whole life: INIT, three invocations with a freeze between them, SHUTDOWN."""
    outcome = run(plan_with_probe(tmp_path, invocations=3, payloads=[{"n": 1}, {"n": 2}]))
    assert [it.status for it in outcome.invocations] == ["success"] * 3
    answers = [json.loads(it.response) for it in outcome.invocations]
    assert [answer["event"]["n"] for answer in answers] == [1, 2, 1]
    assert [answer["request_id"] for answer in answers] == [
        it.request_id for it in outcome.invocations
    ]
    assert answers[0]["trace"] == outcome.invocations[0].trace_header
    assert [it.cold_start for it in outcome.invocations] == [True, False, False]
    assert acknowledged_equals_received(outcome, tmp_path)
    assert not outcome.undelivered
    assert [run.exit_code for run in outcome.extensions] == [0]
    assert types(received(tmp_path)) == {
        "platform.initStart": 1,
        "platform.telemetrySubscription": 1,
        "platform.initRuntimeDone": 1,
        "platform.extension": 1,
        "platform.initReport": 1,
        "platform.start": 3,
        "platform.runtimeDone": 3,
        "platform.report": 3,
    }


def test_the_extension_is_told_what_lambda_tells(tmp_path: Path) -> None:
    """Register answer, INVOKE and SHUTDOWN events, and their headers."""
    outcome = run(plan_with_probe(tmp_path, account_id="000000000042", region="eu-west-1"))
    invocation = outcome.invocations[0]
    assert noted(tmp_path, "register") == [
        [
            200,
            {
                "functionName": "local",
                "functionVersion": "$LATEST",
                "handler": "local_handlers.echo",
                "accountId": "000000000042",
            },
        ]
    ]
    assert noted(tmp_path, "subscription") == [[200, '"OK"']]
    invoke, shutdown = noted(tmp_path, "events")
    deadline_ms = invoke["event"].pop("deadlineMs")
    assert deadline_ms == pytest.approx(invocation.started_ms + 20_000, abs=2)
    assert invoke["event"] == {
        "eventType": "INVOKE",
        "requestId": invocation.request_id,
        "invokedFunctionArn": "arn:aws:lambda:eu-west-1:000000000042:function:local",
        "tracing": {"type": "X-Amzn-Trace-Id", "value": invocation.trace_header},
    }
    assert "Lambda-Extension-Event-Identifier" in invoke["headers"]
    assert shutdown["event"]["eventType"] == "SHUTDOWN"
    assert shutdown["event"]["shutdownReason"] == "spindown"
    assert 0 < shutdown["event"]["deadlineMs"] - shutdown["at_ms"] <= 2000
    assert shutdown["headers"]["Content-Type"].startswith("text/plain")
    assert "Lambda-Extension-Event-Identifier" not in shutdown["headers"]


def test_deliveries_keep_path_and_connection(tmp_path: Path) -> None:
    """Lambda reuses one connection; the path is the receiver's secret."""
    outcome = run(plan_with_probe(tmp_path, invocations=3))
    deliveries = noted(tmp_path, "deliveries")
    assert len(deliveries) == len(outcome.deliveries) > 1
    assert {delivery["path"] for delivery in deliveries} == {"/probe"}
    assert len({delivery["peer"] for delivery in deliveries}) == 1
    assert all("sequence-id" not in delivery["headers"] for delivery in deliveries)


def test_the_last_report_comes_after_shutdown(tmp_path: Path) -> None:
    """The environment freezes as soon as everyone is ready: the report cannot leave before."""
    outcome = run(plan_with_probe(tmp_path, probe={"TIMEOUT_MS": 1000}))
    last = outcome.deliveries[-1]
    assert last.after_shutdown
    assert last.events[-1]["type"] == "platform.report"


def test_text_logs_are_one_event_per_call_or_line(tmp_path: Path) -> None:
    """Framed records keep their newlines, printed lines are cut, JSON stays text."""
    outcome = run(plan_with_probe(tmp_path, "talk"))
    request_id = outcome.invocations[0].request_id
    logged, printed, json_line = [
        event["record"] for event in received(tmp_path) if event["type"] == "function"
    ]
    level, moment, logged_id, text = logged.split("\t")
    assert (level, logged_id, text) == ("[INFO]", request_id, "line 0\nand more of it\n")
    assert moment.endswith("Z")
    assert (printed, json.loads(json_line)["big"]) == ("printed 0", 2**60 + 1)


def test_json_logs_are_objects_unless_the_schema_is_too_old(tmp_path: Path) -> None:
    """Schema 2022-07-01 has strings only."""
    new, old = tmp_path / "new", tmp_path / "old"
    for folder, schema in ((new, "2022-12-13"), (old, "2022-07-01")):
        options = {"log_format": LogFormat.JSON, "probe": {"SCHEMA": schema}}
        run(plan_with_probe(folder, "talk", **options))
    logged, printed, json_line = [
        event["record"] for event in received(new) if event["type"] == "function"
    ]
    assert logged["message"] == "line 0\nand more of it"
    assert printed == "printed 0"
    assert json_line == {"printed": 0, "big": 2**60 + 1}
    records = [event["record"] for event in received(old) if event["type"] == "function"]
    assert all(isinstance(record, str) for record in records)


def test_an_extension_that_wants_to_hears_itself(tmp_path: Path) -> None:
    """Its lines are `extension` events if it subscribed to them, and in the outcome anyway."""
    outcome = run(plan_with_probe(tmp_path, probe={"TYPES": "extension"}))
    assert types(received(tmp_path)) == {"extension": 1}
    assert outcome.extension_lines == ("probe: invocation 1", "probe: shutting down")


def test_function_and_extension_get_their_own_variables(tmp_path: Path) -> None:
    """On real processes: what is withheld is not there, and both share /tmp."""
    outcome = run(plan_with_probe(tmp_path, "variables", destination="file:///lake"))
    function = json.loads(outcome.invocations[0].response)
    (extension,) = noted(tmp_path, "variables")
    assert function["LAMBDA_TASK_ROOT"] == str(HERE)
    assert "LAMBDA_TASK_ROOT" not in extension
    assert not [name for name in extension if name.startswith("_") and name != "_"]
    assert extension["OTLP2PARQUET_DESTINATION"] == "file:///lake"
    assert extension["TMPDIR"] == function["TMPDIR"] == str(outcome.tmp)
    assert not outcome.tmp.exists()


def test_a_raising_handler_is_an_error_of_the_invocation_only(tmp_path: Path) -> None:
    """Its runtime survives: runtimeDone and report have success, and nothing is reset."""
    outcome = run(plan_with_probe(tmp_path, "fail", invocations=2))
    assert [it.status for it in outcome.invocations] == ["error", "error"]
    document = json.loads(outcome.invocations[0].response)
    assert (document["errorType"], document["errorMessage"]) == ("ValueError", "bad total")
    assert [record["status"] for record in platform(outcome, "runtimeDone")] == ["success"] * 2
    assert outcome.resets == 0
    logged = [event["record"] for event in received(tmp_path) if event["type"] == "function"]
    assert logged[0].startswith("[ERROR] ValueError: bad total\nTraceback")


def test_a_handler_that_cannot_be_imported_gives_the_runtimes_own_error(tmp_path: Path) -> None:
    """INIT fails, is tried again inside the invocation, and the invocation gets the error."""
    outcome = run(plan_with_probe(tmp_path, "nowhere.handler"))
    assert outcome.init_error == "Runtime.ImportModuleError"
    (invocation,) = outcome.invocations
    assert invocation.status == "error"
    document = json.loads(invocation.response)
    assert document["errorMessage"].startswith("Unable to import module 'nowhere'")
    done = platform(outcome, "initRuntimeDone")
    assert [record["phase"] for record in done] == ["init", "invoke"]
    assert {record["errorType"] for record in done} == {"Runtime.ImportModuleError"}
    assert [record["status"] for record in platform(outcome, "report")] == ["error"]


@pytest.mark.thorough
def test_a_timeout_resets_the_environment_and_keeps_its_tmp(tmp_path: Path) -> None:
    """SHUTDOWN has the reason timeout. The next invocation has new processes and the old files."""
    # INIT of the second has as long: enough for two interpreters on a machine with other work.
    options = {"timeout_s": 5.0, "invocations": 2, "tmp": tmp_path / "tmp"}
    payloads = [{"seconds": 60}, {"seconds": 0}]
    outcome = run(plan_with_probe(tmp_path, "sleep", payloads=payloads, **options))
    first, second = outcome.invocations
    assert (first.status, first.duration_ms) == ("timeout", 5000.0)
    assert b"Task timed out after 5.00 seconds" in first.response
    assert (second.status, second.response) == ("success", b'"slept"')
    reasons = [
        event["event"]["shutdownReason"]
        for event in noted(tmp_path, "events")
        if event["event"]["eventType"] == "SHUTDOWN"
    ]
    assert reasons == ["timeout", "spindown"]
    assert [record["phase"] for record in platform(outcome, "initStart")] == ["init", "invoke"]
    reports = platform(outcome, "report")
    assert [record["status"] for record in reports] == ["timeout", "success"]
    assert reports[0]["metrics"]["durationMs"] == 5000.0
    assert acknowledged_equals_received(outcome, tmp_path)
    assert (tmp_path / "tmp").is_dir()


def test_an_extension_that_never_comes_back_uses_up_the_timeout(tmp_path: Path) -> None:
    """The caller has its answer, but the environment is reset, and all of the time is billed."""
    outcome = run(plan_with_probe(tmp_path, probe={"BUSY_S": 60}, timeout_s=0.5))
    (invocation,) = outcome.invocations
    assert (invocation.status, invocation.duration_ms) == ("timeout", 500.0)
    assert json.loads(invocation.response)["request_id"] == invocation.request_id
    assert platform(outcome, "runtimeDone")[0]["status"] == "success"
    assert platform(outcome, "report")[0]["status"] == "timeout"
    assert outcome.extensions[0].exit_code == -9


def test_an_init_that_takes_too_long_is_done_again_in_the_invocation(tmp_path: Path) -> None:
    """Suppressed init: under the function timeout, part of the duration."""
    outcome = run(plan_with_probe(tmp_path, probe={"INIT_S": 0.6}, init_limit_ms=400))
    reports = platform(outcome, "initReport")
    assert [(it["phase"], it["status"]) for it in reports] == [
        ("init", "timeout"),
        ("invoke", "success"),
    ]
    (invocation,) = outcome.invocations
    assert (invocation.status, invocation.cold_start) == ("success", False)
    assert invocation.duration_ms > 600


def test_a_code_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """With the platform's error type, and the folder in the message."""
    outcome = run(plan_with_probe(tmp_path, code=tmp_path / "nowhere", extensions=()))
    assert outcome.init_error == "Runtime.InvalidWorkingDir"
    assert b"nowhere is not a folder" in outcome.invocations[0].response


def test_telemetry_can_be_had_over_tcp(tmp_path: Path) -> None:
    """One event per line, no acknowledgement."""
    options = {"probe": {"TCP": 1, "LINGER_S": 0.3}, "invocations": 2}
    outcome = run(plan_with_probe(tmp_path, "talk", **options))
    counts = types(received(tmp_path))
    assert counts["platform.report"] == 2
    assert counts["function"] == 6
    assert len(outcome.acknowledged) == sum(counts.values())


def test_a_crashing_runtime_is_reported_and_replaced(tmp_path: Path) -> None:
    """Runtime.ExitError, SHUTDOWN with failure, then a new generation."""
    payloads = [{}, {"stay": True}]
    outcome = run(plan_with_probe(tmp_path, "leave", payloads=payloads, invocations=2))
    first, second = outcome.invocations
    assert (first.status, first.error_type) == ("crash", "Runtime.ExitError")
    assert b"Runtime exited with error: exit status 9" in first.response
    assert second.status == "success"
    assert [record["status"] for record in platform(outcome, "runtimeDone")] == ["error", "success"]
    assert [run.generation for run in outcome.extensions] == [0, 1]
    events = [event["event"] for event in noted(tmp_path, "events")]
    assert events[1]["shutdownReason"] == "failure"


def test_files_in_tmp_survive_a_reset(tmp_path: Path) -> None:
    """`/tmp` is not cleared when an environment is reset: the spool depends on it."""
    options = {"probe": {"CRASH_AT": 2}, "invocations": 3}
    outcome = run(plan_with_probe(tmp_path, "remember", **options))
    assert [it.status for it in outcome.invocations][::2] == ["success", "success"]
    assert int(outcome.invocations[2].response) >= 2
    assert outcome.resets == 1


def test_a_crashing_extension_takes_the_invocation_down(tmp_path: Path) -> None:
    """Lambda does the same, with any exit code."""
    options = {"probe": {"CRASH_AT": 1}, "payloads": [{"seconds": 5}]}
    outcome = run(plan_with_probe(tmp_path, "sleep", **options))
    (invocation,) = outcome.invocations
    assert (invocation.status, invocation.error_type) == ("crash", "Extension.Crash")
    assert platform(outcome, "report")[0]["errorType"] == "Extension.Crash"
    assert platform(outcome, "runtimeDone") == []
    assert outcome.extensions[0].exit_code == 7


@pytest.mark.parametrize(
    ("probe", "error_type"),
    [({"EXIT_AT_START": 1}, "Extension.Crash"), ({"INIT_ERROR": 1}, "Extension.InitError")],
)
def test_an_extension_that_fails_its_init_fails_the_function(
    tmp_path: Path, probe: dict[str, int], error_type: str
) -> None:
    """That is why ours must never."""
    outcome = run(plan_with_probe(tmp_path, probe=probe))
    assert outcome.init_error == error_type
    assert [it.error_type for it in outcome.invocations] == [error_type]


def test_an_extension_that_is_no_program_is_a_launch_error(tmp_path: Path) -> None:
    """The file is there and cannot be executed: the commonest mistake with layers."""
    path = tmp_path / "broken"
    path.write_text("not a program")
    broken = ExtensionProgram(name="broken", command=(str(path),))
    outcome = run(plan_with_probe(tmp_path, extensions=(broken,)))
    assert outcome.init_error == "Extension.LaunchError"
    assert b"Permission denied" in outcome.invocations[0].response
    assert platform(outcome, "extension")[0]["state"] == "LaunchError"


@pytest.mark.timing
def test_time_of_the_extension_after_the_runtime_is_measured(tmp_path: Path) -> None:
    """This number shows what an extension costs."""
    outcome = run(plan_with_probe(tmp_path, probe={"BUSY_S": 0.1}))
    (invocation,) = outcome.invocations
    assert 60 <= invocation.post_runtime_extension_ms <= 1000
    assert invocation.duration_ms >= 100
    (span,) = platform(outcome, "report")[0]["spans"]
    assert span["name"] == "extensionOverhead"
    assert span["durationMs"] == pytest.approx(invocation.post_runtime_extension_ms, abs=0.01)


def test_an_extension_that_outstays_shutdown_is_killed(tmp_path: Path) -> None:
    """Two seconds, then SIGKILL."""
    outcome = run(plan_with_probe(tmp_path, probe={"LINGER_S": 30}))
    (run_,) = outcome.extensions
    assert (run_.exit_code, run_.killed) == (-9, True)
    assert outcome.shutdown_ms == pytest.approx(2000, abs=300)


def test_an_extension_without_shutdown_is_killed_at_once(tmp_path: Path) -> None:
    """Without a registration for the event it gets no time."""
    outcome = run(plan_with_probe(tmp_path, probe={"EVENTS": "INVOKE"}))
    assert outcome.extensions[0].exit_code == -9
    assert [event["event"]["eventType"] for event in noted(tmp_path, "events")] == ["INVOKE"]


def longest_pause_s(folder: Path) -> float:
    """Return the longest time in which the probe's heart did not beat."""
    beats = [float(line) for line in (folder / "heartbeat").read_text().split()]
    return max(later - earlier for earlier, later in pairwise(beats))


def _only_v2(controller: cgroups.Controller, name: str) -> cgroups.Group | None:
    group = cgroups.Group(Path("/sys/fs/cgroup/unified") / name, 2)
    if controller != "freezer" or not group.path.parent.is_dir():
        return None
    group.path.mkdir()
    return group


@pytest.mark.parametrize("freezer", ["any", "cgroup v2", "signals"])
def test_nothing_runs_between_invocations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, freezer: str
) -> None:
    """The extension's heartbeat stops for the gap, with signals if there are no cgroups."""
    makers = {"any": cgroups.make_group, "cgroup v2": _only_v2, "signals": lambda *_: None}
    monkeypatch.setattr(isolation_module, "make_group", makers[freezer])
    options: dict[str, Any] = {"probe": {"BEAT": 1}, "gap_ms": 400, "invocations": 2}
    outcome = run(plan_with_probe(tmp_path, **options))
    assert longest_pause_s(tmp_path) >= 0.38
    assert outcome.succeeded
    if freezer == "cgroup v2" and Path("/sys/fs/cgroup/unified").is_dir():
        assert outcome.isolation.freezer == "cgroup v2"
    if freezer == "signals":
        assert outcome.isolation.freezer == "signals"
        assert outcome.isolation.notes[0].startswith("no cpu cgroup")
        assert outcome.peak_memory_bytes is None
        assert outcome.invocations[0].max_memory_mb > 0


def test_freezing_can_be_switched_off(tmp_path: Path) -> None:
    """Then telemetry is delivered in the gap, with no thaw to wait for."""
    options: dict[str, Any] = {"gap_ms": 300, "invocations": 2, "freeze": False}
    outcome = run(plan_with_probe(tmp_path, **options))
    assert outcome.isolation.freezer == "off"
    second_ms = outcome.invocations[1].started_ms
    early = [it for it in outcome.deliveries if it.sent_ms < second_ms]
    assert "platform.report" in types([event for it in early for event in it.events])


def test_memory_beyond_the_limit_ends_the_runtime(tmp_path: Path) -> None:
    """The kernel kills it, the records have the reason, and the next invocation works."""
    options = {"memory_mb": 256, "invocations": 2, "init_boost": True}
    payloads = [{"mb": 400}, {"mb": 1}]
    outcome = run(plan_with_probe(tmp_path, "fill", payloads=payloads, **options))
    if not outcome.isolation.memory.startswith("cgroup"):
        pytest.skip("memory limits need a cgroup")
    first, second = outcome.invocations
    assert first.status == "crash"
    assert first.error_type in ("Runtime.OutOfMemory", "Extension.Crash")
    assert second.status == "success"
    assert first.max_memory_mb == 256


def test_a_small_memory_size_gets_a_small_share_of_cpu(tmp_path: Path) -> None:
    """1769 MB are one vCPU: at 256 MB, 50 ms of computing take a third of a second."""
    options = {"memory_mb": 256, "payloads": [{"seconds": 0.05}], "extensions": ()}
    outcome = run(plan_with_probe(tmp_path, "burn", init_boost=True, **options))
    if not outcome.isolation.cpu.startswith("cgroup"):
        pytest.skip("CPU limits need a cgroup")
    assert float(outcome.invocations[0].response) > 0.2


def test_a_function_without_extensions_runs(tmp_path: Path) -> None:
    """The simplest environment there is."""
    outcome = run(plan_with_probe(tmp_path, extensions=()))
    assert outcome.succeeded
    assert outcome.shutdown_ms is None
    assert "spans" not in platform(outcome, "report")[0]


def test_a_custom_runtime_can_stream_its_answer(tmp_path: Path) -> None:
    """Any command may speak the Runtime API. Wrong ids, modes and orders are refused."""
    command = ("python3", str(HERE / "local_bootstrap.py"))
    outcome = run(plan_with_probe(tmp_path, "", payloads=[{"a": 1}], command=command))
    assert [it.response for it in outcome.invocations] == [b'{"a": 1}']
    assert "runtimeVersion" not in platform(outcome, "initStart")[0]
    # unknown id, unknown mode, accepted, answered already
    assert outcome.function_lines == ("statuses 400 400 202 400",)


def test_an_init_error_of_a_custom_runtime_keeps_its_document(tmp_path: Path) -> None:
    """The error type is rewritten as Lambda does, the document is the runtime's."""
    command = ("python3", str(HERE / "local_bootstrap.py"), "init-error")
    outcome = run(plan_with_probe(tmp_path, "", command=command))
    assert outcome.init_error == "Runtime.Unknown"
    assert json.loads(outcome.init_error_payload)["errorMessage"] == "no config"


def test_a_response_beyond_six_megabytes_is_refused(tmp_path: Path) -> None:
    """413 for the runtime, Function.ResponseSizeTooLarge for the caller."""
    outcome = run(plan_with_probe(tmp_path, "big", payloads=[{"bytes": 7 << 20}]))
    assert b"Function.ResponseSizeTooLarge" in outcome.invocations[0].response


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """No process, no cgroup, no folder: also after a reset."""
    payloads = [{}, {"stay": True}]
    outcome = run(plan_with_probe(tmp_path, "leave", payloads=payloads, invocations=2))
    assert outcome.resets == 1
    assert not list(Path("/sys/fs/cgroup").glob(f"**/otlp2parquet-{os.getpid()}-*"))
    assert not [path for path in Path("/proc").glob("[0-9]*/environ") if _mentions(path, tmp_path)]


def _mentions(environ: Path, folder: Path) -> bool:
    try:
        return f"PROBE_DIR={folder}".encode() in environ.read_bytes()
    except OSError:
        return False


async def test_two_environments_do_not_collide(tmp_path: Path) -> None:
    """Each has its own port, /tmp and cgroups."""
    outcomes = await asyncio.gather(
        run_async(plan_with_probe(tmp_path / "a", invocations=2)),
        run_async(plan_with_probe(tmp_path / "b", invocations=2)),
    )
    assert all(outcome.succeeded for outcome in outcomes)
    assert outcomes[0].tmp != outcomes[1].tmp
