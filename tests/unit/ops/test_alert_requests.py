"""Alerts as people handle them: rules made on the page, muting, acknowledging, history, test messages."""

import json
import threading
from pathlib import Path

import pytest

from logboom.errors import ConfigError, StorageError
from logboom.ops.alerts.lifecycle import PAST_MAX
from logboom.ops.alerts.muting import MUTE_S_MAX, MUTES_MAX
from logboom.ops.alerts.notification import Message
from logboom.ops.alerts.rule_book import MADE_MAX, RuleConflictError
from tests.unit.ops.alerts_world import Server

ERROR = b'{"level":"error","msg":"Pump 2 is dry","device":"greenhouse-3"}'
DRY = {"query": "pump level:error", "window_s": 60}
KEY = ("dry", "pump level:error")
FIRES = "⚠️ boom: dry: 1 entry within 60 s match pump level:error; the last: greenhouse-3: Pump 2 is dry"
ENDS = "✅ boom: dry: few entries match pump level:error"


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def states(server: Server) -> list[str]:
    return [one["state"] for one in server.alerts.document()["alerts"]]


def restart(server: Server) -> None:
    server.stop()
    server.open()


# --- rules that were made


def test_a_rule_that_was_made_fires_and_outlives_a_restart(server: Server) -> None:
    server.alerts.put_rule("dry", DRY, is_new=True)
    server.pass_time(1)
    server.arrive(ERROR)
    server.pass_time(2)
    restart(server)
    server.pass_time(1)
    [rule] = server.alerts.document()["rules"]
    assert (rule["name"], rule["origin"], rule["matches"]) == ("dry", "page", 1)
    assert server.titles() == [FIRES]
    server.pass_time(60)
    assert server.titles() == [FIRES, ENDS]


def test_a_rule_is_changed_and_removed_without_a_message(server: Server) -> None:
    server.alerts.put_rule("dry", DRY, is_new=True)
    server.pass_time(1)
    server.arrive(ERROR)
    server.pass_time(1)
    server.alerts.put_rule("dry", {**DRY, "threshold": 5}, is_new=False)
    server.pass_time(1)
    assert server.alerts.document()["rules"][0]["threshold"] == 5
    assert server.titles() == [FIRES, ENDS]  # one entry does not suffice any more
    server.arrive(*[ERROR] * 5)
    server.pass_time(1)
    server.alerts.remove_rule("dry")
    server.pass_time(1)
    assert server.alerts.document()["rules"] == []
    assert len(server.titles()) == 3
    assert states(server) == ["resolved"]


def test_rules_of_the_configuration_are_only_read(tmp_path: Path) -> None:
    server = Server(tmp_path, dry=DRY)
    for name in ("dry", "disk"):
        with pytest.raises(RuleConflictError, match="can only be changed there"):
            server.alerts.put_rule(name, DRY, is_new=True)
        with pytest.raises(RuleConflictError, match="can only be changed there"):
            server.alerts.remove_rule(name)
    with pytest.raises(KeyError, match="wet"):
        server.alerts.remove_rule("wet")
    server.alerts.put_rule("wet", DRY, is_new=True)
    with pytest.raises(RuleConflictError, match="there is a rule wet already"):
        server.alerts.put_rule("wet", DRY, is_new=True)


def test_a_configured_rule_goes_before_one_that_was_made_of_the_same_name(server: Server) -> None:
    server.alerts.put_rule("dry", DRY, is_new=True)
    server.configure(dry={**DRY, "threshold": 7})
    rules = server.alerts.document()["rules"]
    assert [(one["origin"], one["threshold"], bool(one["trouble"])) for one in rules] == [
        ("configuration", 7, False),
        ("page", 1, True),
    ]
    assert [one["threshold"] for one in server.alerts.rules] == [7]


def test_wrong_settings_are_refused_and_change_nothing(server: Server) -> None:
    for table, text in (
        ({"query": "pump ("}, r"dry\.query: the query, at character 7"),
        ({**DRY, "threshold": 0}, r"dry\.threshold: found 0"),
        ({**DRY, "colour": "red"}, "colour"),
        (
            {**DRY, "targets": ["slack://…"]},
            r"dry\.targets: found 'slack://…', expected some of json://127.0.0.1:9",
        ),
    ):
        with pytest.raises(ConfigError, match=text):
            server.alerts.put_rule("dry", table, is_new=True)
    with pytest.raises(ConfigError, match="expected a name of up to 64 characters"):
        server.alerts.put_rule("Dry rule", DRY, is_new=True)
    assert server.alerts.document()["rules"] == []


