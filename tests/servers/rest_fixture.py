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
    from collections.abc import Iterator, Mapping
    from pathlib import Path

READER = "ReadTable"
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
    command = [*JAVA, "-cp", class_path(), "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]
    command += [READER, url, namespace, table, *where]
    run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=READ_S)
    return [json.loads(line) for line in run.stdout.splitlines()]
