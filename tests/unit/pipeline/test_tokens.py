"""Tokens: made once, kept as hashes, good until revoked."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from logboom.errors import ConfigError
from logboom.pipeline.tokens import RELOAD_INTERVAL_S, TokenStore, add_token, read_tokens, revoke_token
from tests.kit.clock import Clock


def test_only_the_hash_of_a_token_is_kept_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "tokens.json"
    text = add_token(path, "anna", ("read",))
    assert text not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    identity = TokenStore(path).identify(text)
    assert identity is not None
    assert identity.name == "anna"
    assert (identity.may("read"), identity.may("write")) == (True, False)
    assert TokenStore(path).identify(text[:-1]) is None
    assert TokenStore(path).identify(json.loads(path.read_text())[0]["sha256"]) is None


def test_admin_may_do_everything(tmp_path: Path) -> None:
    text = add_token(tmp_path / "t", "root", ("admin",))
    identity = TokenStore(tmp_path / "t").identify(text)
    assert identity is not None
    assert identity.may("read")
    assert identity.may("write")


def test_a_running_server_notices_additions_and_revocations(tmp_path: Path) -> None:
    clock = Clock()
    store = TokenStore(tmp_path / "t", clock=clock)
    text = add_token(tmp_path / "t", "anna", ("read",))
    assert store.identify(text) is None
    clock.now += RELOAD_INTERVAL_S
    assert store.identify(text) is not None
    revoke_token(tmp_path / "t", "anna")
    clock.now += RELOAD_INTERVAL_S
    assert store.identify(text) is None


def test_a_power_cut_brings_no_revoked_token_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file's new name is only sure to stay once its folder is synced."""
    path = tmp_path / "deep" / "tokens.json"
    add_token(path, "anna", ("read",))
    synced: list[tuple[str, str]] = []

    def fsync(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, path.read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    revoke_token(path, "anna")
    [_, (folder, content)] = synced
    assert (folder, content.strip()) == ("deep", "[]")


def test_a_file_that_was_damaged_while_running_locks_nobody_out(tmp_path: Path) -> None:
    clock = Clock()
    text = add_token(tmp_path / "t", "anna", ("read",))
    told: list[tuple[str, str]] = []
    store = TokenStore(tmp_path / "t", lambda *event: told.append(event), clock)
    (tmp_path / "t").write_text("{nonsense")
    clock.now += RELOAD_INTERVAL_S
    assert store.identify(text) is not None
    assert [kind for kind, _ in told] == ["error"]
    with pytest.raises(ConfigError, match="can't read the tokens"):
        TokenStore(tmp_path / "t")


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 65, "-a", "a\n"])
def test_names_are_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="found the name"):
        add_token(tmp_path / "t", name, ("read",))


@pytest.mark.parametrize("scopes", [(), ("everything",), ("read", "x")])
def test_scopes_are_known(tmp_path: Path, scopes: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="expected some of write, read, admin"):
        add_token(tmp_path / "t", "anna", scopes)


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    add_token(tmp_path / "t", "anna", ("read",))
    with pytest.raises(ConfigError, match="already"):
        add_token(tmp_path / "t", "anna", ("write",))
    with pytest.raises(ConfigError, match="there is no token 'bert'; there are anna"):
        revoke_token(tmp_path / "t", "bert")
    assert [token.name for token in read_tokens(tmp_path / "t")] == ["anna"]


def test_commands_at_the_same_time_undo_nothing_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    for number in range(10):
        add_token(path, f"old-{number}", ("read",))
    with ThreadPoolExecutor(
        max_workers=20
    ) as commands:  # each opens the folder anew: a lock as between processes
        added = commands.map(lambda number: add_token(path, f"new-{number}", ("read",)), range(10))
        revoked = commands.map(lambda number: revoke_token(path, f"old-{number}"), range(10))
    assert len(list(added)) == len(list(revoked)) == 10
    assert sorted(token.name for token in read_tokens(path)) == [f"new-{number}" for number in range(10)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_changes_the_server_can_still_read(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    path = tmp_path / "tokens.json"
    add_token(path, "one", ("read",))
    assert path.stat().st_uid == 65534, "the folder's owner"
    os.chown(path, 1, 1)
    revoke_token(path, "one")
    assert path.stat().st_uid == 1, "the owner from before"
