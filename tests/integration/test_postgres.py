"""The `postgres` output against a real PostgreSQL."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import pytest

from logboom.errors import OutputError
from logboom.journal.journal import AckLevel, Journal
from logboom.journal.log import Block
from logboom.model import Batch, Receipt, Source
from logboom.outputs import postgres, postgres_connection, postgres_schema
from logboom.outputs.postgres import PostgresOutput, PostgresSettings
from logboom.outputs.runner import OutputRunner
from logboom.testing.output_kit import FIRST_NS, check_output, sample_entries, write_journal
from tests.kit.block_kit import block, store
from tests.kit.postgres_kit import (
    PASSWORD,
    QUOTED,
    PostgresServer,
    make_output,
    reading,
    readings,
)

pytestmark = pytest.mark.service

WAIT_S_MAX: Final = 30.0
FIRST_S: Final = FIRST_NS / 1e9
Rows = list[tuple[Any, ...]]


@pytest.fixture
def server(shared_postgres: PostgresServer) -> PostgresServer:
    """A server that several tests share, without a table of ours."""
    shared_postgres.start()
    shared_postgres.query("DROP SCHEMA IF EXISTS logboom CASCADE;")
    return shared_postgres


@pytest.fixture
def make(server: PostgresServer, tmp_path: Path) -> Iterator[Callable[..., PostgresOutput]]:
    """Makes an output that reads the journal of `data`; settings and what is injected by keyword."""
    made: list[PostgresOutput] = []

    def make(**more: Any) -> PostgresOutput:
        output = make_output(more.pop("url", server.url), tmp_path / more.pop("data", "data"), **more)
        made.append(output)
        return output

    yield make
    for output in made:
        output.close()


Make = Callable[..., PostgresOutput]


def sequences(server: PostgresServer, table: str = "entries") -> list[int]:
    return [
        row[0] for row in server.query(f"SELECT sequence FROM logboom.{table} ORDER BY journal, sequence")
    ]


# --- the rows ---


def test_a_reading_is_in_both_tables(server: PostgresServer, make: Make) -> None:
    entry = b'{"id":"e4643048d7292c2e","time":"2025-10-02 17:58:37","temp":24.10,"rh":50.50,"lux":546.60}'
    store(make(), block(entry, first=5))
    times = "received_at::text, time::text"
    [row] = server.query(
        f"SELECT sequence, {times}, source, listener, level, severity, entry::text FROM logboom.entries"
    )
    kept = (
        '{"id": "e4643048d7292c2e", "rh": 50.50, "lux": 546.60, "temp": 24.10, "time": "2025-10-02 17:58:37"}'
    )
    received = server.query("SELECT '2025-11-12T19:09:03.838190Z'::timestamptz::text")[0][0]
    time = server.query("SELECT '2025-10-02T17:58:37Z'::timestamptz::text")[0][0]
    assert row == (5, received, time, "10.0.0.1", "gateway", "", None, kept)
    [row] = server.query(
        "SELECT sequence, sensor, time::text, temp, rh, lux, irradiance, entry::text FROM logboom.readings"
    )
    assert row == (5, "e4643048d7292c2e", time, 24.1, 50.5, 546.6, 546.6 / 127, kept)


def test_an_entry_that_is_no_reading(server: PostgresServer, make: Make) -> None:
    store(make(), block(b'{"level":"warn","msg":"tab\\t, new line\\n, \\\\N","temp":1}', listener="device"))
    [row] = server.query("SELECT level, severity, message, entry ->> 'msg', entry_text FROM logboom.entries")
    assert row == ("WARNING", 13.0, "tab\t, new line\n, \\N", "tab\t, new line\n, \\N", None)
    assert sequences(server, "readings") == []


NASTY: Final = (
    rb'{"msg":"a\u0000b","temp":1,"rh":2,"lux":3}',
    b'{"n":1e400}',
    b'{"n":1e200000,"m":-1e-99999}',
    b'{"n":%b}' % (b"9" * 140_000),
    b'{"n":%b0%b}' % (b"[" * 800, b"]" * 800),
    b'{"temp":"NaN","rh":"inf","lux":1e400}',
    b'{"level":"%b","id":"%b","temp":1,"rh":2,"lux":3}' % (b"l" * 9000, b"i" * 9000),
    rb'{"msg":"\ud83d\ude80 \u001f \\ \r\n \t \\. \\N \u2028"}',
    b'{"a":1,"a":2}',
    b'{"time":"9999-12-31T23:59:59+00:00"}',
    b'{"time":"0001-01-01 00:00:00"}',
    b'{"time":1e300,"":""}',
)


def exact(text: str | bytes) -> object:
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


@pytest.mark.parametrize("entry", NASTY, ids=range(len(NASTY)))
def test_whatever_came_is_kept_and_stops_nothing(server: PostgresServer, make: Make, entry: bytes) -> None:
    output = make()
    store(output, block(b'{"n":0}', entry, b'{"n":2}'))
    assert (output.position(), output.damaged) == (3, 0)
    assert sequences(server) == [0, 1, 2]
    [(kept, text)] = server.query("SELECT entry::text, entry_text FROM logboom.entries WHERE sequence = 1")
    if text is not None:
        assert text == entry.decode()
    else:
        assert exact(kept) == exact(entry)


def test_only_what_jsonb_refuses_is_replaced(server: PostgresServer, make: Make) -> None:
    store(make(), block(*NASTY))
    replaced = server.query("SELECT sequence FROM logboom.entries WHERE entry_text IS NOT NULL ORDER BY 1")
    assert replaced == [(0,), (2,), (3,)]
    [(message, inside)] = server.query(
        "SELECT message, entry ->> 'msg' FROM logboom.entries WHERE sequence = 0"
    )
    assert message == inside == "a\ufffdb"
    found = server.query("SELECT sequence, temp, rh, lux FROM logboom.readings ORDER BY 1")
    assert found == [(0, 1, 2, 3), (5, None, None, None), (6, 1, 2, 3)]


def test_a_row_that_is_refused_for_no_reason_we_know_gets_a_substitute(
    server: PostgresServer, make: Make
) -> None:
    output = make()
    output.open()
    server.query(
        "CREATE FUNCTION logboom.picky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF new.entry ->> 'msg' = 'm7' THEN PERFORM 1 / (new.sequence - new.sequence); END IF; RETURN new; END $$;"
        "CREATE TRIGGER picky BEFORE INSERT ON logboom.entries FOR EACH ROW EXECUTE FUNCTION logboom.picky();"
    )
    store(output, block(*(b'{"msg":"m%d","temp":1,"rh":2,"lux":3}' % number for number in range(20))))
    assert sequences(server) == list(range(20))
    refused = server.query(
        "SELECT sequence, entry::text, entry_text FROM logboom.entries WHERE entry_text IS NOT NULL"
    )
    assert refused == [(7, "{}", '{"msg":"m7","temp":1,"rh":2,"lux":3}')]


def test_damaged_lines_are_left_out_and_counted(server: PostgresServer, make: Make) -> None:
    good = block(b'{"n":0}', b'{"n":1}').data.splitlines(keepends=True)
    output = make()
    store(output, Block(0, 4, good[0] + b"\0\0\n" + good[1] + b'{"entry":\n'))
    assert (output.damaged, output.position(), sequences(server)) == (2, 4, [0, 2])


def test_only_entries_of_some_listeners(server: PostgresServer, make: Make) -> None:
    output = make(listeners=["gateway"])
    store(
        output, block(b'{"n":0}', listener="device"), readings(1, 3), block(b"{}", first=3, listener="http")
    )
    assert (output.position(), sequences(server)) == (4, [1, 2])
    store(output, block(b"{}", first=4, listener="http"))
    output.open()
    assert output.position() == 5


def test_only_entries_that_match_the_filter(server: PostgresServer, make: Make) -> None:
    output = make(filter="n:2..3 or pump")
    store(output, block(*[b'{"n":%d}' % number for number in range(5)], b'{"msg":"Pump on"}', b"{}"))
    assert (output.position(), output.skipped, sequences(server)) == (7, 4, [2, 3, 5])


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("entries WHERE time > '2025-01-01' AND time < '2025-01-02'", "entries_time_idx"),
        ("entries WHERE source = 'x' ORDER BY time", "entries_source_time_idx"),
        ("entries WHERE level = 'ERROR' ORDER BY time DESC", "entries_level_time_idx"),
        ("entries WHERE severity >= 17 ORDER BY time DESC LIMIT 5", "entries_time_idx1"),
        ("entries ORDER BY sequence DESC LIMIT 5", "entries_pkey"),
        ("readings WHERE sensor = 'x' AND time > '2025-01-01'", "readings_sensor_time_idx"),
        ("readings WHERE time > '2025-01-01' ORDER BY time", "readings_time_idx"),
    ],
)
def test_queries_have_an_index(server: PostgresServer, make: Make, query: str, index: str) -> None:
    make().open()
    server.query("ALTER ROLE logboom SET enable_seqscan = off;")
    plan = server.query(f"EXPLAIN SELECT * FROM logboom.{query}")
    server.query("ALTER ROLE logboom RESET enable_seqscan;")
    assert index in "".join(line for (line,) in plan)


# --- exactly once ---


def test_each_entry_once_whatever_crashes(server: PostgresServer, tmp_path: Path) -> None:
    made: dict[Path, PostgresOutput] = {}

    def make(folder: Path) -> PostgresOutput:
        if folder in made:
            made[folder].close()  # as the sockets of a process that dies
        schema = folder.name.replace("-", "_")
        made[folder] = make_output(server.url, folder, schema=schema)
        return made[folder]

    def read_back(folder: Path) -> list[Rows]:
        schema = folder.name.replace("-", "_")
        return [
            server.query(f"SELECT * FROM {schema}.entries ORDER BY sequence"),
            server.query(f"SELECT * FROM {schema}.readings ORDER BY sequence"),
            server.query(f"SELECT id, next_sequence, readings FROM {schema}.journals"),
        ]

    entries, found, [journal] = check_output(make, read_back, tmp_path)
    assert [row[1] for row in entries] == list(range(400))
    assert journal == (1, 400, len(found))
    assert len(found) > 20


KILLED = """
import os, sys
from pathlib import Path
from logboom.journal.reader import JournalReader
from logboom.outputs.postgres import PostgresOutput, PostgresSettings

