"""Secrets are found in every form in which they are quoted, and foreign texts are cut last."""

from __future__ import annotations

import base64
import html
import json
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as percent
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.common import log
from otlp2parquet_ext.common.secrets.masking import Masker
from otlp2parquet_ext.common.secrets.url_options import secrets_of
from otlp2parquet_ext.common.secrets.urls import shown, shown_in
from otlp2parquet_ext.flush.losses import Losses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = "q7/Zr+93 kE=sT\"u8\\vB%w4'xNé&yL2mP0aD6hG1jK"  # noqa: S105 - an example
PLAIN = "q7aZrb93ckEdsTeu8fvBgw4hxNiyL2mP0aD6hG1jKzW"
PIECE = 8
"""Characters of a secret that no output may have in a row, in any form."""


@pytest.fixture(autouse=True)
def nothing_hidden() -> Iterator[None]:
    """Keep a test's secrets in that test only."""
    kept: list[list[Any]] = [log._pending, log._secrets, log._fetched, log._maskers]
    before = [list(one) for one in kept]
    for one in kept:
        one.clear()
    yield
    for one, was in zip(kept, before, strict=True):
        one[:] = was


def lower(text: str) -> str:
    """Write the digits of percent-encoding in lower case."""
    parts = percent(text, safe="").split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


def based(text: str, shift: int) -> str:
    """Encode a text that follows so many other bytes."""
    return base64.b64encode(b"u:x"[:shift] + text.encode() + b":z").decode()


def for_urls(text: str, shift: int) -> str:
    """Encode it in the other alphabet."""
    return based(text, shift).replace("+", "-").replace("/", "_").rstrip("=")


def based_percent(text: str, shift: int) -> str:
    """Encode it as a form would."""
    return percent(based(text, shift), safe="")


def percent_based(text: str, shift: int) -> str:
    """Encode it as a client's credentials are."""
    return based(percent(text, safe=""), shift)


def cut(text: str, width: int) -> list[str]:
    """Cut a text into lines."""
    return [text[at : at + width] for at in range(0, len(text), width)]


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": lambda t: percent(t, safe=""),
    "percent, lower case": lower,
    "percent, every character": lambda t: "".join(f"%{b:02X}" for b in t.encode()),
    "form": quote_plus,
    "percent, twice": lambda t: percent(percent(t, safe=""), safe=""),
    "JSON": lambda t: json.dumps(t)[1:-1],
    "JSON, not only ASCII": lambda t: json.dumps(t, ensure_ascii=False)[1:-1],
    "JSON, slashes escaped": lambda t: json.dumps(t)[1:-1].replace("/", "\\/"),
    "JSON, every character": lambda t: "".join(f"\\u{ord(c):04X}" for c in t),
    "JSON, twice": lambda t: json.dumps(json.dumps(t)),
    "JSON, percent-encoded": lambda t: percent(json.dumps(t)),
    "Python": repr,
    "HTML": html.escape,
    "HTML, by number": lambda t: "".join(f"&#{ord(c)};" for c in t),
    "HTML, hexadecimal": lambda t: "".join(f"&#x{ord(c):x};" for c in t),
    **{f"base64, {shift} before": partial(based, shift=shift) for shift in range(3)},
    **{f"base64 for URLs, {shift} before": partial(for_urls, shift=shift) for shift in range(3)},
    **{f"base64, {s} before, percent": partial(based_percent, shift=s) for s in range(3)},
    **{f"base64 of percent, {s} before": partial(percent_based, shift=s) for s in range(3)},
    "base64, twice": lambda t: based(based(t, 0), 0),
    "base64, twice, 1 before": lambda t: based(based(t, 1), 0),
    "base64, over lines": lambda t: "\n ".join(cut(based(t, 1), 16)),
    "base64, over lines of JSON": lambda t: json.dumps(base64.encodebytes(t.encode()).decode()),
    "hexadecimal": lambda t: t.encode().hex(),
    "folded": lambda t: "\r\n\t".join(cut(t, 7)),
    "over lines of JSON": lambda t: json.dumps("\n".join(cut(t, 7))),
    "with zero-width spaces": "\u200b".join,
}


def pieces(text: str) -> set[str]:
    """Return what no output may have of a form."""
    return {text[at : at + PIECE] for at in range(len(text) - PIECE + 1)}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("secret", [TOKEN, PLAIN], ids=["with signs", "letters and digits"])
