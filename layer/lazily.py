"""Lazy imports (PEP 810) for the whole process, where the interpreter has them.

`import x` at the top of a module then loads x when its first name is used: aiohttp costs a third.
Left alone are packages that look at their own modules, where a name not loaded yet changes what
they find, and modules that are imported for what that does: OTLP's messages need to know those they
are made of. A file of the layer, not of the package: in a checkout imports are as they always were.
"""

import sys

# Imports *inside* these packages happen at once; importing them may be postponed.
EAGER = frozenset({"opentelemetry", "pyarrow"})


def may_wait(importer: str, _name: str, _names: tuple[str, ...] | None) -> bool:
    """Decide for one `import` statement; the interpreter asks."""
    return importer.partition(".")[0] not in EAGER


def enable() -> None:
    """Make imports lazy from here on; without effect before Python 3.15."""
    if sys.version_info >= (3, 15):
        sys.set_lazy_imports_filter(may_wait)
        sys.set_lazy_imports("all")