url, folder, steps = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
output = PostgresOutput(PostgresSettings(type="postgres", url=url), "o", folder)
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


def test_killed_again_and_again(server: PostgresServer, tmp_path: Path) -> None:
    write_journal(tmp_path, sample_entries(300))
    command = [sys.executable, "-c", KILLED, server.url, str(tmp_path)]
    ended = [subprocess.run([*command, str(steps)], check=False).returncode for steps in (4, 6, 99)]
    assert ended == [-9, -9, 0]
    assert sequences(server) == list(range(300))


def test_a_long_way_is_written_a_part_at_a_time(
    server: PostgresServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "TRANSACTION_BYTES", 1000)
    monkeypatch.setattr(postgres, "READINGS_AT_ONCE", 3)
    output = make()
    output.open()
    positions = []
    for first in range(0, 50, 5):
        output.write(readings(first, first + 5))
        positions.append(output.position())
    assert positions == [0, 10, 10, 20, 20, 30, 30, 40, 40, 50]
    output.flush()
    assert output.position() == 50
    assert sequences(server) == sequences(server, "readings") == list(range(50))


def test_another_journals_rows_stay(server: PostgresServer, make: Make) -> None:
    store(make(), readings(0, 5))
    other = make(data="other")
    store(other, readings(0, 3))
    assert sequences(server) == [0, 1, 2, 3, 4, 0, 1, 2]
    assert other.position() == 3
    again = make()
    again.open()
    assert again.position() == 5
    assert again.database_state().total_readings == 8


