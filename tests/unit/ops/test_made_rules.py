"""File of the rules that were made on the page: its targets, damage, other versions, and what goes with a rule."""

import errno
import json
from pathlib import Path

import pytest

from logboom.errors import StorageError
from logboom.ops.alerts.rule_book import RuleConflictError
from logboom.ops.kept_file import ASIDE_MAX
from tests.unit.ops.alerts_world import Server

ERROR = b'{"level":"error","msg":"Pump 2 is dry","device":"greenhouse-3"}'
QUERY = "pump level:error"
DRY = {"query": QUERY, "window_s": 60}
SLACKS = ["slack://TokenA/TokenB/first", "slack://TokenA/TokenB/second"]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def mute(server: Server, subject: str = "") -> None:
    assert server.alerts.mute("dry", subject, server.now + 1e9 + 100, "anna")


def urls_of(server: Server) -> list[str]:
    """URLs that get a message when the rule fires."""
    server.pass_time(70)
    del server.by_url[:]
    server.arrive(ERROR)
    server.pass_time(1)
    return [url for url, _ in server.by_url]


@pytest.mark.parametrize("legacy", [False, True])
def test_a_made_rule_keeps_its_target_when_the_order_changes(server: Server, legacy: bool) -> None:
    server.table["notify"] = SLACKS
    server.open()
    server.alerts.put_rule("dry", {**DRY, "targets": ["slack://… #2"]}, is_new=True)
    if legacy:
        path = server.data_dir / "alert-rules-made.json"
        kept = json.loads(path.read_text())
        path.write_text(json.dumps({name: kept[name] for name in ("version", "rules")}))
        server.open()
    server.table["notify"] = SLACKS[::-1]
    server.open()
    assert urls_of(server) == [SLACKS[1]]
    [rule] = server.alerts.document()["rules"]
    assert (rule["targets"], rule["trouble"]) == (["slack://… #1"], None)


def test_a_rule_without_its_targets_notifies_none(server: Server) -> None:
    server.table["notify"] = SLACKS
    server.open()
    server.alerts.put_rule("dry", {**DRY, "targets": ["slack://… #1"]}, is_new=True)
    server.table["notify"] = [SLACKS[1], "slack://TokenA/TokenB/third"]
    server.open()
    assert urls_of(server) == []
    [rule] = server.alerts.document()["rules"]
    assert rule["trouble"] == "notifies no target: no longer configured: slack://… #1"
    assert rule["targets"] == ["slack://… #1 (no longer configured)"]
    server.table["notify"] = SLACKS
    server.open()
    assert urls_of(server) == SLACKS[:1]


def test_a_made_rule_follows_targets_over_a_reload(server: Server) -> None:
    server.configure(one={**DRY, "query": "x", "targets": SLACKS[:1]})
    server.alerts.put_rule("dry", {**DRY, "targets": ["slack://…"]}, is_new=True)
    server.configure(one={**DRY, "query": "x", "targets": SLACKS[1:]})
    assert urls_of(server) == []
    server.configure(one={**DRY, "query": "x", "targets": SLACKS[::-1]})
    assert urls_of(server) == SLACKS[:1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("alert-rules-made.json", "is set aside"),
        ("alerts.json", "the saved state can't be read"),
        ("alert-rules.json", "the saved counts can't be read"),
        ("sources.json", "can't be read"),
    ],
)
def test_deep_nesting_does_not_prevent_the_start(tmp_path: Path, name: str, text: str) -> None:
    deep = "[" * 100_000
    content = f'{{"version":1,"rules":{{"dry":{{"query":{deep}'
    if name != "alert-rules-made.json":
        content = f'{{"version":1,"alerts":{deep}'
    (tmp_path / name).write_text(content)
    server = Server(tmp_path, dry=DRY)
    assert any(text in one for one in server.told)


def test_each_damaged_file_is_kept(server: Server) -> None:
    path = server.data_dir / "alert-rules-made.json"
    for content in ("one", "two"):
        path.write_text(content)
        server.open()
    assert path.with_suffix(".damaged").read_text() == "one"
    assert path.with_suffix(".damaged-2").read_text() == "two"
    for number in range(3, ASIDE_MAX + 1):
        path.with_suffix(f".damaged-{number}").touch()
    path.write_text("three")
    refused(server, f"{ASIDE_MAX} damaged files are there already")
    assert path.read_text() == "three"


def refused(server: Server, reason: str) -> None:
    server.open()
    assert server.alerts.document()["rules"] == []
    with pytest.raises(StorageError, match=reason):
        server.alerts.put_rule("wet", DRY, is_new=True)
    with pytest.raises(StorageError, match=reason):
        server.alerts.remove_rule("dry")


def test_rules_that_can_not_be_read_stay_and_are_not_replaced(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.alerts.put_rule("dry", DRY, is_new=True)
    path = server.data_dir / "alert-rules-made.json"
    before, read = path.read_bytes(), Path.read_bytes

    def fail(file: Path) -> bytes:
        if file == path:
            raise OSError(errno.EIO, "Input/output error")
        return read(file)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fail)
        refused(server, "until alert-rules-made.json can be read at a start: Input/output error")
    newer = b'{"version":2,"rules":["another form"]}'
    assert path.read_bytes() == before
    path.write_bytes(newer)
    refused(server, "expected version 1, found 2")
    assert path.read_bytes() == newer
    assert not path.with_suffix(".damaged").exists()


def test_a_built_in_rule_in_the_file_is_left_out(server: Server) -> None:
    path = server.data_dir / "alert-rules-made.json"
    path.write_text(json.dumps({"version": 1, "rules": {"disk": DRY, "dry": DRY}}))
    server.open()
    assert [one["name"] for one in server.alerts.document()["rules"]] == ["dry"]
    assert [one["name"] for one in server.alerts.rules] == ["dry"]
    assert "disk is left out" in server.told[-1]


def test_a_hidden_rule_has_no_count_and_can_be_removed(server: Server) -> None:
    server.alerts.put_rule("dry", DRY, is_new=True)
    server.configure(dry=DRY)
    server.arrive(ERROR)
    assert [one["matches"] for one in server.alerts.document()["rules"]] == [1, None]
    mute(server)
    server.alerts.remove_rule("dry")
    assert [one["origin"] for one in server.alerts.document()["rules"]] == ["configuration"]
    assert len(server.alerts.document()["mutes"]) == 1
    with pytest.raises(RuleConflictError, match="can only be changed there"):
        server.alerts.remove_rule("dry")


def test_a_rule_is_removed_with_its_mutes(server: Server) -> None:
    server.alerts.put_rule("dry", DRY, is_new=True)
    mute(server)
    mute(server, QUERY)
    server.alerts.mute("disk", "", server.now + 1e9 + 100, "anna")
    server.alerts.remove_rule("dry")
    server.open()
    assert [one["rule"] for one in server.alerts.document()["mutes"]] == ["disk"]
