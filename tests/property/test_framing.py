"""Cutting streams: any split gives the same pieces, nothing is lost, memory is bounded."""

from hypothesis import example, given
from hypothesis import strategies as st

from logboom.framing.lines import LineFramer, TooLong
from logboom.framing.objects import ObjectScanner, Refusal
from logboom.testing.protocol_kit import cut

LIMIT = 12

SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=6)
LINES = st.lists(
    st.sampled_from(
        [
            b"",
            b"a",
            b"\r",
            b"\r\r",
            b"x" * (LIMIT - 1),
            b"x" * LIMIT,
            b"x" * LIMIT + b"\r",
            b"x" * LIMIT + b"\r\r",
            b"x" * (LIMIT + 1),
            b"x" * (LIMIT + 1) + b"\r",
            b"x" * (LIMIT * 7),
            b"one line",
        ]
    ),
    max_size=12,
)
STREAMS = st.one_of(
    LINES.map(b"\n".join), st.binary(max_size=200), st.text("\n\r x", max_size=120).map(str.encode)
)


def expected_lines(data: bytes) -> list[bytes | int]:
    """What the framer has to hand out, line by line; over-long lines as their size."""
    *whole, rest = data.split(b"\n")
    found: list[bytes | int] = [
        line if len(line.removesuffix(b"\r")) <= LIMIT else len(line) for line in whole
    ]
    if rest:
        found.append(rest if len(rest) <= LIMIT else len(rest))
    return found


def framed(data: bytes, sizes: list[int]) -> list[bytes | int]:
    framer = LineFramer(LIMIT)
    found: list[bytes | int] = []

    def drain() -> None:
        while (item := framer.take()) is not None:
            found.extend([item.size_bytes] if isinstance(item, TooLong) else item.split(b"\n"))

    for piece in cut(data, sizes):
        framer.feed(piece)
        drain()
        assert len(framer) <= LIMIT + 1
    framer.end()
    drain()
    assert len(framer) == 0
    return found


@given(STREAMS, SIZES)
@example(b"x" * LIMIT + b"\r\n", [LIMIT + 1])
@example(b"\n", [1])
def test_lines_are_what_stands_between_newlines(data: bytes, sizes: list[int]) -> None:
    assert framed(data, sizes) == expected_lines(data)
    assert framed(data, [max(1, len(data))]) == expected_lines(data)


TOKENS = st.lists(
    st.sampled_from(
        [
            b"{",
            b"}",
            b'"',
            b"\\",
            b"\n",
            b"\r",
            b" ",
            b"a",
            b"{}",
            b'{"a":1}',
            b'{"a":"}{"}',
            b"\n{",
            b'"\\"',
            b"\\\n",
        ]
    ),
    max_size=40,
).map(b"".join)


def scanned(data: bytes, sizes: list[int]) -> list[bytes | Refusal]:
    scanner = ObjectScanner(LIMIT)
    found: list[bytes | Refusal] = []
    for piece in cut(data, sizes):
        scanner.feed(piece)
        while more := scanner.scan(eof=False):
            found += more
        assert len(scanner) <= LIMIT + 1
    while more := scanner.scan(eof=True):
        found += more
    return found


@given(st.one_of(TOKENS, st.binary(max_size=120)), SIZES)
@example(b'{"\\\n{}', [3])
@example(b'{"a":"' + b"x" * 50 + b'"}{}', [1])
def test_objects_do_not_depend_on_the_split(data: bytes, sizes: list[int]) -> None:
    found = scanned(data, sizes)
    assert found == scanned(data, [1]) == scanned(data, [max(1, len(data))])
    for piece in found:
        if isinstance(piece, bytes):
            assert len(piece) <= LIMIT
            assert piece.startswith(b"{")
            assert piece.endswith(b"}")
            assert b"\n" not in piece
    kept = sum(len(piece) if isinstance(piece, bytes) else piece.size_bytes for piece in found)
    assert kept <= len(data)
    assert kept >= len(data.translate(None, b" \t\r\n")) - data.count(b"\n")
