"""Trial of a rule over the past: it fires as the live rule did, and says how far it got."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from logboom.journal.folder_log import FolderLog
from logboom.journal.segments import Segment, prefix, suffix
from logboom.model import IMPORTED
from logboom.ops.alerts import rule_trial
from logboom.ops.alerts.alert_settings import QueryRule
from logboom.ops.alerts.rule_trial import FIRINGS_MAX, Trial, try_rule
from tests.unit.ops.alerts_world import Server

HIT = b'{"level":"error","msg":"pump is dry"}'
OTHER = b'{"level":"info","msg":"all is well"}'
BEGIN = 1_000_000_000.0
RULE = QueryRule(query="pump", threshold=3, window_s=60)


def tried(
    folder: Path,
    rule: QueryRule,
    hits: Sequence[float],
    until: float,
    since: float = BEGIN,
    listener: str = "http",
) -> Trial:
    folder.mkdir(exist_ok=True)
    at_begin = prefix(int(BEGIN * 1e9)) + OTHER + suffix("10.0.0.1", "http")
    lines = [prefix(int((BEGIN + at) * 1e9)) + HIT + suffix("10.0.0.1", listener) for at in sorted(hits)]
    Segment.at(folder, 0).path.write_bytes(b"".join([at_begin, *lines]))
    return try_rule(FolderLog(folder), rule, since, BEGIN + until)


def spans(trial: Trial) -> list[tuple[float, float, int]]:
    return [(one.since - BEGIN, one.until - BEGIN, one.matches) for one in trial.firings]


def test_enough_within_a_window_fire_until_they_leave_it(tmp_path: Path) -> None:
    trial = tried(tmp_path, RULE, [100, 110, 120, 130, 400], 1000)
    assert spans(trial) == [(120, 170, 4)]
    assert (trial.reach.entries, trial.reach.before) == (5, None)


def test_for_and_clear_join_and_suppress(tmp_path: Path) -> None:
    hits = [100, 101, 102, 200, 201, 202]
    assert spans(tried(tmp_path, RULE, hits, 1000)) == [(102, 160, 3), (202, 260, 3)]
    slow = QueryRule(query="pump", threshold=3, window_s=60, for_s=30, clear_s=50)
    assert spans(tried(tmp_path, slow, hits, 1000)) == [(132, 310, 3)]
    never = QueryRule(query="pump", threshold=3, window_s=60, for_s=90)
    assert spans(tried(tmp_path, never, hits, 1000)) == []


def test_what_fires_now_ends_now(tmp_path: Path) -> None:
    assert spans(tried(tmp_path, RULE, [100, 101, 102], 110)) == [(102, 110, 3)]


def test_too_few_fire_after_a_whole_window(tmp_path: Path) -> None:
    rule = QueryRule(query="pump", threshold=1, window_s=60, fewer=True)
    trial = tried(tmp_path, rule, [10, 100, 200], 300, since=BEGIN - 1e6)
    assert spans(trial) == [(71, 100, 0), (161, 200, 0), (261, 300, 0)]
    assert trial.since == BEGIN + 60


def test_imported_entries_do_not_count(tmp_path: Path) -> None:
    assert spans(tried(tmp_path, RULE, [100, 101, 102], 1000, listener=IMPORTED)) == []


def test_a_trial_without_time_is_about_the_newest_part(tmp_path: Path) -> None:
    hits = [float(at) for at in range(0, 40_000, 5)]
    tried(tmp_path, RULE, hits, 40_000)
    asked = iter([False, True])
    found = try_rule(FolderLog(tmp_path), RULE, BEGIN, BEGIN + 40_000, lambda: next(asked, True))
    assert found.reach.before is None or (
        found.since > BEGIN and found.reach.progress < 1 and found.limit == "time"
    )


def test_a_trial_of_too_many_steps_is_about_the_newest_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hits = [float(at) for at in range(0, 40_000, 2)]
    assert tried(tmp_path, RULE, hits, 40_000).limit == ""
    monkeypatch.setattr(rule_trial, "STEPS_MAX", 1000)
    trial = tried(tmp_path, RULE, hits, 40_000)
    assert trial.limit == "steps"
    assert BEGIN < trial.since < BEGIN + 39_000
    assert spans(trial) == [(trial.since - BEGIN, 40_000, 30)]
    rare = QueryRule(query="pump", threshold=3, window_s=6000)
    assert tried(tmp_path, rare, hits, 40_000).limit == ""


def test_firings_are_bounded(tmp_path: Path) -> None:
    rule = QueryRule(query="pump", window_s=1)
    trial = tried(tmp_path, rule, [float(at) for at in range(0, 3 * FIRINGS_MAX, 2)], 3 * FIRINGS_MAX)
    assert len(trial.firings) == FIRINGS_MAX
    assert trial.firings[-1].matches == 1
    assert trial.firings[-1].since == BEGIN + 3 * FIRINGS_MAX - 2


@pytest.mark.parametrize("seed", range(4))
def test_it_fires_as_the_live_rule_does(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    rule: dict[str, Any] = {
        "query": "pump",
        "threshold": chance.choice((1, 2, 3)),
        "window_s": 60.0,
        "fewer": seed == 3,
        "for_s": chance.choice((0.0, 10.0)),
        "clear_s": chance.choice((0.0, 30.0)),
    }
    server = Server(tmp_path / "live", pump=rule)
    begin = server.now + 1e9
    hits = sorted(float(chance.randrange(70, 900)) for _ in range(25))
    fired = []
    left = list(hits)
    for second in range(1, 1000):
        while left and left[0] <= second:
            server.arrive(HIT, ago_s=-1 if left.pop(0) == second else 0)
        server.pass_time(1)
        if server.alerts.firing():
            fired.append(second)
    folder = tmp_path / "past"
    folder.mkdir()
    at_begin = prefix(int(begin * 1e9)) + OTHER + suffix("10.0.0.1", "http")
    lines = [prefix(int((begin + at) * 1e9)) + HIT + suffix("10.0.0.1", "http") for at in hits]
    Segment.at(folder, 0).path.write_bytes(b"".join([at_begin, *lines]))
    trial = try_rule(FolderLog(folder), QueryRule(**rule), begin, begin + 999)
    wanted = {
        second for one in trial.firings for second in range(int(one.since - begin), int(one.until - begin))
    }
    assert len(set(fired) ^ wanted) <= 4 * max(1, len(trial.firings))  # each edge within two seconds
    assert bool(fired) == bool(wanted)
