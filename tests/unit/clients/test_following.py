"""Following a path: rotation, truncation, restarts. No server, no waiting: each look at the file is called."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from logboom.clients.collector import CollectorDialect
from logboom.clients.delivery import ConnectFailedError
from logboom.clients.dialect import Dialect
from logboom.clients.followed import OLD_FILES_MAX
from logboom.clients.following import Follower, FollowOptions
from logboom.clients.lastlines import LastLines, last_lines, trim
from logboom.clients.multiline import Grouping
from logboom.clients.report import Report
from logboom.clients.shipping import Text
from logboom.clients.statefile import State, StateFile, StateInUseError, Window, default_path
from logboom.clients.websocket import WebSocketDialect

NOW = FollowOptions(interval_s=0.0, old_file_quiet_s=0.0)


class FakeShipper:
    """Remembers what it was given; can lose its server in the middle of a window."""

    def __init__(self, dialect: Dialect | None = None, window: int = 2) -> None:
        self.dialect = dialect or CollectorDialect()
        self.window = window
        self.report = Report()
        self.sent: list[bytes] = []
        self.payloads: list[bytes] = []
        self.fails_after: int | None = None

    async def open(self) -> None:
        pass

    async def ship(self, texts: Sequence[Text]) -> None:
        assert len(texts) <= self.window
        for text in texts:
            if self.fails_after is not None and len(self.sent) >= self.fails_after:
                raise ConnectFailedError("away")
            self.sent.append(text.data)

    async def ship_list(self, text: Text) -> None:
        await self.ship([text])

    async def ship_payloads(self, payloads: Sequence[bytes]) -> None:
        self.payloads += payloads

    async def close(self) -> None:
        pass


class Run:
    """One run of a follower, up to its end or to a crash."""

    def __init__(self, path: Path, options: FollowOptions = NOW, shipper: FakeShipper | None = None) -> None:
        self.shipper = shipper or FakeShipper()
        self.said: list[str] = []
        self.state_file = StateFile(path.with_name("state.json"))
        self._follower = Follower(path, self.state_file, self.shipper, options, self.said.append)  # type: ignore[arg-type]
        asyncio.run(self._follower._resume())

    def look(self) -> list[bytes]:
        """Look at the file; returns what went out."""
        seen = len(self.shipper.sent)
        asyncio.run(self._follower.send_all())
        return self.shipper.sent[seen:]

    def end(self) -> None:
        """As a crash: nothing is saved."""
        self._follower._followed.close()
        self.state_file.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_every_line_once(path: Path) -> None:
    path.write_bytes(b"one\ntwo\nthree\n")
    run = Run(path)
    assert run.look() == [b"one", b"two", b"three"]
    assert run.look() == []
    append(path, b"four\nfi")
    assert run.look() == [b"four"]
    append(path, b"ve\n")
    assert run.look() == [b"five"]


def test_the_file_may_come_later(path: Path) -> None:
    run = Run(path)
    assert run.look() == []
    path.write_bytes(b"one\n")
    assert run.look() == [b"one"]


def test_from_the_end(path: Path) -> None:
    path.write_bytes(b"old\n")
    run = Run(path, NOW._replace(from_end=True))
    assert run.look() == []
    append(path, b"new\n")
    assert run.look() == [b"new"]
    run.end()
    append(path, b"newer\n")
    assert Run(path, NOW._replace(from_end=True)).look() == [b"newer"]


def test_a_restart_goes_on_where_the_last_run_was(path: Path) -> None:
    path.write_bytes(b"one\ntwo\n")
    run = Run(path)
    run.look()
    run.end()
    append(path, b"three\n")
    assert Run(path).look() == [b"three"]


def test_only_settled_lines_count(path: Path) -> None:
    path.write_bytes(b"1\n2\n3\n4\n5\n")
    run = Run(path)
    run.shipper.fails_after = 3
    with pytest.raises(ConnectFailedError, match="away"):
        run.look()
    run.end()
    assert Run(path).look() == [b"3", b"4", b"5"]  # the window of 3 and 4 was not settled


def test_rotation_by_rename(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path, NOW._replace(old_file_quiet_s=3600.0))
    run.look()
    append(path, b"two\n")
    moved = path.rename(path.with_name("app.log.1"))
    append(moved, b"three\n")  # its writer has not noticed yet
    path.write_bytes(b"four\n")
    assert run.look() == [b"two", b"three", b"four"]
    append(moved, b"five\n")
    append(path, b"six\n")
    assert run.look() == [b"five", b"six"]


def test_the_old_file_is_finished_with_its_last_unfinished_line(path: Path) -> None:
    path.write_bytes(b"one\ntw")
    run = Run(path)
    run.look()
    path.rename(path.with_name("app.log.1"))
    path.write_bytes(b"three\n")
    assert sorted(run.look() + run.look()) == [b"three", b"tw"]
    assert run.look() == []


def test_a_renamed_file_is_read_on_while_there_is_no_new_one(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path)
    run.look()
    moved = path.rename(path.with_name("app.log.1"))
    append(moved, b"two\n")
    assert run.look() == [b"two"]


def test_copy_and_truncate(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path)
    run.look()
    append(path, b"two\n")
    path.with_name("app.log.1").write_bytes(path.read_bytes())
    os.truncate(path, 0)
    append(path, b"three is longer than all that was there before\n")
    assert run.look() == [b"two", b"three is longer than all that was there before"]
    assert run.look() == []


def test_truncation_without_a_copy_is_told(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path)
    run.look()
    os.truncate(path, 0)
    append(path, b"2\n")
    assert run.look() == [b"2"]
    assert "was truncated" in run.said[0]


def test_rotations_while_nobody_looked(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path)
    run.look()
    run.end()
    append(path, b"two\n")
    path.rename(path.with_name("app.log.2"))
    path.with_name("app.log.1").write_bytes(b"three\n")
    path.write_bytes(b"four\n")
    for age, name in enumerate(["app.log", "app.log.1", "app.log.2"]):
        os.utime(path.with_name(name), (1000 - age, 1000 - age))
    assert Run(path).look() == [b"two", b"three", b"four"]


def test_copy_and_truncate_while_nobody_looked(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path)
    run.look()
    run.end()
    path.with_name("app.log.1").write_bytes(b"one\ntwo\n")
    path.write_bytes(b"a new beginning\n")
    assert Run(path).look() == [b"two", b"a new beginning"]


def test_a_file_that_is_gone_is_told(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path)
    run.look()
    run.end()
    path.unlink()
    path.write_bytes(b"another\n")
    run = Run(path)
    assert run.look() == [b"another"]
    assert "is gone" in run.said[0]


def test_many_rotations_are_bounded(path: Path) -> None:
    run = Run(path, NOW._replace(old_file_quiet_s=3600.0))
    count = OLD_FILES_MAX + 3
    for number in range(count):
        path.write_bytes(b"%d\n" % number)
        assert run.look() == [b"%d" % number]
        path.rename(path.with_name(f"app.log.{number}"))
    path.write_bytes(b"last\n")
    assert run.look() == [b"last"]
    assert any("rotated faster" in text for text in run.said)


def test_stack_traces_and_colours(path: Path) -> None:
    path.write_bytes(b"\x1b[31mred\x1b[0m\n  more\nnext\n")
    run = Run(path, NOW._replace(grouping=Grouping(joins_traces=True), strips_ansi=True))
    assert run.look() == [b"red\n  more", b"next"]


def test_colours_are_kept_unless_asked_otherwise(path: Path) -> None:
    path.write_bytes(b"\x1b[31mred\x1b[0m\n")
    assert Run(path).look() == [b"\x1b[31mred\x1b[0m"]


def test_lines_that_are_too_long_are_counted(path: Path) -> None:
    path.write_bytes(b"x" * (2 << 20) + b"\nnext\n")
    run = Run(path)
    assert run.look() == [b"next"]
    assert run.shipper.report.refused == {"line too long": 1}


def test_after_a_crash_the_same_messages_are_made_again(path: Path) -> None:
    """With the same timestamps, so that the server can be asked for them."""
    path.write_bytes(b"one\ntwo\n\nfour\n")
    run = Run(path, shipper=FakeShipper(WebSocketDialect("app"), window=10))
    run.shipper.fails_after = 2
    with pytest.raises(ConnectFailedError, match="away"):
        run.look()
    run.end()
    state = StateFile(path.with_name("state.json"))
    saved = state.load()
    state.close()
    assert saved is not None
    assert saved.window is not None
    moments_us = saved.window.moments_us
    assert moments_us == sorted(set(moments_us))
    assert saved.window == Window(0, [4, 8, 9, 14], moments_us)
    append(path, b"five\n")
    dialect = WebSocketDialect("app")
    again = Run(path, shipper=FakeShipper(dialect, window=10))
    first, second, _, fourth = moments_us
    expected = [
        dialect.encode_text(text, moment)
        for text, moment in [(b"one", first), (b"two", second), (b"four", fourth)]
    ]
    assert again.shipper.payloads == expected
    assert list(dialect._doubtful) == expected
    assert again.look() == [b"five"]


def test_a_state_file_has_one_user(path: Path) -> None:
    first = StateFile(path)
    with pytest.raises(StateInUseError, match="--state"):
        StateFile(path)
    first.close()
    StateFile(path).close()


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"path":"x","files":[],"version":99}'])
def test_a_state_that_cannot_be_read_is_none(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    state_file = StateFile(path)
    assert state_file.load() is None
    state_file.save(State("x", []))
    assert state_file.load() == State("x", [])
    state_file.close()


def test_each_server_has_its_own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    paths = {default_path(Path(file), url) for file in ("a.log", "b.log") for url in ("ws://x:1", "ws://y:1")}
    assert len(paths) == 4
    assert all(path.is_relative_to(tmp_path / "logboom") for path in paths)


# the original sender's mode


def look(sender: LastLines, shipper: FakeShipper) -> list[bytes]:
    seen = len(shipper.sent)
    asyncio.run(sender.send_changes())
    return shipper.sent[seen:]


def test_the_last_lines_go_out_when_they_change(path: Path) -> None:
    shipper = FakeShipper()
    sender = LastLines(path, 2, shipper)  # type: ignore[arg-type]
    assert look(sender, shipper) == []
    path.write_bytes(b"one\ntwo\n\n  \nthree\r\n")
    assert look(sender, shipper) == [b"two\nthree"]
    assert look(sender, shipper) == []
    append(path, b"\n")
    assert look(sender, shipper) == []
    append(path, b"four\n")
    assert look(sender, shipper) == [b"three\nfour"]
    assert path.read_bytes().startswith(b"one\n")


def test_trim_rewrites_the_file_and_its_writer_goes_on(path: Path) -> None:
    shipper = FakeShipper()
    sender = LastLines(path, 2, shipper, trims=True, strips_ansi=True)  # type: ignore[arg-type]
    with path.open("ab", buffering=0) as writer:
        writer.write(b"one\ntwo\n\x1b[32mthree\x1b[0m\n")
        assert look(sender, shipper) == [b"two\nthree"]
        assert path.read_bytes() == b"two\n\x1b[32mthree\x1b[0m\n"
        assert look(sender, shipper) == []
        writer.write(b"four\n")
        assert look(sender, shipper) == [b"three\nfour"]


def test_the_end_of_a_large_file_is_enough(path: Path) -> None:
    path.write_bytes(b"a line that is quite long\n" * 50_000 + b"last\n")
    assert last_lines(path, 2) == [b"a line that is quite long", b"last"]
    trim(path.with_name("missing"), 2)
