"""Settings: a bad value costs one line in the log, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest

from otlp2parquet_ext.common.settings.setting import OneOf, Setting, SomeOf, Switch, WholeNumber
from otlp2parquet_ext.common.settings.settings import Settings, load
from otlp2parquet_ext.common.settings.table import SETTINGS
from otlp2parquet_ext.tools.commands.settings import markdown


def test_an_empty_environment_gives_the_defaults_and_no_problem() -> None:
    """One variable turns the extension on; none is a legal state, too."""
    settings, problems = load({})
    assert problems == []
    assert settings.max_items == 10_000
    assert settings.max_bytes == 262_144
    assert settings.timeout_ms == 1_000
    assert settings.receiver_port == 4_243
    assert settings.destination == ""


def test_every_setting_has_an_attribute_and_the_other_way_round() -> None:
    """`SETTINGS` is what docs are made from, the annotations what mypy checks: they are one."""
    assert [s.attribute for s in SETTINGS] == list(Settings.__annotations__)


def annotated(setting: Setting) -> object:
    """Return the type that `Settings` states for a setting; mypy checks comparisons with it."""
    words = {
        "Literal": Literal,
        "FlushStrategy": Literal["adaptive", "end", "threshold"],
        "TelemetryType": Literal["platform", "function", "extension"],
        "SignalName": Literal["logs", "traces", "metrics"],
    }
    return eval(Settings.__annotations__[setting.attribute], words)  # noqa: S307 - our own text


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.attribute)
def test_the_type_of_an_attribute_lists_exactly_the_words_that_are_valid(setting: Setting) -> None:
    """A word in the table only would never be compared with; one in the type only never comes."""
    type_, kind = annotated(setting), setting.kind
    if isinstance(kind, OneOf):
        assert get_origin(type_) is Literal
        assert set(get_args(type_)) == set(kind.words)
    elif isinstance(kind, SomeOf):
        assert get_origin(type_) is frozenset
        assert set(get_args(get_args(type_)[0])) == set(kind.words)
    else:
        expected = {Switch: bool, WholeNumber: int}.get(type(kind), str)
        assert type_ is expected


def test_a_type_checker_finds_a_misspelt_word() -> None:
    """`make lint` refuses a `type: ignore` that hides nothing, so each of these is an error."""
    settings, _ = load({})
    assert settings.commit != "inobx"  # type: ignore[comparison-overlap]
    assert settings.flush != "treshold"  # type: ignore[comparison-overlap]
    assert not settings.has_signal("trace")  # type: ignore[arg-type]
    assert not settings.subscribes_to("platfrom")  # type: ignore[arg-type]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.attribute)
def test_the_default_of_a_setting_is_valid(setting: Setting) -> None:
    """The default is used without being read as a variable is: nothing else would check it."""
    if setting.default != "":
        assert setting.kind.parse(str(setting.default)) == setting.value
    assert setting.text_of(setting.value) == str(setting.default)


@pytest.mark.parametrize(
    ("name", "text", "attribute", "value"),
    [
        ("OTLP2PARQUET_OTLP", "On", "otlp", True),
        ("OTLP2PARQUET_CREATE_TABLE", "off", "create_table", False),
        ("OTLP2PARQUET_MAINTAIN", "off", "maintain", False),
        ("OTLP2PARQUET_SWEEP", "off", "sweep", False),
        ("OTLP2PARQUET_CHECK", "1", "check", True),
        ("OTLP2PARQUET_SIGNALS", "traces, LOGS", "signals", frozenset({"logs", "traces"})),
    ],
)
def test_a_switch_is_read_as_a_bool_and_a_list_as_a_set(
    name: str, text: str, attribute: str, value: object
) -> None:
    """The text is parsed once, so no code compares it, and no code misspells it."""
    settings, problems = load({name: text})
    assert problems == []
    assert getattr(settings, attribute) == value
    assert isinstance(getattr(settings, attribute), type(value))


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("OTLP2PARQUET_OTLP", "yes", "one of off, on, for example off; using off"),
        ("OTLP2PARQUET_CREATE_TABLE", "1", "one of on, off, for example on; using on"),
        ("OTLP2PARQUET_CHECK", "on", "one of 0, 1, for example 0; using 0"),
        (
            "OTLP2PARQUET_SIGNALS",
            "logs,",
            "a comma list of logs, traces, metrics, for example logs; using logs",
        ),
    ],
)
def test_the_line_for_a_bad_word_shows_words_as_a_variable_has_them(
    name: str, text: str, problem: str
) -> None:
    """The user types `off`, not `False`."""
    assert load({name: text})[1] == [f"{name}={text!r}: expected {problem}"]


def test_seed_names_work_bare_and_with_the_prefix_and_the_prefix_wins() -> None:
    """A function may have a MAX_ITEMS of its own that is not meant for us."""
    assert load({"MAX_ITEMS": "5"})[0].max_items == 5
    both = {"MAX_ITEMS": "5", "OTLP2PARQUET_MAX_ITEMS": "7"}
    assert load(both)[0].max_items == 7


def test_a_setting_of_ours_is_not_read_without_its_prefix() -> None:
    """FLUSH is a likely name for a variable of the function's own."""
    assert load({"FLUSH": "end"})[0].flush == "adaptive"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_BYTES", "256K"),
        ("MAX_BYTES", "65535"),
        ("MAX_BYTES", "104857601"),
        ("MAX_ITEMS", "0"),
        ("MAX_ITEMS", "-1"),
        ("MAX_ITEMS", "1e4"),
        ("MAX_ITEMS", "٣٣"),
        ("TIMEOUT_MS", "9" * 400),
        ("RECEIVER_PORT", "65536"),
        ("OTLP2PARQUET_FLUSH", "sometimes"),
        ("OTLP2PARQUET_TELEMETRY_TYPES", "platform,all"),
        ("EXTENSION_FAIL", "ajar"),
        ("AWS_LAMBDA_RUNTIME_TELEMETRY_SCHEMA_VERSION", "2021-01-01"),
    ],
)
def test_a_bad_value_is_one_line_with_name_value_range_and_what_is_used(
    name: str, value: str
) -> None:
    """The user sees what to type instead; the function runs on with the default."""
    settings, problems = load({name: value})
    assert len(problems) == 1
    default = next(s for s in SETTINGS if name in s.spellings())
    assert problems[0].startswith(f"{name}={value!r}: expected ")
    assert problems[0].endswith(f"; using {default.default}")
    assert getattr(settings, default.attribute) == default.value


