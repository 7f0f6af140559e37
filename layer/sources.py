"""Reads this machine's apt sources for Debian, in both of their formats."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Final

APT: Final = Path("/etc/apt")
KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclasses.dataclass(frozen=True)
class Source:
    """One archive: its address, its configured suites, and its signing keys."""

    uri: str
    suites: tuple[str, ...]
    keyring: str


def of_machine(mirror: str | None, keyring: str | None) -> list[Source]:
    """Return the Debian archives that this machine may use.

    Args:
        mirror: overrides the machine's sources; required if these are not Debian's.
        keyring: overrides the machine's key ring.

    Raises:
        SystemExit: there is no archive, or no key to check it.
    """
    if mirror:
        found = [Source(mirror, (), keyring or KEYRING)]
    else:
        found = [
            dataclasses.replace(source, keyring=keyring or source.keyring)
            for source in read(APT)
            if release().get("ID") == "debian"
            and release().get("VERSION_CODENAME") in source.suites
        ]
    if not found:
        raise SystemExit(
            f"no Debian archive in {APT} of this {release().get('ID', 'system')}: "
            "give one with --mirror (and --keyring, from the package debian-archive-keyring)"
        )
    for source in found:
        if not Path(source.keyring).exists():
            raise SystemExit(f"--keyring {source.keyring}: no such file")
    return found


def read(apt: Path) -> list[Source]:
    """Return every archive in the machine's apt configuration."""
    lists = [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]
    texts = [file.read_text() for file in lists if file.exists()]
    found = [source for text in texts for source in one_line_style(text)]
    for file in sorted(apt.glob("sources.list.d/*.sources")):
        found += deb822_style(file.read_text())
    return found


def one_line_style(text: str) -> Iterator[Source]:
    """Read `deb [options] uri suite components`."""
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if words[:1] != ["deb"]:
            continue
        options = ""
        if words[1].startswith("["):
            end = next(i for i, word in enumerate(words) if word.endswith("]"))
            options = " ".join(words[1 : end + 1]).strip("[]")
            words = [words[0], *words[end + 1 :]]
        pairs = dict(option.split("=", 1) for option in options.split())
        yield Source(words[1], (words[2],), pairs.get("signed-by", KEYRING))


def deb822_style(text: str) -> Iterator[Source]:
    """Read stanzas of `URIs:`, `Suites:`, `Signed-By:`."""
    for stanza in text.split("\n\n"):
        lines = [line for line in stanza.splitlines() if ":" in line and line[0] not in "# \t"]
        fields = {key: value.strip() for key, _, value in (x.partition(":") for x in lines)}
        if "deb" not in fields.get("Types", "").split() or fields.get("Enabled") == "no":
            continue
        keyring = fields.get("Signed-By", KEYRING)
        for uri in fields["URIs"].split():
            yield Source(
                uri,
                tuple(fields["Suites"].split()),
                keyring if keyring.startswith("/") else KEYRING,
            )


def release() -> dict[str, str]:
    """Return the fields of os-release."""
    lines = Path("/etc/os-release").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip('"') for key, _, value in pairs}
