"""`logboom sql` over a data directory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from logboom.journal.segments import Segment
from logboom.query.sql.sql_engine import why_not
from logboom.query.sql.sql_messages import QUERY_CHARS_MAX

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


def sql(*words: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "logboom", "sql", *map(str, words)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, text=True)


def test_tables_files_and_refusals(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    lines = [
        f'{{"received_at":"2025-11-12T19:08:58.838190+00:00","entry":{{"level":"{level}","n":{n}}},'
        '"source":"10.0.0.1","listener":"device"}\n'
        for n, level in enumerate(("info", "error", "info"))
    ]
    Segment.at(tmp_path / "journal", 0).path.write_text("".join(lines))
    query = "select level, sum(n) as n from logs group by 1 order by 1"
    table = sql(query, "--data-dir", tmp_path)
    assert (table.stdout, table.stderr) == ("level  n\nERROR  1\nINFO   2\n", "")
    rows = sql(query, "--data-dir", tmp_path, "--format", "json", "--limit", "1")
    assert [json.loads(row) for row in rows.stdout.splitlines()] == [{"level": "ERROR", "n": 1}]
    assert "cut at 1 rows" in rows.stderr
    wrong = sql("copy logs to 'x'", "--data-dir", tmp_path)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "only SELECT is allowed, found COPY" in wrong.stderr
    long = sql(f"select {'1' * QUERY_CHARS_MAX}", "--data-dir", tmp_path)
    assert (long.returncode, long.stdout) == (2, "")
    assert "16,391 characters" in long.stderr
    path = tmp_path / "n.parquet"
    assert sql(query, "--data-dir", tmp_path, "--format", "parquet", "--output", path).returncode == 0
    assert path.read_bytes()[:4] == b"PAR1"
