"""Deduplicator: recognises an entry that is sent again under the same key, and drops the second copy.

A duplicate has the same key **and** the same content. The same key with other content is another entry.
Each stored pair is remembered as a 16-byte digest, in generations that are forgotten together: after the window,
or earlier when there are more of them than fit.

The pairs survive a crash without a sync of their own: an entry's key stands in its journal line, so whatever was
acknowledged can be read back (`journal.keylog`).
"""

import time
from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Final, NamedTuple

from logboom.model import Batch

DIGEST_BYTES: Final = 16
"""Bytes per digest: 128 bits, so that neither chance nor an attacker finds two pairs with the same one."""

PAIR_BYTES: Final = 110
"""Memory per remembered pair: the digest's object (49 bytes) and its share of a dictionary."""

GENERATIONS: Final = 24
"""Generations per window: at most a 24th of what is remembered is forgotten at once."""

KEY_BYTES_MAX: Final = 255
"""Longest key. It is stored with each entry; identifiers in use (UUIDs, cursors, file offsets) are shorter."""

KEY_HEADER: Final = "Idempotency-Key"
"""The HTTP header that gives all entries of a request one key."""

REQUEST_ENTRIES_MAX: Final = 100_000
"""Entries under one key: each takes `PAIR_BYTES` while its request lasts, and in the store."""


OPEN_MAX: Final = 16
"""Requests with a window at once; of further ones, each entry is remembered. Each may have `REQUEST_ENTRIES_MAX`."""

WINDOWS_MAX: Final = 200_000
"""Windows that are remembered, the newest: 200 GB of imported files, in 20 MiB."""


class Generation(NamedTuple):
    """Pairs that are forgotten together."""

    started_s: float
    """Seconds since the epoch."""
    pairs: int
    """Number of pairs; the oldest generation's stand first in the dictionary of all."""


class Fresh(NamedTuple):
    """State for a checkpoint."""

    position: int
    """The journal's sequence up to which everything is settled, and among `pairs` and `windows`."""
    pairs: list[bytes]
    windows: list[bytes]


def digest(key: bytes, entry: bytes, occurrence: int = 0) -> bytes:
    """The digest of one pair of key and content.

    Args:
        key: as it stands in the journal line, a JSON string.
        entry: the entry's bytes; without a newline.
        occurrence: how often the same content came before under this key on purpose, in one request.
    """
    state = blake2b(key, digest_size=DIGEST_BYTES)
    state.update(entry)
    if occurrence:
        state.update(b"\n%d" % occurrence)
    return state.digest()


def digests_of(batch: Batch) -> list[bytes]:
    """Return the digest per entry of a batch whose entries have keys, or share one."""
    entries = batch.entries.split(b"\n") if batch.entries else []
    if isinstance(batch.keys, list):
        return _digests_of_pairs(batch.keys, entries)
    return _digests(batch.keys or b"", entries)


def _digests_of_pairs(keys: Sequence[bytes], entries: Sequence[bytes]) -> list[bytes]:
    """Return `digest(key, entry)` of each pair: to copy a state costs half of making one."""
    copy = blake2b(digest_size=DIGEST_BYTES).copy
    found = []
    for key, entry in zip(keys, entries, strict=True):
        state = copy()
        state.update(key + entry)
        found.append(state.digest())
    return found


def _digests(key: bytes, entries: Sequence[bytes]) -> list[bytes]:
    """Return `digest(key, entry)` of each entry, with the key hashed once for all of them."""
    start = blake2b(key, digest_size=DIGEST_BYTES)
    found = []
    for entry in entries:
        state = start.copy()
        state.update(entry)
        found.append(state.digest())
    return found


