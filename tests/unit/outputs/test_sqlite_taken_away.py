"""A database that another program takes away under a running output: it says so, and no entry is missing."""

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from logboom.outputs.sqlite import SqliteOutput, SqliteSettings
from tests.kit.watched import Watched


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "db" / "logs.db"


@pytest.fixture
def watched(feed: Any, db: Path) -> Iterator[Watched]:
    settings = SqliteSettings(type="sqlite", path=db.name, folder=str(db.parent))
    watched = Watched(SqliteOutput(settings, "o", feed.data_dir), feed, flush_interval_s=0.0)
    yield watched
    watched.runner.stop(10)


def sequences(path: Path) -> list[int]:
    """Of all rows, in a database that is whole."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO messages (messages, rank) VALUES ('integrity-check', 1)")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [row[0] for row in connection.execute("SELECT sequence FROM entries ORDER BY sequence")]


def replace(db: Path) -> None:
    fresh = db.with_name("fresh")
    fresh.touch()
    fresh.rename(db)


def delete_all(db: Path) -> None:
    for path in db.parent.glob("logs.db*"):
        path.unlink()


def cut(db: Path, size: Callable[[int], int]) -> None:
    with db.open("r+b") as file:
        file.truncate(size(db.stat().st_size))


def cut_in_half(db: Path) -> None:
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    cut(db, lambda size: size // 2)


TAKEN: list[tuple[Callable[[Path], object], str]] = [
    (Path.unlink, "logs.db was deleted: a new one is filled"),
    (delete_all, "was deleted"),
    (replace, "logs.db was deleted"),
    (lambda db: shutil.rmtree(db.parent), "logs.db was deleted"),
    (lambda db: db.rename(db.with_name("old.db")), "logs.db was moved away: a new one is filled"),
    (lambda db: db.parent.rename(db.parent.with_name("moved")), "logs.db was moved away"),
    (lambda db: cut(db, lambda _: 0), "logs.db was truncated, and was set aside as"),
    (lambda db: cut(db, lambda _: 50), "logs.db was truncated, and was set aside as"),
    (cut_in_half, "and was set aside as"),
    (lambda db: db.with_name("logs.db-wal").unlink(), "its write-ahead log was deleted"),
    (lambda db: db.with_name("logs.db-shm").unlink(), "its write-ahead log was deleted"),
]


@pytest.mark.parametrize(("take", "text"), TAKEN)
@pytest.mark.parametrize("on_its_way", [0, 50])
def test_a_file_that_is_taken_away(
    watched: Watched, db: Path, take: Callable[[Path], object], text: str, on_its_way: int
) -> None:
    watched.append(100)
    if on_its_way:
        watched.feed.append(on_its_way)
    take(db)
    assert text in watched.reports.get(timeout=10)
    watched.append(20)
    assert sequences(db) == list(range(watched.feed.next))
    assert watched.runner.lag == 0


@pytest.mark.parametrize("table", ["entries", "messages", "position"])
def test_a_table_that_is_dropped(watched: Watched, db: Path, table: str) -> None:
    watched.append(10)
    with closing(sqlite3.connect(db)) as connection:
        connection.execute(f"DROP TABLE {table}")
    watched.append(10)
    assert re.search(
        rf"no such table: (main\.)?{table}: the table is created again", watched.reports.get(timeout=10)
    )
    assert set(sequences(db)) >= set(range(20))


def test_a_database_that_is_moved_away_has_all_its_rows(watched: Watched, db: Path) -> None:
    watched.append(100)
    db.rename(db.with_name("old.db"))
    assert "was moved away" in watched.reports.get(timeout=10)
    watched.append(1)
    assert sequences(db.with_name("old.db")) == list(range(100))


def test_a_backup_that_takes_its_place_is_brought_up_to_date(watched: Watched, db: Path) -> None:
    """The old write-ahead log must not be taken for the backup's."""
    watched.append(100)
    with (
        closing(sqlite3.connect(db)) as connection,
        closing(sqlite3.connect(db.with_name("backup"))) as backup,
    ):
        connection.backup(backup)
    watched.append(1000)
    db.with_name("backup").rename(db)
    assert "was deleted" in watched.reports.get(timeout=10)
    watched.append(10)
    assert sequences(db) == list(range(1110))
