"""Statistics of senders, held against counting each entry."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from logboom.formats.levels import severity
from logboom.formats.records import sender
from logboom.journal.folder_log import FolderLog
from logboom.query.matching import Filter
from logboom.query.search import Search
from logboom.testing.output_kit import sample_entries, write_journal
from logboom.viewer import source_counts
from logboom.viewer.source_counts import OTHERS, SourceCounts, count_sources

ODD = [
    b'{"source":7,"level":"info"}',
    b'{"source":7.0,"level":"info"}',
    b'{"source":true,"type":true,"level":1}',
    b'{"source":["x"],"type":{"a":1},"level":null}',
    b'{"id":"sensor-1","temp":1,"rh":2,"lux":3}',
    b'{"id":"no-sensor"}',
    b'{"id":5,"temp":1,"rh":2,"lux":"none"}',
    b'{"type":"error","source":"x"}',
    b'{"n":1e400,"type":"log"}',
    b"{}",
]
"""Entries whose source, type and level are not texts, or not what they seem to be."""


def quiet(_first: int, _reached: int, _end: int) -> None:
    """No progress is shown."""


def expected(folder: Path, wanted: Filter) -> dict[str, tuple[Any, ...]]:
    found: dict[str, list[Any]] = {}
    for one in Search(FolderLog(folder)).forward(wanted, 10**6).found:
        found.setdefault(sender(one.record.entry, one.record.source), []).append(one.record)
    return {
        name: (
            len(records),
            Counter(one.entry["type"] for one in records if isinstance(one.entry.get("type"), str)),
            Counter(one.level for one in records if one.level),
            min(one.received_at if wanted.by_arrival else one.time for one in records),
            max(one.received_at if wanted.by_arrival else one.time for one in records),
        )
        for name, records in found.items()
    }


def counted(folder: Path, wanted: Filter) -> dict[str, tuple[Any, ...]]:
    return {
        name: (one.total, one.types, one.levels, one.first_seen, one.last_seen)
        for name, one in count_sources(FolderLog(folder), wanted, quiet).items()
    }


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        Filter(level_min=severity("WARNING")),
        Filter(source="x"),
        Filter(text="pump"),
        Filter(by_arrival=True),
    ],
)
@pytest.mark.parametrize("kinds_max", [3, 50_000])
def test_counts_are_those_of_each_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: Filter, kinds_max: int
) -> None:
    monkeypatch.setattr(source_counts, "KINDS_MAX", kinds_max)
    entries = [
        *sample_entries(400, seed=3),
        *ODD,
        *sample_entries(400, seed=4),
        b'{"long":"%b"}' % (b"x" * 5000),
    ]
    write_journal(tmp_path, entries, segment_lines=150)
    assert counted(tmp_path / "journal", wanted) == expected(tmp_path / "journal", wanted)


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    write_journal(tmp_path, sample_entries(300), segment_lines=100)
    reached: list[tuple[int, int, int]] = []
    count_sources(FolderLog(tmp_path / "journal"), Filter(), lambda *progress: reached.append(progress))
    assert reached[-1] == (0, 300, 300)
    assert reached == sorted(reached)


def test_what_senders_choose_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_counts, "SOURCES_MAX", 5)
    monkeypatch.setattr(source_counts, "WORDS_MAX", 3)
    entries = [b'{"source":"s%d","type":"t%d","level":"%b"}' % (n % 20, n, b"x" * 5000) for n in range(40)]
    write_journal(tmp_path, entries)
    sources = count_sources(FolderLog(tmp_path / "journal"), Filter(), quiet)
    assert len(sources) == 6
    assert sources[OTHERS].total == 30
    assert len(sources[OTHERS].types) == 4
    assert sources[OTHERS].types[OTHERS] == 27
    assert {len(level) for one in sources.values() for level in one.levels} == {source_counts.WORD_CHARS_MAX}


@pytest.mark.parametrize(
    ("total", "span", "rate"),
    [
        (2, ("12:00:00.000000", "12:00:00.000608"), 2.0),
        (1, ("12:00:00.000000", "12:00:00.000000"), 1.0),
        (90, ("12:00:00.000000", "12:00:59.000000"), 90.0),
        (61, ("12:00:00.000000", "13:00:00.000000"), 1.0),
        (2, ("12:00:00.000000", "14:00:00.000000"), 1 / 120),
    ],
)
def test_a_rate_per_minute_is_measured_over_a_minute_at_least(
    total: int, span: tuple[str, str], rate: float
) -> None:
    first, last = (f"2025-11-12T{clock}+00:00" for clock in span)
    assert SourceCounts(total, first_seen=first, last_seen=last).per_minute == pytest.approx(rate)
    assert SourceCounts(total).per_minute is None


def on_terminal(columns: int, *command: str) -> str:
    """What a command writes on a terminal of this width."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "logboom.cli", *command],
        stdout=side,
        stderr=subprocess.DEVNULL,
        env={**environment, "TERM": "xterm", "NO_COLOR": "1"},
    )
    os.close(side)
    written = b""
    while True:
        try:
            data = os.read(main, 65536)
        except OSError:  # the other side was closed
            break
        if not data:
            break
        written += data
    os.close(main)
    assert process.wait() == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", written.decode())


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_digit_is_cut_on_a_narrow_terminal(tmp_path: Path, columns: int) -> None:
    levels = ("INFO", "DEBUG", "WARNING", "ERROR", "CRITICAL")
    entries = [
        b'{"source":"a-source-with-a-long-name-%d","type":"heartbeat","level":"%b"}' % (n % 2, level.encode())
        for n in range(1200)
        for level in levels
    ]
    write_journal(tmp_path, entries, segment_lines=10_000)
    text = on_terminal(columns, "stats", "--data-dir", str(tmp_path))
    assert "…" not in text
    if columns > 40:
        assert max(map(len, text.splitlines())) <= columns
    numbers = re.findall(r"(?<!\S)\d[\d,.]*\d", text)
    assert (numbers.count("3,000"), numbers.count("3,000.0")) == (4, 2)
    assert numbers.count("600") == 10
    assert len(re.findall(r"2025-11-12 19:09:0\d", text)) == 2
