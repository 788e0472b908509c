"""Texts that wait, on disk and in memory."""

import contextlib
import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.clients.delivery import spool as spool_module
from logboom.clients.delivery import spool_frames, spoolfile
from logboom.clients.delivery.oldspool import OldFilePart
from logboom.clients.delivery.spool import Spool
from logboom.clients.delivery.spool_frames import Kind
from logboom.clients.delivery.spoolfile import HEADER_BYTES, FilePart
from logboom.clients.delivery.spoolparts import MemoryPart, Pending

MANY = 1 << 20
ROOM = 1 << 30


def lines(*numbers: int) -> list[bytes]:
    return [b'{"n":%d}' % number for number in numbers]


def texts(found: list[Pending]) -> list[bytes]:
    return [one.text for one in found]


def drain(spool: Spool, count_max: int = 3) -> list[bytes]:
    """Take everything, as a delivery does."""
    found = []
    while taken := spool.peek(count_max, MANY):
        assert len(taken) <= count_max
        found += texts(taken)
        spool.drop(len(taken))
    assert (spool.size_bytes, spool.count) == (0, 0)
    return found


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "spool" if request.param == "disk" else None


def test_texts_come_out_as_they_went_in(folder: Path | None) -> None:
    spool = Spool(folder, "k", ROOM)
    assert spool.append(lines(*range(10)))
    assert spool.count == 10
    assert texts(spool.peek(4, MANY)) == lines(*range(4))
    assert texts(spool.peek(4, 17)) == lines(0, 1)
    assert spool.append(lines(10))
    assert drain(spool) == lines(*range(11))
    assert spool.append(lines(11))
    assert drain(spool) == lines(11)
    spool.close()


def test_a_message_can_be_made_again(folder: Path | None) -> None:
    spool = Spool(folder, "k", ROOM, source="shop")
    spool.append([b"a", b"b\nc", b""], Kind.TEXT, fields=b'{"stream":"stderr"}', place=b"here", moment_us=500)
    spool.append([b"d"], Kind.TEXT, moment_us=10)
    found = spool.peek(10, MANY)
    assert found[:3] == [
        Pending(Kind.TEXT, text, 500 + index, {"stream": "stderr"})
        for index, text in enumerate([b"a", b"b\nc", b""])
    ]
    assert found[3] == Pending(Kind.TEXT, b"d", 503, {})  # no two texts have one moment
    assert spool.head is not None
    assert spool.head.source == "shop"
    assert drain(spool) == [b"a", b"b\nc", b"", b"d"]


def test_a_text_longer_than_a_read_comes_whole(folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoolfile, "READ_BYTES", 100)
    spool = Spool(folder, "k", ROOM)
    long = [b"x" * 5000, b"y" * 10]
    spool.append(long)
    assert texts(spool.peek(10, 100)) == long[:1]
    assert drain(spool) == long


def test_there_is_no_more_room_than_allowed(folder: Path | None) -> None:
    spool = Spool(folder, "k", 5 * (spool_frames.OVERHEAD_BYTES + 7))
    assert [spool.append(lines(number)) for number in range(7)] == [True] * 5 + [False] * 2
    spool.drop(len(spool.peek(2, MANY)))
    assert [spool.append(lines(number)) for number in (9, 8, 7)] == [True, True, False]
    assert drain(spool) == lines(2, 3, 4, 9, 8)


def test_an_empty_spool_leaves_no_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "k", ROOM)
    spool.append(lines(1))
    assert len(list(tmp_path.iterdir())) == 1
    drain(spool)
    spool.close()
    spool.close()
    assert not list(tmp_path.iterdir())


def test_delivered_texts_give_their_room_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "FILE_BYTES_MAX", HEADER_BYTES + 400)
    monkeypatch.setattr(spoolfile, "RESET_BYTES", HEADER_BYTES + 200)
    spool = Spool(tmp_path, "k", ROOM)
    for number in range(100):
        spool.append(lines(number))
    assert len(list(tmp_path.iterdir())) > 4
    assert drain(spool) == lines(*range(100))
    [left] = tmp_path.iterdir()
    assert left.stat().st_size <= HEADER_BYTES + 400


def test_the_reader_is_asked_to_keep_its_position_before_files_come_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "FILE_BYTES_MAX", HEADER_BYTES + 100)
    names: list[set[str]] = []
    spool = Spool(
        tmp_path, "k", ROOM, checkpoint=lambda: names.append({path.name for path in tmp_path.iterdir()})
    )
    for number in range(4):
        spool.append(lines(number))
    assert [len(one) for one in names] == [0, 1]
    drain(spool)
    assert [len(one) for one in names] == [0, 1, 2]


