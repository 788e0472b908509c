"""Other programs that answer the same questions from the same files: ripgrep, and DuckDB with Parquet."""

import importlib.util
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.trial import Trial

_DUCKDB = """
import duckdb, sys
database = duckdb.connect(config={"threads": 1, "memory_limit": "2GB"})
print(database.execute(sys.argv[1]).fetchone()[0])
"""
_BUILD = """
COPY (SELECT line FROM read_csv({files}, columns={{'line': 'VARCHAR'}}, delim='\\x01', quote='', escape='',
header=false, max_line_size=16777216)) TO '{packed}' (FORMAT parquet, COMPRESSION zstd)
"""


def ask_others(folder: Path, count: int, needle: str, forget: Callable[[Path], None]) -> Iterator[Trial]:
    """Yield a trial per program and question: the entries with a word, from files that are not in memory.

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
    if importlib.util.find_spec("duckdb"):
        packed = folder.parent / "packed.parquet"
        build = _BUILD.format(files=list(map(str, files)), packed=packed)
        yield _timed("packing for DuckDB", [sys.executable, "-c", _DUCKDB, build], count, count)
        forget(folder.parent)
        query = f"SELECT count(*) FROM '{packed}' WHERE contains(line, '{needle}')"
        yield _timed("rare word, cold: DuckDB", [sys.executable, "-c", _DUCKDB, query], count, 1)
        packed.unlink(missing_ok=True)


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