def test_the_number_of_rules_is_bounded(server: Server) -> None:
    for number in range(MADE_MAX):
        server.alerts.put_rule(f"rule-{number}", DRY, is_new=True)
    with pytest.raises(RuleConflictError, match="which is the limit"):
        server.alerts.put_rule("one-more", DRY, is_new=True)
    server.alerts.put_rule("rule-0", {**DRY, "threshold": 2}, is_new=False)


def test_a_rule_that_can_not_be_saved_is_not_made(server: Server) -> None:
    (server.data_dir / ".alert-rules-made.json.new").mkdir()
    with pytest.raises(StorageError, match="the rule can't be saved"):
        server.alerts.put_rule("dry", DRY, is_new=True)
    assert server.alerts.document()["rules"] == []


def test_a_damaged_file_is_set_aside_and_a_damaged_rule_kept(server: Server) -> None:
    path = server.data_dir / "alert-rules-made.json"
    path.write_bytes(b"\xff")
    server.open()
    assert path.with_suffix(".damaged").read_bytes() == b"\xff"
    assert "can't be read, and is set aside" in server.told[-1]
    newer = {"query": "x", "later": 1}
    path.write_text(json.dumps({"version": 1, "rules": {"newer": newer, "dry": DRY}}))
    server.open()
    assert [one["name"] for one in server.alerts.document()["rules"]] == ["dry"]
    server.alerts.put_rule("wet", DRY, is_new=True)
    assert json.loads(path.read_text())["rules"]["newer"] == newer


def test_targets_are_named_and_no_secret_is_kept(server: Server) -> None:
    server.alerts.put_rule("dry", {**DRY, "targets": ["json://127.0.0.1:9"]}, is_new=True)
    server.pass_time(1)
    server.arrive(ERROR)
    server.pass_time(1)
    assert [title for _, (title, *_) in server.by_url] == [FIRES]
    assert "hunter2" not in (server.data_dir / "alert-rules-made.json").read_text()
    assert server.alerts.document()["rules"][0]["targets"] == ["json://127.0.0.1:9"]


# --- muting


@pytest.fixture
def ruled(tmp_path: Path) -> Server:
    server = Server(tmp_path, dry=DRY)
    server.pass_time(1)
    return server


def mute(server: Server, subject: str = "", seconds: float = 100) -> None:
    assert server.alerts.mute("dry", subject, server.now + 1e9 + seconds, "anna")


@pytest.mark.parametrize("subject", ["", KEY[1]])
def test_what_begins_and_ends_while_it_is_muted_is_shown_and_not_sent(ruled: Server, subject: str) -> None:
    mute(ruled, subject)
    ruled.arrive(ERROR)
    ruled.pass_time(1)
    [alert] = ruled.alerts.document()["alerts"]
    assert (alert["state"], alert["muted_until"] is not None) == ("firing", True)
    assert ruled.alerts.urgent() == []
    ruled.pass_time(200)
    assert states(ruled) == ["resolved"]
    assert ruled.sent == []
    assert ruled.alerts.document()["mutes"] == []


def test_what_fires_still_when_the_time_is_over_is_sent_once(ruled: Server) -> None:
    mute(ruled, seconds=30)
    ruled.arrive(ERROR)
    ruled.pass_time(20)
    restart(ruled)
    ruled.pass_time(5)
    assert ruled.sent == []
    ruled.pass_time(20)
    restart(ruled)
    ruled.pass_time(5)
    assert ruled.titles() == [FIRES]


def test_the_end_of_what_was_sent_is_sent_while_it_is_muted(ruled: Server) -> None:
    ruled.arrive(ERROR)
    ruled.pass_time(1)
    mute(ruled, seconds=1000)
    ruled.pass_time(70)
    ruled.arrive(ERROR)
    ruled.pass_time(70)
    assert ruled.titles() == [FIRES, ENDS]


def test_unmuting_sends_what_fires(ruled: Server) -> None:
    mute(ruled)
    ruled.arrive(ERROR)
    ruled.pass_time(1)
    assert ruled.alerts.mute("dry", "", None, "anna")
    assert not ruled.alerts.mute("dry", "", None, "anna")
    ruled.pass_time(1)
    assert ruled.titles() == [FIRES]


def test_a_target_that_is_new_does_not_get_what_is_muted(ruled: Server) -> None:
    mute(ruled, seconds=1000)
    ruled.arrive(ERROR)
    ruled.pass_time(1)
    ruled.table["notify"] = [*ruled.table["notify"], "json://127.0.0.1:10/new"]
    ruled.open()
    ruled.pass_time(5)
    assert ruled.sent == []


