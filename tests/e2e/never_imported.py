"""The real extension, with one change: importing its agent never ends, as on a starved machine."""

from __future__ import annotations

import sys
import time
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING

from otlp2parquet_ext.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


class Endless(MetaPathFinder, Loader):
    """A loader for the agent that never returns."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the agent."""
        del path, target
        return (
            ModuleSpec(fullname, self) if fullname == "otlp2parquet_ext.extension.agent" else None
        )

    def exec_module(self, module: ModuleType) -> None:
        """Never end."""
        del module
        while True:
            time.sleep(1)


sys.meta_path.insert(0, Endless())
main("otlp2parquet")
