"""`check_output`: whatever crashes in between, an output holds each entry once, in order."""

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from logboom.journal.reader import JournalReader
from logboom.journal.segments import Segment, prefix, suffix
from logboom.outputs.base import Output

Content = TypeVar("Content")

FIRST_NS: Final = 1_762_974_538_838_190_000
"""Receive time of the first entry of `write_journal`; each later one is a millisecond younger."""

SHAPES: Final[tuple[Callable[[int], dict[str, object]], ...]] = (
    lambda n: {"boot_seq": 3, "uptime_ms": n, "seq": n, "level": "INFO", "msg": f"pump {n}", "ts": None},
    lambda n: {"type": "heartbeat", "boot_seq": 3, "uptime_ms": n},
    lambda n: {"id": "e4643048d7292c2e", "time": "2025-10-02 17:58:37", "temp": 24.1, "rh": 50.5, "lux": n},
    lambda n: {"level": "error", "message": f"line {n}\nsecond\r\nthird \\n \x1b[31m"},
    lambda n: {"severity": 30, "message": [f"first {n}", "second"], "timestamp": n},
    lambda n: {"level": "wörse", "message": f"{n} † ünï \U0001f680 \u2028"},
    lambda n: {"msg": n, "entry": {"source": "x", "listener": "device"}, "listener": "device"},
    lambda n: {"msg": '","source":"10.0.0.1","listener":"device"}', "n": n},
    lambda n: {"n": n, "source": "10.0.0.1", "listener": "device"},
)
"""Entries as clients send them, and such as look like the end of a journal line."""

SOURCES: Final = (
    ("10.0.0.1", "device"),
    ("10.0.0.1", "collector"),
    ("fe80::1", "gateway"),
    ('a "b", \\ c', "device"),
)
"""Peers and listeners, among them one that needs escapes."""


def sample_entries(count: int, seed: int = 0) -> list[bytes]:
    """Some entries of all `SHAPES`, by chance."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    return [msgspec.json.encode(chance.choice(SHAPES)(number)) for number in range(count)]


def write_journal(
    folder: Path,
    entries: Iterable[bytes],
    *,
    first: int = 0,
    segment_lines: int = 100,
    sources: Sequence[tuple[str, str]] = SOURCES,
) -> int:
    """Write a journal as the server would, in segments of so many lines; returns the next sequence.

    Args:
        folder: gets a folder `journal`.
        entries: JSON objects without newlines.
        first: the first sequence.
        segment_lines: lines of a segment.
        sources: peer and listener of the entries, in turn.
    """
    lines = [
        prefix(FIRST_NS + (first + number) * 1_000_000) + entry + suffix(*sources[number % len(sources)])
        for number, entry in enumerate(entries)
    ]
    journal = folder / "journal"
    journal.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(lines), segment_lines):
        segment = Segment.at(journal, first + start)
        segment.path.write_bytes(b"".join(lines[start : start + segment_lines]))
    return first + len(lines)


def check_output(
    make_output: Callable[[Path], Output],
    read_back: Callable[[Path], Content],
    folder: Path,
    *,
    entries: Sequence[bytes] | None = None,
    seed: int = 0,
    rounds: int = 5,
) -> Content:
    """Run an output over a journal straight, and with crashes; both must leave the same content.

    A crash is an output that is dropped between any two calls, with nothing flushed or closed. Between
    crashes, blocks of random sizes are written, some of them twice, and flushed now and then.

    Args:
        make_output: makes an output that keeps its position and its content under the folder it gets.
        read_back: everything the output has kept under that folder, in order.
        folder: an empty one.
        entries: what the journal holds; `sample_entries(400)` by default.
        seed: of the random sizes and crashes.
        rounds: how many runs with crashes are compared to the straight one.

    Returns:
        The content of the straight run, for the caller's own assertions.

    Raises:
        AssertionError: a run lost, doubled or reordered something, or broke the contract.
    """
    write_journal(folder, sample_entries(400, seed) if entries is None else entries)
    straight = folder / "straight"
    _run_straight(make_output(straight), folder / "journal")
    expected = read_back(straight)
    for number in range(rounds):
        crashed = folder / f"crashed-{number}"
        dropped = _run_crashing(lambda place=crashed: make_output(place), folder / "journal", seed + number)  # type: ignore[misc]
        found = read_back(crashed)
        for output in dropped:  # only now, and only for their descriptors: a process that dies closes nothing
            output.close()
        assert found == expected, f"seed {seed + number}: {found!r}, but without crashes: {expected!r}"
    return expected


def _run_straight(output: Output, journal: Path) -> None:
    output.open()
    assert output.position() == 0, f"a new output starts at {output.position()}, expected 0"
    reader = JournalReader(journal)
    while (block := reader.read()) is not None:
        output.write(block)
    output.flush()
    assert output.position() == reader.position, f"flushed, but at {output.position()} of {reader.position}"
    reader.close()
    output.close()
    output.close()  # idempotent
    output.open()
    assert output.position() == reader.position, f"closed at {reader.position}, opened at {output.position()}"
    output.close()


def _run_crashing(make: Callable[[], Output], journal: Path, seed: int) -> list[Output]:
    """Crash until everything is written; returns the outputs that were dropped."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    dropped: list[Output] = []
    position = 0
    while True:
        output = make()
        output.open()
        assert output.position() >= position, f"durable at {position}, then opened at {output.position()}"
        finished = _write_some(output, journal, chance)
        position = output.position()
        if finished:
            output.close()
            return dropped
        dropped.append(output)


def _write_some(output: Output, journal: Path, chance: random.Random) -> bool:
    """Write and flush by chance until a crash; True when all was written and flushed instead."""
    reader = JournalReader(journal, output.position())
    try:
        for _ in range(chance.randint(0, 12)):
            block = reader.read(chance.choice((1, 300, 2_000, 10_000)))
            if block is None:
                output.flush()
                return True
            output.write(block)
            if chance.random() < 0.2:
                output.write(block)
            if chance.random() < 0.4:
                output.flush()
        return False
    finally:
        reader.close()
