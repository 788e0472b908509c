import gzip
import json
import random
from itertools import pairwise

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from logboom.framing.jsonlines import JsonLines
from logboom.model import Verdict
from logboom.receivers.http_push import BodyError
from logboom.web import bodies, uploads
from logboom.web.bodies import EntryLines, check_type, unpacking_of

LIMIT = 1000
DECODER = uploads._ENTRY

PRETTY = json.dumps({"a": 1, "b": [1, {"c": 2}]}, indent=2).encode()

CASES = {
    "object": (b'{"a":1}', [b'{"a":1}']),
    "pretty object": (PRETTY, [PRETTY.replace(b"\n", b" ")]),
    "array": (b'[{"a":1}, {"b":"x"}]', [b'{"a":1}', b'{"b":"x"}']),
    "pretty array": (b'[\r\n  {\n "a": 1\n},\n{}\n]\n', [b'{  "a": 1 }', b"{}"]),
    "empty array": (b"[]", []),
    "lines": (b'{"a":1}\n{"b":2}\n', [b'{"a":1}', b'{"b":2}']),
    "lines with blanks": (b'\n\r\n {"a":1}\r\n\n{"b":2}', [b'{"a":1}', b'{"b":2}']),
    "byte order mark": (b'\xef\xbb\xbf{"a":1}\n{"b":2}', [b'{"a":1}', b'{"b":2}']),
    "nothing": (b"", []),
    "white space": (b" \n ", []),
}


def read(pieces: list[bytes], content_type: str = "application/json") -> tuple[list[bytes], list[int]]:
    """The accepted lines, and all verdicts."""
    reader = EntryLines(JsonLines(DECODER, LIMIT), content_type, LIMIT)
    good: list[bytes] = []
    verdicts: list[int] = []

    def drain() -> None:
        while (batch := reader.take()) is not None:
            verdicts.extend(batch.verdicts)
            good.extend(batch.entries.split(b"\n") if batch.entries else [])

    for piece in pieces:
        reader.feed(piece)
        drain()
    reader.end()
    drain()
    return good, verdicts


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


@pytest.mark.parametrize("name", CASES)
def test_what_a_body_is_shows_in_its_first_line(name: str) -> None:
    body, lines = CASES[name]
    good, verdicts = read([body] if body else [])
    assert [json.loads(line) for line in good] == [json.loads(line) for line in lines]
    assert set(verdicts) <= {Verdict.ACCEPTED}


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/json", "text/plain"])
def test_a_byte_order_mark_is_left_out(content_type: str) -> None:
    body, lines = CASES["byte order mark"]
    assert read([body], content_type) == (lines, [Verdict.ACCEPTED] * 2)


@given(st.sampled_from(sorted(CASES)), st.lists(st.integers(0, 60), max_size=8))
def test_any_split_of_a_body_gives_the_same_entries(name: str, cuts: list[int]) -> None:
    body, _ = CASES[name]
    assert read(split(body, cuts)) == read([body] if body else [])


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/json", "text/plain"])
def test_a_bad_line_is_refused_alone(content_type: str) -> None:
    good, verdicts = read([b'{"a":1}\nbad\n[1]\n{"b":2}\n'], content_type)
    assert good == [b'{"a":1}', b'{"b":2}']
    assert verdicts == [Verdict.ACCEPTED, Verdict.NOT_JSON, Verdict.NOT_OBJECT, Verdict.ACCEPTED]


def test_lines_that_are_said_to_be_lines_are_never_an_array() -> None:
    assert read([b'[{"a":1}]\n{"b":2}'], "application/x-ndjson")[1] == [Verdict.NOT_OBJECT, Verdict.ACCEPTED]


def test_an_over_long_first_line_is_refused_without_being_gathered() -> None:
    long = b'{"a":"' + b"x" * 5000 + b'"}\n'
    good, verdicts = read([long[:3000], long[3000:], b'{"b":2}\n'])
    assert (good, verdicts) == ([b'{"b":2}'], [Verdict.TOO_LONG, Verdict.ACCEPTED])


def test_a_broken_array_is_refused_as_a_whole() -> None:
    with pytest.raises(BodyError, match="not a JSON array") as caught:
        read([b'[{"a":1},'])
    assert caught.value.status == 400


