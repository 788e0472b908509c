"""Tools and attacks of somebody who can write to the data directory; `unit/cli/test_tamper.py` tries them."""

import os
from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner

from logboom.cli import app
from logboom.journal.index import rebuild_index
from logboom.journal.manifest import MANIFEST_NAME, SegmentEvent, append_events, hash_event, read_manifest
from logboom.journal.reader import JournalReader
from logboom.journal.retention import Retention
from logboom.journal.segments import IndexPoint, Segment, pack_point
from logboom.journal.sums import Origin, cover, write_sums
from logboom.testing.crash_kit import WAIT_S, Driver, entry_of

PER_SEGMENT = 10
SEALED = [b'{"n":%d}' % number for number in range(30)]
NEWEST = [b'{"n":%d}' % number for number in range(30, 40)]


def verify(folder: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["verify", "--data-dir", str(folder.parent), *options])
    return result.exit_code, result.output


def head(folder: Path) -> str:
    return read_manifest(folder).head


def readable(folder: Path) -> list[bytes]:
    reader = JournalReader(folder)
    found: list[bytes] = []
    while (block := reader.read()) is not None:
        found += map(entry_of, block.data.splitlines(keepends=True))
    reader.close()
    return found


def restart(folder: Path) -> list[tuple[str, ...]]:
    """Start the server on it, store an entry, stop it; what it reported."""
    driver = Driver(folder.parent)
    driver.store(b'{"after":1}')
    driver.close()
    told: list[tuple[str, ...]] = [("info", note) for note in driver.journal.recovered.notes]
    while not driver.reports.empty():
        told.append(driver.reports.get(timeout=WAIT_S))
    return told


# --- the attacker's tools ---


def at(folder: Path, first: int) -> Segment:
    return Segment.at(folder, first)


def finish(segment: Segment) -> None:
    """Give a segment the checksums and the index that its lines would have."""
    write_sums(segment, cover(segment, [], segment.path.stat().st_size, Origin.WRITTEN))
    rebuild_index(segment)


def change(folder: Path, first: int = 10) -> None:
    """An entry says something else, and its checksum fits."""
    segment = at(folder, first)
    segment.path.write_bytes(segment.path.read_bytes().replace(b'{"n":1', b'{"n":7', 1))
    finish(segment)


def slip_in(folder: Path, first: int, count: int = 6) -> None:
    """A segment that begins inside another one."""
    segment = at(folder, first)
    line = b'{"received_at":"2026-01-01T00:00:00.000000+00:00","entry":{"forged":%d},"source":"x","listener":"y"}\n'
    segment.path.write_bytes(b"".join(line % number for number in range(count)))
    finish(segment)


def seal(folder: Path, first: int, event: str = "sealed") -> None:
    append_events(folder, [hash_event(at(folder, first), event, lines_max=PER_SEGMENT, note="")])


def say(folder: Path, event: str, first: int) -> None:
    append_events(folder, [SegmentEvent(event, at(folder, first).name)])


# --- the attacks ---


def change_and_seal(folder: Path) -> None:
    change(folder)
    seal(folder, 10)


def change_and_repair(folder: Path) -> None:
    change(folder)
    seal(folder, 10, "repaired")


def delete(event: str, first: int) -> Callable[[Path], None]:
    def attack(folder: Path) -> None:
        say(folder, event, first)
        at(folder, first).delete()

    return attack


def delete_quietly(folder: Path) -> None:
    at(folder, 10).delete()


def delete_the_newest(folder: Path) -> None:
    at(folder, 30).delete()


def slip_in_and_seal(folder: Path) -> None:
    slip_in(folder, 14)
    seal(folder, 14)


def slip_in_and_repair(folder: Path) -> None:
    """All of it is said to be a repair."""
    slip_in(folder, 14)
    lines = at(folder, 10).path.read_bytes().splitlines(keepends=True)
    at(folder, 10).path.write_bytes(b"".join(lines[:4]))
    finish(at(folder, 10))
    seal(folder, 10, "repaired")
    seal(folder, 14, "repaired")


def slip_in_where_retention_was(folder: Path) -> None:
    Retention(age_max_s=None, bytes_max=3000).apply(folder, 40)
    slip_in(folder, 4)


def slip_in_nothing(folder: Path) -> None:
    at(folder, 14).path.touch()


def slip_in_as_the_newest(folder: Path) -> None:
    at(folder, 30).delete()
    slip_in(folder, 24)


def rename(folder: Path) -> None:
    at(folder, 10).path.rename(at(folder, 12).path)


def link(folder: Path) -> None:
    at(folder, 10).path.unlink()
    os.link(at(folder, 20).path, at(folder, 10).path)


def swap(folder: Path) -> None:
    aside = folder / "aside"
    at(folder, 0).path.rename(aside)
    at(folder, 10).path.rename(at(folder, 0).path)
    aside.rename(at(folder, 10).path)


def empty(folder: Path) -> None:
    at(folder, 10).path.write_bytes(b"")
    at(folder, 10).sums_path.write_bytes(b"")
    at(folder, 10).index_path.write_bytes(b"")


def append_in_a_gap(folder: Path) -> None:
    """Without the next segment, lines behind the sealed ones would be read."""
    delete("missing", 20)(folder)
    with at(folder, 10).path.open("ab") as file:
        file.write(at(folder, 0).path.read_bytes())
    finish(at(folder, 10))


def drop_the_checksums_and_change(folder: Path) -> None:
    change(folder)
    at(folder, 10).sums_path.unlink()
    at(folder, 10).index_path.unlink()


def lead_astray(folder: Path) -> None:
    """The index hides the first five lines, and all behind the sixth."""
    size = at(folder, 10).path.stat().st_size
    points = [IndexPoint(10, size // 2, 0), IndexPoint(16, size, 0)]
    at(folder, 10).index_path.write_bytes(b"".join(map(pack_point, points)))


def date_back(folder: Path) -> None:
    """Who searches by time does not find it."""
    at(folder, 10).index_path.write_bytes(pack_point(IndexPoint(10, 0, 10**18)))


def cut_the_manifest(folder: Path) -> None:
    path = folder / MANIFEST_NAME
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def make_all_anew(folder: Path) -> None:
    change(folder)
    (folder / MANIFEST_NAME).unlink()
    restart(folder)


def change_a_line_of_the_manifest(folder: Path) -> None:
    path = folder / MANIFEST_NAME
    path.write_bytes(path.read_bytes().replace(b'"entries":10', b'"entries":11', 1))
    verify(folder, "--repair")