def test_a_secret_is_masked_in_every_form(secret: str, form: Callable[[str], str]) -> None:
    """Servers quote headers and bodies as they came, or as they store them."""
    masked = Masker([secret]).mask(f"the token {form(secret)} is not known")
    assert masked.startswith("the token ")
    assert masked.endswith(" is not known")
    left = masked.removeprefix("the token ").removesuffix(" is not known")
    assert not pieces(form(secret)) & pieces(left)
    assert "***" in left


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("secret", [TOKEN, PLAIN], ids=["with signs", "letters and digits"])
def test_a_cut_leaves_no_part_of_a_secret(secret: str, form: Callable[[str], str]) -> None:
    """A text is masked first, and cut then; a fifth of a token helps to guess the rest."""
    log.hide([secret])
    for before in range(260, 300):
        quoted = log.quote("x" * before + " " + form(secret) + " is not known", 300)
        assert len(quoted) <= 300
        assert not pieces(form(secret)) & pieces(quoted)


@pytest.mark.parametrize("size", range(4, len(PLAIN)))
def test_a_part_at_the_edge_of_a_text_that_was_cut_before_is_hidden(size: int) -> None:
    """A server cuts, too, and a body is read up to a limit."""
    log.hide([PLAIN])
    assert log.quote(f"unknown token {PLAIN[:size]}") == "unknown token ***"
    assert log.quote(f"{PLAIN[-size:]} is unknown") == "*** is unknown"


def test_a_part_in_the_middle_is_hidden() -> None:
    """Some servers quote the first half of what they do not accept."""
    log.hide([PLAIN])
    assert log.quote(f"token {PLAIN[:20]}… is unknown") == "token ***… is unknown"


def test_words_that_only_resemble_a_secret_stay() -> None:
    """A message without its words is useless."""
    text = "the token of the client is not accepted: set OTLP2PARQUET_REST_TOKEN; 100% sure & done"
    assert Masker([TOKEN, PLAIN]).mask(text, edges=True) == text


@given(
    st.text(st.characters(codec="utf-8"), min_size=8, max_size=60),
    st.lists(st.sampled_from(sorted(FORMS)), min_size=1, max_size=1),
)
def test_any_secret_is_masked(secret: str, names: list[str]) -> None:
    """It may have any characters; one of few letters and digits is masked in its plain form."""
    if sum(map(str.isalnum, secret)) < 12 or not secret.isascii():
        text = f"token [{secret}] end"
        assert secret not in Masker([secret]).mask(text)
        return
    form = FORMS[names[0]](secret)
    masked = Masker([secret]).mask(f"token [{form}] end")
    assert "***" in masked


def test_a_quoted_text_is_one_printable_line() -> None:
    """Terminals and logs get no sequences, direction marks, tags or line ends."""
    hostile = "a\x1b[31mb\u202ec\u2066d\U000e0041e\u2028f\r\ng\x9b1mh\u200bi"
    quoted = log.quote(hostile)
    assert quoted.isprintable()
    assert "\x1b" not in quoted


def test_the_secrets_fetched_last_are_hidden_and_the_rest_is_bounded() -> None:
    """A token that is renewed each hour for months does not fill the memory."""
    for number in range(100):
        log.hide_fetched(f"fetched-token-{number:03}-abcdef")
    assert log.quote("fetched-token-099-abcdef") == "***"
    assert len(log._fetched) == log.MOST_FETCHED


