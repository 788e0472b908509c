"""Following a path: rotation, truncation, restarts. No server, no waiting: each look at the file is called."""

import asyncio
import os
from pathlib import Path

import msgspec
import pytest

from logboom.clients.delivery import spool as spool_module
from logboom.clients.delivery.shipping import Text
from logboom.clients.follow import followed_path
from logboom.clients.follow.lastlines import LastLines, last_lines, trim
from logboom.clients.follow.multiline import Grouping
from logboom.clients.follow.position import FilePlace, digest
from logboom.clients.follow.statefile import FollowState, SentWindow, StateFile, StateInUseError, default_path
from logboom.clients.wire.collector_dialect import CollectorDialect
from logboom.clients.wire.websocket_dialect import WebSocketDialect
from tests.kit.follow_kit import NOW, Run

LATE = NOW._replace(old_file_quiet_s=3600.0)


class FakeShipper:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.dialect = CollectorDialect()
        self.sent: list[bytes] = []

    async def ship_list(self, text: Text) -> None:
        self.sent.append(text.data)


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


def test_what_was_read_and_not_delivered_outlives_a_crash(path: Path) -> None:
    path.write_bytes(b"1\n2\n3\n4\n5\n")
    run = Run(path)
    run.read()
    run.follower.spool.drop(len(run.follower.spool.peek(2, 1 << 20)))
    run.crash()
    append(path, b"6\n")
    run = Run(path)
    assert run.take() == [b"3", b"4", b"5"]
    assert run.look() == [b"6"]


def test_a_crash_between_two_reads_loses_and_doubles_nothing(path: Path) -> None:
    found = []
    for number in range(6):
        append(path, b"%d\n" % number)
        run = Run(path)
        run.read()
        append(path, b"%d again\n" % number)
        run.read()
        if number % 2:
            found += run.take()
        run.crash()
    assert found + Run(path).look() == [b"%d%s" % (n, rest) for n in range(6) for rest in (b"", b" again")]


def test_files_of_the_spool_come_and_go_without_a_loss(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "FILE_BYTES_MAX", 1500)
    found = []
    for number in range(12):
        append(path, b"%d\n" % number)
        run = Run(path)
        run.read()
        append(path, b"%d again\n" % number)
        run.read()
        if number % 3 == 2:
            found += run.take()
        run.crash()
    assert found + Run(path).look() == [b"%d%s" % (n, rest) for n in range(12) for rest in (b"", b" again")]


def test_a_full_spool_leaves_the_lines_in_the_file(path: Path) -> None:
    run = Run(path, NOW._replace(spool_bytes_max=600))
    written = []
    for number in range(20):
        append(path, b"line %d\n" % number)
        run.read()
        written.append(b"line %d" % number)
    found = run.take()
    assert 0 < len(found) < 20
    assert "the spool is full" in run.said[0]
    while more := run.look():
        found += more
    assert found == written


def test_rotations_while_the_spool_is_full(path: Path) -> None:
    """By rename and by copying: the unread files are held open, and read when there is room."""
    run = Run(path, LATE._replace(spool_bytes_max=500))
    written = []
    for number in range(30):
        append(path, b"line %d\n" % number)
        run.read()
        written.append(b"line %d" % number)
        if number % 3 == 1:
            moved = path.rename(path.with_name(f"app.log.{number}"))
            if number % 2:
                moved.unlink()
        if number % 3 == 2:
            path.with_name(f"app.log.{number}").write_bytes(path.read_bytes())
            os.truncate(path, 0)
    found = run.take()
    assert len(found) < 20
    while more := run.look():
        found += more
    assert found == written


def test_rotation_by_rename(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path, LATE)
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


def test_copies_that_were_read_are_not_read_again(path: Path) -> None:
    run = Run(path)
    written, found = [], []
    for number in range(5):
        append(path, b"%d one\n" % number)
        found += run.look()
        append(path, b"%d two\n" % number)
        path.with_name("app.log.1").write_bytes(path.read_bytes())  # always into the same file
        os.truncate(path, 0)
        written += [b"%d one" % number, b"%d two" % number]
        found += run.look() + run.look()
    assert found == written
    assert not run.said


