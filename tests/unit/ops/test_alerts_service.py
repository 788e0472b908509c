"""Alerts over time: what a target that is away, a restart, or a source that is let go means for what is told."""

import json
import threading
from pathlib import Path

import pytest

from tests.unit.ops.alerts_world import CALM, LIMIT_S, SENSOR, TARGET, Server, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, {"rules": CALM})


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
            "acknowledged_at": None,
            "acknowledged_by": "",
            "muted_until": None,
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
        assert world.told[0].startswith("warning: alerts: the saved state can't be read")
    path.write_bytes(b'{"version":2,"alerts":[]}')
    world.open()


def test_a_file_that_can_not_be_written_is_told_once(world: World) -> None:
    (world.data_dir / ".alerts.json.new").mkdir()
    for alive in (False, True, False):
        world.device.alive = alive
        world.pass_time(20)
    assert len([text for text in world.told if text.startswith("warning: alerts can't be saved")]) == 1


def test_no_secret_of_a_target_is_kept_or_shown(world: World) -> None:
    world.device.alive = False
    world.pass_time(5)
    shown = (
        json.dumps(world.alerts.document()) + (world.data_dir / "alerts.json").read_text() + str(world.told)
    )
    assert "hunter2" not in shown
    assert "user" not in shown


# --- a target that is away


def test_a_target_that_was_away_for_hours_is_told_what_fires_since_when(world: World) -> None:
    world.trouble = "connection refused"
    world.device.alive = False
    world.pass_time(3600)
    [target] = world.alerts.document()["notify"]
    assert target == {"name": "json://127.0.0.1:9", "trouble": "connection refused", "waiting": 1}
    world.trouble = None
    world.pass_time(600)
    [message] = world.sent
    assert message.title == "❌ boom: listener device is down (delayed)"
    assert message.body == "critical: listener device is down (since 04:33:21Z, delayed)"
    assert world.alerts.document()["notify"] == [
        {"name": "json://127.0.0.1:9", "trouble": None, "waiting": 0}
    ]
    world.device.alive = True
    world.pass_time(60)
    assert world.titles()[1:] == ["✅ boom: listener device listens again"]


def test_an_alert_that_ended_before_anybody_was_told_is_one_message(world: World) -> None:
    world.trouble = "away"
    world.device.alive = False
    world.pass_time(200)
    world.device.alive = True
    world.pass_time(100)
    world.trouble = None
    world.pass_time(600)
    [message] = world.sent
    assert message.title == "✅ boom: already over: listener device is down (delayed)"
    assert message.body == "already over: listener device is down (04:33:21Z to 04:36:50Z, delayed)"


@pytest.mark.parametrize("closed", [True, False])
def test_what_was_not_told_is_told_after_a_restart(world: World, closed: bool) -> None:
    world.trouble = "away"
    world.device.alive = False
    world.pass_time(200)
    if closed:
        world.alerts.close(LIMIT_S)
    world.open()
    world.trouble = None
    world.pass_time(2)
    assert world.titles() == ["❌ boom: listener device is down (delayed)"]
    world.open()
    world.pass_time(2)
    assert len(world.sent) == 1


def test_what_waits_at_the_end_is_tried_once_more(world: World) -> None:
    world.trouble = "away"
    world.device.alive = False
    world.pass_time(2)
    world.trouble = None
    world.alerts.close(LIMIT_S)
    assert world.titles() == ["❌ boom: listener device is down"]
    world.open()
    world.pass_time(2)
    assert len(world.sent) == 1


def test_a_new_target_is_told_what_fires(world: World) -> None:
    world.device.alive = False
    world.pass_time(5)
    world.table["notify"] = [TARGET, "json://127.0.0.1:10/new"]
    world.open()
    world.pass_time(5)
    assert world.titles() == ["❌ boom: listener device is down"] * 2
    world.open()
    world.pass_time(5)
    assert len(world.sent) == 2


HOOKS = [f"json://127.0.0.1:9/{name}" for name in ("one", "two")]


