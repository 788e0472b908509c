"""Silence is judged by each source's own rhythm; a burst, a week-end or one outage must not fool it."""

import random
from typing import Any

import msgspec
import pytest

from logboom.ops.rhythm import DAY_S, DAYS_MAX, LATE_S_MIN, NEVER, STEADY_HEARD_FACTOR, Exceptional, Rhythm

FACTOR = 1.5
SILENT_S_MIN = 60.0
HEARD_S_MIN = STEADY_HEARD_FACTOR * SILENT_S_MIN
SENSOR = [5.0] * int(HEARD_S_MIN / 5)
"""As much of a steady source as makes it one that is waited for."""


def limit(rhythm: Rhythm) -> float:
    return rhythm.silent_after_s(FACTOR, SILENT_S_MIN)


def heard(pauses: list[float], entries: int = 1) -> Rhythm:
    rhythm = Rhythm()
    rhythm.heard(0.0, entries)
    for pause in pauses:
        rhythm.heard(pause, entries, silent=pause > limit(rhythm))
    return rhythm


def live(pauses: list[float]) -> tuple[Rhythm, list[float]]:
    """Let a source pause so; returns which pauses were called silence."""
    rhythm = Rhythm()
    alerts = []
    rhythm.heard(0.0, 1)
    for pause in pauses:
        silent = pause > limit(rhythm)
        alerts += [pause] if silent else []
        rhythm.heard(pause, 1, silent=silent)
    return rhythm, alerts


def test_a_new_source_is_not_judged() -> None:
    assert limit(Rhythm()) == NEVER
    assert limit(heard([5.0] * 3)) == NEVER
    assert limit(heard([5.0] * 4, entries=10)) == NEVER  # entries enough, pauses not


def test_a_sensor_is_missed_after_a_minute() -> None:
    rhythm = heard(SENSOR)
    assert rhythm.typical_s == 5.0
    assert limit(rhythm) == SILENT_S_MIN
    assert rhythm.late_after_s() == 15.0


@pytest.mark.parametrize("pauses", [[1.2] * 10, [5.0] * 60, SENSOR[1:], [120.0] * 10, [600.0] * 20])
def test_a_script_that_has_ended_is_nobody_to_wait_for(pauses: list[float]) -> None:
    """Heard for less than ten times the silence that would be called."""
    assert limit(heard(pauses)) == NEVER


def test_a_slow_one_gets_half_as_long_again_as_its_longest_pause_and_three_intervals() -> None:
    rhythm = heard([600.0] * 40 + [1500.0])
    assert limit(rhythm) == 1.5 * 1500
    assert rhythm.late_after_s() == 1800.0
    assert limit(heard([600.0] * 30)) == 1800.0


def test_a_file_that_is_sent_at_once_is_nobody_to_wait_for() -> None:
    assert limit(heard([0.0] * 1000, entries=100)) == NEVER
    assert heard([0.0] * 1000).typical_s is None


def test_a_stream_is_judged_after_ten_minutes() -> None:
    rhythm = heard([0.1] * int(HEARD_S_MIN * 10 - 100))
    assert limit(rhythm) == NEVER
    for _ in range(200):
        rhythm.heard(0.1, 1)
    assert limit(rhythm) == SILENT_S_MIN
    assert rhythm.typical_s == pytest.approx(0.1, rel=0.01)
    rhythm.heard(2.0, 1)  # a hiccup changes little
    assert limit(rhythm) == SILENT_S_MIN
    assert rhythm.typical_s == pytest.approx(0.1, rel=0.01)


def test_a_bursty_source_needs_an_hour_and_twenty_pauses() -> None:
    chance = random.Random(1)
    pauses = [chance.expovariate(1 / 60) for _ in range(19)]
    assert limit(heard(pauses)) == NEVER
    rhythm = heard(pauses + [chance.expovariate(1 / 60) for _ in range(200)])
    assert limit(rhythm) == pytest.approx(3 * rhythm.longest_usual_s)


@pytest.mark.parametrize("seed", range(20))
def test_pauses_of_any_length_hardly_ever_alert(seed: int) -> None:
    chance = random.Random(seed)
    exponential = [chance.expovariate(1 / 60) for _ in range(3000)]
    heavy = [chance.paretovariate(1.2) for _ in range(3000)]
    assert len(live(exponential)[1]) <= 2
    assert len(live(heavy)[1]) <= 12


def test_an_outage_is_not_learned_but_a_habit_is() -> None:
    rhythm = heard(SENSOR)
    rhythm.heard(8 * 3600.0, 1, silent=True)
    assert limit(rhythm) == SILENT_S_MIN  # the next outage is noticed as soon
    for pause in SENSOR:
        rhythm.heard(pause, 1)
    rhythm.heard(8 * 3600.0 + 60, 1, silent=True)
    assert limit(rhythm) == NEVER  # it pauses as it likes, and is too new for that
    for _ in range(1000):
        rhythm.heard(5.0, 1)
    assert limit(rhythm) == 3 * 8 * 3600.0


def test_nights_alert_twice_and_then_no_more() -> None:
    working_day = [60.0] * 480 + [16 * 3600.0]
    _, alerts = live(working_day * 20)
    assert alerts == [16 * 3600.0] * 2


def test_week_ends_alert_twice_and_then_no_more() -> None:
    night, week_end = 16 * 3600.0, 64 * 3600.0
    week = [*([60.0] * 480 + [night]) * 4, *[60.0] * 480, week_end]
    _, alerts = live(week * 8)
    assert alerts.count(week_end) <= 2
    assert len(alerts) <= 4