def test_a_copy_that_is_not_followed_by_a_truncation(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path)
    run.look()
    path.with_name("app.log.1").write_bytes(b"one\n")
    append(path, b"two\n")
    assert run.look() == [b"two"]
    path.rename(path.with_name("app.log.2"))
    path.write_bytes(b"three\n")
    assert run.look() == [b"three"]


def test_truncation_without_a_copy(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path)
    run.look()
    os.truncate(path, 0)
    append(path, b"2\n")
    assert run.look() == [b"2"]
    assert run.said == [f"⚠️ {path} was truncated at byte 4; all that had been seen of it was read"]


@pytest.mark.parametrize("stops", [False, True])
def test_a_file_that_is_truncated_and_then_moved_away(path: Path, *, stops: bool) -> None:
    path.write_bytes(b"one, and the file is quite long\n")
    run = Run(path)
    assert run.look() == [b"one, and the file is quite long"]
    if stops:
        run.crash()
    path.write_bytes(b"two\n")
    path.rename(path.with_name("app.log.1"))
    path.write_bytes(b"three\n")
    if stops:
        run = Run(path)
    assert run.look() + run.look() == [b"two", b"three"]
    run.crash()
    run = Run(path)
    assert run.look() == []
    assert not any("gone" in text for text in run.said)


def test_lines_that_are_truncated_unread_are_reported(path: Path) -> None:
    run = Run(path, NOW._replace(spool_bytes_max=10))
    path.write_bytes(b"one\ntwo\n")
    run.read()
    path.write_bytes(b"new\n")
    run.read()
    assert "8 bytes from byte 0 on are lost" in run.said[-1]


def test_a_compressed_copy_is_named(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path)
    run.look()
    path.with_name("app.log.1.gz").write_bytes(b"compressed")
    path.write_bytes(b"2\n")
    assert run.look() == [b"2"]
    assert f"unless {path}.1.gz has them: decompress it, and send what follows byte 4" in run.said[0]


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_renames_faster_than_a_look(path: Path, count: int) -> None:
    path.write_bytes(b"0\n")
    run = Run(path)
    assert run.look() == [b"0"]
    for number in range(1, count + 1):
        for age in range(number, 0, -1):
            if (old := path.with_name(f"app.log.{age}")).exists():
                old.rename(path.with_name(f"app.log.{age + 1}"))
        path.rename(path.with_name("app.log.1"))
        path.write_bytes(b"%d\n" % number)
    assert run.look() == [b"%d" % number for number in range(1, count + 1)]
    assert run.look() == []
    assert not run.said


def test_copies_faster_than_a_look(path: Path) -> None:
    path.write_bytes(b"0\n")
    run = Run(path)
    assert run.look() == [b"0"]
    append(path, b"0 more\n")
    for number in range(1, 4):
        for age in range(number, 0, -1):
            if (old := path.with_name(f"app.log.{age}")).exists():
                old.rename(path.with_name(f"app.log.{age + 1}"))
        path.with_name("app.log.1").write_bytes(path.read_bytes())
        path.write_bytes(b"%d\n" % number)
    assert run.look() == [b"0 more", b"1", b"2", b"3"]


@pytest.mark.parametrize("more", [False, True])
def test_a_file_that_was_written_and_copied_between_two_looks(path: Path, *, more: bool) -> None:
    path.touch()
    run = Run(path)
    assert run.look() == []
    path.with_name("app.log.1").write_bytes(b"one\n")
    path.write_bytes(b"one\n")
    os.truncate(path, 0)
    if more:
        append(path, b"two\n")
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))  # clocks of file systems are coarse
    run.read()
    assert sorted(run.look()) == [b"one", b"two"][: 1 + more]
    assert run.look() == []


def test_a_file_that_is_copied_between_a_look_and_its_reading(path: Path) -> None:
    run = Run(path)
    path.write_bytes(b"one\n")
    run.follower._followed.refresh()
    path.with_name("app.log.1").write_bytes(b"one\n")
    path.write_bytes(b"two, longer than before\n")
    [file] = run.follower._followed.files
    assert not run.follower._read_some(file)
    assert run.look() == [b"one", b"two, longer than before"]


def test_rotated_files_of_before_are_none_of_ours(path: Path) -> None:
    path.with_name("app.log.1").write_bytes(b"old\n")
    path.write_bytes(b"one\n")
    run = Run(path)
    assert run.look() == [b"one"]
    path.with_name("app.log.1").rename(path.with_name("app.log.2"))
    path.rename(path.with_name("app.log.1"))
    path.write_bytes(b"two\n")
    assert run.look() == [b"two"]


