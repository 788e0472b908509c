"""Bytes of strangers at every door: the kept corpus, and damaged versions of it.

`corpus/<target>/<name>` are inputs that are interesting, one a file; each is replayed whole, byte by byte and at random
cuts. What a fuzzer or a user finds is added there, and stays found.
"""

import gzip
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from logboom.formats.capnp_hello import BadHelloError, identity
from logboom.formats.ndjson import repaired
from logboom.framing.jsonlines import JsonLines
from logboom.framing.tokenline import TokenLine
from logboom.model import Verdict, WireProtocol
from logboom.receivers.capnp.protocol import CapnpProtocol
from logboom.receivers.collector.protocol import CollectorProtocol
from logboom.receivers.device.protocol import DeviceProtocol
from logboom.receivers.gateway.protocol import GatewayProtocol
from logboom.receivers.grpc.entry import DOCUMENT, ENTRIES_MAX, REAL, batch_decoder, request_decoder
from logboom.receivers.http_push import BodyError
from logboom.testing.protocol_kit import check_protocol, cut
from logboom.web import uploads
from logboom.web.bodies import LINE_TYPES, EntryLines, unpacking_of
from logboom.web.messages import judge, one_line

CORPUS = Path(__file__).with_name("corpus")
LIMIT = 300
FRAME_LIMIT = 2000
TOKEN = "lb_0123456789"
DAMAGED = 300
"""Damaged versions of each corpus file."""


def with_token() -> WireProtocol:
    return TokenLine(
        DeviceProtocol(line_bytes_max=LIMIT), lambda token: None if token == TOKEN else "a wrong token"
    )


PROTOCOLS: dict[str, Callable[[], WireProtocol]] = {
    "device": lambda: DeviceProtocol(line_bytes_max=LIMIT),
    "gateway": lambda: GatewayProtocol(line_bytes_max=LIMIT),
    "collector": lambda: CollectorProtocol(line_bytes_max=LIMIT, frame_bytes_max=FRAME_LIMIT),
    "capnp": lambda: CapnpProtocol(frame_bytes_max=FRAME_LIMIT),
    "token": with_token,
}


def check_stream(target: str, data: bytes) -> None:
    outcome = check_protocol(PROTOCOLS[target], data, rounds=2)
    for entry in outcome.entries:
        assert isinstance(json.loads(entry), dict)
        assert b"\n" not in entry
    first = data.partition(b"\n")[0]
    if target == "token" and first.rstrip(b"\r").removeprefix(b"AUTH ").strip() != TOKEN.encode():
        assert (outcome.entries, outcome.replies) == ([], b"")


class Body(NamedTuple):
    """What became of a request's body."""

    good: tuple[bytes, ...]
    verdicts: tuple[int, ...]
    status: int


def read_body(kind: str, encoding: str, pieces: list[bytes]) -> Body:
    good: list[bytes] = []
    verdicts: list[int] = []
    status, text = 0, ""
    try:
        unpacking = unpacking_of(encoding)
        lines = EntryLines(JsonLines(uploads._ENTRY, LIMIT), kind, LIMIT)
        for piece in pieces:
            for unpacked in unpacking.feed(piece):
                lines.feed(unpacked)
                take(lines, good, verdicts)
        list(unpacking.end())
        lines.end()
        take(lines, good, verdicts)
    except BodyError as error:
        status = error.status
        text = str(error)
    assert "\n" not in text
    return Body(tuple(good), tuple(verdicts), status)


def take(lines: EntryLines, good: list[bytes], verdicts: list[int]) -> None:
    while (batch := lines.take()) is not None:
        verdicts.extend(batch.verdicts)
        good.extend(batch.entries.split(b"\n") if batch.entries else [])


