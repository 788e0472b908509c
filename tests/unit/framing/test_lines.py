"""Cutting a stream into chunks of complete lines."""

import pytest

from logboom.framing.lines import CHUNK_BYTES_MAX, LineFramer, TooLong

LIMIT = 10


def take_all(framer: LineFramer) -> list[bytes | int]:
    """Chunks, and the sizes of over-long lines."""
    found: list[bytes | int] = []
    while (item := framer.take()) is not None:
        found.append(item.size_bytes if isinstance(item, TooLong) else item)
    return found


def frame(*pieces: bytes, eof: bool = False) -> list[bytes | int]:
    framer = LineFramer(LIMIT)
    found = []
    for piece in pieces:
        framer.feed(piece)
        found += take_all(framer)
    if eof:
        framer.end()
        found += take_all(framer)
    return found


@pytest.mark.parametrize(
    ("data", "chunks"),
    [
        (b"", []),
        (b"abc", []),
        (b"abc\n", [b"abc"]),
        (b"a\nb\nc", [b"a\nb"]),
        (b"a\r\nb\r\n", [b"a\r\nb\r"]),
        (b"\n", [b""]),
        (b"\n\n\n", [b"\n\n"]),
        (b"0123456789\n", [b"0123456789"]),
        (b"0123456789\r\n", [b"0123456789\r"]),
        (b"0123456789x\n", [11]),
        (b"0123456789x\r\n", [12]),
        (b"0123456789\rx\n", [12]),
        (b"a\n0123456789x\nb\n", [b"a", 11, b"b"]),
        (b"a\n0123456789\r\nb\n", [b"a\n0123456789\r\nb"]),
        (b"0123456789x\n0123456789y\n", [11, 11]),
    ],
)
def test_cuts_at_newlines(data: bytes, chunks: list[bytes | int]) -> None:
    assert frame(data) == chunks


def test_the_unterminated_rest_is_a_line_at_the_end_only() -> None:
    assert frame(b"a\nb", eof=True) == [b"a", b"b"]
    assert frame(b"0123456789x", eof=True) == [11]
    assert frame(b"0123456789x", b"yz", eof=True) == [13]
    assert frame(b"a\n", eof=True) == [b"a"]


def test_the_carriage_return_at_the_limit_may_come_later() -> None:
    assert frame(b"0123456789", b"\r", b"\n") == [b"0123456789\r"]
    assert frame(b"0123456789", b"\r", b"x\n") == [12]


def test_chunks_have_a_bounded_size() -> None:
    framer = LineFramer(LIMIT)
    framer.feed(b"123456789\n" * (CHUNK_BYTES_MAX // 4))
    chunks = take_all(framer)
    assert all(isinstance(chunk, bytes) and len(chunk) <= CHUNK_BYTES_MAX + LIMIT for chunk in chunks)
    assert (
        b"\n".join(chunk for chunk in chunks if isinstance(chunk, bytes)).count(b"\n") + 1
        == CHUNK_BYTES_MAX // 4
    )


def test_an_over_long_line_longer_than_a_chunk() -> None:
    framer = LineFramer(LIMIT)
    framer.feed(b"x" * (2 * CHUNK_BYTES_MAX) + b"\nok\n")
    assert take_all(framer) == [2 * CHUNK_BYTES_MAX, b"ok"]


def test_holds_no_more_than_a_line() -> None:
    framer = LineFramer(LIMIT)
    for _ in range(1000):
        framer.feed(b"x" * 777)
        assert framer.take() is None
        assert len(framer) <= LIMIT + 1


def test_the_callers_buffer_is_free_again() -> None:
    buffer = bytearray(b"one\ntw")
    framer = LineFramer(LIMIT)
    framer.feed(memoryview(buffer))
    buffer[:] = b"------"
    framer.feed(b"o\n")
    assert take_all(framer) == [b"one\ntwo"]
