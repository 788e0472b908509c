"""Contract of receivers over HTTP: routes, and codecs that turn a body into batches and receipts into a reply.

Pure: `web.push` reads, unpacks and limits the body, submits the batches, and sends the reply.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from logboom.model import Batch, Receipt

JSON: Final = "application/json"
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class HttpRequest(NamedTuple):
    """Head of a request."""

    method: str
    path: str
    match: Mapping[str, str]
    """Variable parts of the path, by the names that the route gives them."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in any case."""
    content_type: str
    """Without parameters, lower case; `application/octet-stream` where there is none."""


class HttpReply(NamedTuple):
    """Answer to a request."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = _NO_HEADERS
    close: bool = False
    """Close the connection behind it: the rest of the body is not read."""


class BodyError(Exception):
    """The body cannot be taken (any further); the codec's `refuse` answers.

    Args:
        status: of HTTP.
        text: the reason, for the client.
        limit: name of the limit that was reached, a value of `pipeline.intake.Limit`; empty: none.
        retry_after_s: seconds after which the client may try again; 0: the usual time.
    """

    def __init__(self, status: int, text: str, limit: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(text)
        self.status = status
        self.limit = limit
        self.retry_after_s = retry_after_s


class HttpCodec(Protocol):
    """Codec of one request. `WholeBody` is the usual base."""

    @property
    def hold_s(self) -> float:
        """Seconds for which a request waits, unanswered, while storage is not available; then it is refused with 503.

        0: receipts come at once, also those of entries that were not stored.
        """

    @property
    def refusal_pause_s(self) -> float:
        """Seconds for which a refusal with 503 is kept back, for clients that must not come again at once."""

    @property
    def is_endless(self) -> bool:
        """True if the body may have any length; of others, 1 GiB is the limit."""

    @property
    def trusts_encoding(self) -> bool:
        """True: the body is unpacked as `Content-Encoding` states. False: as its first bytes show."""

    @property
    def is_document(self) -> bool:
        """True if the body is decoded as a whole; then, when it is large, `end` runs on a thread."""

    @property
    def held_bytes(self) -> int:
        """Bytes that wait for more of the body; they count against the memory of all requests."""

    def begin(self) -> None:
        """Check the head, before the body is read. Raises `BodyError`."""

    def feed(self, data: bytes) -> None:
        """Take some of the unpacked body. Raises `BodyError`."""

    def end(self) -> None:
        """Note the end of the body. Raises `BodyError`."""

    def take(self) -> Batch | None:
        """Return the next batch that is complete; None: there is none (yet). Raises `BodyError`."""

    def settle(self, batch: Batch, receipt: Receipt) -> None:
        """Note the receipt of a batch; receipts come in the order of the batches."""

    def reply(self) -> HttpReply:
        """Return the answer; everything is settled."""

    def refuse(self, error: BodyError) -> HttpReply:
        """Return the answer to a body that was not taken to its end."""


class HttpRoute(NamedTuple):
    """One method and path."""

    method: str
    path: str
    """Such as `/{index}/_bulk`; `{rest:.*}` takes slashes, too."""
    open: Callable[[HttpRequest, Any], "HttpCodec | HttpReply"]
    """Takes the head of a request and the listener's settings; returns the request's codec, or at once the answer where
    the body does not matter."""


class WholeBody(ABC):
    """Base of codecs that decode the body as a whole: it is stored or refused as a whole.

    Args:
        request: its head.
        body_bytes_max: of the unpacked body; a longer one is refused with 413.
    """

    hold_s = 3.0
    refusal_pause_s = 0.0
    is_endless = False
    trusts_encoding = False
    is_document = True

    def __init__(self, request: HttpRequest, body_bytes_max: int) -> None:
        self.request = request
        self._body_bytes_max = body_bytes_max
        self._body = bytearray()
        self._batch: Batch | None = None
        self._reply: HttpReply | None = None

    @abstractmethod
    def decode(self, body: bytes) -> Batch | None:
        """Return the entries of the body; None: it holds none. Raises `BodyError`."""

    @abstractmethod
    def answer(self, receipt: Receipt | None) -> HttpReply:
        """Return the answer once everything is settled; None: the body held no entry."""

    @abstractmethod
    def refuse(self, error: BodyError) -> HttpReply:
        """See `HttpCodec`."""

    @property
    def held_bytes(self) -> int:
        """See `HttpCodec`."""
        return len(self._body)

    def begin(self) -> None:  # noqa: B027 - few codecs have anything to check
        """See `HttpCodec`."""

    def feed(self, data: bytes) -> None:
        """See `HttpCodec`."""
        self._body += data
        if len(self._body) > self._body_bytes_max:
            text = f"the body has more than {self._body_bytes_max} bytes: send it in pieces"
            raise BodyError(413, text, "body_bytes")

    def end(self) -> None:
        """See `HttpCodec`."""
        self._batch = self.decode(bytes(self._body))
        self._body.clear()

    def take(self) -> Batch | None:
        """See `HttpCodec`."""
        batch, self._batch = self._batch, None
        if batch is not None:
            batch.is_whole = True
        return batch

    def settle(self, batch: Batch, receipt: Receipt) -> None:  # noqa: ARG002 - the contract's
        """See `HttpCodec`."""
        self._reply = self.answer(receipt)

    def reply(self) -> HttpReply:
        """See `HttpCodec`."""
        return self.answer(None) if self._reply is None else self._reply
