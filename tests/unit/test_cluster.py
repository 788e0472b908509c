"""Parts of a cluster without one: points of the follower, answers that wait, and the spool."""

# ruff: noqa: ASYNC110 - the state of another thread

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from logboom.cluster.membership import spool_bytes
from logboom.cluster.points import POINTS_MAX, CopyPoint, PointFile
from logboom.cluster.replication import ReplicatedJournal, Replication
from logboom.journal.journal import AckLevel, Journal
from logboom.journal.retention import Retention
from logboom.journal.segments import list_segments
from logboom.model import Batch, Receipt, Source, Verdict
from logboom.testing.output_kit import write_journal

ACCEPTED, FAILED = bytes([Verdict.ACCEPTED]), bytes([Verdict.FAILED])


def batch(text: bytes, verdict: Verdict = Verdict.ACCEPTED) -> Batch:
    made = Batch(text if verdict is Verdict.ACCEPTED else b"", bytes([verdict]), size_bytes=len(text))
    made.source = Source("collector", "10.0.0.1")
    return made


# --- points ---


def test_points_are_found_again_even_behind_an_incomplete_one(tmp_path: Path) -> None:
    path = tmp_path / "copy" / "points"
    points = PointFile(path)
    for number in range(1, 60):
        points.note(CopyPoint(number, number * 10), every=16)
    with path.open("ab") as file:
        file.write(b"half a point")
    again = PointFile(path)
    assert again.last_before(0) is None
    assert again.last_before(175) == CopyPoint(17, 170)
    assert again.last_before(10_000) == CopyPoint(49, 490)
    assert again.first_from(18, 0) == CopyPoint(33, 330)
    assert path.stat().st_size % 16 == 0


def test_a_follower_that_starts_again_at_an_earlier_message_notes_it(tmp_path: Path) -> None:
    points = PointFile(tmp_path / "points")
    points.note(CopyPoint(100, 1000), every=16)
    points.note(CopyPoint(40, 400), every=16)
    assert points.last_before(500) == CopyPoint(40, 400)


def test_the_file_of_points_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "points"
    path.write_bytes(b"".join(n.to_bytes(8, "little") * 2 for n in range(3 * POINTS_MAX)))
    points = PointFile(path)
    assert path.stat().st_size == 16 * POINTS_MAX
    assert points.last_before(10**9) == CopyPoint(3 * POINTS_MAX - 1, 3 * POINTS_MAX - 1)


# --- answers ---


class Bench:
    """A real journal with answers that wait for a cluster of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.reports: list[str] = []
        self.answers: list[tuple[str, Receipt]] = []
        self.journal = Journal(folder, asyncio.get_running_loop().call_soon_threadsafe)
        self.replication = Replication(0.01, lambda _kind, text: self.reports.append(text))

    def submit(self, way: ReplicatedJournal, name: str, verdict: Verdict = Verdict.ACCEPTED) -> None:
        made = batch(b'{"n":"%b"}' % name.encode(), verdict)
        way.submit(made, AckLevel.REPLICATED, lambda receipt: self.answers.append((name, receipt)))

    async def stored(self, count: int) -> None:
        while self.journal.answered < count:
            await asyncio.sleep(0.001)

    @property
    def verdicts(self) -> dict[str, bytes]:
        return {name: receipt.verdicts for name, receipt in self.answers}


def on_bench(folder: Path, scenario: Callable[[Bench], object]) -> None:
    async def run() -> None:
        bench = Bench(folder)
        try:
            await scenario(bench)  # type: ignore[misc]
        finally:
            bench.journal.close()

    asyncio.run(run())


def test_answers_wait_for_the_cluster_and_keep_their_order(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        way = ReplicatedJournal(bench.journal, bench.replication, patient=False)
        for name, verdict in (
            ("a", Verdict.ACCEPTED),
            ("refused", Verdict.NOT_JSON),
            ("b", Verdict.ACCEPTED),
        ):
            bench.submit(way, name, verdict)
        await bench.stored(2)
        assert not bench.answers
        assert bench.replication.pending_bytes > 0
        bench.replication.advance(1)
        assert next(iter(bench.verdicts)) == "a"
        bench.replication.advance(2)
        assert list(bench.verdicts) == ["a", "refused", "b"]
        assert [receipt.first_sequence for _, receipt in bench.answers] == [0, None, 1]
        assert bench.replication.pending_bytes == 0

    on_bench(tmp_path, scenario)


def test_a_repeat_is_answered_only_when_the_cluster_has_the_original(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        way = ReplicatedJournal(bench.journal, bench.replication, patient=False)
        bench.submit(way, "original")
        await bench.stored(1)
        bench.submit(way, "repeat", Verdict.DUPLICATE)
        await bench.stored(1)
        assert not bench.answers
        bench.replication.advance(1)
        while len(bench.answers) < 2:
            await asyncio.sleep(0.001)

    on_bench(tmp_path, scenario)


def test_who_waits_too_long_is_refused_until_the_cluster_stores_again(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        way = ReplicatedJournal(bench.journal, bench.replication, patient=False)
        syslog = ReplicatedJournal(bench.journal, bench.replication, patient=True)
        watch = asyncio.create_task(bench.replication.watch())
        bench.submit(way, "late")
        bench.submit(syslog, "patient")
        while not bench.replication.failing:
            await asyncio.sleep(0.001)
        assert bench.verdicts == {"late": FAILED}
        assert bench.answers[0][1].first_sequence == 0  # stored here: its key is kept
        bench.submit(way, "refused")
        assert bench.verdicts["refused"] == FAILED
        assert bench.journal.committed.next_sequence == 2  # not stored again and again
        bench.replication.advance(2)
        assert bench.verdicts["patient"] == ACCEPTED
        bench.submit(way, "after")
        await bench.stored(3)
        bench.replication.advance(3)
        assert bench.verdicts["after"] == ACCEPTED
        assert len(bench.reports) == 2
        watch.cancel()

    on_bench(tmp_path, scenario)


# --- the spool ---


@pytest.mark.parametrize(
    ("keeps_from", "left"), [(None, [400]), (0, [0, 100, 200, 300, 400]), (250, [200, 300, 400])]
)
def test_retention_deletes_only_what_the_cluster_has(
    tmp_path: Path, keeps_from: int | None, left: list[int]
) -> None:
    write_journal(tmp_path, [b'{"n":%d}' % number for number in range(450)])
    folder = tmp_path / "journal"
    assert spool_bytes(folder, 0) > spool_bytes(folder, 250) > spool_bytes(folder, 450) > 0
    Retention(age_max_s=None, bytes_max=1, keeps_from=lambda: keeps_from).apply(folder, 450)
    assert [segment.first for segment in list_segments(folder)] == left


def test_a_full_spool_refuses_entries_and_takes_them_again(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        def store(name: str) -> None:
            bench.journal.submit(
                batch(b'{"n":1}'), AckLevel.SYNCED, lambda receipt: bench.answers.append((name, receipt))
            )

        bench.journal.full = "too much waits for the cluster"
        store("full")
        while not bench.answers:
            await asyncio.sleep(0.001)
        assert bench.verdicts == {"full": FAILED}
        assert bench.journal.trouble == "too much waits for the cluster"
        bench.journal.full = None
        store("again")
        await bench.stored(1)
        assert bench.verdicts["again"] == ACCEPTED
        assert bench.journal.trouble is None

    on_bench(tmp_path, scenario)
