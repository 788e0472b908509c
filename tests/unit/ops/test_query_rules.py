"""Rules with a query: alerts about what entries say, over a clock that is set by hand."""

from pathlib import Path

import pytest

from logboom.ops.alerts.window_count import STEPS, STEPS_KEPT, WindowCount
from tests.unit.ops.alerts_world import TARGET, Server

DRY = {"query": "pump level:error", "threshold": 3, "window_s": 60}
BEAT = {"query": "heartbeat", "threshold": 2, "window_s": 60, "fewer": True}
ERROR = b'{"level":"error","msg":"Pump 2 is dry","device":"greenhouse-3"}'
OTHER = b'{"level":"info","msg":"pump 2 is on"}'


def test_enough_entries_within_the_window_fire_and_their_absence_resolves(tmp_path: Path) -> None:
    server = Server(tmp_path, pump_dry=DRY)
    server.arrive(ERROR, OTHER, ERROR)
    server.pass_time(30)
    assert server.sent == []
    server.arrive(OTHER, ERROR)
    server.pass_time(5)
    text = "pump_dry: 3 entries within 60 s match pump level:error; the last: greenhouse-3: Pump 2 is dry"
    assert server.titles() == [f"⚠️ boom: {text}"]
    assert server.alerts.document()["alerts"][0]["rule"] == "pump_dry"
    assert server.alerts.rules == [
        {
            "name": "pump_dry",
            "query": "pump level:error",
            "threshold": 3,
            "window_s": 60.0,
            "fewer": False,
            "matches": 3,
        }
    ]
    [rule] = server.alerts.document()["rules"]
    assert (rule["origin"], rule["matches"], rule["targets"], rule["trouble"]) == (
        "configuration",
        3,
        [],
        None,
    )
    server.pass_time(26)
    assert server.titles()[1:] == ["✅ boom: pump_dry: few entries match pump level:error"]


def test_entries_further_apart_than_the_window_do_not_fire(tmp_path: Path) -> None:
    server = Server(tmp_path, pump_dry=DRY)
    for _ in range(5):
        server.arrive(ERROR)
        server.pass_time(31)
    assert server.sent == []


def test_for_s_delays_the_alert(tmp_path: Path) -> None:
    server = Server(tmp_path, pump_dry={**DRY, "threshold": 1, "window_s": 20, "for_s": 15})
    server.arrive(ERROR)
    server.pass_time(14)
    assert server.sent == []
    server.pass_time(3)
    assert len(server.sent) == 1


def test_too_few_entries_fire_after_a_whole_window_was_seen(tmp_path: Path) -> None:
    server = Server(tmp_path, beat=BEAT)
    server.pass_time(59)
    assert server.sent == []
    server.pass_time(1)
    text = "beat: only 0 entries within 60 s match heartbeat, expected 2"
    assert server.titles() == [f"⚠️ boom: {text}"]
    server.arrive(b'{"msg":"heartbeat"}', b'{"type":"heartbeat"}')
    server.pass_time(1)
    assert server.titles()[1:] == ["✅ boom: beat: enough entries match heartbeat again"]


def test_a_server_that_could_not_store_does_not_count_as_too_few_entries(tmp_path: Path) -> None:
    server = Server(tmp_path, beat=BEAT)
    server.journal.failing = "disk full"
    server.pass_time(100)
    server.journal.failing = None
    server.pass_time(59)
    assert not [title for title in server.titles() if "beat" in title]
    server.pass_time(1)
    assert [title for title in server.titles() if "beat" in title]


def test_imported_entries_do_not_fire(tmp_path: Path) -> None:
    server = Server(tmp_path, pump_dry=DRY)
    server.arrive(*[ERROR] * 10, listener="import")
    server.pass_time(3)
    assert (server.sent, server.matches()) == ([], [0])


