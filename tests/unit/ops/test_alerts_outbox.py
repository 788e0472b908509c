"""What a target has still to be told: kept until it was, bounded, and not too much of it in an hour."""

import msgspec
import pytest

from logboom.ops.alerts.lifecycle import FIRING, RESOLVED, Alert, Change
from logboom.ops.alerts.notification import Message
from logboom.ops.alerts.outbox import CRITICAL_PAUSE_S, HOUR_S, NOTICES_MAX, Backlog, Outbox

WALL = 1_780_000_000.0


def change(subject: str, kind: str = FIRING, severity: str = "warning") -> Change:
    text = f"{subject} is back" if kind == RESOLVED else f"{subject} is down"
    alert = Alert("rule", subject, severity, kind, WALL, f"{subject} is down")
    if kind == RESOLVED:
        alert.resolved_at = WALL + 10
    return Change(kind, alert, text)


class World:
    """An outbox, and a target that takes what there is."""

    def __init__(self, per_hour_max: int = 30) -> None:
        self.outbox = Outbox("boom", per_hour_max)

    def pass_on(self, *changes: Change, now: float = 0.0) -> Message | None:
        """Changes come; returns what the target gets."""
        self.outbox.put(list(changes), WALL + now)
        if not self.outbox.due(now):
            return None
        message = self.outbox.take([], WALL + now)
        self.outbox.delivered(now)
        return message


@pytest.fixture
def world() -> World:
    return World()


def test_no_change_is_no_message(world: World) -> None:
    assert world.pass_on() is None


def test_a_change_is_told_once(world: World) -> None:
    message = world.pass_on(change("a"))
    assert message is not None
    assert message.title == "⚠️ boom: a is down"
    assert world.pass_on() is None
    assert world.outbox.waiting == 0


def test_what_failed_is_told_later_with_what_came_since(world: World) -> None:
    world.outbox.put([change("a"), change("b")], WALL)
    world.outbox.take([], WALL)
    world.outbox.put([change("b", RESOLVED), change("c")], WALL + 1)
    assert world.outbox.waiting == 3
    world.outbox.failed()
    message = world.pass_on(now=2.0)
    assert message is not None
    assert message.body.splitlines() == [
        "warning: a is down (since 20:26:40Z)",
        "warning: c is down (since 20:26:40Z)",
        "already over: b is down (20:26:40Z to 20:26:50Z)",
    ]


def test_what_ends_while_its_message_arrives_is_told_as_recovered(world: World) -> None:
    world.outbox.put([change("a")], WALL)
    world.outbox.take([], WALL)
    world.outbox.put([change("a", RESOLVED)], WALL + 1)
    world.outbox.delivered(1.0)
    message = world.pass_on(now=2.0)
    assert message is not None
    assert message.title == "✅ boom: a is back"


def test_what_is_too_much_for_an_hour_is_held_back_and_told_later() -> None:
    world = World(per_hour_max=3)
    sent = [world.pass_on(change(f"n{number}"), now=float(number)) for number in range(10)]
    assert [message is not None for message in sent] == [True] * 3 + [False] * 7
    assert world.outbox.waiting == 7
    assert world.pass_on(now=HOUR_S - 1) is None
    message = world.pass_on(now=HOUR_S + 0.5)
    assert message is not None
    assert message.title == "⚠️ boom: 7 changes, 0 alerts firing (delayed)"
    assert message.body.splitlines()[-1] == "Some changes were held back: the limit is 3 messages per hour."
    message = world.pass_on(change("x"), now=HOUR_S + 5)
    assert message is not None
    assert "held back" not in message.body


def test_the_one_alert_that_fires_is_the_title_of_what_was_held_back() -> None:
    world = World(per_hour_max=1)
    world.pass_on(change("a"))
    for one in (change("b"), change("b", RESOLVED), change("c")):
        assert world.pass_on(one, now=1.0) is None
    message = world.pass_on(now=HOUR_S)
    assert message is not None
    assert message.title == "⚠️ boom: c is down (delayed)"


def test_critical_news_passes_the_limit_but_not_in_a_flood() -> None:
    world = World(per_hour_max=2)
    for number in range(3):
        world.pass_on(change(f"n{number}"), now=1.0)
    told = [world.pass_on(change("disk", severity="critical"), now=2.0 + second) for second in range(100)]
    assert [second for second, one in enumerate(told, 2) if one] == [61]
    message = told[59]
    assert message is not None
    assert message.title == "❌ boom: 2 changes, 0 alerts firing"  # what was held back comes along
    recovery = world.pass_on(change("disk", RESOLVED, "critical"), now=61 + CRITICAL_PAUSE_S)
    assert recovery is not None


def test_what_waits_is_bounded_the_critical_stay_longest(world: World) -> None:
    world.outbox.put([change("disk", severity="critical")], WALL)
    world.outbox.put([change(f"n{number}") for number in range(NOTICES_MAX + 49)], WALL)
    assert world.outbox.waiting == NOTICES_MAX
    message = world.outbox.take([], WALL)
    world.outbox.failed()
    assert message.body.splitlines()[0] == "critical: disk is down (since 20:26:40Z)"
    assert message.body.splitlines()[-1] == "50 more changes were dropped: too many were waiting."
    assert world.pass_on() is not None
    assert "dropped" not in str(world.pass_on(change("x")))


def test_what_is_dropped_is_told_to_nobody(world: World) -> None:
    world.outbox.put([change("a")], WALL)
    world.outbox.take([], WALL)
    world.outbox.put([change("a", RESOLVED)], WALL)
    world.outbox.drop(("rule", "a"))
    world.outbox.failed()
    assert world.pass_on() is None


def test_it_survives_a_restart_on_the_way_or_not(world: World) -> None:
    world.outbox.put([change("a"), change("b")], WALL)
    world.outbox.take([], WALL)
    world.outbox.put([change("b", RESOLVED), change("c")], WALL)
    kept = msgspec.json.decode(msgspec.json.encode(world.outbox.backlog()), type=Backlog)
    after = World()
    after.outbox.restore(kept)
    message = after.pass_on(now=3600.0)
    assert message is not None
    assert [line.split(" (")[0] for line in message.body.splitlines()] == [
        "warning: a is down",
        "warning: c is down",
        "already over: b is down",
    ]
    assert message.title.endswith("(delayed)")
