"""Log files of the usual programs become entries with their own times, levels and messages."""

import json
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.clients.importing.layouts.base import Layout
from logboom.clients.importing.layouts.registry import LAYOUTS, recognise
from logboom.clients.importing.layouts.texts import CsvTable, SyslogFile, TimedText
from logboom.clients.importing.log_file import LogFile

ACCESS = (
    '203.0.113.7 - - [30/Nov/2026:04:12:09 +0100] "GET /api/pumps?id=3 HTTP/1.1" 200 512 "-" "curl/8.5.0"\n'
    '2001:db8::1 - alice [30/Nov/2026:04:12:10 +0100] "POST /login HTTP/2.0" 502 0 "https://x/" "Mozilla/5.0 (X11)"\n'
    '203.0.113.9 - - [30/Nov/2026:04:12:11 +0100] "\\x16\\x03\\x01" 400 166\n'
)
NGINX_ERROR = (
    "2026/11/30 04:12:09 [error] 29#29: *7 connect() failed (111: refused) while connecting to upstream\n"
)
APACHE_ERROR = (
    "[Mon Nov 30 04:12:09.123456 2026] [proxy:warn] [pid 7:tid 140] [client 203.0.113.7:5] AH01144: no\n"
)
DOCKER = (
    '{"log":"pump started\\n","stream":"stdout","time":"2026-11-30T04:12:09.123456789Z"}\n'
    '{"log":"first half, ","stream":"stderr","time":"2026-11-30T04:12:10Z"}\n'
    '{"log":"second half\\n","stream":"stderr","time":"2026-11-30T04:12:10.5Z"}\n'
)
JOURNAL_JSON = (
    '{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1796011929000000","PRIORITY":"3","MESSAGE":"disk failed",'
    '"SYSLOG_IDENTIFIER":"kernel","_HOSTNAME":"vm","_TRANSPORT":"kernel"}\n'
    '{"__REALTIME_TIMESTAMP":"1796011930000000","PRIORITY":"6","MESSAGE":[112,117,255],"_COMM":"pumpd"}\n'
)
JOURNAL_EXPORT = (
    b"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1796011929000000\nPRIORITY=4\n_SYSTEMD_UNIT=pump.service\n"
    b"SYSLOG_IDENTIFIER=pumpd\nMESSAGE\n" + (9).to_bytes(8, "little") + b"two\nlines\n\n"
    b"__CURSOR=s=1;i=3\n__REALTIME_TIMESTAMP=1796011930000000\nMESSAGE=second\n\n"
)
SYSLOG = (
    "Nov 30 04:12:09 vm sshd[812]: Accepted publickey for root\n"
    "2026-11-29T04:12:09.611+01:00 vm CRON[9]: (root) CMD (run)\n"
)
LOGFMT = 'ts=2026-11-30T04:12:09Z level=warn msg="valve \\"A\\" stuck" bar=3.50\ntime=2026-11-30T04:12:10Z msg=ok n=1\n'
CSV = 'time;level;message;temp\n2026-11-30 04:12:09;ERROR;"two\nlines";19.50\n2026-11-30 04:12:10;INFO;ok;\n'
TIMED = (
    "2026-11-30 04:12:09,611 ERROR pump: it failed\nTraceback (most recent call last):\n  File x\nValueError: 1\n"
    "[2026-11-30T04:12:10+02:00] started\n"
)


