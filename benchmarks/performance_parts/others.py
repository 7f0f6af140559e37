"""What other benchmarks measure that belongs on the same page.

Each is a module of benchmarks/ with `performance(*, quick: bool) -> dict`; one that is not there,
or does not have it, is left out.
"""

from __future__ import annotations

from importlib import import_module, util
from typing import Any

MODULES = ("imports", "hot_loop", "receiver")


def measure(*, quick: bool) -> dict[str, Any]:
    """Return the dictionaries of those that are there, by module."""
    found: dict[str, Any] = {}
    for name in MODULES:
        if util.find_spec(name) is None:
            continue
        ask = getattr(import_module(name), "performance", None)
        if ask is not None:
            found[name] = ask(quick=quick)
    return found