def test_what_was_usual_a_fortnight_ago_is_forgotten() -> None:
    rhythm = heard([100.0] * 30 + [290.0])
    assert rhythm.longest_usual_s == 290.0
    for _ in range(int(DAYS_MAX * DAY_S / 100) + 1):
        rhythm.heard(100.0, 1)
    assert rhythm.longest_usual_s == 100.0


def test_a_change_of_pace_is_learned() -> None:
    rhythm, alerts = live(SENSOR + [120.0] * 50)
    assert alerts == [120.0] * 2
    assert rhythm.typical_s == 120.0
    assert rhythm.late_after_s() == 360.0


def test_time_that_nobody_listened_teaches_nothing() -> None:
    rhythm = heard(SENSOR)
    rhythm.again(1)
    assert rhythm.observed_s == HEARD_S_MIN
    assert rhythm.entries == len(SENSOR) + 2
    assert limit(rhythm) == SILENT_S_MIN


def test_it_survives_being_written_down_and_stays_small() -> None:
    chance = random.Random(3)
    rhythm = heard([chance.paretovariate(0.5) * 100 for _ in range(5000)])
    data = msgspec.json.encode(rhythm)
    assert len(data) < 2000
    assert msgspec.json.decode(data, type=Rhythm) == rhythm


# --- the edges of each condition ---


def steady(**changed: Any) -> Rhythm:
    """A source with an entry per minute, heard for ten times the silence that would be called, and no longer."""
    usual = {"entries": 30, "observed_s": 1800.0, "pauses": 29, "paused_s": 1800.0, "recent_s": [60.0] * 5}
    return Rhythm(**{**usual, "longest_s": [60.0], **changed})


def uneven(**changed: Any) -> Rhythm:
    """A source that has been heard just long enough for one that pauses as it likes."""
    return steady(**{"pauses": 20, "observed_s": 3600.0, "paused_s": 3600.0, "longest_s": [181.0], **changed})


@pytest.mark.parametrize(
    ("rhythm", "after_s"),
    [
        pytest.param(steady(), 180.0, id="steady"),
        pytest.param(steady(entries=10), 180.0, id="ten entries"),
        pytest.param(steady(entries=9), NEVER, id="nine entries"),
        pytest.param(steady(observed_s=1799.0), NEVER, id="heard for too short a time"),
        pytest.param(steady(observed_s=1801.0, silent_s=1.0), 180.0, id="silence is not listening"),
        pytest.param(steady(observed_s=1800.0, silent_s=1.0), NEVER, id="silence taken off"),
        pytest.param(steady(observed_s=2700.0, longest_s=[180.0]), 270.0, id="longest pause just regular"),
        pytest.param(steady(observed_s=2700.0, longest_s=[181.0]), NEVER, id="longest pause just irregular"),
        pytest.param(uneven(), 3 * 181.0, id="uneven"),
        pytest.param(uneven(pauses=19), NEVER, id="nineteen pauses"),
        pytest.param(uneven(observed_s=3599.0), NEVER, id="heard for less than an hour"),
        pytest.param(
            steady(observed_s=3600.0, paused_s=3600.0, recent_s=[2.0] * 5, longest_s=[10.0], pauses=19),
            NEVER,
            id="ten seconds are long for one that pauses",
        ),
    ],
)
def test_when_silence_is_judged(rhythm: Rhythm, after_s: float) -> None:
    assert limit(rhythm) == after_s


@pytest.mark.parametrize(("longest_s", "after_s"), [(10.0, 60.0), (10.5, NEVER)])
def test_a_stream_may_pause_for_ten_seconds(longest_s: float, after_s: float) -> None:
    stream = Rhythm(
        entries=9000, observed_s=900.0, pauses=2, paused_s=20.0, recent_s=[2.0], longest_s=[longest_s]
    )
    assert limit(stream) == after_s


def test_the_shortest_silence_and_three_intervals_hold_for_uneven_sources_as_well() -> None:
    assert uneven().silent_after_s(FACTOR, 5000.0) == 5000.0
    assert uneven().silent_after_s(0.1, 1.0) == 180.0
    assert steady(observed_s=5e4, paused_s=5e4).silent_after_s(FACTOR, 5000.0) == 5000.0


def test_late_is_later_than_any_recent_pause() -> None:
    assert steady().late_after_s() == 180.0
    assert steady(recent_s=[60.0, 60.0, 200.0]).late_after_s() == 200.0
    assert steady(recent_s=[2.0] * 5).late_after_s() == LATE_S_MIN
    assert Rhythm(entries=9).late_after_s() == NEVER


@pytest.mark.parametrize(("age_s", "longest_s"), [(0.0, 300.0), (1.0, 100.0)])
def test_the_second_longest_silence_of_a_fortnight_is_usual(age_s: float, longest_s: float) -> None:
    fortnight = DAYS_MAX * DAY_S
    silences = [Exceptional(300.0, 1000.0), Exceptional(100.0, 2000.0), Exceptional(500.0, 3000.0)]
    rhythm = steady(observed_s=1000.0 + fortnight + age_s, exceptional=silences)
    assert rhythm.longest_usual_s == longest_s
    assert steady(exceptional=silences[:1]).longest_usual_s == 60.0
    assert Rhythm().longest_usual_s == 0.0
