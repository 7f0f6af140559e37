"""Which tests run on the interpreter of the layer, too.

CI runs them there only (`make test ON=layer` leaves them out, `make test-layer` has them); a
checkout without a layer runs them on its own interpreter.
"""

from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[1]
FOLDERS: Final = ("common", "core", "extension", "flush", "mapping", "spool", "tables", "telemetry")
NOT_THERE: Final = (
    "hypothesis",
    "opentelemetry",
    "import duckdb",
    "_any_bytes",
    "otlp2parquet_ext.tools",
    "import hot_loop",
)
"""Modules that some test files need and the layer lacks: native libraries, rooms outside it."""

SERVERS: Final = tuple(f"from {file.stem} import" for file in (TESTS / "servers").glob("*.py"))
"""Imports of modules that share servers; these are not on the layer's path."""


def portable_files() -> list[Path]:
    """Return the files of tests that need nothing the layer leaves out."""
    files = [file for name in FOLDERS for file in sorted((TESTS / name).glob("test_*.py"))]
    found = [
        file
        for file in files
        if not any(word in file.read_text() for word in (*NOT_THERE, *SERVERS))
    ]
    assert len(found) >= 2 * len(files) // 5
    return found
