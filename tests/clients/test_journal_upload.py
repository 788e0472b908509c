"""systemd-journal-upload, with a journal that systemd-journal-remote has made."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.services import find_program

COUNT = 500
LIMIT_S = 20


def make_journal(folder: Path, count: int) -> Path:
    """Make a journal of entries with texts, lines and bytes."""
    program = find_program("systemd-journal-remote", "systemd-journal-remote", "/lib/systemd")
    boot, moment = "0123456789abcdef" * 2, 1_796_051_350_000_000
    pieces = []
    for number in range(count):
        value = b"line %d\n\nof two" % number if number % 7 == 0 else b"entry %d" % number
        message = b"MESSAGE\n" + len(value).to_bytes(8, "little") + value
        pieces.append(
            b"__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%b\n_HOSTNAME=pi4\n"
            b"SYSLOG_IDENTIFIER=pumps\nPRIORITY=%d\n%b\nN=%d\n\n"
            % (moment + number * 1000, 10**6 + number * 1000, boot.encode(), number % 8, message, number)
        )
    path = folder / "system.journal"
    subprocess.run(
        [program, "--output", str(path), "-"],
        input=b"".join(pieces),
        check=True,
        timeout=LIMIT_S,
        capture_output=True,
    )
    return path


def upload(path: Path, port: int, state: Path) -> int:
    """Run systemd-journal-upload to the end of a journal; returns its exit code."""
    program = find_program("systemd-journal-upload", "systemd-journal-remote", "/lib/systemd")
    command = [
        program,
        f"--url=http://127.0.0.1:{port}",
        f"--file={path}",
        f"--save-state={state}",
        "--follow=no",
    ]
    return subprocess.run(command, timeout=LIMIT_S, capture_output=True, check=False).returncode


def entries_of(data_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["entry"] for line in journal_lines(data_dir)]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return make_journal(tmp_path, COUNT)


def test_a_journal_is_stored_once(tmp_path: Path, journal: Path) -> None:
    with AppThread(tmp_path / "data", ("journald",)) as server:
        port = server.port("journald")
        assert upload(journal, port, tmp_path / "state") == 0
        (tmp_path / "state").unlink()  # the client has forgotten what it sent
        assert upload(journal, port, tmp_path / "state") == 0
    found = entries_of(tmp_path / "data")
    assert [entry["attributes"]["N"] for entry in found] == [str(number) for number in range(COUNT)]
    assert found[7]["message"] == "line 7\n\nof two"
    assert {entry["source"] for entry in found} == {"pumps"}
