"""The numbers and their one line."""

from logboom.clients.delivery.report import OTHER, REASONS_MAX, Report
from logboom.clients.wire.dialect import Outcome, Reply


def counted(*replies: Reply) -> Report:
    report = Report(sent=len(replies))
    for reply in replies:
        report.count(reply)
    return report


def test_all_acknowledged_is_ok() -> None:
    report = counted(Reply(Outcome.ACKNOWLEDGED), Reply(Outcome.FILTERED), Reply(Outcome.SENT))
    assert report.ok
    assert (report.acknowledged, report.filtered, report.unconfirmed) == (1, 1, 1)


def test_anything_else_is_not_ok() -> None:
    assert not counted(Reply(Outcome.REFUSED, "invalid JSON")).ok
    assert not Report(sent=1).ok
    assert not Report(stopped="interrupted").ok


def test_unfit_lines_are_refused_but_not_unresolved() -> None:
    report = Report(sent=3, acknowledged=1)
    report.refuse_unsent("not a JSON object")
    assert report.unresolved == 2


def test_reasons_of_a_talkative_server_are_bounded() -> None:
    report = Report()
    for number in range(REASONS_MAX + 10):
        report.refuse(f"reason {number}")
    assert len(report.refused) == REASONS_MAX + 1
    assert report.refused[OTHER] == 10
    assert report.refused.total() == REASONS_MAX + 10


def test_the_summary_tells_all() -> None:
    report = Report(sent=10, acknowledged=5, filtered=1, resent=4, seconds=2.0)
    report.refuse("invalid JSON", 2)
    report.refuse("not acknowledged")
    assert report.summary() == (
        "10 sent, 5 acknowledged, 1 filtered, 3 refused (invalid JSON: 2, not acknowledged: 1), "
        "1 unresolved, 4 resent in 2.00 s (5 lines/s)"
    )


def test_the_summary_of_a_silent_protocol_claims_no_ack() -> None:
    assert Report(sent=2, unconfirmed=2).summary() == "2 sent, 2 without answer in 0.00 s (0 lines/s)"