def check_body(kind: str, encoding: str, body: bytes, seed: int = 0) -> Body:
    """The same however it is cut; a body that breaks off may have given more of its lines before."""
    whole = read_body(kind, encoding, [body] if body else [])
    chance = random.Random(seed)
    for sizes in ([1], [chance.randint(1, 60) for _ in range(5)]):
        found = read_body(kind, encoding, cut(body, sizes))
        assert found.status == whole.status
        if not whole.status:
            assert found == whole
        else:
            shorter, longer = sorted((found.good, whole.good), key=len)
            assert longer[: len(shorter)] == shorter
    assert len(whole.good) == whole.verdicts.count(Verdict.ACCEPTED)
    for entry in whole.good:
        assert isinstance(json.loads(entry), dict)
        assert b"\n" not in entry
    assert whole.status in (0, 400, 413, 415)
    return whole


def check_http(data: bytes) -> None:
    """A corpus file of a body: content type, a blank, encoding, a newline, the body."""
    head, _, body = data.partition(b"\n")
    kind, _, encoding = head.decode("latin-1").partition(" ")
    check_body(kind, encoding, body)


def check_message(data: bytes) -> None:
    """A WebSocket message alone, and between good ones: the same verdict, and nobody else's changes."""
    good = b'{"message":"m"}'
    alone = judge([data], LIMIT)
    among = judge([good, data, good], LIMIT)
    assert len(alone.verdicts) == 1
    assert among.verdicts == bytes([Verdict.ACCEPTED, alone.verdicts[0], Verdict.ACCEPTED])
    stored = among.entries.split(b"\n")
    assert stored[0] == stored[-1] == good
    if alone.verdicts[0] == Verdict.ACCEPTED:
        assert stored[1:-1] == [one_line(repaired(data))]
        assert "message" in json.loads(stored[1])


def check_request(data: bytes) -> None:
    """A gRPC request is an entry or a reason, and never an exception; after a good one in a run just the same."""
    for decode, entries_max in (
        (request_decoder(REAL), 1),
        (request_decoder(DOCUMENT), 1),
        (batch_decoder(), ENTRIES_MAX),
    ):
        found = decode([data])
        lines = found.entries.split(b"\n") if found.entries else []
        assert len(lines) == len(found.levels) <= entries_max
        assert (found.trouble is None) == (len(found.counts) == 1)
        for line in lines:
            assert len(json.loads(line)) in (8, 16)
        assert found.trouble is None or "\n" not in found.trouble
        assert decode([b"", data]).trouble == found.trouble


def check_hello(data: bytes) -> None:
    """An identity fit for a log line, or the one error; and in its frame, whatever comes after it."""
    text = ""
    try:
        name = identity(data)
    except BadHelloError as error:
        name, text = "", str(error)
    assert "\n" not in text
    assert name.isprintable()
    assert len(name) <= 129
    framed = len(data).to_bytes(4, "big") + data
    check_protocol(PROTOCOLS["capnp"], framed + b"\0\0\0\0" + framed, rounds=2)


def checks() -> dict[str, Callable[[bytes], None]]:
    streams = {name: (lambda data, name=name: check_stream(name, data)) for name in PROTOCOLS}
    return streams | {
        "http": check_http,
        "websocket": check_message,
        "grpc": check_request,
        "hello": check_hello,
    }


CHECKS = checks()
FILES = sorted(path for path in CORPUS.glob("*/*") if path.parent.name != "journal")
UNSAFE = ("capnp", "hello")
"""Read by a C++ library: damaged ones are tried in a process of their own, by `fuzz_capnp.py`."""


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def test_every_door_has_a_corpus() -> None:
    assert {path.parent.name for path in FILES} == CHECKS.keys()
    assert all(path.stat().st_size <= 4096 for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_corpus(path: Path) -> None:
    CHECKS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name not in UNSAFE], ids=name_of)
