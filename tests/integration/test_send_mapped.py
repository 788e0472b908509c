"""`logboom send` over protocols of others: what is sent is stored, once where the protocol has a key."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from logboom.clients.delivery.delivery import Policy
from logboom.clients.delivery.report import Report
from logboom.clients.delivery.sending import send_lines
from logboom.clients.wire.bearer import TokenRefusedError
from logboom.clients.wire.dialect_registry import choose
from logboom.servers import connection
from tests.kit.app_kit import FailingDisk, journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.losing_stream import LosingStream

LINES = (
    '{"level":"ERROR","message":"two\\nlines","source":"pumps","host":"north"}',
    "valve stuck",
    '{"level":"NOTICE","message":"m","pct":87,"time":"2026-11-30T12:00:00.25Z"}',
)
PROTOCOLS = ("syslog", "gelf", "relp", "forward", "beats")
ACKED = ("relp", "forward", "beats")
POLICY = Policy(delays_s=(0.01,) * 5, window=200)


def settings(*names: str, **more: Any) -> dict[str, Any]:
    return {"listeners": {name: {"protocol": name, **more} for name in names}}


def stored(data_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["entry"] for line in journal_lines(data_dir)]


def send(protocol: str, port: int, lines: Sequence[str], user: str = "", policy: Policy = POLICY) -> Report:
    dialect, target = choose(protocol, f"tcp://{user}127.0.0.1:{port}")
    return asyncio.run(send_lines(lines, target, dialect, policy=policy))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AppThread, Path]]:
    folder = tmp_path_factory.mktemp("data")
    with AppThread(folder, PROTOCOLS, settings=settings(*PROTOCOLS)) as server:
        yield server, folder


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_sent_is_stored(server: tuple[AppThread, Path], protocol: str) -> None:
    app, folder = server
    before = len(journal_lines(folder))
    report = send(protocol, app.port(protocol), LINES)
    assert (report.ok, report.acknowledged) == (True, 3 if protocol in ACKED else 0)
    app.until(lambda: len(journal_lines(folder)) == before + 3)
    first, second, third = stored(folder)[before:]
    assert (first["level"], first["message"], first["source"], first["host"]) == (
        "ERROR",
        "two\nlines",
        "pumps",
        "north",
    )
    assert (second["level"], second["message"], second["source"]) == ("INFO", "valve stuck", "logboom")
    assert (third["level"], third["attributes"]["pct"]) == ("NOTICE", 87)
    assert "2026-11-30T12:00:00.25" in str(third["time"]) or third["time"] == 1796040000250000000


def test_the_command(server: tuple[AppThread, Path]) -> None:
    app, folder = server
    before = len(journal_lines(folder))
    url = f"tcp://127.0.0.1:{app.port('forward')}"
    command = [sys.executable, "-m", "logboom", "send", "--as", "forward", "--to", url]
    done = subprocess.run(command, input="\n".join(LINES), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "3" in done.stderr
    assert len(journal_lines(folder)) == before + 3


@pytest.mark.parametrize(
    ("protocol", "answers_before", "times"), [("forward", 0, 1), ("beats", 0, 1), ("relp", 1, 2)]
)
def test_an_answer_that_is_lost(
    server: tuple[AppThread, Path], protocol: str, answers_before: int, times: int
) -> None:
    """With a key, what is sent again is stored once; RELP has none."""
    app, folder = server
    before = len(journal_lines(folder))
    lines = [f"{protocol} {number // 2}" for number in range(100)]  # equal lines are lines of their own
    dialect, _ = choose(protocol, "tcp://127.0.0.1")

    async def run() -> Report:
        async with LosingStream(app.port(protocol), answers_before) as proxy:
            target = choose(protocol, f"tcp://127.0.0.1:{proxy.port}")[1]
            return await send_lines(lines, target, dialect, policy=POLICY)

    report = asyncio.run(run())
    assert (report.ok, report.acknowledged, report.resent) == (True, 100, 100)
    found = [entry["message"] for entry in stored(folder)[before:]]
    assert found == lines * times


class _FailsOnce(FailingDisk):
    """Disk that is full until a write has failed."""

    def write(self, descriptor: int, data: bytes) -> None:
        try:
            super().write(descriptor, data)
        finally:
            self.failing = False


@pytest.mark.parametrize("protocol", ACKED)
def test_a_full_disk(tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REFUSAL_S", 0.0)
    disk = _FailsOnce()
    with AppThread(tmp_path, (protocol,), disk, settings(protocol)) as app:
        disk.failing = True
        report = send(protocol, app.port(protocol), LINES[:2])
    assert (report.ok, report.acknowledged) == (True, 2)
    assert report.resent >= 1
    found = [entry["message"] for entry in stored(tmp_path)]
    assert set(found) == {"two\nlines", "valve stuck"}
    assert len(found) == 2 or protocol == "relp"


def test_a_shared_key(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("forward",), settings=settings("forward", shared_key="secret")) as app:
        assert send("forward", app.port("forward"), LINES, user="any:secret@").ok
        with pytest.raises(TokenRefusedError, match="shared key mismatch"):
            send("forward", app.port("forward"), LINES, user="any:wrong@")
    assert len(journal_lines(tmp_path)) == len(LINES)
