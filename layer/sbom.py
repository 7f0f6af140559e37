"""The bill of materials: the manifest of a zip as a CycloneDX document. Pure.

    manifest.json, the zip's hash --bill--> otlp2parquet-ext-x86_64.cdx.json, beside the zip

Scanners compare it with lists of vulnerabilities. They find packages of Debian and PyPI by their
purl. The interpreter is also listed as CPython, independent of the distribution.

Source: CycloneDX 1.6, JSON reference; package URL specification, types deb, generic and pypi.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast
from urllib.parse import quote

SPECIFICATION: Final = "1.6"
NAMESPACE: Final = uuid.UUID("6d0b6c1e-6d0f-4a53-9a2b-1f6f4b6b7c55")
"""Namespace of serial numbers; equal zips have equal serial numbers."""

INTERPRETER: Final = re.compile(r"python3\.\d+-minimal")
PRE_RELEASE: Final = re.compile(r"~?(a|b|rc)(\d+)")
# Valid SPDX identifiers. Validators check identifiers against a list, and of the names in metadata
# only these are certainly on it.
SPDX: Final = frozenset({
    "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "PSF-2.0", "Zlib",
})  # fmt: skip
EXPRESSION: Final = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)+")


def bill(manifest: Mapping[str, object], sha256: str) -> dict[str, Any]:
    """Return the document.

    Args:
        manifest: manifest of the zip.
        sha256: hash of the zip, in hexadecimal digits.
    """
    packages = cast("list[Mapping[str, str]]", manifest["packages"])
    name, _, version = str(manifest["layer"]).partition(" ")
    components = sorted(
        (component for package in packages for component in components_of(package)),
        key=lambda one: str(one["bom-ref"]),
    )
    root: dict[str, Any] = {
        "type": "application",
        "bom-ref": f"pkg:generic/{name}@{escaped(version)}?arch={manifest['architecture']}",
        "name": name,
        "version": version,
        "description": f"AWS Lambda layer for {manifest['architecture']}",
        "hashes": [{"alg": "SHA-256", "content": sha256}],
        "licenses": licences(str(manifest["licence"])),
    }
    root["purl"] = root["bom-ref"]
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPECIFICATION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, sha256)}",
        "version": 1,
        "metadata": {"component": root},
        "components": components,
        "dependencies": [
            {"ref": root["bom-ref"], "dependsOn": [one["bom-ref"] for one in components]}
        ],
    }


def components_of(package: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the component of a package; after Debian's interpreter package, also CPython."""
    origin, _, detail = package["from"].partition(", ")
    name, version = package["name"], package["version"]
    if origin == "PyPI":
        normal = re.sub(r"[-_.]+", "-", name).lower()
        yield component(package, f"pkg:pypi/{normal}@{escaped(version)}", source=detail)
        return
    purl = f"pkg:deb/debian/{name}@{escaped(version)}?arch={detail}"
    yield component(package, purl, source=origin)
    if INTERPRETER.fullmatch(name):
        upstream = upstream_version(version)
        own = {**package, "name": "cpython", "version": upstream, "licence": "PSF-2.0"}
        found = component(
            own, f"pkg:generic/cpython@{escaped(upstream)}", source=f"{origin}: {name}"
        )
        found["type"] = "application"
        found["cpe"] = cpe(upstream)
        yield found


def component(package: Mapping[str, str], purl: str, source: str) -> dict[str, Any]:
    """Return one component, with the hash of its package file."""
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": package["name"],
        "version": package["version"],
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": package["sha256"]}],
        "properties": [{"name": "otlp2parquet_ext:source", "value": source}],
    }
    if named := licences(package["licence"]):
        found["licenses"] = named
    return found


def licences(text: str) -> list[dict[str, Any]]:
    """Return the licences of a package; none if only the licence's text is known."""
    if not text or text.startswith("see the licence file"):
        return []
    if EXPRESSION.fullmatch(text):
        return [{"expression": text}]
    return [
        {"license": {"id": name} if name in SPDX else {"name": name}}
        for name in dict.fromkeys(part.strip() for part in text.split(", "))
        if name
    ]


def upstream_version(version: str) -> str:
    """Return the upstream version in the version of a Debian package."""
    without_epoch = version.rpartition(":")[2]
    return PRE_RELEASE.sub(r"\1\2", without_epoch.rpartition("-")[0] or without_epoch)


def cpe(version: str) -> str:
    """Return the interpreter's name in the National Vulnerability Database."""
    release = re.fullmatch(r"([0-9.]+)(?:(a|b|rc)(\d+))?.*", version)
    assert release is not None
    word = {"a": "alpha", "b": "beta", "rc": "rc"}.get(release[2] or "", "")
    update = f"{word}{release[3]}" if word else "*"
    return f"cpe:2.3:a:python:python:{release[1]}:{update}:*:*:*:*:*:*"


def escaped(version: str) -> str:
    """Return a version, escaped for a package URL."""
    return quote(version, safe=":~")
