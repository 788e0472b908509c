"""Tables and keys that are taken away under a running output: it says so, and no entry is missing afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from logboom.outputs import postgres, redis
from logboom.outputs.runner import OutputRunner
from tests.kit.postgres_kit import PostgresServer
from tests.kit.postgres_kit import make_output as make_postgres
from tests.kit.redis_kit import RedisServer
from tests.kit.redis_kit import make_output as make_redis
from tests.kit.watched import Feed, Watched

pytestmark = pytest.mark.service


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Feed]:
    feed = Feed(tmp_path / "data")
    yield feed
    feed.journal.close()


@pytest.fixture
def database(shared_postgres: PostgresServer) -> PostgresServer:
    shared_postgres.start()
    shared_postgres.query("DROP SCHEMA IF EXISTS logboom CASCADE;")
    return shared_postgres


@pytest.fixture
def to_postgres(database: PostgresServer, feed: Feed) -> Iterator[Watched]:
    watched = Watched(make_postgres(database.url, feed.data_dir), feed, flush_interval_s=0.0)
    yield watched
    watched.runner.stop(10)


def rows(database: PostgresServer, table: str = "entries") -> list[int]:
    return [row[0] for row in database.query(f"SELECT sequence FROM logboom.{table} ORDER BY sequence")]


ALL = list(range(30))
NEW = list(range(20, 30))


@pytest.mark.parametrize(
    ("statement", "report", "entries", "readings"),
    [
        ("DROP TABLE logboom.entries", 'relation "logboom.entries" does not exist', NEW, ALL),
        ("DROP TABLE logboom.readings", 'relation "logboom.readings" does not exist', ALL, NEW),
        ("DROP TABLE logboom.entries, logboom.readings", "does not exist", NEW, NEW),
        ("ALTER TABLE logboom.entries RENAME TO old", 'relation "logboom.entries" does not exist', NEW, ALL),
        (
            "ALTER TABLE logboom.readings RENAME TO old",
            'relation "logboom.readings" does not exist',
            ALL,
            NEW,
        ),
        ("DROP TABLE logboom.journals", 'relation "logboom.journals" does not exist', ALL, ALL),
        ("TRUNCATE logboom.journals", "position was deleted", ALL, ALL),
        ("TRUNCATE logboom.journals RESTART IDENTITY", "position was deleted", ALL, ALL),
        ("DELETE FROM logboom.journals", "position was deleted", ALL, ALL),
        ("DROP SCHEMA logboom CASCADE", "does not exist", ALL, ALL),
        ("ALTER SCHEMA logboom RENAME TO old", "does not exist", ALL, ALL),
        ("TRUNCATE logboom.entries, logboom.readings", "", NEW, NEW),
        ("DROP TABLE logboom.logboom_version", "", ALL, ALL),
    ],
)
def test_a_table_that_is_dropped(
    to_postgres: Watched,
    database: PostgresServer,
    statement: str,
    report: str,
    entries: list[int],
    readings: list[int],
) -> None:
    database.query("DROP SCHEMA IF EXISTS old CASCADE;")
    to_postgres.append_readings(20)
    database.query(f"{statement};")
    to_postgres.append_readings(10)
    if report:
        assert report in to_postgres.reports.get(timeout=10)
    assert to_postgres.reports.empty()
    assert (rows(database), rows(database, "readings")) == (entries, readings)
    state = to_postgres.output.database_state()
    assert (state.connected, state.total_readings) == (True, len(readings))
    other = make_postgres(database.url, to_postgres.feed.data_dir / "other")
    other.open()  # another server's journal gets a number of its own
    other.close()
    assert len(database.query("SELECT DISTINCT id FROM logboom.journals")) == 2


@pytest.mark.parametrize("statement", ["DROP TABLE logboom.entries", "TRUNCATE logboom.journals"])
def test_a_table_that_is_dropped_while_nothing_comes(
    to_postgres: Watched, database: PostgresServer, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_postgres.append_readings(20)
    monkeypatch.setattr(postgres, "CHECK_INTERVAL_S", 0.0)
    database.query(f"{statement};")
    assert "continuing with a new one" in to_postgres.reports.get(timeout=10)
    to_postgres.append_readings(10)
    assert rows(database)[-10:] == NEW


def test_a_version_that_is_dropped_while_the_server_is_stopped(
    database: PostgresServer, feed: Feed, to_postgres: Watched
) -> None:
    to_postgres.append_readings(20)
    to_postgres.runner.stop(10)
    database.query("DROP TABLE logboom.logboom_version;")
    again = Watched(make_postgres(database.url, feed.data_dir), feed, flush_interval_s=0.0)
    again.append_readings(10)
    again.runner.stop(10)
    assert again.reports.empty()
    assert rows(database) == ALL


# --- Redis ---


@pytest.fixture
def to_redis(shared_redis: RedisServer, feed: Feed) -> Iterator[Watched]:
    with shared_redis.client() as client:
        client.flushall()
    watched = Watched(make_redis(shared_redis.url, feed.data_dir), feed, flush_interval_s=0.0)
    yield watched
    watched.runner.stop(10)


@pytest.mark.parametrize("idle", [False, True])
@pytest.mark.parametrize("command", ["FLUSHALL", "FLUSHDB", "DEL logboom:o:position"])
def test_a_redis_that_is_emptied(
    to_redis: Watched, shared_redis: RedisServer, monkeypatch: pytest.MonkeyPatch, command: str, idle: bool
) -> None:
    to_redis.append(20)
    if idle:
        monkeypatch.setattr(redis, "CHECK_INTERVAL_S", 0.0)
    with shared_redis.client() as client:
        client.execute_command(*command.split())
        if not idle:
            to_redis.append(10)
        report = to_redis.reports.get(timeout=10)
        assert (
            "was emptied, or has an earlier state: the entries that the journal still has are written again"
            in report
        )
        to_redis.append(1)
        assert len(list(client.scan_iter("log:*"))) == to_redis.feed.next


def test_a_request_that_was_late_is_no_loss(to_redis: Watched, shared_redis: RedisServer) -> None:
    to_redis.append(20)
    with shared_redis.client() as client:
        client.hset("logboom:o:position", client.hkeys("logboom:o:position")[0], "25")
    to_redis.append(10)
    assert isinstance(to_redis.runner, OutputRunner)
    assert to_redis.reports.empty()