@pytest.mark.parametrize("order", [HOOKS[::-1], ["json://127.0.0.1:9/new", *HOOKS], HOOKS[:1]])
def test_each_target_is_told_what_it_missed_although_names_of_targets_change(
    tmp_path: Path, order: list[str]
) -> None:
    world = Server(tmp_path)
    world.table["notify"] = HOOKS
    world.open()
    world.away = HOOKS[0]
    world.device.alive = False
    world.pass_time(5)
    assert world.told_urls() == HOOKS[1:]
    world.table["notify"] = order
    world.away = ""
    world.open()
    world.pass_time(5)
    assert world.told_urls() == sorted({*HOOKS, *order})


def test_what_an_older_version_kept_by_names_is_told(world: World) -> None:
    world.trouble = "away"
    world.device.alive = False
    world.pass_time(200)
    world.device.alive = True
    world.pass_time(100)
    path = world.data_dir / "alerts.json"
    kept = json.loads(path.read_text())
    kept["untold"] = dict(zip(["json://127.0.0.1:9"], kept["untold"].values(), strict=True))
    path.write_text(json.dumps(kept))
    world.trouble = None
    world.open()
    world.pass_time(60)
    assert world.titles() == ["✅ boom: already over: listener device is down (delayed)"]


def test_a_file_of_a_server_that_kept_nothing_untold_is_read(world: World) -> None:
    world.device.alive = False
    world.pass_time(5)
    path = world.data_dir / "alerts.json"
    kept = json.loads(path.read_text())
    del kept["untold"]
    path.write_text(json.dumps(kept))
    world.open()
    world.pass_time(5)
    assert len(world.sent) == 1


# --- sources that nobody waits for


def fall_silent(world: World) -> None:
    for _ in range(SENSOR):
        world.hear()
        world.pass_time(5)
    world.pass_time(100)


def test_a_source_that_is_forgotten_ends_its_alerts_without_a_word(world: World) -> None:
    fall_silent(world)
    world.hear(errors=40)
    world.hear(errors=0)
    world.pass_time(100)
    assert {alert.rule for alert in world.alerts.firing()} == {"source_silent", "error_burst"}
    told = len(world.sent)
    assert world.alerts.forget_source("device", "pump\n7")
    assert not world.alerts.forget_source("device", "pump\n7")
    world.pass_time(300)
    assert world.alerts.firing() == []
    assert len(world.sent) == told
    assert {alert["state"] for alert in world.alerts.document()["alerts"]} == {"resolved"}
    assert world.book.document(1)["sources"] == []
    world.open()
    assert world.alerts.firing() == []


def test_what_is_forgotten_before_it_was_told_is_never_told(world: World) -> None:
    world.trouble = "away"
    fall_silent(world)
    assert world.alerts.forget_source("device", "pump\n7")
    world.trouble = None
    world.pass_time(700)
    assert not [title for title in world.titles() if "pump" in title]


def test_a_source_that_is_to_be_ignored_may_fall_silent(world: World) -> None:
    world.table["rules"] = {**CALM, "source_silent": {"ignore": ["backup-*", "p?mp*"]}}
    world.open()
    fall_silent(world)
    assert world.book.silences()
    assert world.alerts.firing() == []
    assert world.sent == []


def test_one_that_is_ignored_from_now_on_ends_its_alert_without_a_word(world: World) -> None:
    fall_silent(world)
    world.book.save()
    assert len(world.sent) == 1
    world.table["rules"] = {**CALM, "source_silent": {"ignore": ["pump*"]}}
    world.open()
    world.pass_time(5)
    assert world.alerts.firing() == []
    world.hear()
    world.pass_time(5)
    assert len(world.sent) == 1


def test_every_target_is_told_once_there_are_threads_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    world = World(tmp_path, {"notify": [TARGET, "json://127.0.0.1:8/hook"]})
    world.device.alive = False
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        world.pass_time(2)
    assert [target.waiting for target in world.alerts.targets] == [1, 1]
    world.pass_time(10)
    assert [target.waiting for target in world.alerts.targets] == [0, 0]
    assert world.titles() == ["❌ boom: listener device is down"] * 2


def test_the_document_says_whether_alerts_are_looked_for(tmp_path: Path) -> None:
    assert World(tmp_path).alerts.document()["enabled"] is True
    assert World(tmp_path, {"enabled": False}).alerts.document()["enabled"] is False
