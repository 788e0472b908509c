"""Alerts over a server that is nothing but numbers, by a clock that is set by hand."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from logboom.config import parse
from logboom.journal.folder_log import FolderLog
from logboom.journal.log import Block
from logboom.journal.segments import prefix, suffix
from logboom.model import Verdict
from logboom.ops.alerts.alert_settings import alerts_settings
from logboom.ops.alerts.notification import Message
from logboom.ops.alerts.rules import Space
from logboom.ops.alerts.service import CHECK_INTERVAL_S, Alerts
from logboom.ops.monitor import Monitor
from logboom.ops.source_book import SourceBook
from logboom.ops.source_lines import SenderGroup, Senders
from logboom.ops.supervisor import Supervised
from logboom.pipeline.intake import Counters

MIB = 1 << 20
LIMIT_S = 30.0
SENSOR = 121
"""Entries of a source that speaks every 5 seconds, until it is one that is waited for."""
CALM = {"inactive": {"enabled": False}}
TARGET = "json://user:hunter2secret@127.0.0.1:9/hook"


class World:
    """Alerts over a server that is nothing but numbers."""

    def __init__(self, data_dir: Path, table: dict[str, Any] | None = None) -> None:
        self.now = 10_000.0
        self.data_dir = data_dir
        self.table = {"notify": [TARGET], "label": "boom", **(table or {})}
        self.told: list[str] = []
        self.sent: list[Message] = []
        self.trouble: str | None = None
        """Why targets take no message."""
        self.space = Space(0.5, 500_000 * MIB)
        folder = data_dir / "journal"
        self.journal: Any = SimpleNamespace(folder=folder, log=FolderLog(folder), failing=None, free_bytes=0)
        self.device: Any = Supervised(
            SimpleNamespace(name="device", intake=SimpleNamespace(counters=Counters()), ports=[5000])
        )
        self.runner: Any = SimpleNamespace(failing=None, lag=0)
        self.output: Any = Supervised(SimpleNamespace(name="files", runner=self.runner), "output")
        self.device.alive = self.output.alive = True
        self.device.service.intake.counters.last_activity = self.now
        self.open()

    def open(self) -> None:
        settings = parse({"listeners": {"device": {"protocol": "device", "port": 0}}})
        alerts = alerts_settings(self.table)
        self.monitor = Monitor(
            settings,
            self.journal,
            {"device": self.device},
            {"files": self.output},
            clock=lambda: self.now,
            wall=lambda: self.now + 1e9,
        )
        self.book = SourceBook(
            self.data_dir, lambda: 0, self.report, clock=lambda: self.now, wall=lambda: self.now + 1e9
        )
        self.alerts = Alerts(
            alerts,
            self.monitor,
            self.book,
            self.data_dir,
            self.report,
            send=self.send,
            space=lambda _: self.space,
        )

    def send(self, _url: str, message: Message) -> str | None:
        if self.trouble is None:
            self.sent.append(message)
        return self.trouble

    def report(self, kind: str, text: str) -> None:
        self.told.append(f"{kind}: {text}")

    def pass_time(self, seconds: float) -> None:
        """Second by second, as the server does."""
        for _ in range(int(seconds / CHECK_INTERVAL_S)):
            self.now += CHECK_INTERVAL_S
            self.alerts.reader.reached_end()
            self.alerts.check()
            for target in self.alerts.targets:
                target.wait(LIMIT_S)

    def titles(self) -> list[str]:
        return [message.title for message in self.sent]

    def verdicts(self, **counts: int) -> None:
        for name, count in counts.items():
            self.device.service.intake.counters.verdicts[Verdict[name]] += count

    def hear(self, errors: int = 0, entries: int = 1) -> None:
        self.device.service.intake.counters.last_activity = self.now
        group = SenderGroup(("device", "pump\n7"), "damaged: now counts", "10.0.0.1", errors, entries)
        self.book.take(Senders([group], {}), 0)


class Server(World):
    """A server whose entries arrive when the test wants it."""

    end = 0
    away = ""
    """URL of a target that takes no message."""

    def __init__(self, data_dir: Path, **rules: dict[str, Any]) -> None:
        self.by_url: list[tuple[str, Message]] = []
        super().__init__(data_dir, {"rules": {**CALM, **rules}})

    def open(self) -> None:
        self.journal.log = SimpleNamespace(end=self.end)
        super().open()

    def send(self, url: str, message: Message) -> str | None:
        if url == self.away:
            return "away"
        self.by_url.append((url, message))
        return super().send(url, message)

    def told_urls(self) -> list[str]:
        """URLs of the targets that took a message, sorted, once for each message."""
        return sorted(url for url, _ in self.by_url)

    def arrive(self, *entries: bytes, listener: str = "http", ago_s: float = 0) -> None:
        head = prefix(int((self.now - ago_s + 1e9) * 1e9))
        data = b"".join([head + entry + suffix("10.0.0.1", listener) for entry in entries])
        block = Block(self.end, len(entries), data)
        self.end = self.journal.log.end = block.next_sequence
        self.alerts.reader.take(block)
        self.alerts.reader.reached_end()

    def stop(self) -> None:
        self.alerts.reader.save()

    def configure(self, **rules: dict[str, Any]) -> None:
        self.table["rules"] = {**CALM, **rules}
        self.alerts.configure(alerts_settings(self.table))
        self.pass_time(1)

    def matches(self) -> list[int]:
        return [rule["matches"] for rule in self.alerts.rules]
