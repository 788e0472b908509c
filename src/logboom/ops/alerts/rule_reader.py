"""Thread that reads the journal for the rules with a query."""

from typing import Final

from logboom.journal.log import Block, Log
from logboom.ops.alerts.query_rules import QueryRules
from logboom.ops.journal_follower import Effort, JournalFollower

EFFORT: Final = Effort(rest_factor=3, flood_rest_factor=3, behind_max=1_000_000)
"""A quarter of a core: one rule keeps up with about 50,000 entries per second, ten rules with a tenth. Of a longer lag,
a minute or more, the newest entries count more than that none is skipped."""


class RuleReader(JournalFollower):
    """Service that reads the journal for the rules with a query.

    Args:
        journal: journal to read.
        rules: the rules.
    """

    def __init__(self, journal: Log, rules: QueryRules) -> None:
        super().__init__("alert rules", journal, EFFORT)
        self._rules = rules

    @property
    def position(self) -> int:
        """See `JournalFollower`. Without rules, nothing is to be read."""
        return self._journal.end if self._rules.is_empty else self._rules.position

    def take(self, block: Block) -> None:
        """See `JournalFollower`."""
        self._rules.take(block)

    def reached_end(self) -> None:
        """See `JournalFollower`."""
        self._rules.reached_end()

    def skip_to(self, position: int) -> None:
        """See `JournalFollower`."""
        self._rules.skip_to(position)

    def save(self) -> None:
        """See `JournalFollower`."""
        self._rules.save()
