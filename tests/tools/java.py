"""Iceberg's REST catalog and programs for its library: libraries from Maven, compiled programs."""

from __future__ import annotations

from built_tools import JAVA, SERVERS, TOOLS

from tools.running import replacing, run

COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def catalog() -> None:
    """Fetch the libraries that the POM names, and compile our programs against them."""
    with replacing(TOOLS["rest"].path) as folder:
        pom = SERVERS / "rest_fixture.pom.xml"
        run("mvn", "-q", "-B", "-f", pom, COPY, f"-DoutputDirectory={folder}/lib")
        run("javac", "-cp", f"{folder}/lib/*", "-d", folder / "classes", *JAVA)
