"""`otlp2parquet-ext settings`.

Lists every environment variable that the extension reads, with its default, its valid values and
its meaning. `check` shows the values of the current environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.settings.table import SETTINGS
from otlp2parquet_ext.tools.terminal import show

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
  otlp2parquet-ext settings
  otlp2parquet-ext settings --markdown > docs/configuration.md
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("--markdown", action="store_true", help="as docs/configuration.md")


def run(chosen: argparse.Namespace) -> int:
    """Print the settings."""
    show(markdown() if chosen.markdown else plain())
    return 0


def plain() -> str:
    """Return the settings for a terminal."""
    return "\n".join(
        f"{' or '.join(s.names)} = {s.default!r}\n    {s.says}"
        + (f" Valid: {s.kind.expected()}." if s.valid_is_limited else "")
        for s in SETTINGS
    )


def markdown() -> str:
    """Return `docs/configuration.md`."""
    rows = "\n".join(
        f"| {', '.join(f'`{name}`' for name in s.names)} | `{s.default or ' '}` | "
        f"{s.kind.expected()} | {s.says} |"
        for s in SETTINGS
    )
    return CONFIGURATION.format(rows=rows)


CONFIGURATION = """\
# Configuration

Made from `otlp2parquet_ext/common/settings/table.py` by `make docs`; do not edit.

For operators: every variable of the function that the extension reads. Only one is required,
`OTLP2PARQUET_DESTINATION`. A name without the prefix `OTLP2PARQUET_` also works with it; if both
are set, the prefixed one is used. If a value is not valid, one line reports it and the default is
used. A misspelled `OTLP2PARQUET_…` name is reported, too.

| variable | default | valid | meaning |
|---|---|---|---|
{rows}

The extension also reads Lambda's own variables (`AWS_LAMBDA_FUNCTION_NAME`, `AWS_REGION`, …), and
OpenTelemetry's `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`. They become the resource of
every row."""