def test_logs_of_others_are_left_alone(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path)
    run.look()
    for name in ("app-1.log", "app-errors.log", "other.log.1", "app.log.1.gz"):
        path.with_name(name).write_bytes(b"not ours\n")
    path.rename(path.with_name("app.log.1"))
    path.with_name("app-2.log").write_bytes(b"not ours\n")
    path.write_bytes(b"two\n")
    assert run.look() == [b"two"]


def test_late_lines_in_a_file_that_was_done_with(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path)
    run.look()
    moved = path.rename(path.with_name("app.log.1"))
    path.write_bytes(b"two\n")
    assert run.look() + run.look() == [b"two"]
    assert not run.follower._followed.old
    append(moved, b"late\n")
    moved.rename(path.with_name("app.log.2"))
    run.follower._late_lines_at = 0.0
    assert run.look() == [b"late"]


def test_a_deleted_file_is_read_to_its_end(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path)
    run.look()
    with path.open("ab", buffering=0) as writer:
        path.unlink()
        writer.write(b"two\n")
        assert run.look() == [b"two"]
        path.write_bytes(b"three\n")
        writer.write(b"four\n")
        assert run.look() == [b"four", b"three"]


def test_a_link_whose_target_rotates(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    link = tmp_path / "current"

    def turn(day: int) -> Path:
        target = tmp_path / "logs" / f"app-2025-01-{day:02}.log"
        target.write_bytes(b"day %d\n" % day)
        fresh = tmp_path / "fresh"
        fresh.symlink_to(target)
        fresh.rename(link)
        return target

    first = turn(1)
    run = Run(link)
    assert run.look() == [b"day 1"]
    append(first, b"day 1 late\n")
    turn(2)
    third = turn(3)
    assert run.look() == [b"day 1 late", b"day 2", b"day 3"]
    run.end()
    append(third, b"day 3 late\n")
    turn(4)
    turn(5)
    run = Run(link)
    assert run.look() == [b"day 3 late", b"day 4", b"day 5"]
    assert not run.said


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("app.log.2", "app.log.1"),
        ("app.log-20250101", "app.log-20250102"),
        ("app-20250101.log", "app-20250102.log"),
        ("app.2.log", "app.1.log"),
        ("app.log.old.2", "app.log.old"),
    ],
)
@pytest.mark.parametrize("crashes", [False, True])
def test_rotations_while_it_was_stopped(path: Path, first: str, second: str, crashes: bool) -> None:
    path.write_bytes(b"one\n")
    run = Run(path)
    run.look()
    (run.crash if crashes else run.end)()
    append(path, b"two\n")
    path.rename(path.with_name(first))
    path.with_name(second).write_bytes(b"three\n")
    path.write_bytes(b"four\n")
    for age, name in enumerate([second, first]):
        moment_ns = path.stat().st_mtime_ns - 1000 * (age + 1)
        os.utime(path.with_name(name), ns=(moment_ns, moment_ns))
    run = Run(path)
    assert run.look() == [b"two", b"three", b"four"]
    assert not run.said


@pytest.mark.parametrize("name", ["kept.txt", "archive/app.log.1", "app.log.old"])
def test_another_name_while_it_was_stopped(path: Path, name: str) -> None:
    text = b"a line that is long enough to tell its file from all the others\n"
    path.write_bytes(text)
    run = Run(path)
    run.look()
    run.end()
    append(path, b"two\n")
    path.with_name("archive").mkdir()
    path.rename(path.parent / name)
    path.write_bytes(b"three\n")
    assert Run(path).look() == [b"two", b"three"]


@pytest.mark.parametrize("renamed", [False, True])
def test_an_empty_file_that_was_written_and_copied_while_it_was_stopped(path: Path, *, renamed: bool) -> None:
    path.touch()
    run = Run(path)
    assert run.look() == []
    run.crash()
    path.with_name("app.log.2").write_bytes(b"one\n")
    path.with_name("app.log.1").write_bytes(b"two\n")
    if renamed:
        path.rename(path.with_name("app.log.0"))
        path.touch()
    run = Run(path)
    assert run.look() == [b"one", b"two"]
    append(path, b"three\n")
    assert run.look() == [b"three"]
    run.crash()
    assert Run(path).look() == []


