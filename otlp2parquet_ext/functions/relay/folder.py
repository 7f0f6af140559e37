"""Read and write the objects below `_relay`.

segments/<first µs>-<environment>-<batch>.o2p1     put by environments
claims/<number>.json                               the segments of one batch
attempts/<claim>-<number>                          a committer has begun with the claim
attempts/<claim>-stored                            its rows and states are durable
states/<claim>.msgpack                             see states.py
done/<hour>/<claim>.names                          see done.py
aside/<segment>                                    a segment that cannot be read
"""

from __future__ import annotations

import contextlib
import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.functions.relay import done
from otlp2parquet_ext.functions.relay.claims import Claim, WaitingSegment
from otlp2parquet_ext.lake.destinations.raw_segment import FOLDER, SEGMENTS, parse_name
from otlp2parquet_ext.lake.storage.gather import gather
from otlp2parquet_ext.lake.storage.storage import NotThereError, StorageError
from otlp2parquet_ext.spool.raw_segments import MOST_RAW_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from otlp2parquet_ext.functions.relay.states import States
    from otlp2parquet_ext.lake.destinations.raw_segment import SegmentName
    from otlp2parquet_ext.lake.storage.storage import Storage

CLAIMS, ATTEMPTS = f"{FOLDER}/claims", f"{FOLDER}/attempts"
STATES, DONE, ASIDE = f"{FOLDER}/states", f"{FOLDER}/done", f"{FOLDER}/aside"

LOOKED_AT = 20_000
"""Most waiting segments to list at once: ten claims of the shortest ones."""

LISTINGS = 5
"""Most listings of a folder: it is listed again if another committer has merged an object of it."""

MOST_BYTES = MOST_RAW_BYTES
"""Longest raw segment that is claimed; a longer object is none of ours, and stays where it is."""

CLAIM_BYTES = 1_048_576
CLAIM_NAME = re.compile(r"(\d{12})\.json")
_DECODE_CLAIM = msgspec.json.Decoder(Claim).decode
T = TypeVar("T")


class ActiveClaim(NamedTuple):
    """An existing claim; `stored_ms` is Unix ms by the storage's clock."""

    claim: Claim
    stored_ms: int


class RememberedHour(NamedTuple):
    """Digests of an hour's segments whose rows are durable, and the objects that hold them."""

    paths: tuple[str, ...]
    digests: set[bytes]


