"""Certificates of a listener, and TLS between a socket and a protocol; no network but where it says so."""

import asyncio
import random
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from logboom.config import parse
from logboom.errors import ConfigError
from logboom.ops import certificates
from logboom.ops.certificates import files_of, make_ca, make_client, make_server, read_pair, write_pair
from logboom.pipeline.door import Door, Refused
from logboom.pipeline.intake import Counters
from logboom.servers import tls_link
from logboom.servers.complaints import TOLD_MAX, TOLD_PERIOD_S
from logboom.servers.tls import Tls, make_tls, read_certificates
from logboom.servers.tls_link import TlsGate, TlsLink
from logboom.settings import ListenerSettings
from tests.kit.app_kit import port_of, run_scenario, running_app


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certs")
    ca = make_ca()
    write_pair(files_of(folder, "ca"), ca)
    write_pair(files_of(folder, "server"), make_server(ca, ["logs.example.com"], 90))
    write_pair(files_of(folder, "soon"), make_server(ca, [], 3))
    write_pair(files_of(folder, "client"), make_client(ca, "hall-2", 90))
    key = read_pair(files_of(folder, "server")).key
    secret = serialization.BestAvailableEncryption(b"secret")
    (folder / "locked.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    )
    (folder / "nonsense").write_text("nonsense", encoding="utf-8")
    return folder


def settings_of(
    folder: Path, cert: str = "server.pem", key: str = "server.key", ca: str = "", **more: Any
) -> ListenerSettings:
    return ListenerSettings(
        protocol="collector",
        port=0,
        tls_cert=str(folder / cert),
        tls_key=str(folder / key),
        tls_client_ca=str(folder / ca) if ca else "",
        **more,
    )


Reports = list[tuple[str, str]]


def reporter(reports: Reports) -> Callable[[str, str], None]:
    return lambda kind, text: reports.append((kind, text))


# --- certificates ---


@pytest.mark.parametrize(
    "table",
    [{"tls_cert": "a"}, {"tls_key": "a"}, {"tls_client_ca": "a"}, {"tls_cert": "a", "tls_client_ca": "b"}],
)
def test_certificate_and_key_belong_together(table: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="`tls_cert` and `tls_key`, both"):
        parse({"listeners": {"front": {"protocol": "device", "port": 1, **table}}})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("absent.pem", "server.key"), r"listeners.front.tls_cert: can't read .*absent.pem: No such file"),
        (("server.pem", "absent.key"), r"listeners.front.tls_key: can't read .*absent.key: No such file"),
        (("server.pem", "server.key", "absent"), r"listeners.front.tls_client_ca: can't read .*absent"),
        (("server.pem", "server.key", "nonsense"), r"tls_client_ca: .*nonsense holds no certificate"),
        (("nonsense", "server.key"), r"tls_cert: .*nonsense holds no certificate"),
        (("server.pem", "nonsense"), r"tls_key: .*nonsense and .*server.pem can't be used"),
        (("server.pem", "ca.key"), r"tls_key: .*ca.key is not the key of .*server.pem"),
        (("server.pem", "locked.key"), r"tls_key: .*locked.key has a password"),
    ],
)
def test_a_wrong_file_is_named(folder: Path, files: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_certificates("front", settings_of(folder, *files))


def test_only_modern_tls_is_offered(folder: Path) -> None:
    context = read_certificates("front", settings_of(folder)).context
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION
    for cipher in context.get_ciphers():
        assert cipher["name"].startswith(("TLS_", "ECDHE-")), cipher
        assert cipher["aead"], cipher


def test_a_client_authority_makes_certificates_compulsory(folder: Path) -> None:
    assert read_certificates("front", settings_of(folder)).context.verify_mode == ssl.CERT_NONE
    strict = read_certificates("front", settings_of(folder, ca="ca.pem"))
    assert strict.context.verify_mode == ssl.CERT_REQUIRED


def test_no_certificate_is_no_tls() -> None:
    assert make_tls("front", ListenerSettings(protocol="device", port=0), reporter([])) is None


def test_the_end_of_a_certificate_is_told_in_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports: Reports = []
    Tls("front", settings_of(folder), reporter(reports))
    assert reports == []
    Tls("front", settings_of(folder, "soon.pem", "soon.key"), reporter(reports))
    assert reports == [("warning", "front: the certificate expires in 2 days")]
    monkeypatch.setattr(certificates, "BACKDATED", timedelta(days=3))
    write_pair(files_of(folder, "old"), make_server(read_pair(files_of(folder, "ca")), [], -1))
    Tls("front", settings_of(folder, "old.pem", "old.key"), reporter(reports))
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    assert reports[1] == ("warning", f"front: the certificate expired on {yesterday}: clients refuse it")


def test_a_reload_takes_the_new_files_or_keeps_the_old(folder: Path) -> None:
    reports: Reports = []
    tls = Tls("front", settings_of(folder), reporter(reports))
    before = tls.context
    tls.reload(settings_of(folder, "nonsense"))
    assert tls.context is before
    [(kind, text)] = reports
    assert kind == "error"
    assert text.endswith("the old certificate stays in force")
    tls.reload(settings_of(folder, "client.pem", "client.key", "ca.pem"))
    assert tls.context is not before
    assert tls.context.verify_mode == ssl.CERT_REQUIRED
    assert reports[1][1].startswith("front: new certificate, valid until")


# --- the link ---


class Wire(asyncio.Transport):
    """The socket's transport: keeps what is written."""

    def __init__(self, peer: str = "10.0.0.7") -> None:
        super().__init__({"peername": (peer, 4711)})
        self.written = b""
        self.closed = self.aborted = self.paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.written += bytes(data)

    def take(self) -> bytes:
        data, self.written = self.written, b""
        return data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def pause_reading(self) -> None:
        assert not self.closed
        self.paused = True

    def resume_reading(self) -> None:
        assert not self.closed
        self.paused = False


class Fickle(asyncio.BufferedProtocol):
    """Takes few or many bytes at once, and pauses now and then."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._buffer = memoryview(bytearray(1 << 16))
        self.received = b""
        self.ended = 0
        self.lost: list[Exception | None] = []
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, TlsLink)
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer[: self._dice.choice((1, 100, 4096, 1 << 16))]

    def buffer_updated(self, nbytes: int) -> None:
        assert not self.paused, "bytes in a pause"
        self.received += bytes(self._buffer[:nbytes])
        if self._dice.random() < 0.2:
            self.paused = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        self.ended += 1
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


class Streamed(asyncio.Protocol):
    """A protocol without a buffer, as aiohttp's."""

    def __init__(self) -> None:
        self.received = b""
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, TlsLink)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data


