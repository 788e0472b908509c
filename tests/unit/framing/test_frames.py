"""Length-prefixed frames out of any pieces."""

import pytest

from logboom.framing.frames import CHUNK_BYTES_MAX, LengthFramer
from logboom.testing.protocol_kit import cut

LIMIT = 1000
ALONE = b"\0\0\0\0"


def frame(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


def take_all(framer: LengthFramer) -> list[list[bytes]]:
    taken = []
    while (frames := framer.take()).size_bytes:
        taken.append(frames.payloads)
    return taken


def run(pieces: list[bytes], limit: int = LIMIT) -> tuple[list[bytes], LengthFramer]:
    framer = LengthFramer(limit, ALONE)
    found: list[bytes] = []
    for piece in pieces:
        framer.feed(piece)
        found += [payload for payloads in take_all(framer) for payload in payloads]
    return found, framer


@pytest.mark.parametrize("sizes", [[1], [3], [4], [5, 1], [1 << 20]])
def test_frames_come_out_however_they_are_cut(sizes: list[int]) -> None:
    payloads = [b"a", b"x" * LIMIT, b"", ALONE, b"", b"\0\0\0", ALONE + b"more", b"z"]
    data = b"".join(map(frame, payloads))
    found, framer = run(cut(data, sizes))
    assert found == [payload for payload in payloads if payload]
    assert len(framer) == 0


def test_a_frame_that_is_to_stand_alone_does() -> None:
    framer = LengthFramer(LIMIT, ALONE)
    framer.feed(b"".join(map(frame, [b"a", b"b", ALONE + b"1", ALONE + b"2", b"c"])))
    assert take_all(framer) == [[b"a", b"b"], [ALONE + b"1"], [ALONE + b"2"], [b"c"]]


def test_empty_frames_count_as_taken() -> None:
    framer = LengthFramer(LIMIT, ALONE)
    framer.feed(frame(b"") * 3 + b"\0")
    assert framer.take() == ([], 12)
    assert framer.take() == ([], 0)
    assert len(framer) == 1


@pytest.mark.parametrize("sizes", [[1], [7], [1 << 20]])
def test_a_frame_that_is_too_long_stays_with_its_size(sizes: list[int]) -> None:
    found, framer = run(cut(frame(b"a") + frame(b"x" * (LIMIT + 1)), sizes))
    assert found == [b"a"]
    assert framer.next_size == LIMIT + 1
    framer.clear()
    assert len(framer) == 0


def test_an_incomplete_frame_waits_without_being_copied_each_time() -> None:
    framer = LengthFramer(4 * CHUNK_BYTES_MAX, ALONE)
    payload = b"x" * (3 * CHUNK_BYTES_MAX)
    for piece in cut(frame(payload), [1000]):
        assert not framer.take().payloads
        framer.feed(piece)
    assert framer.take() == ([payload], len(payload) + 4)


def test_what_is_handed_out_at_once_is_bounded() -> None:
    framer = LengthFramer(LIMIT, ALONE)
    count = 3 * CHUNK_BYTES_MAX // LIMIT
    framer.feed(frame(b"x" * LIMIT) * count)
    taken = take_all(framer)
    assert len(taken) > 2
    assert sum(map(len, taken)) == count
    assert all(len(payloads) * (LIMIT + 4) <= CHUNK_BYTES_MAX for payloads in taken)
