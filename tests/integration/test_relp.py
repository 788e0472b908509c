"""RELP over real sockets: acknowledged when stored; closed without an acknowledgement when the disk is full."""

import json
import socket
from pathlib import Path

import pytest

from logboom.servers import connection
from tests.kit.app_kit import FailingDisk, journal_lines
from tests.kit.app_thread import AppThread

RELP = {"listeners": {"relp": {"protocol": "relp"}}}
OPEN = b"1 open 30 relp_version=0\ncommands=syslog\n"


def messages(data_dir: Path) -> list[str]:
    return [json.loads(line)["entry"]["message"] for line in journal_lines(data_dir)]


def connect(server: AppThread) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port("relp")), timeout=30)
    client.sendall(OPEN)
    assert read_line(client).startswith(b"1 rsp ")
    assert [read_line(client) for _ in range(3)][-1] == b"commands=syslog\n"
    return client


def read_line(client: socket.socket) -> bytes:
    found = b""
    while not found.endswith(b"\n") and (byte := client.recv(1)):
        found += byte
    return found


def test_messages_are_acknowledged_and_stored(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("relp",), settings=RELP) as server, connect(server) as client:
        client.sendall(b"".join(b"%d syslog 5 <13>a\n" % number for number in range(2, 130)))
        for number in range(2, 130):
            assert read_line(client) == b"%d rsp 6 200 OK\n" % number
        client.sendall(b"130 close 0\n")
        assert (read_line(client), read_line(client)) == (b"130 rsp 0\n", b"0 serverclose 0\n")
    assert messages(tmp_path) == ["a"] * 128


def test_a_full_disk_closes_without_an_acknowledgement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "REFUSAL_S", 0.0)
    disk = FailingDisk()
    with AppThread(tmp_path, ("relp",), disk, RELP) as server:
        with connect(server) as client:
            client.sendall(b"2 syslog 5 <13>a\n")
            assert read_line(client) == b"2 rsp 6 200 OK\n"
            disk.failing = True
            client.sendall(b"3 syslog 5 <13>b\n4 syslog 5 <13>c\n")
            assert read_line(client) == b""
        disk.failing = False
        with connect(server) as client:
            client.sendall(b"2 syslog 5 <13>b\n3 syslog 5 <13>c\n")
            assert (read_line(client), read_line(client)) == (b"2 rsp 6 200 OK\n", b"3 rsp 6 200 OK\n")
    assert messages(tmp_path) == ["a", "b", "c"]