@pytest.mark.parametrize("body", [b"[%b,%b]", b"%b\n%b\n", b"[\n%b\n,%b]"])
def test_numbers_that_json_does_not_have_are_kept_as_text(body: bytes) -> None:
    good, verdicts = read([body % (b'{"a":[NaN,-Infinity]}', b'{"b":2}')])
    assert good == [b'{"a":["NaN","-Infinity"]}', b'{"b":2}']
    assert verdicts == [Verdict.ACCEPTED] * 2


@pytest.mark.parametrize("body", [rb'[{"a":"\ud83d"},{"b":2}]', b'{"a":"\\ud83d"}\n{"b":2}\n'])
def test_half_an_emoji_costs_itself(body: bytes) -> None:
    good, verdicts = read([body])
    assert good == [rb'{"a":"\\ud83d"}', b'{"b":2}']
    assert verdicts == [Verdict.ACCEPTED] * 2


def test_a_document_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "DOCUMENT_BYTES_MAX", 100)
    with pytest.raises(BodyError, match="send NDJSON") as caught:
        read([b"[" + b" " * 100])
    assert caught.value.status == 413


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "image/png", "text/csv", "application/x-protobuf"]
)
def test_other_types_are_refused(content_type: str) -> None:
    with pytest.raises(BodyError, match="Content-Type: found") as caught:
        check_type(content_type)
    assert caught.value.status == 415


def unpack(encoding: str, pieces: list[bytes]) -> bytes:
    unpacking = unpacking_of(encoding)
    data = b"".join([piece for packed in pieces for piece in unpacking.feed(packed)])
    list(unpacking.end())
    return data


PLAIN = random.Random(3).randbytes(50_000) + b"x" * 700_000
PACKED = {
    "": PLAIN,
    "identity": PLAIN,
    "gzip": gzip.compress(PLAIN[:100_000]) + gzip.compress(PLAIN[100_000:]),
    "x-gzip": gzip.compress(PLAIN),
    "zstd": zstd.compress(PLAIN[:60_000]) + zstd.compress(PLAIN[60_000:]),
}


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("step", [1 << 20, 1000, 7])
def test_every_encoding_is_unpacked_however_it_is_cut(encoding: str, step: int) -> None:
    packed = PACKED[encoding]
    assert unpack(encoding.upper(), [packed[i : i + step] for i in range(0, len(packed), step)]) == PLAIN


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_packed_body_that_ends_early_or_is_none_is_refused(encoding: str) -> None:
    for data in (PACKED[encoding][:-3], b"this is not packed at all"):
        with pytest.raises(BodyError, match=encoding) as caught:
            unpack(encoding, [data])
        assert caught.value.status == 400


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_a_bomb_is_refused_before_it_is_unpacked(pack: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "RATIO_FREE_BYTES", 1 << 20)
    monkeypatch.setattr(bodies, "RATIO_MAX", 100)
    bomb = pack(bytes(64 << 20))  # type: ignore[operator]
    sizes: list[int] = []
    unpacking = unpacking_of("gzip" if pack is gzip.compress else "zstd")
    with pytest.raises(BodyError, match="100 times") as caught:
        sizes.extend(map(len, unpacking.feed(bomb)))
    assert caught.value.status == 413
    assert max(sizes) <= bodies.SLICE_BYTES
    assert sum(sizes) <= max(1 << 20, 100 * len(bomb))


def test_a_body_is_bounded_in_all() -> None:
    unpacking = unpacking_of("", bytes_max=1000)
    assert b"".join(unpacking.feed(b"x" * 600)) == b"x" * 600
    with pytest.raises(BodyError, match="more than 1000 bytes: send it in pieces"):
        list(unpacking.feed(b"x" * 600))


def test_a_zstd_window_that_takes_much_memory_is_refused() -> None:
    options: dict[int, int] = {
        zstd.CompressionParameter.window_log: 27,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
    }
    packer = zstd.ZstdCompressor(options=options)
    packed = packer.compress(random.Random(1).randbytes(1 << 20)) + packer.flush()
    with pytest.raises(BodyError, match="zstd"):
        unpack("zstd", [packed])


def test_unknown_encodings_are_refused() -> None:
    with pytest.raises(BodyError, match="expected gzip, zstd") as caught:
        unpacking_of("br")
    assert caught.value.status == 415
