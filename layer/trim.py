"""Removes files from the layer by the rules in `trim.toml`, each with a reason and a proof."""

import dataclasses
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from layer.plan import HERE, Target

RULES: Final = HERE / "trim.toml"
SHIMS: Final = HERE / "shims"


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule for files to leave out.

    `paths` are patterns relative to the layer's home, and `but` are patterns of exceptions.
    `libraries` are removed from the needed libraries of all files. `packages` are not fetched.
    `shims` are our modules that replace removed ones. `stubs` are libraries that replace removed
    ones: a path and the symbols that files still name, separated by spaces; none of the symbols
    works. The rule applies to interpreters of version `since` or newer.
    """

    reason: str
    proof: str
    paths: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    shims: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    stubs: tuple[str, ...] = ()
    since: tuple[int, ...] = ()


def rules(path: Path = RULES) -> list[Rule]:
    """Read the rules in their order."""
    written = cast("list[Mapping[str, object]]", tomllib.loads(path.read_text())["rule"])
    return [rule(one) for one in written]


def rule(written: Mapping[str, object]) -> Rule:
    """Read one rule; TypeError names an unknown key."""
    lists = {
        key: tuple(value) if isinstance(value, list) else value for key, value in written.items()
    }
    return Rule(**lists)  # type: ignore[arg-type]


def rules_for(target: Target, path: Path = RULES) -> list[Rule]:
    """Read the rules for this interpreter, in their order."""
    version = tuple(map(int, target.python.split(".")))
    return [one for one in rules(path) if version >= one.since]


def leave_out(chosen: list[Rule], target: Target, home: Path) -> None:
    """Remove the files that the rules name.

    Raises:
        SystemExit: a rule finds no file, so its package has changed and the rule must be reviewed.
    """
    for one in chosen:
        kept = matching(one.but, target, home)
        found = matching(one.paths, target, home) - kept
        if (one.paths and not found) or len(kept) < len(one.but):
            raise SystemExit(f"trim.toml: nothing to leave out by the rule {one.reason!r}")
        for path in sorted(found):
            remove(path)


def matching(patterns: tuple[str, ...], target: Target, home: Path) -> set[Path]:
    """Return the existing paths of some patterns."""
    return {path for one in patterns for path in home.glob(one.format(lib=target.lib))}


def remove(path: Path) -> None:
    """Remove a file or a folder if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def add_shims(chosen: list[Rule], site: Path) -> None:
    """Copy the modules that replace removed ones."""
    for one in chosen:
        for module in one.shims:
            if (SHIMS / module).is_dir():
                shutil.copytree(SHIMS / module, site / module)
            else:
                shutil.copyfile(SHIMS / f"{module}.py", site / f"{module}.py")