def test_the_line_for_a_bad_number_reads_as_a_sentence() -> None:
    """Spelled out once, so that a change of wording is a decision."""
    assert load({"MAX_BYTES": "256K"})[1] == [
        (
            "MAX_BYTES='256K': expected a whole number of bytes from 65536 to 104857600, "
            "for example 262144; using 262144"
        )
    ]


@pytest.mark.parametrize(
    ("memory_mb", "most"),
    [("128", 4_194_304), ("512", 16_777_216), ("2048", 67_108_864), ("", 67_108_864), ("0", 2**26)],
)
def test_the_longest_otlp_request_follows_from_the_memory_of_the_function(
    memory_mb: str, most: int
) -> None:
    """A request of 64 MiB is several hundred MB of memory: at 128 MB it killed the process."""
    environ = {"OTLP2PARQUET_OTLP_MAX_BYTES": "67108864"}
    settings, problems = load({**environ, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory_mb})
    assert settings.otlp_max_bytes == most
    said = (
        f"OTLP2PARQUET_OTLP_MAX_BYTES='67108864': a function of {memory_mb} MB has the memory "
        f"for OTLP2PARQUET_OTLP_MAX_BYTES up to {most}; using {most}"
    )
    assert problems == ([said] if most < 67_108_864 else [])


def test_the_longest_batch_follows_from_the_memory_of_the_function() -> None:
    """A batch is read whole: 100 MB would end the process of a function of 128 MB."""
    environ = {"MAX_BYTES": "104857600", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"}
    assert load(environ)[0].max_bytes == 4_194_304


def test_the_memory_of_a_function_never_takes_away_from_the_default() -> None:
    """A default works in every function; a value below it always does."""
    environ = {"OTLP2PARQUET_MAX_PAYLOAD_BYTES": "6000000"}
    settings, _ = load({**environ, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"})
    assert settings.max_payload_bytes == 6_000_000
    assert load({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"})[1] == []


def test_an_empty_variable_counts_as_absent() -> None:
    """Templates often set a variable to nothing to mean the default."""
    settings, problems = load({"MAX_ITEMS": " "})
    assert (settings.max_items, problems) == (10_000, [])


def test_words_are_read_in_any_case_and_lists_with_spaces() -> None:
    """A word that a person types is unambiguous in any case."""
    environ = {"OTLP2PARQUET_FLUSH": "END", "OTLP2PARQUET_TELEMETRY_TYPES": "Platform, extension"}
    settings, problems = load(environ)
    assert problems == []
    assert settings.flush == "end"
    assert settings.telemetry_types == {"platform", "extension"}


def test_a_misspelled_setting_is_reported_rather_than_ignored() -> None:
    """A setting without effect is the worst kind of setting."""
    assert load({"OTLP2PARQUET_DESTNATION": "x"})[1] == [
        "OTLP2PARQUET_DESTNATION: there is no such setting; it has no effect"
    ]


def test_the_configuration_page_says_what_the_settings_say() -> None:
    """It is generated; `make docs` brings it up to date."""
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    assert page.read_text() == markdown() + "\n"
