"""Under journald, lines have the priority that their emoji stands for; elsewhere nothing stands before them."""

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from logboom.ops import journald
from logboom.ops.oplog import EMOJI, OperationalLog


def name_of(stream: TextIO | socket.socket) -> str:
    """What systemd puts into `JOURNAL_STREAM`."""
    status = os.fstat(stream.fileno())
    return f"{status.st_dev}:{status.st_ino}"


@contextmanager
def journal_stream(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIO]:
    """A file that stands for the stream that journald reads."""
    with path.open("w+", encoding="utf-8") as stream:
        monkeypatch.setenv("JOURNAL_STREAM", name_of(stream))
        yield stream


def logged(stream: TextIO, *, json_lines: bool = False) -> dict[str, str]:
    """The line of each kind."""
    log = OperationalLog(stream=stream, json_lines=json_lines)
    for kind in EMOJI:
        log.event(kind, "text")
    log.close()
    stream.seek(0)
    return dict(zip(EMOJI, stream.read().splitlines(), strict=True))


def test_each_kind_has_its_priority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with journal_stream(tmp_path / "journal", monkeypatch) as stream:
        lines = logged(stream)
    assert {kind: line[:3] for kind, line in lines.items() if line[0] == "<"} == {
        "fatal": "<2>",
        "error": "<3>",
        "warning": "<4>",
        "restarting": "<4>",
    }
    assert lines["error"].endswith("Z ❌ text")


def test_json_lines_have_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with journal_stream(tmp_path / "journal", monkeypatch) as stream:
        lines = logged(stream, json_lines=True)
    assert json.loads(lines["warning"].removeprefix("<4>"))["message"] == "text"
    assert json.loads(lines["info"])["message"] == "text"


def test_a_stream_that_journald_does_not_read_has_no_priorities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        journal_stream(tmp_path / "journal", monkeypatch),
        (tmp_path / "elsewhere").open("w+", encoding="utf-8") as stream,
    ):
        assert not [line for line in logged(stream).values() if line[0] == "<"]
        assert not [line for line in logged(io.StringIO()).values() if line[0] == "<"]


@pytest.mark.parametrize("named", ["", "1", "1:", ":1", "x:y", "1:2:3"])
def test_another_name_is_another_stream(named: str) -> None:
    assert not journald.reads(sys.__stderr__ or sys.stderr, {"JOURNAL_STREAM": named})


def test_a_closed_stream_is_read_by_nobody(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w", encoding="utf-8") as stream:
        environment = {"JOURNAL_STREAM": name_of(stream)}
        assert journald.reads(stream, environment)
    assert not journald.reads(stream, environment)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("serve", "--only", "nonsense"), "<3>❌ only: there is no listener 'nonsense'"),
        (("logs", "--data-dir", "nowhere"), "<3>❌ there is no journal in nowhere"),
        (("health", "--data-dir", "nowhere"), "<3>❌ no server runs in nowhere"),
    ],
)
def test_a_command_that_fails_as_a_service_reports_an_error(words: tuple[str, ...], expected: str) -> None:
    ours, its = socket.socketpair()  # journald's is a stream socket, too
    with ours, its:
        subprocess.run(
            (sys.executable, "-m", "logboom", *words),
            stderr=its.fileno(),
            check=False,
            env={**os.environ, "JOURNAL_STREAM": name_of(its)},
        )
        its.close()
        with ours.makefile(encoding="utf-8") as lines:
            assert lines.readline().startswith(expected)
