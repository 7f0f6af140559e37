"""A warning is logged once for a secret that machines on the way could read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.lake.checking.plans import trials_of
from otlp2parquet_ext.lake.checking.runner import NOTE, tried
from otlp2parquet_ext.lake.checking.target import Subject
from otlp2parquet_ext.lake.destinations.access import Access
from otlp2parquet_ext.lake.destinations.address import parse
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.http.credentials import Credentials
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_files import Files
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_open import open_catalog
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = "such-a-secret"  # noqa: S105 - it is none
SAID = "is sent in the clear: expected https"
TAP = {"BD_TAP_CLIENT_TOKEN": SECRET}
OTLP = {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{SECRET}"}


class Lent:
    """Credentials of a catalog."""

    def current(self, deadline_ms: int) -> Credentials:
        """Return them."""
        assert deadline_ms
        return Credentials("key", SECRET, SECRET)

    def refused(self) -> bool:
        """Return that there are no others."""
        return False


@pytest.mark.parametrize(
    ("destination", "secrets", "lines"),
    [
        ("http://tap.invalid/in", TAP, 1),
        ("otlp+http://collector.invalid", OTLP, 1),
        ("http://tap.invalid/in,otlp+http://collector.invalid", {**TAP, **OTLP}, 2),
        ("http://tap.invalid/in", {}, 0),
        ("https://tap.invalid/in", TAP, 0),
        ("otlp+https://collector.invalid", OTLP, 0),
        ("otlp+http://127.0.0.1:4319", OTLP, 0),
        ("otlp+http://[::1]:4319", OTLP, 0),
    ],
)
def test_a_secret_for_what_telemetry_is_forwarded_to_is_warned_of(
    destination: str, secrets: Mapping[str, str], lines: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """There is one line for each, except on loopback and with TLS."""
    environ = {"OTLP2PARQUET_DESTINATION": destination, **secrets}
    choose(load(environ)[0], environ)
    said = capfd.readouterr().err
    assert said.count(SAID) == lines
    assert SECRET not in said


@pytest.mark.parametrize(
    ("destination", "secrets", "name"),
    [
        ("http://tap.invalid/in", TAP, "BD_TAP_CLIENT_TOKEN"),
        ("otlp+http://collector.invalid", OTLP, "OTEL_EXPORTER_OTLP_HEADERS"),
        (
            "rest+http://catalog.invalid",
            {"OTLP2PARQUET_REST_TOKEN": SECRET},
            "OTLP2PARQUET_REST_TOKEN",
        ),
        (
            "rest+http://catalog.invalid",
            {"OTLP2PARQUET_REST_CREDENTIAL": f"id:{SECRET}"},
            "OTLP2PARQUET_REST_CREDENTIAL",
        ),
    ],
)
def test_a_check_notes_it(destination: str, secrets: Mapping[str, str], name: str) -> None:
    """It works, so the check does not fail for it: it is a note, before anything is sent."""
    environ = {"OTLP2PARQUET_DESTINATION": destination, **secrets}
    subject = Subject(parse(destination), load(environ)[0], environ)
    verdict = next(tried([next(iter(trials_of(subject)))], {}, 1 << 60))
    assert (verdict.step, verdict.state) == ("encryption", NOTE)
    assert f"{name} {SAID}" in verdict.says
    assert SECRET not in verdict.says


def test_an_endpoint_without_tls_that_a_catalog_names_is_warned_of(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The catalog chooses where its credentials go.

    An endpoint in the user's URL has precedence.
    """
    config = {"s3.endpoint": "http://s3.invalid"}
    for _ in range(2):
        access = Access({}, {})
        for _ in range(2):
            access.vended(config, Lent())
        assert capfd.readouterr().err.count(SAID) == 1
    Access({}, {"endpoint": "http://127.0.0.1:9000"}).vended(config, Lent())
    Access({}, {}).vended({"s3.endpoint": "https://s3.invalid"}, Lent())
    assert SAID not in capfd.readouterr().err


def test_catalogs_through_pyiceberg_are_no_exception(capfd: pytest.CaptureFixture[str]) -> None:
    """Their tokens are in properties, those of their tables, too."""
    files = Files({})
    rest = {"type": "rest", "uri": "http://catalog.invalid", "token": SECRET}
    with pytest.raises(CommitError):
        open_catalog("lake", rest, files, {})
    lent = {"s3.endpoint": "http://s3.invalid", "s3.access-key-id": "key"}
    lent |= {"s3.secret-access-key": SECRET, "s3.session-token": SECRET}
    for key in ("one", "two"):
        files.storage("s3://bucket/a", {**lent, "s3.access-key-id": key})
    said = capfd.readouterr().err
    assert said.count(SAID) == 2
    assert SECRET not in said
