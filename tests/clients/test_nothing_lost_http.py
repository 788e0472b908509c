"""Clients over HTTP and gRPC: what they count as delivered is stored, in kills and in storms of 503.

What they send again under a key is stored once. Clients that give up are listed in docs/how-to/receive-http.md.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from logboom.receivers.http_push import WholeBody
from logboom.receivers.journald.journal_upload import UploadCodec
from logboom.receivers.loki.loki_push import PushCodec
from logboom.testing.server_kit import ServerProcess
from tests.clients.http_senders import LISTENERS, SENDERS, Sender
from tests.clients.test_journal_upload import COUNT, entries_of, make_journal, upload
from tests.kit.app_kit import FailingDisk, journal_lines
from tests.kit.app_thread import AppThread

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
FAULTS = 3
WINDOW = 10
WINDOWS_BETWEEN = 3
"""Windows that each client delivers before the next fault."""
PAUSE_S = 0.01
"""Pause after each window: fast clients leave time for slow ones."""
WAIT_S = 100.0


class Sending(threading.Thread):
    """One client that sends until it is stopped."""

    def __init__(self, name: str, sender: Sender, port: int) -> None:
        super().__init__(name=name, daemon=True)
        self.counted: list[str] = []
        """Messages that the client counts as delivered."""
        self.sent = 0
        self.ended = threading.Event()
        self.delivered = threading.Event()
        self.failure: BaseException | None = None
        self._sender = sender
        self._port = port

    def run(self) -> None:
        try:
            with self._sender.connect(self._port) as deliver:
                while not self.ended.wait(PAUSE_S):
                    numbers = range(self.sent, self.sent + WINDOW)
                    self.sent += WINDOW
                    messages = [f"{self.name} number {number}" for number in numbers]
                    entries = [{"level": "info", "message": text, "id": text} for text in messages]
                    is_delivered = deliver(entries)
                    while self._sender.is_keyed and not is_delivered:
                        is_delivered = deliver(entries)
                    if is_delivered:
                        self.counted += messages
                        self.delivered.set()
        except BaseException as error:  # noqa: BLE001 - raised by the test
            self.failure = error
            self.delivered.set()


def send_all(ports: Callable[[str], int], disturb: Callable[[], None]) -> list[Sending]:
    """Run all clients at once, and disturb them; each delivers before the first fault, and after each of them."""
    running = [Sending(name, sender, ports(sender.listener)) for name, sender in SENDERS.items()]
    for one in running:
        one.start()
    for number in range(FAULTS + 1):
        for one in running:
            for _ in range(WINDOWS_BETWEEN):
                assert one.delivered.wait(WAIT_S), f"{one.name} delivers nothing after {number} faults"
                one.delivered.clear()
                assert one.failure is None, f"{one.name}: {one.failure!r}"
        if number < FAULTS:
            disturb()
    for one in running:
        one.ended.set()
    for one in running:
        one.join(WAIT_S)
        assert one.failure is None, f"{one.name}: {one.failure!r}"
    return running


def check(data_dir: Path, sent: list[Sending]) -> None:
    found = Counter(json.loads(line)["entry"]["message"] for line in journal_lines(data_dir))
    for one in sent:
        assert [message for message in one.counted if message not in found] == [], one.name
        if SENDERS[one.name].is_keyed:
            assert [message for message in one.counted if found[message] != 1] == [], one.name


def test_kills(tmp_path: Path) -> None:
    config = tmp_path / "listeners.toml"
    config.write_text(
        "".join(
            f"[listeners.{name}]\n" + "".join(f'{key} = "{value}"\n' for key, value in settings.items())
            for name, settings in LISTENERS.items()
        )
    )
    with ServerProcess(tmp_path / "data", tuple(LISTENERS), (f"--config={config}",)) as server:

        def kill() -> None:
            server.kill()
            server.start()

        sent = send_all(lambda listener: server.ports[listener], kill)
    check(tmp_path / "data", sent)


def test_storms_of_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for codec in (WholeBody, PushCodec):
        monkeypatch.setattr(codec, "hold_s", 0.001)  # each failure of the disk is an answer of 503
    disk = FailingDisk()
    with AppThread(tmp_path, tuple(LISTENERS), disk, {"listeners": LISTENERS}) as app:

        def fill() -> None:
            before = app.app.journal.failed_groups
            disk.failing = True
            app.until(lambda: app.app.journal.failed_groups > before + 20)
            disk.failing = False

        sent = send_all(app.port, fill)
    check(tmp_path, sent)


def test_systemd_sends_again_after_a_refusal_and_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, state = make_journal(tmp_path, COUNT), tmp_path / "state"
    monkeypatch.setattr(UploadCodec, "hold_s", 0.001)
    monkeypatch.setattr(UploadCodec, "refusal_pause_s", 0.0)
    disk = FailingDisk()
    with AppThread(tmp_path / "data", ("journald",), disk) as app:
        disk.failing = True
        assert upload(journal, app.port("journald"), state) != 0
        disk.failing = False
        assert upload(journal, app.port("journald"), state) == 0
        state.unlink()
    with ServerProcess(tmp_path / "data", ("journald",), ("--with=journald",)) as server:
        server.kill()
        assert upload(journal, server.ports["journald"], state) != 0
        server.start()
        assert upload(journal, server.ports["journald"], state) == 0
    found = [entry["attributes"]["N"] for entry in entries_of(tmp_path / "data")]
    assert found == [str(number) for number in range(COUNT)]