def test_the_corpus_damaged(path: Path) -> None:
    """Always the same damage, so that a failure is found again."""
    chance = random.Random(name_of(path))
    data = path.read_bytes()[:600]
    for _ in range(DAMAGED // (1 + len(data) // 100)):
        CHECKS[path.parent.name](damaged(data, chance))


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The same with a few bits flipped, bytes cut out, doubled or put in."""
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        start, size = chance.randrange(len(changed) + 1), chance.choice((1, 1, 2, 5, 40))
        match chance.randrange(4):
            case 0 if start < len(changed):
                changed[start] ^= 1 << chance.randrange(8)
            case 1:
                del changed[start : start + size]
            case 2:
                changed[start:start] = changed[start : start + size]
            case _:
                changed[start:start] = chance.choice(
                    (chance.randbytes(size), *b'\n,{,},[,],",\\,\0'.split(b","))
                )
    return bytes(changed)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": lambda data: gzip.compress(data, 1, mtime=0),
    "zstd": zstd.compress,
}


@given(JSON, st.sampled_from([None, 1]), st.sampled_from(sorted(PACK)), st.integers(0, 99))
def test_any_json_document_is_its_elements(
    document: object, indent: int | None, encoding: str, seed: int
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=False).encode()
    elements = document if isinstance(document, list) else [document]
    if isinstance(document, (str, int, float)) or document is None:
        return  # not a document that holds entries, and told so line by line
    fits = [element for element in elements if isinstance(element, dict)]
    found = check_body("application/json", encoding, PACK[encoding](text), seed)
    if not found.status and Verdict.TOO_LONG not in found.verdicts:
        assert [json.loads(entry) for entry in found.good] == fits


@given(
    st.lists(JSON, max_size=6),
    st.sampled_from(sorted(LINE_TYPES)),
    st.sampled_from(sorted(PACK)),
    st.integers(0, 99),
)
def test_any_json_lines_get_a_verdict_each(values: list[object], kind: str, encoding: str, seed: int) -> None:
    body = b"\n".join(json.dumps(value).encode() for value in values)
    found = check_body(kind, encoding, PACK[encoding](body), seed)
    assert (len(found.verdicts), found.status) == (len(values), 0)


@given(
    st.binary(max_size=120),
    st.sampled_from(["application/json", "text/plain", *LINE_TYPES]),
    st.sampled_from([*PACK, "br"]),
)
def test_any_body_at_all(body: bytes, kind: str, encoding: str) -> None:
    check_body(kind, encoding, body)


@given(st.binary(max_size=60), st.sampled_from(["gzip", "zstd"]), st.integers(0, 400))
def test_a_packed_body_with_something_behind_or_missing(tail: bytes, encoding: str, keep: int) -> None:
    packed = PACK[encoding](b'{"a":1}\n' * 40)
    check_body("application/x-ndjson", encoding, packed[:keep] + tail)


@given(st.one_of(st.binary(max_size=80), JSON.map(lambda value: json.dumps(value).encode())))
def test_any_websocket_message(message: bytes) -> None:
    check_message(message)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5), st.binary(max_size=20)), max_size=8),
    st.binary(max_size=9),
)
def test_any_grpc_request(fields: list[tuple[int, int, bytes]], tail: bytes) -> None:
    """Bytes with the form of protobuf: a tag, then what its wire type promises, or not."""
    check_request(b"".join(request_field(*field) for field in fields) + tail)


def request_field(number: int, kind: int, value: bytes) -> bytes:
    tag = number << 3 | kind
    head = bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])
    return head + (bytes([len(value)]) + value if kind == 2 else value[:8])


@given(
    st.binary(max_size=60),
    st.sampled_from([f"AUTH {TOKEN}", f"AUTH {TOKEN}\r", "AUTH ", "AUTH x", "", "auth " + TOKEN, "A" * 600]),
)
def test_any_token_line(tail: bytes, first: str) -> None:
    check_stream("token", first.encode() + b"\n" + tail)
    check_stream("token", first.encode() + tail)


def files_of(target: str) -> Iterator[bytes]:
    for path in FILES:
        if path.parent.name == target:
            yield path.read_bytes()


def test_the_corpus_holds_good_inputs_too() -> None:
    """Or damage would only be damage to garbage."""
    for target in ("device", "gateway", "collector", "capnp", "token"):
        assert any(check_protocol(PROTOCOLS[target], data, rounds=1).entries for data in files_of(target))
    assert any(judge([data], LIMIT).entries for data in files_of("websocket"))
    assert any(request_decoder(REAL)([data]).trouble is None for data in files_of("grpc"))


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is optional: it has wheels for x86-64 only")
def test_the_fuzzer_runs() -> None:
    command = [sys.executable, str(Path(__file__).with_name("fuzz.py")), "device", "100"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
