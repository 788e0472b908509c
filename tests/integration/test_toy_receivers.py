"""Receivers that a test adds: one over HTTP, on a port of its own and on the page's, and one that connects outwards."""

import asyncio
import io
import json
import sys
import types
import zlib
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import msgspec
import pytest

from logboom.app import App
from logboom.config import parse
from logboom.framing.lines import LineFramer
from logboom.model import Batch, Receipt, Report, Verdict
from logboom.ops.oplog import OperationalLog
from logboom.receivers import registry
from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.http_push import BodyError, HttpReply, HttpRequest, HttpRoute, WholeBody
from logboom.receivers.outward import Storage
from logboom.settings import ListenerSettings, ReceiverSettings
from tests.kit.app_kit import run_scenario
from tests.kit.app_thread import AppThread

BODY_BYTES_MAX = 1000


class ShoutSettings(ListenerSettings, kw_only=True, forbid_unknown_fields=True):
    """Of the receiver over HTTP."""

    prefix: str = "!"


class Shout(WholeBody):
    """One line of text per entry; a body of `bad` cannot be decoded."""

    hold_s = 0.5

    def __init__(self, request: HttpRequest, settings: ShoutSettings) -> None:
        super().__init__(request, BODY_BYTES_MAX)
        self._prefix = settings.prefix

    def decode(self, body: bytes) -> Batch | None:
        if body == b"bad":
            raise BodyError(400, "bad")
        lines = [self._prefix + line for line in body.decode().split("\n") if line]
        if not lines:
            return None
        entries = b"\n".join([msgspec.json.encode({"message": line}) for line in lines])
        return Batch(entries, bytes(len(lines)), size_bytes=len(body))

    def answer(self, receipt: Receipt | None) -> HttpReply:
        count = receipt.verdicts.count(Verdict.ACCEPTED) if receipt else 0
        return HttpReply(202, b"stored %d" % count, "text/plain")

    def refuse(self, error: BodyError) -> HttpReply:
        return HttpReply(error.status, f"no: {error}".encode(), "text/plain")


def hello(_request: HttpRequest, _settings: ShoutSettings) -> HttpReply:
    return HttpReply(200, b'{"product":"shout"}')


SHOUT = ReceiverType(
    name="shout",
    summary="A test's own receiver over HTTP",
    settings=ShoutSettings,
    transports={
        Transport.HTTP: Endpoint(
            4999, lambda _: (HttpRoute("POST", "/shout/{room}", Shout), HttpRoute("GET", "/shout", hello))
        )
    },
    refusal=Refusal.HOLD,
)


class PullSettings(ReceiverSettings, kw_only=True, forbid_unknown_fields=True):
    """Of the receiver that connects outwards."""

    broker: str


class Pull:
    """Reads lines from a broker, and acknowledges each that is stored."""

    def __init__(self, settings: PullSettings) -> None:
        self.address = settings.broker

    async def run(self, storage: Storage, report: Report) -> None:
        host, _, port = self.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        report("info", f"connected to {self.address}")
        framer = LineFramer(1000)
        try:
            while data := await reader.read(1000):
                framer.feed(data)
                while isinstance(chunk := framer.take(), bytes):
                    receipt = await storage.store(Batch(chunk, bytes(1), size_bytes=len(chunk)))
                    writer.write(b"ack\n" * receipt.verdicts.count(Verdict.ACCEPTED))
        finally:
            writer.close()


PULL = ReceiverType(
    name="pull",
    summary="A test's own receiver that connects outwards",
    settings=PullSettings,
    transports={Transport.CLIENT: Endpoint(0, Pull)},
    refusal=Refusal.HOLD,
)


def make_app(folder: Path, broker: str) -> App:
    table = {"data_dir": str(folder), "listeners": {"pull": {"broker": broker}}}
    return App(parse(table), OperationalLog(stream=io.StringIO()))


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in (SHOUT, PULL):
        module = types.ModuleType(f"logboom.receivers.{one.name}")
        module.RECEIVER = one  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(registry, "NAMES", (*registry.NAMES, "shout", "pull"))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[AppThread]:
    with AppThread(tmp_path, ("http", "shout"), settings={"listeners": {"shout": {"prefix": "?"}}}) as found:
        yield found


def ask(
    app: AppThread, listener: str, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", app.port(listener), timeout=20)
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    connection.request(method, path, body, sent)
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


def messages(app: AppThread) -> list[str]:
    _, body = ask(app, "http", "GET", "/api/entries")
    return [entry["message"] for entry in reversed(json.loads(body)["entries"])]


def test_a_body_is_stored_and_answered_by_the_codec_on_both_ports(app: AppThread) -> None:
    assert ask(app, "shout", "POST", "/shout/hall", b"one\ntwo\n") == (202, b"stored 2")
    assert ask(app, "http", "POST", "/shout/hall", b"three") == (202, b"stored 1")
    assert ask(app, "shout", "POST", "/shout/hall") == (202, b"stored 0")
    assert messages(app) == ["?one", "?two", "!three"]
    assert ask(app, "shout", "GET", "/shout") == (200, b'{"product":"shout"}')
    assert ask(app, "shout", "GET", "/livez") == (200, b"ok\n")
    assert ask(app, "shout", "GET", "/api/entries")[0] == 404


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip,deflate"])
def test_a_body_is_unpacked_as_its_bytes_show_not_as_its_header_says(app: AppThread, encoding: str) -> None:
    body = zlib.compress(b"packed\n")
    assert ask(app, "shout", "POST", "/shout/a", body, Content_Encoding=encoding) == (202, b"stored 1")
    assert ask(app, "shout", "POST", "/shout/a", b"plain", Content_Encoding="gzip") == (202, b"stored 1")
    assert messages(app) == ["?packed", "?plain"]


def test_limits_and_faults_are_answered_by_the_codec_and_store_nothing(app: AppThread) -> None:
    assert ask(app, "shout", "POST", "/shout/a", b"bad") == (400, b"no: bad")
    status, text = ask(app, "shout", "POST", "/shout/a", b"x" * (BODY_BYTES_MAX + 1))
    assert (status, text) == (413, b"no: the body has more than 1000 bytes: send it in pieces")
    assert messages(app) == []


def test_what_is_sent_again_under_a_key_is_stored_once(app: AppThread) -> None:
    for count in (2, 0):
        reply = ask(app, "shout", "POST", "/shout/a", b"a\nb", Idempotency_Key="k1")
        assert reply == (202, b"stored %d" % count)
    assert messages(app) == ["?a", "?b"]


def test_a_client_stores_what_its_broker_sends_and_comes_back(tmp_path: Path) -> None:
    async def scenario() -> tuple[list[bytes], int]:
        acks: list[bytes] = []
        visits: list[int] = []
        done = asyncio.Event()

        async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            visits.append(len(visits))
            writer.write(b'{"visit":%d}\n' % len(visits))
            acks.append(await reader.readline())
            if len(visits) == 2:
                done.set()
            writer.close()

        server = await asyncio.start_server(broker, "127.0.0.1", 0)
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        app = make_app(tmp_path, address)
        await app.start()
        async with asyncio.timeout(30):
            await done.wait()
        stored = app.journal.committed.next_sequence
        await app.stop()
        server.close()
        await server.wait_closed()
        return acks, stored

    acks, stored = run_scenario(scenario())
    assert acks == [b"ack\n", b"ack\n"]
    assert stored == 2
