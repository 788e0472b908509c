"""Resends: lines of devices that are sent again because their acknowledgement was lost.

A line is one only if it has `boot_seq` and `seq`, its bytes are those of a stored line, and it surely comes from the
same device: the entry names it, or the line came over the same lineage of connections (`pipeline.lineages`).

Single lines are remembered by their hash. A batch whose `seq` continue what its connection has sent can't hold
resends: only its ends are decoded, and its bytes are kept for the case that a later line may come from it.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice, repeat
from typing import Any, Final, NamedTuple

import msgspec

from logboom.formats.envelope import COPY
from logboom.model import Batch, Receipt, Verdict
from logboom.pipeline.lineages import NONE, Lineages

WINDOW_S: Final = 600.0
"""Time that a line is remembered, from its arrival, seconds: devices send again after 2 s, then 5, 10 and 30 s."""

SLICES: Final = 20
"""Slices per window: at most a 20th of what is remembered is forgotten at once."""

LINE_BYTES: Final = 120
"""Memory per remembered line: its hash and its share of a dictionary."""

RUN_LINES_MIN: Final = 16
"""Lines of a batch from which on it is remembered as a run, if it is one."""

RUN_BYTES_MAX: Final = 6 << 20
"""Bytes of runs that are kept: several times what a connection has in flight when it breaks."""

TIPS_MAX: Final = 20_000
"""Connections whose last `seq` is remembered."""

AGAIN_MAX: Final = 20_000
"""Lines whose resends are counted, some 2 MB: the last ones."""

LINEAGES_MAX: Final = 8
"""Lineages per line, which is the number of devices behind one address whose equal lines are distinguished."""

_MARKS: Final = b'"seq"'
_FREE: Final = frozenset[int]()
"""In place of the lineages of a line that could not be stored."""


class _Numbers(msgspec.Struct, gc=False):
    """The fields of a line that count here."""

    boot_seq: Any = None
    seq: Any = None
    source: Any = None
    device: Any = None
    device_id: Any = None
    deviceId: Any = None  # noqa: N815 - as devices send it
    sensor_id: Any = None
    sensorId: Any = None  # noqa: N815
    hostname: Any = None
    host: Any = None
    mac: Any = None

    @property
    def is_numbered(self) -> bool:
        """True where a resend can be recognised."""
        return self.boot_seq is not None and self.seq is not None

    @property
    def is_named(self) -> bool:
        """True where the entry names its device."""
        return any(getattr(self, name) for name in self.__struct_fields__[2:])


class _Run(NamedTuple):
    """A batch of lines with consecutive `seq` of one boot."""

    at: float
    boot: int
    low: int
    high: int
    entries: bytes
    lineage: int


class _Claim(NamedTuple):
    """Lines that a batch has claimed, to be settled with its receipt."""

    lines: list[int]
    """Hashes that were remembered for it."""
    run: _Run | None
    duplicates: list[int]
    """Hashes of the lines with the verdict DUPLICATE, in wire order."""


_decoder: Final = msgspec.json.Decoder(_Numbers)


class Resends:
    """Bounded memory of the lines that devices have sent. Used on the event loop.

    Args:
        bytes_max: memory for remembered lines.
        window_s: how long a line is remembered, seconds.
        clock: seconds, monotonic.
    """

    def __init__(
        self, bytes_max: int, window_s: float = WINDOW_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.lineages = Lineages()
        self._lines_max = max(SLICES, bytes_max // LINE_BYTES)
        self._window_s = window_s
        self._clock = clock
        self._lines: dict[int, int | frozenset[int]] = {}
        self._slices: deque[list[float]] = deque()  # begin and number of lines, oldest first
        self._runs: deque[_Run] = deque()
        self._run_bytes = 0
        self._tips: dict[int, tuple[int, int]] = {}  # boot_seq and seq of the last line of a run, by lineage
        self._copies = time.time_ns()
        self._again: dict[int, int] = {}
        """Lines that were sent again and dropped, by hash: how often."""

    def __len__(self) -> int:
        """Number of lines that are remembered one by one."""
        return len(self._lines)

    @property
    def lines_max(self) -> int:
        """Number of lines that are remembered one by one at most."""
        return self._lines_max

    def claim(
        self, batch: Batch, settle: Callable[[Receipt], None], *, drop: bool
    ) -> Callable[[Receipt], None]:
        """Drop the sure resends of a batch, or mark them all, and remember its lines.

        Args:
            batch: may lose entries.
            settle: gets the batch's receipt as the sender is to see it.
            drop: false: resends are stored again with a mark.

        Returns:
            To be called with the batch's receipt.
        """
        if _MARKS not in batch.entries:
            return settle
        return partial(self._settle, self._claim(batch, drop=drop), settle)

    def _claim(self, batch: Batch, *, drop: bool) -> _Claim:
        self._forget(self._clock())
        run = self._run_of(batch)
        if run is not None and self._continues(run):
            self._keep_run(run)
            return _Claim([], run, [])
        lines = batch.entries.split(b"\n")
        hashes = list(map(hash, lines))
        self._index_runs(batch.entries, run)
        if self._lines.keys().isdisjoint(hashes) and len(set(hashes)) == len(hashes):
            if run is not None:
                self._keep_run(run)
                return _Claim([], run, [])
            self._remember(hashes, _lineages(batch, len(hashes)))
            return _Claim(hashes, None, [])
        return self._claim_each(batch, lines, hashes, drop=drop)

    def times_sent(self, entry: bytes) -> int | None:
        """Return how often a stored line was sent; None: it is too long ago. Any thread may ask."""
        one = hash(entry)
        again = self._again.get(one)
        return again + 1 if again is not None else 1 if one in self._lines else None

    def restore(self, lines: Iterable[tuple[bytes, str, str]]) -> None:
        """Remember stored lines of an earlier run: entry, listener and address of each."""
        for entry, listener, address in lines:
            if _MARKS in entry:
                self._remember([hash(entry)], [self.lineages.restored(listener, address)])

    # --- one line after the other ---

    def _claim_each(self, batch: Batch, lines: list[bytes], hashes: list[int], *, drop: bool) -> _Claim:
        doomed, copies = list[int](), set[int]()
        claim = _Claim([], None, [])
        lineages = list(_lineages(batch, len(hashes)))
        for place, (line, one, lineage) in enumerate(zip(lines, hashes, lineages, strict=True)):
            known = self._lines.get(one, _FREE)
            numbers = _numbers_of(line) if known != _FREE else None
            if numbers is None or not numbers.is_numbered:
                self._remember([one], [lineage])
                claim.lines.append(one)
            elif drop and (numbers.is_named or _shares(known, lineage)):
                doomed.append(place)
                claim.duplicates.append(one)
                self._count_again(one)
            else:
                self._lines[one] = _joined(known, lineage)
                copies.add(place)
        if copies:
            self._mark(batch, copies, len(lines))
        if doomed:
            accepted = [index for index, verdict in enumerate(batch.verdicts) if verdict == Verdict.ACCEPTED]
            batch.refuse([accepted[place] for place in doomed], Verdict.DUPLICATE)
        return claim

    def _count_again(self, one: int) -> None:
        self._again[one] = self._again.pop(one, 0) + 1
        if len(self._again) > AGAIN_MAX:
            del self._again[next(iter(self._again))]

    def _mark(self, batch: Batch, copies: set[int], count: int) -> None:
        """Have some entries stored with the mark of a copy; those that have keys of their own keep them."""
        if batch.keys is None:
            batch.keys = [self._copy_key() if place in copies else b"" for place in range(count)]

    def _copy_key(self) -> bytes:
        self._copies += 1
        return b'"%b%x"' % (COPY.encode(), self._copies)

    # --- runs ---

    def _run_of(self, batch: Batch) -> _Run | None:
        """Return a batch of one connection as a run; None if it is none."""
        count = batch.count
        if count < RUN_LINES_MIN or batch.sources is not None:
            return None
        entries = batch.entries
        first = _numbers_of(entries[: entries.index(b"\n")])
        last = _numbers_of(entries[entries.rindex(b"\n") + 1 :])
        if first is None or last is None:
            return None
        if not all(type(one) is int for one in (first.boot_seq, first.seq, last.boot_seq, last.seq)):
            return None
        if first.boot_seq != last.boot_seq or last.seq - first.seq != count - 1:
            return None
        return _Run(self._clock(), first.boot_seq, first.seq, last.seq, entries, batch.source.lineage)

    def _continues(self, run: _Run) -> bool:
        """Return whether all lines of a run come after all that its connection has sent."""
        tip = self._tips.get(run.lineage) if run.lineage != NONE else None
        return tip is not None and tip[0] == run.boot and tip[1] < run.low

    def _keep_run(self, run: _Run) -> None:
        self._runs.append(run)
        self._run_bytes += len(run.entries)
        if len(self._tips) >= TIPS_MAX:
            del self._tips[next(iter(self._tips))]
        self._tips[run.lineage] = (run.boot, run.high)
        horizon = run.at - self._window_s
        while self._runs and (self._run_bytes > RUN_BYTES_MAX or self._runs[0].at < horizon):
            self._run_bytes -= len(self._runs.popleft().entries)

    def _index_runs(self, entries: bytes, run: _Run | None) -> None:
        """Remember the lines of runs one by one that some of these entries may come from."""
        if not self._runs:
            return
        ends = {run.boot: (run.low, run.high)} if run is not None else _ends_of(entries)
        horizon = self._clock() - self._window_s
        kept: deque[_Run] = deque()
        for one in self._runs:
            low, high = ends.get(one.boot, (1, 0))
            if low > one.high or high < one.low:
                kept.append(one)
                continue
            self._run_bytes -= len(one.entries)
            if one.at >= horizon:
                hashes = list(map(hash, one.entries.split(b"\n")))
                self._remember(hashes, repeat(one.lineage, len(hashes)))
        self._runs = kept

    # --- memory ---

    def _remember(self, hashes: Sequence[int], lineages: Iterable[int]) -> None:
        before = len(self._lines)
        self._lines.update(zip(hashes, lineages, strict=True))
        now = self._clock()
        if not self._slices or now - self._slices[-1][0] >= self._window_s / SLICES:
            self._slices.append([now, 0])
        self._slices[-1][1] += len(self._lines) - before
        self._forget(now)

    def _forget(self, now: float) -> None:
        """Drop the slices that are past the window, and the oldest lines if they are too many."""
        horizon, doomed = now - self._window_s * (1 + 1 / SLICES), 0
        while self._slices and self._slices[0][0] < horizon:
            doomed += int(self._slices.popleft()[1])
        surplus = len(self._lines) - doomed - self._lines_max
        while surplus > 0 and self._slices:
            taken = min(surplus, int(self._slices[0][1]))
            self._slices[0][1] -= taken
            doomed, surplus = doomed + taken, surplus - taken
            if not self._slices[0][1]:
                self._slices.popleft()
        for one in list(islice(self._lines, doomed)):
            del self._lines[one]

    def _settle(self, claim: _Claim, settle: Callable[[Receipt], None], receipt: Receipt) -> None:
        """Forget what could not be stored. A resend of a line that could not be stored has failed with it."""
        if Verdict.FAILED in receipt.verdicts:
            self._free(claim.lines)
            if claim.run is not None:
                self._drop_run(claim.run)
        stored = [self._lines.get(one, NONE) != _FREE for one in claim.duplicates]
        if not all(stored):
            left = iter(stored)
            verdicts = bytes(
                Verdict.FAILED if verdict == Verdict.DUPLICATE and not next(left) else verdict
                for verdict in receipt.verdicts
            )
            receipt = receipt._replace(verdicts=verdicts)
        settle(receipt)

    def _drop_run(self, run: _Run) -> None:
        """Forget a run that could not be stored, also where it was indexed meanwhile."""
        self._tips.pop(run.lineage, None)
        for place, one in enumerate(self._runs):
            if one is run:
                del self._runs[place]
                self._run_bytes -= len(run.entries)
                return
        self._free(map(hash, run.entries.split(b"\n")))

    def _free(self, hashes: Iterable[int]) -> None:
        """Let lines that could not be stored come again."""
        for one in hashes:
            if one in self._lines:
                self._lines[one] = _FREE


def _lineages(batch: Batch, count: int) -> Iterable[int]:
    """Return the lineage per entry."""
    if batch.sources is None:
        return repeat(batch.source.lineage, count)
    return [source.lineage for source in batch.sources]


def _numbers_of(line: bytes) -> _Numbers | None:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # such as 1e400: the line is stored
        return None


def _ends_of(entries: bytes) -> dict[int, tuple[int, int]]:
    """Return the least and the greatest `seq` of the lines, by `boot_seq`."""
    ends: dict[int, tuple[int, int]] = {}
    for line in entries.split(b"\n"):
        numbers = _numbers_of(line)
        if numbers is None or type(numbers.boot_seq) is not int or type(numbers.seq) is not int:
            continue
        low, high = ends.get(numbers.boot_seq, (numbers.seq, numbers.seq))
        ends[numbers.boot_seq] = (min(low, numbers.seq), max(high, numbers.seq))
    return ends


def _shares(known: int | frozenset[int], lineage: int) -> bool:
    """Return whether a line came over a lineage before."""
    return lineage != NONE and (lineage in known if isinstance(known, frozenset) else known == lineage)


def _joined(known: int | frozenset[int], lineage: int) -> int | frozenset[int]:
    """Return the lineages of a line that came over one more."""
    before = known if isinstance(known, frozenset) else frozenset((known,))
    return before | {lineage} if len(before) < LINEAGES_MAX else before
