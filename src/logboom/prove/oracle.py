"""The crash oracle: holds a journal to what outside witnesses know. See `witness` for who they are."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field
from typing import Final

import msgspec

from logboom.prove.witness import (
    COLLECTOR,
    DEVICE,
    MARK,
    Dialect,
    LineDialect,
    Witness,
)

__all__ = [
    "COLLECTOR",
    "DEVICE",
    "Dialect",
    "Judgement",
    "LineDialect",
    "Tally",
    "Witness",
    "entries_of",
    "judge",
]

EXAMPLES_MAX: Final = 5
"""Findings that are quoted: enough to see what is wrong."""

EXAMPLE_BYTES_MAX: Final = 300

STRANGER: Final = "stranger"
"""The name in the whole lines of clients that are not watched; they may be stored or not, any number of times."""


@dataclass
class Tally:
    """What is known of one witness, or of several."""

    sent: int = 0
    """Different lines."""
    acked: int = 0
    stored: int = 0
    """Entries in the journal, copies included."""
    lost: int = 0
    """Acknowledged, but not in the journal. Must be 0."""
    doubled: int = 0
    """More often in the journal than it was sent without being refused. Must be 0."""
    resent_doubles: int = 0
    """More than once in the journal because the client had to send again: allowed."""
    disordered: int = 0
    """Lines that stand behind a later one of their client. Must be 0."""

    @property
    def good(self) -> bool:
        """The promise was kept."""
        return not (self.lost or self.doubled or self.disordered)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass
class Judgement:
    """What the oracle found."""

    kinds: dict[str, Tally] = field(default_factory=dict)
    """By the names of the witnesses, without their numbers."""
    torn: int = 0
    """Journal lines that are not whole, or are nobody's line as it was sent. Must be 0."""
    strangers: int = 0
    """Whole lines of clients that are not watched."""
    examples: list[bytes] = field(default_factory=list)
    """Some of what must not be."""

    @property
    def total(self) -> Tally:
        """Over all witnesses."""
        return sum(self.kinds.values(), Tally())

    @property
    def good(self) -> bool:
        """The promise was kept."""
        return not self.torn and self.total.good

    @property
    def acked(self) -> int:
        """Lines that were acknowledged."""
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
            self.strangers + other.strangers,
            (self.examples + other.examples)[:EXAMPLES_MAX],
        )


class _Line(msgspec.Struct):
    """A journal line, as far as the oracle looks at it."""

    entry: msgspec.Raw
    listener: str


_decode: Final = msgspec.json.Decoder(_Line).decode


def _read(line: bytes) -> tuple[bytes, str] | None:
    """Entry and listener of a journal line; None when it is not whole."""
    try:
        found = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return bytes(found.entry), found.listener


def entries_of(journal_lines: Iterable[bytes]) -> tuple[list[bytes], int]:
    """The entries of journal lines byte for byte, and how many lines are not whole."""
    found = [_read(line) for line in journal_lines]
    good = [one[0] for one in found if one is not None]
    return good, len(found) - len(good)


class _Record:
    """What the journal has of one witness."""

    def __init__(self, witness: Witness) -> None:
        self.witness = witness
        self.stored = bytearray(witness.sent)
        self.disordered = 0
        self._last = -1

    def take(self, entry: bytes, listener: str, number: int) -> bool:
        """Note a stored entry; whether it is the line that it says it is."""
        witness = self.witness
        if number >= len(self.stored) or listener != witness.dialect.listener:
            return False
        if not witness.dialect.is_entry(entry, witness.name, number):
            return False
        self.stored[number] = min(255, self.stored[number] + 1)
        if not witness.again[number]:
            self.disordered += number < self._last
            self._last = max(self._last, number)
        return True

    def wrong(self) -> Iterator[tuple[int, str]]:
        """Numbers that are lost or doubled, and which of it."""
        triples = zip(self.stored, self.witness.sends, self.witness.acked, strict=True)
        for number, (stored, sends, acked) in enumerate(triples):
            if acked and not stored:
                yield number, "lost"
            elif stored > sends:
                yield number, "doubled"

    def tally(self) -> Tally:
        """The sums."""
        wrong = [kind for _, kind in self.wrong()]
        doubled = wrong.count("doubled")
        copies = len(self.stored) - self.stored.count(0) - self.stored.count(1)
        return Tally(
            sent=self.witness.sent,
            acked=self.witness.acked.count(1),
            stored=sum(self.stored),
            lost=wrong.count("lost"),
            doubled=doubled,
            resent_doubles=max(0, copies - doubled),
            disordered=self.disordered,
        )


def judge(
    witnesses: Iterable[Witness],
    journal_lines: Iterable[bytes],
    strangers: Mapping[str, Dialect] | None = None,
) -> Judgement:
    """Hold a journal against what the witnesses know.

    Args:
        witnesses: all of them, stopped.
        journal_lines: the whole journal, in order, without newlines.
        strangers: by listener, what clients speak that are not watched; their whole lines may be there.
    """
    records = {witness.name.encode(): _Record(witness) for witness in witnesses}
    judgement = Judgement()
    for line in journal_lines:
        read = _read(line)
        mark = MARK.search(read[0]) if read else None
        record = records.get(mark[1]) if mark else None
        if read and mark and record:
            if record.take(*read, int(mark[2])):
                continue
        elif read and mark and _is_stranger(*read, int(mark[2]), mark[1], strangers or {}):
            judgement.strangers += 1
            continue
        judgement.torn += 1
        _quote(judgement, b"torn or nobody's: " + line)
    for record in records.values():
        for number, kind in record.wrong():
            _quote(judgement, b"%b: %b %d" % (kind.encode(), record.witness.name.encode(), number))
        kind = record.witness.name.rstrip("0123456789")
        judgement.kinds[kind] = judgement.kinds.get(kind, Tally()) + record.tally()
    return judgement


def _is_stranger(
    entry: bytes, listener: str, number: int, name: bytes, strangers: Mapping[str, Dialect]
) -> bool:
    dialect = strangers.get(listener)
    return name == STRANGER.encode() and dialect is not None and dialect.is_entry(entry, STRANGER, number)


def _quote(judgement: Judgement, text: bytes) -> None:
    if len(judgement.examples) < EXAMPLES_MAX:
        judgement.examples.append(text[:EXAMPLE_BYTES_MAX])
