"""RefusedLine lines that are kept: their bounds, their files, and another judgement."""

import asyncio
from pathlib import Path

import pytest

from logboom.model import Batch, Source, Verdict
from logboom.ops.retries import retry_refused
from logboom.pipeline.refusals import PER_SECOND_MAX, RAW_BYTES_MAX, Refusals, RefusedLines
from tests.kit.app_kit import journal_lines, run_scenario, running_app
from tests.kit.clock import Clock


class Store:
    """Kept lines in a folder, with a clock."""

    def __init__(self, folder: Path, bytes_max: int = 1 << 20) -> None:
        self.folder = folder
        self.bytes_max = bytes_max
        self.clock = Clock()
        self.reports: list[str] = []
        self.open()

    def open(self) -> None:
        self.kept = RefusedLines(
            self.folder, self.bytes_max, lambda _, text: self.reports.append(text), clock=self.clock
        )

    def refuse(self, *raws: bytes, verdicts: int | None = None) -> None:
        lines = len(raws) if verdicts is None else verdicts
        reasons = ("not JSON",) * len(raws)
        batch = Batch(b"", bytes([Verdict.NOT_JSON]) * lines, size_bytes=1, reasons=reasons, raws=raws)
        batch.source = Source("device", "pump", "10.0.0.1")
        Refusals(lambda *_: None, self.kept).note(batch)

    def size(self) -> int:
        return sum(path.stat().st_size for path in (self.folder / "refused").iterdir())

    def raws(self) -> list[bytes | None]:
        return [one.raw for one in self.kept]


def test_the_files_are_bounded_and_the_newest_lines_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path, bytes_max=10_000)
    for number in range(1000):
        store.clock.now += 1
        store.refuse(b"line %d" % number)
        if number % 100 == 50:
            store.open()
    assert store.size() <= 10_000
    raws = store.raws()
    assert 20 < len(raws) < 100
    assert raws == [b"line %d" % number for number in range(999, 999 - len(raws), -1)]


def test_a_flood_is_counted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for _ in range(PER_SECOND_MAX):
        store.refuse(b"a", b"b", verdicts=5)
    assert (len(store.kept), store.kept.omitted) == (PER_SECOND_MAX, 4 * PER_SECOND_MAX)


def test_what_is_damaged_or_long_or_off(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.refuse(b"x" * (RAW_BYTES_MAX + 1))
    with (tmp_path / "refused" / "refused-0.jsonl").open("ab") as file:
        file.write(b'{"id":')
    store.open()
    [one] = store.kept
    assert (len(one.raw or b""), one.whole) == (RAW_BYTES_MAX, False)
    off = Store(tmp_path / "off", bytes_max=0)
    off.refuse(b"a")
    assert (len(off.kept), (tmp_path / "off").exists()) == (0, False)


def test_a_disk_that_fails_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "refused").write_text("no folder")
    store = Store(tmp_path)
    store.refuse(b"a", b"b")
    assert len(store.reports) == 1
    assert "can't be kept" in store.reports[0]


@pytest.mark.parametrize("line", [b'{"level":"INFO","message":"m"}'])
def test_lines_that_are_good_now_are_stored(tmp_path: Path, line: bytes) -> None:
    """They were refused by a listener that had another protocol then."""
    store = Store(tmp_path / "kept")
    store.refuse(b"no", line)

    async def scenario() -> None:
        async with running_app(tmp_path / "data", "collector") as app:
            listeners = {"device": app.listeners["collector"]}
            done = await asyncio.wait_for(retry_refused(store.kept, listeners), 30)
            assert done == {"stored": 1, "refused": 1}

    run_scenario(scenario())
    [stored] = journal_lines(tmp_path / "data")
    assert line in stored
    assert b'"source":"pump"' in stored
    store.open()
    assert store.raws() == [b"no"]
