"""`otlp2parquet-ext local`: the command line of the local execution environment.

`add_arguments` adds the options. `run` turns them into a `Plan`, shows its progress, and prints the
summary at the end. Exit codes: 0 all invocations succeeded, 1 some did not, 2 invalid options, 130
Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.local.line_output import print_line
from otlp2parquet_ext.tools.local.plan import (
    OURS,
    ExtensionProgram,
    Faults,
    Kill,
    KillPoint,
    LogFormat,
    Plan,
)
from otlp2parquet_ext.tools.terminal import show, show_error

if TYPE_CHECKING:
    from otlp2parquet_ext.tools.local.outcome import Invocation, Outcome

_PROGRESS_EVERY_S = 2.0
_FAILED, _BAD_INPUT, _INTERRUPTED = 1, 2, 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all options of `local` to a parser."""
    parser.add_argument("--handler", default="", metavar="MODULE.FUNCTION", help="Python handler")
    parser.add_argument(
        "command",
        nargs="*",
        metavar="-- COMMAND",
        help="instead of --handler: anything that speaks the Runtime API, such as a custom "
        "bootstrap or aws-lambda-ric",
    )
    _add_function_options(parser.add_argument_group("function"))
    _add_environment_options(parser.add_argument_group("environment"))
    _add_fault_options(parser.add_argument_group("faults, to test an extension"))


def run(args: argparse.Namespace) -> int:
    """Run the plan of the options and print its outcome; return the exit code."""
    from otlp2parquet_ext.tools.local.summary import summary  # noqa: PLC0415 - heavy

    try:
        plan = plan_of(args)
    except ValueError as error:
        show_error(f"otlp2parquet-ext local: {error}")
        return _BAD_INPUT
    try:
        outcome = asyncio.run(_run_until_signal(plan, quiet=args.quiet))
    except (KeyboardInterrupt, asyncio.CancelledError):
        show_error("interrupted; all processes have been ended")
        return _INTERRUPTED
    show(summary(plan, outcome))
    if plan.tmp or plan.keep_tmp:
        show(f"{'kept':<12}{outcome.tmp}")
    return 0 if outcome.succeeded else _FAILED


def plan_of(args: argparse.Namespace) -> Plan:
    """Turn parsed options into a plan.

    Raises:
        ValueError: an option's value is invalid; the message names it and the valid values.
    """
    if bool(args.handler) == bool(args.command):
        raise ValueError("give either --handler MODULE.FUNCTION or -- COMMAND")
    if args.handler and importlib.util.find_spec("awslambdaric") is None:
        raise ValueError("--handler needs awslambdaric: pip install 'otlp2parquet-ext[local]'")
    code = Path(args.code).resolve()
    if not code.is_dir():
        raise ValueError(f"--code {args.code!r}: expected an existing folder")
    if args.concurrency > 1 and not args.managed:
        raise ValueError("--concurrency needs --managed: elsewhere invocations are one at a time")
    return Plan(
        handler=args.handler,
        command=tuple(args.command),
        code=code,
        extensions=_extensions(args),
        memory_mb=args.memory,
        timeout_s=args.timeout,
        invocations=args.invoke,
        events=events_of(Path(args.event)) if args.event else (b"{}",),
        gap_ms=args.gap_ms,
        log_format=LogFormat(args.log_format),
        destination=args.destination,
        env=dict(_pair(text) for text in args.env),
        limited=not args.unlimited,
        init_boost=args.init_boost,
        freeze=not args.no_freeze,
        managed=args.managed,
        concurrency=args.concurrency,
        snapstart=args.snapstart,
        tmp=Path(args.tmp) if args.tmp else None,
        keep_tmp=args.keep_tmp,
        faults=_faults(args),
    )


def events_of(path: Path) -> tuple[bytes, ...]:
    """Return the payloads in a file: one JSON document, or one per line.

    Raises:
        ValueError: the file cannot be read, is empty, or a line is not JSON.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ValueError(f"--event {str(path)!r}: {error.strerror}") from error
    if _is_json(text):
        return (text,)
    lines = [line for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        if not _is_json(line):
            raise ValueError(
                f"--event {str(path)!r}: expected one JSON document, or one per line; "
                f"line {number} is {line[:60].decode(errors='replace')!r}"
            )
    if not lines:
        raise ValueError(f"--event {str(path)!r}: the file is empty; an empty event is {{}}")
    return tuple(lines)


async def _run_until_signal(plan: Plan, *, quiet: bool) -> Outcome:
    """Run a plan; SIGTERM ends it as Ctrl-C does."""
    from otlp2parquet_ext.tools.local.environment import run_async  # noqa: PLC0415 - heavy

    task = asyncio.current_task()
    if task:
        with contextlib.suppress(NotImplementedError, RuntimeError):  # not in this thread or system
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    progress = _Progress(plan.invocations)
    return await run_async(plan, progress, None if quiet else print_line)


class _Progress:
    """Shows the progress of a long run at intervals."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._failed = 0
        self._said_s = time.monotonic()

    def __call__(self, invocation: Invocation) -> None:
        self._done += 1
        self._failed += invocation.status != "success"
        now_s = time.monotonic()
        if now_s - self._said_s >= _PROGRESS_EVERY_S and self._done < self._total:
            self._said_s = now_s
            text = f"{self._done} of {self._total} invocations, {self._failed} not successful"
            show_error(text)


