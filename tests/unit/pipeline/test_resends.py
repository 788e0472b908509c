"""Memory of lines that devices have sent: its window, its bounds, and failures of the journal."""

import pytest

from logboom.model import Batch, Receipt, Source, Verdict
from logboom.pipeline.lineages import ENDED_MAX, PLACES_MAX, Lineages
from logboom.pipeline.resends import LINE_BYTES, RUN_BYTES_MAX, WINDOW_S, Resends
from tests.kit.clock import Clock

ACCEPTED, DUPLICATE, FAILED = Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.FAILED


def line(seq: int, boot: int = 1) -> bytes:
    return b'{"boot_seq":%d,"uptime_ms":%d,"seq":%d,"device":"d"}' % (boot, seq * 3, seq)


class Store:
    """Puts batches of lines, and settles each at once."""

    def __init__(self, lines_max: int = 100_000) -> None:
        self.clock = Clock()
        self.resends = Resends(lines_max * LINE_BYTES, clock=self.clock)

    def put(self, *lines: bytes, lineage: int = 1, fails: bool = False) -> list[Verdict]:
        batch = Batch(b"\n".join(lines), bytes(len(lines)), size_bytes=1)
        batch.source = Source("device", "10.0.0.1", lineage=lineage)
        receipts: list[Receipt] = []
        settle = self.resends.claim(batch, receipts.append, drop=True)
        settle(batch.failed_receipt() if fails else batch.receipt(0))
        return [Verdict(one) for one in receipts[0].verdicts]


@pytest.mark.parametrize("count", [1, 5, 50])
def test_a_line_is_remembered_for_the_window(count: int) -> None:
    store = Store()
    lines = [line(seq) for seq in range(count)]
    assert store.put(*lines) == [ACCEPTED] * count
    store.clock.now += WINDOW_S - 1
    assert store.put(*lines, lineage=2) == [DUPLICATE] * count
    store.clock.now += WINDOW_S * 1.1
    assert store.put(*lines, lineage=3) == [ACCEPTED] * count


@pytest.mark.parametrize("count", [1, 50])
def test_what_could_not_be_stored_may_come_again(count: int) -> None:
    store = Store()
    lines = [line(seq) for seq in range(count)]
    assert store.put(*lines, fails=True) == [FAILED] * count
    assert store.put(*lines, lineage=2) == [ACCEPTED] * count
    assert store.put(*lines) == [DUPLICATE] * count


def test_a_resend_of_a_line_that_is_on_its_way_fails_with_it() -> None:
    resends, receipts = Resends(1 << 20), list[Receipt]()
    batches = [Batch(line(1), bytes(1), size_bytes=1) for _ in range(2)]
    first, second = [resends.claim(batch, receipts.append, drop=True) for batch in batches]
    first(batches[0].failed_receipt())
    second(batches[1].receipt(None))
    assert [one.verdicts for one in receipts] == [bytes([FAILED])] * 2


def test_the_oldest_lines_are_forgotten_when_they_are_too_many() -> None:
    store = Store(lines_max=40)
    for seq in range(0, 400, 2):
        store.clock.now += 1
        store.put(line(seq))
        assert len(store.resends) <= 40
    assert store.put(line(398), line(0)) == [DUPLICATE, ACCEPTED]


def test_runs_take_bounded_memory() -> None:
    store, first = Store(), 0
    for _ in range(12):
        lines = [line(seq) + b" " * 5000 for seq in range(first, first + 200)]
        assert store.put(*lines) == [ACCEPTED] * 200
        first += 200
    assert sum(len(run.entries) for run in store.resends._runs) <= RUN_BYTES_MAX
    assert len(store.resends) == 0
    assert store.put(*lines, lineage=2) == [DUPLICATE] * 200


def test_a_line_out_of_a_run_is_a_resend_and_its_neighbours_are_not() -> None:
    store = Store()
    store.put(*map(line, range(100)))
    store.put(*map(line, range(100, 200)))
    assert store.put(line(150), line(200), lineage=2) == [DUPLICATE, ACCEPTED]
    assert store.put(*map(line, range(190, 230)), lineage=2) == [DUPLICATE] * 11 + [ACCEPTED] * 29
    assert store.put(line(150, boot=2)) == [ACCEPTED]


def test_lineages_are_bounded() -> None:
    lineages = Lineages()
    for number in range(PLACES_MAX + 10):
        lineages.end("device", f"10.{number}", number + 1)
    for number in range(ENDED_MAX + 10):
        lineages.end("device", "one", 10**6 + number)
    assert len(lineages._ended) == PLACES_MAX
    continued = [lineages.begin("device", "one") for _ in range(ENDED_MAX + 1)]
    assert continued == [*range(10**6 + 25, 10**6 + 9, -1), 1]
