"""`logboom tail`, `logs` and `stats` against the real server, and a real Redis where there is one."""

import json
import os
import pty
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from logboom.testing.ports import free_port
from logboom.testing.server_kit import ServerProcess

LIMIT_S = 60.0


def logboom(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "logboom", *arguments]


def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        logboom(*arguments), capture_output=True, text=True, check=False, timeout=LIMIT_S, env=environment
    )


def collect(server: ServerProcess, *entries: dict[str, object]) -> None:
    """Store entries over the collector listener; returns when they are acknowledged."""
    with server.connect("collector") as connection:
        connection.sendall(b"".join(json.dumps(entry).encode() + b"\n" for entry in entries))
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as replies:
            assert [json.loads(reply)["message"] for reply in replies] == ["received"] * len(entries)


def infos(start: int, count: int) -> list[dict[str, object]]:
    return [{"level": "INFO", "message": f"line {number}"} for number in range(start, start + count)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data", ("http", "collector")) as server:
        yield server


def url_of(server: ServerProcess) -> str:
    return f"http://127.0.0.1:{server.ports['http']}"


class Tail:
    """A running tail, and its lines as they come."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self._lines: queue.Queue[str] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._thread.join(LIMIT_S)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))

    def lines(self, count: int) -> list[str]:
        return [self._lines.get(timeout=LIMIT_S) for _ in range(count)]


@contextmanager
def tailing(url: str, *options: str) -> Iterator[Tail]:
    process = subprocess.Popen(
        logboom("tail", url, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    tail = Tail(process)
    try:
        yield tail
    finally:
        tail.close()


def test_entries_are_shown_as_they_come_and_ctrl_c_ends_it(server: ServerProcess) -> None:
    collect(server, *infos(0, 12))
    with tailing(url_of(server)) as tail:
        assert tail.lines(10)[0].endswith("[INFO] 127.0.0.1 (collector): line 2")
        collect(server, {"level": "warn", "message": "new\nlines"})
        head, *lines = tail.lines(3)
        assert head.startswith("[0011] ")
        assert head.endswith(" [WARNING] 127.0.0.1 (collector) (2 lines):")
        assert lines == ["  1: new", "  2: lines"]
        tail.process.send_signal(signal.SIGINT)
        assert tail.process.wait(LIMIT_S) == 0


def test_the_server_is_killed_again_and_again(server: ServerProcess) -> None:
    collect(server, {"level": "INFO", "message": "first"})
    with tailing(url_of(server)) as tail:
        shown = tail.lines(1)
        for turn in range(4):
            collect(server, *infos(turn * 500, 500))
            if turn % 2:  # else it may be anywhere
                shown += tail.lines(300)
            server.kill()
            server.start()
        collect(server, {"level": "INFO", "message": "last"})
        shown += tail.lines(2002 - len(shown))
    texts = [line.rpartition(": ")[2] for line in shown]
    assert texts == ["first", *(f"line {number}" for number in range(2000)), "last"]


def test_it_waits_for_a_server_that_is_not_there_yet(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, ("http", "collector"))
    with tailing(url_of(server)) as tail:
        assert tail.process.stderr is not None
        assert "is away (connection refused)" in tail.process.stderr.readline()
        with server:
            collect(server, *infos(0, 1))
            assert tail.lines(1)[0].endswith(": line 0")


def test_a_new_journal_is_read_from_its_start(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", ("http", "collector")).start()
    collect(server, *infos(0, 9))
    with tailing(url_of(server)) as tail:
        tail.lines(9)
        server.kill()
        shutil.rmtree(tmp_path / "data")
        with server:
            collect(server, *infos(100, 2))
            assert [line.rpartition(": ")[2] for line in tail.lines(2)] == ["line 100", "line 101"]


def test_what_is_there(server: ServerProcess) -> None:
    collect(server, *infos(0, 30), {"level": "ERROR", "message": "Bad Thing", "source": "shop"})
    url = url_of(server)

    def shown(*options: str) -> list[str]:
        done = call("tail", url, "--no-follow", *options)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    assert len(shown()) == 10
    assert len(shown("--limit", "25")) == 25
    assert shown("--limit", "0") == []
    assert len(shown("--since", "1h")) == 31
    assert shown("--since", "2100-01-01") == []
    for options in (("--level", "error"), ("--source", "shop"), ("--grep", "bad thing")):
        assert [line.rpartition(": ")[2] for line in shown(*options)] == ["Bad Thing"]
    assert shown("--listener", "device") == []
    event = json.loads(shown("--json", "--level", "error")[0])
    assert (event["sequence"], event["entry"]["message"]) == (30, "Bad Thing")


def test_colours_only_on_a_terminal_that_wants_them(server: ServerProcess) -> None:
    collect(server, {"level": "ERROR", "message": "x"})
    for variables, coloured in (({"TERM": "xterm"}, True), ({"NO_COLOR": "1"}, False)):
        master, terminal = pty.openpty()
        environment = {**{name: os.environ[name] for name in os.environ if name != "NO_COLOR"}, **variables}
        subprocess.run(
            logboom("tail", url_of(server), "--no-follow"), stdout=terminal, check=True, env=environment
        )
        assert (b"\x1b[31m" in os.read(master, 1000)) is coloured
        os.close(master)
        os.close(terminal)


def test_wrong_words_and_absent_servers(server: ServerProcess) -> None:
    assert call("tail", "tcp://127.0.0.1:1").returncode == 2
    assert call("tail", "--level", "loud").returncode == 2
    assert call("tail", f"127.0.0.1:{free_port()}", "--no-follow").returncode == 3
    refused = call("tail", f"{url_of(server)}/elsewhere", "--no-follow")
    assert (refused.returncode, "404" in refused.stderr) == (1, True)


def test_a_reader_that_leaves_ends_it(server: ServerProcess) -> None:
    collect(server, *infos(0, 2000))
    command = " ".join(logboom("tail", url_of(server), "--no-follow", "--limit", "2000"))
    done = subprocess.run(f"{command} | head -1", shell=True, capture_output=True, text=True, check=True)
    assert done.stdout.endswith(": line 0\n")
    assert done.stderr == ""


# logs and stats


def test_logs_and_stats_of_the_journal_while_the_server_runs(server: ServerProcess) -> None:
    collect(server, *infos(0, 60), {"level": "error", "message": "a\nb", "source": "shop-1", "type": "log"})
    folder = ("--data-dir", str(server.data_dir))
    lines = call("logs", *folder).stdout.splitlines()
    assert len(lines) == 51
    assert lines[0].split() == ["TIME", "SOURCE", "LEVEL", "MESSAGE"]
    assert lines[-1].split()[2:] == ["shop-1", "ERROR", "a", "⏎", "b"]
    assert len(call("logs", *folder, "--limit", "7").stdout.splitlines()) == 8
    assert len(call("logs", *folder, "--level", "error", "--since", "1h").stdout.splitlines()) == 2
    data = json.loads(call("logs", *folder, "--source", "shop-1", "--json").stdout)
    assert (data["sequence"], data["level"], data["entry"]["message"]) == (60, "ERROR", "a\nb")
    table = [line.split() for line in call("stats", *folder).stdout.splitlines()]
    assert table[0][:4] == ["SOURCE", "TOTAL", "TYPES", "LEVELS"]
    assert table[1][:4] == ["127.0.0.1", "60", "INFO", "60"]
    assert table[2][:6] == ["shop-1", "1", "log", "1", "ERROR", "1"]
    assert call("logs", *folder, "--stats").stdout == call("stats", *folder).stdout
    counts = json.loads(call("stats", *folder, "--source", "shop-1", "--json").stdout)
    assert (counts["total"], counts["types"], counts["per_minute"]) == (1, {"log": 1}, 1.0)


def test_without_a_journal(tmp_path: Path) -> None:
    for command in ("logs", "stats"):
        done = call(command, "--data-dir", str(tmp_path))
        assert (done.returncode, "there is no journal" in done.stderr) == (1, True)
    assert call("logs", "--since", "soon").returncode == 2
    for words in (
        ("logs", "pump temp:>x"),
        ("tail", "--grep", "pump temp:>x"),
        ("export", "pump", "temp:>x"),
    ):
        done = call(*words)
        assert done.returncode == 2
        assert 'the query, at character 12: expected a number after ">", found "x"' in done.stderr
        assert "  pump temp:>x\n             ^\n" in done.stderr


@pytest.fixture
def redis_url(tmp_path: Path, redis_binary: str) -> Iterator[str]:
    path = tmp_path / "redis.sock"
    command = [redis_binary, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "ready to accept connections" in line.lower():
                break
        yield f"unix://{path}"
    finally:
        process.kill()
        process.communicate()


@pytest.mark.service
def test_logs_and_stats_of_redis(redis_url: str) -> None:
    redis = pytest.importorskip("redis")
    with redis.Redis.from_url(redis_url) as client:
        for number in range(3):
            key = f"log:2024-01-01T12:00:0{number}:whaleon-1:{number}"
            fields = {"timestamp": f"2024-01-01T12:00:0{number}", "source": "whaleon-1", "line_count": 1}
            kind = "error" if number == 1 else "log"
            more = {"message_type": kind, "message_content": f"m{number}", "created_at": fields["timestamp"]}
            client.hset(key, mapping={**fields, **more})
            client.lpush("recent_logs:global", key)
            client.lpush("recent_logs:whaleon-1", key)
        client.lpush("recent_logs:global", "log:expired")
        client.hset(
            "stats:whaleon-1", mapping={"total": 3, "log": 2, "error": 1, "last_seen": "2024-01-01T12:00:02"}
        )

    def messages(*options: str) -> list[str]:
        done = call("logs", "--redis", redis_url, *options)
        return [line.split()[-1] for line in done.stdout.splitlines()[1:]]

    assert messages() == ["m0", "m1", "m2"]
    assert messages("--source", "whaleon-1", "--limit", "2") == ["m1", "m2"]
    assert messages("--source", "other") == []
    assert messages("--level", "error") == ["m1"]
    assert messages("--since", "2024-01-01T12:00:01") == ["m1", "m2"]
    assert messages("--grep", "M2") == ["m2"]
    counts = json.loads(call("logs", "--redis", redis_url, "--stats", "--json").stdout)
    assert (counts["total"], counts["types"]) == (3, {"log": 2, "error": 1})
    assert "whaleon-1" in call("stats", "--redis", redis_url).stdout
    assert call("stats", "--redis", redis_url, "--since", "1h").returncode == 2


def test_redis_trouble_is_told_without_its_password() -> None:
    done = call("logs", "--redis", f"redis://:secret@127.0.0.1:{free_port()}/0")
    assert (done.returncode, "redis://" in done.stderr, "secret" in done.stderr) == (1, True, False)
    done = call("logs", "--redis", "redis://:sec#ret@[/0")
    assert (done.returncode, "sec" in done.stderr) == (2, False)
