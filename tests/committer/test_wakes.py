"""Any event that invokes the committer is understood or ignored, and none breaks it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wakes import (
    S3_TEST_EVENT,
    SCHEDULE,
    eventbridge_event,
    s3_event,
    sns_envelope,
    sns_event,
    sqs_event,
)

from otlp2parquet_ext.functions.committer.events import Wake, read_event

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "some/prefix/otel/logs/inbox/1790000000000-ab-2026-11-20.json"
NAME = "1790000000000-ab-2026-11-20.json"


@pytest.mark.parametrize(
    "event",
    [s3_event(KEY), eventbridge_event(KEY), sns_event(s3_event(KEY)), sns_envelope(s3_event(KEY))],
)
def test_an_event_tells_which_object_was_created(event: object) -> None:
    """Sent by S3 itself, by EventBridge, or through a topic."""
    found = Wake({}, frozenset({NAME}), queued=False, foreign=0, tables=frozenset({"logs"}))
    assert read_event(event) == found


@pytest.mark.parametrize(
    "inner", [s3_event, lambda key: sns_envelope(s3_event(key)), eventbridge_event]
)
def test_each_message_of_a_queue_tells_of_its_objects(inner: Callable[[str], object]) -> None:
    """Any service may have put them into the queue."""
    wake = read_event(sqs_event([inner(KEY), inner("inbox/other.json")]))
    assert wake.messages == {"m0": {NAME}, "m1": {"other.json"}}
    assert (wake.queued, wake.foreign, wake.names) == (True, 0, frozenset())
    assert wake.named_keys == {NAME, "other.json"}


def test_a_message_may_tell_of_several_objects() -> None:
    """S3 sends one each today, and does not promise it."""
    wake = read_event(sqs_event([s3_event("inbox/a.json", "inbox/b.json")]))
    assert wake.messages == {"m0": {"a.json", "b.json"}}


def test_the_folder_of_an_inbox_has_the_name_of_its_table() -> None:
    """Objects elsewhere name no table."""
    keys = ("a/otel/traces/inbox/x.json", "logs/inbox/y.json", "inbox/z.json", "a/b/c.json", "")
    assert read_event(s3_event(*keys)).tables == {"traces", "logs"}
    assert read_event(sqs_event([s3_event(key) for key in keys])).tables == {"traces", "logs"}


def test_keys_are_unquoted_as_s3_quotes_them() -> None:
    """A space is a plus sign, everything else is in per cents; EventBridge quotes nothing."""
    key = "my lake/größe+1/inbox/a b+c%.json"
    assert read_event(s3_event(key)).names == {"a b+c%.json"}
    assert read_event(eventbridge_event(key)).names == {"a b+c%.json"}


@pytest.mark.parametrize(
    "event", [SCHEDULE, {}, None, [], "text", 7, {"Records": []}, {"Records": None}, S3_TEST_EVENT]
)
def test_any_other_event_wakes_us_all_the_same(event: object) -> None:
    """It may be a schedule, a test from the console, or a user's own payload."""
    assert read_event(event) == Wake({}, frozenset(), queued=False, foreign=0)


FOREIGN = [
    "no JSON",
    "",
    "null",
    "[[[[",
    json.dumps([1, 2]),
    json.dumps({"order": 7}),
    json.dumps({"Records": [{"s3": {"object": {}}}]}),
    json.dumps({"Records": [{"s3": {"object": {"key": 7}}}]}),
    json.dumps({"Records": [{"s3": {"object": {"key": "folder/"}}}]}),
    json.dumps({"Records": [{"s3": None}, 5, None]}),
    json.dumps({"Message": json.dumps({"Message": json.dumps({"Message": "{}"})})}),
    "[" * 100_000,
    S3_TEST_EVENT,
]


def test_messages_that_tell_of_no_object_are_counted_and_passed_over() -> None:
    """It may be a user's message, half a message, or S3's test event; each keeps its id."""
    wake = read_event(sqs_event([*FOREIGN, s3_event(KEY)]))
    assert wake.foreign == len(FOREIGN)
    assert wake.messages.pop(f"m{len(FOREIGN)}") == {NAME}
    assert set(wake.messages.values()) == {frozenset()}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["Records", "body", "s3", "object", "key", "detail", "Message", "Sns", "messageId"]
            ),
            inner,
        )
    ),
)


@given(JSON)
@pytest.mark.thorough
def test_nothing_an_event_may_hold_breaks_us(event: object) -> None:
    """Known fields may have values of any shape."""
    for woken_by in (event, {"Records": [event]}, sqs_event([event])):
        wake = read_event(woken_by)
        assert all("/" not in name for name in wake.names)
