"""The columns of the SQL view hold what records hold: time, level, message and sender of entries of all kinds."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from logboom.formats.records import records_of, sender
from logboom.journal.seekable import write_frames
from logboom.journal.segments import Segment
from logboom.query.sql.column_writer import write_columns
from logboom.query.sql.log_view import open_view

RECEIVED = "2025-11-12T19:08:58.838190+00:00"

LEVELS: list[Any] = [
    *("INFO", "info", " Warn ", "E", "fatal", "ERROR+4", "WARN3", "DEBUG-4", "TRADE", "odd", "", None, True),
    *(0, 3, 7, 8, 10, 25, 30, 30.0, 45, 50, 60, "30", "3", 99999999999, -1, 1.5),
    *({"name": "INFO", "no": 20}, {"label": "debug"}),
]
TIMES: list[Any] = [
    *("2025-11-12T19:00:00.000000+00:00", "2025-11-12 20:00:00", "2025-11-12T20:00:00+01:00", "2025-11-12"),
    *(
        "2025-11-12T19:00:00Z",
        "2025-11-12T19:00",
        "2025-11-12T19:00:00.1234567Z",
        "20251112",
        "20251112190000",
    ),
    *("1970-01-01T00:00:00Z", "2025-11-20T00:00:00Z", "2025-11-13T18:00:00Z", "1999-12-31T00:00:00Z", "noon"),
    *(1762974000, 1762974000.5, 1762974000123, "1762974000", 1762974000123456, 1762974000123456789, 17, True),
    *("2025-11-31T00:00:00Z", "2025-11-12T24:00:01Z", "", None, {"s": 1}, [1762974000]),
]
ENTRIES: list[dict[str, Any]] = [
    *({key: level} for key in ("level", "severity", "log.level", "@l", "levelname") for level in LEVELS),
    *({"log": {"level": level}} for level in LEVELS[:8]),
    *({"type": word} for word in ("error", "heartbeat", "i", "warning", 3)),
    *({"severity_number": number} for number in (0, 1, 9, "17", 24, 25)),
    {"level": 30, "severity_number": 17},
    {"level": 30, "severity_text": "WARN"},
    {"level": "odd", "severityNumber": 13},
    *({"level": number, "msg": "x", "time": 1762974000123} for number in (10, 20, 30, 40, 50, 60)),
    {"level": 30, "msg": "x", "time": 1762974000123, "lineno": 3},
    {"level": 40, "pid": 1, "hostname": "h"},
    *({key: value} for key in ("ts", "@timestamp") for value in TIMES),
    {"ts": "never", "time": "2025-11-12T10:00:00Z"},
    {"ts": None, "timestamp": 1762974000},
    {"msg": "m", "message": "n"},
    {"msg": None, "message": "n"},
    {"message": ["a", "b"]},
    {"msg": "[not json"},
    {"msg": "[1]"},
    {"msg": ""},
    {"event": "started", "text": "later"},
    {"event": 3, "text": "later"},
    {"event": "", "log": "line\n"},
    {"MESSAGE": "journald"},
    {"temp": 1, "rh": 2, "lux": 3, "id": "s1"},
    {"temp": "warm", "rh": 2, "lux": 3, "id": "s1"},
    *({key: "name"} for key in ("source", "device", "sensor_id", "service", "host")),
    {"source": "x" * 200, "host": "h"},
    {"source": "", "device": 7},
    {"device": {"id": 1}, "host": True, "service": "s"},
    {},
    {"message": "ünï\u2028cødé 💥 \x00 \u0000", "level": "INFO"},
]


@pytest.fixture(scope="module", params=["lines", "columns"])
def journal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of packed and plain segments, with damaged lines."""
    folder = tmp_path_factory.mktemp("journal")
    lines = [
        f'{{"received_at":"{RECEIVED}","entry":{json.dumps(entry)},"source":"10.0.0.1","listener":"device"}}\n'.encode()
        for entry in ENTRIES
    ]
    lines[5] = b'{"received_at":"2025-1\n'
    with Segment.at(folder, 0).packed_path.open("wb") as file:
        write_frames(file, [b"".join(lines[:20]), b"".join(lines[20:60])], 3)
    Segment.at(folder, 60).path.write_bytes(b"".join(lines[60:100]))
    write_columns(Segment.at(folder, 60).path, 60, Segment.at(folder, 60).columns_path, 3)
    if request.param == "columns":
        Segment.at(folder, 60).path.unlink()
        plain = Segment.at(folder, 0)
        plain.path.write_bytes(b"".join(lines[:60]))
        write_columns(plain.path, 0, plain.columns_path, 3)
        plain.path.unlink()
        plain.frames_path.unlink()
    Segment.at(folder, 100).path.write_bytes(b"".join(lines[100:]) + b'{"received_at":"2025-11')
    return folder


def rows_of(folder: Path, query: str, **limits: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(":memory:") as engine:
        engine.execute("SET TimeZone = 'UTC'")
        view = open_view(folder, len(ENTRIES), limits.get("since", ""), limits.get("until", ""))
        view.create(engine)
        return engine.execute(query).fetchall()


def records() -> list[Any]:
    lines = [
        f'{{"received_at":"{RECEIVED}","entry":{json.dumps(entry)},"source":"10.0.0.1","listener":"device"}}\n'.encode()
        for entry in ENTRIES
    ]
    return [record for record in records_of(range(len(lines)), b"".join(lines)) if record.sequence != 5]


def test_every_column_is_that_of_the_record(journal: Path) -> None:
    query = "select sequence, level, strftime(time, '%Y-%m-%dT%H:%M:%S.%f+00:00'), message, sender from logs order by 1"
    found = {row[0]: row[1:] for row in rows_of(journal, query)}
    expected = {
        one.sequence: (one.level or None, one.time, one.message, sender(one.entry, one.source))
        for one in records()
    }
    assert sorted(found) == sorted(expected)
    differing = [(ENTRIES[key], found[key], expected[key]) for key in found if found[key] != expected[key]]
    assert not differing
