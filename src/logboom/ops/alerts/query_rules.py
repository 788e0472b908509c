"""Rules with a query: how many entries match within a window, counted block by block as entries arrive."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from logboom.durable import replace_file
from logboom.formats.envelope import RECEIVED_AT, entry_of
from logboom.formats.records import records_of, sender
from logboom.formats.sent import sent_message
from logboom.journal.log import Block
from logboom.model import IMPORTED, Report
from logboom.ops.alerts.alert_settings import QueryRule
from logboom.ops.alerts.lifecycle import Condition, Key
from logboom.ops.alerts.rules import duration, plain
from logboom.ops.alerts.window_count import WindowCount
from logboom.ops.source_lines import epoch_s
from logboom.query.filter.compiler import CompiledFilter
from logboom.query.filter.parser import parse

FILE_NAME: Final = "alert-rules.json"
VERSION: Final = 1

QUERY_CHARS_MAX: Final = 80
LAST_CHARS_MAX: Final = 160
"""Lengths to which a query and the last entry are cut in a message."""

IMPORTED_END: Final = b',"listener":%b}' % msgspec.json.encode(IMPORTED)
"""End of the lines of imported entries: their problems are over."""


class _SavedRule(msgspec.Struct):
    query: str
    window_s: float
    steps: dict[int, int]
    last: str = ""


class _File(msgspec.Struct):
    version: int
    position: int
    read_until: float
    rules: dict[str, _SavedRule]


class _Watch:
    """One rule and its count."""

    def __init__(self, name: str, rule: QueryRule, since: float, saved: _SavedRule | None) -> None:
        same = saved is not None and (saved.query, saved.window_s) == (rule.query, rule.window_s)
        self.name = name
        self.rule = rule
        self.since = since
        """Time from which on all entries were seen, seconds since the epoch."""
        self.filter = CompiledFilter(parse(rule.query))
        self.count = WindowCount(rule.window_s, saved.steps if same and saved else None)
        self.last = saved.last if same and saved else ""
        """The last entry that matched: sender and message."""

    @property
    def key(self) -> Key:
        return self.name, plain(_cut(self.rule.query, QUERY_CHARS_MAX))

    def matches(self, until: float) -> int:
        """Return the number of matching entries within the window that ends then."""
        return self.count.within(until, more=self.rule.fewer)

    def take(self, block: Block) -> tuple[Counter[bytes], str]:
        """Return the number of matching entries by receive time, and the last one as text."""
        numbers = self.filter.select(block.data, block.count)
        if not numbers:
            return Counter(), ""
        lines = block.data.split(b"\n")
        if IMPORTED_END in block.data:
            numbers = [number for number in numbers if not lines[number].endswith(IMPORTED_END)]
        times = Counter([lines[number][RECEIVED_AT] for number in numbers])
        return times, _described(lines[numbers[-1]]) if numbers else ""

    def saved(self) -> _SavedRule:
        return _SavedRule(self.rule.query, self.rule.window_s, dict(self.count.steps), self.last)

    def condition(self, until: float, *, held: bool) -> Condition | None:
        """Return the problem, as far as is known; while it is unknown, the alert stays as it is."""
        rule, number = self.rule, self.matches(until)
        if not rule.fewer:
            return self._made(number) if number >= rule.threshold else None
        is_known = until - self.since >= rule.window_s
        few = number < rule.threshold
        return self._made(number) if few and (is_known or held) else None

    def _made(self, number: int) -> Condition:
        rule, (name, query) = self.rule, self.key
        window = duration(rule.window_s)
        found = f"{number:,} {'entry' if number == 1 else 'entries'} within {window}"
        last = f"; the last: {self.last}" if self.last else ""
        text, recovered = f"{name}: {found} match {query}{last}", f"{name}: few entries match {query}"
        if rule.fewer:
            text = f"{name}: only {found} match {query}, expected {rule.threshold:,}{last}"
            recovered = f"{name}: enough entries match {query} again"
        return Condition(name, query, rule.severity, text, recovered, rule.for_s, rule.clear_s)


class QueryRules:
    """The rules with a query. Any thread may call any method.

    Args:
        rules: by name.
        data_dir: folder of the saved counts.
        report: logs what can't be read or saved.
        wall: seconds since the epoch.
        end: returns the journal's end, where new rules begin.
    """

    def __init__(
        self,
        rules: Mapping[str, QueryRule],
        data_dir: Path,
        report: Report,
        *,
        wall: Callable[[], float],
        end: Callable[[], int],
    ) -> None:
        self._path = data_dir / FILE_NAME
        self._report = report
        self._wall = wall
        self._end = end
        self._lock = threading.Lock()
        self._watches: dict[str, _Watch] = {}
        self._failing = False
        self.skipped = 0
        """Number of entries that were not looked at, because too many arrived."""
        file = self._load() if rules else None
        self.position = file.position if file is not None else end()
        """The next sequence to be looked at."""
        self._until = file.read_until if file is not None else wall()
        self._saved = file.rules if file is not None else {}
        self.configure(rules)

    def configure(self, rules: Mapping[str, QueryRule]) -> list[Key]:
        """Take other rules; return the keys of those that are no longer there, or look for something else."""
        now = self._wall()
        active = {name: rule for name, rule in rules.items() if rule.enabled}
        with self._lock:
            before = self._watches
            saved = {**self._saved, **{name: watch.saved() for name, watch in before.items()}}
            if not before and not self._saved:
                self.position, self._until = self._end(), now
            self._watches = {
                name: before[name]
                if name in before and before[name].rule == rule
                else _Watch(name, rule, now, saved.get(name))
                for name, rule in active.items()
            }
            self._saved = {}
            keys = {watch.key for watch in self._watches.values()}
            return [watch.key for watch in before.values() if watch.key not in keys]

    # --- the reader ---

    @property
    def is_empty(self) -> bool:
        """Return whether there is no rule."""
        return not self._watches

    def take(self, block: Block) -> None:
        """Count the matching entries of a block."""
        watches = list(self._watches.values())
        found = [(watch, *watch.take(block)) for watch in watches]
        until = epoch_s(block.data[block.data.rfind(b"\n", 0, -1) + 1 :][RECEIVED_AT].decode("latin-1"))
        with self._lock:
            for watch, times, last in found:
                for received_at, count in times.items():
                    at = epoch_s(received_at.decode("latin-1"))
                    watch.count.add(self._until if at is None else at, count)
                watch.last = last or watch.last
            self.position = block.next_sequence
            self._until = until or self._until

    def reached_end(self) -> None:
        """Notice that every entry was looked at that has been stored so far."""
        with self._lock:
            self._until = self._wall()

    def skip_to(self, position: int) -> None:
        """Continue at a position. What was between may have matched: fewer entries are no longer certain."""
        missed = position - self.position
        if missed > 0 and self._watches:
            self.skipped += missed
            self._report("warning", f"alerts: rules with a query skipped {missed:,} entries: too many arrive")
        self.position = position
        self.blind()

    def blind(self) -> None:
        """Note that entries may be missing up to now."""
        now = self._wall()
        with self._lock:
            for watch in self._watches.values():
                watch.since = now

    # --- the alerts ---

    def conditions(self, held: Collection[Key]) -> Iterator[Condition]:
        """Yield the current problems, as of the last entry that was looked at.

        Args:
            held: keys of firing alerts.
        """
        with self._lock:
            made = [watch.condition(self._until, held=watch.key in held) for watch in self._watches.values()]
        yield from (one for one in made if one is not None)

    def document(self) -> list[dict[str, Any]]:
        """Return the rules and their current counts."""
        with self._lock:
            return [
                {
                    "name": watch.name,
                    "query": watch.rule.query,
                    "threshold": watch.rule.threshold,
                    "window_s": watch.rule.window_s,
                    "fewer": watch.rule.fewer,
                    "matches": watch.matches(self._until),
                }
                for watch in self._watches.values()
            ]

    # --- the file ---

    def _load(self) -> _File | None:
        try:
            file = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            self._report("warning", f"alerts: the saved counts can't be read, and start at 0: {error}")
            return None
        return file if file.version == VERSION and file.position <= self._end() else None

    def save(self) -> None:
        """Save the counts; an error is logged once."""
        if self.is_empty:
            self._path.unlink(missing_ok=True)
            return
        with self._lock:
            rules = {name: watch.saved() for name, watch in self._watches.items()}
            file = _File(VERSION, self.position, self._until, rules)
        try:
            replace_file(self._path, [msgspec.json.encode(file), b"\n"])
            self._failing = False
        except OSError as error:
            if not self._failing:
                self._report("warning", f"alerts: counts can't be saved: {error.strerror or error}")
            self._failing = True


def _described(line: bytes) -> str:
    """Return sender and message of a journal line; empty for a damaged one."""
    for record in records_of([0], line + b"\n", with_times=False):
        name, message = sender(record.entry, record.source), sent_message(record, entry_of(line))
        return plain(_cut(f"{name}: {message}", LAST_CHARS_MAX))
    return ""


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else f"{text[: chars_max - 1]}…"
