"""Which names AWS's catalogs take for a namespace and a table. Pure.

Source: Amazon S3 user guide, "Naming rules for tables and namespaces"; Athena user guide, "Name
databases, tables, and columns".
"""

from __future__ import annotations

import re

GLUE_NAME = re.compile(r"[a-z0-9_-]{1,255}")
S3_TABLES_NAME = re.compile(r"[a-z0-9]([a-z0-9_]{0,253}[a-z0-9])?")


def glue_problem(namespace: str, table: str) -> str | None:
    """Return what is wrong with names for Glue; None when nothing is."""
    rule = "lower-case letters, digits, underscores and hyphens, 255 at most"
    return _problem(namespace, table, GLUE_NAME, rule)


def s3_tables_problem(namespace: str, table: str) -> str | None:
    """Return what is wrong with names for S3 Tables, whose namespaces have one level only."""
    rule = (
        "lower-case letters, digits and underscores, 255 at most, with a letter or digit at both "
        "ends"
    )
    if namespace.startswith("aws"):
        return f"namespace {namespace!r}: names that begin with 'aws' are reserved"
    return _problem(namespace, table, S3_TABLES_NAME, rule)


def _problem(namespace: str, table: str, valid: re.Pattern[str], rule: str) -> str | None:
    for what, name in (("namespace", namespace), ("table", table)):
        if not valid.fullmatch(name):
            return f"{what} {name!r}: expected {rule}"
    return None
