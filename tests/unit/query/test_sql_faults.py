"""Entries and accidents that must not take SQL away from other queries."""

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from logboom.journal.folder_log import FolderLog
from logboom.journal.segments import Segment
from logboom.query.sql.sql_engine import SqlEngine, SqlFailedError, why_not
from logboom.query.sql.sql_messages import SqlRequest
from logboom.query.sql.sql_service import SqlService
from logboom.settings import SqlSettings

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


def line(entry: str) -> str:
    return (
        '{"received_at":"2025-11-12T19:08:50.838190+00:00",'
        f'"entry":{entry},"source":"10.0.0.1","listener":"device"}}\n'
    )


def journal(folder: Path, *segments: list[str]) -> Path:
    first = 0
    for entries in segments:
        Segment.at(folder, first).path.write_text("".join(map(line, entries)))
        first += len(entries)
    return folder


@pytest.fixture(scope="module")
def engine() -> Iterator[SqlEngine]:
    engine = SqlEngine()
    yield engine
    engine.close()


def request(folder: Path, query: str, *, end: int | None = None) -> SqlRequest:
    return SqlRequest(
        query=query,
        folder=str(folder),
        end=end,
        limit=100,
        time_s=30.0,
        memory_bytes=128 << 20,
        answer_bytes=1 << 20,
    )


def test_no_entry_breaks_the_queries_of_others(engine: SqlEngine, tmp_path: Path) -> None:
    odd = ['{"":1}', '{"a":{"":2}}', '{"":{"b":3}}', '{"level":"{oops"}', r'{"level":"{\"name\":1} x"}']
    folder = journal(tmp_path, [*odd, '{"severity":"{oops"}', '{"level":"ERROR"}'])
    found = engine.run(request(folder, "select level, severity from logs order by sequence"))
    rows = msgspec.json.decode(found.data)["rows"]
    assert (len(rows), rows[-1][0]) == (7, "ERROR")
    everything = engine.run(request(folder, "select * from logs"))
    assert everything.rows == 7


@pytest.mark.parametrize(("end", "expected"), [(5, [5, 4]), (10, [10, 9]), (15, [15, 14]), (99, [20, 19])])
def test_the_end_holds_wherever_segments_begin(
    engine: SqlEngine, tmp_path: Path, end: int, expected: list[int]
) -> None:
    numbers = [f'{{"n":{number}}}' for number in range(20)]
    folder = journal(tmp_path, numbers[:10], numbers[10:])
    found = engine.run(request(folder, "select count(*), max(n) from logs", end=end))
    assert msgspec.json.decode(found.data)["rows"] == [expected]


def test_modules_of_the_working_directory_are_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("msgspec", "duckdb", "uuid"):
        (tmp_path / f"{name}.py").write_text("import pathlib; pathlib.Path('loaded').touch(); 1 / 0\n")
    monkeypatch.chdir(tmp_path)
    engine = SqlEngine()
    folder = tmp_path / "journal"
    folder.mkdir()
    try:
        assert engine.run(request(journal(folder, ['{"n":1}']), "select n from logs")).rows == 1
    finally:
        engine.close()
    assert not (tmp_path / "loaded").exists()


def test_a_fork_server_that_fails_once_goes_on(tmp_path: Path) -> None:
    engine, folder = SqlEngine(), journal(tmp_path, ['{"n":1}'])
    pid = engine._process.pid
    try:
        engine.run(request(folder, "select 1"))
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))  # no further file can be opened
        with pytest.raises(SqlFailedError, match=r"without an answer|can't be started"):
            engine.run(request(folder, "select 1"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        assert engine.run(request(folder, "select 1")).rows == 1
    finally:
        engine.close()


def test_a_fork_server_that_was_killed_is_started_again(tmp_path: Path) -> None:
    log = FolderLog(journal(tmp_path, ['{"n":1}']))
    service = SqlService(log, SqlSettings(), lambda *_: None)

    def rows() -> int:
        return service.run(
            "select 1",
            since="",
            until="",
            limit=10,
            form="json",
            asker="",
            is_wanted=lambda: True,
        ).rows

    try:
        assert rows() == 1
        assert service._engine is not None
        service._engine._process.send_signal(signal.SIGKILL)
        service._engine._process.wait(20)
        assert rows() == 1
    finally:
        service.close()
