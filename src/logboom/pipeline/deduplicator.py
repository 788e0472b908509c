"""Deduplicator: recognises an entry that is sent again under the same key, and drops the second copy.

A duplicate has the same key **and** the same content. The same key with other content is another entry.
Each stored pair is remembered as a 16-byte digest, in generations that are forgotten together: after the window,
or earlier when there are more of them than fit.

The pairs survive a crash without a sync of their own: an entry's key stands in its journal line, so whatever was
acknowledged can be read back (`journal.keylog`).
"""

import time
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

DIGEST_BYTES: Final = 16
"""Bytes per digest: 128 bits, so that neither chance nor an attacker finds two pairs with the same one."""

PAIR_BYTES: Final = 110
"""Memory per remembered pair: the digest's object (49 bytes) and its share of a set."""

GENERATIONS: Final = 24
"""Generations per window: at most a 24th of what is remembered is forgotten at once."""

KEY_BYTES_MAX: Final = 255
"""Longest key. It is stored with each entry; identifiers in use (UUIDs, cursors, file offsets) are shorter."""

KEY_HEADER: Final = "Idempotency-Key"
"""The HTTP header that gives all entries of a request one key."""

REQUEST_ENTRIES_MAX: Final = 100_000
"""Entries under one key: each takes `PAIR_BYTES` while its request lasts, and in the store."""


class Generation(NamedTuple):
    """Digests that are forgotten together."""

    started_s: float
    """Seconds since the epoch."""
    digests: set[bytes]


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
        self._pending: set[bytes] = set()
        self._fresh: list[bytes] = []

    def __len__(self) -> int:
        """Number of pairs that are remembered."""
        return sum(len(one.digests) for one in self._generations)

    @property
    def reach_s(self) -> float:
        """Age of the oldest generation, seconds; a pair that is older may be stored again. 0: nothing is remembered."""
        return max(0.0, self._clock() - self._generations[0].started_s) if self._generations else 0.0

    def claim(self, digests: Sequence[bytes]) -> list[bool]:
        """Take the pairs that are new. Each pair that was taken needs one `settle`.

        Returns:
            Per pair: True, it is new; False, it is stored, or another batch that is on its way has it.
        """
        return [self._claim_one(one) for one in digests]

    def _claim_one(self, one: bytes) -> bool:
        if one in self._pending or self.holds(one):
            return False
        self._pending.add(one)
        return True

    def settle(self, digests: Iterable[bytes], *, stored: bool) -> None:
        """End the claim of pairs: they are stored, or free to be sent again."""
        for one in digests:
            self._pending.discard(one)
            if stored:
                self._remember(one)
                self._fresh.append(one)

    def holds(self, one: bytes) -> bool:
        """Return True for a pair that is stored, as far as is remembered."""
        return any(one in generation.digests for generation in self._generations)

    def restore(self, digests: Iterable[bytes], started_s: float) -> None:
        """Remember pairs of an earlier run, oldest first."""
        self._generations.append(Generation(started_s, set(digests)))
        self._forget()

    def restore_line(self, key: bytes, entry: bytes) -> None:
        """Remember the pair of a journal line that no checkpoint has; call it in the journal's order."""
        occurrence = 0
        while self.holds(one := digest(key, entry, occurrence)):
            occurrence += 1
        self.settle([one], stored=True)

    def take_fresh(self) -> list[bytes]:
        """The pairs stored since the last call, for the next checkpoint."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def _remember(self, one: bytes) -> None:
        now = self._clock()
        newest = self._generations[-1] if self._generations else None
        if (
            newest is None
            or now - newest.started_s >= self._window_s / GENERATIONS
            or len(newest.digests) >= self._pairs_max // GENERATIONS
        ):
            newest = Generation(now, set())
            self._generations.append(newest)
            self._forget()
        newest.digests.add(one)

    def _forget(self) -> None:
        """Drop the generations that are past the window, or too many; leave room for the newest one to fill."""
        horizon = self._clock() - self._window_s * (1 + 1 / GENERATIONS)
        size = len(self)
        while len(self._generations) > 1 and (
            self._generations[0].started_s < horizon
            or size > self._pairs_max - self._pairs_max // GENERATIONS
        ):
            size -= len(self._generations.pop(0).digests)


class RequestKey:
    """One key for all entries of a request, for example HTTP's `Idempotency-Key`.

    Equal entries of one request differ by their number: a body that holds the same line twice is
    stored as it is, and a repeat of that body is not.

    Args:
        encoded: the key as a JSON string.
    """

    def __init__(self, encoded: bytes) -> None:
        self.encoded = encoded
        self.entries = 0
        """Number of entries so far; the caller keeps it below `REQUEST_ENTRIES_MAX`."""
        self._counts: dict[bytes, int] = {}

    def digests(self, entries: bytes) -> list[bytes]:
        """The digest per entry of the request's next batch; `entries` is joined by newlines."""
        found = []
        for entry in entries.split(b"\n") if entries else ():
            first = digest(self.encoded, entry)
            count = self._counts.get(first, 0)
            self._counts[first] = count + 1
            found.append(digest(self.encoded, entry, count) if count else first)
        self.entries += len(found)
        return found
