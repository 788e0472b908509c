"""Connections to NATS JetStream. nats-py is an extra, and imported by the first connection."""

import asyncio
import random
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar
from urllib.parse import urlsplit

from msgspec import Meta

from logboom.errors import OutputError
from logboom.formats.redaction import place
from logboom.outputs.base import OutputSettings

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

SCHEMES: Final = ("nats", "tls", "ws", "wss")
DEFAULT_PORT: Final = 4222

CONNECT_TIMEOUT_S: Final = 2.0
ANSWER_TIMEOUT_S: Final = 3.0
"""A new leader is chosen within 4 to 9 s; a lost request must not add much to it."""

REPEAT_S: Final = 0.25
"""Interval at which a question is repeated: without a leader it is not answered, and a new one never sees it."""

ATTENTION_S: Final = 0.002
"""Time for the answer to a ping, or for the end of a lost connection."""

CLOSE_TIMEOUT_S: Final = 1.0
"""Time limit for an orderly close."""

_OPTIONS: Final = {
    "pending_size": 8 << 20,
    "max_reconnect_attempts": -1,
    "reconnect_time_wait": 0.2,
    "ping_interval": 2,
    "max_outstanding_pings": 2,
    "connect_timeout": CONNECT_TIMEOUT_S,
}
"""A node that was paused or cut off is noticed after 4 to 6 s."""

T = TypeVar("T")


class JetstreamSettings(OutputSettings, kw_only=True, forbid_unknown_fields=True):
    """`type = "jetstream"`: a stream of a NATS cluster, which `logboom cluster init` creates."""

    urls: Annotated[
        list[str],
        Meta(
            min_length=1,
            description="Servers of the NATS cluster, `nats://[user:password@]host:4222`; `tls://…` with TLS.",
        ),
    ]
    stream: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9_-]{1,32}$",
            description="Name of the stream, and the first part of its subjects.",
        ),
    ] = "logboom"
    tls_ca: Annotated[
        str, Meta(description="File with the certificate authority of the servers, PEM. Empty: the system's.")
    ] = ""
    tls_cert: Annotated[str, Meta(description="Client certificate, PEM. Empty: none.")] = ""
    tls_key: Annotated[str, Meta(description="Key of the client certificate, PEM.")] = ""

    def __post_init__(self) -> None:
        for url in self.urls:
            scheme = url.partition("://")[0]
            if "://" not in url or scheme not in SCHEMES:  # the rest may be secret
                raise ValueError(
                    f"`urls` have to start with one of {', '.join(f'{one}://' for one in SCHEMES)}"
                )

    @property
    def places(self) -> str:
        """The servers, without passwords."""
        return ", ".join(map(place, self.urls))

    @property
    def subjects(self) -> str:
        """The subjects of all journals."""
        return f"{self.stream}.entries.*"

    def subject(self, journal: str) -> str:
        """The subject of one journal."""
        return f"{self.stream}.entries.{journal}"

    def tls(self) -> ssl.SSLContext | None:
        """Return the TLS settings; None: as the URLs ask. Raises `OSError` when a file can't be read."""
        if not (self.tls_ca or self.tls_cert):
            return None
        context = ssl.create_default_context(cafile=self.tls_ca or None)
        if self.tls_cert:
            context.load_cert_chain(self.tls_cert, self.tls_key or None)
        return context


