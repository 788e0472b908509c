"""The crash oracle: compares a journal with the records of the clients of `recording_client`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field
from typing import Final

import msgspec

from logboom.prove.recording_client import (
    COLLECTOR,
    DEVICE,
    MARK,
    LineTraffic,
    RecordingClient,
    Traffic,
)

__all__ = [
    "COLLECTOR",
    "DEVICE",
    "Judgement",
    "LineTraffic",
    "RecordingClient",
    "Tally",
    "Traffic",
    "entries_of",
    "judge",
]

EXAMPLES_MAX: Final = 5
"""Most findings that are quoted."""

EXAMPLE_BYTES_MAX: Final = 300

FAULTY: Final = "faulty"
"""Name in the complete lines of clients without a record; they may be stored or not, any number of times."""


@dataclass
class Tally:
    """Numbers of one client, or of several."""

    sent: int = 0
    """Number of different lines."""
    acked: int = 0
    stored: int = 0
    """Entries in the journal, including copies."""
    lost: int = 0
    """Acknowledged, but not in the journal. Must be 0."""
    doubled: int = 0
    """More often in the journal than sent without being refused. Must be 0."""
    resent_doubles: int = 0
    """More than once in the journal because the client had to send again, which is allowed."""
    disordered: int = 0
    """Lines after a later one of the same client. Must be 0."""

    @property
    def good(self) -> bool:
        """True if no rule was violated."""
        return not (self.lost or self.doubled or self.disordered)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass
class Judgement:
    """Result of the verification."""

    kinds: dict[str, Tally] = field(default_factory=dict)
    """Tallies by the names of the clients, without their numbers."""
    torn: int = 0
    """Journal lines that are incomplete, or were not sent in this form. Must be 0."""
    faulty: int = 0
    """Complete lines of clients without a record."""
    examples: list[bytes] = field(default_factory=list)
    """Examples of violations."""

    @property
    def total(self) -> Tally:
        """Sum over all clients."""
        return sum(self.kinds.values(), Tally())

    @property
    def good(self) -> bool:
        """True if no rule was violated."""
        return not self.torn and self.total.good

    @property
    def acked(self) -> int:
        """Number of acknowledged lines."""
        return self.total.acked

    @property
    def resent_doubles(self) -> int:
        """See `Tally`."""
        return self.total.resent_doubles

    def __add__(self, other: "Judgement") -> "Judgement":
        names = self.kinds | other.kinds
        return Judgement(
            {name: self.kinds.get(name, Tally()) + other.kinds.get(name, Tally()) for name in names},
            self.torn + other.torn,
            self.faulty + other.faulty,
            (self.examples + other.examples)[:EXAMPLES_MAX],
        )


class _Line(msgspec.Struct):
    """The parts of a journal line that the oracle reads."""

    entry: msgspec.Raw
    listener: str


_decode: Final = msgspec.json.Decoder(_Line).decode


def _read(line: bytes) -> tuple[bytes, str] | None:
    """Entry and listener of a journal line; None when it is incomplete."""
    try:
        found = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return bytes(found.entry), found.listener


def entries_of(journal_lines: Iterable[bytes]) -> tuple[list[bytes], int]:
    """Entries of journal lines, and the number of incomplete lines."""
    found = [_read(line) for line in journal_lines]
    good = [one[0] for one in found if one is not None]
    return good, len(found) - len(good)


class _Record:
    """Stored lines of one client."""

    def __init__(self, client: RecordingClient) -> None:
        self.client = client
        self.stored = bytearray(client.sent)
        self.disordered = 0
        self._last = -1

    def take(self, entry: bytes, listener: str, number: int) -> bool:
        """Record a stored entry; returns whether it is the line with that number."""
        client = self.client
        if number >= len(self.stored) or listener != client.traffic.listener:
            return False
        if not client.traffic.is_entry(entry, client.name, number):
            return False
        self.stored[number] = min(255, self.stored[number] + 1)
        if not client.again[number]:
            self.disordered += number < self._last
            self._last = max(self._last, number)
        return True

    def wrong(self) -> Iterator[tuple[int, str]]:
        """Yield the numbers of lost and doubled lines, each with its kind."""
        triples = zip(self.stored, self.client.sends, self.client.acked, strict=True)
        for number, (stored, sends, acked) in enumerate(triples):
            if acked and not stored:
                yield number, "lost"
            elif stored > sends:
                yield number, "doubled"

    def tally(self) -> Tally:
        """Make the tally."""
        wrong = [kind for _, kind in self.wrong()]
        doubled = wrong.count("doubled")
        copies = len(self.stored) - self.stored.count(0) - self.stored.count(1)
        return Tally(
            sent=self.client.sent,
            acked=self.client.acked.count(1),
            stored=sum(self.stored),
            lost=wrong.count("lost"),
            doubled=doubled,
            resent_doubles=max(0, copies - doubled),
            disordered=self.disordered,
        )


def judge(
    clients: Iterable[RecordingClient],
    journal_lines: Iterable[bytes],
    faulty: Mapping[str, Traffic] | None = None,
) -> Judgement:
    """Compare a journal with the records of its clients.

    Args:
        clients: all recording clients, stopped.
        journal_lines: the whole journal, in order, without newlines.
        faulty: traffic of clients without a record, by listener; their complete lines are allowed.
    """
    records = {client.name.encode(): _Record(client) for client in clients}
    judgement = Judgement()
    for line in journal_lines:
        read = _read(line)
        mark = MARK.search(read[0]) if read else None
        record = records.get(mark[1]) if mark else None
        if read and mark and record:
            if record.take(*read, int(mark[2])):
                continue
        elif read and mark and _is_faulty(*read, int(mark[2]), mark[1], faulty or {}):
            judgement.faulty += 1
            continue
        judgement.torn += 1
        _quote(judgement, b"torn or nobody's: " + line)
    for record in records.values():
        for number, kind in record.wrong():
            _quote(judgement, b"%b: %b %d" % (kind.encode(), record.client.name.encode(), number))
        kind = record.client.name.rstrip("0123456789")
        judgement.kinds[kind] = judgement.kinds.get(kind, Tally()) + record.tally()
    return judgement


def _is_faulty(entry: bytes, listener: str, number: int, name: bytes, faulty: Mapping[str, Traffic]) -> bool:
    traffic = faulty.get(listener)
    return name == FAULTY.encode() and traffic is not None and traffic.is_entry(entry, FAULTY, number)


def _quote(judgement: Judgement, text: bytes) -> None:
    if len(judgement.examples) < EXAMPLES_MAX:
        judgement.examples.append(text[:EXAMPLE_BYTES_MAX])
