"""Another program that answers the same question from the same files: ripgrep."""

import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.trial import Trial


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
