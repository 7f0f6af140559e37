"""A service's name as the name of one folder, and back. Pure.

    service --folder_of()--> folder --service_of()--> service

Hive's own escaping: `%` and two hex digits for each byte that must not stand in a folder's name.
Readers that follow the hive convention skip folders that begin with `_` or `.`, and read `a=b` as
the value of a column; globs, S3's consoles and Windows have characters of their own. So a folder
holds ASCII letters and digits, `-`, `_` and `.` inside, and printable characters beyond ASCII.

Folders of versions before this had `_` for what is escaped now, and are read as they are: every
row has its `ServiceName`, whatever its folder is called.

Source: Apache Hive, FileUtils.escapePathName; Amazon S3 user guide, "Naming Amazon S3 objects".
"""

from __future__ import annotations

from hashlib import blake2b
from urllib.parse import unquote

FOLDER_BYTES = 200
"""Longest folder name, in bytes: file systems take 255, and files are first written under a longer
name beside it."""

DIGEST_BYTES = 8
CUT = "~"
"""Before the digest of a name that was cut; it is escaped everywhere else."""

PLAIN = frozenset("-_.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
NOT_FIRST = frozenset("_.-")
"""Hidden by readers, or taken for an option by commands."""

NOT_LAST = frozenset(".")
"""Left out by Windows."""


def folder_of(service: str) -> str:
    """Return the folder of a service.

    Args:
        service: its name, of any characters; the caller names what has none.

    Returns:
        At most `FOLDER_BYTES` bytes in UTF-8. Different names have different folders; of a longer
        one the beginning stays, then `~` and a digest of the whole.
    """
    # A character has a byte at least: no more of them are ever needed.
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
    """Return the service of a folder; None when its name was cut."""
    return None if CUT in folder else unquote(folder, errors="surrogatepass")


def _beginning(escaped: list[str], limit_bytes: int) -> str:
    """Return as many whole characters as fit."""
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
    """Return UTF-8, also of halves of surrogate pairs, which no file system takes as they are."""
    return text.encode("utf-8", "surrogatepass")
