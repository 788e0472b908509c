"""`/`: the WebSocket for those who ask for an upgrade, the page for browsers; and the page's own files."""

import hashlib
from importlib import resources
from typing import Final, NamedTuple

from aiohttp import web

from logboom.web.websocket import live

CONTENT_TYPES: Final = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "svg": "image/svg+xml",
}

INDEX: Final = "index.html"


class Asset(NamedTuple):
    """One file of the page."""

    body: bytes
    content_type: str
    tag: str


def load_assets() -> dict[str, Asset]:
    """The page's files, by name. They are small: they stay in memory."""
    folder = resources.files("logboom.web").joinpath("static")
    assets = {}
    for file in folder.iterdir():
        kind = file.name.rpartition(".")[2]
        if kind in CONTENT_TYPES:
            body = file.read_bytes()
            assets[file.name] = Asset(body, CONTENT_TYPES[kind], hashlib.sha256(body).hexdigest()[:32])
    return assets


ASSETS: Final = web.AppKey("assets", dict[str, Asset])


async def root(request: web.Request) -> web.StreamResponse:
    """The WebSocket, or the page."""
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return await live(request)
    return _answer(request, INDEX)


async def static(request: web.Request) -> web.Response:
    """One of the page's files."""
    return _answer(request, request.match_info["name"])


def _answer(request: web.Request, name: str) -> web.Response:
    asset = request.app[ASSETS].get(name)
    if asset is None:
        raise web.HTTPNotFound
    response = web.Response(body=asset.body, content_type=asset.content_type, charset="utf-8")
    response.etag = asset.tag
    response.headers["Cache-Control"] = "no-cache"
    if request.if_none_match and any(tag.value == asset.tag for tag in request.if_none_match):
        return web.Response(
            status=304, headers={"ETag": response.headers["ETag"], "Cache-Control": "no-cache"}
        )
    return response