def test_a_new_file_with_the_number_of_the_old_one(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path)
    run.look()
    run.end()
    copy = path.with_name("app.log.1")
    copy.write_bytes(b"one\ntwo\n")
    path.write_bytes(b"another file, whose inode is the same\n")  # as after an unlink
    run = Run(path)
    assert run.look() == [b"two", b"another file, whose inode is the same"]
    assert not run.said


def test_copy_and_truncate_while_it_was_stopped(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path)
    run.look()
    run.end()
    path.with_name("app.log.1").write_bytes(b"one\ntwo\n")
    path.write_bytes(b"a new beginning\n")
    assert Run(path).look() == [b"two", b"a new beginning"]


def test_a_file_that_is_gone_is_reported(path: Path) -> None:
    path.write_bytes(b"one\n")
    run = Run(path)
    run.look()
    run.end()
    path.unlink()
    path.write_bytes(b"another\n")
    run = Run(path)
    assert run.look() == [b"another"]
    assert "what was written to it after byte 4" in run.said[0]


def test_many_rotations_are_bounded_and_none_is_lost(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_path, "OPEN_FILES_MAX", 4)
    run = Run(path, NOW._replace(spool_bytes_max=10))
    for number in range(12):
        path.write_bytes(b"%d\n" % number)
        run.read()
        path.rename(path.with_name(f"app.log.{100 - number}"))
    path.write_bytes(b"last\n")
    run.read()
    assert len(run.follower._followed.files) <= 5
    assert any("4 rotated files are not read yet" in text for text in run.said)
    run.follower.spool.grow(1 << 20)
    assert run.look() + run.look() + run.look() == [*(b"%d" % number for number in range(12)), b"last"]


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


def old_place(path: Path, offset: int) -> FilePlace:
    """A place as the first version wrote it."""
    data, status = path.read_bytes()[:offset], path.stat()
    return FilePlace(status.st_dev, status.st_ino, offset, offset, offset, digest(data, data))


def save_old(path: Path, state: FollowState) -> None:
    state.version = 1
    path.with_name("state.json").write_bytes(msgspec.json.encode(state))


def test_a_state_of_the_first_version_is_resumed(path: Path) -> None:
    path.write_bytes(b"one\ntwo\n")
    rotated = path.with_name("app.log.1")
    rotated.write_bytes(b"zero\nzero and a half\n")
    save_old(path, FollowState(str(path), [old_place(rotated, 5), old_place(path, 4)]))
    assert Run(path).look() == [b"zero and a half", b"two"]


def test_what_the_first_version_may_have_sent_is_asked_for(path: Path) -> None:
    """The same messages are made again, with the same timestamps, so that the server can be asked for them."""
    path.write_bytes(b"one\ntwo\n\nfour\nfive\n")
    window = SentWindow(0, [4, 8, 9, 14], [10, 20, 30, 40], "2025-01-01T00:00:00")
    save_old(path, FollowState(str(path), [old_place(path, 0)], window))
    run = Run(path, dialect=WebSocketDialect("app"))
    part = run.follower.spool.head
    assert part is not None
    assert (part.in_doubt, part.anchor) == (3, "2025-01-01T00:00:00")
    pending = part.peek(10, 1 << 20)
    assert [(one.text, one.moment_us) for one in pending] == [(b"one", 10), (b"two", 20), (b"four", 40)]
    assert run.look() == [b"one", b"two", b"four", b"five"]


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
    state_file.save(FollowState("x", []))
    assert state_file.load() == FollowState("x", [])
    state_file.close()


def test_each_server_has_its_own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    paths = {default_path(Path(file), url) for file in ("a.log", "b.log") for url in ("ws://x:1", "ws://y:1")}
    assert len(paths) == 4
    assert all(path.is_relative_to(tmp_path / "logboom") for path in paths)


def test_the_state_of_a_link_is_that_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    link = tmp_path / "current"
    states = []
    for name in ("one", "two"):
        link.unlink(missing_ok=True)
        (tmp_path / name).touch()
        link.symlink_to(tmp_path / name)
        states.append(default_path(link, "ws://x:1"))
    assert states[0] == states[1]


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
