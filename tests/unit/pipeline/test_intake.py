"""From a protocol's batch to a receipt: limits, level filter, counters."""

from collections.abc import Callable
from typing import Any

import pytest

from logboom.formats.levels import severity
from logboom.journal.journal import AckLevel
from logboom.model import REASONS_MAX, Batch, Receipt, Source, Verdict
from logboom.pipeline.deduplicator import Deduplicator, RequestKey
from logboom.pipeline.intake import Intake, IntakeLimits
from logboom.pipeline.limiter import FixedWindowLimiter
from logboom.receivers.collector.protocol import CollectorProtocol

ACCEPTED, FILTERED, LIMITED, NOT_JSON = (
    Verdict.ACCEPTED,
    Verdict.FILTERED,
    Verdict.LIMITED,
    Verdict.NOT_JSON,
)


class Desk:
    """An intake without a journal, and what it said."""

    def __init__(self, limits: IntakeLimits | None = None) -> None:
        self.reports: list[tuple[str, str]] = []
        self.receipts: list[Receipt] = []
        self.intake = Intake(
            None,
            AckLevel.SYNCED,
            lambda kind, text: self.reports.append((kind, text)),
            limits or IntakeLimits(),
        )

    def send(self, data: bytes, peer: str = "10.0.0.1") -> Batch:
        protocol = CollectorProtocol()
        protocol.receive_data(data)
        item = protocol.next_batch()
        assert item is not None
        batch = item[0]
        batch.source = Source("collector", peer)
        self.intake.submit(batch, self.receipts.append)
        return batch

    @property
    def verdicts(self) -> list[Verdict]:
        return [Verdict(verdict) for verdict in self.receipts[-1].verdicts]


def line(level: str) -> bytes:
    """A line with a level as it stands in JSON."""
    return b'{"level":%b,"message":"m"}\n' % level.encode()


def filtered(level_min: str, *levels: str) -> list[Verdict]:
    desk = Desk(IntakeLimits(level_min=severity(level_min)))
    batch = desk.send(b"".join(map(line, levels)))
    assert batch.count == len(batch.entries.splitlines()) == desk.verdicts.count(ACCEPTED)
    return desk.verdicts


def test_without_a_journal_every_good_line_is_answered_as_received() -> None:
    desk = Desk()
    desk.send(line('"INFO"') + b"nope\n")
    assert desk.receipts == [Receipt(None, bytes([ACCEPTED, NOT_JSON]))]


def test_lines_below_the_minimum_are_filtered() -> None:
    words = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    for position, level_min in enumerate(words):
        found = filtered(level_min, *(f'"{word}"' for word in words))
        assert found == [FILTERED] * position + [ACCEPTED] * (5 - position)


@pytest.mark.parametrize(
    "level", ['"warn"', '" Warning "', '"WARN"', '"30"', "30", "35", '"err"', '"fatal"', '"crit"', '"50"']
)
def test_aliases_and_numbers_pass_as_what_they_mean(level: str) -> None:
    assert filtered("WARNING", level) == [ACCEPTED]


@pytest.mark.parametrize("level", ['"trace"', '"dbg"', '" info "', '"20"', "10", "7", "5", '"notice"'])
def test_aliases_and_numbers_are_filtered_as_what_they_mean(level: str) -> None:
    assert filtered("WARNING", level) == [FILTERED]


@pytest.mark.parametrize("level", ['"NOISE"', '""', "null", "true", "8", "-1", "1.5", "[1]", '{"a":1}'])
def test_an_unknown_level_is_stored(level: str) -> None:
    assert filtered("CRITICAL", level) == [ACCEPTED]
    assert filtered("CRITICAL", "10", level, "10", level) == [FILTERED, ACCEPTED, FILTERED, ACCEPTED]
    assert filtered("CRITICAL", level, "10") == [ACCEPTED, FILTERED]


def test_the_filter_drops_the_right_entries() -> None:
    desk = Desk(IntakeLimits(level_min=severity("ERROR")))
    lines = [line('"ERROR"'), b"nope\n", line('"INFO"'), b"{}\n", line('"FATAL"'), line('"DEBUG"')]
    batch = desk.send(b"".join(lines))
    assert batch.entries == (line('"ERROR"') + line('"FATAL"')).strip()
    assert desk.verdicts == [ACCEPTED, NOT_JSON, FILTERED, Verdict.MISSING_FIELD, ACCEPTED, FILTERED]


def limited_desk(requests_max: int) -> Desk:
    return Desk(IntakeLimits(FixedWindowLimiter(requests_max, 60.0, lambda: 0.0), severity("INFO")))


def test_lines_over_the_limit_are_refused_from_the_first_one_on() -> None:
    desk = limited_desk(3)
    batch = desk.send(line('"INFO"') * 5)
    assert desk.verdicts == [ACCEPTED] * 3 + [LIMITED] * 2
    assert batch.count == len(batch.entries.splitlines()) == 3
    assert desk.receipts[-1].retry_after_s == 60.0


def test_bad_and_filtered_lines_count_and_the_limit_is_checked_first() -> None:
    desk = limited_desk(3)
    desk.send(b"nope\n" + line('"DEBUG"') + b"{}\n" + b"nope\n" + line('"DEBUG"') + line('"INFO"'))
    assert desk.verdicts == [NOT_JSON, FILTERED, Verdict.MISSING_FIELD, LIMITED, LIMITED, LIMITED]


