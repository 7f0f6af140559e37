"""HTTP/1.1 messages in their form on the wire: read whole, passed on unchanged."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Message:
    """One request or answer, as it came."""

    head: bytes
    body: bytes
    first: list[str]  # the words of the first line
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def closes(self) -> bool:
        """Whether the sender closes its connection after it."""
        return self.headers.get("connection", "").lower() == "close" or "HTTP/1.0" in self.first


async def read_head(reader: asyncio.StreamReader) -> Message | None:
    """Read the first line and the headers; None when nothing more comes."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise
        return None
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Message(head, b"", first.split(" "), headers)


def unmounted(head: bytes, mount: str) -> bytes:
    """Return a request's head without the path `mount`, below which clients find the server."""
    if not mount:
        return head
    first, _, rest = head.partition(b"\r\n")
    method, path, version = first.split(b" ")
    inside = path.removeprefix(mount.encode())
    assert inside != path, f"{path!r} does not lie below {mount}"
    return b"%s %s %s\r\nX-Forwarded-Prefix: %s\r\n%s" % (
        method,
        inside,
        version,
        mount.encode(),
        rest,
    )


async def read_body(
    reader: asyncio.StreamReader, head: Message, *, ends_with_connection: bool
) -> bytes:
    """Read a body in its form on the wire, with the lines of chunks."""
    if "chunked" in head.headers.get("transfer-encoding", "").lower():
        return await _chunks(reader)
    if "content-length" in head.headers:
        return await reader.readexactly(int(head.headers["content-length"]))
    return await reader.read(-1) if ends_with_connection else b""


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        parts.append(line)
        if size == 0:
            break
        parts.append(await reader.readexactly(size + 2))
    while parts[-1] != b"\r\n":  # trailers, if any, end with an empty line
        parts.append(await reader.readuntil(b"\r\n"))
    return b"".join(parts)
