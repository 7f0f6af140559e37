"""Lazy imports (PEP 810) for the whole process, where the interpreter has them.

`import x` at the top of a module then loads x when its first name is used: protobuf costs less.
Left alone are packages that look at their own modules, where a name not loaded yet changes what
they find, and modules that are imported for what that does: OTLP's messages need to know those they
are made of. A file of the layer, not of the package: in a checkout imports are as they always were.

Some modules of the standard library load much that we never use, and cannot be told to wait. They
begin empty here, and become what they are when somebody uses a name that is not known before.
"""

from __future__ import annotations

import sys
from _frozen_importlib_external import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

# Imports *inside* these packages happen at once; importing them may be postponed.
EAGER = frozenset({"opentelemetry", "pyarrow"})

STDLIB: str = sys._stdlib_dir  # type: ignore[attr-defined] # noqa: SLF001 - where all else is found

# Which asyncio imports by star: all of them. Where our names are; any other name loads the rest.
USED = ("events", "tasks", "futures", "locks", "timeouts", "exceptions", "runners", "unix_events")


def may_wait(importer: str, _name: str, _names: tuple[str, ...] | None) -> bool:
    """Decide for one `import` statement; the interpreter asks."""
    return importer.partition(".")[0] not in EAGER


def enable() -> None:
    """Make imports lazy from here on; without effect before Python 3.15."""
    if sys.version_info >= (3, 15):
        sys.set_lazy_imports_filter(may_wait)
        sys.set_lazy_imports("all")
        begin_empty("asyncio", USED)
        # What asyncio looks up when it is imported, and what only its debug mode calls.
        begin_empty("subprocess", PIPE=-1)
        begin_empty("traceback", extract_stack=_extract_stack)


def begin_empty(name: str, used: tuple[str, ...] = (), **known: object) -> None:
    """Put a module of the standard library in place that is run when a name is not found.

    Args:
        name: of a module that is not imported yet.
        used: modules of it, if it is a package, to be looked into before; they have `__all__`.
        known: names that are there at once.
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
    """Make a module what it would have been from the start; its own modules stay as they are."""
    del module.__getattr__
    spec = PathFinder.find_spec(module.__name__, [STDLIB])
    assert spec is not None
    assert spec.loader is not None
    module.__spec__ = spec
    spec.loader.exec_module(module)
    return module


def _extract_stack(*arguments: object) -> object:
    return _become(sys.modules["traceback"]).extract_stack(*arguments)
