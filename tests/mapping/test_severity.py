"""Level words → severity numbers, against OpenTelemetry's own enumeration."""

from __future__ import annotations

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber

from otlp2parquet_ext.records.mapping.severity import NUMBERS, Severity, severity


def test_every_name_of_opentelemetry_has_its_number() -> None:
    """`opentelemetry-proto` is the authority."""
    names = {
        name.removeprefix("SEVERITY_NUMBER_"): number for name, number in SeverityNumber.items()
    }
    assert names.pop("UNSPECIFIED") == 0
    assert len(names) == 24
    assert {name: severity(name).number for name in names} == names


@pytest.mark.parametrize(
    ("level", "name"),
    [
        *[(word, "TRACE") for word in ("ALL", "FINEST", "Trace", "trace", "trce")],
        *[(word, "DEBUG") for word in ("FINER", "VERBOSE", "Debug", "dbug")],
        ("FINE", "DEBUG2"),
        ("CONFIG", "DEBUG3"),
        *[(word, "INFO") for word in ("INFORMATION", "Informational", " info ")],
        ("NOTICE", "INFO2"),
        *[(word, "WARN") for word in ("WARNING", "Warning", "warn")],
        *[(word, "ERROR") for word in ("ERR", "SEVERE", "Error", "fail")],
        ("DPANIC", "ERROR2"),
        *[(word, "ERROR3") for word in ("ALERT", "PANIC")],
        *[(word, "FATAL") for word in ("CRITICAL", "crit", "EMERGENCY", "EMERG", "fatal")],
        *[(word, "UNSPECIFIED") for word in ("NOTSET", "UNDEFINED", "30", "40", "", "chatty")],
    ],
)
def test_spellings_of_runtimes_and_loggers(level: str, name: str) -> None:
    """The text stays as it was written; only the number is ours."""
    number = SeverityNumber.Value(f"SEVERITY_NUMBER_{name}")
    assert severity(level) == Severity(level, number)


def test_no_word_is_listed_in_lower_case() -> None:
    """Matching compares upper case; a lower-case row would never match."""
    assert all(word == word.upper() for word in NUMBERS)
