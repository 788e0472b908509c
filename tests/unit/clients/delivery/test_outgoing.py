"""From a spool to a server that is asked, refuses, or is not there."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from logboom.clients.delivery import delivery as delivery_module
from logboom.clients.delivery.outgoing import Outgoing
from logboom.clients.delivery.report import Report
from logboom.clients.delivery.spool import Spool
from logboom.clients.delivery.spool_frames import Kind
from logboom.clients.wire.dialect import Dialect
from logboom.clients.wire.dialect_registry import DIALECTS
from logboom.clients.wire.http_dialect import HttpDialect
from logboom.clients.wire.websocket_dialect import WebSocketDialect


class FakeDelivery:
    """Remembers what it was given; fails when it has had enough."""

    def __init__(self, fails_after: int = 1 << 30) -> None:
        self.report = Report()
        self.payloads: list[bytes] = []
        self.windows: list[tuple[str, list[bytes]]] = []
        self.calls: list[str] = []
        self._fails_after = fails_after

    async def open(self) -> None:
        self.calls.append("open")

    async def close(self) -> None:
        self.calls.append("close")

    async def deliver(self, payloads: Sequence[bytes], key: str = "") -> None:
        self.windows.append((key, list(payloads)))
        if len(self.payloads) >= self._fails_after:
            raise ConnectionError("away, says the test")
        self.payloads += payloads


def outgoing(spool: Spool, delivery: FakeDelivery, dialect: Dialect, window: int = 3) -> Outgoing:
    return Outgoing(spool, dialect, delivery, window)  # type: ignore[arg-type]


def deliver_all(spool: Spool, delivery: FakeDelivery, dialect: Dialect, window: int = 3) -> None:
    async def run() -> None:
        way = outgoing(spool, delivery, dialect, window)
        while await way.deliver_some():
            pass

    asyncio.run(run())


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_texts_and_objects_in_any_protocol(tmp_path: Path, name: str) -> None:
    spool = Spool(tmp_path, "k", 1 << 20, source="shop")
    spool.append([b"one", b"two\nlines", b"  "], Kind.TEXT, fields=b'{"stream":"stderr"}')
    spool.append([b'{"level":"INFO","message":"three"}'], Kind.OBJECT)
    delivery = FakeDelivery()
    deliver_all(spool, delivery, DIALECTS[name]())
    assert delivery.report.unfit == (2 if name == "gateway" else 0)
    assert len(delivery.payloads) == 3 - delivery.report.unfit
    assert name == "gateway" or b"shop" in delivery.payloads[0]
    assert spool.count == 0


def test_the_same_messages_are_made_after_a_crash_and_asked_for(tmp_path: Path) -> None:
    first = Spool(tmp_path, "k", 1 << 20, source="shop")
    first.append([b"line %d" % number for number in range(5)], Kind.TEXT)
    delivery, dialect = FakeDelivery(fails_after=2), WebSocketDialect()
    dialect.anchor = "2025-01-01T00:00:00.000000"
    with pytest.raises(ConnectionError, match="away"):
        deliver_all(first, delivery, dialect, window=2)
    first.close()
    second = Spool(tmp_path, "k", 1 << 20)
    [part] = second.adopt()
    assert (part.in_doubt, part.anchor) == (2, "2025-01-01T00:00:00.000000")
    again, dialect = FakeDelivery(), WebSocketDialect()
    deliver_all(second, again, dialect, window=2)
    assert again.calls[0] == "close"  # the next connection begins with asking
    assert list(dialect._doubtful) == again.payloads[:2]
    assert dialect.anchor == "2025-01-01T00:00:00.000000"
    assert len(delivery.payloads + again.payloads) == 5


def test_each_file_has_the_source_of_its_texts(tmp_path: Path) -> None:
    for source in ("first", "second"):
        spool = Spool(tmp_path, "k", 1 << 20, source=source)
        spool.append([b"a line"], Kind.TEXT)
        spool.close()
    spool = Spool(tmp_path, "k", 1 << 20)
    spool.adopt()
    delivery = FakeDelivery()
    deliver_all(spool, delivery, WebSocketDialect("own"))
    assert [b"first" in delivery.payloads[0], b"second" in delivery.payloads[1]] == [True, True]


@pytest.mark.parametrize("restarts", [True, False])
def test_the_same_window_goes_out_again_under_its_key(tmp_path: Path, restarts: bool) -> None:
    spool = Spool(tmp_path, "k", 1 << 20, source="shop")
    spool.append([b"line %d" % number for number in range(3)], Kind.TEXT)
    failed = FakeDelivery(fails_after=2)
    with pytest.raises(ConnectionError, match="away"):
        deliver_all(spool, failed, HttpDialect(), window=2)
    spool.append([b"more"] * 5, Kind.TEXT)  # must not join the window that may be stored
    if restarts:
        spool.close()
        spool = Spool(tmp_path, "k", 1 << 20)
        spool.adopt()
    delivery = FakeDelivery()
    deliver_all(spool, delivery, HttpDialect(), window=4)
    assert delivery.windows[0] == failed.windows[1]
    assert len(failed.payloads + delivery.payloads) == 8
    keys = [key for key, _ in failed.windows[:1] + delivery.windows]
    assert len(set(keys)) == len(keys)
    spool.close()


def test_large_windows_are_cut_under_keys_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "WINDOW_BYTES_MAX", 100)
    spool = Spool(tmp_path, "k", 1 << 20)
    spool.append([b"line %d" % number for number in range(5)], Kind.TEXT)
    delivery = FakeDelivery()
    deliver_all(spool, delivery, HttpDialect(), window=5)
    keys = [key for key, _ in delivery.windows]
    assert keys == [keys[0], *(f"{keys[0]}+{number}" for number in range(1, len(keys)))]
    assert len(keys) > 1
    spool.close()
