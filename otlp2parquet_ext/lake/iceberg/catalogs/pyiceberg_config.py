"""The properties of a catalog `catalog://name`, from PyIceberg's own variables.

    PYICEBERG_CATALOG__LAKE__S3__ENDPOINT=… --> {"s3.endpoint": "…"} of `catalog://lake`

This module reads the variables itself, because PyIceberg reads them only once, at import. It does
not import PyIceberg, because the flush path uses it to find a table's location.

Source: PyIceberg's documentation, "Configuration", "Setting configuration values".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "PYICEBERG_CATALOG__"
WAREHOUSE = "warehouse"


def catalog_properties(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the properties of a catalog; empty if no variable names it.

    Args:
        name: the name in `catalog://name`; case is ignored, and `-` equals `_`.
        environ: the environment variables.
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
    """Return the names of all catalogs in the variables."""
    variables = (v[len(PREFIX) :] for v in environ if v.upper().startswith(PREFIX))
    return sorted({_plain(v.partition("__")[0]) for v in variables})


def variable(name: str, key: str) -> str:
    """Return the variable for a catalog's property: `s3.endpoint` --> `…__S3__ENDPOINT`."""
    spelled = key.upper().replace(".", "__").replace("-", "_")
    return f"{PREFIX}{_plain(name).upper().replace('-', '_')}__{spelled}"


def table_location(properties: Mapping[str, str], namespace: str, table: str) -> str | None:
    """Return the location for a new table: below the catalog's warehouse.

    Returns:
        An address; None if the warehouse is only a name, so that the catalog decides.
    """
    warehouse = properties.get(WAREHOUSE, "").rstrip("/")
    if "://" not in warehouse and not warehouse.startswith(("/", "file:/")):
        return None
    return f"{warehouse}/{namespace}/{table}"


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
