"""Tables of the `postgres` output, and their migration from older versions."""

import re
from typing import TYPE_CHECKING, Any, Final

from logboom.errors import OutputError

if TYPE_CHECKING:
    import asyncpg

ENTRY_COLUMNS: Final = (
    "journal",
    "sequence",
    "received_at",
    "time",
    "source",
    "listener",
    "level",
    "severity",
    "message",
    "entry",
    "entry_text",
)
READING_COLUMNS: Final = (
    "journal",
    "sequence",
    "sensor",
    "time",
    "temp",
    "rh",
    "lux",
    "irradiance",
    "entry",
)

TABLES: Final = {
    "journals": """
    CREATE TABLE {schema}.journals (
      id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      name text NOT NULL,
      next_sequence bigint NOT NULL,
      readings bigint NOT NULL DEFAULT 0
    );
    COMMENT ON TABLE {schema}.journals IS 'Which journals were read, how far, and how many readings each has here';
    """,
    "entries": """
    CREATE TABLE {schema}.entries (
      journal integer NOT NULL,
      sequence bigint NOT NULL,
      received_at timestamptz NOT NULL,
      time timestamptz NOT NULL,
      source text COLLATE "C" NOT NULL,
      listener text COLLATE "C" NOT NULL,
      level text COLLATE "C" NOT NULL,
      severity real,
      message text NOT NULL,
      entry jsonb NOT NULL,
      entry_text text,
      PRIMARY KEY (sequence, journal)
    );
    COMMENT ON TABLE {schema}.entries IS 'Everything that was received';
    COMMENT ON COLUMN {schema}.entries.sequence IS 'Place in the journal';
    COMMENT ON COLUMN {schema}.entries.time IS 'The sender''s, else received_at';
    COMMENT ON COLUMN {schema}.entries.level IS 'Empty: none';
    COMMENT ON COLUMN {schema}.entries.severity IS 'OpenTelemetry''s 1 to 24; NULL: unknown';
    COMMENT ON COLUMN {schema}.entries.entry_text IS 'As it was sent, where jsonb can''t hold it; else NULL';
    CREATE INDEX ON {schema}.entries (received_at);
    CREATE INDEX ON {schema}.entries (time);
    CREATE INDEX ON {schema}.entries (source, time);
    CREATE INDEX ON {schema}.entries (level, time) WHERE level <> '';
    CREATE INDEX ON {schema}.entries (time) WHERE severity >= 17;
    """,
    "readings": """
    CREATE TABLE {schema}.readings (
      journal integer NOT NULL,
      sequence bigint NOT NULL,
      sensor text COLLATE "C" NOT NULL,
      time timestamptz NOT NULL,
      temp double precision,
      rh double precision,
      lux double precision,
      irradiance double precision,
      entry jsonb NOT NULL,
      PRIMARY KEY (sequence, journal)
    );
    COMMENT ON TABLE {schema}.readings IS 'Those of the entries that are sensor readings';
    COMMENT ON COLUMN {schema}.readings.temp IS '°C; NULL, as in its neighbours: sent, but not finite';
    COMMENT ON COLUMN {schema}.readings.rh IS '%';
    COMMENT ON COLUMN {schema}.readings.irradiance IS 'W/m²: sent, else lux / 127';
    CREATE INDEX ON {schema}.readings (time);
    CREATE INDEX ON {schema}.readings (sensor, time);
    CREATE OR REPLACE FUNCTION {schema}.count_deleted() RETURNS trigger LANGUAGE plpgsql
      SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
      IF TG_OP = 'TRUNCATE' THEN
        UPDATE {schema}.journals SET readings = 0;
      ELSE
        UPDATE {schema}.journals j SET readings = j.readings - gone.count
        FROM (SELECT journal, count(*) FROM deleted GROUP BY journal) gone WHERE gone.journal = j.id;
      END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER count_deleted AFTER DELETE ON {schema}.readings REFERENCING OLD TABLE AS deleted
      FOR EACH STATEMENT EXECUTE FUNCTION {schema}.count_deleted();
    CREATE TRIGGER count_truncated AFTER TRUNCATE ON {schema}.readings
      FOR EACH STATEMENT EXECUTE FUNCTION {schema}.count_deleted();
    UPDATE {schema}.journals SET readings = 0;
    """,
}
"""The statements that create each table in its current form. Indexes have no names, so that renamed tables do not
conflict.

The number of readings is stored with the position, in the same transaction: counting a large table takes minutes.
Triggers keep it correct after deletions by any program, and cost nothing for a new row. The index on levels excludes
entries without one, and severe entries have a separate index: readings and heartbeats cost neither.
"""

