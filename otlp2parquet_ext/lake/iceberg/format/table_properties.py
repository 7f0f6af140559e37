"""Properties and refs of a table that limit expiry and deletion. Pure.

Any writer can set any value. An invalid value counts as not set, so that it stops no commit;
`bad_values` returns a message about each one.

Source: Apache Iceberg documentation, "Configuration", "Table behavior properties"; Apache Iceberg
table specification, "Snapshot Retention Policy".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.common.log import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata

GC = "gc.enabled"
"""Table property; any value except "true" forbids to delete files, which may belong to other tables
too."""

LEAST_KEPT = "history.expire.min-snapshots-to-keep"
SNAPSHOT_AGE_MS = "history.expire.max-snapshot-age-ms"
PREVIOUS_VERSIONS = "write.metadata.previous-versions-max"
NUMBERS = {
    LEAST_KEPT: (1, 2**31 - 1),
    SNAPSHOT_AGE_MS: (1, 2**63 - 1),
    PREVIOUS_VERSIONS: (0, 2**31 - 1),
}
"""The properties that are whole numbers, with the least and the largest of each."""

OF_A_REF = {"min-snapshots-to-keep": LEAST_KEPT, "max-snapshot-age-ms": SNAPSHOT_AGE_MS}
"""The fields of a branch that replace a property for it."""


def gc_enabled(metadata: Metadata) -> bool:
    """Return whether a table's snapshots and files may be deleted, by the rules of Java."""
    return str(metadata.get("properties", {}).get(GC, "true")).lower() == "true"


def number(properties: Mapping[str, Any], key: str) -> int | None:
    """Return a property that is a whole number; None if it is not set or not valid."""
    return _whole(properties.get(key), key)


def of_branch(metadata: Metadata, ref: Mapping[str, Any], field: str) -> int | None:
    """Return a retention rule for a branch: its own, else the table's, else None.

    Args:
        metadata: the table's metadata.
        ref: the branch.
        field: one of `OF_A_REF`.
    """
    key = OF_A_REF[field]
    own = _whole(ref.get(field), key)
    return number(metadata.get("properties", {}), key) if own is None else own


def bad_values(metadata: Metadata) -> Iterator[str]:
    """Yield a message for each invalid value."""
    properties = metadata.get("properties", {})
    for key in NUMBERS:
        if key in properties and number(properties, key) is None:
            yield _expected(f"the table's property {key}", properties[key], key, "its default")
    for name, ref in metadata.get("refs", {}).items():
        for field, key in OF_A_REF.items():
            if ref.get(field) is not None and _whole(ref[field], key) is None:
                subject = f"{field} of the table's branch {quote(name)}"
                yield _expected(subject, ref[field], key, "the value of the table")


def _expected(subject: str, value: object, key: str, instead: str) -> str:
    least, most = NUMBERS[key]
    return (
        f"{subject} is {quote(repr(value))}: expected a whole number from {least} to {most}; "
        f"{instead} is used"
    )


def _whole(value: object, key: str) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    try:
        found = int(value)
    except ValueError:
        return None
    least, most = NUMBERS[key]
    return found if least <= found <= most else None
