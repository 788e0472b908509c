"""Client side of `http`: batches as NDJSON to `POST /api/entries`, whose answer has a verdict for each entry.

Each request has an `Idempotency-Key`: a batch whose answer was lost is sent again under the same key, and stored once.
Contract: docs/contracts/http-entries.md.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec

from logboom.clients.wire import http1
from logboom.clients.wire.bearer import TokenRefusedError, http_headers, http_refusal
from logboom.clients.wire.dialect import Answers, ConnectFailedError, Dialect, Outcome, Reply
from logboom.clients.wire.http1 import HttpAnswer
from logboom.clients.wire.line_dialect import entry_line
from logboom.clients.wire.target import API_PATH, Target
from logboom.clients.wire.tls_stream import explain, open_stream

_HEADERS: Final = {"Content-Type": "application/x-ndjson", "User-Agent": "logboom"}
_KEY_HEADER: Final = "Idempotency-Key"
_REASON_CHARS_MAX: Final = 200
_TOO_LARGE: Final = 413
_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may be taken."""
_ACKNOWLEDGED: Final = Reply(Outcome.ACKNOWLEDGED)
_OUTCOMES: Final = {"filtered": Outcome.FILTERED, "limited": Outcome.LIMITED, "failed": Outcome.BUSY}


class _Detail(msgspec.Struct, gc=False):
    index: int
    status: str
    reason: str = ""


class _Account(msgspec.Struct):
    """The body of an answer; its numbers are of the entries that were looked at."""

    stored: int
    filtered: int
    refused: int
    entries: list[_Detail]
    duplicates: int = 0
    error: str = ""


class _Error(msgspec.Struct):
    error: str


_decode_account: Final = msgspec.json.Decoder(_Account).decode
_decode_error: Final = msgspec.json.Decoder(_Error).decode


class HttpDialect(Dialect):
    """Posts batches to a server's HTTP port. JSON objects are sent as they are; other lines become INFO messages."""

    name: ClassVar[str] = "http"
    schemes: ClassVar[tuple[str, ...]] = ("http", "https")
    port_default: ClassVar[int] = 8080
    answers: ClassVar[Answers] = Answers.EACH
    timeout_s: ClassVar[float] = 30.0  # one answer for the whole batch
    keyed: ClassVar[bool] = True

    def encode(self, line: bytes) -> bytes:
        """See `dialect.Dialect`."""
        return entry_line(line)

    async def connect(self, target: Target) -> "HttpLink":
        """See `dialect.Dialect`."""
        return HttpLink(target, *await open_stream(target))


class HttpLink:
    """A connection to a server's HTTP port, kept open between requests.

    Args:
        target: the server.
        reader: the connection's receiving half.
        writer: its sending half.
    """

    def __init__(self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._target = target
        self._reader = reader
        self._writer = writer
        self._unanswered: deque[int] = deque()  # entries of each request
        self._headers = {**_HEADERS, **http_headers(target.trust)}
        self._ended = False

    @property
    def lost(self) -> bool:
        """See `dialect.Link`."""
        return self._ended or self._reader.at_eof() or self._writer.is_closing()

    def send(self, payloads: Sequence[bytes], key: str = "") -> None:
        """See `dialect.Link`. One request."""
        target = self._target
        host = str(target._replace(host=target.certified_name, path="")).partition("://")[2]
        headers = {**self._headers, _KEY_HEADER: key} if key else self._headers
        self._writer.write(http1.post(target.path + API_PATH, host, headers, b"".join(payloads)))
        self._unanswered.append(len(payloads))

    async def flush(self) -> None:
        """See `dialect.Link`."""
        await self._writer.drain()

    async def receive(self) -> list[Reply]:
        """See `dialect.Link`.

        Raises:
            ConnectFailedError: what answers takes no entries, so it is not a Logboom server.
        """
        try:
            answer = await http1.read_answer(self._reader)
        except ssl.SSLError as error:
            raise ConnectionAbortedError(explain(error)) from error
        self._ended = not answer.goes_on
        if not self._unanswered:
            raise ConnectionAbortedError("an answer without a request")
        if answer.status in {401, 403}:
            reason = http_refusal(answer.status, self._target.trust)
            raise TokenRefusedError(f"{self._target}: {reason}")
        replies = replies_of(answer, self._unanswered.popleft())
        if replies is None:
            raise ConnectFailedError(f"{self._target} takes no entries: it answers {_shown(answer)}")
        return replies

    async def finish(self, linger_s: float) -> None:
        """See `dialect.Link`. Nothing is unanswered by then."""

    async def close(self) -> None:
        """See `dialect.Link`."""
        self._writer.transport.abort()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)


def replies_of(answer: HttpAnswer, count: int) -> list[Reply] | None:
    """The reply to each entry of a request; None: the answer is not from a Logboom server."""
    try:
        account = _decode_account(answer.body)
    except msgspec.DecodeError:
        account = None
    replies = [_ACKNOWLEDGED] * min(count, _looked_at(account)) if account else []
    for detail in account.entries if account else ():
        if 0 <= detail.index < len(replies):
            outcome = _OUTCOMES.get(detail.status, Outcome.REFUSED)
            replies[detail.index] = Reply(outcome, detail.reason, answer.retry_after_s)
    if account and replies.count(_ACKNOWLEDGED) > account.stored + account.duplicates:
        raise ConnectionAbortedError("the answer does not say what became of each entry")
    rest = None if len(replies) == count else _untold(answer, alone=count == 1)
    if len(replies) < count and rest is None:
        return None
    return replies + [rest or _ACKNOWLEDGED] * (count - len(replies))


def _looked_at(account: _Account) -> int:
    return account.stored + account.duplicates + account.filtered + account.refused


def _untold(answer: HttpAnswer, *, alone: bool) -> Reply | None:
    """The reply to entries without a verdict of their own; None: the answer is not from a Logboom server."""
    reason = _shown(answer)
    if answer.status == 429:
        return Reply(Outcome.LIMITED, reason, answer.retry_after_s)
    if answer.status in _LATER:
        return Reply(Outcome.BUSY, reason)
    if answer.status == _TOO_LARGE or _error(answer):
        return Reply(Outcome.REFUSED if alone else Outcome.AMBIGUOUS, reason)
    return None


def _error(answer: HttpAnswer) -> str:
    try:
        return _decode_error(answer.body).error if answer.status >= 400 else ""
    except msgspec.DecodeError:
        return ""


def _shown(answer: HttpAnswer) -> str:
    """An answer, for people; where a redirection leads is most of what it has to say."""
    place = answer.headers.get("location", "")
    detail = _error(answer) or (f"it redirects to {place}" if place else "")
    return f"{answer.status}{f': {detail}' if detail else ''}"[:_REASON_CHARS_MAX]
