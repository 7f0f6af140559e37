"""Fuzz the decoder and the mapper of deliveries: `make fuzz`, for FUZZ_S seconds.

    python tests/fuzz/fuzz_deliveries.py SECONDS     look for a body that breaks something
    python tests/fuzz/fuzz_deliveries.py FILE        try the body in a file again

With atheris, which steers by what code a body reaches; where it cannot be installed, with
hypothesis, which does not. What breaks something is in `build/fuzz/crash-…`, or printed.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
BUILT = HERE.parents[1] / "build" / "fuzz"
LONGEST_BYTES = 4_096
AMPLIFIED_EVERY = 500
SLOW_S = 20
WORDS = (
    *('"time"', '"type"', '"record"', '"message"', '"level"', '"timestamp"', '"requestId"'),
    *('"platform.start"', '"platform.runtimeDone"', '"platform.report"', '"function"'),
    *('"metrics"', '"trace_id"', '"errorType"', '"spans"', '"tracing"', '"value"', '"status"'),
    *("null", "true", "NaN", "Infinity", "-Infinity", "9223372036854775808", "1e999", "\\\\ud800"),
)


def corpus() -> Path:
    """Write what fuzzing begins with; keep what earlier runs have found."""
    from delivery_checks import CAPTURED  # noqa: PLC0415 - atheris has to see the import

    folder = BUILT / "corpus"
    folder.mkdir(parents=True, exist_ok=True)
    for number, event in enumerate(CAPTURED):
        (folder / f"event-{number}").write_text(json.dumps([event]))
    (folder / "two").write_text(json.dumps(CAPTURED[:2]))
    quoted = (word.replace('"', '\\"') for word in WORDS)
    (BUILT / "words").write_text("".join(f'"{word}"\n' for word in quoted))
    return folder


def with_atheris(seconds: int) -> None:
    """Run until time is up, or something breaks."""
    import atheris  # noqa: PLC0415 - not everywhere

    with atheris.instrument_imports(include=["otlp2parquet_ext"]):
        from delivery_checks import check, check_amplified  # noqa: PLC0415

    from mutating import mutated  # noqa: PLC0415

    runs = itertools.count(1)

    def change(body: bytes, longest: int, seed: int) -> bytes:
        changed = mutated(body, seed) if seed % 2 else None
        if changed is None or len(changed) > longest:
            return bytes(atheris.Mutate(body, longest))
        return changed

    def one(body: bytes) -> None:
        check(body)
        if next(runs) % AMPLIFIED_EVERY == 0:
            check_amplified(body)

    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST_BYTES}",
        f"-timeout={SLOW_S}",
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
        f"-artifact_prefix={BUILT}/",
        f"-dict={BUILT}/words",
    ]
    atheris.Setup([sys.argv[0], str(corpus()), *options], one, custom_mutator=change)
    atheris.Fuzz()


def with_hypothesis(seconds: int) -> None:
    """Run until time is up, or something breaks."""
    from delivery_checks import BODY, check, check_amplified  # noqa: PLC0415
    from hypothesis import given, settings  # noqa: PLC0415
    from hypothesis import strategies as st  # noqa: PLC0415

    pieces = [*WORDS, *'[]{}",:\\ ', BODY.decode()[:300]]
    bodies = st.binary(max_size=200) | st.lists(
        st.sampled_from(pieces) | st.text(max_size=4), max_size=40
    ).map(lambda found: "".join(found).encode(errors="surrogatepass"))

    @settings(max_examples=AMPLIFIED_EVERY, deadline=None, database=None)
    @given(bodies)
    def one(body: bytes) -> None:
        check(body)

    until_s = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < until_s:
        one()
        check_amplified(BODY[: 7 * (rounds % 100)])
        rounds += 1
    sys.stdout.write(f"{rounds * AMPLIFIED_EVERY} bodies, none of which broke anything\n")


def main(argument: str) -> None:
    """See the module."""
    if not argument.isdecimal():
        from delivery_checks import check, check_amplified  # noqa: PLC0415

        body = Path(argument).read_bytes()
        check(body)
        check_amplified(body)
        return
    try:
        import atheris  # noqa: F401, PLC0415
    except ImportError as error:
        sys.stdout.write(f"without atheris ({error}): hypothesis makes up the bodies\n")
        with_hypothesis(int(argument))
    else:
        with_atheris(int(argument))


if __name__ == "__main__":
    main(sys.argv[1])
