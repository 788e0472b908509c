"""`check_protocol`: verifies that the same bytes, split in any way, give the same lines and replies."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from logboom.model import Receipt, Verdict, WireProtocol


@dataclass
class Outcome:
    """Result of a protocol for a byte stream."""

    entries: list[bytes] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    replies: bytes = b""
    fatal: bool = False


def run_protocol(make: Callable[[], WireProtocol], pieces: Iterable[bytes], *, eof: bool = True) -> Outcome:
    """Feed `pieces` one after the other with an immediate receipt, and return the result."""
    protocol = make()
    outcome = Outcome()
    for piece in pieces:
        protocol.receive_data(piece)
        _drain(protocol, outcome)
    if eof:
        protocol.receive_eof()
        _drain(protocol, outcome)
    outcome.fatal = protocol.fatal is not None
    return outcome


def _drain(protocol: WireProtocol, outcome: Outcome) -> None:
    while (item := protocol.next_batch()) is not None:
        batch, acker = item
        entries = batch.entries.split(b"\n") if batch.entries else []
        assert len(entries) == batch.count, f"{len(entries)} entries, but {batch.count} accepted"
        assert batch.size_bytes > 0 or not batch.verdicts, "a batch that took no bytes"
        outcome.entries += entries
        outcome.verdicts += [Verdict(verdict) for verdict in batch.verdicts]
        replies = acker(Receipt(0, batch.verdicts))
        assert batch.verdicts or replies, "a batch without a wire line or an answer"
        outcome.replies += replies


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Cut `data` into pieces of the given sizes, used in turn."""
    pieces, start, turn = [], 0, 0
    while start < len(data):
        size = max(1, sizes[turn % len(sizes)])
        pieces.append(data[start : start + size])
        start, turn = start + size, turn + 1
    return pieces


def check_protocol(
    make: Callable[[], WireProtocol], data: bytes, *, seed: int = 0, rounds: int = 5
) -> Outcome:
    """Feed `data` as a whole, byte by byte and with random cuts, and compare the results.

    Args:
        make: makes a new protocol.
        data: bytes of one connection.
        seed: seed of the random cuts.
        rounds: number of random cuts.

    Returns:
        The common result, for further assertions.

    Raises:
        AssertionError: two ways of cutting gave different results, or a batch is inconsistent.
    """
    whole = run_protocol(make, [data])
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    ways = [[1]] + [[chance.randint(1, 1 + len(data) // 2) for _ in range(9)] for _ in range(rounds)]
    for sizes in ways:
        found = run_protocol(make, cut(data, sizes))
        assert found == whole, f"cut into {sizes}: {found}, but whole: {whole}"
    return whole
