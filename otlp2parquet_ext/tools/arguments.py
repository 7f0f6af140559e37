"""The options of `report` and `tail`.

--since 24h --> 86400 seconds
"""

from __future__ import annotations

import argparse
import re
from contextlib import suppress

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
LONGEST_S = 3_660 * 86_400
"""Longest time for `--since`, ten years. A longer one is a mistake, and may be no valid date."""

MOST_ROWS = 5_000
"""Most rows that `tail` reads in one poll, the newest. They bound its memory for any table."""
LINES = 200
EVERY_S, LEAST_S, MOST_S = 5.0, 1.0, 3_600
LEVELS = {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17, "FATAL": 21}


def report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `report`."""
    _common_arguments(parser, "24h")
    parser.add_argument(
        "--output",
        default="report.html",
        metavar="FILE",
        help="path of the page; an earlier report there is replaced (default: %(default)s)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace FILE even if it is no report"
    )
    parser.add_argument(
        "--arch",
        choices=("x86_64", "arm64"),
        default="x86_64",
        metavar="ARCH",
        help="for the prices: x86_64 or arm64 (default: %(default)s)",
    )


def tail_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tail`."""
    _common_arguments(parser, "5m")
    add = parser.add_argument
    add("--follow", "-f", action="store_true", help="also print later rows; Ctrl-C ends")
    add(
        "--every",
        type=_pause,
        default=EVERY_S,
        metavar="S",
        help="seconds between polls (default: %(default)g)",
    )
    add(
        "--level",
        type=str.upper,
        choices=LEVELS,
        metavar="LEVEL",
        help=f"this severity and above: {', '.join(LEVELS).lower()}",
    )
    add(
        "--grep",
        default="",
        metavar="REGEX",
        help="only rows whose text, function or request id matches (RE2 syntax)",
    )
    add(
        "--lines",
        "-n",
        type=_lines,
        default=LINES,
        metavar="N",
        help="most rows of the first poll (default: %(default)s)",
    )
    add("--json", action="store_true", help="one JSON object a line, with all attributes")


def _pause(text: str) -> float:
    with suppress(ValueError):
        if LEAST_S <= (found := float(text)) <= MOST_S:
            return found
    raise argparse.ArgumentTypeError(f"{text!r}: expected seconds, {LEAST_S:g} to {MOST_S}")


def _lines(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= MOST_ROWS:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected a number, 1 to {MOST_ROWS}")


def _common_arguments(parser: argparse.ArgumentParser, since: str) -> None:
    """Add the options of both commands.

    Args:
        parser: the command's parser.
        since: default of `--since`.
    """
    parser.add_argument(
        "destination", metavar="DESTINATION", help="a URL, as in OTLP2PARQUET_DESTINATION"
    )
    parser.add_argument(
        "--since",
        type=seconds,
        default=since,
        metavar="AGO",
        help="how far back, for example 90s, 30m, 24h, 7d, 2w (default: %(default)s)",
    )
    parser.add_argument("--function", metavar="NAME", help="only this function (ServiceName)")


def seconds(text: str) -> int:
    """Return the seconds of `90s`, `30m`, `24h`, `7d` or `2w`.

    Raises:
        argparse.ArgumentTypeError: the text has no such form, is zero, or exceeds ten years.
    """
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", text.strip().lower())
    found = int(match[1]) * UNITS[match[2]] if match else 0
    if not 0 < found <= LONGEST_S:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected a number and a unit (s, m, h, d, w), for example 24h"
        )
    return found
