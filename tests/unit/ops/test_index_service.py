"""The service that indexes the journal: it gets to the journal's end, and a disk that fails is logged once."""

from pathlib import Path

import pytest

from logboom.journal.folder_log import FolderLog
from logboom.journal.log import Block
from logboom.ops.index_service import IDLE_WAIT_S, RETRY_S, IndexService
from logboom.ops.ingest_rate import rest_factor
from logboom.query import indexer as indexer_module
from logboom.query.indexer import Indexer
from logboom.query.roll_up_builder import RollUpBuilder
from logboom.testing.output_kit import sample_entries, write_journal


@pytest.fixture
def reports() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def service(tmp_path: Path, reports: list[tuple[str, str]]) -> IndexService:
    write_journal(tmp_path, sample_entries(300), segment_lines=100)
    folder = tmp_path / "journal"
    return IndexService(folder, FolderLog(folder), lambda kind, text: reports.append((kind, text)))


def test_it_gets_to_the_journals_end_and_then_waits(service: IndexService, tmp_path: Path) -> None:
    while service._advance() != IDLE_WAIT_S:
        pass
    assert service.progress == (2, 2)
    assert len(list((tmp_path / "journal").glob("*.counts"))) == 2
    assert len(list((tmp_path / "journal").glob("*.words"))) == 2


def test_a_journal_without_a_segment_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    service = IndexService(folder, FolderLog(folder), lambda _kind, _text: None)
    assert service._advance() == IDLE_WAIT_S


def test_files_are_as_private_as_segments(service: IndexService, tmp_path: Path) -> None:
    while service._advance() != IDLE_WAIT_S:
        pass
    files = [
        path for kind in ("counts", "times", "words") for path in (tmp_path / "journal").glob(f"*.{kind}")
    ]
    assert {path.stat().st_mode & 0o777 & ~0o640 for path in files} == {0}


def test_nothing_is_left_of_a_segment_that_is_deleted_meanwhile(
    service: IndexService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, index = tmp_path / "journal", Indexer._index

    def index_deleted(self: Indexer, step: object) -> None:
        for path in sorted(folder.glob("*.jsonl"))[:2]:
            path.unlink()
        index(self, step)  # type: ignore[arg-type]

    monkeypatch.setattr(Indexer, "_index", index_deleted)
    while service._advance() != IDLE_WAIT_S:
        pass
    assert {path.stem for path in folder.glob("*.times")} <= {path.stem for path in folder.glob("*.jsonl")}
    assert not [*folder.glob("*.counts"), *folder.glob("*.words"), *folder.glob(".*")]


def test_a_disk_that_fails_is_logged_once_and_tried_again(
    service: IndexService, reports: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Indexer) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Indexer, "advance", fail)
        assert [service._advance(), service._advance()] == [RETRY_S, RETRY_S]
    [(kind, text)] = reports
    assert kind == "warning"
    assert "No space left on device" in text
    while service._advance() != IDLE_WAIT_S:
        pass
    assert service.progress == (2, 2)


@pytest.mark.parametrize(
    ("entries", "elapsed_s", "factor"),
    [(0, 1.0, 1), (5, 0.1, 1), (500, 0.1, 9), (19_000, 1.0, 9), (21_000, 1.0, 49), (10, 0.0, 49)],
)
def test_the_more_entries_come_the_longer_it_rests(entries: int, elapsed_s: float, factor: int) -> None:
    assert rest_factor(entries, elapsed_s) == factor


def test_files_that_could_not_be_written_are_written_later_without_reading_again(
    service: IndexService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(indexer_module, "write_words", fail)
        while service._advance() != RETRY_S:
            pass
        assert service._advance() == RETRY_S
    read: list[int] = []

    def see(_: RollUpBuilder, block: Block) -> bool:
        read.append(block.first_sequence)
        return True

    monkeypatch.setattr(RollUpBuilder, "add", see)
    while service._advance() != IDLE_WAIT_S:
        pass
    assert len(list((tmp_path / "journal").glob("*.words"))) == 2
    assert min(read, default=100) < 100, "the other segment was read"
    assert not [sequence for sequence in read if 100 <= sequence < 200], "this one was not read again"


def test_a_step_is_indexed_in_parts_with_rests_between_them(tmp_path: Path) -> None:
    write_journal(tmp_path, sample_entries(20_000), segment_lines=20_000)
    folder, parts = tmp_path / "journal", list[int]()
    indexer = Indexer(folder, FolderLog(folder), between=lambda: parts.append(1))
    step_bytes = indexer.advance()
    assert step_bytes > 512 << 10
    assert len(parts) >= step_bytes // (64 << 10)
