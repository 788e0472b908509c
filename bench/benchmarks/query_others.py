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
database = duckdb.connect(config={"threads": 1, "memory_limit": "4GB", "preserve_insertion_order": "false"})
print(sum(database.execute(query).fetchone()[0] for query in sys.argv[1:]))
"""
_BUILD = """
COPY (SELECT line FROM read_csv('{file}', columns={{'line': 'VARCHAR'}}, delim='\\x01', quote='', escape='',
header=false, auto_detect=false, max_line_size=1048576)) TO '{packed}' (FORMAT parquet, COMPRESSION zstd,
ROW_GROUP_SIZE 122880)
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
        packed = folder.parent / "packed"
        packed.mkdir(exist_ok=True)
        build = [_BUILD.format(file=file, packed=packed / f"{file.stem}.parquet") for file in files]
        yield _timed("packing for DuckDB", [sys.executable, "-c", _DUCKDB, *build], count, count)
        forget(packed)
        query = f"SELECT count(*) FROM '{packed}/*.parquet' WHERE contains(line, '{needle}')"
        yield _timed("rare word, cold: DuckDB", [sys.executable, "-c", _DUCKDB, query], count, 1)
        shutil.rmtree(packed)


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