def test_a_rewind_lasts_and_overwrites_nothing(server: PostgresServer, make: Make) -> None:
    output = make()
    store(output, readings(0, 5))
    output.open()
    output.rewind(2)
    assert output.position() == 2
    store(output, readings(2, 4))
    assert output.position() == 4
    assert server.query("SELECT journal, sequence FROM logboom.entries ORDER BY 1, 2") == [
        *((1, number) for number in range(5)),
        (2, 2),
        (2, 3),
    ]


def test_two_outputs_of_one_journal_never_write_twice(server: PostgresServer, make: Make) -> None:
    late, output = make(), make()
    late.open()
    store(output, readings(0, 3))
    late.write(readings(0, 3))
    with pytest.raises(OutputError, match="position in the database is not 0 any more"):
        late.flush()
    late.open()
    assert late.position() == 3
    store(late, readings(0, 5))
    assert sequences(server) == list(range(5))


# --- what health is told ---


def test_the_state_of_the_database(server: PostgresServer, make: Make) -> None:
    now = [0.0]
    output = make(timer=lambda: now[0])
    assert output.database_state() == (False, None, None)
    output.open()
    assert output.database_state() == (True, 0, None)
    output.write(readings(1, 3))
    output.write(block(b'{"n":3}', first=3))
    output.flush()
    dates = ("2025-10-02T00:01:37+00:00", "2025-10-02T00:02:37+00:00")
    assert output.database_state() == (True, 2, dates)
    output.write(readings(4, 6))
    output.flush()
    assert output.database_state() == (True, 4, (dates[0], "2025-10-02T00:05:37+00:00"))
    server.query("DELETE FROM logboom.readings WHERE sequence IN (1, 5)")
    output.flush()
    assert output.database_state()[1] == 4  # it is not asked all the time
    now[0] = postgres.CHECK_INTERVAL_S
    output.flush()
    assert output.database_state() == (True, 2, (dates[1], "2025-10-02T00:04:37+00:00"))
    server.query("TRUNCATE logboom.readings")
    now[0] *= 2
    output.flush()
    assert output.database_state() == (True, 0, None)
    output.close()
    assert output.database_state() == (False, 0, None)


