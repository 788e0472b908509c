"""Codec of `POST /api/entries`, and the account of each entry's outcome."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from logboom.formats import ndjson
from logboom.framing.jsonlines import JsonLines
from logboom.model import INVALID, Batch, Receipt, Verdict
from logboom.receivers.http import HttpSettings
from logboom.receivers.http_push import BodyError, HttpReply, HttpRequest
from logboom.web.bodies import EntryLines, check_bad, check_type

_ACCEPTED_TYPES: Final = {
    "Accept-Encoding": "gzip, zstd",
    "Accept-Post": "application/json, application/x-ndjson",
}

DETAILS_MAX: Final = 1000
"""Refused entries of one request that are named one by one; the rest is a number."""

STORAGE_RETRY_S: Final = 5
"""Delay after which a client may try again when storage has failed, seconds."""

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


class _Entry(msgspec.Struct, gc=False):
    """Entries have no required fields."""


class _Levelled(msgspec.Struct, gc=False):
    """Entries of listeners that filter by level."""

    level: object = None


_ENTRY: Final = ndjson.entry_decoder(_Entry)
_LEVELLED: Final = ndjson.entry_decoder(_Levelled)


class Account:
    """Outcome of a request's entries."""

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
        """Number of invalid entries."""
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


class EntriesCodec:
    """Codec of `POST /api/entries`: lines as they come, or one JSON document. See `receivers.http_push.HttpCodec`.

    Args:
        request: its head.
        settings: of the listener.
    """

    hold_s = 0.0
    refusal_pause_s = 0.0
    is_endless = False
    trusts_encoding = True

    def __init__(self, request: HttpRequest, settings: HttpSettings) -> None:
        self.account = Account()
        wants_levels = bool(settings.level_min)
        line_bytes_max = settings.line_bytes_max
        lines = JsonLines(_LEVELLED if wants_levels else _ENTRY, line_bytes_max, wants_levels=wants_levels)
        self._entries = EntryLines(lines, request.content_type, line_bytes_max)
        self._content_type = request.content_type

    @property
    def is_document(self) -> bool:
        """See `HttpCodec`."""
        return self._entries.is_document

    @property
    def held_bytes(self) -> int:
        """See `HttpCodec`."""
        return self._entries.held_bytes

    def begin(self) -> None:
        """See `HttpCodec`."""
        check_type(self._content_type)

    def feed(self, data: bytes) -> None:
        """See `HttpCodec`."""
        self._entries.feed(data)

    def end(self) -> None:
        """See `HttpCodec`."""
        self._entries.end()

    def take(self) -> Batch | None:
        """See `HttpCodec`."""
        check_bad(self.account.invalid)
        return self._entries.take()

    def settle(self, batch: Batch, receipt: Receipt) -> None:
        """See `HttpCodec`."""
        self.account.add(batch, receipt)

    def reply(self) -> HttpReply:
        """See `HttpCodec`."""
        account = self.account
        if not account.total:
            return self.refuse(BodyError(400, "the body holds no entry"))
        headers = {"Retry-After": str(account.retry_after)} if account.retry_after else {}
        return _json(account.status, account.as_json(), headers)

    def refuse(self, error: BodyError) -> HttpReply:
        """See `HttpCodec`; entries before the fault may be stored."""
        headers = _ACCEPTED_TYPES if error.status == 415 else {}
        return _json(error.status, {"error": str(error), **self.account.as_json()}, headers)


def _json(status: int, document: dict[str, Any], headers: Mapping[str, str]) -> HttpReply:
    return HttpReply(status, json.dumps(document).encode(), "application/json; charset=utf-8", headers)
