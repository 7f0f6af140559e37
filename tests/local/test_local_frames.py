"""Cutting a function's bytes into records, wherever the reads happen to fall."""

from __future__ import annotations

from otlp2parquet_ext.tools.local.frames import LINE_LIMIT_BYTES, FrameReader, LineReader, LogRecord

JSON_ERROR, TEXT_ERROR = 0xA55A0016, 0xA55A0017


def frame(kind: int, text: str, time_us: int) -> bytes:
    """Build a frame as awslambdaric does."""
    message = text.encode()
    header = kind.to_bytes(4, "big") + len(message).to_bytes(4, "big")
    return header + time_us.to_bytes(8, "big") + message


def test_a_framed_record_keeps_its_newlines_and_its_microseconds() -> None:
    """That is what frames are for: a traceback is one event, not ten."""
    text = "[ERROR] ValueError: x\nTraceback:\n  File\n"
    reader = FrameReader()
    assert reader.feed(frame(TEXT_ERROR, text, 1_700_000_000_123_456)) == [
        LogRecord(text, 1_700_000_000_123_456)
    ]


def test_frames_are_found_again_when_reads_cut_them_anywhere() -> None:
    """A pipe has no frames: a read may return any number of bytes."""
    stream = frame(JSON_ERROR, '{"a":1}\n', 5) + frame(TEXT_ERROR, "ü" * 100, 6)
    for step in (1, 3, 16, 17, len(stream)):
        reader = FrameReader()
        chunks = [stream[at : at + step] for at in range(0, len(stream), step)]
        records = [record for chunk in chunks for record in reader.feed(chunk)]
        assert records == [LogRecord('{"a":1}\n', 5), LogRecord("ü" * 100, 6)]
        assert reader.rest() == []


def test_bytes_without_the_magic_number_are_read_as_lines() -> None:
    """A runtime may write text to the frame descriptor, and the text must not be lost."""
    reader = FrameReader()
    assert reader.feed(b"this is not a frame at all\nnor ") == [
        LogRecord("this is not a frame at all")
    ]
    assert reader.feed(b"this\n") == [LogRecord("nor this")]


def test_a_message_cut_off_by_the_death_of_its_process_is_kept() -> None:
    """The last words of a crash are worth more than a clean protocol."""
    reader = FrameReader()
    reader.feed(frame(TEXT_ERROR, "half of this", 7)[:-5])
    assert reader.rest() == [LogRecord("half of", 7)]


def test_lines_end_at_newlines_and_empty_ones_are_no_records() -> None:
    """`print()` alone is not an event."""
    reader = LineReader()
    assert [record.text for record in reader.feed(b"one\r\n\n  \ntwo\nthr")] == ["one", "two"]
    assert reader.rest() == [LogRecord("thr")]


def test_a_line_without_end_is_cut_at_the_limit() -> None:
    """A function that never ends its line must not fill our memory."""
    reader = LineReader()
    records = reader.feed(b"x" * (2 * LINE_LIMIT_BYTES + 1))
    assert [len(record.text) for record in records] == [LINE_LIMIT_BYTES, LINE_LIMIT_BYTES]
    assert reader.rest() == [LogRecord("x")]


def test_bytes_that_are_not_utf8_do_not_cost_the_line() -> None:
    """Functions print what they like."""
    assert LineReader().feed(b"caf\xe9\n") == [LogRecord("caf\ufffd")]
