"""Convert a service's name to a folder's name, and back. Pure.

    service --folder_of()--> folder --service_of()--> service

The escaping is Hive's: `%` and two hex digits for each byte that a folder's name must not hold.
Hive readers skip folders that begin with `_` or `.`, and read `a=b` as the value of a column.
Globs, S3's consoles and Windows give a meaning to other characters. So a folder's name holds only
ASCII letters and digits, `-`, `_` and `.` inside, and printable characters beyond ASCII.

Earlier versions wrote `_` in the place of characters that are escaped now. Their folders stay
readable, because every row has its `ServiceName`.

Source: Apache Hive, FileUtils.escapePathName; Amazon S3 user guide, "Naming Amazon S3 objects".
"""

from __future__ import annotations

from hashlib import blake2b
from urllib.parse import unquote

FOLDER_BYTES = 200
"""Longest folder name, in bytes. File systems allow 255 for a name, and temporary names are longer
than final ones."""

DIGEST_BYTES = 8
CUT = "~"
"""Separates a shortened name from its digest; escaped everywhere else."""

PLAIN = frozenset("-_.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
NOT_FIRST = frozenset("_.-")
"""Characters escaped at the start: readers skip such folders, or commands read them as options."""

NOT_LAST = frozenset(".")
"""Characters escaped at the end, because Windows removes them."""


def folder_of(service: str) -> str:
    """Return the folder of a service.

    Args:
        service: name of the service, of any characters; not empty.

    Returns:
        At most `FOLDER_BYTES` bytes in UTF-8, different for each service. A longer name becomes
        its beginning, `~`, and a digest of the whole name.
    """
    # Each character has at least one byte, so no later character can fit.
    escaped = [_escaped(character) for character in service[: FOLDER_BYTES + 1]]
    if service[:1] in NOT_FIRST:
        escaped[0] = _percent(service[0])
    if service[-1:] in NOT_LAST and len(service) == len(escaped):
        escaped[-1] = _percent(service[-1])
    folder = "".join(escaped)
    if len(folder.encode()) <= FOLDER_BYTES:
        return folder
    digest = blake2b(_bytes(service), digest_size=DIGEST_BYTES).hexdigest()
    return f"{_beginning(escaped, FOLDER_BYTES - len(CUT) - len(digest))}{CUT}{digest}"


def service_of(folder: str) -> str | None:
    """Return the service of a folder; None when the folder's name was shortened."""
    return None if CUT in folder else unquote(folder, errors="surrogatepass")


def _beginning(escaped: list[str], limit_bytes: int) -> str:
    """Return the leading characters that fit into `limit_bytes`; no character is divided."""
    taken, used = [], 0
    for part in escaped:
        used += len(part.encode())
        if used > limit_bytes:
            break
        taken.append(part)
    return "".join(taken)


def _escaped(character: str) -> str:
    if character in PLAIN or (not character.isascii() and character.isprintable()):
        return character
    return _percent(character)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in _bytes(character))


def _bytes(text: str) -> bytes:
    """Return UTF-8, also of lone surrogates, which file systems refuse."""
    return text.encode("utf-8", "surrogatepass")
