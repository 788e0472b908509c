"""From a request's batches to the journal, and the account of what became of each entry."""

import math
from functools import partial
from typing import Any, Final

from logboom.model import INVALID, Batch, Receipt, Source, Verdict
from logboom.pipeline.deduplicator import RequestKey
from logboom.web.site import Site

DETAILS_MAX: Final = 1000
"""Refused entries of one request that are named one by one; the rest is a number."""

STORAGE_RETRY_S: Final = 5
"""When a client may try again after storage has refused."""

STATUS_WORDS: Final = {
    Verdict.FILTERED: "filtered",
    Verdict.LIMITED: "limited",
    Verdict.NOT_JSON: "invalid",
    Verdict.NOT_OBJECT: "invalid",
    Verdict.MISSING_FIELD: "invalid",
    Verdict.TOO_LONG: "too_long",
    Verdict.FAILED: "failed",
}

_STORED: Final = frozenset({Verdict.ACCEPTED, Verdict.DUPLICATE})

_REASONS: Final = {
    Verdict.FILTERED: "below the listener's minimum level",
    Verdict.LIMITED: "rate limit exceeded",
    Verdict.NOT_JSON: "not JSON",
    Verdict.NOT_OBJECT: "expected a JSON object",
    Verdict.MISSING_FIELD: "a required field is missing",
    Verdict.TOO_LONG: "line too long",
    Verdict.FAILED: "storage unavailable",
}


class Account:
    """What became of a request's entries."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(Verdict, 0)
        self.first_sequence: int | None = None
        self.details: list[dict[str, Any]] = []
        self.retry_after_s = 0.0
        self._entries = 0

    @property
    def total(self) -> int:
        """Number of entries so far."""
        return self._entries

    @property
    def invalid(self) -> int:
        """How many of them were no good by themselves."""
        return sum(self.counts[verdict] for verdict in INVALID)

    def add(self, batch: Batch, receipt: Receipt) -> None:
        """Note the answer to the next batch."""
        verdicts = receipt.verdicts
        if (
            self.first_sequence is None
            and receipt.first_sequence is not None
            and Verdict.ACCEPTED in verdicts
        ):
            self.first_sequence = receipt.first_sequence
        if any(verdicts):
            self._add_refused(batch, receipt)
        else:
            self.counts[Verdict.ACCEPTED] += len(verdicts)
        self._entries += len(verdicts)

    def _add_refused(self, batch: Batch, receipt: Receipt) -> None:
        for verdict in Verdict:
            self.counts[verdict] += receipt.verdicts.count(verdict)
        self.retry_after_s = max(self.retry_after_s, receipt.retry_after_s)
        reasons = iter(batch.reasons)
        for index, number in enumerate(receipt.verdicts, self._entries):
            verdict = Verdict(number)
            if verdict not in _STORED and len(self.details) < DETAILS_MAX:
                reason = next(reasons, _REASONS[verdict]) if verdict in INVALID else _REASONS[verdict]
                self.details.append({"index": index, "status": STATUS_WORDS[verdict], "reason": reason})

    @property
    def status(self) -> int:
        """The HTTP status: 200 only when nothing was refused; 503 and 429 when sending again helps."""
        stored, duplicates = self.counts[Verdict.ACCEPTED], self.counts[Verdict.DUPLICATE]
        if stored + duplicates + self.counts[Verdict.FILTERED] == self._entries:
            return 200 if self._entries else 400
        if self.counts[Verdict.FAILED]:
            return 503
        if self.counts[Verdict.LIMITED]:
            return 429
        if stored + duplicates:
            return 207
        return 413 if self.counts[Verdict.TOO_LONG] == self._entries else 400

    @property
    def retry_after(self) -> int | None:
        """The header Retry-After, seconds."""
        if self.counts[Verdict.FAILED]:
            return STORAGE_RETRY_S
        return max(1, math.ceil(self.retry_after_s)) if self.counts[Verdict.LIMITED] else None

    def as_json(self) -> dict[str, Any]:
        """The answer's body: `entries` has those that were not stored."""
        stored, filtered = self.counts[Verdict.ACCEPTED], self.counts[Verdict.FILTERED]
        duplicates = self.counts[Verdict.DUPLICATE]
        return {
            "stored": stored,
            "duplicates": duplicates,
            "filtered": filtered,
            "refused": self._entries - stored - filtered - duplicates,
            "first_sequence": self.first_sequence,
            "entries": self.details,
            "entries_omitted": self._entries - stored - duplicates - len(self.details),
        }


class Upload:
    """Puts a request's batches into the journal, several in flight, and keeps the account. Answers come in order.

    Args:
        site: the listener's.
        source: of the request.
        key: of the request, if it has one: entries that were stored under it before are not stored again.
    """

    def __init__(self, site: Site, source: Source, key: RequestKey | None = None) -> None:
        self.account = Account()
        self._key = key
        self._inlet = site.inlet(source)
        self._counters, self._loop = site.intake.counters, site.loop

    @property
    def keyed_entries(self) -> int:
        """Entries that were given the request's key so far."""
        return self._key.entries if self._key is not None else 0

    async def put(self, batch: Batch) -> None:
        """Submit a batch, once there is room for it."""
        self._counters.received(self._loop.time())
        await self._inlet.room()
        if self._key is not None:
            batch.digests = self._key.digests(batch.entries)
            batch.keys = self._key.encoded
        self._inlet.put(batch, partial(self.account.add, batch))

    async def finish(self) -> Account:
        """Wait until everything is settled."""
        await self._inlet.settled()
        return self.account