class Client:
    """The other end of a link, without a network."""

    def __init__(self, folder: Path, app: Any, *, room: int = 100) -> None:
        self.reports: Reports = []
        self.counters = Counters()
        tls = Tls("front", settings_of(folder), reporter(self.reports))
        self.gate = TlsGate(
            "front",
            tls,
            lambda: app,
            door=Door([], ["10.6.6.6"], room),
            room=lambda: room,
            counters=self.counters,
            report=reporter(self.reports),
        )
        self.link, self.wire = self.gate(), Wire()
        self.link.connection_made(self.wire)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=folder / "ca.pem")
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="logs.example.com")

    def shake_hands(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.push_all()
                self.incoming.write(self.wire.take())
            else:
                break
        self.push_all()

    def push_all(self) -> None:
        left = self.outgoing.read()
        while left and not self.wire.closed:
            left = left[self.push(left) :]

    def push(self, data: bytes) -> int:
        """Hand over what fits; returns how much that was."""
        if not data:
            return 0
        buffer = self.link.get_buffer(-1)
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        self.link.buffer_updated(size)
        return size

    def read(self) -> bytes:
        self.incoming.write(self.wire.take())
        found = b""
        try:
            while data := self.tls.read(1 << 16):
                found += data
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        return found


@pytest.mark.parametrize("seed", range(12))
def test_every_byte_arrives_once_however_it_is_cut_and_paused(folder: Path, seed: int) -> None:
    async def scenario() -> None:
        dice = random.Random(seed)
        app: Any = Streamed() if seed % 4 == 3 else Fickle(dice)
        client = Client(folder, app)
        client.shake_hands()
        sent = dice.randbytes(200_000)
        for start in range(0, len(sent), 20_000):
            client.tls.write(sent[start : start + 20_000])
        if seed % 2:
            with pytest.raises(ssl.SSLWantReadError, match="did not complete"):
                client.tls.unwrap()
        left = client.outgoing.read()
        while left:
            if app.paused:
                app.paused = False
                app.transport.resume_reading()
                await asyncio.sleep(0)
            if not client.wire.paused:
                left = left[client.push(left[: dice.choice((1, 500, 5000, 1 << 17))]) :]
        client.link.eof_received()
        while app.paused:
            app.paused = False
            app.transport.resume_reading()
            await asyncio.sleep(0)
        assert app.received == sent
        if isinstance(app, Fickle):
            assert app.ended == 1
            client.link.write(b"answer")
            client.link.close()
            assert client.read() == b"answer"
        client.link.connection_lost(None)

    run_scenario(scenario())


def test_what_came_before_the_loss_still_counts(folder: Path) -> None:
    async def scenario() -> None:
        app = Fickle(random.Random(1))
        client = Client(folder, app)
        client.shake_hands()
        app.transport.pause_reading()
        client.tls.write(b"x" * 5000)
        client.push_all()
        assert app.received == b""
        client.link.connection_lost(ConnectionResetError("reset"))
        assert app.received == b"x" * 5000
        await asyncio.sleep(0)
        assert [str(error) for error in app.lost] == ["reset"]

    run_scenario(scenario())


def test_damaged_bytes_end_the_connection_with_a_reason(folder: Path) -> None:
    async def scenario() -> None:
        app = Fickle(random.Random(1))
        client = Client(folder, app)
        client.shake_hands()
        client.tls.write(b"good")
        client.push_all()
        client.tls.write(b"x" * 100)
        damaged = bytearray(client.outgoing.read())
        damaged[50] ^= 1
        client.outgoing.write(damaged)
        client.push_all()
        assert client.wire.closed
        client.link.write(b"nobody reads this")
        client.link.connection_lost(None)
        await asyncio.sleep(0)
        assert app.received == b"good"
        assert "TLS: " in str(app.lost[0])

    run_scenario(scenario())


def test_nothing_is_taken_after_the_farewell(folder: Path) -> None:
    async def scenario() -> None:
        app = Fickle(random.Random(3))
        client = Client(folder, app)
        client.shake_hands()
        with pytest.raises(ssl.SSLWantReadError, match="did not complete"):
            client.tls.unwrap()
        client.push_all()
        for _ in range(100):
            client.push(b"more" * 1000)
        assert (app.ended, app.received) == (1, b"")
        assert client.link._incoming.pending == 0
        client.link.connection_lost(None)

    run_scenario(scenario())


def test_failures_are_counted_and_told_a_few_times_a_minute(folder: Path) -> None:
    async def scenario() -> None:
        client = Client(folder, Fickle(random.Random(0)))
        for _ in range(100):
            client.gate.failed("10.0.0.7", "it hung up")
        assert len(client.reports) == TOLD_MAX
        assert client.reports[0] == ("warning", "front 10.0.0.7: TLS handshake failed: it hung up")
        for now in (0.0, TOLD_PERIOD_S):
            client.gate.failures.flush_due(now)
        client.gate.failed("10.0.0.7", "it hung up")
        assert client.reports[-2] == ("warning", "front: 90 more TLS handshakes failed")
        assert client.counters.handshakes_failed == 101
        client.link.abort()

    run_scenario(scenario())


def test_those_that_shake_hands_need_room_too(folder: Path) -> None:
    async def scenario() -> None:
        client = Client(folder, Fickle(random.Random(0)), room=1)
        late, wire = client.gate(), Wire()
        late.connection_made(wire)
        assert wire.aborted
        late.connection_lost(None)
        stranger, wire = client.gate(), Wire("10.6.6.6")
        stranger.connection_made(wire)
        assert wire.aborted
        stranger.connection_lost(None)
        assert client.counters.connections_turned_away[Refused.FULL] == 1
        assert client.counters.connections_turned_away[Refused.NETWORK] == 1
        client.shake_hands()
        next_one, next_wire = client.gate(), Wire()
        next_one.connection_made(next_wire)
        assert next_one.is_closing() is False
        client.gate.stop()
        assert next_wire.aborted
        client.link.connection_lost(None)
        assert client.counters.handshakes_failed == 0

    run_scenario(scenario())


def test_who_does_not_shake_hands_is_closed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_link, "HANDSHAKE_S_MAX", 0.01)

    async def scenario() -> None:
        cert, key = files_of(folder, "server")
        async with running_app(tmp_path, "collector", tls_cert=str(cert), tls_key=str(key)) as app:
            loop = asyncio.get_running_loop()
            silent, slow = socket.socket(), socket.socket()
            for one in (silent, slow):
                one.setblocking(False)  # noqa: FBT003
                await loop.sock_connect(one, ("127.0.0.1", port_of(app)))
            await loop.sock_sendall(slow, b"\x16\x03")
            for one in (silent, slow):
                with suppress(ConnectionResetError):
                    assert await loop.sock_recv(one, 1) == b""
                one.close()
            counters = app.listeners["collector"].service.intake.counters
            assert (counters.handshakes_failed, counters.slow_closed, counters.connections_total) == (2, 2, 0)

    run_scenario(scenario())
