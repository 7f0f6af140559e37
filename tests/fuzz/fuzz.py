"""Fuzz one room: `make fuzz`, for FUZZ_S seconds each.

    python tests/fuzz/fuzz.py TARGET SECONDS     look for bytes that break something
    python tests/fuzz/fuzz.py TARGET FILE        try the bytes in a file again

With atheris, which steers by what code is reached; where it cannot be installed, with hypothesis,
which does not. What breaks something is in `build/fuzz/TARGET/crash-…`, or printed.
"""

from __future__ import annotations

import itertools
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE = Path(__file__).parent
TESTS = HERE.parent
sys.path[:0] = [str(HERE), str(TESTS / "otlp")]
BUILT = TESTS.parent / "build" / "fuzz"
TARGETS = {
    "deliveries": "delivery_checks",
    "requests": "request_checks",
    "http": "http_checks",
}
LONGEST_BYTES = 4_096
AMPLIFIED_EVERY = 500
SLOW_S = 20


class Target(Protocol):
    """A module that knows what must hold for any bytes.

    Attributes:
        SEEDS: what fuzzing begins with, by name.
        WORDS: what is worth putting in, as text.
    """

    SEEDS: Mapping[str, bytes]
    WORDS: Sequence[str]

    def check(self, data: bytes) -> object:
        """Try some bytes; what they break raises."""

    def check_amplified(self, data: bytes) -> object:
        """Also try a long body made of them, because quadratic costs show there."""

    def mutated(self, data: bytes, seed: int) -> bytes | None:
        """Change bytes so that they stay meaningful; None if they are not."""

    def any_bytes(self) -> Any:
        """Return hypothesis' strategy for bytes to try."""


def corpus(target: Target, folder: Path) -> Path:
    """Write what fuzzing begins with; keep what earlier runs have found."""
    found = folder / "corpus"
    found.mkdir(parents=True, exist_ok=True)
    for name, seed in target.SEEDS.items():
        (found / name).write_bytes(seed)
    (folder / "words").write_text("".join(f'"{quoted(word)}"\n' for word in target.WORDS))
    return found


def quoted(word: str) -> str:
    """Write a word as libFuzzer's dictionaries have them."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(c if c.isprintable() else f"\\x{ord(c):02X}" for c in plain)


def with_atheris(name: str, seconds: int) -> None:
    """Run until time is up, or something breaks."""
    import atheris  # noqa: PLC0415 - not everywhere

    with atheris.instrument_imports(include=["otlp2parquet_ext"]):
        target: Target = import_module(TARGETS[name])
    folder, runs = BUILT / name, itertools.count(1)

    def change(data: bytes, longest: int, seed: int) -> bytes:
        changed = target.mutated(data, seed) if seed % 2 else None
        if changed is None or len(changed) > longest:
            return bytes(atheris.Mutate(data, longest))
        return changed

    def one(data: bytes) -> None:
        target.check(data)
        if next(runs) % AMPLIFIED_EVERY == 0:
            target.check_amplified(data)

    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST_BYTES}",
        f"-timeout={SLOW_S}",
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
        f"-artifact_prefix={folder}/",
        f"-dict={folder}/words",
    ]
    found = str(corpus(target, folder))
    atheris.Setup([sys.argv[0], found, *options], one, custom_mutator=change)
    atheris.Fuzz()


def with_hypothesis(name: str, seconds: int) -> None:
    """Run until time is up, or something breaks."""
    from hypothesis import given, settings  # noqa: PLC0415

    target: Target = import_module(TARGETS[name])
    seeds = itertools.cycle(target.SEEDS.values())

    @settings(max_examples=AMPLIFIED_EVERY, deadline=None, database=None)
    @given(target.any_bytes())
    def one(data: bytes) -> None:
        target.check(data)

    until_s, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < until_s:
        one()
        target.check_amplified(next(seeds))
        rounds += 1
    sys.stdout.write(f"{rounds * AMPLIFIED_EVERY} times any bytes, none of which broke anything\n")


def main(name: str, argument: str) -> None:
    """See the module."""
    if not argument.isdecimal():
        target: Target = import_module(TARGETS[name])
        data = Path(argument).read_bytes()
        target.check(data)
        target.check_amplified(data)
        return
    try:
        import atheris  # noqa: F401, PLC0415
    except ImportError as error:
        sys.stdout.write(f"without atheris ({error}): hypothesis makes up the bytes\n")
        with_hypothesis(name, int(argument))
    else:
        with_atheris(name, int(argument))


if __name__ == "__main__":
    main(*sys.argv[1:])
