"""Heads of HTTP/2 are followed in any pieces, and ended when they have no end."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.servers.http2_heads import HEAD_BYTES_MAX, HEAD_FRAMES_MAX, PREFACE, HeadError, HeadWatch

DATA, HEADERS, SETTINGS, CONTINUATION = 0, 1, 4, 9
END = 4


def frame(kind: int, flags: int = 0, size: int = 0) -> bytes:
    return struct.pack(">I", size)[1:] + bytes([kind, flags]) + bytes(4) + bytes(size)


GOOD = PREFACE + b"".join(
    [
        *(frame(SETTINGS, 0, 18), frame(HEADERS, END, 100), frame(DATA, 1, 5000), frame(HEADERS, END)),
        *(frame(HEADERS, 0, 10), frame(CONTINUATION, 0, 0), frame(CONTINUATION, END, 20), frame(DATA, 1, 0)),
        *(frame(HEADERS, 0), frame(CONTINUATION, END), frame(SETTINGS, 1)),
    ]
)


@given(st.lists(st.integers(0, len(GOOD)), max_size=30))
def test_good_frames_pass_in_any_pieces(cuts: list[int]) -> None:
    watch = HeadWatch()
    places = sorted({0, len(GOOD), *cuts})
    for start, end in pairwise(places):
        watch.feed(GOOD[start:end])
    assert watch.begun
    assert not watch.in_head
    assert watch.heads == 4


@pytest.mark.parametrize(
    ("sent", "in_head"),
    [
        (frame(HEADERS, END, 10)[:-1], True),
        (frame(HEADERS, END, 10), False),
        (frame(HEADERS, 0, 10), True),
        (frame(HEADERS) + frame(CONTINUATION, END, 1)[:-1], True),
        (frame(HEADERS) + frame(CONTINUATION, END, 1), False),
        (frame(DATA, 0, 100)[:-50], False),
    ],
)
def test_a_head_is_open_until_its_last_byte(sent: bytes, in_head: bool) -> None:
    watch = HeadWatch()
    watch.feed(PREFACE + sent)
    assert watch.in_head == in_head


SMALL = frame(CONTINUATION, 0, 100)


def feed_all(watch: HeadWatch, sent: bytes, step: int) -> None:
    for start in range(0, len(sent), step):
        watch.feed(sent[start : start + step])


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"GET / HTTP/1.1\r\n", "does not speak HTTP/2"),
        (PREFACE[:-1] + b"x", "does not speak HTTP/2"),
        (PREFACE + frame(HEADERS, END, HEAD_BYTES_MAX + 1)[:9], f"more than {HEAD_BYTES_MAX} bytes"),
        (PREFACE + frame(HEADERS) + frame(CONTINUATION, 0, 30_000) * 3, f"more than {HEAD_BYTES_MAX} bytes"),
        (PREFACE + frame(HEADERS) + frame(CONTINUATION) * HEAD_FRAMES_MAX, f"{HEAD_FRAMES_MAX} frames"),
        (PREFACE + frame(HEADERS) + frame(DATA, 1, 5), "another frame within a head"),
        (PREFACE + frame(HEADERS) + frame(HEADERS, END), "another frame within a head"),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_what_has_no_end_is_ended(sent: bytes, reason: str, step: int) -> None:
    with pytest.raises(HeadError, match=reason):
        feed_all(HeadWatch(), sent, step)


def test_each_head_has_its_own_bound() -> None:
    watch = HeadWatch()
    watch.feed(PREFACE)
    for _ in range(100):
        watch.feed(frame(HEADERS, 0, 40_000) + SMALL * 10 + frame(CONTINUATION, END))
    assert watch.heads == 100
