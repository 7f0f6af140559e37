"""Read and write the XML documents of S3. Pure.

Source: Amazon S3 API reference, "ListObjectsV2", "DeleteObjects".
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_plus

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.http.dates import iso_date_ms
from otlp2parquet_ext.lake.storage.storage import ObjectEntry, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from xml.etree.ElementTree import Element

# XML 1.0 cannot represent these characters, not even as references.
UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


TAGS = 65_536
"""Most tags of a response, to bound the memory: a page of a thousand objects has about 20 000."""


class ListPage(NamedTuple):
    """A page of a listing; its paths are keys. `token` requests the next page, "" for the last."""

    entries: list[ObjectEntry]
    token: str


def read_page(body: bytes) -> ListPage:
    """Parse a response to ListObjectsV2.

    Raises:
        StorageError: the body is another document.
    """
    root = _parsed(body, "ListBucketResult")
    coded = _text(root, "EncodingType") == "url"
    try:
        entries = [
            ObjectEntry(
                unquote_plus(_text(found, "Key")) if coded else _text(found, "Key"),
                int(_text(found, "Size") or 0),
                iso_date_ms(_text(found, "LastModified")) or 0,
            )
            for found in root.iter()
            if found.tag == "Contents"
        ]
    except ValueError as error:
        raise StorageError(f"S3's answer is not ListBucketResult: {quote(error)}") from error
    more = _text(root, "IsTruncated") == "true"
    return ListPage(entries, _text(root, "NextContinuationToken") if more else "")


def deletion(keys: Iterable[str]) -> bytes:
    """Return the body of a DeleteObjects request; in quiet mode S3 lists only the failures."""
    objects = "".join(f"<Object><Key>{_escaped(key)}</Key></Object>" for key in keys)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Quiet>true</Quiet>{objects}</Delete>"
    ).encode()


def not_deleted(body: bytes) -> list[str]:
    """Return the keys that failed in a response to DeleteObjects.

    Raises:
        StorageError: the body is another document.
    """
    root = _parsed(body, "DeleteResult")
    return [_text(error, "Key") for error in root.iter() if error.tag == "Error"]


def _escaped(key: str) -> str:
    # XML parsers normalise line ends and tabs, so write them as references.
    return escape(key).replace("\r", "&#13;").replace("\n", "&#10;").replace("\t", "&#9;")


def _parsed(body: bytes, expected: str) -> Element:
    """Return a document's root, all names without their namespace."""
    # Imported here because only listings and deletions need it.
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - expat bounds the entities' expansion

    if body.count(b"<") > TAGS:
        raise StorageError(f"S3's answer is not {expected}: it has more than {TAGS} tags")
    try:
        root = ET.fromstring(body)  # noqa: S314 - as above
    except ET.ParseError as error:
        raise StorageError(f"S3's answer is not {expected}: {quote(error)}") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    if root.tag != expected:
        raise StorageError(f"S3's answer is not {expected} but {root.tag}")
    return root


def _text(element: Element, name: str) -> str:
    return element.findtext(name) or ""


def content_md5(body: bytes) -> dict[str, str]:
    """Return the Content-MD5 header, which S3 requires for DeleteObjects."""
    from base64 import b64encode  # noqa: PLC0415 - only deletions need them
    from hashlib import md5  # noqa: PLC0415

    return {"Content-MD5": b64encode(md5(body, usedforsecurity=False).digest()).decode()}
