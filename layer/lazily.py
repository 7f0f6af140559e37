"""Lazy imports (PEP 810) for the whole process, if the interpreter has them.

`import x` at the top of a module then loads x when its first name is used, which makes protobuf's
import faster. Some packages are excluded. Some of these inspect their own modules, and a missing
name would change the result. Others have effects at import: OTLP's messages must register before
other messages use them. This file belongs to the layer, not to the package, so imports in a
checkout are not lazy. Some modules of the standard library load many modules that we never use, and
cannot be imported lazily. Here they begin as empty modules, and are executed when a missing name is
used.
"""

from __future__ import annotations

import sys
from _frozen_importlib_external import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

# Imports *inside* these packages are not lazy; the import of the package itself may be.
EAGER = frozenset({"opentelemetry", "pyarrow"})

STDLIB: str = sys._stdlib_dir  # type: ignore[attr-defined] # noqa: SLF001 - where all else is found

# Modules of asyncio that define the names we use. asyncio imports all its modules by star; any
# other name loads the rest.
USED = ("events", "tasks", "futures", "locks", "timeouts", "exceptions", "runners", "unix_events")


def may_wait(importer: str, _name: str, _names: tuple[str, ...] | None) -> bool:
    """Decide whether one `import` statement is lazy; the interpreter calls this."""
    return importer.partition(".")[0] not in EAGER


def enable() -> None:
    """Make imports lazy from now on; no effect before Python 3.15."""
    if sys.version_info >= (3, 15):
        sys.set_lazy_imports_filter(may_wait)
        sys.set_lazy_imports("all")
        begin_empty("asyncio", USED)
        # Names that asyncio reads at its import, and names that only its debug mode calls.
        begin_empty("subprocess", PIPE=-1)
        begin_empty("traceback", extract_stack=_extract_stack)


def begin_empty(name: str, used: tuple[str, ...] = (), **known: object) -> None:
    """Install an empty module of the standard library that is executed when a name is missing.

    Args:
        name: name of a module that is not imported yet.
        used: submodules that are searched for a name first; they have `__all__`.
        known: names that exist at once.
    """
    module = type(sys)(name)
    module.__dict__.update(known)
    if used:
        module.__path__ = [f"{STDLIB}/{name}"]

    def find(wanted: str) -> object:
        if wanted.startswith("__"):
            raise AttributeError(wanted)
        if used and PathFinder.find_spec(f"{name}.{wanted}", module.__path__):
            return __import__(f"{name}.{wanted}", fromlist=[wanted])
        for part_name in used:
            part = __import__(f"{name}.{part_name}", fromlist=[wanted])
            if wanted in part.__all__:
                value = getattr(part, wanted)
                setattr(module, wanted, value)
                return value
        return getattr(_become(module), wanted)

    module.__getattr__ = find  # type: ignore[method-assign]
    sys.modules[name] = module


def _become(module: ModuleType) -> ModuleType:
    """Execute a module in place; its submodules stay as they are."""
    del module.__getattr__
    spec = PathFinder.find_spec(module.__name__, [STDLIB])
    assert spec is not None
    assert spec.loader is not None
    module.__spec__ = spec
    spec.loader.exec_module(module)
    return module


def _extract_stack(*arguments: object) -> object:
    return _become(sys.modules["traceback"]).extract_stack(*arguments)
