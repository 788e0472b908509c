"""Every rule fires on its trouble and recovers from it, by a clock that is set by hand; and what is told of it."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from logboom.cluster.follower import FollowerState
from logboom.cluster.inspection import ClusterState
from logboom.cluster.membership import Cluster
from logboom.ops.alerts.alert_documents import built_in_documents
from logboom.ops.alerts.alert_settings import alerts_settings
from logboom.ops.alerts.rules import Space, disk_space, duration
from tests.unit.ops.alerts_world import MIB, SENSOR, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_all_is_well(world: World) -> None:
    world.pass_time(100)
    assert world.told == []
    assert world.sent == []
    assert world.alerts.document() == {
        "enabled": True,
        "alerts": [],
        "rules": [],
        "built_in": built_in_documents(alerts_settings(world.table).rules),
        "mutes": [],
        "notify": [{"name": "json://127.0.0.1:9", "trouble": None, "waiting": 0}],
    }


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
    for _ in range(SENSOR):
        world.hear()
        world.pass_time(5)
    assert world.sent == []
    world.pass_time(300)
    [message] = world.sent
    assert message.title == "⚠️ boom: pump 7 (device) is silent for 61 s; it usually sends every 5 s"
    world.hear()
    world.pass_time(5)
    assert world.titles()[1:] == ["✅ boom: pump 7 (device) sends again"]


def test_nobody_is_silent_because_the_journal_or_the_listener_fails(world: World) -> None:
    for _ in range(SENSOR):
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
    assert world.titles()[1:] == ["✅ boom: the disk has enough space again"]


def test_disk_can_not_be_looked_at(world: World) -> None:
    def gone(_folder: Path) -> Space:
        raise OSError(5, "Input/output error")

    world.alerts._rules._space = gone
    world.pass_time(5)
    assert world.titles() == ["⚠️ boom: the space of the disk can't be read: Input/output error"]


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
    assert world.titles()[1:] == ["✅ boom: listener device refuses few entries again"]


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
        (100_001, None, "output files is 100,001 entries behind"),
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


def cluster_of(state: ClusterState, *, failing: bool = False, lag: int = 0) -> Cluster:
    found = SimpleNamespace(
        state=state,
        replication=SimpleNamespace(failing=failing),
        settings=SimpleNamespace(timeout_s=10.0),
        follower=SimpleNamespace(state=FollowerState(100, 100 + lag, None)),
    )
    return cast("Cluster", found)


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        (
            cluster_of(ClusterState(), failing=True),
            (
                1,
                "❌ boom: the cluster has not stored entries within 10 s",
                "the cluster stores entries again",
            ),
        ),
        (
            cluster_of(ClusterState(troubles=("no leader",), stream_trouble="no leader")),
            (91, "❌ boom: the cluster does not answer: no leader", "the cluster stores entries again"),
        ),
        (
            cluster_of(ClusterState(unsafe=("n1 syncs at intervals",))),
            (
                1,
                "❌ boom: an answered entry may be lost: n1 syncs at intervals",
                "the cluster has safe settings again",
            ),
        ),
        (
            cluster_of(ClusterState(troubles=("n1: no answer", "replica n1 is 5 operations behind"))),
            (
                91,
                "⚠️ boom: n1: no answer, and 1 more",
                "all servers and replicas of the cluster are in order again",
            ),
        ),
        (
            cluster_of(ClusterState(), lag=1001),
            (
                91,
                "⚠️ boom: the copy is 1,001 messages behind the cluster",
                "the copy keeps up with the cluster again",
            ),
        ),
    ],
    ids=["timeout", "no answer", "unsafe", "server", "copy"],
)
def test_trouble_of_the_cluster(world: World, cluster: Cluster, expected: tuple[int, str, str]) -> None:
    seconds, text, recovered = expected
    world.monitor.cluster = cluster
    world.pass_time(seconds - 1)
    assert world.titles() == []
    world.pass_time(1)
    assert world.titles() == [text]
    world.monitor.cluster = cluster_of(ClusterState(), lag=1000)
    world.pass_time(61)
    assert world.titles()[1:] == [f"✅ boom: {recovered}"]
