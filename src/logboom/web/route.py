"""Declaration of one HTTP route: its handler, the access that it requires, and its description for the API document."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from aiohttp import web

JSON: Final = "application/json"
PLAIN: Final = "text/plain"
LINES: Final = "application/x-ndjson"

_PATTERN: Final = re.compile(r":[^{}]+}")


class Access(Enum):
    """Access that a route requires where the listener requires tokens."""

    OPEN = "open"
    """No token: the answer contains nothing that was sent, or the route is needed before a login."""
    PAGE = "page"
    """No token, as soon as any token exists: files of the page, which contain no entry."""
    TOKEN = "token"  # noqa: S105 - no secret
    """A token with the scope of the method: read, write, or admin for DELETE."""
    READ = "read"
    """A token with the scope `read`, whatever the method is."""
    ADMIN = "admin"
    """A token with the scope `admin`, whatever the method is."""

    @property
    def needs_token(self) -> bool:
        """Return whether a token is required."""
        return self in (Access.TOKEN, Access.READ, Access.ADMIN)


class Route(NamedTuple):
    """One route of the site. The docstring of its handler is the summary in the API document."""

    method: str
    path: str
    """Path as aiohttp has it, with patterns of its parameters."""
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    query: Sequence[str] = ()
    """Names of the query parameters."""
    answers: Sequence[str] = (JSON,)
    """Content types of the answer; none: it has no body."""
    takes: Mapping[str, Any] = MappingProxyType({})
    """Content types of the request's body, with the schema of each; none: there is no body."""
    access: Access = Access.TOKEN
    keys: Mapping[str, str] = MappingProxyType({})
    """Contents of each key of the JSON object in the answer."""
    statuses: Mapping[str, str] = MappingProxyType({"200": "OK"})
    """Statuses of a valid request, with answers of the same shape."""
    refusals: Mapping[str, str] = MappingProxyType({})
    """Statuses of refusals, in addition to those of every route."""
    required: Sequence[str] = ()
    """Query parameters that can't be left out."""
    headers: Sequence[Mapping[str, Any]] = ()
    """Header parameters, each as in the API document."""
    has_head: bool = True
    """True if HEAD is answered, too; for GET only."""

    @property
    def canonical(self) -> str:
        """The path without patterns, such as `/static/{name}`."""
        return _PATTERN.sub("}", self.path)
