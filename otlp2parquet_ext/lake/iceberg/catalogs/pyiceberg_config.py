"""What `catalog://name` means: the properties of one catalog, from PyIceberg's own variables.

    PYICEBERG_CATALOG__LAKE__S3__ENDPOINT=… --> {"s3.endpoint": "…"} of `catalog://lake`

Read here and handed on, because PyIceberg reads them but once, when it is imported. Nothing of
PyIceberg is imported: where a table lies is asked on the flush path.

Source: PyIceberg's documentation, "Configuration", "Setting configuration values".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "PYICEBERG_CATALOG__"
WAREHOUSE = "warehouse"


def catalog_properties(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the variables say of a catalog; nothing when they do not know it.

    Args:
        name: as in `catalog://name`; case, and whether it has `-` or `_`, do not matter.
        environ: the variables.
    """
    found = {}
    for variable, value in environ.items():
        if not variable.upper().startswith(PREFIX):
            continue
        catalog, _, key = variable[len(PREFIX) :].lower().partition("__")
        if key and _plain(catalog) == _plain(name):
            found[key.replace("__", ".").replace("_", "-")] = value
    return found


def known_catalogs(environ: Mapping[str, str]) -> list[str]:
    """Return the names of the catalogs the variables know."""
    variables = (v[len(PREFIX) :] for v in environ if v.upper().startswith(PREFIX))
    return sorted({_plain(v.partition("__")[0]) for v in variables})


def variable(name: str, key: str) -> str:
    """Return the variable of a catalog's property: `s3.endpoint` --> `…__S3__ENDPOINT`."""
    spelled = key.upper().replace(".", "__").replace("-", "_")
    return f"{PREFIX}{_plain(name).upper().replace('-', '_')}__{spelled}"


def table_location(properties: Mapping[str, str], namespace: str, table: str) -> str | None:
    """Return where a table of a catalog is created: below its warehouse.

    Returns:
        An address; None when the warehouse is only a name, and the catalog itself decides.
    """
    warehouse = properties.get(WAREHOUSE, "").rstrip("/")
    if "://" not in warehouse and not warehouse.startswith(("/", "file:/")):
        return None
    return f"{warehouse}/{namespace}/{table}"


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
