"""Input that is not HTTP costs the `http` listener little, and an incomplete body does not delay its stop."""

import http.client
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logboom.servers import http_front as http_module
from logboom.servers.complaints import TOLD_MAX, Complaints
from logboom.testing.server_kit import ServerProcess
from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread

MIB = 1 << 20
VISITS = 40
GARBAGE_BYTES = 30 * MIB
"""For each visit; the server takes what it likes of them."""

GROWN_MIB_MAX = 64
"""Without a remedy, noise takes 190 MiB more in as many visits, and zeros 360; with it, one or two."""

HEAD = b"POST /api/entries HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
UPGRADE = b"GET /api/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One for all that must not harm it."""
    with ServerProcess(tmp_path_factory.mktemp("data"), ("http",)) as server:
        ask(server)
        yield server


def ask(server: ServerProcess, body: bytes = b'{"a":1}\n') -> int:
    """Post like an honest client; the status."""
    client = http.client.HTTPConnection("127.0.0.1", server.ports["http"], timeout=30)
    try:
        client.request("POST", "/api/entries", body, {"Content-Type": "application/x-ndjson"})
        answer = client.getresponse()
        answer.read()
        return answer.status
    finally:
        client.close()


def answer_to(server: ServerProcess, *pieces: bytes) -> bytes:
    """Everything that the server answers until it closes the connection."""
    with server.connect("http") as client:
        for piece in pieces:
            client.sendall(piece)
        return read_all(client)


def read_all(client: socket.socket) -> bytes:
    """Everything until the server closes; a reset is an end like any other."""
    found = b""
    try:
        while data := client.recv(65536):
            found += data
    except ConnectionError:
        pass
    return found


def resident_mib(server: ServerProcess, field: str) -> float:
    """What the server holds (`VmRSS`), or has held at most (`VmHWM`)."""
    assert server.process is not None
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    [found] = [line for line in lines if line.startswith(f"{field}:")]
    return int(found.split()[1]) / 1024


