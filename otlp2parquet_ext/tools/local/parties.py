"""The processes of one generation of an environment, for API handlers and the sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.local.extension import extension_run

if TYPE_CHECKING:
    from otlp2parquet_ext.tools.local.changes import Changes
    from otlp2parquet_ext.tools.local.extension import Extension
    from otlp2parquet_ext.tools.local.outcome import ExtensionRun
    from otlp2parquet_ext.tools.local.processes import Program
    from otlp2parquet_ext.tools.local.runtime import Runtime
    from otlp2parquet_ext.tools.local.states import ExtensionState


@dataclass(eq=False)
class Parties:
    """The runtime and the extensions of one generation.

    Attributes:
        generation: 0 at first; each reset adds one.
        initialising: registrations and subscriptions are open.
        names: names of external extensions, the only ones that may register before the runtime
            starts.
    """

    generation: int
    changes: Changes
    runtime: Runtime
    extensions: list[Extension] = field(default_factory=list)
    initialising: bool = True

    def by_identifier(self, identifier: str) -> Extension | None:
        """Return the extension with this identifier."""
        return next((it for it in self.extensions if it.identifier == identifier), None)

    def failed_extension(self) -> Extension | None:
        """Return an extension that has ended or given up."""
        return next((it for it in self.extensions if it.failed), None)

    def all_extensions(self, *states: ExtensionState) -> bool:
        """Whether every extension is in one of these states."""
        return all(it.state in states for it in self.extensions)

    def programs(self) -> list[Program]:
        """Return all started processes, ended ones included."""
        parties: list[Runtime | Extension] = [self.runtime, *self.extensions]
        return [party.program for party in parties if party.program]

    def pump(self) -> None:
        """Read all pipes now, so that lines come before the event that follows them."""
        for program in self.programs():
            program.pump()


def extension_runs(parties: Parties) -> list[ExtensionRun]:
    """Return the facts about a generation's extension processes."""
    return [extension_run(it, parties.generation) for it in parties.extensions if it.external]
