"""Fluent Forward and Beats over real sockets: the acknowledgement after storage, and what is sent again stored once."""

import json
import struct
from collections.abc import Callable, Iterator
from hashlib import sha512
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from logboom.testing.server_kit import ServerProcess
from tests.kit.app_kit import journal_lines

LISTENERS = ("forward", "beats")
encode = msgspec.msgpack.Encoder().encode


class Door(NamedTuple):
    """One protocol: something to send under a key, and the acknowledgement."""

    data: bytes
    acknowledgement: bytes
    messages: list[str]


def window(*events: dict[str, Any]) -> bytes:
    frames = []
    for number, event in enumerate(events, 1):
        data = msgspec.json.encode(event)
        frames.append(b"2J" + struct.pack(">II", number, len(data)) + data)
    return b"2W" + struct.pack(">I", len(events)) + b"".join(frames)


def filebeat_event(offset: int, message: str) -> dict[str, Any]:
    return {
        "@timestamp": "2026-11-21T04:12:09.611Z",
        "agent": {"id": "a1"},
        "log": {"offset": offset, "file": {"path": "/var/log/pumps.log"}},
        "message": message,
    }


DOORS = {
    "forward": Door(
        encode(["app", [[1796051342, {"log": "one"}], [1796051342, {"log": "one"}]], {"chunk": "p8n9"}]),
        encode({"ack": "p8n9"}),
        ["one", "one"],
    ),
    "beats": Door(
        window(filebeat_event(0, "one"), filebeat_event(4, "one"), filebeat_event(8, "two")),
        b"2A\0\0\0\3",
        ["one", "one", "two"],
    ),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data", LISTENERS) as server:
        yield server


def messages(server: ServerProcess) -> list[str]:
    return [json.loads(line)["entry"]["message"] for line in journal_lines(server.data_dir)]


def exchange(server: ServerProcess, listener: str, data: bytes, size: int) -> bytes:
    """Send bytes, and return the first `size` bytes of the answer, or fewer if the connection ends."""
    with server.connect(listener) as link:
        link.sendall(data)
        return receive(link.recv, size)


def receive(recv: Callable[[int], bytes], size: int) -> bytes:
    answer = b""
    while len(answer) < size and (data := recv(size - len(answer))):
        answer += data
    return answer


@pytest.mark.parametrize("name", LISTENERS)
def test_what_is_sent_again_is_acknowledged_and_stored_once(server: ServerProcess, name: str) -> None:
    data, acknowledgement, expected = DOORS[name]
    for _ in range(2):
        assert exchange(server, name, data, len(acknowledgement)) == acknowledgement
    assert messages(server) == expected
    server.kill()
    server.start()
    assert exchange(server, name, data, len(acknowledgement)) == acknowledgement
    assert messages(server) == expected


@pytest.mark.parametrize("name", LISTENERS)
def test_without_storage_the_connection_ends_without_an_acknowledgement(tmp_path: Path, name: str) -> None:
    environment = {"LOGBOOM_JOURNAL__FREE_BYTES_MIN": str(1 << 60)}
    with ServerProcess(tmp_path / "data", LISTENERS, environment=environment) as server:
        assert exchange(server, name, DOORS[name].data, 1000) == b""
        assert messages(server) == []


def test_the_server_speaks_first_where_a_shared_key_is_needed(tmp_path: Path) -> None:
    environment = {"LOGBOOM_LISTENERS__FORWARD__SHARED_KEY": "s3cret"}
    with (
        ServerProcess(tmp_path / "data", LISTENERS, environment=environment) as server,
        server.connect("forward") as link,
    ):
        hello, options = msgspec.msgpack.decode(link.recv(4096))
        assert hello == "HELO"
        salt = b"\x84s`\x0b\x0c\x07}\x22\x887\x06\xe9\x22A/\x9f"
        proof = sha512(salt + b"pi4" + options["nonce"] + b"s3cret").hexdigest()
        link.sendall(encode(["PING", "pi4", salt, proof, "", ""]))
        pong = msgspec.msgpack.decode(link.recv(4096))
        assert pong[:3] == ["PONG", True, ""]
        assert pong[4] == sha512(salt + pong[3].encode() + options["nonce"] + b"s3cret").hexdigest()
        data, acknowledgement, expected = DOORS["forward"]
        link.sendall(data)
        assert receive(link.recv, len(acknowledgement)) == acknowledgement
        assert messages(server) == expected


def test_a_wrong_key_is_answered_and_logged(tmp_path: Path) -> None:
    environment = {"LOGBOOM_LISTENERS__FORWARD__SHARED_KEY": "s3cret"}
    with (
        ServerProcess(tmp_path / "data", LISTENERS, environment=environment) as server,
        server.connect("forward") as link,
    ):
        link.recv(4096)
        link.sendall(encode(["PING", "pi4", "salt", "0" * 128, "", ""]))
        assert msgspec.msgpack.decode(link.recv(4096)) == ["PONG", False, "shared key mismatch", "", ""]
        assert link.recv(4096) == b""
        server.wait_for(lambda event: "shared key mismatch" in event["message"])
