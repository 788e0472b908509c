import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import pytest

from logboom.model import NOWHERE, REASONS_MAX, Batch, Receipt, Source, Verdict
from logboom.pipeline.turns import Turns
from logboom.web.uploads import DETAILS_MAX, IN_FLIGHT_BYTES_MAX, STORAGE_RETRY_S, Account, Upload

if TYPE_CHECKING:
    from logboom.web.site import Site

OK, BAD, LONG = Verdict.ACCEPTED, Verdict.NOT_JSON, Verdict.TOO_LONG


def account(*batches: tuple[list[Verdict], int | None]) -> Account:
    made = Account()
    for verdicts, first in batches:
        batch = Batch(b"", bytes(verdicts), size_bytes=1, reasons=("the reason",) * (BAD in verdicts))
        made.add(batch, Receipt(first, bytes(verdicts), 1.2))
    return made


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ([OK, OK], 200),
        ([OK, Verdict.FILTERED], 200),
        ([], 400),
        ([OK, BAD], 207),
        ([BAD, BAD], 400),
        ([LONG], 413),
        ([LONG, BAD], 400),
        ([OK, Verdict.LIMITED], 429),
        ([BAD, Verdict.LIMITED], 429),
        ([OK, Verdict.LIMITED, Verdict.FAILED], 503),
    ],
)
def test_the_status_is_the_worst_that_a_client_can_act_on(verdicts: list[Verdict], status: int) -> None:
    made = account((verdicts, 0))
    assert made.status == status
    retry = {429: 2, 503: STORAGE_RETRY_S}
    assert made.retry_after == retry.get(status)


def test_details_name_what_was_not_stored() -> None:
    made = account(([OK, BAD, OK], 10), ([Verdict.FAILED], None), ([OK], 40))
    assert made.as_json() == {
        "stored": 3,
        "duplicates": 0,
        "filtered": 0,
        "refused": 2,
        "first_sequence": 10,
        "entries": [
            {"index": 1, "status": "invalid", "reason": "the reason"},
            {"index": 3, "status": "failed", "reason": "storage unavailable"},
        ],
        "entries_omitted": 0,
    }


def test_details_are_bounded() -> None:
    made = account(([BAD] * (DETAILS_MAX + 5), None))
    assert len(made.details) == DETAILS_MAX
    assert made.as_json()["entries_omitted"] == 5
    assert made.details[REASONS_MAX]["reason"] == "not JSON"


class SlowSite:
    """Answers batches when the test says so; the journal is behind when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Batch, Callable[[Receipt], None]]] = []
        self.behind = False
        self.turns = Turns(lambda: self.behind)

    async def wait_for_debt(self, address: str) -> None:
        assert address == NOWHERE.peer

    def submit(self, batch: Batch, source: Source, done: Callable[[Receipt], None]) -> float:
        assert source is NOWHERE
        self.waiting.append((batch, done))
        return 0.0

    def settle(self) -> None:
        batch, done = self.waiting.pop(0)
        done(batch.receipt(0))


async def turn() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_an_upload_waits_for_room_and_for_the_journal() -> None:
    async def scenario() -> None:
        site = SlowSite()
        upload = Upload(cast("Site", site), NOWHERE)
        await upload.put(Batch(b"{}", bytes(1), size_bytes=IN_FLIGHT_BYTES_MAX))
        second = asyncio.create_task(upload.put(Batch(b"{}", bytes(1), size_bytes=5)))
        await turn()
        assert not second.done()
        site.behind = True
        site.settle()
        await turn()
        assert not second.done()
        site.behind = False
        site.turns.advanced()
        await second
        finish = asyncio.create_task(upload.finish())
        await turn()
        assert not finish.done()
        site.settle()
        assert (await finish).total == 2

    asyncio.run(scenario())
