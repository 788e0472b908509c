import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from logboom.errors import ConfigError, OutputError
from logboom.journal.log import Block
from logboom.journal.segments import prefix, suffix
from logboom.outputs import sqlite, sqlite_schema
from logboom.outputs.registry import make_outputs
from logboom.outputs.sqlite import SqliteOutput, SqliteSettings
from logboom.testing.output_kit import check_output, sample_entries, write_journal
from tests.kit.block_kit import store

MakeSqlite = Callable[..., SqliteOutput]
Rows = list[tuple[Any, ...]]

COLUMNS = "sequence, received_at, time, source, listener, level, severity, message, entry"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeSqlite]:
    """Makes an output to `db/logs.db` that reads the journal of `data`; settings, `data` or `clock` by keyword."""
    made: list[SqliteOutput] = []

    def make(**more: Any) -> SqliteOutput:
        injected = {key: more.pop(key) for key in ("clock",) if key in more}
        data_dir = tmp_path / more.pop("data", "data")
        settings = SqliteSettings(
            **{"type": "sqlite", "path": "logs.db", "folder": str(tmp_path / "db"), **more}
        )
        output = SqliteOutput(settings, "o", data_dir, **injected)
        made.append(output)
        return output

    yield make
    for output in made:
        output.close()


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """Where `make` writes."""
    return tmp_path / "db" / "logs.db"


def query(path: Path, text: str, *values: object) -> Rows:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(text, values).fetchall()


def everything(path: Path) -> Rows:
    """All rows, and proof that the text index is the one of these rows."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO messages (messages, rank) VALUES ('integrity-check', 1)")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute(f"SELECT {COLUMNS} FROM entries ORDER BY sequence").fetchall()


def block(*entries: bytes, first: int = 0, peer: str = "10.0.0.1", listener: str = "device") -> Block:
    """Entries that are received a second apart, the first one at 0."""
    lines = [
        prefix((first + number) * 1_000_000_000) + entry + suffix(peer, listener)
        for number, entry in enumerate(entries)
    ]
    return Block(first, len(entries), b"".join(lines))


def test_each_entry_once_whatever_crashes(tmp_path: Path) -> None:
    made: dict[Path, SqliteOutput] = {}

    def make(folder: Path) -> SqliteOutput:
        if folder in made:
            made[folder].close()  # a process that dies rolls back and lets go of its locks, and no more
        settings = SqliteSettings(type="sqlite", path="logs.db", folder=str(folder))
        made[folder] = SqliteOutput(settings, "o", folder)
        return made[folder]

    content = check_output(make, lambda folder: everything(folder / "logs.db"), tmp_path)
    assert [row[0] for row in content] == list(range(400))


KILLED = """
import os, sys
from pathlib import Path
from logboom.journal.reader import JournalReader
from logboom.outputs.sqlite import SqliteOutput, SqliteSettings

folder, steps = Path(sys.argv[1]), int(sys.argv[2])
output = SqliteOutput(SqliteSettings(type="sqlite", path="logs.db", folder=str(folder)), "o", folder)
output.open()
reader = JournalReader(folder / "journal", output.position())
for step in range(steps):
    block = reader.read(4000)
    if block is None:
        break
    output.write(block)
    if step % 3 == 1:
        output.flush()
else:
    os.kill(os.getpid(), 9)
