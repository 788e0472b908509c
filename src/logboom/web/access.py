"""Authorization of requests by token, and the cookie that a browser sends instead.

Programs send `Authorization: Bearer <token>` (or `Splunk`, `ApiKey`), or put the token into the address as a password
(`ws://any:<token>@host`), which clients know that can set no header. A browser logs in once.
"""

import base64
import binascii
from typing import Annotated, Final

import msgspec
from aiohttp import web

from logboom.pipeline.tokens import ADVICE, EVERYBODY, Identity
from logboom.web.json_body import read_json
from logboom.web.route import Access
from logboom.web.site import SITE, Site

COOKIE: Final = "logboom_token"
COOKIE_S: Final = 30 * 86400
"""Duration of a login in a browser, seconds."""

IDENTITY: Final = web.RequestKey("identity", Identity)
"""Key of the identity of a request."""

PUSHED: Final = web.AppKey("pushed", set[web.AbstractResource | None])
"""Resources of the receivers over HTTP."""

QUERIES: Final = web.AppKey("queries", set[web.AbstractResource | None])
"""Resources that only read, also by POST."""

TOKEN_CHARS_MAX: Final = 128
"""No token of ours is as long."""
LOGIN_BYTES_MAX: Final = 1024

ACCESS: Final = web.AppKey("access", dict[web.AbstractResource, Access])
"""Access that each resource of the site requires; see `web.routes`."""

_ACTING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class _Login(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a login, as the page's form sends it."""

    token: Annotated[str, msgspec.Meta(max_length=TOKEN_CHARS_MAX)]


def admit(request: web.Request) -> Identity:
    """Return the identity of a request, if it may do what it asks.

    Raises:
        web.HTTPUnauthorized: no token, or a wrong one.
        web.HTTPForbidden: the token is good, but not for this.
    """
    site = request.app[SITE]
    if site.tokens is None or _is_open(request, site):
        return EVERYBODY
    if not len(site.tokens):
        raise _unauthorized(f"a token is needed, and there is none yet: {ADVICE}")
    text = _shown(request)
    identity = site.tokens.identify(text) if text else None
    if identity is None:
        if text:
            _count_failure(site, request.remote or "unknown")
        raise _unauthorized("a wrong token" if text else "a token is needed")
    scopes = _scopes_of(request)
    if not any(map(identity.may, scopes)):
        raise web.HTTPForbidden(text=f"the token {identity.name} has no scope {scopes[0]!r}")
    return identity


def _scopes_of(request: web.Request) -> tuple[str, ...]:
    """Return the scopes of which a request needs one. A receiver's routes take entries, or answer clients' probes."""
    resource, acts = request.match_info.route.resource, request.method in _ACTING
    access = request.app[ACCESS].get(resource) if resource is not None else None
    if access in (Access.READ, Access.ADMIN):
        return (access.value,)
    if resource in request.app[QUERIES]:
        return ("read",)
    if resource in request.app[PUSHED]:
        return ("write",) if acts else ("write", "read")
    if _upgrades(request) and request.path == "/":
        return ("write",) if request.app[SITE].only_writes else ("read", "write")
    return ("admin" if request.method == "DELETE" else "write" if acts else "read",)


def is_browser(request: web.Request) -> bool:
    """Return True if a browser sends the request, by its User-Agent."""
    return request.headers.get("User-Agent", "").startswith("Mozilla/")


def _unauthorized(text: str) -> web.HTTPUnauthorized:
    return web.HTTPUnauthorized(text=text, headers={"WWW-Authenticate": "Bearer"})


def _is_open(request: web.Request, site: Site) -> bool:
    """Return whether a request needs no token."""
    if getattr(site.settings, "health_open", False) and request.path == "/metrics":
        return True
    resource = request.match_info.route.resource
    access = request.app[ACCESS].get(resource, Access.TOKEN) if resource is not None else Access.TOKEN
    if access is Access.PAGE:
        return site.tokens is not None and len(site.tokens) > 0 and not _upgrades(request)
    return access is Access.OPEN


def _upgrades(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _shown(request: web.Request) -> str:
    """The token that a request shows, or nothing."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    match scheme.lower():
        case "bearer" | "splunk":
            return value.strip()
        case "basic":
            return _password(value)
        case "apikey":
            return _password(value) or value.strip()
    return request.cookies.get(COOKIE, "")


def _password(value: str) -> str:
    """Return the part behind the colon of what base64 packs; empty: there is none."""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _count_failure(site: Site, peer: str) -> None:
    """Count it, and say it once a window for each address: guessing must not flood the operational log."""
    site.intake.counters.auth_failed += 1
    if site.failures.take(peer, 1).newly_limited:
        site.report("warning", f"{site.name} {peer}: many wrong tokens")


async def login(request: web.Request) -> web.Response:
    """Take a token from the page's form, and keep it in a cookie that no script can read."""
    site = request.app[SITE]
    text = (await read_json(request, _Login, LOGIN_BYTES_MAX, '{"token": "…"}')).token
    if site.tokens is None:
        return web.json_response({"name": EVERYBODY.name, "scopes": sorted(EVERYBODY.scopes)})
    identity = site.tokens.identify(text)
    if identity is None:
        _count_failure(site, request.remote or "unknown")
        raise web.HTTPUnauthorized(text="a wrong token")
    response = web.json_response({"name": identity.name, "scopes": sorted(identity.scopes)})
    response.set_cookie(
        COOKIE, text, max_age=COOKIE_S, httponly=True, samesite="Strict", secure=request.secure, path="/"
    )
    return response


async def logout(_request: web.Request) -> web.Response:
    """Forget the cookie."""
    response = web.Response(status=204)
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
    return response
