"""A few lines, then a number."""

from logboom.servers.complaints import TOLD_MAX, TOLD_PERIOD_S, Complaints


def test_a_few_are_told_and_the_rest_is_a_number_once_the_time_is_over() -> None:
    told: list[tuple[str, str]] = []
    complaints = Complaints("http", lambda kind, text: told.append((kind, text)), "sent what is not HTTP")
    for _ in range(TOLD_MAX + 2):
        complaints.tell("peer: bad")
    for now in (5.0, 4.9 + TOLD_PERIOD_S):
        complaints.flush_due(now)
    assert told == [("warning", "http peer: bad")] * TOLD_MAX
    complaints.flush_due(5.0 + TOLD_PERIOD_S)
    complaints.tell("peer: worse", "error")
    assert told[TOLD_MAX:] == [
        ("warning", "http: 2 more sent what is not HTTP"),
        ("error", "http peer: worse"),
    ]


def test_nothing_to_tell_is_not_told() -> None:
    told: list[str] = []
    complaints = Complaints("http", lambda _, text: told.append(text), "came", period_s=0, told_max=1)
    for now in (1.0, 2.0):
        complaints.flush_due(now)
        complaints.flush()
    assert told == []
    complaints.tell("a")
    complaints.tell("b")
    complaints.flush_due(3.0)
    complaints.tell("c")
    assert told == ["http a", "http: 1 more came", "http c"]
