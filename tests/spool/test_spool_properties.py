"""Properties of the spool that hold whatever happens to its bytes, its folder and its process."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections import Counter
from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis_profiles import examples

from otlp2parquet_ext.spool import Appended, Damage, Frame, FrameKind, Spool, digest_of, read_frames
from otlp2parquet_ext.spool import frames as frames_module
from otlp2parquet_ext.spool.frames import HEADER, MAGIC, encode_header

if TYPE_CHECKING:
    from collections.abc import Sequence

INSERTED = -1
CONTEXT, NOTE = (FrameKind.CONTEXT, b"{}", 0), (FrameKind.INVOKE, b'{"requestId":"r"}', 1)
CAPACITY_BYTES, MEMORY_BYTES, SEGMENT_BYTES = 4_000, 1_000, 600


def framed(kind: FrameKind, received_us: int, body: bytes) -> bytes:
    """Encode one body as a segment does."""
    return encode_header(kind, received_us, body, digest_of(body)) + body


bodies = st.binary(max_size=40) | st.builds(
    framed, st.sampled_from(FrameKind), st.just(1), st.binary(max_size=9)
)
laid_down = st.tuples(st.sampled_from(FrameKind), st.integers(0, 2**64 - 1), bodies)
edits = st.tuples(
    st.sampled_from(["cut off", "overwrite", "take out", "put in"]),
    st.integers(0, 10_000),
    st.integers(0, 60),
    st.binary(max_size=20) | st.just(MAGIC) | st.builds(lambda n: b"\0" * n, st.integers(0, 60)),
)


def damaged(data: bytes, changes: Sequence[tuple[str, int, int, bytes]]) -> tuple[bytes, list[int]]:
    """Change bytes; return them, and for each its position before."""
    found, origin = bytearray(data), list(range(len(data)))
    for what, where, length, text in changes:
        at = where % (len(found) + 1)
        if what == "cut off":
            del found[at:], origin[at:]
        elif what == "take out":
            del found[at : at + length], origin[at : at + length]
        else:
            end = at + len(text) if what == "overwrite" else at
            found[at:end] = text
            origin[at:end] = [INSERTED] * len(text)
    return bytes(found), origin


@given(st.lists(laid_down, max_size=6), st.lists(edits, max_size=4))
def test_every_frame_that_is_whole_is_read_and_all_other_bytes_are_counted(
    written: list[tuple[FrameKind, int, bytes]], changes: list[tuple[str, int, int, bytes]]
) -> None:
    """Bytes may be torn, overwritten, missing or inserted; each frame is read independently."""
    ends, data = [0], b""
    for one in written:
        data += framed(*one)
        ends.append(len(data))
    left, origin = damaged(data, changes)
    read = list(read_frames(left))
    frames = [part for part in read if isinstance(part, Frame)]
    size_bytes = sum(HEADER.size + len(frame.payload) for frame in frames)
    assert size_bytes + sum(p.size_bytes for p in read if isinstance(p, Damage)) == len(left)
    assert not any(isinstance(a, Damage) and isinstance(b, Damage) for a, b in pairwise(read))
    kept = iter([(frame.kind, frame.received_us, frame.payload) for frame in frames])
    for one, (begin, end) in zip(written, pairwise(ends), strict=True):
        if begin in origin:
            at = origin.index(begin)
            if origin[at : at + end - begin] == list(range(begin, end)):
                assert one in kept  # an iterator: in this order, each once


@given(laid_down, st.integers(0, HEADER.size - 1), st.integers(1, 255))
@example((FrameKind.DELIVERY, 1, b"body"), len(MAGIC), FrameKind.DELIVERY ^ FrameKind.CONTEXT)
@example((FrameKind.DELIVERY, 1, b"body"), len(MAGIC), FrameKind.DELIVERY ^ FrameKind.INVOKE)
def test_a_header_with_one_wrong_byte_is_damage_and_nothing_else(
    written: tuple[FrameKind, int, bytes], position: int, flipped: int
) -> None:
    """A body that is read as a fact about the environment would lose all others of its segment."""
    data = bytearray(framed(*written))
    data[position] ^= flipped
    assert [p for p in read_frames(bytes(data)) if isinstance(p, Frame)] in (
        [],
        # a frame inside the payload is a frame, too
        [p for p in read_frames(written[2]) if isinstance(p, Frame)],
    )


def test_bytes_made_to_look_like_frames_in_each_other_are_given_up_in_time() -> None:
    """Any process in the sandbox may write there: reading 4 MiB of these took five minutes."""
    size_bytes, made = 1_048_576, bytearray()
    while len(made) + HEADER.size <= size_bytes:
        length = size_bytes - len(made) - HEADER.size
        check = frames_module._check(FrameKind.DELIVERY, length, 1)
        made += HEADER.pack(MAGIC, FrameKind.DELIVERY, check, length, 1, b"x" * 16)
    whole = framed(FrameKind.DELIVERY, 1, b"before")
    started = time.process_time()
    read = list(read_frames(whole + bytes(made) + b"y" * 40))
    assert time.process_time() - started < 2
    assert [type(part) for part in read] == [Frame, Damage]


def test_facts_are_no_way_around_the_capacity(tmp_path: Path) -> None:
    """A function may be invoked for days without a flush, and each invocation adds a fact."""
    spool = Spool(tmp_path, CAPACITY_BYTES, MEMORY_BYTES, segment_bytes=SEGMENT_BYTES)
    spool.append(b"body", 1, 1)
    for number in range(1_000):
        spool.note((FrameKind.INVOKE, b"%d" % number, 1))
    assert spool.size_bytes <= CAPACITY_BYTES + HEADER.size
    assert isinstance(spool.append(b"another body", 1, 1), Appended)


class SpoolMachine(RuleBasedStateMachine):
    """A spool and the acknowledged bodies: each is in exactly one segment until discarded.

    A body in memory is lost with its process, as promised; those on disk are not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="spool-"))
        self.numbers = count()
        self.kept: Counter[bytes] = Counter()
        self.recent: list[bytes] = []
        self.notes = 0
        self.spool = self.new_spool()

    def new_spool(self) -> Spool:
        """Open the spool of another process. The kernel releases the locks of a dead process."""
        spool = Spool(self.root, CAPACITY_BYTES, MEMORY_BYTES, segment_bytes=SEGMENT_BYTES)
        spool.set_preamble([CONTEXT])
        return spool

    def segment_bodies(self) -> list[list[bytes]]:
        """Read the deliveries of every segment, sealed and open."""
        opened = [self.spool.open] if self.spool.open else []
        read = [read_frames(segment.read()) for segment in [*self.spool.sealed, *opened]]
        return [
            [p.payload for p in parts if isinstance(p, Frame) and p.kind is FrameKind.DELIVERY]
            for parts in map(list, read)
        ]

    @rule(size=st.integers(0, 400))
    def append(self, size: int) -> None:
        """Deliver a body that is new."""
        body = b"%d:" % next(self.numbers) + b"." * size
        if isinstance(self.spool.append(body, 1, 1), Appended):
            self.kept[body] += 1
            self.recent.append(body)

    @rule(size=st.integers(0, 400), fits=st.integers(0, 500))
    def append_to_a_full_disk(self, size: int, fits: int) -> None:
        """Deliver a body of which only a part is written, because the disk is full."""
        write, full = os.pwritev, [True]

        def write_in_part(descriptor: int, buffers: list[bytes], offset: int) -> int:
            text = b"".join(buffers)
            return write(descriptor, [text[:fits] if full and full.pop() else text], offset)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "pwritev", write_in_part)
            self.append(size)

    @precondition(lambda self: self.recent)
    @rule(data=st.data())
    def append_again(self, data: st.DataObject) -> None:
        """Deliver a body again, because its answer was lost."""
        body = data.draw(st.sampled_from(self.recent))
        assert self.spool.append(body, 1, 1) == Appended(duplicate=True)

    @rule()
    def note(self) -> None:
        """Learn a fact."""
        self.spool.note(NOTE)
        self.notes += 1

    @rule()
    def seal(self) -> None:
        """Close the open segment."""
        self.spool.seal()

    @precondition(lambda self: self.spool.sealed)
    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        """Let a batch be safe elsewhere."""
        segment = data.draw(st.sampled_from(self.spool.sealed))
        for part in read_frames(segment.read()):
            if isinstance(part, Frame) and part.kind is FrameKind.DELIVERY:
                self.kept[part.payload] -= 1
        self.spool.discard(segment)

    def die(self) -> None:
        """Drop everything a process has: descriptors, locks, memory."""
        segments = [*self.spool.sealed, *([self.spool.open] if self.spool.open else [])]
        for segment in segments:
            gone = segment.path is None or not segment.path.exists()
            if gone:  # in memory, or its name was removed: it is lost with the process
                for part in read_frames(segment.read()):
                    if isinstance(part, Frame) and part.kind is FrameKind.DELIVERY:
                        self.kept[part.payload] -= 1
            os.close(segment._descriptor)
        for descriptor in self.spool._folders._locks.values():
            os.close(descriptor)

    @rule()
    def kill(self) -> None:
        """End the process, and let the next one recover its segments."""
        self.die()
        self.recent = []
        self.spool = self.new_spool()
        self.spool.recover()

    @rule()
    def empty_the_folder(self) -> None:
        """Remove everything below /tmp, as a function may."""
        folder = self.root / "otlp2parquet_ext"
        if folder.is_file():
            folder.unlink()
        shutil.rmtree(folder, ignore_errors=True)

    @rule()
    def put_a_file_in_its_place(self) -> None:
        """Make the folder unusable, as a function may; the next `empty_the_folder` ends that."""
        self.empty_the_folder()
        (self.root / "otlp2parquet_ext").write_bytes(b"mine")

    @invariant()
    def every_acknowledged_body_lies_in_exactly_one_segment(self) -> None:
        """Each is there until it is discarded, whatever happened in between."""
        found = Counter(body for segment in self.segment_bodies() for body in segment)
        assert found == +self.kept

    @invariant()
    def the_capacities_hold(self) -> None:
        """They exclude the first bytes of each segment, and the header of a last frame."""
        begin = HEADER.size + len(CONTEXT[1]) + self.notes * (HEADER.size + len(NOTE[1]))
        assert self.spool.size_bytes <= CAPACITY_BYTES + MEMORY_BYTES + 2 * (begin + HEADER.size)

    def teardown(self) -> None:
        """Remove all files."""
        self.die()
        shutil.rmtree(self.root, ignore_errors=True)


TestSpool = SpoolMachine.TestCase
TestSpool.settings = examples(0.15)
