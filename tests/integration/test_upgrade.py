"""A server of this version on the data of the last one, which was killed: nothing is lost, doubled or changed."""

import json
import sqlite3
import subprocess
import sys
import tarfile
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from logboom.testing.server_kit import ServerProcess
from tests.kit.cluster_kit import wait_until

BEFORE = Path(__file__).parents[1] / "data" / "data-0.1.0.tar.xz"
"""Data directory, configuration and database of version 0.1.0, which was killed after entries over four protocols."""
ENTRIES = 525
NEWER = b'{"boot_seq":4,"seq":60,"uptime_ms":60077,"level":"info","msg":"after the upgrade"}\n'


def journal_of(data_dir: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((data_dir / "journal").glob("*.jsonl")))


def asked(server: ServerProcess, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.ports['http']}{path}", timeout=30) as answer:
        return json.load(answer)


def rows(database: Path) -> list[int]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return [row[0] for row in connection.execute("SELECT sequence FROM entries ORDER BY sequence")]


def logboom(folder: Path, *words: str) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "logboom", *words, "--data-dir", str(folder / "data")]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, cwd=folder)


def test_the_data_of_the_last_version_is_taken_over(tmp_path: Path) -> None:
    with tarfile.open(BEFORE) as archive:
        archive.extractall(tmp_path, filter="data")
    before = journal_of(tmp_path / "data")
    assert before.count(b"\n") == ENTRIES
    config, database = tmp_path / "logboom.toml", tmp_path / "copy.sqlite"
    config.write_text(config.read_text().replace('"copy.sqlite"', f'"{database}"'))
    with ServerProcess(tmp_path / "data", ("device", "http"), (f"--config={config}",)) as server:
        with server.connect("device") as device:
            device.sendall(NEWER)
            assert device.recv(100) == b'{"ack":1}\n'
        wait_until(lambda: len(rows(database)) == ENTRIES + 1, "the database to be complete")
        (order,) = asked(server, "/api/entries?q=request_id:r-59")["entries"]
        assert order["message"] == "order 4770 paid"
        assert len(asked(server, "/api/entries?q=msg:pump%20level:error&limit=100")["entries"]) == 14
        assert asked(server, "/api/volume?since=2026-11-21&until=2026-11-22")["total"] > 0
        assert server.stop() == 0
    assert rows(database) == list(range(ENTRIES + 1))
    after = logboom(tmp_path, "cat").stdout  # the old segment may be packed by now
    assert after.startswith(before)
    assert after.count(b"\n") == ENTRIES + 1
    assert logboom(tmp_path, "verify").returncode == 0
    assert logboom(tmp_path, "pack", "--now").returncode == 0
    assert logboom(tmp_path, "cat").stdout == after