class RelayFolder:
    """See the module.

    Args:
        storage: the folder that holds `_relay`.
        threads: number of parallel requests.
    """

    def __init__(self, storage: Storage, threads: int = 1) -> None:
        self._storage = storage
        self._threads = threads

    def waiting(self) -> list[WaitingSegment]:
        """Return the oldest segments, claimed or not."""
        found: list[WaitingSegment] = []
        for entry in self._storage.walk(SEGMENTS):
            name = parse_name(entry.path.rpartition("/")[2])
            fits = entry.size_bytes <= MOST_BYTES
            if name is not None and name.path == entry.path and fits:
                found.append(WaitingSegment(name, entry.size_bytes))
            if len(found) == LOOKED_AT:
                break
        return found

    def claims(self) -> dict[int, ActiveClaim]:
        """Return the existing claims, by number."""
        found: dict[int, ActiveClaim] = {}
        for entry in list(self._storage.walk(CLAIMS)):
            match = CLAIM_NAME.fullmatch(entry.path.rpartition("/")[2])
            if match is None:
                continue
            try:
                data = self._storage.get(entry.path, CLAIM_BYTES)
                claim = _DECODE_CLAIM(data)
            except NotThereError:
                continue
            except msgspec.MsgspecError:
                claim = Claim(())
            found[int(match[1])] = ActiveClaim(claim, entry.stored_ms)
        return found

    def put_claim(self, number: int, claim: Claim) -> bool:
        """Claim segments; return False if another committer has taken the number."""
        return self._storage.put(_claim_path(number), msgspec.json.encode(claim)).new

    def withdraw(self, number: int) -> None:
        """Delete a new claim whose segments another claim holds."""
        self._storage.delete(_claim_path(number))

    def begin(self, claim: Claim) -> int:
        """Note an attempt at a claim; return the number of earlier attempts."""
        path = f"{ATTEMPTS}/{claim.id}"
        before = 0
        while not self._storage.put(f"{path}-{before:03}", b"").new:
            before += 1
        return before

    def forget(self, claim: Claim, attempt: int) -> None:
        """Take back the note of an attempt that an error ended, and no kill."""
        with contextlib.suppress(StorageError):
            self._storage.delete(f"{ATTEMPTS}/{claim.id}-{attempt:03}")

    def names_aside(self) -> set[SegmentName]:
        """Return the names of the segments that are set aside."""
        found = (parse_name(path.rpartition("/")[2]) for path in self._storage.list(ASIDE))
        return {name for name in found if name is not None}

    def is_stored(self, claim: Claim) -> bool:
        """Return whether the rows and states of a claim are durable."""
        return self._storage.size(f"{ATTEMPTS}/{claim.id}-stored") is not None

    def note_stored(self, claim: Claim) -> None:
        """Note that the rows and states of a claim are durable."""
        self._storage.put(f"{ATTEMPTS}/{claim.id}-stored", b"")

    def read(self, segments: Sequence[str]) -> Iterator[bytes | None]:
        """Yield the bytes of segments; None for a deleted segment."""
        yield from gather(self._read, segments, self._threads)

    def _read(self, segment: str) -> bytes | None:
        try:
            return self._storage.get(f"{SEGMENTS}/{segment}")
        except NotThereError:
            return None

    def states(self, but: Claim) -> tuple[tuple[str, ...], States]:
        """Return the paths and the states of all claims except one."""
        from otlp2parquet_ext.functions.relay import states  # noqa: PLC0415 - with the mapping

        own = _state_path(but)
        paths, found = self._all(STATES, states.decode, lambda path: path != own)
        # A claim that is not finished may be mapped again, from the states before it.
        active = {_state_path(one.claim) for one in self.claims().values()}
        found = [one for path, one in zip(paths, found, strict=True) if path not in active]
        paths = tuple(path for path in paths if path not in active)
        return paths, states.united(found)

    def put_states(self, claim: Claim, found: States) -> None:
        """Write the states after a claim."""
        from otlp2parquet_ext.functions.relay import states  # noqa: PLC0415 - with the mapping

        self._storage.put(_state_path(claim), states.encode(found))

    def done(self, hour: int) -> RememberedHour:
        """Return the list of an hour."""
        paths, found = self._all(f"{DONE}/{hour}", done.decode, bool)
        return RememberedHour(paths, set().union(*found))

    def put_done(self, claim: Claim, hour: int, digests: set[bytes]) -> str:
        """Write the list of an hour; return its path."""
        path = f"{DONE}/{hour}/{claim.id}.names"
        self._storage.put(path, done.encode(digests))
        return path

    def old_done(self, now_ms: int) -> list[str]:
        """Return the paths of lists older than `KEPT_MS`."""
        entries = self._storage.walk(DONE)
        return [entry.path for entry in entries if entry.stored_ms < now_ms - done.KEPT_MS]

    def set_aside(self, segment: str, data: bytes) -> None:
        """Copy an unreadable segment to `aside/`, where no committer reads it again."""
        self._storage.put(f"{ASIDE}/{segment}", data)

    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects."""
        if paths:
            self._storage.delete_many(paths)

    def finish(self, number: int, claim: Claim) -> None:
        """Delete the segments of a claim, then its attempts, then the claim itself."""
        self.delete([f"{SEGMENTS}/{segment}" for segment in claim.segments])
        attempts = [p for p in self._storage.list(ATTEMPTS) if f"/{claim.id}-" in p]
        self.delete([*attempts, _claim_path(number)])

    def _all(
        self, folder: str, decode: Callable[[bytes], T], wanted: Callable[[str], bool]
    ) -> tuple[tuple[str, ...], list[T]]:
        for _ in range(LISTINGS):
            paths = [path for path in self._storage.list(folder) if wanted(path)]
            try:
                read = partial(self._storage.get, most_bytes=None)
                return tuple(paths), [decode(d) for d in gather(read, paths, self._threads)]
            except NotThereError:
                continue  # a faster committer has merged it into its own
            except ValueError as error:
                raise StorageError(f"{folder}: {quote(error)}") from error
        raise StorageError(f"{folder} changes all the time: other committers are at work")


def _claim_path(number: int) -> str:
    return f"{CLAIMS}/{number:012}.json"


def _state_path(claim: Claim) -> str:
    return f"{STATES}/{claim.id}.msgpack"
