"""Runs `otlp2parquet-ext check` and prints each result at once."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import hide, without_secrets
from otlp2parquet_ext.common.settings.lake import DESTINATION
from otlp2parquet_ext.common.settings.settings import secrets_in
from otlp2parquet_ext.lake.checking import render
from otlp2parquet_ext.lake.checking.run import Wish, settings_of, verdicts, wanted_tables
from otlp2parquet_ext.lake.checking.runner import FAILED
from otlp2parquet_ext.lake.destinations.address import AddressError
from otlp2parquet_ext.tools.terminal import show, show_error

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping


def run(chosen: argparse.Namespace) -> int:
    """Check the destinations of the arguments; return 1 if a step failed."""
    try:
        wanted = wanted_tables(chosen.tables)
    except AddressError as error:
        show_error(error)
        return 1
    given = {DESTINATION: chosen.destination} if chosen.destination else {}
    if chosen.create:
        given["OTLP2PARQUET_CREATE_TABLE"] = "on"
    environ = {**os.environ, **given}
    hide(secrets_in(environ))
    wish = Wish(
        wanted,
        others=True,
        create=chosen.create,
        add_columns=chosen.add_columns,
        send=chosen.send,
    )
    check = _as_json if chosen.json else _as_text
    return int(check(environ, given, wish, everything=chosen.all))


def _as_text(
    environ: Mapping[str, str], given: Mapping[str, str], wish: Wish, *, everything: bool
) -> bool:
    """Print each result at once; return whether a step failed."""
    told, problems = settings_of(environ, given)
    for line in render.setting_lines(told, everything=everything):
        show(line)
    failed, destination = False, ""
    for verdict in problems:
        show("\n".join(render.lines(verdict)))
    for verdict in verdicts(environ, wish):
        if verdict.destination != destination:
            destination = verdict.destination
            show(f"\n{without_secrets(destination)}")
        show("\n".join(render.lines(verdict)), flush=True)
        failed = failed or verdict.state == FAILED
    return failed or bool(problems)


def _as_json(
    environ: Mapping[str, str], given: Mapping[str, str], wish: Wish, *, everything: bool
) -> bool:
    """Print all results as one document; return whether a step failed."""
    del everything  # the document is complete; a program ignores the rest
    told, problems = settings_of(environ, given)
    found = [*problems, *verdicts(environ, wish)]
    failed = any(verdict.state == FAILED for verdict in found)
    document = {
        "fine": not failed,
        "settings": [render.setting_json(one) for one in told],
        "check": [render.as_json(verdict) for verdict in found],
    }
    show(json.dumps(document, indent=2))
    return failed
