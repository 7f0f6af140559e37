"""`check` of servers that telemetry is forwarded to: what they answer, and what that means."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from certificates import made
from reserved_port import ReservedPort
from scripted_http import answer, answering
from scripted_http import running as scripted
from telemetry_sinks import TOKEN, Collector, Reply, Tap, running

from otlp2parquet_ext.lake.checking.data_tap import LINE_TYPE, token_expiry
from otlp2parquet_ext.lake.checking.jwt import expires_s, span
from otlp2parquet_ext.lake.checking.remedies import CheckError
from otlp2parquet_ext.lake.checking.run import Wish, verdicts
from otlp2parquet_ext.lake.checking.runner import FAILED, NOTE, OK, SKIPPED, TrialVerdict
from otlp2parquet_ext.tools.cli import main

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from scripted_http import Server

KNOWN = {"BD_TAP_CLIENT_TOKEN": TOKEN}
NOW_S = 1_790_000_000


def jwt(claims: object) -> str:
    """Return a token with these claims and no valid signature."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{payload}.c2lnbmF0dXJl"


def check(
    url: str,
    more: Mapping[str, str] = MappingProxyType({}),
    *,
    limit_ms: int = 5_000,
    send: bool = False,
) -> list[TrialVerdict]:
    """Check a destination; `more` are other variables."""
    environ = {"OTLP2PARQUET_DESTINATION": url, **more}
    return list(verdicts(environ, Wish(send=send, limit_ms=limit_ms)))


def one(found: list[TrialVerdict], step: str) -> TrialVerdict:
    """Return the verdict of a step."""
    (verdict,) = (v for v in found if v.step == step)
    return verdict


@pytest.fixture
def collector() -> Iterator[Collector]:
    """An OTLP receiver."""
    with running(Collector()) as sink:
        assert isinstance(sink, Collector)
        yield sink


@pytest.fixture
def tap() -> Iterator[Tap]:
    """A Data Tap."""
    with running(Tap()) as sink:
        assert isinstance(sink, Tap)
        yield sink


