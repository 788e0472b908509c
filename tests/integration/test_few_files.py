"""A process that may open few files: it serves within its means, or does not start and says why."""

import json
import re
import resource
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from logboom.ops.health_client import ask
from logboom.pipeline import open_files
from logboom.testing.server_kit import ServerProcess
from tests.kit.app_thread import AppThread

LIMIT_S = 30.0
LINE = b'{"boot_seq":1,"uptime_ms":1,"level":"info","msg":"x"}\n'


def limited(files: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


@pytest.mark.parametrize("files", [9, 20, 33])
def test_a_server_that_could_take_nobody_does_not_start(tmp_path: Path, files: int) -> None:
    options = ["--data-dir", str(tmp_path), "--only", "device", "--listen", "device=127.0.0.1:0"]
    ended = subprocess.run(
        [sys.executable, "-m", "logboom.cli", "serve", *options],
        preexec_fn=partial(limited, files),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert ended.returncode == 1
    assert f"the process may open only {files} files" in ended.stderr
    assert "ulimit -n" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "ready" not in ended.stderr


class FewFiles(ServerProcess):
    """A server process that may open 200 files."""

    def command(self) -> list[str]:
        return ["sh", "-c", 'ulimit -n 200; exec "$@"', "sh", *super().command()]


def test_within_its_means_it_serves_and_tells_its_limit(tmp_path: Path) -> None:
    with FewFiles(tmp_path, ("device", "http")) as server:
        warning = server.wait_for(lambda event: "only 200 files" in event["message"])["message"]
        found = re.search(r"\(`ulimit -n`\): all listeners together take (\d+) connections", warning)
        assert found is not None, warning
        assert 100 < int(found[1]) < 200
        with server.connect("device") as one:
            one.sendall(LINE)
            assert one.recv(100) == b'{"ack":1}\n'


def test_health_is_not_well_when_no_file_is_left(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("device",)) as app:
        files = app.app.open_files
        files.limit = files.spare + 1
        assert _health(tmp_path)["status"] == "ok"
        with socket.create_connection(("127.0.0.1", app.port("device")), timeout=LIMIT_S) as one:
            one.sendall(LINE)
            assert one.recv(100) == b'{"ack":1}\n'
            told = _health(tmp_path)
            assert told["status"] == "warning"
            assert told["warnings"] == ["no open file is left for another connection: raise `ulimit -n`"]


def _health(data_dir: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads(ask(str(data_dir), LIMIT_S))
    return document


def test_with_ample_files_nothing_is_counted() -> None:
    files = open_files.OpenFiles(list, limit=open_files.AMPLE_FILES)
    assert files.started() == ""
    assert files.left == open_files.AMPLE_FILES - open_files.SPARE_FILES
