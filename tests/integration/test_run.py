"""`logboom run`: the command behaves as if started directly, whatever the server does."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from logboom.testing.server_kit import ServerProcess, free_port

LIMIT_S = 60.0


def run(
    *command: str, url: str | None = None, options: tuple[str, ...] = ("--flush-timeout=0",)
) -> list[str]:
    to = url or f"ws://127.0.0.1:{free_port()}"
    return [sys.executable, "-m", "logboom", "run", "--to", to, *options, "--", *command]


def finish(command: list[str], **settings: Any) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(command, capture_output=True, check=False, timeout=LIMIT_S, **settings)


@contextmanager
def started(command: list[str], **settings: Any) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def first_line(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 128 + 15), ("kill -KILL $$", 128 + 9)],
)
def test_the_exit_code_is_the_commands(script: str, code: int) -> None:
    assert finish(run("sh", "-c", script)).returncode == code


def test_commands_that_cannot_be_started(tmp_path: Path) -> None:
    done = finish(run("no-such-command-here"))
    assert (done.returncode, b"No such file" in done.stderr) == (127, True)
    (tmp_path / "script").write_text("not executable")
    assert finish(run(str(tmp_path / "script"))).returncode == 126


def test_wrong_usage_exits_2() -> None:
    assert finish(run("true", url="tcp://127.0.0.1:1")).returncode == 2
    assert finish([sys.executable, "-m", "logboom", "run", "--to", "ws://127.0.0.1:1"]).returncode == 2


def test_output_passes_unchanged_and_options_are_the_commands() -> None:
    script = "printf 'a\\r\\n\\033[31mred\\033[0m\\000\\377no end'; printf 'err' >&2; cat; printf -- \"$1\""
    done = finish(run("sh", "-c", script, "sh", "--help"), input=b"from standard input")
    assert done.stdout == b"a\r\n\x1b[31mred\x1b[0m\x00\xffno endfrom standard input--help"
    assert done.stderr.startswith(b"err")


def test_output_passes_at_once() -> None:
    with started(run("sh", "-c", "echo ready; read line; echo got $line"), stdin=subprocess.PIPE) as process:
        assert first_line(process) == b"ready\n"
        assert process.stdin is not None
        process.stdin.write(b"it\n")
        process.stdin.flush()
        assert first_line(process) == b"got it\n"
        assert process.wait(LIMIT_S) == 0


CATCHES = """
import signal, sys
def catch(number, frame):
    print(signal.Signals(number).name, flush=True)
    sys.exit(5)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH):
    signal.signal(number, catch)
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGWINCH"])
def test_signals_go_to_the_command(name: str) -> None:
    with started(run(sys.executable, "-c", CATCHES)) as process:
        assert first_line(process) == b"ready\n"
        process.send_signal(signal.Signals[name])
        assert first_line(process) == f"{name}\n".encode()
        assert process.wait(LIMIT_S) == 5


ONCE = """
import os, signal, sys
def count(*_):
    caught.append(1)
    os.write(0, b"caught")  # to the terminal, not by way of the one that is tested
def tell(*_):
    print(len(caught), flush=True)
    sys.exit(0)
caught = []
signal.signal(signal.SIGINT, count)
signal.signal(signal.SIGUSR1, tell)
print("ready", flush=True)
while True:
    signal.pause()
"""


def test_ctrl_c_comes_once() -> None:
    """The terminal sends it to the whole process group: it must not be sent on as well."""
    master, terminal = pty.openpty()
    command = run(sys.executable, "-c", ONCE)
    leads = "import os, sys, fcntl, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    leads += "os.execv(sys.argv[1], sys.argv[1:])"
    with started([sys.executable, "-c", leads, *command], stdin=terminal) as process:
        assert first_line(process) == b"ready\n"
        process.send_signal(signal.SIGSTOP)  # so that the two would come one after the other
        os.write(master, b"\x03")
        seen = b""
        while b"caught" not in seen:
            seen += os.read(master, 100)
        process.send_signal(signal.SIGUSR1)  # goes the way that a second one would have gone before it
        process.send_signal(signal.SIGCONT)
        assert first_line(process) == b"1\n"
        assert process.wait(LIMIT_S) == 0
    os.close(master)
    os.close(terminal)


