"""Gathering changes nothing that a client sees: any bytes, in any pieces, over any connections, in any order."""

import random
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from logboom.framing.tokenline import TokenLine
from logboom.receivers.registry import endpoint_of
from logboom.servers.connection import Connection
from logboom.testing.protocol_kit import Outcome, cut, run_protocol
from tests.unit.servers.conftest import Bench, FakeTransport, settings_of

LINE_BYTES_MAX = 300

LINES = {
    "device": [
        b'{"boot_seq":1,"uptime_ms":1}',
        b'{"boot_seq":1,"uptime_ms":2,"x":"\xc3\xa9"}',
        b'{"boot_seq":null,"uptime_ms":"3"} ',
        b'{"boot_seq":1,"uptime_ms":4,"x":NaN}',
        b'{"boot_seq":1}',
    ],
    "collector": [
        b'{"level":"INFO","message":"a"}',
        b'{"level":"ERROR","message":"b","x":"\xf0\x9f\x98\x80"}',
        b'{"level":5,"message":{}}',
        b'{"level":"INFO"}',
    ],
}
ODD = [
    b"",
    b" ",
    b"nope",
    b"null",
    b"[]",
    b"\xff",
    b"{}{}",
    b'{"a":',
    b"\xef\xbb\xbf",
    b"x" * (LINE_BYTES_MAX + 1),
    b'{"a":"' + b"y" * LINE_BYTES_MAX + b'"}',
]


@dataclass
class Sender:
    """One connection, and what it still has to send."""

    connection: Connection
    transport: FakeTransport
    data: bytes
    pieces: list[bytes]
    ended: bool = False
    entries: list[bytes] = field(default_factory=list)


def run(protocol: str, streams: list[bytes], seed: int, *, token: bool) -> list[Sender]:
    """Send all streams in random pieces and turns; answers come late, some at once, some in the middle of a turn."""
    chance = random.Random(seed)
    bench = Bench(settings_of(protocol, line_bytes_max=LINE_BYTES_MAX))
    if token:
        make = bench.listener.make_protocol
        bench.listener.make_protocol = lambda: TokenLine(make(), lambda _: None)  # type: ignore[method-assign]
    senders = []
    for number, data in enumerate(streams):
        connection, transport = bench.connect(f"10.0.0.{number}")
        sent = b"AUTH t\n" + data if token else data
        senders.append(Sender(connection, transport, data, split(sent, chance)))
    while any(sender.pieces or not sender.ended for sender in senders):
        for sender in chance.sample(senders, len(senders)):
            step(bench, sender, chance)
        happen(bench, chance)
    bench.behind = False
    bench.turns.advanced()
    bench.settle()
    share_out(bench, senders)
    return senders


def split(data: bytes, chance: random.Random) -> list[bytes]:
    """Mostly whole lines, as devices send them; some in two parts or together."""
    pieces: list[bytes] = []
    for line in data.splitlines(keepends=True):
        if pieces and chance.random() < 0.1:
            pieces[-1] += line
        elif chance.random() < 0.3:
            pieces += cut(line, [chance.randint(1, len(line))])
        else:
            pieces.append(line)
    return pieces


def step(bench: Bench, sender: Sender, chance: random.Random) -> None:
    """Let a sender send something, or end."""
    for _ in range(chance.choice([0, 1, 1, 2])):
        if sender.pieces and sender.transport.is_reading():
            bench.receive(sender.connection, sender.pieces.pop(0))
    if not sender.transport.is_reading():
        return
    if not sender.pieces and not sender.ended:
        sender.ended = True
        sender.connection.eof_received()


def happen(bench: Bench, chance: random.Random) -> None:
    """Let the loop turn, answers come, the journal fall behind or catch up."""
    if chance.random() < 0.6:
        bench.loop.turn()
    if bench.intake.waiting and chance.random() < 0.5:
        bench.intake.answer()
    if chance.random() < 0.1:
        bench.behind = not bench.behind
    if not bench.behind:
        bench.turns.advanced()
    elif not bench.intake.waiting and chance.random() < 0.3:
        bench.behind = False


def share_out(bench: Bench, senders: list[Sender]) -> None:
    """Give each sender what was stored under its name."""
    by_peer = {f"10.0.0.{number}": sender for number, sender in enumerate(senders)}
    for batch in bench.intake.batches:
        entries = batch.entries.split(b"\n") if batch.entries else []
        sources = batch.sources or [batch.source] * len(entries)
        for entry, source in zip(entries, sources, strict=True):
            by_peer[source.peer].entries.append(entry)


def expected(protocol: str, data: bytes) -> Outcome:
    made = settings_of(protocol, line_bytes_max=LINE_BYTES_MAX)
    return run_protocol(lambda: endpoint_of(made).make(made), [data])


@st.composite
def fleets(draw: st.DrawFn) -> tuple[str, list[bytes]]:
    protocol = draw(st.sampled_from(sorted(LINES)))
    good = st.sampled_from(LINES[protocol])
    line = st.one_of(good, good, good, st.sampled_from(ODD), st.binary(max_size=20))
    end = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\n\n"])
    stream = st.lists(st.tuples(line, end), max_size=12).map(
        lambda parts: b"".join(text + ending for text, ending in parts)
    )
    tail = st.sampled_from([b"", b"", b"nope", LINES[protocol][0], b'{"a'])
    streams = draw(st.lists(st.tuples(stream, tail), min_size=1, max_size=8))
    return protocol, [head + rest for head, rest in streams]


@settings(max_examples=80, deadline=None)
@given(fleets(), st.integers(0, 2**32), st.booleans())
def test_any_bytes_over_any_connections_are_answered_as_alone(
    fleet: tuple[str, list[bytes]], seed: int, token: bool
) -> None:
    protocol, streams = fleet
    for sender in run(protocol, streams, seed, token=token):
        alone = expected(protocol, sender.data)
        assert sender.entries == alone.entries
        assert sender.transport.written == alone.replies
        assert sender.transport.closed
