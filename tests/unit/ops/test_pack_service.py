"""The service that packs: requests, and disks that fail."""

from pathlib import Path

import pytest

from logboom.journal.folder_log import FolderLog
from logboom.journal.segment_packing import is_requested, request
from logboom.ops.pack_service import PackService
from logboom.settings import ArchiveSettings
from logboom.testing.output_kit import sample_entries, write_journal


def test_a_request_that_fails_is_not_repeated_without_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_journal(tmp_path, sample_entries(10))
    folder = tmp_path / "journal"
    reports: list[str] = []
    service = PackService(FolderLog(folder), ArchiveSettings(), lambda _level, text: reports.append(text))

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("logboom.ops.pack_service.packable", fail)
    request(folder)
    service._pack_all()
    assert not is_requested(folder)
    assert (service.progress.state, service.progress.trouble) == ("failed", "the disk is full")
    service._pack_all()
    assert reports == ["a segment can't be packed: the disk is full; it stays as it is"]
    assert service.sizes.plain_segments == 1