def test_a_reader_that_leaves_is_felt_by_the_command() -> None:
    with started(run("sh", "-c", "while echo x; do :; done")) as process:
        first_line(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(LIMIT_S) == 128 + signal.SIGPIPE
        process.stdout = None


@contextmanager
def silent_server() -> Iterator[str]:
    """Takes connections, and never reads or answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"


def test_what_a_started_program_goes_on_writing_does_not_hold_the_command_up() -> None:
    with silent_server() as url:
        options = ("--flush-timeout=0", "--as=collector", "--spool-bytes=1000000")
        done = finish(run("sh", "-c", "yes & exit 3", url=url, options=options))
    assert done.returncode == 3


def test_a_server_that_never_answers_does_not_hold_the_command_up() -> None:
    script = "[print('x' * 99) for _ in range(200_000)]"
    with silent_server() as url:
        options = ("--flush-timeout=0", "--as=collector", "--spool-bytes=1000000")
        done = finish(run(sys.executable, "-c", script, url=url, options=options))
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 200_000
    assert b"lines were dropped" in done.stderr
    assert b"lines were not delivered" in done.stderr


def test_what_waits_longer_than_memory_goes_to_the_disk() -> None:
    script = "[print('x' * 99) for _ in range(200_000)]"
    with silent_server() as url:
        done = finish(
            run(sys.executable, "-c", script, url=url, options=("--flush-timeout=0", "--as=collector"))
        )
    assert b"dropped" not in done.stderr
    assert b"200000 lines were not delivered" in done.stderr


def test_a_signal_after_the_end_ends_the_flush() -> None:
    with started(run("sh", "-c", "echo done", options=("--flush-timeout=3600",))) as process:
        assert process.stdout is not None
        assert process.stdout.read(5) == b"done\n"
        stopped = threading.Event()

        def insist() -> None:
            while not stopped.wait(0.02):  # the first ones may still come to the command itself
                process.send_signal(signal.SIGTERM)

        insisting = threading.Thread(target=insist)
        insisting.start()
        code = process.wait(LIMIT_S)
        stopped.set()
        insisting.join()
    assert code in (0, 128 + signal.SIGTERM)


def logs(server: ServerProcess) -> list[dict[str, Any]]:
    entries = [json.loads(line)["entry"] for line in server.journal_lines()]
    return [entry for entry in entries if entry["type"] == "log"]


def test_lines_arrive_and_standard_error_is_marked(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ("http",)) as server:
        url = f"ws://127.0.0.1:{server.ports['http']}/"
        script = "echo one; echo; printf 'two'; echo three >&2"
        done = finish(run("sh", "-c", script, url=url, options=("--source", "whaleon-36381824")))
        assert (done.returncode, done.stdout, done.stderr) == (0, b"one\n\ntwo", b"three\n")
        found = {(entry["message"], entry.get("stream", "stdout")) for entry in logs(server)}
        assert found == {("one", "stdout"), ("two", "stdout"), ("three", "stderr")}
        assert {entry["source"] for entry in logs(server)} == {"whaleon-36381824"}


def test_over_other_protocols_the_name_and_the_stream_are_kept(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ("collector", "device")) as server:
        for name in ("collector", "device"):
            url = f"tcp://127.0.0.1:{server.ports[name]}"
            assert finish(run("sh", "-c", "echo x >&2", url=url, options=(f"--as={name}",))).returncode == 0
        entries = [json.loads(line)["entry"] for line in server.journal_lines()]
        assert [(entry["source"], entry["stream"]) for entry in entries] == [("sh", "stderr")] * 2


COUNTS = """
import sys
for number in range(6000):
    print("line", number, flush=True)
    if number % 1000 == 500:
        sys.stdin.readline()
"""


def test_the_server_is_killed_again_and_again(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ("http",)) as server:
        command = run(
            sys.executable,
            "-c",
            COUNTS,
            url=f"ws://127.0.0.1:{server.ports['http']}",
            options=("--flush-timeout=60", "--window=16"),
        )
        with started(command, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for turn in range(6):
                while process.stdout.readline() != b"line %d\n" % (turn * 1000 + 500):
                    pass
                server.kill()
                process.stdin.write(b"go on\n")
                process.stdin.flush()
                server.start()
            process.stdout.read()
            assert process.wait(LIMIT_S) == 0
        assert [entry["message"] for entry in logs(server)] == [f"line {number}" for number in range(6000)]
