"""Silence is judged by each source's own rhythm; a burst, a week-end or one outage must not fool it."""

import random

import msgspec
import pytest

from logboom.ops.rhythm import DAY_S, DAYS_MAX, NEVER, STEADY_HEARD_FACTOR, Rhythm

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
