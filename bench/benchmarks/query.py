"""Questions over a mixed journal of 30 days: words, volume, statistics and fields, once it is indexed."""

import json
import os
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Final

from bench.benchmarks.protocols import on_core
from bench.benchmarks.query_others import ask_others
from bench.benchmarks.reading import Ask, answer_of, picture_of, timed
from bench.mixed_journal import SEGMENT_BYTES, write_mixed_journal
from bench.plan import Plan
from bench.subjects.base import Server, ServerError, Subject
from bench.subjects.listener import LogboomListener
from bench.subjects.logboom import data_directory
from bench.trial import Trial, run_trial, trial_directory

NAME: Final = "query"
INDEXING: Final = "indexing of all complete segments"
COLD: Final = "volume of 30 days, asked first"
WARM: Final = "volume of 30 days, asked again"
ERRORS: Final = "volume of errors, 30 days"
SOURCE: Final = "volume of one sender, 30 days"
FIELDS: Final = "fields of 30 days"
STATS: Final = "logboom stats"
RARE_COLD: Final = "rare word, cold"
RARE: Final = "rare word, again"
NOTHING_COLD: Final = "word that no entry has, cold"
NOTHING: Final = "word that no entry has, again"
PHRASE: Final = "phrase of one entry"
ID: Final = "user's id as a field's value, all entries"
FREQUENT: Final = "newest 100 of a frequent word"
PART: Final = "part of a word that no entry has"

_DAYS: Final = 30.0
_SPAN: Final = "31d"
_SEGMENT_BYTES_PER_ENTRY: Final = 100
"""A small journal has about four segments, too."""
_INDEX_S_MAX: Final = 1800
_LOOK_S: Final = 0.2
_RARE: Final = "quetzalcoatl"
_MISSING: Final = "xyzzyplugh"
_USER: Final = "u115169"
_SENDER: Final = "192.168.7.20"


def run(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """All questions in each round, to a server just started; half as many entries as a throughput trial has."""
    if not any(subject.name == "logboom" for subject in subjects):
        return []
    count = plan.lines // 2
    with trial_directory(plan.directory) as directory:
        folder = data_directory(directory) / "journal"
        size = min(SEGMENT_BYTES, count * _SEGMENT_BYTES_PER_ENTRY)
        write_mixed_journal(folder, count, _DAYS, end=time.time(), segment_bytes=size)
        return [trial for number in range(plan.trials) for trial in _round(plan, directory, count, number)]


def _round(plan: Plan, directory: Path, count: int, number: int) -> list[Trial]:
    subject, folder = LogboomListener("http", plan.logboom), data_directory(directory) / "journal"
    for suffix in ("counts", "times", "words"):
        for path in folder.glob(f"*.{suffix}"):
            path.unlink()
    with on_core(0), Server(subject, directory) as server, on_core(1):
        questions: list[tuple[str, Ask]] = [
            (INDEXING, _index),
            (RARE_COLD, partial(_search, folder, found=1, q=_RARE)),
            (RARE, partial(_search, None, found=1, q=_RARE)),
            (NOTHING_COLD, partial(_search, folder, found=0, q=_MISSING)),
            (NOTHING, partial(_search, None, found=0, q=_MISSING)),
            (PHRASE, partial(_search, None, found=1, q='"valve opened by hand"')),
            (ID, partial(_search, None, found=None, q=f"user_id:{_USER}", limit="10000")),
            (FREQUENT, partial(_newest, folder, q="session")),
            (PART, partial(_search, None, found=0, q=f"*{_MISSING[1:-1]}*")),
            (COLD, partial(_volume, total=count)),
            (WARM, partial(_volume, total=count)),
            (ERRORS, partial(_volume, level="error")),
            (SOURCE, partial(_volume, source=_SENDER)),
            (FIELDS, _fields),
            (STATS, partial(_stats, data_directory(directory), count)),
        ]
        trials = [
            run_trial(subject, partial(timed, server, count, ask), what=what, round=number)
            for what, ask in questions
        ]
    return trials if number else [*trials, *ask_others(folder, count, _RARE, _forget)]


def _forget(folder: Path) -> None:
    """Drop the files of a folder from memory, so that they are read from the disk."""
    for path in filter(Path.is_file, folder.iterdir()):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _search(cold: Path | None, port: int, *, found: int | None, **parameters: str) -> Trial:
    """Search to the end.

    Args:
        cold: folder whose files are dropped from memory before.
        port: the server's.
        found: expected number of entries; None: some.
        parameters: of the query.
    """
    if cold is not None:
        _forget(cold)
    entries, more = 0, True
    while more:
        page = answer_of(port, "/api/entries", parameters)
        entries, more = entries + len(page["entries"]), page["more"]
        parameters["before"] = str(page["before"])
    is_right = entries > 0 if found is None else entries == found
    return {} if is_right else {"error": f"found {entries}, expected {'some' if found is None else found}"}


def _newest(cold: Path, port: int, **parameters: str) -> Trial:
    _forget(cold)
    found = len(answer_of(port, "/api/entries", parameters)["entries"])
    return {} if found == 100 else {"error": f"found {found}, expected 100"}


def _index(port: int) -> Trial:
    """Wait until the server has indexed what it found."""
    ends_at = time.monotonic() + _INDEX_S_MAX
    while time.monotonic() < ends_at:
        index = answer_of(port, "/api/status", {})["journal"]["index"]
        if 0 < index["segments"] == index["indexed"]:
            return {}
        time.sleep(_LOOK_S)
    raise ServerError(f"not indexed after {_INDEX_S_MAX} s")


def _volume(port: int, *, total: int | None = None, **parameters: str) -> Trial:
    found = picture_of(port, "/api/volume", {"since": _SPAN, **parameters})["total"]
    is_right = found > 0 if total is None else found == total
    return {} if is_right else {"error": f"counted {found}, expected {total or 'some'}"}


def _fields(port: int) -> Trial:
    names = {field["name"] for field in answer_of(port, "/api/fields", {"since": _SPAN})["fields"]}
    expected = {"temp", "duration_ms", "system.heap_free"}
    return {} if expected <= names else {"error": f"{expected - names} were not found"}


def _stats(data_dir: Path, count: int, _port: int) -> Trial:
    """Run the command while the server runs; the CPU time is that of the command."""
    command = [sys.executable, "-m", "logboom", "stats", "--data-dir", str(data_dir), "--json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    total = sum(json.loads(line)["total"] for line in done.stdout.splitlines())
    figures: Trial = {"cpu_s": cpu_s}
    return figures if total == count else {**figures, "error": f"counted {total}, expected {count}"}
