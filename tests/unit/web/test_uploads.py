import pytest

from logboom.model import REASONS_MAX, Batch, Receipt, Verdict
from logboom.web.uploads import DETAILS_MAX, STORAGE_RETRY_S, Account

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
