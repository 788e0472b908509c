"""Decoders of the doors in this process: µs per record from body to batch, beside what a library alone takes.

python -m bench.door_decoders [WORD…]

`library` is the bare decoding of the same bytes into Python objects, with nothing done to them; for a door without one,
the least that has to be done. `keys` is what an entry with a key costs behind the decoder: its digest, the claim, and
the end of the claim. Each figure is the least of several rounds.
"""

import sys
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import cramjam
import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from bench.door_bodies import DOORS, Door
from bench.table import table
from logboom.model import Batch
from logboom.pipeline.deduplicator import Deduplicator, digests_of
from logboom.receivers.base import Transport
from logboom.receivers.http_push import HttpRequest
from logboom.receivers.registry import receiver

RECORDS: Final = 2000
BODIES: Final = 5
ROUNDS: Final = 12
PIECE_BYTES: Final = 64 << 10
"""Bytes that come at once, as from a socket."""
KEYS_BYTES: Final = 64 << 20

_json: Final = msgspec.json.Decoder()
_packed: Final = msgspec.msgpack.Decoder()


def _forward(body: bytes) -> object:
    _tag, entries, _options = _packed.decode(body)
    return _packed.decode(b"\xdd" + RECORDS.to_bytes(4) + entries)


def _beats(body: bytes) -> object:
    frames = zlib.decompress(body[12:])
    events, at = [], 0
    while at < len(frames):
        stop = at + 10 + int.from_bytes(frames[at + 6 : at + 10])
        events.append(frames[at + 10 : stop])
        at = stop
    return _json.decode_lines(b"\n".join(events))


LIBRARIES: Final[dict[str, tuple[str, Callable[[bytes], object]]]] = {
    "syslog over TCP": (
        "split by spaces",
        lambda body: [line.split(b" ", 8) for line in body.split(b"<165>")],
    ),
    "Fluent Forward": ("msgspec, MessagePack", _forward),
    "Beats": ("zlib, msgspec", _beats),
    "OTLP, protobuf": ("protobuf (upb), not read", ExportLogsServiceRequest.FromString),
    "OTLP, JSON": ("msgspec", _json.decode),
    "Loki, JSON": ("msgspec", _json.decode),
    "Loki, snappy": ("snappy only", cramjam.snappy.decompress_raw),
    "Elasticsearch": ("msgspec", _json.decode_lines),
    "Splunk": ("msgspec", _json.decode_lines),
    "systemd": ("split by lines", lambda body: body.decode().split("\n")),
}


def decoder_of(door: Door) -> Callable[[bytes], list[Batch]]:
    """Return what makes the batches of a body, as a connection or a request would."""
    kind = receiver(door.listener)
    settings = kind.settings(protocol=door.listener, port=1)  # type: ignore[call-arg]
    if not door.path:
        return lambda body: _streamed(kind.transports[Transport.TCP].make(settings), body)
    routes = kind.transports[Transport.HTTP].make(settings)
    route = next(one for one in routes if (one.method, one.path) == ("POST", door.path))
    headers = dict(header.split(": ", 1) for header in door.headers)
    request = HttpRequest("POST", door.path, {}, {}, headers, headers["Content-Type"])
    return lambda body: _posted(route.open(request, settings), body)


def _streamed(protocol: Any, body: bytes) -> list[Batch]:
    found = []
    for start in range(0, len(body), PIECE_BYTES):
        protocol.receive_data(body[start : start + PIECE_BYTES])
        while (item := protocol.next_batch()) is not None:
            found.append(item[0])
    return found


def _posted(codec: Any, body: bytes) -> list[Batch]:
    found = []
    codec.begin()
    for start in range(0, len(body), PIECE_BYTES):
        codec.feed(body[start : start + PIECE_BYTES])
        while (batch := codec.take()) is not None:
            found.append(batch)
    codec.end()
    while (batch := codec.take()) is not None:
        found.append(batch)
    return found


def per_record_us(work: Callable[[bytes], object], bodies: Sequence[bytes]) -> float:
    """Return the processor time per record, µs."""
    least = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        for body in bodies:
            work(body)
        least = min(least, time.process_time() - begun)
    return least / len(bodies) / RECORDS * 1e6


def keys_us(decode: Callable[[bytes], list[Batch]], bodies: Sequence[bytes]) -> float:
    """Return the processor time that the keys of a record take, µs; 0: it has none."""
    batches = [batch for body in bodies for batch in decode(body)]
    if not any(batch.keys for batch in batches):
        return 0.0
    least = float("inf")
    for _ in range(ROUNDS):
        deduplicator = Deduplicator(86_400.0, KEYS_BYTES)
        begun = time.process_time()
        for batch in batches:
            digests = digests_of(batch)
            deduplicator.claim(digests)
            deduplicator.settle(digests, stored=True)
        least = min(least, time.process_time() - begun)
    return least / len(bodies) / RECORDS * 1e6


def main() -> None:
    """Measure the doors whose names hold one of the words; all without words."""
    words = [word.lower() for word in sys.argv[1:]]
    rows = []
    for door in DOORS:
        if words and not any(word in door.what.lower() for word in words):
            continue
        bodies = [door.body(number * RECORDS, RECORDS) for number in range(BODIES)]
        decode = decoder_of(door)
        assert sum(batch.count for batch in decode(bodies[0])) == RECORDS, door.what
        library, work = next(found for name, found in LIBRARIES.items() if door.what.startswith(name))
        figures = per_record_us(work, bodies), per_record_us(decode, bodies), keys_us(decode, bodies)
        goal = 1e6 / door.goal_per_s
        rows.append([door.what, library, *(f"{figure:.2f}" for figure in (*figures, goal))])
    print(table(["door", "library", "library, µs", "decoder, µs", "keys, µs", "goal of the whole, µs"], rows))


if __name__ == "__main__":
    main()
