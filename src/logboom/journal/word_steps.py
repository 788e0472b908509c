"""The steps of a segment that may have some words, by its filters."""

from collections.abc import Sequence
from typing import NamedTuple

from logboom.journal.log import Step
from logboom.journal.step_times import Times
from logboom.journal.word_filters import WordFilters, WordTest


class WordSteps(NamedTuple):
    """Steps that filters leave of the lines that they were made of."""

    end: int
    """The sequence after the last of these lines."""
    steps: list[Step]
    """Newest first."""


def find_steps(filters: WordFilters, words: WordTest, start: int, end: int) -> WordSteps:
    """Return the steps from `start` to before `end` that may pass a test.

    Raises:
        DamagedWordsError: the file is damaged.
        OSError: it can't be read.
    """
    covered, wanted = filters.covered, words(filters.parts_with)
    steps = []
    for part in reversed(filters.parts(wanted) if wanted else []):
        low, high = max(start, part.start), min(end, part.end)
        if low < high:
            is_whole = (low, high) == (part.start, part.end)
            steps.append(Step(low, high, is_whole, covered.first, part.offset, part.size if is_whole else 0))
    return WordSteps(min(end, covered.end), steps)


def times_within(step: Step, timed: Sequence[Step]) -> Times | None:
    """Return times that all entries of a step are within; None where they are not known.

    Args:
        step: a part of a segment.
        timed: whole steps of the segment, with their times.
    """
    times, lines = Times(), 0
    for one in timed:
        shared = min(step.end, one.end) - max(step.start, one.start)
        if shared > 0 and one.times is not None:
            times, lines = times.joined(one.times), lines + shared
    return times if lines == step.end - step.start else None
