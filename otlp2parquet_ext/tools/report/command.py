"""`otlp2parquet-ext report`: a destination in, a file out."""

from __future__ import annotations

import secrets
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.tools import query
from otlp2parquet_ext.tools.report.answers import answers
from otlp2parquet_ext.tools.report.page import GENERATOR, page
from otlp2parquet_ext.tools.report.questions import ReportQuery, ask
from otlp2parquet_ext.tools.terminal import clean, show, show_error

if TYPE_CHECKING:
    import argparse

NOTHING_THERE = (
    "Was a function invoked with this OTLP2PARQUET_DESTINATION? What waits in an inbox becomes "
    "visible with: otlp2parquet-ext commit"
)

USAGE_ERROR = 2
BEGINNING_BYTES = 300
"""Bytes at the beginning of a page that contain its generator."""


def run(args: argparse.Namespace) -> int:
    """Write the report, print its answers and its path; return 1 if there is none."""
    output = Path(args.output)
    try:
        if not args.overwrite and not may_replace(output):
            _refuse(
                f"--output {args.output!r}: there is something that is no report, and it was left "
                "alone; give another name, or add --overwrite"
            )
            return USAGE_ERROR
        written, said = write(args.destination, output, args.since, args.function or "", args.arch)
    except query.NothingThereError as error:
        return _refuse(f"{error}\n{NOTHING_THERE}")
    except query.QueryError as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"--output {args.output!r}: {quote(error.strerror or error)}")
    show("\n".join([*said, f"Report: {written}"]))
    return 0


def may_replace(output: Path) -> bool:
    """Whether the path is free or a report; a link never counts as a report."""
    try:
        found = output.lstat()
    except FileNotFoundError:
        return True
    if not stat.S_ISREG(found.st_mode):
        return False
    with output.open("rb") as file:
        return GENERATOR.encode() in file.read(BEGINNING_BYTES)


def _refuse(why: str) -> int:
    show_error(f"otlp2parquet-ext report: {why}")
    return 1


def write(
    destination: str, output: Path, since_s: int, function: str = "", architecture: str = "x86_64"
) -> tuple[Path, list[str]]:
    """Write a report; return its full path, and its answers as sentences.

    Args:
        destination: as in `OTLP2PARQUET_DESTINATION`.
        output: the file; replaced atomically.
        since_s: length of the reported time, in seconds before now.
        function: the reported function; "" for all.
        architecture: x86_64 or arm64, for the prices.

    Raises:
        query.QueryError: there is no table, or it cannot be read.
        OSError: the file cannot be written.
    """
    connection = query.connect(destination)
    now_ms = time.time_ns() // 1_000_000
    wanted = ReportQuery(
        _shown(destination), now_ms - since_s * 1_000, now_ms, function, architecture
    )
    with connection, tempfile.TemporaryDirectory() as scratch:
        found = ask(connection, wanted, scratch)
    output = output.absolute()
    _replace(output, page(found))
    empty = [] if found.rows else ["Nothing to report: the page says what to check."]
    return output, [clean(answer.text) for answer in answers(found)] or empty


def _replace(output: Path, text: str) -> None:
    part = output.with_name(f".{output.name}.{secrets.token_hex(4)}")
    try:
        with part.open("x", encoding="utf-8") as file:
            file.write(text)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)


def _shown(destination: str) -> str:
    """Return a destination without its options, which may be credentials."""
    place, _, options = destination.partition("?")
    kept = [o for o in options.split("&") if o.startswith(("warehouse=", "table="))]
    scheme, separator, rest = place.partition("://")
    host, slash, path = rest.partition("/")
    place = f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
    return place + ("?" + "&".join(kept) if kept else "")
