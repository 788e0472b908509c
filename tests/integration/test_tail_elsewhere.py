"""`logboom tail` against ports that are no http listener's."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from logboom.cli import app
from logboom.errors import LogboomError
from logboom.testing.server_kit import ServerProcess
from logboom.viewer import live_reader

Answer = Callable[[socket.socket], None]


@contextmanager
def port_that(answers: Answer) -> Iterator[int]:
    """A port whose connections are answered so, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        answers(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def banner(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def page(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>")


def silence(connection: socket.socket) -> None:
    while connection.recv(1000):
        pass


def farewell(connection: socket.socket) -> None:
    connection.recv(1000)


def ended(*words: str) -> str:
    """Run tail to its end, which is exit code 1; returns what was said last."""
    done = CliRunner().invoke(app, ["tail", *words])
    assert isinstance(done.exception, LogboomError), done.output
    return str(done.exception)


@pytest.mark.parametrize("options", [[], ["--no-follow"]], ids=["follow", "no-follow"])
@pytest.mark.parametrize(
    ("answers", "text"),
    [(banner, "does not speak HTTP"), (page, "is no Logboom server"), (silence, "does not answer")],
)
def test_another_server_ends_it(
    answers: Answer, text: str, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_reader, "FIRST_ANSWER_S_MAX", 0.2)
    with port_that(answers) as port:
        assert text in ended(f"http://127.0.0.1:{port}", *options)


def test_a_port_that_closes_every_connection_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_reader, "DELAY_S_MIN", 0.001)
    with port_that(farewell) as port:
        assert "closes the connection without an answer" in ended(f"http://127.0.0.1:{port}")


def test_plain_text_where_tls_was_expected_ends_it() -> None:
    with port_that(banner) as port:
        assert "plain text" in ended(f"https://127.0.0.1:{port}")


def test_the_port_of_another_listener_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_reader, "FIRST_ANSWER_S_MAX", 0.5)
    with ServerProcess(tmp_path, ("device", "collector", "gateway")) as server:
        for listener in ("device", "collector", "gateway"):
            assert "127.0.0.1" in ended(f"http://127.0.0.1:{server.ports[listener]}")


def test_a_certificate_that_is_not_trusted_ends_it(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["cert", "--dir", str(tmp_path)])
    assert done.exit_code == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")

    def shake(connection: socket.socket) -> None:
        with suppress(ssl.SSLError):
            context.wrap_socket(connection, server_side=True).close()

    with port_that(shake) as port:
        assert "certificate is not trusted" in ended(f"https://127.0.0.1:{port}")