def test_the_next_process_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    first = Spool(tmp_path, "k", ROOM)
    first.append(lines(*range(6)))
    first.drop(len(first.peek(2, MANY)))
    first.close()
    second = Spool(tmp_path, "k", ROOM)
    second.append(lines(99))
    assert len(second.adopt()) == 1
    assert not second.adopt()
    assert drain(second) == lines(2, 3, 4, 5, 99)
    second.close()
    assert not list(tmp_path.iterdir())


def test_what_may_have_been_sent_is_known_to_the_next_process(tmp_path: Path) -> None:
    first = Spool(tmp_path, "k", ROOM)
    first.append(lines(*range(6)))
    first.intend(3, "2025-01-01T00:00:00.000000")
    first.drop(3)
    first.intend(2, "2025-01-02T00:00:00.000000")
    first.close()
    second = Spool(tmp_path, "k", ROOM)
    [part] = second.adopt()
    assert (part.in_doubt, part.anchor) == (2, "2025-01-02T00:00:00.000000")
    assert texts(second.peek(9, MANY)) == lines(3, 4, 5)


def test_a_torn_cursor_leaves_the_one_before(tmp_path: Path) -> None:
    """A power cut within its write: something is delivered twice, nothing is lost."""
    first = Spool(tmp_path, "k", ROOM)
    first.append(lines(*range(6)))
    first.drop(1)
    first.drop(1)
    first.close()
    [path] = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    for start in spoolfile._SLOTS:
        torn = bytes(content[:start]) + b"\xff" * 9 + bytes(content[start + 9 :])
        path.write_bytes(torn)
        second = Spool(tmp_path, "k", ROOM)
        second.adopt()
        assert texts(second.peek(9, MANY))[0] in lines(1, 2)
        second.close()


def test_the_oldest_orphan_comes_first(tmp_path: Path) -> None:
    count = spool_module.ADOPTED_MAX + 3
    for number in range(count):
        orphan = Spool(tmp_path, "k", ROOM)
        orphan.append(lines(number))
        orphan.close()
    spool = Spool(tmp_path, "k", ROOM)
    assert len(spool.adopt()) == spool_module.ADOPTED_MAX
    assert not spool.adopt()
    found = drain(spool)
    spool.adopt()
    assert found + drain(spool) == lines(*range(count))


def test_what_a_living_process_holds_is_left_alone(tmp_path: Path) -> None:
    living = Spool(tmp_path, "k", ROOM)
    living.append(lines(1))
    other = Spool(tmp_path, "k", ROOM)
    assert not other.adopt()
    assert drain(other) == []
    assert drain(living) == lines(1)


def test_texts_for_another_server_are_left_alone(tmp_path: Path) -> None:
    orphan = Spool(tmp_path, "a", ROOM)
    orphan.append(lines(1))
    orphan.close()
    assert not Spool(tmp_path, "b", ROOM).adopt()


def test_processes_that_end_again_and_again_do_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "FILE_BYTES_MAX", 0)
    kept = 0
    for number in range(9):
        orphan = Spool(tmp_path, "k", 1000, siblings=4)
        kept += orphan.append(lines(number))
        orphan.close()
    assert kept == 4


