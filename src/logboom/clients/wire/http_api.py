"""Asking a Logboom over HTTP: where it is, what is shown to it, and what its answers and failures mean."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from logboom.clients.wire.bearer import http_headers, http_refusal, shown_url, take_token
from logboom.clients.wire.native import new_socket, patched_by
from logboom.clients.wire.tls_stream import explain_connecting
from logboom.clients.wire.tls_trust import SYSTEM, Trust, trust_for
from logboom.errors import ConfigError, DeliveryError

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

CONNECT_S_MAX: Final = 10.0
READ_BYTES: Final = 1 << 20
REASON_CHARS_MAX: Final = 200
_TOO_MANY: Final = 429
_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class NotReadableError(DeliveryError):
    """The server can't be read from: it refuses, or is no Logboom server."""


class ForeignServerError(ConnectionError):
    """Something answers that is no HTTP server, or not the one that is meant.

    Args:
        text: what it does instead.
        is_sure: trying again can't change it; else a server may just have been starting or stopping.
    """

    def __init__(self, text: str, *, is_sure: bool) -> None:
        super().__init__(text)
        self.is_sure = is_sure


class _Error(msgspec.Struct):
    error: str


class HttpApi:
    """The HTTP side of one server.

    Args:
        url: of the server, with any path that a proxy wants before `/api`; may hold a token.
        trust: for `https://` and `wss://`, and the token, unless the URL has one.

    Raises:
        ConfigError: the URL is wrong, or a certificate or the token can't be used.
    """

    def __init__(self, url: str, trust: Trust = SYSTEM) -> None:
        url, trust = take_token(url, trust)
        self.url = base_url(url)
        """May be shown: it holds no token."""
        self.trust = trust_for(trust, self.url)

    def session(self, silence_s_max: float) -> "ClientSession":
        """Connections to the server. One that says nothing for `silence_s_max` seconds is lost."""
        import aiohttp  # noqa: PLC0415 - costs a command that needs no server 0.2 s

        return open_session(
            self.trust,
            secure=self.url.startswith("https:"),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S_MAX, sock_read=silence_s_max),
            read_bufsize=READ_BYTES,
        )

    @asynccontextmanager
    async def ask(
        self,
        session: "ClientSession",
        path: str,
        parameters: Mapping[str, str],
        method: str = "GET",
        *,
        silence_s_max: float | None = None,
        body: object = None,
    ) -> "AsyncIterator[ClientResponse]":
        """A good answer; `silence_s_max` in place of the session's, where it is given; `body` is sent as JSON.

        Raises:
            OSError: the server is away, broken or busy; it may be well later.
            NotReadableError: it refuses.
        """
        import aiohttp  # noqa: PLC0415 - see `session`

        url = f"{self.url}{path}"
        options: dict[str, Any] = {} if body is None else {"json": body}
        if silence_s_max is not None:
            options["timeout"] = aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_S_MAX, sock_read=silence_s_max
            )
        with connection_errors(url):
            async with session.request(method, url, params=parameters, **options) as response:
                status = response.status
                if status in {401, 403}:
                    raise NotReadableError(f"{self.url}: {http_refusal(status, self.trust)}")
                if status != 200:
                    reason = await _reason_of(response)
                    if status >= 500 or status == _TOO_MANY:
                        raise ConnectionError(f"it answers {status}{reason}")
                    raise NotReadableError(f"{url} answers {status}{reason}")
                yield response


def open_session(trust: Trust, *, secure: bool, **options: Any) -> "ClientSession":
    """A session that shows what `trust` says, and checks the server's certificate where `secure`; see aiohttp's."""
    import aiohttp  # noqa: PLC0415 - see `HttpApi.session`

    sockets = (lambda found: new_socket(*found[:3])) if patched_by() else None
    ssl: Any = trust.context() if secure else True
    connector = aiohttp.TCPConnector(ssl=ssl, socket_factory=sockets)
    return aiohttp.ClientSession(connector=connector, headers=http_headers(trust), **options)


@contextmanager
def connection_errors(url: str) -> Iterator[None]:
    """Turns aiohttp's errors, whose texts are about aiohttp, into OSErrors that a user understands.

    Raises:
        OSError: the connection can't be made, or broke off.
        NotReadableError: the URL is none.
    """
    import aiohttp  # noqa: PLC0415 - see `HttpApi.session`

    try:
        yield
    except aiohttp.ClientSSLError as error:
        raise ForeignServerError(explain_connecting(error), is_sure=True) from error
    except aiohttp.ClientConnectorError as error:
        raise ConnectionError(explain_connecting(error)) from error
    except aiohttp.ClientPayloadError as error:
        raise ConnectionError("the connection broke off") from error
    except aiohttp.WSServerHandshakeError as error:
        raise ConnectionError(f"it answers {error.status}") from error
    except aiohttp.ClientResponseError as error:  # it could not be read as HTTP
        raise ForeignServerError("what answers there does not speak HTTP", is_sure=True) from error
    except aiohttp.ServerDisconnectedError as error:
        raise ForeignServerError("it closes the connection without an answer", is_sure=False) from error
    except aiohttp.SocketTimeoutError as error:
        raise ForeignServerError("it takes the connection, and does not answer", is_sure=True) from error
    except aiohttp.InvalidURL as error:
        raise NotReadableError(f"{url} is not a URL: {error}") from error
    except aiohttp.ClientError as error:
        raise ConnectionError(str(error) or type(error).__name__) from error


async def _reason_of(response: "ClientResponse") -> str:
    """Return the error text of an answer; a proxy's page has none."""
    if response.content_type == "text/html":
        return ""
    text = (await response.text(errors="replace"))[:REASON_CHARS_MAX]
    try:
        text = msgspec.json.decode(text, type=_Error).error
    except msgspec.DecodeError:
        text = text.strip()
    return f": {text}" if text else ""


def base_url(url: str) -> str:
    """The address of a server's HTTP side, without a slash at its end.

    Takes `http://`, `https://`, `ws://` and `wss://`, and also a bare `HOST:PORT`.

    Raises:
        ConfigError: it is none of these.
    """
    text = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ConfigError(f"{shown_url(url)!r} is not a URL: {error}") from None
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(f"{shown_url(url)!r}: expected http://HOST:PORT or ws://HOST:PORT")
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}"
