"""Browsers send HTTP to any port on behalf of a web page; it must not become entries."""

import http.client
import socket
import ssl
from pathlib import Path

import pytest

from logboom.ops.certificates import files_of, make_ca, make_server, write_pair
from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread

LISTENERS = ("device", "gateway", "collector", "capnp")
BODY = b'{"boot_seq":1,"uptime_ms":2,"level":"error","message":"forged","time":"t","temp":1,"rh":2,"lux":3}\n'


def visit(connection: http.client.HTTPConnection) -> bool:
    """What `fetch(…, {method: "POST", mode: "no-cors"})` sends; whether it gets anything back."""
    try:
        connection.request("POST", "/", BODY, {"Content-Type": "text/plain", "Origin": "http://evil.example"})
        connection.getresponse()
    except (http.client.RemoteDisconnected, ConnectionError):
        return False
    finally:
        connection.close()
    return True


@pytest.mark.parametrize("tls", [False, True])
def test_what_a_page_lets_a_browser_send_is_not_stored(tmp_path: Path, *, tls: bool) -> None:
    certificates: dict[str, str] = {}
    if tls:
        files = files_of(tmp_path, "server")
        write_pair(files, make_server(make_ca(), [], 30))
        certificates = {"tls_cert": str(files[0]), "tls_key": str(files[1])}
    settings = {"listeners": {name: dict(certificates) for name in LISTENERS}}
    data_dir = tmp_path / "data"
    with AppThread(data_dir, LISTENERS, settings=settings) as app:
        for name in LISTENERS:
            port = app.port(name)
            context = ssl._create_unverified_context()
            assert not visit(
                http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
                if tls
                else http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            )
    assert journal_lines(data_dir) == []
    for name in LISTENERS:
        assert f"{name} 127.0.0.1 speaks HTTP, and this port takes entries; closed" in app.log.getvalue()


def test_http_that_is_no_browsers_is_nonsense_like_any_other(tmp_path: Path) -> None:
    """The connection stays open; the rest of the stream is unharmed."""
    with AppThread(tmp_path / "data", ("device", "collector")) as app:
        with socket.create_connection(("127.0.0.1", app.port("device")), timeout=30) as device:
            device.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + BODY)
            assert device.recv(1024) == b'{"ack":1}\n'
        with socket.create_connection(("127.0.0.1", app.port("collector")), timeout=30) as collector:
            replies = collector.makefile("rb")
            collector.sendall(b"GET / HTTP/1.1\r\n")
            assert b"invalid JSON" in replies.readline()
            collector.sendall(BODY)
            assert b"received" in replies.readline()
    assert len(journal_lines(tmp_path / "data")) == 2
