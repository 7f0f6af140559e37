"""`otlp2parquet-ext cost`: what it prints, what it refuses, what its page shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shown import printed, shown

from otlp2parquet_ext.tools.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "cost.md"
RATE = ("cost", "--per-second", "20")


@pytest.mark.parametrize("example", shown(PAGE.read_text()), ids=lambda s: s.command)
def test_the_page_shows_what_is_printed(example: tuple[str, str]) -> None:
    """`make docs` writes it again."""
    command, output = example
    assert printed(command) == output


def test_the_page_shows_commands() -> None:
    """Otherwise the test above would pass on an empty page."""
    assert len(shown(PAGE.read_text())) >= 3


def test_values_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """The same numbers as in the text, with the price, unit, page and month of each line."""
    assert main([*RATE, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["lake_usd"] == pytest.approx(sum(line["usd"] for line in found["lake"]))
    for line in found["lake"] + found["cloudwatch"]:
        assert line["unit"]
        assert line["page"].startswith("https://")
        assert line["valid"]
        assert line["tiers"][-1]["usd"] > 0
    assert found["per_day"]["requests"]["put"] > 0


def test_a_month_is_as_good_as_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    """2 628 000 seconds, a twelfth of a year."""
    assert main(["cost", "--per-month", "5256000", "--environments", "1", "--json"]) == 0
    by_month = json.loads(capsys.readouterr().out)
    assert main(["cost", "--per-second", "2", "--environments", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == by_month


@pytest.mark.parametrize("name", ["prices.json", "prices.toml"])
def test_prices_of_a_file(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is the source of its prices, and names its region."""
    text = {
        "prices.json": '{"region": "eu-west-1", "s3_put": 0.0054}',
        "prices.toml": 'region = "eu-west-1"\ns3_put = 0.0054\n',
    }[name]
    file = tmp_path / name
    file.write_text(text)
    assert main([*RATE, "--prices", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (put,) = (line for line in found["lake"] if line["name"] == "s3_put")
    assert put["tiers"] == [{"usd": 0.0054}]
    assert put["page"] == str(file)
    assert found["region"] == "eu-west-1"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--per-second", "0"], "--per-second: '0': expected a number, more than 0"),
        (["--per-second", "nan"], "--per-second: 'nan': expected a number, more than 0"),
        (["--per-second", "inf"], "--per-second: 'inf'"),
        (["--per-month", "many"], "--per-month: 'many'"),
        ([*RATE[1:], "--bytes", "-1"], "--bytes: '-1'"),
        ([*RATE[1:], "--hold-ms", "-1"], "--hold-ms: '-1': expected a number, at least 0"),
        ([*RATE[1:], "--environments", "0.1"], "environments=0.1: "),
        ([*RATE[1:], "--env", "MAX_BYTES"], "--env 'MAX_BYTES': expected NAME=VALUE"),
        ([*RATE[1:], "--env", "MAX_BYTES=1"], "MAX_BYTES='1': expected a whole number of bytes"),
        ([*RATE[1:], "--env", "OTLP2PARQUET_X=1"], "OTLP2PARQUET_X: there is no such setting"),
        (
            [*RATE[1:], "--destination", "ftp://x"],
            "'ftp://x': there is no scheme 'ftp'",
        ),
        ([*RATE[1:], "--prices", "/nowhere.json"], "'/nowhere.json': No such file"),
        ([*RATE[1:], "--prices", __file__], "neither JSON nor TOML"),
        ([], "one of the arguments --per-second --per-month is required"),
    ],
)
def test_what_makes_no_sense_is_named(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The option, its value, what is valid; status 2."""
    try:
        status = main(["cost", *arguments])
    except SystemExit as exit_:
        status = int(str(exit_.code))
    assert status == 2
    assert says in capsys.readouterr().err


def test_bad_prices_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error also names their file."""
    file = tmp_path / "prices.json"
    for text, says in (('{"s3_put": "x"}', "s3_put='x'"), ("[1]", "expected an object")):
        file.write_text(text)
        assert main([*RATE, "--prices", str(file)]) == 2
        assert says in capsys.readouterr().err
        assert main([*RATE, "--prices", str(tmp_path)]) == 2
