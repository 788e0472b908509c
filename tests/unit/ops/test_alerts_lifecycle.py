"""The life of an alert: told once each way, patient both ways, and one word for what flaps."""

from typing import Any

import msgspec
import pytest

from logboom.ops.alerts.lifecycle import (
    FLAP_CALM_S,
    FLAP_WINDOW_S,
    FLAPS_MAX,
    HISTORY_MAX,
    Alert,
    Change,
    Condition,
    Engine,
)


class World:
    """An engine, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.now = 5000.0

    def see(self, *conditions: Condition, after: float = 1.0) -> list[str]:
        self.now += after
        return [f"{one.kind} {one.alert.subject}" for one in self.changes(*conditions)]

    def changes(self, *conditions: Condition) -> list[Change]:
        return self.engine.evaluate(conditions, self.now, self.now + 1e9)

    def states(self) -> list[str]:
        return [f"{alert.state} {alert.subject}" for alert in self.engine.shown()]


def down(subject: str = "device", **options: Any) -> Condition:
    fields: dict[str, Any] = {"rule": "listener_down", "severity": "critical", "text": f"{subject} is down"}
    return Condition(subject=subject, recovered=f"{subject} is back", **{**fields, **options})


@pytest.fixture
def world() -> World:
    return World()


def test_it_is_told_once_and_its_end_is_told_once(world: World) -> None:
    assert world.see() == []
    assert world.see(down()) == ["firing device"]
    assert world.see(down()) == []
    assert world.see(down()) == []
    assert world.see() == ["resolved device"]
    assert world.see() == []
    assert world.states() == ["resolved device"]


def test_texts_are_those_of_now_and_of_recovery(world: World) -> None:
    [change] = world.changes(down(text="old"))
    assert change.text == "old"
    world.changes(down(text="new"))
    [alert] = world.engine.shown()
    assert (alert.text, alert.since, alert.resolved_at) == ("new", world.now + 1e9, None)
    world.now += 10
    [change] = world.changes()
    assert change.text == "device is back"
    assert change.alert.resolved_at == world.now + 1e9


def test_a_trouble_that_passes_soon_is_not_told(world: World) -> None:
    patient = down(for_s=30.0)
    assert world.see(patient) == []
    assert world.states() == ["pending device"]
    assert world.see(patient, after=29.0) == []
    assert world.see() == []
    assert world.states() == []
    assert world.see(patient) == []
    assert world.see(patient, after=30.0) == ["firing device"]


def test_it_must_be_gone_for_a_while(world: World) -> None:
    calm = down(clear_s=60.0)
    assert world.see(calm) == ["firing device"]
    assert world.see(after=59.0) == []
    assert world.see(calm) == []
    assert world.see(after=59.0) == []
    assert world.see() == ["resolved device"]


def test_subjects_are_apart(world: World) -> None:
    assert world.see(down("a"), down("b")) == ["firing a", "firing b"]
    assert world.see(down("b"), down("c")) == ["firing c", "resolved a"]
    assert world.states() == ["firing b", "firing c", "resolved a"]


def test_what_comes_and_goes_is_told_as_flapping_and_then_how_it_ends(world: World) -> None:
    told = [change for _ in range(20) for change in (*world.see(down()), *world.see())]
    assert told == ["firing device", "resolved device"] * 2 + ["flapping device"]
    assert world.see(after=FLAP_CALM_S - 10) == []
    assert world.see(after=11.0) == ["resolved device"]
    assert world.see(down()) == ["firing device"]  # and it starts anew


def test_what_flapped_and_stays_broken_is_told_as_firing(world: World) -> None:
    for _ in range(5):
        world.see(down())
        world.see()
    assert world.see(down()) == []
    assert world.see(down(), after=FLAP_CALM_S) == ["firing device"]
    assert world.see(after=1.0) == ["resolved device"]


def test_now_and_then_is_not_flapping(world: World) -> None:
    told = []
    for _ in range(10):
        told += world.see(down(), after=FLAP_WINDOW_S / 2)
        told += world.see()
    assert told == ["firing device", "resolved device"] * 10


def test_firing_stands_first_the_critical_before_the_others(world: World) -> None:
    world.see(down("gone"))
    conditions = (
        down("w", severity="warning"),
        down("c"),
        down("p", for_s=99.0),
    )
    world.see(*conditions)
    assert world.states() == ["firing c", "firing w", "pending p", "resolved gone"]


def test_each_subject_is_shown_once(world: World) -> None:
    world.see(down())
    world.see()
    world.see(down(for_s=10.0))
    assert world.states() == ["pending device"]
    world.see()
    assert world.states() == ["resolved device"]


def test_what_is_remembered_is_bounded(world: World) -> None:
    for number in range(500):
        world.see(down(f"d{number}"))
    world.see()
    assert len(world.engine.shown()) == HISTORY_MAX
    assert world.states()[0] == "resolved d499"
    world.see(after=FLAP_WINDOW_S + 1)
    assert len(world.engine._timings) <= HISTORY_MAX


def test_a_restart_tells_nothing_twice(world: World) -> None:
    world.see(down("a"), down("b"))
    kept = world.engine.kept()
    world.engine = Engine()
    world.engine.restore(msgspec.json.decode(msgspec.json.encode(kept)), world.now)
    assert world.see(down("a"), down("b")) == []
    assert world.see(down("b")) == ["resolved a"]
    assert world.states() == ["firing b", "resolved a"]


def test_what_recovered_while_the_server_was_away_is_told(world: World) -> None:
    world.see(down(clear_s=10.0))
    kept = world.engine.kept()
    world.engine = Engine()
    world.engine.restore(kept, world.now)
    assert world.see() == []
    assert world.see(after=10.0) == ["resolved device"]


def test_something_else_in_the_file_is_refused(world: World) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"`rule`|`str`"):
        world.engine.restore([{"rule": 1}], 0.0)


def test_an_alert_knows_what_tells_it_apart() -> None:
    assert Alert("rule", "subject", "warning", "firing", 0.0, "text").key == ("rule", "subject")


def test_what_resolved_again_is_the_newest(world: World) -> None:
    for subject in ("a", "b", "a"):
        world.see(down(subject))
        world.see()
    assert world.states() == ["resolved a", "resolved b"]


def test_what_fires_again_is_kept_once(world: World) -> None:
    world.see(down())
    world.see()
    world.see(down())
    assert [alert["state"] for alert in world.engine.kept()] == ["firing"]


@pytest.mark.parametrize(
    ("between_s", "kind"), [(FLAP_WINDOW_S / 2, "firing"), (FLAP_WINDOW_S / 2 - 1, "flapping")]
)
def test_only_what_fired_within_the_window_is_flapping(world: World, between_s: float, kind: str) -> None:
    for _ in range(FLAPS_MAX - 1):
        world.see(down())
        world.see(after=between_s - 1.0)
    assert world.see(down()) == [f"{kind} device"]


def test_no_more_moments_are_kept_than_flapping_takes(world: World) -> None:
    for _ in range(10 * FLAPS_MAX):
        world.see(down())
        world.see()
    [timing] = world.engine._timings.values()
    assert len(timing.fired) == FLAPS_MAX