def test_a_collector_is_sent_what_carries_no_records(collector: Collector) -> None:
    """It tests address, path, headers and compression, and stores nothing."""
    more = {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=a-long-key", "OTLP2PARQUET_SIGNALS": "traces"}
    found = check(f"otlp+{collector.url}", more)
    assert [(v.step, v.state) for v in found] == [("takes logs", OK), ("takes traces", OK)]
    assert [r.path for r in collector.taken] == ["/v1/logs", "/v1/traces"]
    assert collector.log_records == []
    assert {r.headers["api-key"] for r in collector.taken} == {"a-long-key"}
    assert {r.headers["content-encoding"] for r in collector.taken} == {"gzip"}


def test_what_only_the_functions_sdk_may_send_is_no_failure(collector: Collector) -> None:
    """A store of logs takes no metrics, and the SDK may send none."""
    collector.replies = [Reply(200), Reply(404), Reply(404)]
    found = check(f"otlp+{collector.url}", {"OTLP2PARQUET_OTLP": "on"})
    assert [v.state for v in found] == [OK, NOTE, NOTE]
    assert "what the function's SDK exports of them is dropped" in found[1].says


@pytest.mark.parametrize(
    ("reply", "more", "advice"),
    [
        (Reply(401, b"who?"), {}, "set OTEL_EXPORTER_OTLP_HEADERS, for example"),
        (
            Reply(403),
            {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=a-long-key"},
            "does not accept what is in OTEL_EXPORTER_OTLP_HEADERS (api-key)",
        ),
        (Reply(404), {}, "nothing takes telemetry at this path"),
        (Reply(413), {}, "even a few bytes"),
        (Reply(415), {"OTLP2PARQUET_OTLP_COMPRESSION": "none"}, "another content type"),
        (Reply(429), {}, "raise its quota"),
        (Reply(500), {}, "own log"),
        (Reply(503), {}, "what stands before the server"),
        (
            Reply(301, headers={"Location": "https://u:hush@else.example/?token=hush"}),
            {},
            "redirects to 'https://else.example'",
        ),
        (Reply(200, b"<html>", {"Content-Type": "text/html"}), {}, "that is no collector"),
        (
            Reply(400, b"Client sent an HTTP request to an HTTPS server."),
            {"OTLP2PARQUET_OTLP_COMPRESSION": "none"},
            "write otlp+https://",
        ),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Reply) else "",
)
def test_each_refusal_of_a_collector_has_a_remedy(
    collector: Collector, reply: Reply, more: dict[str, str], advice: str
) -> None:
    """The variable, the path, the port: what a status means here."""
    collector.replies = [reply]
    (found,) = check(f"otlp+{collector.url}", more)
    assert found.state == FAILED
    assert advice in found.remedy


def test_a_collector_that_does_not_inflate_is_told_from_one_that_refuses() -> None:
    """The same request is tried without compression."""

    class Plain(Collector):
        """Refuses what is compressed."""

        def answer(self, request: object) -> Reply:
            """See `Sink.answer`."""
            self.requests.append(request)  # type: ignore[arg-type]
            return Reply(415 if "content-encoding" in self.requests[-1].headers else 200)

    with running(Plain()) as sink:
        (found,) = check(f"otlp+{sink.url}")
    assert "takes no gzip" in found.says
    assert "OTEL_EXPORTER_OTLP_COMPRESSION=none" in found.remedy


def test_a_server_that_wants_records_is_no_failure(collector: Collector) -> None:
    """Some servers refuse a request without records, and may accept one with records."""
    collector.replies = [Reply(400, b"nothing in it"), Reply(400, b"nothing in it")]
    (found,) = check(f"otlp+{collector.url}")
    assert found.state == NOTE
    assert "nothing in it" in found.says


def test_a_collector_that_hangs_costs_one_requests_time(collector: Collector) -> None:
    """The other signals are not tried."""
    collector.may_answer.clear()
    found = check(f"otlp+{collector.url}", {"OTLP2PARQUET_OTLP": "on"}, limit_ms=300)
    assert [v.state for v in found] == [FAILED, SKIPPED, SKIPPED]
    assert "the answer is not" in found[0].remedy
    assert len(collector.requests) == 1


def test_where_nobody_listens_the_port_is_doubted() -> None:
    """4317 is gRPC's."""
    port = ReservedPort()
    (found,) = check(f"otlp+http://127.0.0.1:{port}")
    assert "or look at the port (collectors take OTLP/HTTP at 4318" in found.remedy


def test_a_name_nobody_knows_is_told_from_silence() -> None:
    """A mistyped host."""
    (found,) = check("otlp+https://collector.invalid")
    assert found.state == FAILED
    assert "spelling" in found.remedy or "NAT gateway" in found.remedy  # no resolver, no answer


def test_what_speaks_no_http_or_no_tls_is_named() -> None:
    """The port of another protocol."""

    def play(server: Server, connection: socket.socket) -> None:
        del server
        connection.recv(65_536)
        connection.sendall(b"\x00\x00\x12\x04\r\n a frame of HTTP/2\r\n\r\n")

    with scripted(play) as server:
        (found,) = check(f"otlp+{server.url}")
        assert "speaks no HTTP/1.1" in found.remedy
        (found,) = check(f"otlp+{server.url.replace('http:', 'https:')}")
        assert "speaks no TLS" in found.remedy


@pytest.mark.parametrize(
    ("name", "days", "ours", "advice"),
    [
        ("127.0.0.1", 1, False, "AWS_CA_BUNDLE or SSL_CERT_FILE"),
        ("somebody.else", 1, True, "as the server's certificate has it"),
        ("127.0.0.1", -1, True, "another certificate"),
        ("127.0.0.1", 1, True, ""),
    ],
)
def test_a_certificate_that_is_not_trusted_is_told_by_its_fault(
    *, tmp_path: Path, name: str, days: int, ours: bool, advice: str
) -> None:
    """An authority of one's own, another name, a date."""
    identity = made(tmp_path, name, days=days)
    more = {"SSL_CERT_FILE": str(identity.certificate)} if ours else {}
    with scripted(answering([answer()]), tls=identity.server()) as server:
        (found,) = check(f"otlp+{server.url}", more)
    assert found.state == (FAILED if advice else OK)
    assert advice in found.remedy


def test_a_data_tap_is_asked_whether_it_is_there_and_sent_nothing(tap: Tap) -> None:
    """A Data Tap stores everything that is posted."""
    found = check(tap.url, KNOWN)
    assert [(v.step, v.state) for v in found] == [("token", OK), ("server", OK)]
    assert "check --send finds out" in found[1].says
    assert tap.requests == []


def test_a_data_tap_is_sent_one_marked_line_when_asked_to(
    tap: Tap, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only so it shows whether the token is taken."""
    monkeypatch.setenv("BD_TAP_CLIENT_TOKEN", TOKEN)
    assert main(["check", tap.url, "--send"]) == 0
    assert [line["type"] for line in tap.lines] == [LINE_TYPE]
    assert TOKEN not in capsys.readouterr().out
    monkeypatch.setenv("BD_TAP_CLIENT_TOKEN", jwt({"exp": int(time.time()) + 9_000}))
    assert main(["check", tap.url, "--send"]) == 1
    said = capsys.readouterr().out
    assert "answers HTTP 403" in said
    assert "get another and set BD_TAP_CLIENT_TOKEN" in said
    assert "holds until" in said


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (403, "set BD_TAP_CLIENT_TOKEN"),
        (404, "look at the path"),
        (429, "a Data Tap's concurrency"),
        (502, "kept, and sent again"),
        (302, "it redirects"),
    ],
)
def test_a_get_that_is_refused_tells_what_a_line_would_meet(status: int, advice: str) -> None:
    """405 and the like show only that it does not take GET."""
    with scripted(answering([answer(status=status)])) as server:
        found = one(check(server.url), "server")
    assert found.state == FAILED
    assert advice in found.remedy


@pytest.mark.parametrize("status", [405, 400, 200])
def test_a_data_tap_that_answers_is_there(status: int) -> None:
    """A Data Tap answers 405."""
    with scripted(answering([answer(status=status)])) as server:
        assert one(check(server.url), "server").state == OK


def test_a_refusal_of_the_line_names_what_to_change(tap: Tap) -> None:
    """A Data Tap inflates nothing."""
    tap.refuses = lambda _: Reply(400, b"bad magic")
    more = {**KNOWN, "OTLP2PARQUET_TAP_COMPRESSION": "gzip"}
    assert "OTLP2PARQUET_TAP_COMPRESSION" in one(check(tap.url, more, send=True), "line").remedy
    tap.refuses = lambda _: Reply(413)
    found = one(check(tap.url, KNOWN, send=True), "line")
    assert "raise the limit" in found.remedy


def test_a_token_says_itself_when_it_expires() -> None:
    """A Data Tap's lives a day at most: sooner or later this is why nothing arrives."""
    says = token_expiry(jwt({"exp": NOW_S + 5 * 3_600 + 7}), NOW_S)
    assert says.startswith("BD_TAP_CLIENT_TOKEN holds until 2026-09-21 19:13 UTC, for 5 hours")
    with pytest.raises(CheckError, match="expired on 2026-09-20 14:13 UTC, 1 day ago") as error:
        token_expiry(jwt({"exp": NOW_S - 86_400.5}), NOW_S)
    assert "get another" in error.value.remedy


@pytest.mark.parametrize(
    "token",
    [
        "opaque",
        "a.b.c",
        "a.%%%.c",
        "..",
        "é.é.é",
        jwt([]),
        jwt({}),
        jwt({"exp": "soon"}),
        jwt({"exp": True}),
        jwt({"exp": -1}),
        jwt({"exp": 1e300}),
        jwt({"exp": 10**30}),
    ],
)
def test_a_token_that_says_nothing_is_left_to_the_server(token: str) -> None:
    """A token need not be a JWT."""
    assert expires_s(token) is None
    assert "only the server knows" in token_expiry(token, NOW_S)


def test_a_missing_token_fails_where_the_destination_is_surely_a_data_tap(tap: Tap) -> None:
    """BD_DATA_TAP_URL names one; another server may be behind an https:// destination."""
    found = list(verdicts({"BD_DATA_TAP_URL": tap.url}))
    assert (one(found, "token").state, one(found, "token").says) == (
        FAILED,
        "BD_TAP_CLIENT_TOKEN is not set: a Data Tap refuses what comes without",
    )
    assert one(check(tap.url), "token").state == NOTE


def test_lengths_of_time_are_in_their_largest_unit() -> None:
    """A reader understands them faster."""
    assert [span(s) for s in (0, 1, 119, 7_200, 86_400)] == [
        "0 seconds",
        "1 second",
        "1 minute",
        "2 hours",
        "1 day",
    ]


def test_destinations_are_gone_through_in_their_order_and_told_apart(
    tmp_path: Path, tap: Tap, collector: Collector
) -> None:
    """Forwarding ones and lakes; one in trouble does not end the check of the others."""
    lake = f"{tmp_path}/lake"
    collector.replies = [Reply(404)]
    found = check(f"otlp+{collector.url}, file://{lake} {tap.url}/?token=hush", KNOWN)
    assert list(dict.fromkeys(v.destination for v in found)) == [
        f"otlp+{collector.url}",
        lake,
        tap.url,
    ]
    assert {v.state for v in found if v.destination == lake} == {OK}
    assert [v.name for v in found if v.state == FAILED] == [f"takes logs of otlp+{collector.url}"]


def test_the_command_heads_the_steps_of_each_destination(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One destination alone needs no heading; a program finds it beside each step."""
    monkeypatch.delenv("BD_DATA_TAP_URL", raising=False)
    both = f"file://{tmp_path}/a, file://{tmp_path}/b"
    assert main(["check", both]) == 0
    said = capsys.readouterr().out.splitlines()
    heads = [line for line in said if line in (f"{tmp_path}/a", f"{tmp_path}/b")]
    assert heads == [f"{tmp_path}/a", f"{tmp_path}/b"]
    assert main(["check", both, "--json"]) == 0
    steps = json.loads(capsys.readouterr().out)["check"]
    assert [step["destination"] for step in steps] == [heads[0]] * 4 + [heads[1]] * 4
    assert main(["check", f"file://{tmp_path}/a"]) == 0
    assert f"{tmp_path}/a" not in capsys.readouterr().out.splitlines()


def test_one_that_is_malformed_is_told_before_any_is_tried(
    tmp_path: Path, collector: Collector
) -> None:
    """The extension would not send to any of them."""
    (found,) = check(f"file://{tmp_path}/a otlp+{collector.url} s3://no")
    assert "'no' is no name of a bucket" in found.says
    (found,) = check(f"file://{tmp_path}/a otlp+http://localhost:4318", {"OTLP2PARQUET_OTLP": "on"})
    assert "own OTLP endpoint" in found.says
    assert collector.requests == []


def test_who_only_forwards_imports_no_pyarrow(tap: Tap, collector: Collector) -> None:
    """A check in the layer may not cost more than what it checks."""
    program = (
        "import sys; from otlp2parquet_ext.lake.checking.run import verdicts\n"
        f"urls = '{tap.url} otlp+{collector.url}'\n"
        "print(*(v.state for v in verdicts({'OTLP2PARQUET_DESTINATION': urls})))\n"
        "print('pyarrow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["note", "ok", "ok", "False"], done.stderr
