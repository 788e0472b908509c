"""Protection of every request: no foreign page acts through a user's browser, no answer contains internal errors."""

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from logboom.errors import StorageError
from logboom.web.access import IDENTITY, admit, is_browser
from logboom.web.query import QueryError
from logboom.web.site import SITE

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Server": "Logboom",
}

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on an answer."""
    response.headers.update(HEADERS)


def is_cross_origin(request: web.Request) -> bool:
    """Return whether a browser sends the request for a page of another site.

    Every browser's User-Agent begins with `Mozilla/`, and no page can change that of a WebSocket or of a cross-origin
    request. Behind a proxy that rewrites Host, `Sec-Fetch-Site` is still right: no page can set it. Programs send
    neither, though some libraries send an Origin, always the same.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site in ("same-origin", "cross-site"):
        return site == "cross-site"
    return origin is not None and is_browser(request) and not _is_own(origin, request)


def _is_own(origin: str, request: web.Request) -> bool:
    return urlsplit(origin).netloc.lower() == request.host.lower()


def is_rebound(request: web.Request) -> bool:
    """Return whether the Host may be that of a foreign page, whose name resolves to this server (DNS rebinding).

    Where no token is required on loopback, the name is the only evidence. Names of this machine have no dot. What
    comes by https has passed a proxy of ours, since no foreign one has a certificate here. A port that only takes
    entries has no page of its own, also where a network reaches it.
    """
    site = request.app[SITE]
    nameless = site.settings.on_loopback or site.only_writes
    if site.tokens is not None or not nameless or not _may_be_page(request):
        return False
    by_https = request.headers.get("Origin", "").startswith("https://") or "Sec-Fetch-Site" in request.headers
    name = request.host.rpartition(":")[0] if re.search(r":\d*$", request.host) else request.host
    return not by_https and "." in name and not (name.endswith(".localhost") or _is_address(name))


def _may_be_page(request: web.Request) -> bool:
    """Return whether a page in a browser may have sent this to the server of the page.

    Some browsers let such a page choose the User-Agent. With what acts they send an Origin, which no page can take
    away: that server's, or `null`. With what reads they send Accept-Language, as few programs do; Node.js adds
    Sec-Fetch-Mode alone, which no page can.
    """
    origin = request.headers.get("Origin")
    if origin is not None and (is_browser(request) or origin == "null" or _is_own(origin, request)):
        return True
    fetches = "Sec-Fetch-Mode" in request.headers and "Sec-Fetch-Site" not in request.headers
    return "Accept-Language" in request.headers and not (fetches or _acts(request))


def _acts(request: web.Request) -> bool:
    return request.method not in _READING or "Upgrade" in request.headers


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _foreign(request: web.Request) -> str:
    """Return why a request may come from a foreign page; empty if it does not."""
    if _acts(request) and is_cross_origin(request):
        return "cross-origin requests are refused"
    if is_rebound(request):
        return f"{request.host} is not known here: use https, localhost, or a token"
    return ""


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what comes from foreign pages; turn errors into answers.

    Reading is left to the browser's own same-origin policy, which does not cover WebSockets.
    """
    site, transport = request.app[SITE], request.transport
    foreign = _foreign(request)
    if foreign or transport is None:
        return _error(request, 403, foreign or "the request broke off")
    try:
        site.silent.pop(transport, None)
        identity = request[IDENTITY] = admit(request)
        with site.serving(transport, identity):
            await site.answers_taken(request)
            response = await handler(request)
            site.check_room(response)
            return response
    except web.HTTPException as error:
        kept = {
            name: error.headers[name]
            for name in ("Allow", "Retry-After", "WWW-Authenticate")
            if name in error.headers
        }
        return _error(request, error.status, error.text or error.reason, kept)
    except (QueryError, StorageError) as error:  # the latter: what people made can't be saved
        return _bad_query(error) if isinstance(error, QueryError) else _error(request, 503, str(error))
    except (ConnectionError, web.RequestPayloadError):
        return _error(request, 400, "the request broke off")
    except Exception as error:  # noqa: BLE001 - one request's fault must not become the connection's
        text = f"{request.method} {request.path}: {type(error).__name__}: {error}"
        site.report("fatal", f"{site.name}: {text}")
        return _error(request, 500, "internal error; see the server's log")


def _bad_query(error: QueryError) -> web.Response:
    """The answer to a wrong parameter; of a query, with the place in it, in characters from 0."""
    answer: dict[str, object] = {"error": str(error), "parameter": error.name}
    if error.place is not None:
        answer["position"] = error.place.position
    return web.json_response(answer, status=400)


def _error(
    request: web.Request, status: int, text: str, headers: dict[str, str] | None = None
) -> web.Response:
    if request.path.startswith("/api/"):
        return web.json_response({"error": text}, status=status, headers=headers)
    return web.Response(text=f"{text}\n", status=status, headers=headers)
