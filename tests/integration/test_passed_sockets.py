"""Sockets that systemd has bound, as a socket unit for ports below 1024 does: real descriptors, inherited."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from logboom.errors import ListenerError
from logboom.servers import binding
from logboom.servers.binding import bound_sockets
from tests.kit.app_kit import journal_lines

ACTIVATE = """
import fcntl, os, sys
passed = [fcntl.fcntl(int(word), fcntl.F_DUPFD, 100) for word in sys.argv[1].split(",")]
for number, one in enumerate(passed, 3):
    os.dup2(one, number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(passed)))
os.execv(sys.executable, [sys.executable, "-m", "logboom", "serve", *sys.argv[2:]])
"""
CONFIG = """
[listeners.syslog]
host = "192.0.2.1"  # not bound: systemd has done that
port = {stream}

[listeners.syslog-udp]
protocol = "syslog"
transport = "udp"
port = {datagrams}
"""


def test_what_came_before_the_start_is_stored(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as stream,
        socket.create_server(("127.0.0.1", 0)) as unused,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        datagrams.bind(("127.0.0.1", 0))
        passed = (stream, datagrams, unused)
        unused_port = unused.getsockname()[1]
        config = tmp_path / "logboom.toml"
        config.write_text(CONFIG.format(stream=stream.getsockname()[1], datagrams=datagrams.getsockname()[1]))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"<13>over UDP", datagrams.getsockname())
        with socket.create_connection(stream.getsockname(), timeout=30) as sender:
            sender.sendall(b"<13>over TCP\n")
            sender.shutdown(socket.SHUT_WR)
            numbers = [os.dup(one.fileno()) for one in passed]
            words = [
                "--config",
                str(config),
                "--data-dir",
                str(tmp_path / "data"),
                "--only=syslog,syslog-udp",
            ]
            command = [sys.executable, "-c", ACTIVATE, ",".join(map(str, numbers)), *words]
            with subprocess.Popen(command, pass_fds=numbers, stderr=subprocess.PIPE, text=True) as server:
                assert sender.recv(1) == b""  # stored: the server has closed its side
                server.terminate()
                _, log = server.communicate(timeout=30)
        for number in numbers:
            os.close(number)
    assert server.returncode == 0, log
    found = b"".join(journal_lines(tmp_path / "data"))
    assert (b"over TCP" in found, b"over UDP" in found) == (True, True)
    assert f"systemd has bound 127.0.0.1:{unused_port}, and no listener has that port" in log


def test_one_that_hides_addresses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET6) as both:
        both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        both.bind(("::", 0))
        monkeypatch.setattr(binding, "passed_sockets", lambda: (both,))
        with pytest.raises(ListenerError, match="set BindIPv6Only=ipv6-only"):
            bound_sockets("syslog", "*", both.getsockname()[1])


def test_a_restart_of_the_listener_takes_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed:
        monkeypatch.setattr(binding, "passed_sockets", lambda: (passed,))
        for _ in range(2):
            [found] = bound_sockets("syslog", "127.0.0.1", passed.getsockname()[1])
            assert found.getsockname() == passed.getsockname()
            found.close()
