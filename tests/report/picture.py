"""`docs/report.png`: the report of the six functions of `fleet`, as a browser shows it.

PYTHONPATH=tests/servers python tests/report/picture.py docs/report.png     needs Chromium
"""

from __future__ import annotations

import struct
import sys
import tempfile
import zlib
from collections import Counter
from pathlib import Path

from chromium import chromium
from fleet import batches, fleet
from places import soon, sqlite

from otlp2parquet_ext.tools import query
from otlp2parquet_ext.tools.report.page import page
from otlp2parquet_ext.tools.report.questions import ReportQuery, ask

NOW_MS = 1_773_482_400_000  # 2026-03-14 10:00 UTC: the picture is the same every time
DAY_MS = 86_400_000
NAME = "glue://telemetry?warehouse=s3://acme-telemetry"
WIDTH, COLOURS = 1_180, 64


def main(file: str) -> None:
    """Write the picture: from the head of the page to the end of its table of functions."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        place = sqlite(Path(folder))
        destination = place.open()
        for batch in batches(fleet(NOW_MS)):
            destination.store(batch, commit_follows=True)
        destination.commit(soon())
        with query.connect(place.url) as connection:
            report = ask(connection, ReportQuery(NAME, NOW_MS - DAY_MS, NOW_MS), folder)
        html = Path(folder) / "report.html"
        html.write_text(page(report), encoding="utf-8")
        shown = browser.open(html.as_uri(), width=WIDTH)
        bottom = "document.querySelector('#functions').getBoundingClientRect().bottom"
        shown.resize(WIDTH, round(shown.value(bottom)) + 16)
        Path(file).write_bytes(smaller(shown.picture()))


def smaller(png: bytes) -> bytes:
    """Return a picture of at most `COLOURS` colours, the most frequent ones; others are rounded."""
    width, height, pixels = pixels_of(png)
    frequent = [colour for colour, _ in Counter(pixels).most_common(COLOURS)]
    index = {colour: n for n, colour in enumerate(frequent)}
    for colour in set(pixels) - index.keys():
        index[colour] = min(range(len(frequent)), key=lambda n: apart(colour, frequent[n]))
    rows = (pixels[y * width : (y + 1) * width] for y in range(height))
    data = b"".join(b"\0" + bytes(index[pixel] for pixel in row) for row in rows)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", b"".join(frequent)), (b"IDAT", zlib.compress(data, 9)))
    return png[:8] + b"".join(_chunk(*part) for part in (*parts, (b"IEND", b"")))


def apart(one: bytes, other: bytes) -> int:
    """Return how different two colours are."""
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pixels_of(png: bytes) -> tuple[int, int, list[bytes]]:
    """Return width, height and colours of a PNG of eight bits, as browsers write it.

    Source: PNG specification, section 9, filters.
    """
    at, packed, width, height, size = 8, b"", 0, 0, 3
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        data = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, _, colours = struct.unpack(">IIBB", data[:10])
            size = 4 if colours == 6 else 3
        packed += data if kind == b"IDAT" else b""
        at += length + 12
    raw, stride = zlib.decompress(packed), width * size
    before, pixels = bytes(stride), list[bytes]()
    for y in range(height):
        start = y * (stride + 1)
        before = _unfiltered(raw[start], raw[start + 1 : start + 1 + stride], before, size)
        pixels += [before[x : x + 3] for x in range(0, stride, size)]
    return width, height, pixels


def _unfiltered(kind: int, line: bytes, above: bytes, size: int) -> bytes:
    found = bytearray(line)
    for x, value in enumerate(line):
        left, corner = (found[x - size], above[x - size]) if x >= size else (0, 0)
        found[x] = (value + _guess(kind, left, above[x], corner)) & 255
    return bytes(found)


def _guess(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:
        near = left + up - corner
        return min((left, up, corner), key=lambda value: abs(near - value))
    return (0, left, up, (left + up) // 2)[kind]


if __name__ == "__main__":
    main(sys.argv[1])
