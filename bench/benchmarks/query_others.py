"""Other programs that answer the same questions from the same files: ripgrep, and DuckDB where it is installed."""

import importlib.util
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from bench.trial import Trial

_DUCKDB: Final = """
import sys, duckdb
what, needle, *files = sys.argv[1:]
connection = duckdb.connect(config={"threads": 1})
lines = "read_csv($files, columns={'line': 'VARCHAR'}, delim='\\x01', quote='', escape='', header=false)"
levels = "read_json($files, format='newline_delimited', columns={'entry': 'STRUCT(level VARCHAR)'})"
rows = {
    "word": f"select count(*) from {lines} where contains(line, $needle)",
    "levels": f"select count(distinct coalesce(upper(entry.level), $needle)) from {levels}",
}
print(connection.execute(rows[what], {"files": files, "needle": needle}).fetchone()[0])
"""
"""Program that counts the lines with a word, or the levels of all entries, with one thread."""

LEVELS: Final = 6
"""Levels of the mixed journal, with that of entries without one."""


def ask_others(folder: Path, count: int, needle: str, forget: Callable[[Path], None]) -> Iterator[Trial]:
    """Yield a trial per program: the entries with a word, from files that are not in memory.

    Args:
        folder: the journal's.
        count: its number of entries.
        needle: the word of one entry.
        forget: drops a folder's files from memory.
    """
    files = sorted(folder.glob("*.jsonl"))
    if shutil.which("rg"):
        command = ["rg", "--threads", "1", "--count", "--no-filename", needle, *map(str, files)]
        forget(folder)
        yield _timed("rare word, cold: ripgrep", command, count, 1)
        forget(folder)
        part = ["rg", "--threads", "1", "--count", "--no-filename", "--fixed-strings", needle[1:-1]]
        yield _timed("part of a word, cold: ripgrep", [*part, *map(str, files)], count, 1)
    if importlib.util.find_spec("duckdb"):
        for what, name, expected in (
            ("word", "rare word, cold: DuckDB", 1),
            ("levels", "entries by level, cold: DuckDB", LEVELS),
        ):
            forget(folder)
            command = [sys.executable, "-c", _DUCKDB, what, needle, *map(str, files)]
            yield _timed(name, command, count, expected)


def _timed(what: str, command: list[str], count: int, expected: int) -> Trial:
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, capture_output=True, check=False)
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    trial: Trial = {
        "subject": "others",
        "what": what,
        "seconds": seconds,
        "per_s": count / seconds,
        "cpu_s": cpu_s,
    }
    found = sum(int(line) for line in done.stdout.split() if line.isdigit())
    print(f"  {what}: {seconds:.3f} s, CPU {cpu_s:.3f} s", flush=True)
    if found == expected:
        return trial
    return {**trial, "error": f"found {found}, expected {expected}: {done.stderr.decode()[-200:]}"}