async def connect(
    settings: JetstreamSettings, lost: Callable[[], None] = lambda: None, *, avoid: str = ""
) -> "Client":
    """Connect to one of the servers; lost connections are replaced until it is closed.

    Args:
        settings: the servers.
        lost: called when a connection is lost.
        avoid: server that is tried last, `host:port`: one that was paused takes connections, and does not answer.

    Raises:
        OutputError: nats-py is missing, or no server can be reached.
    """
    try:
        import nats  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise OutputError(
            f"needs the library nats-py ({error}); install it with: pip install 'logboom[cluster]'"
        ) from error

    reasons: list[str] = []

    async def note(error: Exception) -> None:
        """Keep the last error for the text; later ones are reported by the next request."""
        reasons[:] = [error_text(error)]

    async def disconnected() -> None:
        lost()

    options: dict[str, Any] = {
        **_OPTIONS,
        "error_cb": note,
        "disconnected_cb": disconnected,
        "dont_randomize": True,
    }
    tls = settings.tls()
    if tls is not None:
        options["tls"] = tls
    try:
        urls = sorted(settings.urls, key=lambda url: (_address(url) == avoid, random.random()))  # noqa: S311
        work = nats.connect(urls, allow_reconnect=True, **options)
        return await asyncio.wait_for(work, CONNECT_TIMEOUT_S * (len(settings.urls) + 1))
    except TimeoutError:
        raise OutputError(
            f"none of {settings.places} answers{f': {reasons[0]}' if reasons else ''}"
        ) from None
    except (nats.errors.Error, OSError, ValueError) as error:
        raise OutputError(f"can't connect to {settings.places}: {error_text(error)}") from None


async def close(client: "Client") -> None:
    """Close a connection, without waiting for a server that does not answer."""
    with suppress(Exception):
        await asyncio.wait_for(client.close(), CLOSE_TIMEOUT_S)


def _address(url: str) -> str:
    """Host and port of a URL. Raises `ValueError`."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or DEFAULT_PORT}"


def error_text(error: BaseException) -> str:
    """Text of an error of nats-py; some have none."""
    return getattr(error, "description", None) or str(error) or type(error).__name__


class BlockingStream:
    """Connection for a thread without an event loop. Its loop runs within each call, on the thread of the caller.

    Args:
        settings: the servers.
        avoid: see `connect`.

    Raises:
        OutputError: no server can be reached.
    """

    def __init__(self, settings: JetstreamSettings, avoid: str = "") -> None:
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._client: Client | None = None
        self._lost = asyncio.Event()
        try:
            self._client = self._loop.run_until_complete(connect(settings, self._lost.set, avoid=avoid))
            url = self._client.connected_url
            self.server = "" if url is None else _address(url.geturl())
            """The server, `host:port`."""
            self.stream: JetStreamContext = self._client.jetstream(timeout=ANSWER_TIMEOUT_S)
            """The API of nats-py; its calls are made with `run`."""
        except BaseException:
            self.close()
            raise

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a call of `stream`, and return its result.

        Raises:
            OutputError: it failed; nothing is known about its effect.
        """
        import nats.errors  # noqa: PLC0415

        try:
            return self._loop.run_until_complete(self._while_connected(work))
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise OutputError(f"{self._settings.places}: {error_text(error)}") from error

    def ask(self, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a call that changes nothing, repeatedly until one is answered. Raises as `run` does."""
        return self.run(_first_answer(question))

    def attend(self) -> None:
        """Take what has come in the meantime, and answer it. Raises `OutputError` when the connection is lost."""
        self.run(asyncio.sleep(ATTENTION_S))

    def close(self) -> None:
        """Close the connection. Idempotent."""
        if self._loop.is_closed():
            return
        client, self._client = self._client, None
        if client is not None:
            self._loop.run_until_complete(close(client))
        self._loop.run_until_complete(end_tasks())
        self._loop.close()

    async def _while_connected(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work`; raises `ConnectionResetError` at once when the connection is lost, as its answer is, too."""
        task, lost = asyncio.ensure_future(work), asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait((task, lost), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ConnectionResetError("the connection is lost")
            return task.result()
        finally:
            task.cancel()
            lost.cancel()


async def end_tasks() -> None:
    """Cancel all other tasks of the loop: nats-py leaves some running."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def _first_answer(question: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Begin a call at each interval, and return the first result; the first one's timeout ends all."""
    asked: set[asyncio.Future[T]] = set()
    try:
        while True:
            asked.add(asyncio.ensure_future(question()))
            done, _ = await asyncio.wait(asked, timeout=REPEAT_S, return_when=asyncio.FIRST_COMPLETED)
            for answer in done:
                return answer.result()
    finally:
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
