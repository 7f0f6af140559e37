"""Apache Iceberg's own REST catalog, as its tests start it: JDBC on SQLite, files on this disk.

Needs Java 17 and Maven, which fetches the libraries named in `rest_fixture.pom.xml` once.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from server_process import free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HERE = Path(__file__).parent
BUILT = HERE.parents[1] / "build" / "servers"
POM = HERE / "rest_fixture.pom.xml"
READER = HERE / "ReadTable.java"
JAVA = ("java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
FETCH_S = 600
READ_S = 60


def libraries() -> Path:
    """Return the folder of the libraries, fetched if need be.

    Skips the test, saying why, when Java, Maven or a registry is missing.
    """
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    target = BUILT / f"rest-fixture-{digest}"
    if not target.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILT) as unfinished:
            folder = Path(unfinished) / "lib"
            _fetch(folder)
            try:
                folder.rename(target)
            except OSError:  # another process was faster
                assert target.exists()
    return target


def _fetch(folder: Path) -> None:
    goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
    command = ["mvn", "-q", "-B", "-f", str(POM), goal, f"-DoutputDirectory={folder}"]
    try:
        run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=FETCH_S)
    except subprocess.TimeoutExpired:
        pytest.skip(f"Maven has not fetched the REST fixture within {FETCH_S} s")
    if run.returncode:
        pytest.skip(f"Maven cannot fetch the REST fixture: {(run.stdout + run.stderr)[-500:]}")


@contextmanager
def running(folder: Path, options: Mapping[str, str] = {}) -> Iterator[str]:
    """Start the catalog; yields its URL.

    Args:
        folder: for the catalog's database, the tables' files and the log.
        options: further properties of the catalog, as environment variables `CATALOG_…`.
    """
    port = free_port()
    environment = {
        "CATALOG_URI": f"jdbc:sqlite:{folder}/catalog.db",
        "CATALOG_WAREHOUSE": str(folder / "warehouse"),
        "CATALOG_REST_PORT": str(port),
        **options,
    }
    server = [*JAVA, "-cp", f"{libraries()}/*", "org.apache.iceberg.rest.RESTCatalogServer"]
    with serving(server, port, folder / "server.log", env=environment):
        yield f"http://127.0.0.1:{port}"


def java_rows(url: str, namespace: str, table: str, *where: str) -> list[dict[str, Any]]:
    """Read a table with Iceberg's Java library.

    Args:
        url: of the catalog.
        namespace, table: the table's name.
        where: a column and its value, or nothing.
    """
    command = [*JAVA, "-cp", f"{libraries()}/*", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]
    command += [str(READER), url, namespace, table, *where]
    run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=READ_S)
    return [json.loads(line) for line in run.stdout.splitlines()]