def test_an_environment_without_a_message_computes_no_form() -> None:
    """Start-up does not pay for what only an error needs."""
    program = (
        "import sys; before = set(sys.modules); from otlp2parquet_ext.common import log as say;"
        "from otlp2parquet_ext.common.settings import settings;"
        "new = lambda: set(sys.modules) - before;"
        "say.hide(settings.secrets_in({'OTLP2PARQUET_REST_TOKEN': 'x' * 40}));"
        "assert 'otlp2parquet_ext.common.secrets.masking' not in sys.modules;"
        "assert 'otlp2parquet_ext.common.secrets.urls' not in sys.modules;"
        "assert say._secrets == [];"
        "assert say.quote('a ' + 'x' * 40) == 'a ***';"
        "say.hide(settings.secrets_in({'A': 'https://u:password@h/?sig=hush-hush'}));"
        "say.line('info', 'a message without a URL, hush-hush');"
        "assert not {'re', 'json', 'html', 'urllib'} & new();"
        "assert 'otlp2parquet_ext.common.secrets.urls' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("url", "quoted"),
    [
        ("https://hooks.example/services/T0/B0/hush", "https://hooks.example"),
        ("https://u:hush@h.example/x", "https://h.example"),
        ("https://u:hu/sh@h.example/x", "https://***"),
        ("https://u:hu?sh@h.example/x", "https://***"),
        ("https://u:hu#sh@h.example/x", "https://***"),
        ("https://u:hu@sh@h.example/x", "https://h.example"),
        ("https://f.example/api?code=hush", "https://f.example"),
        ("https://b.s3.amazonaws.com/k?X-Amz-Signature=hush", "https://b.s3.amazonaws.com"),
        ("otlp+https://c.example:4318/hush", "otlp+https://c.example:4318"),
        ("htps://hooks.example/hush", "htps://hooks.example"),
        ("rest+https://c.example/v1?warehouse=w&sig=hush", "rest+https://c.example"),
        ("rest+https://c.example/v1?warehouse=w&hush", "rest+https://c.example"),
        ("s3://b/p?endpoint=https://e.example/x?sig=hush", "s3://b/p?endpoint=https://e.example"),
        ("rest+https://c.example/v1?warehouse=w", "rest+https://c.example/v1?warehouse=w"),
        ("s3://bucket/prefix?region=eu-west-1", "s3://bucket/prefix?region=eu-west-1"),
        ("https://[::1]:8443/hush", "https://[::1]:8443"),
        ("https:hush@h", "***"),
    ],
)
def test_of_a_url_only_what_is_known_to_be_harmless_is_shown(url: str, quoted: str) -> None:
    """A list of names that sound like secrets never has them all."""
    assert shown(url) == quoted


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("GET https://h.example/k?sig=hush: 403", "GET https://h.example: 403"),
        (r'{"url":"https:\/\/h.example\/k?sig=hush"}', '{"url":"https://h.example"}'),
        ("for url: /hook?code=hush&region=r", "for url: /hook?code=***&region=r"),
        ("see (https://u:hush@h.example/).", "see (https://h.example)."),
        ("what? a=b & c=d", "what? a=b & c=d"),
    ],
)
def test_urls_in_a_foreign_text_are_shown_without_their_secrets(text: str, quoted: str) -> None:
    """A library names the address that it could not reach."""
    assert shown_in(text, web_paths=False) == quoted


def test_what_a_url_holds_is_hidden_elsewhere_too() -> None:
    """A server may quote the requested path."""
    found = secrets_of(
        "s3://bucket/p, https://h.example/services/T00000000/XXXXXXXXXXXXXXXX?sig=hush&region=r#x",
        paths=True,
    )
    assert set(found) == {"T00000000", "XXXXXXXXXXXXXXXX", "hush", "x"}


def test_a_row_of_losses_has_no_secret() -> None:
    """A reason quotes a server; its row, and the spool, are read by many."""
    log.hide([TOKEN])
    losses = Losses()
    losses.add(f"HTTP 400: {percent(TOKEN)} at https://h.example/x?sig=hush", 1, 2)
    report = losses.report("2026-01-01T00:00:00.000Z")
    assert b"HTTP 400: *** at https://h.example" in report
    assert b"hush" not in report


def test_what_ends_a_thread_is_said_without_secrets(capfd: pytest.CaptureFixture[str]) -> None:
    """Python's own traceback would quote an address, password and all."""
    program = (
        "import threading; from otlp2parquet_ext.common import library_logs, log as say;"
        f"say.hide([{PLAIN!r}]); library_logs.forward_library_logs();"
        f"thread = threading.Thread(target=lambda: int('https://u:{PLAIN}@host/x'));"
        "thread.start(); thread.join()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    (line,) = capfd.readouterr().err.splitlines()
    assert "a thread broke: ValueError" in line
    assert PLAIN not in line
    assert "Traceback" not in line


def test_a_bug_in_a_command_is_shown_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback ends with what a library was given."""
    from otlp2parquet_ext.tools import cli  # noqa: PLC0415 - nothing else here needs it
    from otlp2parquet_ext.tools.commands import settings  # noqa: PLC0415

    def broken(_: object) -> int:
        raise RuntimeError(f"cannot reach https://u:{PLAIN}@host/x?sig={PLAIN} \x1b[31m")

    monkeypatch.setenv("OTLP2PARQUET_REST_TOKEN", PLAIN)
    monkeypatch.setattr(settings, "run", broken)
    assert cli.main(["settings"]) == cli.BUG
    said = capsys.readouterr().err
    assert "RuntimeError: cannot reach https://host" in said
    assert PLAIN not in said
    assert "\x1b" not in said
