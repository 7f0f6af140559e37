"""The common type of bytes, memoryviews and Arrow buffers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    BytesLike = bytes | memoryview | pa.Buffer
