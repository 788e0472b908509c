"""The process behind `tests.kit.forked_commands`: it imports the program once, and forks for each command."""

import gc
import importlib
import io
import marshal
import os
import runpy
import signal
import socket
import sys
import threading
from typing import Any

PRELOADED = (
    "aiohttp.web",
    "logboom.app",
    "logboom.cli.commands",
    "logboom.cli.serve",
    "logboom.servers.http_connection",
    "logboom.web.routes",
)
"""Modules that most commands and servers need: neither optional parts nor anything that starts a thread."""


def main(connection: socket.socket) -> None:
    """Fork for each request. Returns in the forked process, with what it has to run in place; ends with the tests."""
    for name in PRELOADED:
        importlib.import_module(name)
    assert threading.active_count() == 1
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the tests: they end this by closing the socket
    gc.freeze()
    while True:
        request, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        if not request:
            os._exit(0)
        read, write = os.pipe()
        if (between := os.fork()) == 0:
            if pid := os.fork():  # its parent ends, so that the test's process becomes the parent
                os.write(write, str(pid).encode())
                os._exit(0)
            connection.close()
            os.close(read)
            os.close(write)
            words, environment, folder, new_session = marshal.loads(request)
            if new_session:
                os.setsid()
            become(words, environment, folder, streams)
            return
        os.waitpid(between, 0)
        connection.send(os.read(read, 64))
        for descriptor in (read, write, *streams):
            os.close(descriptor)


def become(words: list[str], environment: dict[str, str], folder: str, streams: list[int]) -> None:
    """Make this process what the command would find."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    os.closerange(3, max(streams) + 1)
    sys.stdin = open_stream(0, "r", sys.stdin)
    sys.stdout = open_stream(1, "w", sys.stdout)
    sys.stderr = open_stream(2, "w", sys.stderr)
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, f"__{name}__", getattr(sys, name))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv, sys.orig_argv = [words[2], *words[3:]], words
    if not environment.get("PYTHONSAFEPATH"):
        sys.path.insert(0, folder)


def open_stream(number: int, mode: str, like: Any) -> io.TextIOWrapper:
    """A standard stream as Python opens it."""
    unbuffered = mode == "w" and bool(os.environ.get("PYTHONUNBUFFERED"))
    raw = io.FileIO(number, mode, closefd=False)
    buffer: Any = raw if unbuffered else (io.BufferedWriter(raw) if mode == "w" else io.BufferedReader(raw))
    line_buffering = number == 2 or raw.isatty()
    return io.TextIOWrapper(
        buffer,
        like.encoding,
        like.errors,
        newline=None if mode == "r" else "\n",
        line_buffering=line_buffering,
        write_through=unbuffered,
    )


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