class Deduplicator:
    """A bounded set of (key, content) pairs. Used on one thread: the event loop's.

    Args:
        window_s: how long a pair is remembered, seconds.
        bytes_max: memory for remembered pairs.
        clock: seconds since the epoch.
    """

    def __init__(self, window_s: float, bytes_max: int, clock: Callable[[], float] = time.time) -> None:
        self._window_s = window_s
        self._pairs_max = max(GENERATIONS, bytes_max // PAIR_BYTES)
        self._clock = clock
        self._generations: list[Generation] = []
        self._known: dict[bytes, None] = {}
        self._pending: set[bytes] = set()
        self._fresh: list[bytes] = []
        self._windows: dict[bytes, None] = {}
        self._fresh_windows: list[bytes] = []
        self._open: dict[RequestKey, int] = {}
        self._held: set[bytes] = set()  # stored pairs of open requests

    def __len__(self) -> int:
        """Number of pairs that are remembered."""
        return len(self._known)

    @property
    def pairs_max(self) -> int:
        """Number of pairs that are remembered at most."""
        return self._pairs_max

    @property
    def reach_s(self) -> float:
        """Age of the oldest generation, seconds; a pair that is older may be stored again. 0: nothing is remembered."""
        return max(0.0, self._clock() - self._generations[0].started_s) if self._generations else 0.0

    def claim(self, digests: Sequence[bytes]) -> list[bool]:
        """Take the pairs that are new. Each pair that was taken needs one `settle`.

        Returns:
            Per pair: True, it is new; False, it is stored, or another batch that is on its way has it.
        """
        known, pending, held = self._known, self._pending, self._held
        taken = set(digests)
        if (
            len(taken) == len(digests)
            and (not pending or pending.isdisjoint(taken))
            and (not held or held.isdisjoint(taken))
            and known.keys().isdisjoint(digests)
        ):  # the usual case, at a tenth of the cost of the one below
            pending |= taken
            return [True] * len(digests)
        new = []
        for one in digests:
            is_new = one not in pending and one not in known and one not in held
            if is_new:
                pending.add(one)
            new.append(is_new)
        return new

    def settle(self, digests: Collection[bytes], *, stored: bool) -> None:
        """End the claim of pairs: they are stored, or free to be sent again."""
        self._pending.difference_update(digests)
        if not stored:
            return
        for key in self._open:
            mine = key.digests_so_far.intersection(digests)
            if mine:
                self._held |= mine
                digests = [one for one in digests if one not in mine]
        if digests:
            self._keep(digests)

    def holds(self, one: bytes) -> bool:
        """Return True for a pair that is stored, as far as is remembered."""
        return one in self._known or one in self._held

    def restore(self, digests: Sequence[bytes], started_s: float) -> None:
        """Remember pairs of an earlier run; the oldest come first."""
        self._remember(digests, started_s)

    def restore_line(self, key: bytes, entry: bytes) -> None:
        """Remember the pair of a journal line that no checkpoint has; call it in the journal's order."""
        occurrence = 0
        while self.holds(one := digest(key, entry, occurrence)):
            occurrence += 1
        self.settle([one], stored=True)

    def take_fresh(self, position: int) -> Fresh:
        """Return what was stored since the last call, for the next checkpoint, without requests that are open.

        Args:
            position: the journal's sequence up to which everything is settled.
        """
        fresh = Fresh(min([position, *self._open.values()]), self._fresh, self._fresh_windows)
        self._fresh, self._fresh_windows = [], []
        return fresh

    # --- windows: requests that are remembered as one ---

    def open(self, key: "RequestKey", position: int) -> None:
        """Begin a request with a window; it needs one `close`.

        Args:
            key: of the request.
            position: the journal's sequence that its entries do not precede.
        """
        if key.window in self._windows:
            self._mark_stored(key)
        elif len(self._open) < OPEN_MAX:
            self._open[key] = position

    def _mark_stored(self, key: "RequestKey") -> None:
        key.is_stored = True
        self._remember([key.window], self._clock())

    def close(self, key: "RequestKey", *, whole: bool) -> None:
        """End a request. If all of its entries are stored, its window is remembered instead of each of them.

        Args:
            key: of the request.
            whole: it was read to its end.
        """
        if self._open.pop(key, None) is None:
            return
        digests = key.digests_so_far
        stored = digests & self._held
        self._held -= stored
        if key.is_stored:
            return
        if not whole or not digests or not all(map(self._known.__contains__, digests - stored)):
            self._keep(list(stored))
            return
        self.restore_windows([key.window])
        self._fresh_windows.append(key.window)
        for other in self._open:
            if other.window == key.window:  # the same request, sent again before this one was answered
                self._mark_stored(other)

    def restore_windows(self, windows: Sequence[bytes]) -> None:
        """Remember windows of an earlier run; the oldest come first."""
        self._windows.update(dict.fromkeys(windows))
        for one in list(islice(self._windows, max(0, len(self._windows) - WINDOWS_MAX))):
            del self._windows[one]

    @property
    def windows(self) -> Sequence[bytes]:
        """Windows that are remembered, the oldest first."""
        return list(self._windows)

    def _keep(self, digests: Collection[bytes]) -> None:
        self._remember(digests, self._clock())
        self._fresh += digests

    def _remember(self, digests: Collection[bytes], now: float) -> None:
        before = len(self._known)
        self._known.update(dict.fromkeys(digests))
        newest = self._generations[-1] if self._generations else None
        if (
            newest is None
            or now - newest.started_s >= self._window_s / GENERATIONS
            or newest.pairs >= self._pairs_max // GENERATIONS
        ):
            newest = Generation(now, 0)
            self._generations.append(newest)
        self._generations[-1] = newest._replace(pairs=newest.pairs + len(self._known) - before)
        self._forget()

    def _forget(self) -> None:
        """Drop the generations that are past the window, or too many; leave room for the newest one to fill."""
        horizon = self._clock() - self._window_s * (1 + 1 / GENERATIONS)
        size = len(self._known)
        doomed = 0
        while len(self._generations) > 1 and (
            self._generations[0].started_s < horizon
            or size - doomed > self._pairs_max - self._pairs_max // GENERATIONS
        ):
            doomed += self._generations.pop(0).pairs
        for one in list(islice(self._known, doomed)):
            del self._known[one]


class RequestKey:
    """One key for all entries of a request, for example HTTP's `Idempotency-Key`.

    Equal entries of one request differ by their number: a body that holds the same line twice is
    stored as it is, and a repeat of that body is not.

    Args:
        encoded: the key as a JSON string.
        window: name of all entries of the request together, which no other entries under this key have; empty: none.
    """

    def __init__(self, encoded: bytes, window: str = "") -> None:
        self.encoded = encoded
        self.window = digest(encoded, b"window " + window.encode()) if window else b""
        """Digest of the window; no entry has it, since entries are objects."""
        self.is_stored = False
        """All entries are duplicates: the window was stored before."""
        self.digests_so_far: set[bytes] = set()
        """Digests of all entries so far, of a request with a window."""
        self.entries = 0
        """Number of entries so far; the caller keeps it below `REQUEST_ENTRIES_MAX`."""
        self._counts: dict[bytes, int] = {}

    def digests(self, entries: bytes) -> list[bytes]:
        """The digest per entry of the request's next batch; `entries` is joined by newlines."""
        if self.is_stored:
            found = [self.window] * (entries.count(b"\n") + 1 if entries else 0)
            self.entries += len(found)
            return found
        found = self._digests_of(entries)
        if self.window:
            self.digests_so_far.update(found)
        return found

    def _digests_of(self, entries: bytes) -> list[bytes]:
        found = _digests(self.encoded, entries.split(b"\n")) if entries else []
        self.entries += len(found)
        once = dict.fromkeys(found, 1)
        if len(once) == len(found) and self._counts.keys().isdisjoint(once):
            self._counts |= once
            return found
        for index, (first, entry) in enumerate(zip(found, entries.split(b"\n"), strict=True)):
            count = self._counts.get(first, 0)
            self._counts[first] = count + 1
            if count:
                found[index] = digest(self.encoded, entry, count)
        return found
