"""What a walk of a page leaves behind is found and ended."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.kit import processes
from tests.kit.docs_kit import Command
from tests.kit.docs_session import ReaderSession


def test_a_process_is_found_by_its_environment_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_LOOKS", 1)
    with subprocess.Popen(["sleep", "100"], env={**os.environ, "MARK": "of this test"}) as process:
        assert list(processes.processes_with("MARK=of this")) == []
        assert processes.end_processes_with("MARK=of this test") == ["sleep 100"]
        assert process.wait() == -9
    assert processes.end_processes_with("MARK=of this test") == []


def test_a_page_that_leaves_a_process_behind_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_LOOKS", 1)
    folder = tmp_path / "reader"
    folder.mkdir()
    with (
        pytest.raises(AssertionError, match=r"leaves processes behind: ..sleep 99"),
        ReaderSession(folder, tmp_path) as session,
    ):
        session.run(Command(1, "setsid sleep 99 >/dev/null 2>&1 &", (), 0))
