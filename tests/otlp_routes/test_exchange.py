"""OTLP/HTTP without HTTP: every input has exactly one answer, and never an exception."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_checks import SEEDS, any_bytes, check, check_amplified, mutated

from otlp2parquet_ext.records.otlp.encodings import ENCODINGS
from otlp2parquet_ext.records.otlp.exchange import ExportCall, Reply, read_body, read_head, reply
from otlp2parquet_ext.records.otlp.requests import Signal

header = st.text(max_size=30) | st.sampled_from(
    ["application/x-protobuf", "application/json; charset=utf-8", "gzip", " GZIP ", "identity", ""]
)
path = st.text(max_size=20) | st.sampled_from(["/v1/logs", "/v1/traces", "/v1/metrics"])


@given(st.sampled_from(["POST", "GET", "BREW"]), path, header, header)
def test_any_head_is_a_call_or_a_refusal(
    method: str, path: str, content_type: str, content_encoding: str
) -> None:
    """A call is a POST of a known signal, encoding and type."""
    head = read_head(method, path, content_type, content_encoding)
    if isinstance(head, Reply):
        assert head.status in {404, 405, 415}
        assert head.body
    else:
        assert method == "POST"
        assert path == f"/v1/{head.signal}"
        assert head.encoding in ENCODINGS


@pytest.mark.parametrize("name", SEEDS)
def test_a_request_takes_time_in_proportion_to_its_length(name: str) -> None:
    """However often its parts are repeated, and compressed to next to nothing."""
    check(SEEDS[name])
    check_amplified(SEEDS[name])


@given(any_bytes())
def test_whatever_comes_is_stored_and_masked_or_refused(data: bytes) -> None:
    """`make fuzz` continues with these inputs."""
    check(data)


@given(st.sampled_from(sorted(SEEDS.values())), st.integers(0, 2**32))
def test_a_real_request_with_one_thing_changed_is_stored_and_masked_or_refused(
    data: bytes, seed: int
) -> None:
    """Fields of another type, dropped, doubled, cut: in JSON and protobuf, compressed or not."""
    check(mutated(data, seed) or data)


@given(
    st.builds(
        ExportCall, st.sampled_from(Signal), st.booleans(), st.sampled_from(sorted(ENCODINGS))
    ),
    st.binary(max_size=200),
)
def test_any_body_is_accepted_or_refused(call: ExportCall, body: bytes) -> None:
    """The routes get random bytes instead of requests."""
    read = read_body(call, body, limit_bytes=150)
    if isinstance(read, Reply):
        assert read.status in {400, 413}
    else:
        assert reply(call, read).status == 200
