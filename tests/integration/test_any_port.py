"""The port for all protocols with a certificate: TLS where a connection begins with it, plain text otherwise."""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from logboom.ops.certificates import files_of, make_ca, make_server, write_pair
from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread

COLLECTOR = (b'{"level":"INFO","message":"%b"}\n', b'{"status":"ok","message":"received"}\n')
RELP = (b"1 open 0\n2 syslog 9 <13>%b\n3 close 0\n", b"0 serverclose 0\n")
SYSLOG = (b"<13>%b\n", b"")
FORWARD = (
    b"\x93\xa1t\x91\x92\x00\x81\xa3log\xa5%b\x81\xa5chunk\xa1c",
    b"\x81\xa3ack\xa1c",
)
BEATS = (b'2W\0\0\0\x012J\0\0\0\x01\0\0\0\x13{"message":"%b"}', b"2A\0\0\0\x01")
TEXTS = {"collector": COLLECTOR, "relp": RELP, "syslog": SYSLOG, "forward": FORWARD, "beats": BEATS}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AppThread, Path]]:
    folder = tmp_path_factory.mktemp("any")
    authority = make_ca()
    write_pair(files_of(folder, "ca"), authority)
    write_pair(files_of(folder, "server"), make_server(authority, [], 30))
    cert, key = files_of(folder, "server")
    listener = {"protocol": "any", "tls_cert": str(cert), "tls_key": str(key), "plain_text": True}
    with AppThread(folder / "data", ("any",), settings={"listeners": {"any": listener}}) as server:
        yield server, folder


@contextmanager
def connected(server: AppThread, folder: Path, *, secure: bool) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port("any")), timeout=30) as plain:
        if not secure:
            yield plain
            return
        context = ssl.create_default_context(cafile=files_of(folder, "ca")[0])
        with context.wrap_socket(plain, server_hostname="localhost") as client:
            yield client


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("protocol", sorted(TEXTS))
def test_each_protocol_with_and_without_tls(
    server: tuple[AppThread, Path], protocol: str, *, secure: bool
) -> None:
    app, folder = server
    before = len(journal_lines(folder / "data"))
    sent, answer = TEXTS[protocol]
    text = b"a TLS" if secure else b"plain"  # not the same: it would count as sent again
    with connected(app, folder, secure=secure) as client:
        client.sendall(sent % text)
        received = b""
        while not received.endswith(answer) or (answer and not received):
            received += client.recv(4096)
        app.until(lambda: len(journal_lines(folder / "data")) == before + 1)
    assert json.loads(journal_lines(folder / "data")[-1])["entry"]["message"] == text.decode()


def test_a_long_first_write_arrives_whole(server: tuple[AppThread, Path]) -> None:
    app, folder = server
    before = len(journal_lines(folder / "data"))
    with connected(app, folder, secure=False) as client:
        client.sendall(b"".join(b"<13>%d %b\n" % (number, b"x" * 1000) for number in range(2000)))
        app.until(lambda: len(journal_lines(folder / "data")) == before + 2000)