def test_mutes_are_bounded_and_of_rules_that_exist(ruled: Server) -> None:
    wall = ruled.now + 1e9
    assert not ruled.alerts.mute("nosuch", "", wall + 1, "anna")
    for until in (wall, wall + MUTE_S_MAX + 1):
        with pytest.raises(ConfigError, match="within the next 366 days"):
            ruled.alerts.mute("dry", "", until, "anna")
    for number in range(MUTES_MAX):
        assert ruled.alerts.mute("disk", str(number), wall + 1, "anna")
    with pytest.raises(ConfigError, match="which is the limit"):
        ruled.alerts.mute("dry", "", wall + 1, "anna")


# --- acknowledging, history


def test_an_acknowledged_alert_is_marked_until_it_ends(ruled: Server) -> None:
    assert not ruled.alerts.acknowledge(*KEY, "anna", on=True)
    ruled.arrive(ERROR)
    ruled.pass_time(2)
    assert ruled.alerts.acknowledge(*KEY, "anna", on=True)
    restart(ruled)
    [alert] = ruled.alerts.document()["alerts"]
    assert (alert["acknowledged_by"], alert["acknowledged_at"]) == ("anna", "2001-09-09T04:33:23+00:00")
    assert ruled.alerts.urgent() == []
    ruled.pass_time(70)
    ruled.arrive(ERROR)
    ruled.pass_time(1)
    assert ruled.alerts.document()["alerts"][0]["acknowledged_at"] is None
    assert ruled.alerts.history(10)["alerts"][0]["acknowledged_by"] == "anna"
    assert ruled.titles() == [FIRES, ENDS, FIRES]
    assert ruled.alerts.acknowledge(*KEY, "anna", on=True)
    assert ruled.alerts.acknowledge(*KEY, "anna", on=False)
    assert len(ruled.alerts.urgent()) == 1


def test_the_history_has_each_time_an_alert_fired(ruled: Server) -> None:
    for _ in range(2):
        ruled.arrive(ERROR)
        ruled.pass_time(70)
    ruled.open()
    history = ruled.alerts.history(10)
    assert history["total"] == 2
    begins = [one["since"] for one in history["alerts"]]
    assert begins == sorted(begins, reverse=True)
    assert len(ruled.alerts.history(1)["alerts"]) == 1
    assert PAST_MAX >= 100


def test_an_older_file_of_alerts_is_read(ruled: Server) -> None:
    ruled.arrive(ERROR)
    ruled.pass_time(2)
    ruled.stop()
    path = ruled.data_dir / "alerts.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({name: kept[name] for name in ("version", "alerts", "untold")}))
    ruled.open()
    ruled.pass_time(1)
    assert ruled.titles() == [FIRES]
    ruled.pass_time(70)
    assert ruled.titles() == [FIRES, ENDS]


def test_people_change_nothing_where_alerts_are_off(ruled: Server) -> None:
    ruled.table["enabled"] = False
    ruled.open()
    with pytest.raises(ConfigError, match="alerts are off"):
        ruled.alerts.mute("dry", "", ruled.now + 1e9 + 5, "anna")
    with pytest.raises(ConfigError, match="alerts are off"):
        ruled.alerts.acknowledge(*KEY, "anna", on=True)


# --- test messages


def test_a_test_message_goes_to_the_chosen_targets_and_one_test_runs_at_a_time(ruled: Server) -> None:
    assert ruled.alerts.test_targets([], "dry") == {"json://127.0.0.1:9": None}
    assert ruled.titles() == ["💬 boom: test message of the rule dry"]
    ruled.trouble = "refused"
    assert ruled.alerts.test_targets(["json://127.0.0.1:9"], "") == {"json://127.0.0.1:9": "refused"}
    with pytest.raises(KeyError, match="nosuch"):
        ruled.alerts.test_targets(["nosuch"], "")


def test_two_tests_at_once_send_one_message(tmp_path: Path) -> None:
    began, gate = threading.Event(), threading.Event()

    class Slow(Server):
        def send(self, url: str, message: Message) -> str | None:
            began.set()
            assert gate.wait(10)
            return super().send(url, message)

    server = Slow(tmp_path)
    first = threading.Thread(target=server.alerts.test_targets, args=([], ""))
    first.start()
    assert began.wait(10)
    assert server.alerts.test_targets([], "") is None
    gate.set()
    first.join()
    assert len(server.sent) == 1
