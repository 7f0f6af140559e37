"""Apache Iceberg's own REST catalog, as its tests start it: JDBC on SQLite, files on this disk.

Needs Java 17. `make test-tools TOOLS=rest` has Maven fetch what `rest_fixture.pom.xml` names.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from built_tools import needed
from server_process import serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

READER, DELETER = "ReadTable", "DeleteRows"
JAVA = ("java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
READ_S = 60


def class_path() -> str:
    """Return where Java finds the catalog and the reader; skip the test where they are not."""
    folder = needed("rest")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed: apt-get install openjdk-17-jre-headless")
    return f"{folder}/classes:{folder}/lib/*"


@contextmanager
def running(folder: Path, options: Mapping[str, str] = {}) -> Iterator[str]:
    """Start the catalog; yields its URL.

    Args:
        folder: for the catalog's database, the tables' files and the log.
        options: further properties of the catalog, as environment variables `CATALOG_…`.
    """
    environment = {
        "CATALOG_URI": f"jdbc:sqlite:{folder}/catalog.db",
        "CATALOG_WAREHOUSE": str(folder / "warehouse"),
        **options,
    }
    server = [*JAVA, "-cp", class_path(), "org.apache.iceberg.rest.RESTCatalogServer"]
    with serving(
        lambda port: ["env", f"CATALOG_REST_PORT={port}", *server],
        folder / "server.log",
        env=environment,
    ) as port:
        yield f"http://127.0.0.1:{port}"


def java_rows(url: str, namespace: str, table: str, *where: str) -> list[dict[str, Any]]:
    """Read a table with Iceberg's Java library.

    Args:
        url: of the catalog.
        namespace, table: the table's name.
        where: a column and its value, or nothing.
    """
    return [json.loads(line) for line in _run(READER, url, namespace, table, *where)]


def java_deletes(
    url: str, namespace: str, table: str, filters: Sequence[tuple[str, str, float]]
) -> list[int]:
    """Return how many rows a delete of Iceberg's Java library would take; 0 where it refuses.

    Args:
        url: of the catalog.
        namespace, table: the table's name; it is not changed.
        filters: column, operator and number of each delete.
    """
    asked = "".join(f"{column}\t{sign}\t{number}\n" for column, sign, number in filters)
    return [int(line) for line in _run(DELETER, url, namespace, table, given=asked)]


def _run(program: str, *arguments: str, given: str = "") -> list[str]:
    command = [*JAVA, "-cp", class_path(), "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]
    command += [program, *arguments]
    run = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=READ_S, input=given
    )
    return run.stdout.splitlines()
