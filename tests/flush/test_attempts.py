"""The plan for a segment that may have ended processes, and the file name that counts them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.flush.attempts import (
    DROPPED_AFTER,
    SENT_PER_CRASH,
    TEXT_AFTER,
    Handling,
    handling,
)
from otlp2parquet_ext.spool.crashes import MOST, Crashes, StorePhase, file_name, split_name

counts = st.integers(0, MOST)
ORDER = list(Handling)


def test_what_was_never_in_hand_at_a_crash_is_stored_in_its_order() -> None:
    """The marks of other segments do not matter."""
    assert handling(working=0, sending=0, memory_errors=0) is Handling.NORMAL


few = st.integers(0, SENT_PER_CRASH - 1)


@given(few, st.integers(0, 1))
def test_one_crash_costs_nothing_but_the_place_in_the_queue(sending: int, errors: int) -> None:
    """A SIGKILL at SHUTDOWN, or a reset, proves nothing about the batch."""
    assert handling(working=1, sending=sending, memory_errors=errors) is Handling.LAST


@given(st.integers(1, SENT_PER_CRASH * TEXT_AFTER - 1))
def test_kills_while_a_request_was_out_cost_no_data_for_long(sending: int) -> None:
    """The destination hung each time, so the batch must not be dropped for it."""
    assert handling(working=0, sending=sending, memory_errors=0) is Handling.LAST


def test_kills_while_a_request_was_out_have_an_end_too() -> None:
    """Otherwise a batch that cannot be sent would reset the function for ever."""
    sent = SENT_PER_CRASH * DROPPED_AFTER
    assert handling(working=0, sending=sent - 1, memory_errors=0) is Handling.TEXT
    assert handling(working=0, sending=sent, memory_errors=0) is Handling.DROP


@given(few, counts)
def test_too_little_memory_drops_nothing_that_ended_no_process(sending: int, errors: int) -> None:
    """There may be more memory later, because the function used it now."""
    found = handling(working=0, sending=sending, memory_errors=errors)
    assert not found.dropped
    assert (found is Handling.TEXT) is (errors >= TEXT_AFTER)


@given(counts, counts, counts)
def test_a_further_crash_is_never_a_step_back(working: int, sending: int, errors: int) -> None:
    """Otherwise a segment could end processes for ever."""
    steps = [
        ORDER.index(handling(working=more, sending=sending, memory_errors=errors))
        for more in range(working, working + 3)
    ]
    assert steps == sorted(steps)


@given(few, counts)
def test_every_segment_ends_after_four_crashes(sending: int, errors: int) -> None:
    """Two as rows, one as text, and one while its records were counted."""
    ends = [
        handling(working=working, sending=sending, memory_errors=errors)
        for working in range(DROPPED_AFTER + 2)
    ]
    assert ends[TEXT_AFTER] is Handling.TEXT
    assert ends[DROPPED_AFTER:] == [Handling.DROP, Handling.DROP_UNREAD]


stems = st.integers(0, 10**8 - 1).map("{:08d}".format)


@given(few, counts)
def test_what_shutdown_ended_costs_nothing_but_the_place_in_the_queue(
    sending: int, unfinished: int
) -> None:
    """It may take longer than any process has left, so the others are stored first."""
    found = handling(working=0, sending=sending, unfinished=unfinished)
    assert found is (Handling.LAST if sending or unfinished else Handling.NORMAL)


@given(stems, counts, counts, counts)
def test_a_name_says_what_it_was_made_from(
    stem: str, working: int, sending: int, unfinished: int
) -> None:
    """The next process has only this name."""
    crashes = Crashes(working, sending, unfinished)
    name = file_name(stem, crashes)
    assert name.endswith(".seg")
    assert split_name(name) == (stem, crashes)


@given(st.text(max_size=20))
def test_any_name_is_read(text: str) -> None:
    """The function may store files with any name there; counts have a bound."""
    _, crashes = split_name(f"{text}.seg")
    assert 0 <= crashes.working <= MOST
    assert 0 <= crashes.sending <= MOST


@given(counts, counts, st.sampled_from(StorePhase))
def test_what_is_marked_is_one_crash_of_that_phase(
    working: int, sending: int, phase: StorePhase
) -> None:
    """If the mark is removed, it is none."""
    before = Crashes(working, sending)
    after = before.during(phase)[:2]
    assert before.during(None) == before
    grown = (min(working + 1, MOST), sending), (working, min(sending + 1, MOST))
    assert after == grown[phase is StorePhase.SENDING]