MIGRATIONS: Final = (
    # version 1
    "".join(TABLES.values()),
)
"""The statements that migrate version n to version n + 1."""

_NUMBER_ON: Final = """
SELECT setval(pg_get_serial_sequence('{schema}.journals', 'id'), used)
FROM (SELECT max(journal) AS used FROM {schema}.entries) entries WHERE used IS NOT NULL
"""
"""Continues the numbers of a new table of journals after those that rows already have."""

_OURS: Final = """
SELECT bool_and(coalesce(obj_description(to_regclass(name), 'pg_class') = ANY ($2::text[]), false))
FROM unnest($1::text[]) name WHERE to_regclass(name) IS NOT NULL
"""
_DESCRIPTION: Final = re.compile(r"COMMENT ON TABLE \S+ IS '([^']*)'")


async def migrate(connection: "asyncpg.Connection[Any]", schema: str) -> frozenset[str]:
    """Create or migrate the tables in one transaction, under a lock that other servers wait for.

    Args:
        connection: a new connection.
        schema: name of the database schema, not quoted.

    Returns:
        The tables that were missing, and are empty now.

    Raises:
        OutputError: the schema belongs to a newer Logboom or to another program, or the encoding is not UTF-8.
        asyncpg.PostgresError: an error of the server.
    """
    encoding = await connection.fetchval("SHOW server_encoding")
    if encoding != "UTF8":
        raise OutputError(
            f"the database's encoding is {encoding}, expected UTF8: "
            "create one with CREATE DATABASE logboom ENCODING 'UTF8' TEMPLATE template0"
        )
    missing = await _missing(connection, schema)
    if not missing and await _version(connection, schema) == len(MIGRATIONS):
        return missing
    async with connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('logboom ' || $1, 0))", schema
        )
        missing = await _missing(connection, schema)
        await _bring_up_to_date(connection, schema, missing)
        await _save_version(connection, quoted(schema))
    return missing


async def _bring_up_to_date(
    connection: "asyncpg.Connection[Any]", schema: str, missing: frozenset[str]
) -> None:
    version = await _version(connection, schema)
    if version > len(MIGRATIONS):
        raise OutputError(
            f"schema {schema} has version {version}, this Logboom knows up to {len(MIGRATIONS)}: "
            "it was written by a newer one"
        )
    if not await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", quoted(schema)):
        await connection.execute(f"CREATE SCHEMA {quoted(schema)}")
    if version == 0 and len(missing) < len(TABLES):
        if not await _are_ours(connection, schema):
            raise OutputError(f"schema {schema} has tables of another program: choose another `schema`")
        version = len(MIGRATIONS)  # only the version was lost
    steps = MIGRATIONS[version:]
    if version:
        steps += tuple(text for name, text in TABLES.items() if name in missing)
        steps += (_NUMBER_ON,) if "journals" in missing else ()
    for statements in steps:
        await connection.execute(statements.replace("{schema}", quoted(schema)))


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


async def _version(connection: "asyncpg.Connection[Any]", schema: str) -> int:
    """Version of the tables; 0 when there are none of Logboom."""
    table = f"{quoted(schema)}.logboom_version"
    if not await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table):
        return 0
    return int(await connection.fetchval(f"SELECT version FROM {table}"))  # noqa: S608 - quoted


def _names(schema: str) -> list[str]:
    return [f"{quoted(schema)}.{table}" for table in TABLES]


async def _missing(connection: "asyncpg.Connection[Any]", schema: str) -> frozenset[str]:
    """Logboom's tables that are missing."""
    rows = await connection.fetch(
        "SELECT to_regclass(name) IS NULL FROM unnest($1::text[]) WITH ORDINALITY AS one (name, place) ORDER BY place",
        _names(schema),
    )
    return frozenset(table for table, (missing,) in zip(TABLES, rows, strict=True) if missing)


async def _are_ours(connection: "asyncpg.Connection[Any]", schema: str) -> bool:
    """Return whether existing tables without a version were created by Logboom."""
    descriptions = [found for text in TABLES.values() for found in _DESCRIPTION.findall(text)]
    return bool(await connection.fetchval(_OURS, _names(schema), descriptions))


async def _save_version(connection: "asyncpg.Connection[Any]", schema: str) -> None:
    table = f"{schema}.logboom_version"
    await connection.execute(
        f"CREATE TABLE IF NOT EXISTS {table} (version integer NOT NULL); TRUNCATE {table}"
    )
    await connection.execute(f"INSERT INTO {table} VALUES ($1)", len(MIGRATIONS))  # noqa: S608 - quoted
