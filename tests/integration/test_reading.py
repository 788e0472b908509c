"""Sources of commands that read: a data directory, a server, and the settings of the working directory."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from logboom.cli import main
from logboom.testing.ports import free_port
from logboom.testing.server_kit import ServerProcess

LIMIT_S = 60.0


class Done(NamedTuple):
    """Result of a command."""

    returncode: int
    stdout: bytes
    stderr: bytes


class Stream(io.TextIOWrapper):
    """A standard stream that can be a terminal."""

    is_terminal = False

    def isatty(self) -> bool:
        return self.is_terminal


def call(*arguments: str, cwd: Path, encoding: str = "utf-8", zone: str = "UTC") -> Done:
    """Run the real `main` in this process: a process of its own for each command takes a hundred times as long."""
    outputs = io.BytesIO(), io.BytesIO()
    stdout, stderr = (Stream(output, encoding, errors="strict") for output in outputs)
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(cwd):
        patch.setattr(sys, "argv", ["logboom", *arguments])
        patch.setattr(sys, "stdout", stdout)
        patch.setattr(sys, "stderr", stderr)
        patch.setenv("TZ", zone)
        time.tzset()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        stdout.flush()
        stderr.flush()
    time.tzset()
    return Done(code, outputs[0].getvalue(), outputs[1].getvalue())


def process(*arguments: str, cwd: Path, **variables: str) -> "subprocess.CompletedProcess[bytes]":
    environment = {**os.environ, **variables}
    command = [sys.executable, "-m", "logboom", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        check=False,
        timeout=LIMIT_S,
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
    )


def post(server: ServerProcess, *entries: Any) -> None:
    data = b"".join(one if isinstance(one, bytes) else json.dumps(one).encode() + b"\n" for one in entries)
    with server.connect("http") as connection:
        connection.sendall(
            b"POST /api/entries HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-ndjson\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(data), data)
        )
        with connection.makefile("rb") as answer:
            assert b" 200 " in answer.readline()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data", ("http",)) as server:
        yield server


def url_of(server: ServerProcess) -> str:
    return f"http://127.0.0.1:{server.ports['http']}"


ODD: list[Any] = [
    {"message": "first", "service": "shop", "level": "INFO"},
    {"message": {"a": [1, None]}, "type": {"a": 1}, "level": ["x"], "source": [1], "time": {}},
    {"message": None, "type": [1], "level": {"name": "error"}, "device": {"x": 1}},
    {"message": True, "type": 5, "level": 3.5, "source": None},
    {"type": None, "level": None},
    {
        "message": "hidden \x1b[8mtext\x1b[0m \x1b]52;c;QQ==\x07 \u202etxt\u2066 one\u2028two \x9b2J \U000e0041"
    },
    {
        "message": ["a\x1b[2J", "\u202e"],
        "type": "log",
        "source": "evil\x1b[8m\u2028-1",
        "timestamp": "12:00:00",
    },
    {"message": "💓 wärme", "source": "wärme", "level": "l\u202evel"},
    {"message": "last", "source": "shop-7", "type": "status"},
]
HARMFUL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_whatever_was_sent_is_shown_and_harmless_in_any_encoding(
    server: ServerProcess, encoding: str
) -> None:
    post(server, *ODD)
    folder = ("--data-dir", str(server.data_dir))
    for words in (
        ("logs", *folder),
        ("logs", "--json", *folder),
        ("logs", "--url", url_of(server)),
        ("stats", *folder),
        ("stats", "--json", "--url", url_of(server)),
        ("tail", url_of(server), "--no-follow"),
        ("tail", url_of(server), "--no-follow", "--json"),
        ("verify", *folder),
    ):
        done = call(*words, cwd=server.data_dir, encoding=encoding)
        shown = done.stdout.decode(encoding)
        assert (done.returncode, done.stderr) == (0, b""), words
        assert not HARMFUL.search(shown), words
        if words[0] in {"logs", "tail"}:
            assert "first" in shown
            assert "last" in shown
        if "--json" in words:
            assert [json.loads(line) for line in shown.splitlines()]


def test_a_language_without_utf_8_ends_no_command(server: ServerProcess) -> None:
    post(server, *ODD)
    plain = {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    for words in (("logs", "--url", url_of(server)), ("stats", "--help")):
        done = process(*words, cwd=server.data_dir, **plain)
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr


NOT_UTF_8 = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize(
    "words",
    [
        ("logs", "--source", NOT_UTF_8),
        ("stats", "--level", NOT_UTF_8),
        ("tail", f"http://{NOT_UTF_8}:1"),
        ("export", "--grep", NOT_UTF_8),
        ("send", "--to", "ws://127.0.0.1:1", "--source", NOT_UTF_8),
        ("run", "--to", f"ws://{NOT_UTF_8}:1", "--", "true"),
        ("simulate", "app", "--level", NOT_UTF_8),
        ("serve", "--name", NOT_UTF_8),
        ("logs", "--redis", f"redis://{NOT_UTF_8}"),
    ],
    ids=" ".join,
)
def test_a_word_that_is_not_utf_8_is_wrong_usage(words: tuple[str, ...], tmp_path: Path) -> None:
    done = call(*words, cwd=tmp_path)
    assert (done.returncode, b"not UTF-8" in done.stderr) == (2, True)


def test_names_of_files_may_be_any_bytes(tmp_path: Path) -> None:
    folder = tmp_path / NOT_UTF_8
    with ServerProcess(folder / "data", ("http",), ("--log-file", str(folder / "all.jsonl"))) as server:
        post(server, {"message": "m"})
        for words in (("logs",), ("stats",), ("verify",), ("export", "--output", str(folder / "out.csv"))):
            done = call(*words, "--data-dir", str(folder / "data"), cwd=folder)
            assert done.returncode == 0, done.stderr
    assert json.loads((folder / "all.jsonl").read_bytes())["entry"] == {"message": "m"}
    assert b"caf\\xe9" in call("logs", "--data-dir", str(folder / "none"), cwd=tmp_path).stderr


def test_an_export_to_a_terminal_is_harmless(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    post(server, *ODD)
    monkeypatch.setattr(Stream, "is_terminal", True)
    for form in ("csv", "jsonl"):
        done = call("export", "--format", form, "--data-dir", str(server.data_dir), cwd=server.data_dir)
        text = done.stdout.decode()
        assert (done.returncode, "last" in text) == (0, True)
        assert not HARMFUL.search(text)


def test_a_server_answers_as_its_journal_does(server: ServerProcess) -> None:
    post(
        server,
        *[{"message": f"m{number}", "level": "INFO", "service": f"s{number % 3}"} for number in range(120)],
    )
    post(server, {"message": "bad", "level": "ERROR", "service": "s0"})
    for words in (
        ("logs",),
        ("logs", "--limit", "7"),
        ("logs", "--level", "error", "--json"),
        ("logs", "--source", "s1", "--since", "1 hour ago"),
        ("logs", "--until", "1 hour ago"),
        ("logs", "--grep", "m11", "--until", "now"),
        ("logs", "--around", "60", "-n", "3", "--fields", "sequence,message,service"),
        ("logs", "--around", "60", "-n", "3", "--source", "s1", "--json"),
        ("logs", "--around", "1 hour ago", "-n", "2"),
        ("stats",),
        ("stats", "--json", "--since", "today", "--until", "today"),
        ("logs", "--stats"),
        ("export",),
        ("export", "--from", "yesterday", "--format", "jsonl"),
    ):
        of_journal = call(*words, "--data-dir", str(server.data_dir), cwd=server.data_dir)
        of_server = call(*words, "--url", url_of(server), cwd=server.data_dir)
        assert of_journal.returncode == of_server.returncode == 0, of_server.stderr
        assert of_journal.stdout == of_server.stdout, words
    assert b"m11" in of_journal.stdout


def test_an_entry_is_shown_among_its_neighbours(server: ServerProcess) -> None:
    moments = [{"message": f"m{second}", "time": f"2026-11-30T12:00:{second:02}Z"} for second in range(9)]
    post(server, *moments)

    def shown(*words: str) -> list[str]:
        words = ("logs", *words, "--data-dir", str(server.data_dir), "--tz", "UTC", "--fields", "message")
        done = call(*words, cwd=server.data_dir)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().splitlines()

    marked = ["   message", "   m3", "▶  m4", "   m5"]
    assert shown("--around", "4", "-n", "1") == marked
    assert shown("--around", "2026-11-30 12:00:04", "-n", "1") == marked
    assert shown("--around", "4", "-n", "1", "--grep", "not m4") == ["message", "m3", "m5", "m6"]
    assert shown("--around", "0", "-n", "1") == ["   message", "▶  m0", "   m1"]
    assert shown("--around", "99", "-n", "1") == ["message", "m8"]
    for words in (("--around", "soon"), ("--around", "4", "--since", "1h"), ("--fields", "a,,b")):
        assert call("logs", *words, "--data-dir", str(server.data_dir), cwd=server.data_dir).returncode == 2


def test_more_than_a_screen_goes_through_the_pager(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = tmp_path / "pages.txt"
    pager = tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\ncat > {pages}\n")
    pager.chmod(0o755)
    monkeypatch.setenv("PAGER", str(pager))
    monkeypatch.setenv("LINES", "5")
    monkeypatch.setattr(Stream, "is_terminal", True)
    monkeypatch.setattr("sys.stdin", Stream(io.BytesIO()))
    post(server, *[{"message": f"m{number}"} for number in range(9)])
    folder = ("--data-dir", str(server.data_dir))
    for words in (("-n", "2"), ("-n", "9", "--no-pager")):
        assert b"m8" in call("logs", *words, *folder, cwd=tmp_path).stdout
        assert not pages.exists()
    assert call("logs", "-n", "9", *folder, cwd=tmp_path).stdout == b""
    assert [word for word in pages.read_text().split() if word.startswith("m")] == [f"m{n}" for n in range(9)]


def test_without_a_data_directory_the_server_is_asked(tmp_path: Path) -> None:
    done = call("logs", cwd=tmp_path)
    assert b"asking the server at http://127.0.0.1:8080" in done.stderr
    if done.returncode:  # nothing runs there, as it should be
        assert done.returncode == 1
        assert b"name a data directory with --data-dir, or a server with --url" in done.stderr
    assert call("logs", "--url", f"127.0.0.1:{free_port()}", cwd=tmp_path).returncode == 3
    both = call("logs", "--url", "127.0.0.1:1", "--data-dir", "x", cwd=tmp_path)
    assert (both.returncode, b"choose one" in both.stderr) == (2, True)


def test_times_are_those_of_the_zone(server: ServerProcess) -> None:
    post(server, {"message": "m", "time": "2026-11-30T12:00:00Z"})
    folder = ("--data-dir", str(server.data_dir))
    for zone, shown in (("UTC", b"2026-11-30 12:00:00"), ("Europe/Berlin", b"2026-11-30 13:00:00")):
        assert shown in call("logs", "--tz", zone, *folder, cwd=server.data_dir).stdout
        assert shown in call("logs", *folder, cwd=server.data_dir, zone=zone).stdout
    for words in (("--tz", "Mars/Base"), ("--since", "soon"), ("--until", "25:00")):
        assert call("logs", *words, *folder, cwd=server.data_dir).returncode == 2


# --- logboom.toml in the working directory


def start_line(folder: Path, *words: str) -> bytes:
    """Start a server that can't bind, in a folder; returns what it wrote."""
    done = process("serve", "--only", "device", "--listen", "device=192.0.2.1:5000", *words, cwd=folder)
    assert done.returncode == 1
    return done.stderr


def test_the_working_directorys_settings_are_read_and_reported(tmp_path: Path) -> None:
    (tmp_path / "logboom.toml").write_text('name = "from-the-file"\ndata_dir = "elsewhere"\n')
    text = start_line(tmp_path)
    assert f"settings from {tmp_path / 'logboom.toml'}".encode() in text
    assert b"from-the-file : " in text
    assert (tmp_path / "elsewhere").is_dir()
    done = call("token", "add", "x", cwd=tmp_path)
    assert (done.returncode, (tmp_path / "elsewhere" / "tokens.json").exists()) == (0, True)
    assert b"nothing" not in call("logs", cwd=tmp_path).stderr
    (tmp_path / "other.toml").write_text('name = "named"\n')
    assert b"from-the-file" not in start_line(tmp_path, "--config", "other.toml")


def test_a_file_that_others_can_write_is_not_read_and_the_fix_is_named(tmp_path: Path) -> None:
    file = tmp_path / "logboom.toml"
    file.write_text('name = "from-the-file"\n')
    file.chmod(0o664)
    text = start_line(tmp_path)
    assert "⚠️ logboom.toml is not read: others may write it; run chmod go-w logboom.toml".encode() in text
    assert b"from-the-file" not in text
