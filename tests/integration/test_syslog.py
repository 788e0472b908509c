"""Syslog over real sockets: stored without an answer, and kept while the disk is full."""

import json
import logging
import socket
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import Any

from logboom.servers.udp import PENDING_BYTES_MAX, RECEIVE_BUFFER_BYTES
from tests.kit.app_kit import FailingDisk, journal_lines
from tests.kit.app_thread import AppThread

SYSLOG = {"listeners": {"syslog": {"protocol": "syslog"}}}


def stored(data_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["entry"] for line in journal_lines(data_dir)]


def messages(data_dir: Path) -> list[str]:
    return [entry["message"] for entry in stored(data_dir)]


def count(server: AppThread, listener: str = "syslog") -> int:
    return sum(server.app.listeners[listener].service.intake.counters.verdicts.values())


def connect(server: AppThread, listener: str = "syslog") -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port(listener)), timeout=30)


def test_pythons_handler_over_tcp(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("syslog",), settings=SYSLOG) as server:
        address = ("127.0.0.1", server.port("syslog"))
        handler = SysLogHandler(address, socktype=socket.SOCK_STREAM)
        handler.ident = "pumps: "
        logger = logging.getLogger("test pumps")
        logger.addHandler(handler)
        logger.warning("valve stuck at %d %%", 87)
        logger.error("two\nlines")
        logger.removeHandler(handler)
        handler.close()
        server.until(lambda: count(server) == 2)
    first, second = stored(tmp_path)
    assert (first["level"], first["source"], first["message"]) == ("WARNING", "pumps", "valve stuck at 87 %")
    assert second["message"] == "two\nlines"


def test_nothing_is_answered(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("syslog",), settings=SYSLOG) as server, connect(server) as client:
        client.sendall(b"<13>Nov 30 15:18:45 h t: m\n" * 3)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1024) == b""
    assert messages(tmp_path) == ["m"] * 3


def test_messages_with_nothing_between_them_are_stored_after_a_pause(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("syslog",), settings=SYSLOG) as server, connect(server) as client:
        client.sendall(b"<132>Nov 30 15:12:51 h t: a<132>Nov 30 15:12:51 h t: b")
        server.until(lambda: count(server) == 2)
        assert "nothing between them" in server.log.getvalue()
    assert messages(tmp_path) == ["a", "b"]


def test_a_full_disk_loses_nothing_and_closes_nothing(tmp_path: Path) -> None:
    disk = FailingDisk()
    with (
        AppThread(tmp_path, ("syslog", "collector"), disk, SYSLOG) as server,
        connect(server) as client,
        connect(server, "collector") as other,
    ):
        client.sendall(b"<13>before\n")
        server.until(lambda: count(server) == 1)
        disk.failing = True
        client.sendall(b"<13>kept\n")
        holding = server.app.listeners["syslog"].service.intake.holding
        assert holding is not None
        server.until(lambda: holding.is_active)
        client.sendall(b"<13>in the socket\n" * 20)
        other.sendall(b'{"level":"INFO","message":"x"}\n')
        assert b"storage unavailable" in other.recv(1024)
        disk.failing = False
        server.until(lambda: count(server) == 22)
        client.sendall(b"<13>after\n")
        server.until(lambda: count(server) == 23)
        assert not holding.is_active
    assert messages(tmp_path) == ["before", "kept", *["in the socket"] * 20, "after"]
    log = server.log.getvalue()
    assert log.count("keeps what it received, and reads no more until it is stored") == 1
    assert log.count("entries that it kept, and reads again") == 1


def test_what_is_kept_is_bounded_however_many_send(tmp_path: Path) -> None:
    disk = FailingDisk()
    with AppThread(tmp_path, ("syslog",), disk, SYSLOG) as server:
        disk.failing = True
        clients = [connect(server) for _ in range(5)]
        clients[0].sendall(b"<13>first\n")
        holding = server.app.listeners["syslog"].service.intake.holding
        assert holding is not None
        server.until(lambda: holding.is_active)
        for client in clients[1:]:
            client.sendall(b"<13>more\n" * 50)
        received = server.app.listeners["syslog"].service.intake.counters
        server.until(lambda: received.last_data is not None)
        assert holding.entries <= 1
        disk.failing = False
        server.until(lambda: count(server) == 201)
        for client in clients:
            client.close()
    assert sorted(messages(tmp_path)) == ["first", *["more"] * 200]


UDP = {"listeners": {"syslog-udp": {"protocol": "syslog", "transport": "udp"}}}


def send(server: AppThread, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", server.port("syslog-udp")))
        for datagram in datagrams:
            client.send(datagram)


def test_datagrams_are_stored_in_order(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("syslog-udp",), settings=UDP) as server:
        send(server, *(b"<13>Nov 30 15:18:45 h t: %d\n" % number for number in range(1000)))
        server.until(lambda: count(server, "syslog-udp") == 1000)
    assert messages(tmp_path) == [str(number) for number in range(1000)]
    line = json.loads(journal_lines(tmp_path)[0])
    assert line["source"] == "127.0.0.1"


def test_datagrams_from_a_denied_network_are_not_stored(tmp_path: Path) -> None:
    denied = {"listeners": {"syslog-udp": {**UDP["listeners"]["syslog-udp"], "deny": ["127.0.0.0/8"]}}}
    with AppThread(tmp_path, ("syslog-udp",), settings=denied) as server:
        send(server, b"<13>x")
        counters = server.app.listeners["syslog-udp"].service.intake.counters
        server.until(lambda: sum(counters.connections_turned_away.values()) == 1)
    assert messages(tmp_path) == []


def test_datagrams_wait_while_the_disk_is_full(tmp_path: Path) -> None:
    disk = FailingDisk()
    with AppThread(tmp_path, ("syslog-udp",), disk, UDP) as server:
        disk.failing = True
        send(server, b"<13>kept")
        holding = server.app.listeners["syslog-udp"].service.intake.holding
        assert holding is not None
        server.until(lambda: holding.is_active)
        send(server, *[b"<13>waits"] * 50)
        disk.failing = False
        server.until(lambda: count(server, "syslog-udp") == 51)
    assert messages(tmp_path) == ["kept", *["waits"] * 50]


def test_what_the_kernel_drops_is_counted(tmp_path: Path) -> None:
    disk = FailingDisk()
    with AppThread(tmp_path, ("syslog-udp",), disk, UDP) as server:
        disk.failing = True
        send(server, b"<13>kept")
        listener = server.app.listeners["syslog-udp"].service
        holding = listener.intake.holding
        assert holding is not None
        server.until(lambda: holding.is_active)
        counters = listener.intake.counters
        while not counters.datagrams_dropped:
            send(server, *[b"<13>" + b"x" * 60000] * 100)
            server.call(listener.look_after, 0.0)  # type: ignore[attr-defined]
        assert listener.waiting_bytes <= PENDING_BYTES_MAX + RECEIVE_BUFFER_BYTES  # type: ignore[attr-defined]
        disk.failing = False
        server.until(lambda: not holding.is_active)
    assert "the kernel dropped" in server.log.getvalue()
