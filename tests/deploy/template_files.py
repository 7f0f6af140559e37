"""The templates of deploy/, with CloudFormation's short forms: `!Ref x` is {"Ref": "x"}."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[2] / "deploy"
NAMES = ("function", "committer", "ingest")


class Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads the short forms."""


def _short(loader: Loader, suffix: str, node: Any) -> dict[str, Any]:
    read = {
        "scalar": loader.construct_scalar,
        "sequence": loader.construct_sequence,
        "mapping": loader.construct_mapping,
    }[node.id]
    value = read(node) if node.id == "scalar" else read(node, deep=True)
    if suffix == "GetAtt":
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", _short)


def path(name: str) -> Path:
    """Return the path of a template."""
    return FOLDER / f"{name}.yaml"


def template(name: str) -> dict[str, Any]:
    """Read a template."""
    found: dict[str, Any] = yaml.load(path(name).read_text(), Loader)  # noqa: S506 - a SafeLoader
    return found


def resources(name: str, kind: str) -> dict[str, dict[str, Any]]:
    """Return the resources of a type, such as `S3::Bucket`."""
    found = template(name)["Resources"]
    return {key: it for key, it in found.items() if it["Type"] == f"AWS::{kind}"}


def nodes(value: Any) -> Iterator[Any]:
    """Yield a value and all values in it."""
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from nodes(one)