def test_connections_of_one_address_share_a_window() -> None:
    desk = limited_desk(2)
    desk.send(line('"INFO"') * 2)
    desk.send(line('"INFO"'))
    assert desk.verdicts == [LIMITED]
    desk.send(line('"INFO"'), peer="10.0.0.2")
    assert desk.verdicts == [ACCEPTED]


def test_reaching_the_limit_is_told_once() -> None:
    desk = limited_desk(1)
    for _ in range(5):
        desk.send(line('"INFO"'))
    assert desk.reports == [("warning", "collector 10.0.0.1: rate limit reached for 60 s")]


def test_limits_may_change_while_running() -> None:
    desk = limited_desk(1)
    desk.send(line('"INFO"') * 2)
    desk.intake.limits = IntakeLimits()
    desk.send(line('"DEBUG"') * 2)
    assert desk.verdicts == [ACCEPTED, ACCEPTED]


def test_counts_every_line_under_what_became_of_it() -> None:
    desk = limited_desk(6)
    data = line('"INFO"') * 2 + b"nope\n[]\n{}\n" + line('"DEBUG"') * 3
    desk.send(data)
    counters = desk.intake.counters
    assert {verdict: count for verdict, count in counters.verdicts.items() if count} == {
        ACCEPTED: 2,
        FILTERED: 1,
        LIMITED: 2,
        NOT_JSON: 1,
        Verdict.NOT_OBJECT: 1,
        Verdict.MISSING_FIELD: 1,
    }
    assert counters.batches == 1
    assert counters.bytes_received == len(data)


def test_each_refused_line_is_named_with_its_peer() -> None:
    desk = Desk()
    desk.send(b"nope\n[]\n", peer="2001:db8::1")
    first, second = desk.reports
    assert first[0] == "warning"
    assert first[1].startswith("collector 2001:db8::1: line refused: not JSON")
    assert "found a JSON list" in second[1]


def test_a_flood_of_refused_lines_ends_in_a_number() -> None:
    desk = Desk()
    desk.send(b"nope\n" * 500)
    assert len(desk.reports) == REASONS_MAX + 1
    assert desk.reports[-1] == ("warning", f"collector 10.0.0.1: {500 - REASONS_MAX} more lines refused")


PINO = '%d,"time":1770101530123,"pid":7,"hostname":"h","msg":"m"'


@pytest.mark.parametrize(
    ("level_min", "level", "verdict"),
    [
        ("INFO", PINO % 30, ACCEPTED),
        ("WARNING", PINO % 30, FILTERED),
        ("WARNING", PINO % 40, ACCEPTED),
        ("WARNING", "30", ACCEPTED),
        ("CRITICAL", PINO % 60, ACCEPTED),
        ("WARNING", "3", ACCEPTED),
        ("WARNING", "4", ACCEPTED),
        ("WARNING", "7", FILTERED),
        ("EMERGENCY", "0", ACCEPTED),
        ("ERROR", '100,"level_name":"ERROR"', ACCEPTED),
        ("ERROR", '7,"levelname":"ERROR"', ACCEPTED),
        ("ERROR", '"ERROR+4"', ACCEPTED),
        ("INFO", '"INFO-2"', FILTERED),
        ("ERROR", '"E"', ACCEPTED),
        ("ERROR", '"W"', FILTERED),
        ("ERROR", '"NOISE","severity_number":17', ACCEPTED),
        ("ERROR", '{"name":"ERROR"}', ACCEPTED),
    ],
)
def test_a_level_is_filtered_as_what_it_is_beside_the_other_fields(
    level_min: str, level: str, verdict: Verdict
) -> None:
    assert filtered(level_min, level) == [verdict]
    assert filtered(level_min, '"TRACE"', level, '"EMERGENCY"') == [FILTERED, verdict, ACCEPTED]


def test_a_number_that_only_lenient_readers_take_filters_nothing_by_mistake() -> None:
    assert filtered("WARNING", "10", '20,"log":{"x":1e999}', '"INFO"') == [ACCEPTED, ACCEPTED, FILTERED]


class InstantJournal:
    """Takes every batch, and answers at once."""

    def submit(self, batch: Batch, _: AckLevel, done: Callable[[Receipt], None]) -> None:
        done(batch.receipt(0))


def test_what_is_stored_already_counts_for_no_limit() -> None:
    now = [0.0]
    limits = IntakeLimits(FixedWindowLimiter(2, 60.0, lambda: now[0]))
    journal: Any = InstantJournal()
    intake = Intake(journal, AckLevel.SYNCED, lambda *_: None, limits, Deduplicator(3600.0, 1 << 20))
    receipts: list[Receipt] = []

    def post() -> list[Verdict]:
        entries = b"\n".join(b'{"n":%d}' % number for number in range(5))
        batch = Batch(entries, bytes(5), size_bytes=1)
        key = RequestKey(b'"k"')
        batch.source = Source("http", "10.0.0.1")
        batch.digests = key.digests(entries)
        batch.keys = [key.encoded] * 5
        intake.submit(batch, receipts.append)
        return [Verdict(verdict) for verdict in receipts[-1].verdicts]

    duplicate = Verdict.DUPLICATE
    assert post() == [ACCEPTED] * 2 + [LIMITED] * 3
    now[0] = 60.0
    assert post() == [duplicate] * 2 + [ACCEPTED] * 2 + [LIMITED]
    assert post() == [duplicate] * 4 + [LIMITED]
    now[0] = 120.0
    assert post() == [duplicate] * 4 + [ACCEPTED]