@given(st.integers(0, 500))
def test_a_torn_file_gives_its_whole_frames(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("torn")
    spool = Spool(folder, "k", ROOM)
    for number in range(10):
        spool.append(lines(number))
    spool.close()
    [path] = folder.iterdir()
    content = path.read_bytes()
    cut += HEADER_BYTES - 50
    path.write_bytes(content[:cut])
    whole = min(10, max(0, cut - HEADER_BYTES) // ((len(content) - HEADER_BYTES) // 10))
    second = Spool(folder, "k", ROOM)
    second.adopt()
    assert drain(second) == lines(*range(whole))
    second.close()
    assert not path.exists()


@given(st.integers(0, 300), st.binary(min_size=1, max_size=60))
def test_damage_costs_the_frames_that_it_is_in(
    tmp_path_factory: pytest.TempPathFactory, start: int, garbage: bytes
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    spool = Spool(folder, "k", ROOM)
    for number in range(10):
        spool.append(lines(number))
    spool.close()
    [path] = folder.iterdir()
    content = path.read_bytes()
    size = (len(content) - HEADER_BYTES) // 10
    place = HEADER_BYTES + start
    path.write_bytes((content[:place] + garbage + content[place + len(garbage) :])[: len(content)])
    second = Spool(folder, "k", ROOM)
    second.adopt()
    hit = range(start // size, (start + len(garbage) - 1) // size + 1)
    found = drain(second)
    assert [line for line in lines(*range(10)) if line not in found] == [
        line for line in lines(*hit) if line not in found
    ]
    assert second.damaged_bytes == size * (10 - len(found))
    second.close()


def test_a_foreign_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "k-1.spool"
    path.write_bytes(b"something else altogether, and longer than a header\n")
    assert not Spool(tmp_path, "k", ROOM).adopt()
    assert path.read_bytes().startswith(b"something else")


@pytest.mark.parametrize(("delivered", "left"), [(0, lines(0, 1, 2)), (16, lines(2))])
def test_files_of_the_first_format_are_delivered(tmp_path: Path, delivered: int, left: list[bytes]) -> None:
    path = tmp_path / "k-00000000000000000001-1-0.spool"
    path.write_bytes(b"logboom-spool 1 %015d\n" % (32 + delivered) + b"\n".join(lines(0, 1, 2)) + b"\ntor")
    spool = Spool(tmp_path, "k", ROOM)
    [part] = spool.adopt()
    assert isinstance(part, OldFilePart)
    spool.append(lines(3))
    assert {one.kind for one in spool.peek(9, MANY)} == {Kind.OBJECT}
    assert drain(spool, 1) == [*left, *lines(3)]
    assert not path.exists()


def test_the_first_format_keeps_its_position(tmp_path: Path) -> None:
    path = tmp_path / "k-00000000000000000001-1-0.spool"
    path.write_bytes(b"logboom-spool 1 %015d\n" % 32 + b"\n".join(lines(0, 1, 2)) + b"\n")
    first = Spool(tmp_path, "k", ROOM)
    first.adopt()
    first.drop(2)
    first.close()
    second = Spool(tmp_path, "k", ROOM)
    second.adopt()
    assert drain(second) == lines(2)


def fail(*_: object) -> int:
    raise OSError(errno.ENOSPC, "no space, says the test")


def test_a_full_disk_is_stood_in_for_by_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, "k", ROOM)
    spool.append(lines(0))
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fail)
        assert spool.append(lines(1))
        assert spool.append(lines(2))
    assert not spool.durable
    assert "no space" in str(spool.trouble)
    assert drain(spool) == lines(0, 1, 2)
    spool.append(lines(3))
    assert (spool.durable, spool.trouble) == (True, None)
    assert drain(spool) == lines(3)


def test_a_write_that_is_cut_short_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, "k", ROOM, memory_bytes_max=0)
    spool.append(lines(0))
    real = os.pwrite

    def short(descriptor: int, data: bytes, place: int) -> int:
        monkeypatch.setattr(os, "pwrite", fail)
        return real(descriptor, data[:10], place)

    monkeypatch.setattr(os, "pwrite", short)
    assert not spool.append(lines(1))
    monkeypatch.setattr(os, "pwrite", real)
    assert spool.append(lines(2))
    assert drain(spool) == lines(0, 2)


def test_memory_has_its_own_limit(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    spool = Spool(tmp_path / "file", "k", ROOM, memory_bytes_max=100)
    assert [spool.append(lines(number)) for number in range(3)] == [True, True, False]
    assert drain(spool) == lines(0, 1)


def test_a_file_that_shrinks_is_noticed_and_put_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "k", ROOM)
    spool.append(lines(1))
    [path] = tmp_path.iterdir()
    os.truncate(path, 0)
    with pytest.raises(OSError, match="shorter than it was"):
        spool.peek(1, MANY)
    spool.skip()
    spool.append(lines(2))
    assert drain(spool) == lines(2)


def test_many_threads_append_at_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "k", ROOM)

    def write(thread: int) -> None:
        for number in range(200):
            spool.append(lines(thread * 1000 + number))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = drain(spool, 100)
    assert sorted(found) == sorted(
        lines(*(thread * 1000 + number for thread in range(4) for number in range(200)))
    )


# processes


