"""Reading a journal of recent entries over HTTP: search, pictures and export, as the page and users ask for them."""

import http.client
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from bench.benchmarks.protocols import on_core
from bench.line import line
from bench.plan import Plan
from bench.subjects.base import HOST, Server, ServerError, Subject
from bench.subjects.listener import LogboomListener
from bench.subjects.logboom import data_directory
from bench.trial import Trial, run_trial, trial_directory
from logboom.journal.segments import Segment, prefix, suffix

NAME: Final = "reading"
RARE: Final = "search for a text that one entry holds"
NOTHING: Final = "search for a text that no entry holds"
LEVEL: Final = "search for a level that no entry has"
SOURCE: Final = "search for a sender that is not there"
COLD: Final = "volume of the last two hours, asked first"
WARM: Final = "volume of the last two hours, asked again"
ERRORS: Final = "volume of errors"
SERIES: Final = "series of a field, asked until it is whole"
SERIES_WARM: Final = "series of a field, asked again"
CSV: Final = "export, CSV"
JSONL: Final = "export, JSON lines"

_SPAN_S: Final = 3000
_GROUP: Final = 200  # entries that came together
_LEVELS: Final = (*[b'"info"'] * 7, b'"debug"', b'"warning"', b'"error"')
_READ_BYTES: Final = 1 << 20
_TIMEOUT_S: Final = 120
_ASKS_MAX: Final = 50

Ask = Callable[[int], Trial]


def run(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """All questions in each round, to a server just started; half as many entries as a throughput trial has."""
    if not any(subject.name == "logboom" for subject in subjects):
        return []
    count = plan.lines // 2
    return [trial for number in range(plan.trials) for trial in _round(plan, count, number)]


def _round(plan: Plan, count: int, number: int) -> list[Trial]:
    subject = LogboomListener("http", plan.logboom)
    with trial_directory(plan.directory) as directory:
        write_journal(data_directory(directory) / "journal", count)
        with on_core(0), Server(subject, directory) as server, on_core(1):
            return [
                run_trial(subject, partial(timed, server, count, ask), what=what, round=number)
                for what, ask in _questions(count)
            ]


def _questions(count: int) -> list[tuple[str, Ask]]:
    middle = line(count // 2)[len(b'{"boot_seq":3,"uptime_ms":45000,"seq":') :][:9].decode()
    return [
        (RARE, partial(_search, found=1, q=middle)),
        (NOTHING, partial(_search, found=0, q="no entry holds this")),
        (LEVEL, partial(_search, found=0, level="emergency")),
        (SOURCE, partial(_search, found=0, source="nobody")),
        (COLD, partial(_volume, total=count, since="2h")),
        (WARM, partial(_volume, total=count, since="2h")),
        (ERRORS, partial(_volume, total=count // 10, level="error", since="2h")),
        (SERIES, partial(_series, since="2h")),
        (SERIES_WARM, partial(_series, since="2h")),
        (CSV, partial(_export, rows=count + 1, form="csv")),
        (JSONL, partial(_export, rows=count, form="jsonl")),
    ]


def timed(server: Server, count: int, ask: Ask) -> Trial:
    """Ask, and return the figures of the question and of its answer."""
    cpu_before, started = server.cpu_s(), time.monotonic()
    problem = ask(server.port)
    seconds = time.monotonic() - started
    figures = {"seconds": seconds, "per_s": count / seconds, "cpu_s": server.cpu_s() - cpu_before}
    return figures | {"peak_rss_mib": server.peak_rss_mib()} | problem


def _get(port: int, path: str, parameters: dict[str, str]) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_S)
    connection.request("GET", f"{path}?{urlencode(parameters)}")
    response = connection.getresponse()
    if response.status != 200:
        raise ServerError(f"{path} answers {response.status}")
    return response


def answer_of(port: int, path: str, parameters: dict[str, str]) -> dict[str, Any]:
    """Return the JSON object that a server answers."""
    with _get(port, path, parameters) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def _search(port: int, *, found: int, **parameters: str) -> Trial:
    """To its end: a search that takes too long is answered in parts."""
    entries, more = 0, True
    while more:
        page = answer_of(port, "/api/entries", parameters)
        entries, more = entries + len(page["entries"]), page["more"]
        parameters["before"] = str(page["before"])
    return {} if entries == found else {"error": f"found {entries} entries, expected {found}"}


def picture_of(port: int, path: str, parameters: dict[str, str]) -> dict[str, Any]:
    """Ask until the answer is complete: a request that takes too long is answered in part."""
    for _ in range(_ASKS_MAX):
        found = answer_of(port, path, parameters)
        if found["complete"]:
            return found
    raise ServerError(f"{path} is not complete after {_ASKS_MAX} requests")


def _volume(port: int, *, total: int, **parameters: str) -> Trial:
    found = picture_of(port, "/api/volume", parameters)
    return {} if found["total"] == total else {"error": f"counted {found['total']}, expected {total}"}


def _series(port: int, **parameters: str) -> Trial:
    found = picture_of(port, "/api/series", {**parameters, "field": "system.heap_free"})
    values = {value for value in found["values"]["system.heap_free"]["mean"] if value is not None}
    return {} if values == {200_000} else {"error": f"means {values}"}


def _export(port: int, *, rows: int, form: str) -> Trial:
    found = 0
    with _get(port, f"/api/export.{form}", {}) as response:
        while data := response.read1(_READ_BYTES):
            found += data.count(b"\n")
    return {} if found == rows else {"error": f"{found} lines, expected {rows}"}


def write_journal(folder: Path, count: int) -> None:
    """Entries of the last hour, as a device's listener stores them, seven of ten of level info."""
    folder.mkdir(parents=True)
    now, tail = time.time_ns(), suffix("10.0.0.1", "device")
    with Segment.at(folder, 0).path.open("wb") as file:
        for start in range(0, count, _GROUP):
            head = prefix(now - int(_SPAN_S * 1e9 * (count - start) / count))
            file.writelines(
                head + line(index)[:-1].replace(b'"info"', _LEVELS[index % len(_LEVELS)]) + tail
                for index in range(start, min(count, start + _GROUP))
            )