def entries_of(layout: Layout, data: bytes) -> list[dict[str, Any]]:
    end = layout.cut(data)
    pieces = [layout.convert(piece) for piece in (data[:end], data[end:]) if piece]
    assert sum(piece.unreadable for piece in pieces) == 0
    found = [json.loads(line) for piece in pieces for line in piece.entries.splitlines()]
    assert sum(piece.total for piece in pieces) == len(found)
    return found


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("access", ACCESS),
        ("error", NGINX_ERROR),
        ("error", APACHE_ERROR),
        ("docker", DOCKER),
        ("journal-json", JOURNAL_JSON),
        ("journal-export", JOURNAL_EXPORT.decode()),
        ("syslog", SYSLOG),
        ("logfmt", LOGFMT),
        ("csv", CSV),
        ("timed", TIMED),
        ("json", '{"msg":"a"}\n{"msg":"b","log":1}\n'),
    ],
)
def test_each_format_is_recognised(tmp_path: Path, name: str, data: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbf" + data.encode() if name == "csv" else data.encode())
    found = recognise(LogFile(path).sample)
    assert found is LAYOUTS[name]


@pytest.mark.parametrize(
    "data", [b"", b"hello\nworld\n", bytes(range(256)), b"\n\n\n", b"a,b\n1,2\n", b"%PDF-1.7\n\xff"]
)
def test_nothing_else_is(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert recognise(LogFile(path).sample) is None


def test_access_logs() -> None:
    first, second, third = entries_of(LAYOUTS["access"](), ACCESS.encode())
    assert first == {
        "time": "2026-11-30T03:12:09+00:00",
        "level": "INFO",
        "message": "GET /api/pumps?id=3 HTTP/1.1 200",
        "attributes": {
            "client": "203.0.113.7",
            "method": "GET",
            "path": "/api/pumps?id=3",
            "protocol": "HTTP/1.1",
            "status": 200,
            "bytes": 512,
            "user_agent": "curl/8.5.0",
        },
    }
    assert (second["level"], second["attributes"]["user"]) == ("ERROR", "alice")
    assert (third["level"], third["attributes"]["status"]) == ("WARNING", 400)


def test_error_logs_take_the_zone_that_was_named() -> None:
    zone = timezone(timedelta(hours=2))
    [nginx] = entries_of(LAYOUTS["error"](zone), NGINX_ERROR.encode())
    assert (nginx["time"], nginx["level"], nginx["attributes"]) == (
        "2026-11-30T02:12:09+00:00",
        "ERROR",
        {"pid": "29"},
    )
    assert nginx["message"].startswith("*7 connect() failed")
    [apache] = entries_of(LAYOUTS["error"](UTC), APACHE_ERROR.encode())
    assert (apache["time"], apache["level"]) == ("2026-11-30T04:12:09.123456+00:00", "WARNING")
    assert apache["attributes"] == {"pid": "7", "module": "proxy"}


def test_docker_puts_split_messages_together() -> None:
    first, second = entries_of(LAYOUTS["docker"](), DOCKER.encode())
    assert first == {
        "time": "2026-11-30T04:12:09.123456789Z",
        "message": "pump started",
        "labels": {"stream": "stdout"},
    }
    assert (second["message"], second["labels"]) == ("first half, second half", {"stream": "stderr"})


def _parts_of(message: str, size: int, stream: str = "stdout") -> bytes:
    parts = [message[start : start + size] for start in range(0, len(message), size)]
    lines = [{"log": part, "stream": stream, "time": "2026-11-30T04:12:10Z"} for part in parts]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def test_docker_parts_stay_in_one_window() -> None:
    whole, begun = _parts_of("one\n", 9) + _parts_of("two parts\n", 5), _parts_of("begun, not ended", 5)
    assert LAYOUTS["docker"]().cut(whole + begun) == len(whole)
    assert LAYOUTS["docker"]().cut(begun) == len(begun)
    interleaved = _parts_of("out", 9) + _parts_of("error\n", 9, "stderr") + _parts_of("put\n", 9)
    assert LAYOUTS["docker"]().cut(interleaved + begun + b'{"log":') == len(interleaved)


def test_docker_messages_go_on_after_an_interrupted_run_and_end_with_the_file() -> None:
    layout, lines = LAYOUTS["docker"](), _parts_of("first second third\n", 6).splitlines(keepends=True)
    layout.skip(b"".join(lines[:2]))
    [entry] = [json.loads(line) for line in layout.convert(b"".join(lines[2:])).entries.splitlines()]
    assert entry["message"] == "first second third"
    assert layout.end() == (b"", 0, 0)
    assert layout.convert(_parts_of("no end of line", 6)).total == 0
    assert json.loads(layout.end().entries)["message"] == "no end of line"
    assert layout.end().total == 0


def test_the_journal_as_json_and_as_export() -> None:
    first, second = entries_of(LAYOUTS["journal-json"](), JOURNAL_JSON.encode())
    assert first == {
        "time": 1796011929000000000,
        "level": "ERROR",
        "message": "disk failed",
        "source": "kernel",
        "host": "vm",
        "labels": {"transport": "kernel"},
        "attributes": {"__CURSOR": "s=1;i=2"},
    }
    assert (second["message"], second["source"]) == ("pu\ufffd", "pumpd")
    first, second = entries_of(LAYOUTS["journal-export"](), JOURNAL_EXPORT)
    assert (first["message"], first["level"], first["labels"]) == (
        "two\nlines",
        "WARNING",
        {"unit": "pump.service"},
    )
    assert second["message"] == "second"


def test_syslog_files_with_and_without_a_year() -> None:
    first, second = entries_of(SyslogFile(UTC), SYSLOG.encode())
    assert first["time"][4:] == "-11-30T04:12:09+00:00"
    assert (first["host"], first["source"], first["labels"]) == ("vm", "sshd", {"procid": "812"})
    assert (second["time"], second["source"]) == ("2026-11-29T03:12:09.611000+00:00", "CRON")


def test_logfmt_and_csv_keep_their_fields() -> None:
    first, second = entries_of(LAYOUTS["logfmt"](UTC), LOGFMT.encode())
    assert first == {
        "time": "2026-11-30T04:12:09+00:00",
        "level": "warn",
        "message": 'valve "A" stuck',
        "attributes": {"bar": "3.50"},
    }
    assert second["attributes"] == {"n": "1"}
    first, second = entries_of(LAYOUTS["csv"](timezone(timedelta(hours=1))), CSV.encode())
    assert (first["time"], first["message"], first["attributes"]) == (
        "2026-11-30T03:12:09+00:00",
        "two\nlines",
        {"temp": "19.50"},
    )


def test_a_table_goes_on_in_the_middle() -> None:
    table = CsvTable(UTC)
    table.resume(b"time;level;message;temp")
    [entry] = entries_of(table, b"2026-11-30 04:12:10;INFO;ok;7\n")
    assert entry["attributes"] == {"temp": "7"}


def test_lines_without_a_time_belong_to_the_line_before() -> None:
    first, second = entries_of(TimedText(UTC), TIMED.encode())
    assert first["level"] == "ERROR"
    assert first["message"] == "pump: it failed\nTraceback (most recent call last):\n  File x\nValueError: 1"
    assert (second["time"], second["message"]) == ("2026-11-30T02:12:10+00:00", "started")


@pytest.mark.parametrize("name", LAYOUTS)
@given(st.binary(max_size=200))
def test_any_bytes_are_converted_or_counted(name: str, data: bytes) -> None:
    layout = LAYOUTS[name](UTC)
    assert 0 <= layout.cut(data) <= len(data)
    converted = layout.convert(data)
    if name != "json":  # whose lines are stored as they are
        assert [type(json.loads(line)) for line in converted.entries.splitlines()] == [dict] * converted.total
