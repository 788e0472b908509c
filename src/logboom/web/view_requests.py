"""`/api/views`: views of the page that are saved for all users."""

import asyncio
import re
from typing import Final

import msgspec
from aiohttp import web

from logboom.web.json_body import body_refusals, read_json
from logboom.web.operations import NO_STORE, OPERATIONS
from logboom.web.query import PLAIN, QueryError, check_names
from logboom.web.route import JSON, Access, Route

NAME_CHARS_MAX: Final = 100
"""Longest name of a view, characters: it stands in one line of a menu."""

ADDRESS_CHARS_MAX: Final = 8192
"""Longest address: a query takes some thousand characters at most."""

BODY_BYTES_MAX: Final = 64 << 10
"""Longest body: both texts, with six bytes per character."""

NAME_PATTERN: Final = rf"{PLAIN}*\S{PLAIN}*"
ADDRESS_PATTERN: Final = r"#/[!-~]*"
"""An address within the page: nothing else is a link of a menu that all users see."""


class _View(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    address: str


async def views(request: web.Request) -> web.Response:
    """Views of the page that are saved for all users, by name."""
    check_names(request.query, ())
    return web.json_response(request.app[OPERATIONS].views.document(), headers=NO_STORE)


async def save_view(request: web.Request) -> web.Response:
    """Save a view for all users, or replace the one of that name."""
    check_names(request.query, ())
    view = await read_json(request, _View, BODY_BYTES_MAX, '{"name": text, "address": text}')
    name = _name(view.name)
    if len(view.address) > ADDRESS_CHARS_MAX or not re.fullmatch(ADDRESS_PATTERN, view.address):
        raise QueryError(
            "address",
            f"expected an address within the page, which begins with #/, {ADDRESS_CHARS_MAX} characters",
        )
    saved = request.app[OPERATIONS].views
    await asyncio.to_thread(saved.save, name, view.address)
    return web.json_response(saved.document(), headers=NO_STORE)


async def remove_view(request: web.Request) -> web.Response:
    """Remove a view that is saved for all users."""
    check_names(request.query, ("view",))
    if "view" not in request.query:
        raise QueryError("view", "found none, expected the name of a view")
    name, saved = request.query["view"].strip(), request.app[OPERATIONS].views
    found = await asyncio.to_thread(saved.remove, name)
    if not found:
        raise web.HTTPNotFound(text=f"there is no view {name[:NAME_CHARS_MAX]!r}")
    return web.json_response(saved.document(), headers=NO_STORE)


def _name(text: str) -> str:
    """Return a name without blanks around it. Raises `QueryError`."""
    if len(text) > NAME_CHARS_MAX or not re.fullmatch(NAME_PATTERN, text):
        raise QueryError(
            "name", f"found {text[:NAME_CHARS_MAX]!r}, expected 1 to {NAME_CHARS_MAX} characters of text"
        )
    return text.strip()


_KEYS: Final = {
    "views": "name and address (the part of the page's URL from # on) of each view, by name",
    "views_max": "Most views that can be saved",
}
_TAKEN: Final = {
    "type": "object",
    "properties": {
        "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": NAME_CHARS_MAX,
            "pattern": f"^{NAME_PATTERN}$",
            "description": "Name of the view",
        },
        "address": {
            "type": "string",
            "maxLength": ADDRESS_CHARS_MAX,
            "pattern": f"^{ADDRESS_PATTERN}$",
            "description": "The part of the page's URL from # on",
            "examples": ["#/search?q=level%3Aerror"],
        },
    },
    "required": ["name", "address"],
    "additionalProperties": False,
}
_NOT_SAVED: Final = {"503": "It can't be saved: there are too many views, or the disk is full, or broken"}

VIEW_ROUTES: Final = (
    Route("GET", "/api/views", views, keys=_KEYS),
    Route(
        "PUT",
        "/api/views",
        save_view,
        takes={JSON: _TAKEN},
        access=Access.ADMIN,
        keys=_KEYS,
        statuses={"200": "It is saved"},
        refusals={**body_refusals(BODY_BYTES_MAX), **_NOT_SAVED},
    ),
    Route(
        "DELETE",
        "/api/views",
        remove_view,
        ("view",),
        keys=_KEYS,
        statuses={"200": "It is removed"},
        refusals={"404": "There is no such view", **_NOT_SAVED},
        required=("view",),
    ),
)