output.flush()
"""


def test_killed_again_and_again(tmp_path: Path) -> None:
    write_journal(tmp_path, sample_entries(300))
    ended = [
        subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(steps)], check=False).returncode
        for steps in (1, 4, 3, 6, 99)
    ]
    assert ended == [-9, -9, -9, -9, 0]
    assert [row[0] for row in everything(tmp_path / "logs.db")] == list(range(300))


def test_a_row(make: MakeSqlite, db: Path) -> None:
    entry = b'{"level":"warn", "msg":"hot \\u00fc","ts":"2025-10-02 17:58:37","temp":24.10}'
    store(make(), block(entry, first=5))
    assert everything(db) == [
        (
            5,
            "1970-01-01T00:00:05.000000+00:00",
            "1970-01-01T00:00:05.000000+00:00",  # the sender's time is more than a day ahead of it
            "10.0.0.1",
            "device",
            "WARNING",
            13.0,
            "hot ü",
            entry.decode(),
        )
    ]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (b'{"id":"e","temp":24.10}', ("", None, '{"id":"e","temp":24.1}')),
        (b'{"level":"odd","message":["a","b"]}', ("ODD", None, "a\nb")),
        (b'{"level":"FATAL","msg":"\\ud83d\\ude80"}', ("CRITICAL", 21.0, "\U0001f680")),
        (b'{"msg":"x","n":1e400}', ("", None, "x")),
        (b'{"msg":"a\\u0000b"}', ("", None, "a\0b")),
    ],
)
@pytest.mark.parametrize("peer", ["10.0.0.1", 'a "b" \\ ü'])
def test_any_entry_is_kept_as_sent(
    make: MakeSqlite, db: Path, entry: bytes, expected: tuple[Any, ...], peer: str
) -> None:
    store(make(), block(entry, peer=peer))
    [row] = everything(db)
    assert row[5:8] == expected
    assert row[8] == entry.decode()
    assert query(db, "SELECT json_valid(entry) FROM entries") == [(1,)]


def test_a_journal_in_other_words_is_kept_too(make: MakeSqlite, db: Path) -> None:
    line = b'{"listener": "l", "source": "s", "entry": {"msg": "x"}, "received_at": "1970"}\n'
    store(make(), Block(0, 1, line))
    assert everything(db) == [(0, "1970", "1970", "s", "l", "", None, "x", '{"msg":"x"}')]


def test_damaged_lines_are_left_out_and_counted(make: MakeSqlite, db: Path) -> None:
    good = block(b'{"n":0}', b'{"n":1}').data.splitlines(keepends=True)
    output = make()
    store(output, Block(0, 4, good[0] + b"\0\0\n" + good[1] + b'{"entry":\n'))
    assert output.damaged == 2
    assert query(db, "SELECT sequence, entry FROM entries") == [(0, '{"n":0}'), (2, '{"n":1}')]
    assert output.position() == 4


def test_words_are_found(make: MakeSqlite, db: Path) -> None:
    store(make(), block(b'{"msg":"pump started"}', b'{"msg":"pump failed"}', b'{"msg":"valve failed"}'))
    found = "SELECT rowid FROM messages WHERE messages MATCH ? ORDER BY rowid"
    assert query(db, found, "pump failed") == [(1,)]
    assert query(db, found, "fail*") == [(1,), (2,)]


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("time >= '2025' AND time < '2026'", "entries_time"),
        ("source = 'x' ORDER BY time", "entries_source"),
        ("level = 'ERROR' ORDER BY time DESC", "entries_level"),
        ("severity >= 17", "entries_severity"),
        ("sequence > 5 ORDER BY sequence", "PRIMARY KEY"),
    ],
)
def test_queries_have_an_index(make: MakeSqlite, db: Path, condition: str, index: str) -> None:
    store(make(), block(b"{}"))
    [(*_, plan)] = query(db, f"EXPLAIN QUERY PLAN SELECT * FROM entries WHERE {condition}")
    assert index in plan


def test_the_file(make: MakeSqlite, db: Path) -> None:
    output = make()
    output.open()
    assert db.stat().st_mode & 0o027 == 0
    assert query(db, "PRAGMA journal_mode") == [("wal",)]
    assert query(db, "PRAGMA auto_vacuum") == [(2,)]
    assert query(db, "PRAGMA user_version") == [(len(sqlite_schema.MIGRATIONS),)]


def test_only_entries_of_some_listeners(make: MakeSqlite, db: Path) -> None:
    output = make(listeners=["collector"])
    wanted = block(b'{"n":2}', first=2, listener="collector")
    store(output, block(b'{"n":0}', b'{"n":1}'), wanted, block(b"{}", first=3))
    assert (output.position(), [row[0] for row in everything(db)]) == (4, [2])


def test_only_entries_that_match_the_filter(make: MakeSqlite, db: Path) -> None:
    output = make(filter="level:>=warning -n:2")
    entries = [b'{"level":"error","n":%d}' % number for number in range(4)]
    store(output, block(*entries, b'{"level":"info"}', b"{}"))
    assert (output.position(), output.skipped) == (6, 3)
    assert [row[0] for row in everything(db)] == [0, 1, 3]


def numbered(first: int, end: int) -> Block:
    return block(*[b'{"msg":"number n%d"}' % number for number in range(first, end)], first=first)


def test_the_oldest_rows_go_when_there_are_too_many(make: MakeSqlite, db: Path) -> None:
    output = make(retention_rows_max=10)
    store(output, numbered(0, 25))
    assert [row[0] for row in everything(db)] == list(range(15, 25))
    store(output, numbered(25, 28))  # its rows are counted at the start
    assert [row[0] for row in everything(db)] == list(range(18, 28))
    assert query(db, "SELECT rowid FROM messages WHERE messages MATCH 'n17'") == []


def test_a_clean_up_is_done_a_part_at_a_time(
    make: MakeSqlite, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(make(), numbered(0, 100))
    monkeypatch.setattr(sqlite, "DELETED_ROWS_MAX", 30)
    output = make(retention_rows_max=20)
    output.open()
    left: list[int] = []
    for _ in range(4):
        output.flush()
        left.append(len(everything(db)))
    assert left == [70, 40, 20, 20]


def test_old_rows_go_even_when_nothing_comes(make: MakeSqlite, db: Path) -> None:
    now = [50.0]
    output = make(retention_age_s=40.0, clock=lambda: now[0])
    output.open()
    output.write(numbered(0, 30))
    output.flush()
    assert [row[0] for row in everything(db)] == list(range(10, 30))
    now[0] = 61.5
    output.flush()
    assert [row[0] for row in everything(db)] == list(range(22, 30))
    now[0] = 1e9
    output.flush()
    assert everything(db) == []
    output.flush()
    assert output.position() == 30


def test_space_is_given_back(make: MakeSqlite, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "FREE_PAGES_KEPT", 10)
    store(make(), block(*[b'{"msg":"%d %b"}' % (n, b"x" * 4000) for n in range(300)]))
    full = db.stat().st_size
    store(make(retention_rows_max=30), block(b"{}", first=300))
    assert len(everything(db)) == 30
    assert db.stat().st_size < full / 4


def test_after_a_rewind_rows_of_the_earlier_journal_give_way(make: MakeSqlite, db: Path) -> None:
    output = make()
    store(output, numbered(0, 10))
    output.open()
    output.rewind(7)
    assert output.position() == 7
    output.write(numbered(7, 9))
    output.flush()
    output.rewind(8)
    output.close()
    rows = everything(db)
    assert [(row[0], row[7]) for row in rows] == [
        (-4, "number n8"),
        (-3, "number n7"),
        (-2, "number n8"),
        (-1, "number n9"),
        *((number, f"number n{number}") for number in range(8)),
    ]
    assert len(query(db, "SELECT rowid FROM messages WHERE messages MATCH 'n8'")) == 2


def test_another_journal_starts_with_its_first_entry(make: MakeSqlite, db: Path) -> None:
    store(make(), numbered(0, 5))
    other = make(data="other")
    other.open()
    assert other.position() == 0
    other.close()
    store(other, numbered(0, 2))
    assert [row[0] for row in everything(db)] == [-5, -4, -3, -2, -1, 0, 1]
    again = make(data="other")
    again.open()
    assert again.position() == 2


def test_a_database_of_another_program_is_left_alone(make: MakeSqlite, db: Path) -> None:
    db.parent.mkdir()
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("CREATE TABLE photos (id)")
    before = db.read_bytes()
    with pytest.raises(OutputError, match="another program"):
        make().open()
    assert db.read_bytes() == before


def test_a_file_that_is_no_database_is_left_alone(make: MakeSqlite, db: Path) -> None:
    db.parent.mkdir()
    db.write_text("a letter, and a long one\n" * 100)
    with pytest.raises(OutputError, match="not a database"):
        make().open()
    assert db.read_text().startswith("a letter")


def test_a_newer_version_is_refused_and_an_older_one_renewed(
    make: MakeSqlite, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(make(), numbered(0, 3))
    with monkeypatch.context() as newer:
        added = "ALTER TABLE entries ADD COLUMN colour TEXT;"
        newer.setattr(sqlite_schema, "MIGRATIONS", (*sqlite_schema.MIGRATIONS, added))
        make().open()
    version = len(sqlite_schema.MIGRATIONS) + 1
    assert query(db, "PRAGMA user_version") == [(version,)]
    assert query(db, "SELECT count(*), count(colour) FROM entries") == [(3, 0)]
    with pytest.raises(OutputError, match=f"version {version}"):
        make().open()


def test_a_migration_that_fails_changes_nothing(
    make: MakeSqlite, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(make(), numbered(0, 3))
    with monkeypatch.context() as newer:
        added = "ALTER TABLE entries ADD COLUMN colour TEXT; SELECT nonsense;"
        newer.setattr(sqlite_schema, "MIGRATIONS", (*sqlite_schema.MIGRATIONS, added))
        with pytest.raises(OutputError, match="nonsense"):
            make().open()
    store(make(), numbered(3, 4))
    assert len(everything(db)) == 4


def test_a_damaged_database_is_set_aside_and_made_anew(make: MakeSqlite, db: Path) -> None:
    store(make(), numbered(0, 500))
    with db.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (db.stat().st_size - 4096))
    output = make()
    with pytest.raises(OutputError, match=r"set aside as .*logs\.db\.damaged-1"):
        store(output, numbered(500, 501))
    store(output, numbered(0, 501))
    assert len(everything(db)) == 501
    assert sorted(path.name for path in db.parent.iterdir()) == ["logs.db", "logs.db.damaged-1"]


def test_a_locked_database_is_trouble_that_passes(
    make: MakeSqlite, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.0)
    output = make()
    store(output, numbered(0, 2))
    output.open()
    with closing(sqlite3.connect(db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutputError, match="locked"):
            output.write(numbered(2, 4))
    output.open()
    assert output.position() == 2
    store(output, numbered(2, 4))
    assert len(everything(db)) == 4


def test_what_was_not_flushed_comes_again(make: MakeSqlite, db: Path) -> None:
    output = make()
    output.open()
    output.write(numbered(0, 3))
    output.flush()
    output.write(numbered(3, 6))
    output.close()
    with pytest.raises(OutputError, match="not open"):
        output.flush()
    output.open()
    assert output.position() == 3
    assert len(everything(db)) == 3


def test_two_outputs_in_one_file_are_refused(tmp_path: Path) -> None:
    table = {"type": "sqlite", "path": str(tmp_path / "x.db")}
    with pytest.raises(ConfigError, match=r"outputs\.b\.path: .*is already the file of outputs\.a"):
        make_outputs({"a": table, "b": table}, tmp_path)
