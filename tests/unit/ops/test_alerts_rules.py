"""Every rule fires on its trouble and recovers from it, by a clock that is set by hand; and what is told of it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from logboom.config import parse
from logboom.model import Verdict
from logboom.ops.alerts.messages import Message
from logboom.ops.alerts.rules import Space, disk_space, duration
from logboom.ops.alerts.service import CHECK_INTERVAL_S, Alerts
from logboom.ops.alerts.settings import alerts_settings
from logboom.ops.monitor import Monitor
from logboom.ops.source_lines import Group, Senders
from logboom.ops.sources import SourceBook
from logboom.ops.supervisor import Supervised
from logboom.pipeline.intake import Counters

MIB = 1 << 20
TARGET = "json://user:hunter2secret@127.0.0.1:9/hook"


class World:
    """Alerts over a server that is nothing but numbers."""

    def __init__(self, data_dir: Path, table: dict[str, Any] | None = None) -> None:
        self.now = 10_000.0
        self.data_dir = data_dir
        self.table = {"notify": [TARGET], "label": "boom", **(table or {})}
        self.told: list[str] = []
        self.sent: list[Message] = []
        self.space = Space(0.5, 500_000 * MIB)
        self.journal: Any = SimpleNamespace(folder=data_dir / "journal", failing=None, free_bytes=0)
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
        monitor = Monitor(
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
            alerts, monitor, self.book, self.data_dir, self.report, send=self.send, space=lambda _: self.space
        )
        for courier in self.alerts._couriers:
            courier.put = self.sent.append  # type: ignore[method-assign, assignment]

    def send(self, _url: str, _message: Message) -> None:
        raise AssertionError("the couriers are replaced")

    def report(self, kind: str, text: str) -> None:
        self.told.append(f"{kind}: {text}")

    def pass_time(self, seconds: float) -> None:
        """Second by second, as the server does."""
        for _ in range(int(seconds / CHECK_INTERVAL_S)):
            self.now += CHECK_INTERVAL_S
            self.alerts.check()

    def titles(self) -> list[str]:
        return [message.title for message in self.sent]

    def verdicts(self, **counts: int) -> None:
        for name, count in counts.items():
            self.device.service.intake.counters.verdicts[Verdict[name]] += count

    def hear(self, errors: int = 0, entries: int = 1) -> None:
        group = Group(("device", "pump\n7"), "damaged: now counts", "10.0.0.1", errors, entries)
        self.book.take(Senders([group], {}), 0)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_all_is_well(world: World) -> None:
    world.pass_time(100)
    assert world.told == []
    assert world.sent == []
    assert world.alerts.document() == {"alerts": [], "notify": ["json://127.0.0.1:9"]}


def test_listener_down(world: World) -> None:
    world.device.alive, world.device.trouble = False, "port taken"
    world.device.restarts = 1
    world.pass_time(60)
    assert world.titles() == ["❌ boom: listener device is down: port taken"]
    world.device.alive, world.device.trouble = True, None
    world.pass_time(60)
    assert world.titles()[1:] == ["✅ boom: listener device listens again"]
    assert world.told == [
        "error: alert: listener device is down: port taken",
        "info: alert: listener device listens again",
    ]
    assert [message.kind for message in world.sent] == ["failure", "success"]


def test_a_listener_that_died_between_two_looks(world: World) -> None:
    world.pass_time(1)
    world.device.restarts = 1
    world.pass_time(60)
    assert world.titles() == [
        "❌ boom: listener device is down",
        "✅ boom: listener device listens again",
    ]


def test_inactive(world: World) -> None:
    world.pass_time(599)
    assert world.sent == []
    world.pass_time(60)
    assert world.titles() == ["⚠️ boom: no TCP activity for 10 min"]
    world.device.service.intake.counters.last_activity = world.now
    world.pass_time(5)
    assert world.titles()[1:] == ["✅ boom: there is TCP activity again"]


def test_source_silent(world: World) -> None:
    for _ in range(20):
        world.hear()
        world.pass_time(5)
    assert world.sent == []
    world.pass_time(300)
    [message] = world.sent
    assert message.title == "⚠️ boom: pump 7 (device) is silent for 61 s; usually it speaks every 5 s"
    world.hear()
    world.pass_time(5)
    assert world.titles()[1:] == ["✅ boom: pump 7 (device) speaks again"]


def test_nobody_is_silent_because_the_journal_or_the_listener_fails(world: World) -> None:
    for _ in range(20):
        world.hear()
        world.pass_time(5)
    world.journal.failing = "no space"
    world.pass_time(100)
    world.journal.failing, world.device.alive = None, False
    world.pass_time(100)
    world.device.alive = True
    world.pass_time(50)
    assert not [title for title in world.titles() if "pump" in title]


def test_disk_journal_fails(world: World) -> None:
    world.journal.failing = "No space left on device"
    world.pass_time(5)
    assert world.titles() == ["❌ boom: the journal can't store: No space left on device"]
    world.journal.failing = None
    world.pass_time(100)
    assert world.titles()[1:] == ["✅ boom: the journal stores again"]


@pytest.mark.parametrize(
    ("space", "text"),
    [
        (Space(0.5, 200 * MIB), "the disk has 200 MiB left; below 128 MiB, entries are refused"),
        (Space(0.91, 90_000 * MIB), "the disk is 91% full, 90,000 MiB are left"),
    ],
)
def test_disk_gets_full(world: World, space: Space, text: str) -> None:
    well, world.space = world.space, space
    world.pass_time(5)
    assert world.titles() == [f"⚠️ boom: {text}"]
    world.space = well
    world.pass_time(100)
    assert world.titles()[1:] == ["✅ boom: the disk has room again"]


def test_disk_can_not_be_looked_at(world: World) -> None:
    def gone(_folder: Path) -> Space:
        raise OSError(5, "Input/output error")

    world.alerts._rules._space = gone
    world.pass_time(5)
    assert world.titles() == ["⚠️ boom: the disk can't be looked at: Input/output error"]


def test_refused(world: World) -> None:
    world.pass_time(5)
    world.verdicts(ACCEPTED=1000, NOT_JSON=19)
    world.pass_time(120)
    world.verdicts(ACCEPTED=1000, NOT_JSON=30)  # enough, but few of all
    world.pass_time(120)
    assert world.sent == []
    world.verdicts(ACCEPTED=100, NOT_JSON=15, LIMITED=15)
    world.pass_time(5)
    assert world.titles() == [
        "⚠️ boom: listener device refused 30 of 130 entries within a minute (limited, not_json)"
    ]
    world.pass_time(300)
    assert world.titles()[1:] == ["✅ boom: listener device refuses hardly any entries now"]


def test_error_burst(tmp_path: Path) -> None:
    world = World(tmp_path, {"rules": {"inactive": {"enabled": False}}})
    for _ in range(100):
        world.hear(errors=1)
        world.pass_time(10)
    assert world.sent == []
    world.hear(errors=40, entries=40)
    world.pass_time(5)
    [message] = world.sent
    assert message.title == "⚠️ boom: pump 7 (device): 45 errors within 60 s, usually 6"
    for _ in range(40):
        world.hear()
        world.pass_time(10)
    assert world.titles()[1:] == ["✅ boom: pump 7 (device): no more errors than usual"]


@pytest.mark.parametrize(
    ("lag", "failing", "text"),
    [
        (100_001, None, "output files is 100001 entries behind"),
        (5, "connection refused", "output files is 5 entries behind: connection refused"),
    ],
)
def test_output_lagging(world: World, lag: int, failing: str | None, text: str) -> None:
    world.runner.lag, world.runner.failing = lag, failing
    world.pass_time(55)
    assert world.sent == []
    assert world.alerts.document()["alerts"][0]["state"] == "pending"
    world.pass_time(10)
    assert world.titles() == [f"⚠️ boom: {text}"]
    world.runner.lag, world.runner.failing = 0, None
    world.pass_time(60)
    assert world.titles()[1:] == ["✅ boom: output files keeps up again"]


def test_a_rule_that_is_off_is_not_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path, {"rules": {"listener_down": {"enabled": False}}})
    world.device.alive = False
    world.pass_time(10)
    assert world.sent == []


def test_the_document_is_the_contracts(world: World) -> None:
    world.device.alive = False
    world.pass_time(1)
    assert world.alerts.document()["alerts"] == [
        {
            "rule": "listener_down",
            "subject": "device",
            "severity": "critical",
            "state": "firing",
            "since": "2001-09-09T04:33:21+00:00",
            "resolved_at": None,
            "text": "listener device is down",
        }
    ]


def test_a_restart_sends_nothing_twice_and_tells_what_has_recovered(world: World) -> None:
    world.device.alive = False
    world.runner.failing = "away"
    world.pass_time(70)
    assert len(world.sent) == 2
    world.open()
    world.runner.failing = None
    world.pass_time(70)
    assert world.titles()[2:] == ["✅ boom: output files keeps up again"]


def test_a_damaged_file_is_told_and_forgotten(world: World) -> None:
    path = world.data_dir / "alerts.json"
    for content in (b"", b'{"version":1,"alerts":[{}]}', b"\xff\xff"):
        path.write_bytes(content)
        world.told.clear()
        world.open()
        assert len(world.told) == 1
        assert world.told[0].startswith("warning: alerts: what fired before can't be read")
    path.write_bytes(b'{"version":2,"alerts":[]}')
    world.open()


def test_a_file_that_can_not_be_written_is_told_once(world: World) -> None:
    (world.data_dir / "alerts.json.new").mkdir()
    for alive in (False, True, False):
        world.device.alive = alive
        world.pass_time(20)
    assert len([text for text in world.told if text.startswith("warning: alerts can't be kept")]) == 1


def test_no_secret_of_a_target_is_kept_or_shown(world: World) -> None:
    world.device.alive = False
    world.pass_time(5)
    shown = (
        json.dumps(world.alerts.document()) + (world.data_dir / "alerts.json").read_text() + str(world.told)
    )
    assert "hunter2" not in shown
    assert "user" not in shown


def test_a_real_disk_is_looked_at(tmp_path: Path) -> None:
    space = disk_space(tmp_path)
    assert 0 < space.used_share < 1
    assert space.free > 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "less than 1 s"), (75, "75 s"), (660, "11 min"), (8000, "2.2 h"), (300000, "3.5 days")],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