# --- garbage


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(random.Random(1).randbytes(MIB), id="noise"),
        pytest.param(bytes(MIB), id="zeros"),
        pytest.param(b"POST " + b"{" * MIB, id="half-a-line"),
        pytest.param(b"X" * MIB, id="endless-method"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"{" * MIB, id="bad-headers"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" + b"{" * MIB, id="behind-a-request"),
        pytest.param(UPGRADE + b"{" * MIB, id="behind-an-upgrade"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"zz\r\n" * (MIB // 4), id="bad-chunks"),
    ],
)
def test_a_flood_of_garbage_takes_no_memory_and_harms_nobody(server: ServerProcess, garbage: bytes) -> None:
    before = resident_mib(server, "VmRSS")
    statuses: list[int] = []

    def flood() -> None:
        for _ in range(VISITS):
            with server.connect("http") as client:
                try:
                    for _ in range(GARBAGE_BYTES // MIB):
                        client.sendall(garbage)
                except ConnectionError:  # it is cut off
                    continue

    flooding = threading.Thread(target=flood)
    flooding.start()
    while flooding.is_alive():
        statuses.append(ask(server))
    flooding.join()
    statuses.append(ask(server))
    assert set(statuses) == {200}
    assert resident_mib(server, "VmHWM") - before < GROWN_MIB_MAX


@pytest.mark.parametrize("nonsense", [b"hello\n", b"\x00\x01", b'{"a":1}\n', b"get / HTTP/1.1\r\n\r\n"])
def test_what_begins_like_no_request_is_told_so(server: ServerProcess, nonsense: bytes) -> None:
    answer = answer_to(server, nonsense)
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert answer.endswith(b"\r\n\r\nthis port speaks HTTP\n")


def test_the_answer_to_a_long_mistake_is_short(server: ServerProcess) -> None:
    answer = answer_to(server, b"GET / HTTP/9 " + b"x" * 10_000 + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert len(answer) < 1000


def test_empty_lines_before_a_request_do_no_harm(server: ServerProcess) -> None:
    assert answer_to(
        server, b"\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    ).startswith(b"HTTP/1.1 200 ")


def test_what_is_complete_before_a_mistake_is_answered(server: ServerProcess) -> None:
    with server.connect("http") as client:
        client.sendall(HEAD + b'Content-Length: 8\r\n\r\n{"a":1}\n')
        found = client.recv(65536)
        assert found.startswith(b"HTTP/1.1 200 ")
        client.sendall(b"{}")
        found = read_all(client)
        assert found.startswith(b"HTTP/1.0 400 ")


def test_a_body_whose_rest_can_not_be_read_is_answered_at_once(server: ServerProcess) -> None:
    """aiohttp alone would leave its handler waiting for the rest."""
    with server.connect("http") as client:
        client.sendall(HEAD + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 100 ")  # the handler reads
        client.sendall(b'8\r\n{"a":1}\n\r\nzz\r\n')
        assert read_all(client).startswith(b"HTTP/1.1 400 ")


def test_the_operational_log_is_not_flooded(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ("http",)) as server:
        answer_to(server, b"\x16\x03\x01\x02\x00\x01")
        for _ in range(TOLD_MAX * 3):
            answer_to(server, b"SECRET nonsense\r\n\r\n")
            answer_to(server, b"secret nonsense\r\n\r\n")
        assert ask(server) == 200
        assert server.stop() == 0
        told = [event["message"] for event in server.events if event["level"] == "WARNING"]
    peer = "http 127.0.0.1:"
    assert told[:3] == [
        f"{peer} speaks TLS, and this port is plain text; closed",
        f"{peer} sends what is not HTTP: BadHttpMethod; closed",
        f"{peer} sends what is not HTTP; closed",
    ]
    assert len(told) == TOLD_MAX + 1
    assert told[-1] == f"http: {TOLD_MAX * 5 + 1} more connections sent what is not HTTP"
    assert "secret" not in "".join(told).lower()


def test_bodies_that_do_not_come_whole_are_not_logged(tmp_path: Path) -> None:
    refused = HEAD + b"Origin: http://evil.example\r\nUser-Agent: Mozilla/5.0\r\n"
    with AppThread(tmp_path, ("http",)) as app:
        for _ in range(3):
            with connect(app) as client:
                client.sendall(refused + b"Content-Length: 1000\r\n\r\n")
                assert client.recv(65536).startswith(b"HTTP/1.1 403 ")
                client.shutdown(socket.SHUT_WR)
                assert read_all(client) == b""
    assert "RequestPayloadError" not in app.log.getvalue()


def test_faults_in_requests_do_not_flood_the_operational_log() -> None:
    logged: list[str] = []
    faults = Complaints("http", lambda _, text: logged.append(text), "requests met a fault")
    logger = http_module._logger("http", faults)
    for _ in range(TOLD_MAX + 5):
        logger.error("Unhandled exception", exc_info=ValueError("odd"))
    faults.flush()
    assert logged[0] == "http: Unhandled exception: ValueError: odd"
    assert logged[TOLD_MAX:] == ["http: 5 more requests met a fault"]


# --- SIGTERM in the midst of a body


def half_body(client: socket.socket) -> None:
    """A request of which the first line is stored, and more is to come."""
    client.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 100 ")
    client.sendall(b'{"first":1}\n')


def half_login(client: socket.socket) -> None:
    """Others read bodies as well."""
    client.sendall(
        b"POST /api/login HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n"
    )
    assert client.recv(65536).startswith(b"HTTP/1.1 100 ")


@pytest.mark.parametrize("begin", [half_body, half_login])
def test_a_stop_does_not_wait_for_the_rest_of_a_body(
    tmp_path: Path, begin: Callable[[socket.socket], None]
) -> None:
    config = tmp_path / "logboom.toml"
    config.write_text("shutdown_s = 300\n")  # longer than `ServerProcess.stop` waits
    server = ServerProcess(tmp_path / "data", ("http",), (f"--config={config}",))
    with server, server.connect("http") as client:
        begin(client)
        assert server.stop() == 0
        assert read_all(client) == b""  # unanswered: its sender sends again


def test_a_body_that_comes_to_its_end_during_the_stop_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A slow machine may need longer than the second that is allowed.
    monkeypatch.setattr(http_module, "HALF_BODY_S_MAX", 60.0)
    with AppThread(tmp_path, ("http",), settings={"shutdown_s": 120}) as app, connect(app) as client:
        client.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 24\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 100 ")
        client.sendall(b'{"first":1}\n')
        app.call(app.app.stopping.set)
        while not is_refused(app):
            pass
        client.sendall(b'{"second":2}')
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["stored"] == 2
    assert len(journal_lines(tmp_path)) == 2


def connect(app: AppThread) -> socket.socket:
    """A connection to it."""
    return socket.create_connection(("127.0.0.1", app.port("http")), timeout=30)


def is_refused(app: AppThread) -> bool:
    """Whether its port is closed: the server has begun to stop."""
    try:
        connect(app).close()
    except ConnectionError:
        return True
    return False
