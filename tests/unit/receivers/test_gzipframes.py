"""docs/contracts/collector.md: compressed mode."""

import gzip
import zlib

import pytest

from logboom.model import Verdict
from logboom.receivers.collector.gzipframes import SLICE_BYTES, UNPACKED_BYTES_MAX
from logboom.receivers.collector.protocol import CollectorProtocol
from logboom.testing.protocol_kit import Outcome, check_protocol, run_protocol

FRAME_LIMIT = 4000
RECEIVED = b'{"status":"ok","message":"received"}\n'
INVALID = b'{"status":"error","message":"invalid JSON"}\n'
TOO_LONG = b'{"status":"error","message":"line too long"}\n'
A = b'{"level":"INFO","message":"a"}'
B = b'{"level":"ERROR","message":"b"}'


def framed(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


def frame(text: bytes) -> bytes:
    return framed(gzip.compress(text, mtime=0))


def make() -> CollectorProtocol:
    return CollectorProtocol(line_bytes_max=200, frame_bytes_max=FRAME_LIMIT)


def check(data: bytes) -> Outcome:
    return check_protocol(make, data)


def test_replies_are_plain_lines_one_a_line() -> None:
    outcome = check(frame(A + b"\n" + B + b"\n") + frame(b"nope\n" + A + b"\r\n\n"))
    assert outcome.entries == [A, B, A]
    assert outcome.replies == RECEIVED * 2 + INVALID + RECEIVED


def test_the_last_line_of_a_frame_needs_no_newline() -> None:
    assert check(frame(A) + frame(B)).entries == [A, B]


def test_a_line_does_not_go_on_in_the_next_frame() -> None:
    assert check(frame(A[:10]) + frame(A[10:])).replies == INVALID * 2


def test_several_members_in_one_frame_are_one_text() -> None:
    members = gzip.compress(A + b"\n" + B[:7]) + gzip.compress(b"") + gzip.compress(B[7:] + b"\n" + A)
    assert check(framed(members)).entries == [A, B, A]


def test_a_frame_that_unpacks_in_several_slices() -> None:
    lines = [b'{"level":"INFO","message":"%06d %s"}' % (number, b"." * 60) for number in range(8000)]
    text = b"\n".join(lines)
    assert len(text) > 2 * SLICE_BYTES
    outcome = run_protocol(lambda: CollectorProtocol(line_bytes_max=200), [frame(text) + frame(B)])
    assert outcome.entries == [*lines, B]


CORRUPT = [
    pytest.param(gzip.compress(A)[:-6], id="cut short"),
    pytest.param(gzip.compress(A)[:-8] + b"\0" * 8, id="wrong checksum"),
    pytest.param(b"\x1f\x8b" + b"garbage" * 5, id="garbage behind the magic"),
    pytest.param(gzip.compress(A) + b"trailing", id="garbage behind the member"),
    pytest.param(zlib.compress(A), id="zlib, not gzip"),
    pytest.param(A, id="not compressed"),
    pytest.param(b"", id="empty"),
]


@pytest.mark.parametrize("payload", CORRUPT)
def test_a_corrupt_frame_is_one_refusal_and_the_next_frame_is_good(payload: bytes) -> None:
    outcome = check(frame(B) + framed(payload) + frame(B))
    assert outcome.replies.count(INVALID) == 1
    assert outcome.verdicts[0] == outcome.verdicts[-1] == Verdict.ACCEPTED
    assert outcome.entries[0] == outcome.entries[-1] == B
    assert not outcome.fatal


def test_an_empty_gzip_text_says_nothing() -> None:
    assert check(frame(B) + frame(b"") + frame(B)).replies == RECEIVED * 2


def test_a_frame_at_the_limit_is_good_and_a_larger_one_is_skipped() -> None:
    exact = make_exact(FRAME_LIMIT)
    outcome = check(frame(A) + framed(exact) + framed(exact + b"x") + frame(B))
    assert outcome.verdicts == [Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.TOO_LONG, Verdict.ACCEPTED]
    assert outcome.replies == RECEIVED * 2 + TOO_LONG + RECEIVED


def make_exact(size: int) -> bytes:
    """A gzip text of `size` bytes: the file name in the header fills it up."""
    body = gzip.compress(A, mtime=0)
    named = body[:3] + b"\x08" + body[4:10] + b"n" * (size - len(body) - 1) + b"\0" + body[10:]
    assert len(named) == size
    assert gzip.decompress(named) == A
    return named


def test_an_oversized_frame_is_dropped_in_bounded_memory() -> None:
    protocol = make()
    protocol.receive_data(frame(A))
    assert protocol.next_batch() is not None
    assert protocol.next_batch() is None
    protocol.receive_data((1 << 20).to_bytes(4, "big") + b"\x1f\x8b")
    item = protocol.next_batch()
    assert item is not None
    assert item[0].reasons == (f"frame of {1 << 20} bytes, the limit is {FRAME_LIMIT}",)
    left = (1 << 20) - 2
    while left:
        protocol.receive_data(bytes(min(left, 9999)))
        assert protocol.next_batch() is None
        assert protocol.buffered_bytes() == 0
        left -= min(left, 9999)
    protocol.receive_data(frame(B))
    item = protocol.next_batch()
    assert item is not None
    assert item[0].entries == B


def test_a_bomb_is_refused_in_bounded_memory() -> None:
    packer = zlib.compressobj(9, wbits=31)
    block = (A + b"\n") * 30_000
    bomb = (
        b"".join(packer.compress(block) for _ in range(2 + UNPACKED_BYTES_MAX // len(block))) + packer.flush()
    )
    protocol = CollectorProtocol(line_bytes_max=200)
    protocol.receive_data(framed(bomb) + frame(B))
    most_held, largest, unpacked, last = 0, 0, 0, None
    while (item := protocol.next_batch()) is not None:
        last = item[0]
        most_held = max(most_held, protocol.buffered_bytes() - len(bomb))
        largest = max(largest, last.size_bytes if last.count else 0)
        unpacked += len(last.entries)
    assert last is not None
    assert last.entries == B
    assert most_held <= SLICE_BYTES + 200
    assert largest <= SLICE_BYTES + 200 + 1
    assert unpacked <= UNPACKED_BYTES_MAX


def test_a_bomb_of_one_line_is_refused_as_too_long() -> None:
    packed = gzip.compress(b"x" * (5 << 20))
    outcome = run_protocol(lambda: CollectorProtocol(line_bytes_max=200), [framed(packed) + frame(B)])
    assert outcome.replies == TOO_LONG + RECEIVED


def test_a_frame_that_is_cut_off_by_the_end_gets_no_reply() -> None:
    assert check(frame(A) + frame(B)[:-3]).replies == RECEIVED


def test_a_client_keeps_the_mode_of_its_first_bytes() -> None:
    outcome = check(A + b"\n" + frame(B) + b"\n" + A + b"\n")
    assert outcome.entries == [A, A]
    assert INVALID in outcome.replies
