"""`otlp2parquet-ext cost`: options in, a bill out.

Estimates the cost of a function's telemetry in the lake and in CloudWatch Logs. It only computes,
and sends no request: see docs/cost.md.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.common.settings.settings import Settings, load
from otlp2parquet_ext.tools.cost.prices import REGION, Price, PriceError, overridden
from otlp2parquet_ext.tools.cost.workload import (
    EVENT_BYTES,
    LIFETIME_S,
    MONTH_S,
    Workload,
    WorkloadError,
)
from otlp2parquet_ext.tools.terminal import show, show_error

EXAMPLES = """\
  otlp2parquet-ext cost --per-second 20
  otlp2parquet-ext cost --per-month 1000000 --events 40 --env OTLP2PARQUET_COMMIT=inbox \\
    --destination "glue://otel?warehouse=s3://bucket/lake" --json
"""
HOLD_MS = 200.0
SHUTDOWN_MS = 500.0
"""Default ms of a warm flush and of an environment's end, measured at 128 MB in the local
environment."""

USAGE_ERROR = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add = parser.add_argument_group("the function").add_argument
    rate = parser.add_mutually_exclusive_group(required=True)
    rate.add_argument("--per-second", type=_positive, metavar="N", help="invocations per second")
    rate.add_argument("--per-month", type=_positive, metavar="N", help="invocations per month")
    add("--events", type=_positive, default=17.0, metavar="N", help="telemetry events of an "
        "invocation, the platform's three among them (default: %(default)g)")  # fmt: skip
    add("--bytes", type=_positive, metavar="N", help="JSON bytes of all of them "
        f"(default: {EVENT_BYTES} an event)")  # fmt: skip
    add("--duration-ms", type=_positive, default=100.0, metavar="MS", help="default %(default)g")
    add("--environments", type=_positive, metavar="N", help="alive at once (default: those that "
        "are busy, and twice the root of their number)")  # fmt: skip
    add("--lifetime-s", type=_positive, default=LIFETIME_S, metavar="S", help="of an environment "
        "(default: %(default)g)")  # fmt: skip
    add("--memory", type=_positive, default=128.0, metavar="MB", help="default %(default)g")
    add("--arch", choices=("x86_64", "arm64"), default="x86_64", help="default %(default)s")
    add("--hold-ms", type=_at_least_0, default=HOLD_MS, metavar="MS", help="billed for a held "
        "invocation's flush (default: %(default)g)")  # fmt: skip
    add("--shutdown-ms", type=_at_least_0, default=SHUTDOWN_MS, metavar="MS", help="billed for "
        "an environment's last flush (default: %(default)g)")  # fmt: skip
    add = parser.add_argument_group("the lake").add_argument
    add("--destination", default="s3://bucket/prefix", metavar="URL", help="as in "
        "OTLP2PARQUET_DESTINATION (default: %(default)s)")  # fmt: skip
    add("--env", action="append", default=[], metavar="K=V", help="a setting, for example "
        "MAX_BYTES=1048576 or OTLP2PARQUET_COMMIT=inbox")  # fmt: skip
    add("--retention-days", type=_positive, default=30.0, metavar="D", help="default %(default)g")
    add("--committer-every-s", type=_positive, default=60.0, metavar="S", help="with "
        "OTLP2PARQUET_COMMIT=inbox: batch window or schedule (default: %(default)g)")  # fmt: skip
    add("--woken-by", choices=("events", "schedule"), default="events", help="the committer: "
        "events of the bucket through a queue, or a schedule (default: %(default)s)")  # fmt: skip
    add = parser.add_argument_group("the bill").add_argument
    add("--prices", metavar="FILE", help="JSON or TOML: your prices, by name, over the list's")
    add("--json", action="store_true", help="values instead of text")


def run(args: argparse.Namespace) -> int:
    """Print the bill; return 2 if an option is invalid."""
    from otlp2parquet_ext.lake.destinations.address import AddressError  # noqa: PLC0415 - heavy
    from otlp2parquet_ext.tools.cost import report  # noqa: PLC0415 - heavy
    from otlp2parquet_ext.tools.cost.bill import bill  # noqa: PLC0415 - heavy

    try:
        prices, region = _prices(args.prices)
        found = bill(_workload(args), _settings(args), prices, region)
    except (AddressError, PriceError, WorkloadError) as error:
        show_error(f"otlp2parquet-ext cost: {error}")
        return USAGE_ERROR
    show(json.dumps(report.as_json(found), indent=2) if args.json else report.text(found))
    return 0


def _workload(args: argparse.Namespace) -> Workload:
    per_second = args.per_second or args.per_month / MONTH_S
    busy = per_second * args.duration_ms / 1_000
    return Workload(
        per_second=per_second,
        events=args.events,
        size_bytes=args.bytes or args.events * EVENT_BYTES,
        duration_ms=args.duration_ms,
        environments=args.environments or math.ceil(busy + 2 * math.sqrt(busy)),
        lifetime_s=args.lifetime_s,
        memory_mb=args.memory,
        architecture=args.arch,
        retention_days=args.retention_days,
        committer_every_s=args.committer_every_s,
        woken_by=args.woken_by,
        hold_ms=args.hold_ms,
        shutdown_ms=args.shutdown_ms,
    )


def _settings(args: argparse.Namespace) -> Settings:
    """Read the settings as the extension does; a problem is an error here."""
    environ = {"OTLP2PARQUET_DESTINATION": args.destination}
    for text in args.env:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise WorkloadError(f"--env {text!r}: expected NAME=VALUE")
        environ[name] = value
    settings, problems = load(environ)
    if problems:
        raise WorkloadError("; ".join(problems))
    return settings


def _prices(file: str | None) -> tuple[dict[str, Price], str]:
    """Return the prices and their region."""
    if file is None:
        return overridden({}, ""), REGION
    entries = _read(Path(file))
    region = entries.pop("region", f"{REGION} and {file}")
    return overridden(entries, file), str(region)


def _read(file: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - heavy

    try:
        text = file.read_text(encoding="utf-8")
        entries = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise PriceError(f"--prices {str(file)!r}: {quote(error.strerror or error)}") from error
    except ValueError as error:  # from both parsers, and for a file that is no text
        raise PriceError(
            f"--prices {str(file)!r}: neither JSON nor TOML: {quote(error)}"
        ) from error
    if not isinstance(entries, dict):
        raise PriceError(f"--prices {str(file)!r}: expected an object, a price by each name")
    return entries


def _positive(text: str) -> float:
    number = _number(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number, more than 0")
    return number


def _at_least_0(text: str) -> float:
    number = _number(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number, at least 0")
    return number


def _number(text: str) -> float:
    """Read a finite number; return -1, which is never valid, for any other text."""
    try:
        number = float(text)
    except ValueError:
        return -1.0
    return number if math.isfinite(number) else -1.0