def test_skipped_entries_are_reported_and_do_not_count_as_absent(tmp_path: Path) -> None:
    server = Server(tmp_path, beat=BEAT)
    server.pass_time(50)
    server.alerts.reader.skip_to(5_000_000)
    assert server.told == ["warning: alerts: rules with a query skipped 5,000,000 entries: too many arrive"]
    server.pass_time(59)
    assert server.sent == []


def test_a_rule_with_targets_of_its_own_sends_there_only(tmp_path: Path) -> None:
    own = "json://127.0.0.1:9/pumps"
    server = Server(tmp_path, pump_dry={**DRY, "targets": [own]}, beat=BEAT)
    server.arrive(*[ERROR] * 3)
    server.pass_time(65)
    urls = [(url, message.title.partition(": ")[2].partition(":")[0]) for url, message in server.by_url]
    assert urls == [(own, "pump_dry"), (TARGET, "beat"), (own, "pump_dry")]


def test_counts_and_alerts_survive_a_restart(tmp_path: Path) -> None:
    server = Server(tmp_path, pump_dry=DRY, beat=BEAT)
    server.arrive(ERROR, ERROR)
    server.pass_time(62)  # beat fires, and that is saved
    server.arrive(ERROR, ERROR)
    server.stop()
    server.open()
    server.pass_time(1)
    assert (server.matches(), server.alerts.reader.position) == ([2, 0], 4)
    server.arrive(ERROR)
    server.pass_time(1)
    titles = [title.partition(" boom: ")[2].partition(":")[0] for title in server.titles()]
    assert titles == ["beat", "pump_dry"]  # beat is neither repeated nor resolved


@pytest.mark.parametrize("content", [b"", b"[]", b'{"version":1,"position":-', b"\xff"])
def test_damaged_counts_start_at_zero(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "alert-rules.json").write_bytes(content)
    server = Server(tmp_path, pump_dry=DRY)
    assert server.matches() == [0]
    assert [text.partition(" can't")[0] for text in server.told] == ["warning: alerts: the saved counts"]


def test_counts_of_another_journal_or_query_start_at_zero(tmp_path: Path) -> None:
    server = Server(tmp_path, pump_dry=DRY)
    server.arrive(ERROR, ERROR)
    server.stop()
    server.table["rules"]["pump_dry"] = {**DRY, "query": "pump"}
    server.open()
    assert server.matches() == [0]
    server.table["rules"]["pump_dry"] = DRY
    server.end = 1
    server.open()
    assert (server.matches(), server.alerts.reader.position) == ([0], 1)


def test_rules_are_taken_over_while_the_server_runs(tmp_path: Path) -> None:
    server = Server(tmp_path, pump_dry=DRY)
    server.arrive(ERROR, ERROR)
    server.configure(pump_dry={**DRY, "threshold": 2}, any={"query": "*"})
    assert len(server.sent) == 1
    server.arrive(OTHER)
    server.pass_time(1)
    assert server.matches() == [2, 1]
    server.configure(any={"query": "*", "enabled": False})
    assert (server.alerts.rules, server.alerts.firing(), len(server.sent)) == ([], [], 2)
    server.stop()
    assert not (tmp_path / "alert-rules.json").exists()


def test_the_last_entry_forges_no_lines_and_is_cut(tmp_path: Path) -> None:
    server = Server(tmp_path, pump_dry={**DRY, "threshold": 1})
    server.arrive(b'{"level":"error","msg":"pump\\n\\u001b[31m' + b"x" * 500 + b'"}')
    server.pass_time(1)
    [title] = server.titles()
    assert title.isprintable()
    assert len(title) < 300


def test_a_count_has_bounded_memory_also_when_the_clock_is_set() -> None:
    count = WindowCount(60.0)
    for second in [*range(100_000, 110_000), *range(1000, 3000)]:
        count.add(second, 1)
    assert len(count.steps) <= STEPS_KEPT
    assert WindowCount(60.0, {100: 5}).within(100.0 + STEPS - 1) == 5
    assert WindowCount(60.0, {100: 5}).within(100.0 + STEPS) == 0
    assert WindowCount(60.0, {100: 5}).within(100.0 + STEPS, more=True) == 5