def _add_function_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--code", default=".", metavar="DIR", help="the function's folder (default: this one)")
    add("--memory", type=_at_least(128), default=128, metavar="MB", help="default 128")
    add("--timeout", type=_seconds, default=3.0, metavar="S", help="default 3")
    add("--invoke", type=_at_least(0), default=1, metavar="N", help="invocations, default 1")
    add("--event", default="", metavar="FILE", help="JSON payload, or JSON lines used in turn")
    add("--log-format", choices=[it.value for it in LogFormat], default="text", help="default text")
    add("--env", action="append", default=[], metavar="K=V", help="for function and extensions")


def _add_environment_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--destination", default="", metavar="URL", help="passed as OTLP2PARQUET_DESTINATION")
    add("--extension", action="append", default=[], metavar="PATH", help="run this extension "
        "instead of otlp2parquet; may be repeated")  # fmt: skip
    add("--no-extension", action="store_true", help="run the function alone")
    add("--gap-ms", type=_at_least(0), default=0, metavar="MS", help="frozen between invocations")
    add("--no-freeze", action="store_true", help="let processes run between invocations")
    add("--unlimited", action="store_true", help="no CPU and memory limits")
    add("--init-boost", action="store_true", help="no CPU limit during INIT")
    add("--managed", action="store_true", help="behave as Lambda Managed Instances")
    add("--concurrency", type=_at_least(1), default=1, metavar="N", help="with --managed")
    add("--snapstart", action="store_true", help="snapshot after INIT, then restore")
    add("--tmp", default="", metavar="DIR", help="the environment's /tmp; it is kept")
    add("--keep-tmp", action="store_true", help="keep the temporary folder made for /tmp")
    add("--quiet", action="store_true", help="summary only, no lines of function and extension")


def _add_fault_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--late-telemetry", type=_at_least(0), metavar="MS", help="deliver all telemetry this "
        "long after SHUTDOWN")  # fmt: skip
    add("--race-shutdown", action="store_true", help="half of it before SHUTDOWN, half with it")
    add("--flush-before-shutdown", action="store_true", help="deliver all before SHUTDOWN")
    add("--redeliver", type=_at_least(1), default=0, metavar="K", help="every K-th delivery twice")
    add("--refuse-subscription", type=int, choices=(202, 400, 403), default=0, help="with a status")
    add("--silent-subscription", action="store_true", help="accept it and deliver nothing")
    add("--slow-delivery", type=_at_least(0), default=0, metavar="MS", help="before each delivery")
    add("--buffer-bytes", type=_at_least(1), metavar="N", help="drop events beyond this")
    add("--kill", type=_kill, metavar="POINT[:N]", help="kill -9 the extension: "
        + ", ".join(f"{it.value}:N" for it in KillPoint))  # fmt: skip
    add("--slow-next", type=_at_least(0), default=0, metavar="MS", help="INVOKE comes later")
    add("--never-next", action="store_true", help="INVOKE never comes")
    add("--no-runtime-done", action="store_true", help="platform.runtimeDone is never sent")
    add("--emulator-reasons", action="store_true", help="shutdown reasons as the RIE spells them")


def _faults(args: argparse.Namespace) -> Faults:
    return Faults(
        telemetry_after_shutdown_ms=args.late_telemetry,
        race_shutdown=args.race_shutdown,
        flush_before_shutdown=args.flush_before_shutdown,
        redeliver_every=args.redeliver,
        refuse_subscription=args.refuse_subscription,
        silent_subscription=args.silent_subscription,
        delivery_pause_ms=args.slow_delivery,
        capacity_bytes=args.buffer_bytes,
        kill=args.kill,
        slow_next_ms=args.slow_next,
        never_next=args.never_next,
        no_runtime_done=args.no_runtime_done,
        emulator_reasons=args.emulator_reasons,
    )


def _extensions(args: argparse.Namespace) -> tuple[ExtensionProgram, ...]:
    if args.no_extension and args.extension:
        raise ValueError("--extension and --no-extension contradict each other")
    if args.no_extension:
        return ()
    if not args.extension:
        return (OURS,)
    paths = [Path(text).resolve() for text in args.extension]
    return tuple(ExtensionProgram(name=path.name, command=(str(path),)) for path in paths)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError(f"--env {text!r}: expected NAME=VALUE")
    return name, value


def _kill(text: str) -> Kill:
    point, _, at = text.partition(":")
    try:
        return Kill(point=KillPoint(point), at=int(at or 1))
    except ValueError:
        points = ", ".join(it.value for it in KillPoint)
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected POINT or POINT:NUMBER with one of {points}"
        ) from None


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 900:
        raise argparse.ArgumentTypeError(f"{text!r}: expected seconds, more than 0, at most 900")
    return seconds


class _at_least:  # noqa: N801 (reads as a function where it is used)
    """Reads a whole number that is not below a minimum."""

    def __init__(self, minimum: int) -> None:
        self._minimum = minimum

    def __call__(self, text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = self._minimum - 1
        if value < self._minimum:
            raise argparse.ArgumentTypeError(
                f"{text!r}: expected a whole number, at least {self._minimum}"
            )
        return value
