"""`check_output`: verifies that an output has each entry once, in order, also after crashes."""

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
"""Receive time of the first entry of `write_journal`; each further one is a millisecond later."""

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
"""Entries of real clients, and entries that resemble the end of a journal line."""

SOURCES: Final = (
    ("10.0.0.1", "device"),
    ("10.0.0.1", "collector"),
    ("fe80::1", "gateway"),
    ('a "b", \\ c', "device"),
)
"""Peers and listeners, including one that needs escapes."""


def sample_entries(count: int, seed: int = 0) -> list[bytes]:
    """Make random entries of all `SHAPES`."""
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
    """Write a journal like the server's; returns the next sequence.

    Args:
        folder: folder in which `journal` is created.
        entries: JSON objects without newlines.
        first: the first sequence.
        segment_lines: lines per segment.
        sources: peers and listeners of the entries, used in turn.
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
    """Run an output over a journal without and with crashes, and compare the contents.

    A crash means that an output is dropped between any two calls, without a flush or close. Between crashes, blocks
    of random sizes are written, some of them twice, with occasional flushes.

    Args:
        make_output: makes an output that stores its position and content in the given folder.
        read_back: returns the content that an output stored in that folder, in order.
        folder: an empty folder.
        entries: entries of the journal; `sample_entries(400)` by default.
        seed: seed of the random sizes and crashes.
        rounds: number of runs with crashes.

    Returns:
        The content of the run without crashes, for further assertions.

    Raises:
        AssertionError: a run lost, doubled or reordered entries, or violated the contract.
    """
    write_journal(folder, sample_entries(400, seed) if entries is None else entries)
    straight = folder / "straight"
    _run_straight(make_output(straight), folder / "journal")
    expected = read_back(straight)
    for number in range(rounds):
        crashed = folder / f"crashed-{number}"
        dropped = _run_crashing(lambda place=crashed: make_output(place), folder / "journal", seed + number)  # type: ignore[misc]
        found = read_back(crashed)
        for output in dropped:  # only now, to release descriptors: a process that dies closes nothing
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
    """Write with crashes until everything is written; returns the dropped outputs."""
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
    """Write and flush randomly until a crash (False), or until everything is written and flushed (True)."""
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
