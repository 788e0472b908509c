"""Lines out of files, in bounded memory."""

import asyncio
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.clients.delivery.line_reader import Read, read_lines
from logboom.clients.delivery.report import Report


def read_all(
    read: Read, report: Report | None = None, *, raw: bool = False, line_bytes_max: int = 1000
) -> list[bytes]:
    async def gather() -> list[bytes]:
        batches = read_lines(read, report or Report(), raw=raw, line_bytes_max=line_bytes_max)
        return [line async for lines in batches for line in lines]

    return asyncio.run(gather())


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line and not line.endswith(b"\r"))))
def test_any_cut_gives_the_same_lines(lines: list[bytes]) -> None:
    stream = io.BytesIO(b"".join(line + b"\n" for line in lines))
    assert read_all(lambda _size: stream.read(3), raw=True) == lines


@given(st.lists(st.text(max_size=20).filter(lambda line: not {*"\n\r\0\ufeff"} & {*line})), st.integers(1, 5))
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_any_cut_of_any_encoding_gives_the_same_lines(codec: str, lines: list[str], size: int) -> None:
    stream = io.BytesIO("".join(line + "\n" for line in lines).encode(codec, "replace"))
    found = read_all(lambda _size: stream.read(size))
    assert found == [line.encode(errors="replace") for line in lines]


def test_what_is_not_utf8_is_replaced() -> None:
    assert read_all(io.BytesIO(b"a\xff\xffb\n").read) == ["a\ufffd\ufffdb".encode()]


def test_an_unterminated_last_line_counts() -> None:
    assert read_all(io.BytesIO(b"a\r\nb").read) == [b"a", b"b"]


def test_a_long_line_is_counted_and_its_neighbours_live() -> None:
    report = Report()
    stream = io.BytesIO(b"a\n" + b"x" * 1000 + b"\nb\n")
    assert read_all(lambda _size: stream.read(64), report, line_bytes_max=100) == [b"a", b"b"]
    assert report.refused == {"line longer than 100 bytes": 1}
    assert report.bytes_read == 1005


def test_each_read_is_handed_on_at_once() -> None:
    reads = iter([b"one\n", b"two\nthr", b"ee\n", b""])

    async def gather() -> list[list[bytes]]:
        return [lines async for lines in read_lines(lambda _size: next(reads), Report())]

    assert asyncio.run(gather()) == [[b"one"], [b"two"], [b"three"]]


def test_an_unreadable_file_is_the_callers_to_hear_of() -> None:
    def broken(_size: int) -> bytes:
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        read_all(broken)
