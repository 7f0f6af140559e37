"""The properties of any bytes of a client, and the seeds of fuzzing.

bytes --RequestReader, whole and cut--> the same head, body and end, or refused both times
"""

from __future__ import annotations

import random
import time

from request_bytes import SEEDS, WORDS, any_request

from otlp2parquet_ext.extension.receive.http1 import BadRequestError, RequestReader

__all__ = ["SEEDS", "WORDS", "any_bytes", "check", "check_amplified", "mutated"]

any_bytes = any_request
AMPLIFIED_BYTES = 262_144
AMPLIFIED_S = 10.0
"""CPU time for many repetitions, a byte at a time: half a second without instrumentation."""


def outcome(pieces: list[bytes]) -> object:
    """Feed a reader; return what came out of it."""
    reader, body = RequestReader(), b""
    try:
        for piece in pieces:
            if reader.complete:
                break
            body += reader.feed(piece)
    except BadRequestError:
        return "refused"
    assert reader.head is not None or not reader.complete
    return reader.head, body, reader.complete


def check(data: bytes) -> None:
    """Read bytes whole, one at a time, and cut at places that follow from them."""
    whole = outcome([data])
    assert outcome([bytes([byte]) for byte in data]) == whole
    at = sorted(random.Random(data).choices(range(len(data) + 1), k=4))
    assert outcome([data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]) == whole


def check_amplified(data: bytes) -> float:
    """Read bytes again and again behind each other; return the CPU seconds it took."""
    large = data * (AMPLIFIED_BYTES // (len(data) + 1) + 1)
    started = time.process_time()
    outcome([bytes([byte]) for byte in large])
    outcome([large])
    took_s = time.process_time() - started
    assert took_s < AMPLIFIED_S, f"{took_s:.1f} s for {AMPLIFIED_BYTES} bytes of {data!r}"
    return took_s


def mutated(data: bytes, seed: int) -> bytes | None:
    """Put a word in, or leave a line out."""
    chance = random.Random(seed)
    lines = data.split(b"\r\n")
    if chance.random() < 0.5:
        lines.pop(chance.randrange(len(lines)))
    else:
        lines.insert(chance.randrange(len(lines) + 1), chance.choice(WORDS).encode())
    return b"\r\n".join(lines)