# --- old rows go ---


def test_old_rows_go_a_part_at_a_time(
    server: PostgresServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [FIRST_S + 50.0]
    output = make(retention_age_s=40.0, clock=lambda: now[0])
    output.open()
    output.write(readings(0, 30))
    output.flush()
    assert sequences(server) == sequences(server, "readings") == list(range(10, 30))
    assert output.database_state().total_readings == 20
    monkeypatch.setattr(postgres, "DELETED_ROWS_MAX", 15)
    now[0] = FIRST_S + 1000
    left = []
    for _ in range(3):
        output.flush()
        left.append(len(sequences(server)))
    assert left == [5, 0, 0]
    assert output.database_state() == (True, 0, None)


# --- the schema ---


def test_a_schema_of_ones_own_choice(server: PostgresServer, make: Make) -> None:
    server.query('DROP SCHEMA IF EXISTS "user" CASCADE; CREATE SCHEMA "user";')
    store(make(schema="user"), readings(0, 3))
    assert server.query('SELECT count(*) FROM "user".readings') == [(3,)]
    server.query('DELETE FROM "user".readings')
    assert server.query('SELECT readings FROM "user".journals') == [(0,)]


def test_a_schema_of_another_program(server: PostgresServer, make: Make) -> None:
    server.query("CREATE SCHEMA logboom; CREATE TABLE logboom.entries (mine integer);")
    with pytest.raises(OutputError, match="schema logboom has tables of another program"):
        make().open()


def test_a_schema_of_a_newer_logboom(server: PostgresServer, make: Make) -> None:
    make().open()
    server.query("UPDATE logboom.logboom_version SET version = 99")
    with pytest.raises(OutputError, match="schema logboom has version 99, this Logboom knows up to 1"):
        make().open()


def test_tables_of_an_older_version_are_renewed(
    server: PostgresServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(make(), readings(0, 3))
    newer = (*postgres_schema.MIGRATIONS, "ALTER TABLE {schema}.entries ADD note text")
    monkeypatch.setattr(postgres_schema, "MIGRATIONS", newer)
    store(make(), readings(3, 5))
    assert server.query("SELECT sequence, note FROM logboom.entries WHERE sequence > 2 ORDER BY 1") == [
        (3, None),
        (4, None),
    ]
    assert server.query("SELECT version FROM logboom.logboom_version") == [(2,)]


def test_a_database_that_can_not_hold_any_text(server: PostgresServer, make: Make) -> None:
    server.query("DROP DATABASE IF EXISTS latin")
    server.query("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(OutputError, match="encoding is LATIN1, expected UTF8"):
        make(url=server.url.replace("/postgres", "/latin")).open()


def test_a_commit_is_durable_whatever_the_database_says(server: PostgresServer, make: Make) -> None:
    output = make()
    output.open()
    assert server.query("SHOW synchronous_commit") == [("off",)]  # the kit's
    connection = output._connection
    assert connection is not None
    assert connection.run(lambda one: one.fetchval("SHOW synchronous_commit")) == "on"


# --- trouble ---


def hidden(text: str) -> bool:
    return PASSWORD not in text and QUOTED not in text


def test_a_wrong_password(server: PostgresServer, make: Make) -> None:
    url = server.url.replace(QUOTED, "wrong-secret")
    with pytest.raises(OutputError, match='password authentication failed for user "logboom"') as caught:
        make(url=url).open()
    assert "secret" not in str(caught.value)


def test_a_database_that_is_not_there(server: PostgresServer, make: Make) -> None:
    with pytest.raises(OutputError, match='database "nowhere" does not exist') as caught:
        make(url=server.url.replace("/postgres", "/nowhere")).open()
    assert hidden(str(caught.value))


def test_by_socket(server: PostgresServer, make: Make) -> None:
    url = f"postgresql://logboom:{QUOTED}@/postgres?host={server.folder}&port={server.port}"
    store(make(url=url), readings(0, 3))
    assert sequences(server) == [0, 1, 2]


def test_a_server_that_hangs(server: PostgresServer, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    output = make()
    output.open()
    output.write(readings(0, 3))
    connection = output._connection
    assert connection is not None
    pid = connection.run(lambda one: one.fetchval("SELECT pg_backend_pid()"))
    run = postgres_connection.PostgresConnection.run
    monkeypatch.setattr(
        postgres_connection.PostgresConnection,
        "run",
        lambda self, work, timeout_s=0.2: run(self, work, timeout_s),
    )
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(OutputError, match=r"no answer within 0\.2 s") as caught:
            output.flush()
        output.close()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert hidden(str(caught.value))
    monkeypatch.undo()
    store(output, readings(0, 5))
    assert sequences(server) == list(range(5))


class Watched(PostgresOutput):
    """Does something before its n-th write."""

    def __init__(self, url: str, data_dir: Path, before: dict[int, Callable[[], None]]) -> None:
        super().__init__(PostgresSettings(type="postgres", url=url), "o", data_dir)
        self._before = before
        self._writes = 0

    def write(self, block: Block) -> None:
        self._writes += 1
        self._before.get(self._writes, lambda: None)()
        super().write(block)


def append(journal: Journal, first: int, end: int) -> None:
    entries = b"\n".join(map(reading, range(first, end)))
    batch = Batch(entries, bytes(end - first), size_bytes=len(entries))
    batch.source = Source("gateway", "10.0.0.1")
    batch.received_ns = FIRST_NS
    answers: SimpleQueue[Receipt] = SimpleQueue()
    journal.submit(batch, AckLevel.SYNCED, answers.put)
    assert answers.get(timeout=WAIT_S_MAX).first_sequence == first


def test_the_server_goes_away_in_mid_stream_and_comes_back(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "TRANSACTION_BYTES", 100_000)
    output = Watched(server.url, tmp_path, {4: server.stop})
    journal = Journal(tmp_path, lambda call, *arguments: call(*arguments), free_bytes_min=0)
    reports: SimpleQueue[tuple[str, str]] = SimpleQueue()
    runner = OutputRunner("o", output, journal.log, lambda *report: reports.put(report))
    append(journal, 0, 4000)
    runner.start()
    kind, text = reports.get(timeout=WAIT_S_MAX)
    assert kind == "error"
    assert "output o can't write: postgresql://127.0.0.1" in text
    assert hidden(text)
    assert not output.database_state().connected
    assert 0 < output.position() < 4000
    append(journal, 4000, 4100)
    server.start()
    while not reports.get(timeout=WAIT_S_MAX)[1].startswith("output o works again"):
        pass  # "is not yet accepting connections"
    journal.close()
    runner.stop(WAIT_S_MAX)
    assert (runner.position, runner.failing) == (4100, None)
    assert sequences(server) == sequences(server, "readings") == list(range(4100))
    assert server.query("SELECT readings FROM logboom.journals") == [(4100,)]
