"""Trial of a rule over the entries of the past: how often it would have fired, and when."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from logboom.formats.envelope import RECEIVED_AT
from logboom.formats.times import iso_from_ns
from logboom.journal.log import Log
from logboom.ops.alerts.alert_settings import QueryRule
from logboom.ops.alerts.query_rules import IMPORTED_END
from logboom.ops.alerts.window_count import STEPS
from logboom.ops.source_lines import epoch_s
from logboom.query.look_back import Reach, look_back
from logboom.query.matching import Filter

STEPS_MAX: Final = 200_000
"""Most steps with matching entries that are counted, some 50 MB with their evaluation; with more, only the newest part
is tried. A window has 60 steps, so that is 138 days of a window of an hour in which an entry matches in each step."""

FIRINGS_MAX: Final = 1000
"""Most firings in an answer, the last ones."""


class Firing(NamedTuple):
    """A time in which the rule would have fired; seconds since the epoch."""

    since: float
    until: float
    matches: int
    """The most entries within a window; of a rule with `fewer`, the fewest."""


class Trial(NamedTuple):
    """Result of a trial."""

    firings: list[Firing]
    """Oldest first."""
    since: float
    """Begin of what was tried, seconds since the epoch: later than asked for if there was no time for more."""
    until: float
    reach: Reach
    limit: str = ""
    """Reason for which reading ended before the begin: `time`, or `steps` for `STEPS_MAX`; empty: nothing."""


def try_rule(
    log: Log, rule: QueryRule, since: float, until: float, give_up: Callable[[], bool] = lambda: False
) -> Trial:
    """Try a rule over the entries that arrived from `since` to before `until`, seconds since the epoch.

    The entries of one window before `since` are read, too, so that the first number is whole.

    Args:
        log: the journal.
        rule: the rule; its name, severity and targets do not matter.
        since: begin.
        until: end.
        give_up: asked after each step of about a megabyte; True ends the reading, newest entries first.
    """
    step_s = rule.window_s / STEPS
    counts: Counter[int] = Counter()

    def add(_sequences: Sequence[int], data: bytes) -> None:
        lines = data.split(b"\n")[:-1]
        times = Counter([line[RECEIVED_AT] for line in lines if not line.endswith(IMPORTED_END)])
        for text, count in times.items():
            if (at := epoch_s(text.decode("latin-1"))) is not None:
                counts[int(at // step_s)] += count

    first = log.first_arrival()
    if first is not None:
        since = max(since, first / 1e9 + (rule.window_s if rule.fewer else 0.0))
    wanted = Filter(text=rule.query, since=_iso(since - rule.window_s), until=_iso(until), by_arrival=True)
    reach = look_back(log, wanted, add, lambda: len(counts) > STEPS_MAX or give_up())
    limit = ""
    if reach.before is not None:
        limit = "steps" if len(counts) > STEPS_MAX else "time"
        since = max(since, (epoch_s(reach.reached_at) or since) + rule.window_s)
    since = min(since, until)
    return Trial(_firings(rule, counts, since, until), since, until, reach, limit)


def _iso(seconds: float) -> str:
    return iso_from_ns(max(0, int(seconds * 1e6)) * 1000)


def _firings(rule: QueryRule, counts: Counter[int], since: float, until: float) -> list[Firing]:
    """Return the times in which the alert fires, the last `FIRINGS_MAX`.

    Its condition holds for `for_s`, and ends `clear_s` after it.
    """
    found: deque[Firing] = deque(maxlen=FIRINGS_MAX)
    held: tuple[float, float, int] | None = None
    for begin, end, number in _numbers(rule, counts, since, until):
        holds = number < rule.threshold if rule.fewer else number >= rule.threshold
        if held is not None and (not holds or begin > held[1]):
            _fire(found, rule, held, until)
            held = None
        if holds:
            worst = min if rule.fewer else max
            held = (begin, end, number) if held is None else (held[0], end, worst(held[2], number))
    if held is not None:
        _fire(found, rule, held, until)
    return list(found)


def _fire(found: deque[Firing], rule: QueryRule, held: tuple[float, float, int], until: float) -> None:
    """Add what a condition that held from a time to another fires; an alert that has not ended yet goes on."""
    begin, end, number = held
    ends_at = min(end + rule.clear_s, until)
    if found and begin <= found[-1].until:
        worst = min if rule.fewer else max
        found[-1] = Firing(found[-1].since, ends_at, worst(found[-1].matches, number))
    elif end - begin >= rule.for_s:
        found.append(Firing(begin + rule.for_s, ends_at, number))


def _numbers(
    rule: QueryRule, counts: Counter[int], since: float, until: float
) -> Iterator[tuple[float, float, int]]:
    """Yield the spans in which the number within the window is the same, in order: begin, end, number."""
    step_s = rule.window_s / STEPS
    changes: Counter[int] = Counter()
    for step, count in counts.items():
        changes[step] += count
        changes[step + STEPS + rule.fewer] -= count
    edges = sorted(changes)
    first = edges[0] * step_s if edges else until
    if first > since:
        yield since, min(first, until), 0
    number = 0
    for edge, after in pairwise([*edges, int(until // step_s) + 1]):
        number += changes[edge]
        begin, end = max(edge * step_s, since), min(after * step_s, until)
        if begin < end:
            yield begin, end, number
