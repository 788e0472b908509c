"""Output `postgres`: sensor readings a second into both tables, catching up with a journal that is there already."""

import resource
import time
from functools import partial
from pathlib import Path
from typing import Final

from bench.benchmarks.protocols import figures
from bench.plan import Plan
from bench.subjects.base import Subject
from bench.subjects.listener import LogboomListener
from bench.trial import Trial, run_trial, trial_directory
from logboom.journal.reader import JournalReader
from logboom.journal.segments import Segment, prefix, suffix
from logboom.outputs.base import OutputPace
from logboom.outputs.postgres import PostgresOutput, PostgresSettings
from tests.kit.postgres_kit import find_binaries, postgres_server

NAME: Final = "postgres"
READINGS: Final = "sensor readings into both tables, server with its default settings on the same machine"

_SENSORS: Final = 50
_PER_BATCH: Final = 200  # entries that have one receive time


def run(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """All trials; none where there is no PostgreSQL."""
    binaries = find_binaries()
    if binaries is None or not any(subject.name == "logboom" for subject in subjects):
        return []
    subject = LogboomListener("gateway", plan.logboom)
    measure = partial(_catch_up, plan, binaries)
    return [run_trial(subject, measure, what=READINGS, round=number) for number in range(plan.trials)]


def _catch_up(plan: Plan, binaries: Path) -> Trial:
    count = plan.lines // 4
    with trial_directory(plan.directory) as directory, postgres_server(binaries, ()) as server:
        server.start()
        _write_journal(directory / "journal", count)
        output = PostgresOutput(PostgresSettings(type="postgres", url=server.url), "o", directory / "data")
        reader = JournalReader(directory / "journal")
        try:
            output.open()
            memory, cpu, started = _peak_mib(), time.process_time(), time.monotonic()
            _drain(reader, output)
            seconds, cpu_s = time.monotonic() - started, time.process_time() - cpu
            found = output.database_state().total_readings
        finally:
            output.close()
            reader.close()
        record = figures(output.position(), seconds, cpu_s, _peak_mib() - memory)
        return record | ({} if output.position() == found == count else {"error": f"{found:,} are there"})


def _drain(reader: JournalReader, output: PostgresOutput) -> None:
    """Write blocks like the output's thread in the server."""
    flushed = time.monotonic()
    while (block := reader.read(OutputPace().block_bytes)) is not None:
        output.write(block)
        if time.monotonic() - flushed >= OutputPace().flush_interval_s:
            output.flush()
            flushed = time.monotonic()
    output.flush()


def _write_journal(folder: Path, count: int) -> None:
    folder.mkdir()
    started, tail = time.time_ns(), suffix("10.0.0.1", "gateway")
    with Segment.at(folder, 0).path.open("wb") as file:
        for number in range(count):
            moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(1_760_000_000 + number // _SENSORS))
            entry = b'{"id":"%016x","time":"%b","temp":%d.10,"rh":50.50,"lux":546.%02d}' % (
                0xE4643048D7292C2E + number % _SENSORS,
                moment.encode(),
                number % 40,
                number % 100,
            )
            file.write(prefix(started + number // _PER_BATCH * 2_000_000) + entry + tail)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
