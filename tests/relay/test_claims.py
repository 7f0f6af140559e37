"""Claims divide the waiting segments: none is in two of them, and none is forgotten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.functions.relay.claims import (
    MOST_SEGMENTS,
    Claim,
    WaitingSegment,
    next_claim,
    next_number,
)
from otlp2parquet_ext.lake.destinations.raw_segment import SegmentName, parse_name

segments = st.lists(
    st.builds(
        lambda time, environment, size: WaitingSegment(
            SegmentName(time, f"{environment:032x}", f"{time * 8 + environment:032x}"), size
        ),
        st.integers(1, 1_000),
        st.integers(0, 5),
        st.integers(1, 50),
    ),
    unique_by=lambda segment: segment.name,
).map(lambda found: sorted(found, key=lambda segment: segment.name.path))


@given(segments, st.integers(1, 200), st.data())
def test_claims_and_their_ends_in_any_order_take_each_segment_once(
    waiting: list[WaitingSegment], most_bytes: int, data: st.DataObject
) -> None:
    """Of an environment the earlier segment is always mapped before the later one."""
    wanted = [segment.name for segment in waiting]
    active: dict[int, Claim] = {}
    done: list[SegmentName] = []
    while waiting or active:
        claim = next_claim(waiting, active.values(), most_bytes=most_bytes)
        if claim is not None and (not active or data.draw(st.booleans())):
            active[next_number(active)] = claim
            continue
        assert active, "something waits, no claim is there, and none can be made"
        ended = active.pop(data.draw(st.sampled_from(sorted(active))))
        done += ended.names
        waiting = [segment for segment in waiting if segment.name not in ended.names]
    assert sorted(done) == sorted(wanted)
    for environment in {name.instance for name in done}:
        times = [name.first_us for name in done if name.instance == environment]
        assert times == sorted(times)


def test_a_claim_is_bounded_in_segments_and_bytes() -> None:
    """Its rows are in memory together."""
    many = [WaitingSegment(SegmentName(n, f"{n:032x}", f"{n:032x}"), 10) for n in range(3_000)]
    claim = next_claim(many, [])
    assert claim is not None
    assert len(claim.segments) == MOST_SEGMENTS
    small = next_claim(many, [], most_bytes=35)
    assert small is not None
    assert len(small.segments) == 3
    large = next_claim(many, [], most_bytes=1)
    assert large is not None
    assert len(large.segments) == 1, "a large one is claimed alone"


def test_the_name_of_a_batch_follows_from_its_segments() -> None:
    """Another committer that finishes the claim writes files of the same names."""
    assert Claim(("a", "b")).id == Claim(("a", "b")).id != Claim(("b", "a")).id


@given(st.integers(0, 10**17 - 1), st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1))
def test_names_of_segments_are_read_back(first_us: int, instance: int, batch: int) -> None:
    """And sort by time."""
    name = SegmentName(first_us, f"{instance:032x}", f"{batch:032x}")
    assert parse_name(name.path.rpartition("/")[2]) == name
    assert parse_name(name.path.rpartition("/")[2] + "x") is None