def test_an_append_within_another_is_kept(folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(folder, "k", ROOM)
    kind = FilePart if folder is not None else MemoryPart
    append, wanted = kind.append, iter([lines(1, 2), lines(3)])

    def interrupted(part: Any, frame: bytes, count: int) -> None:
        for more in wanted:  # as a signal handler, or a __del__, which log
            assert spool.append(more)
        append(part, frame, count)

    monkeypatch.setattr(kind, "append", interrupted)
    assert spool.append(lines(0))
    assert spool.append(lines(4))
    assert spool.more_to_adopt is (folder is not None)
    spool.adopt()
    assert sorted(drain(spool)) == lines(0, 1, 2, 3, 4)


def test_files_that_the_application_has_closed_are_left_behind(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "k", ROOM)
    assert spool.append(lines(0))
    for link in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(OSError):  # the one that lists them
            if tmp_path in link.readlink().parents:
                os.close(int(link.name))
    assert spool.append(lines(1))
    assert spool.trouble is None
    spool.adopt()
    assert drain(spool) == lines(0, 1)


def test_a_fork_has_a_file_of_its_own(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "k", ROOM)
    spool.append(lines(0, 1))
    child = os.fork()
    if not child:
        code = 0 if spool.count == 0 and spool.append(lines(2)) else 1
        os._exit(code)  # no clean-up, as multiprocessing ends its children
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert spool.append(lines(3))
    assert len(list(tmp_path.iterdir())) == 2
    assert len(spool.adopt()) == 1
    assert sorted(drain(spool)) == lines(0, 1, 2, 3)


def test_a_living_child_keeps_its_own(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "k", ROOM)
    spool.append(lines(0))
    appended, ending = multiprocessing.get_context("fork").Pipe()

    def work() -> None:
        spool.append(lines(1))
        appended.send("appended")
        appended.recv()

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    ending.recv()
    assert not spool.adopt()
    ending.send("end")
    child.join()
    spool.adopt()
    assert sorted(drain(spool)) == lines(0, 1)


def test_a_forks_child_leaves_the_parents_lock(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "k", ROOM)
    spool.append(lines(1))
    [part] = spool._own
    assert isinstance(part, FilePart)
    copy = os.dup(part._descriptor)  # what a fork makes
    spool.abandon()
    other = Spool(tmp_path, "k", ROOM)
    assert not other.adopt()
    os.close(copy)
    assert len(other.adopt()) == 1
    assert drain(other) == lines(1)


KILLED = """
import os, sys
from pathlib import Path
from logboom.clients.delivery.spool import Spool
spool = Spool(Path(sys.argv[1]), "k", 1 << 30)
number = 0
while True:
    spool.append([b'{"n":%d}' % number])
    number += 1
    os.write(1, b"%d\\n" % number)
"""


def test_nothing_that_was_appended_is_lost_by_a_kill(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(500):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().count(b"\n")
    process.wait()
    process.stdout.close()
    spool = Spool(tmp_path, "k", ROOM)
    spool.adopt()
    found = drain(spool, 100)
    assert found == lines(*range(len(found)))
    assert len(found) in (500 + rest, 501 + rest)


def key_of(spool: Spool) -> str:
    assert spool.head is not None
    return spool.head.key


def test_each_position_has_a_key_of_its_own(folder: Path | None) -> None:
    spool = Spool(folder, "k", ROOM)
    keys = []
    for _ in range(3):  # the file is emptied each time, and its offsets begin again
        spool.append([b"x" * (spoolfile.RESET_BYTES // 2)] * 4)
        while spool.count:
            keys.append(key_of(spool))
            assert key_of(spool) == keys[-1]
            spool.drop(1)
    spool.close()
    other = Spool(folder, "k", ROOM)
    other.append(lines(1))
    assert len({*keys, key_of(other)}) == 13
    other.close()


def test_the_key_and_the_number_of_texts_on_their_way_outlast_the_process(tmp_path: Path) -> None:
    first = Spool(tmp_path, "k", ROOM)
    first.append(lines(*range(5)))
    first.drop(1)
    first.intend(3, "")
    key = key_of(first)
    first.close()
    second = Spool(tmp_path, "k", ROOM)
    [part] = second.adopt()
    assert (part.key, part.in_doubt) == (key, 3)
    second.drop(3)
    assert part.key != key
    assert part.in_doubt == 0


def test_a_file_of_a_version_without_keys_has_some(tmp_path: Path) -> None:
    first = Spool(tmp_path, "k", ROOM, source="shop")
    first.append(lines(1))
    first.close()
    [path] = tmp_path.iterdir()
    data = path.read_bytes()
    start = data.index(b', "id"')
    old = data[start : data.index(b"}", start)]
    path.write_bytes(data.replace(old, b" " * len(old)))
    second = Spool(tmp_path, "k", ROOM)
    [part] = second.adopt()
    assert part.source == "shop"
    assert part.key.startswith(path.stem)
