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

from logboom.testing.ports import free_port
from logboom.testing.server_kit import ServerProcess

LIMIT_S = 60.0
UNLIMITED = {"LOGBOOM_LISTENERS__COLLECTOR__RATE_LIMIT_ENABLED": "false"}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


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
    signal.sigtimedwait((), 0.1)
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
    signal.sigtimedwait((), 0.1)  # not `pause`: a signal just before it would wait for the next one
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


PRINTS = "[print(f'{number:099}') for number in range(5_000)]"
NUMBERS = [f"{number:099}" for number in range(5_000)]


def test_what_is_not_delivered_stays_for_the_next_run(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", ("http",)) as server:
        url = f"ws://127.0.0.1:{server.ports['http']}/"
        server.kill()
        options = ("--flush-timeout=0", "--source=first")
        done = finish(run(sys.executable, "-c", PRINTS, url=url, options=options))
        assert done.returncode == 0
        assert b"5000 lines are not delivered yet. They are kept in" in done.stderr
        server.start()
        assert finish(run("echo", "last", url=url, options=("--source=second",))).stderr == b""
        assert [entry["message"] for entry in logs(server)] == [*NUMBERS, "last"]
        assert [logs(server)[index]["source"] for index in (0, -1)] == ["first", "second"]


def test_what_is_not_delivered_goes_out_with_send(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", ("collector",), environment=UNLIMITED) as server:
        url = f"tcp://127.0.0.1:{server.ports['collector']}"
        server.kill()
        finish(run("echo", "one", url=url, options=("--flush-timeout=0", "--as=collector")))
        server.start()
        command = [sys.executable, "-m", "logboom", "send", "/dev/null", "--to", url, "--as", "collector"]
        done = finish(command)
        assert (done.returncode, b"1 lines of earlier" in done.stderr) == (0, True)
        [entry] = [json.loads(line)["entry"] for line in server.journal_lines()]
        assert (entry["message"], entry["source"]) == ("one", "echo")


def test_the_command_waits_while_the_spool_is_full(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", ("http",)) as server:
        url = f"ws://127.0.0.1:{server.ports['http']}/"
        server.kill()
        options = ("--flush-timeout=60", "--spool-bytes=100000")
        with started(run(sys.executable, "-c", PRINTS, url=url, options=options)) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            reading = threading.Thread(target=process.stdout.read)
            reading.start()
            while b"the spool is full; the command waits" not in process.stderr.readline():
                pass
            server.start()
            reading.join(LIMIT_S)
            assert process.wait(LIMIT_S) == 0
        assert [entry["message"] for entry in logs(server)] == NUMBERS


def test_a_full_spool_at_the_end_takes_what_the_command_has_written() -> None:
    with silent_server() as url:
        options = ("--flush-timeout=0", "--as=collector", "--spool-bytes=1000")
        done = finish(
            run("sh", "-c", "for n in 1 2 3 4 5 6 7 8 9; do echo $n; done", url=url, options=options)
        )
    assert (done.returncode, done.stdout) == (0, b"1\n2\n3\n4\n5\n6\n7\n8\n9\n")
    assert b"9 lines are not delivered yet" in done.stderr


def test_a_kill_loses_nothing_that_was_shown(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", ("http",)) as server:
        url = f"ws://127.0.0.1:{server.ports['http']}/"
        with started(run("sh", "-c", "n=0; while :; do echo line $n; n=$((n+1)); done", url=url)) as process:
            assert process.stdout is not None
            for _ in range(500):
                process.stdout.readline()
            process.kill()
            shown = 500 + process.stdout.read().count(b"\n")
        assert finish(run("echo", "last", url=url, options=("--source=x",))).returncode == 0
        found = [entry["message"] for entry in logs(server)]
        assert found[:-1] == [f"line {number}" for number in range(len(found) - 1)]
        assert len(found) > shown


def test_output_of_a_background_process_is_sent_until_it_ends(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", ("http",)) as server:
        url = f"ws://127.0.0.1:{server.ports['http']}/"
        script = "exec 3<&0; (read line; echo got $line) <&3 & echo at once; exit 3"
        source, sink = os.pipe()
        with started(
            run("sh", "-c", script, url=url, options=("--flush-timeout=inf",)), stdin=source
        ) as process:
            os.close(source)
            while not [entry for entry in logs(server) if entry["message"] == "at once"]:
                threading.Event().wait(0.02)
            os.write(sink, b"it\n")
            os.close(sink)
            assert process.wait(LIMIT_S) == 3
        assert [entry["message"] for entry in logs(server)] == ["at once", "got it"]


def test_a_background_process_does_not_hold_the_end_up() -> None:
    options = ("--flush-timeout=0",)
    done = finish(run("sh", "-c", "sleep 3600 & echo $!; exit 3", options=options))
    os.kill(int(done.stdout), signal.SIGKILL)
    assert done.returncode == 3
    assert b"a process that the command has started still runs" in done.stderr


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
