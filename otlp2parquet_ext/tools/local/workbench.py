"""Objects that all generations of an environment share: plan, clock, telemetry, limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.local.pipes import Kept, LogPipes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otlp2parquet_ext.tools.local.clock import ActiveClock
    from otlp2parquet_ext.tools.local.extension import Extension
    from otlp2parquet_ext.tools.local.isolation import Isolation
    from otlp2parquet_ext.tools.local.pipes import OnLine
    from otlp2parquet_ext.tools.local.plan import Plan
    from otlp2parquet_ext.tools.local.telemetry import Telemetry


@dataclass(frozen=True)
class Workbench:
    """The shared objects of an environment.

    Attributes:
        plan, clock, telemetry, isolation: one of each per environment.
        variables: returns the function's variables for the `host:port` of a generation's APIs.
        function: names, versions and instance, as in initStart.
        function_lines: output of the function so far.
        on_line: called with every line of function and extensions.
    """

    plan: Plan
    clock: ActiveClock
    telemetry: Telemetry
    isolation: Isolation
    variables: Callable[[str], dict[str, str]]
    function: Mapping[str, str]
    function_lines: list[str]
    on_line: OnLine | None

    def function_pipes(self) -> LogPipes:
        """Return the pipes that turn the function's output into events."""
        return LogPipes(
            self.telemetry.emit,
            "function",
            Kept("function", self.function_lines, self.on_line),
            objects=self.plan.logs_objects,
        )

    def extension_pipes(self, extension: Extension) -> LogPipes:
        """Return the pipes that turn an extension's output into events."""
        kept = Kept(extension.name, extension.lines, self.on_line)
        return LogPipes(self.telemetry.emit, "extension", kept, objects=False)
