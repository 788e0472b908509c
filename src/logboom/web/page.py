"""`/`: the WebSocket for those who ask for an upgrade, the page for browsers; and the page's own files."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from aiohttp import web

from logboom.formats.compressing import accepted_kind, compressor
from logboom.web.access import is_browser
from logboom.web.websocket import live

CONTENT_TYPES: Final = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "svg": "image/svg+xml",
    "txt": "text/plain",
}
"""Served types of files, by suffix; the licences of `vendor/` are texts. Other files are not served."""

INDEX: Final = "index.html"


PACKED_BYTES_MIN: Final = 1000
"""Smallest file that is compressed: a smaller one fits into a packet as it is."""


class Asset:
    """One file of the page. Its compressed forms, one per kind, are made when they are first requested, and kept."""

    def __init__(self, body: bytes, content_type: str) -> None:
        self.content_type = content_type
        self.tag = hashlib.sha256(body).hexdigest()[:32]
        self._bodies = {"": body}

    def body(self, kind: str) -> bytes:
        """Return the file, compressed by `gzip` or `zstd`, or as it is."""
        if kind not in self._bodies:
            packer = compressor(kind)
            self._bodies[kind] = packer.compress(self._bodies[""]) + packer.flush()
        return self._bodies[kind]

    def kind_for(self, request: web.Request) -> str:
        """Return the compression that the client accepts; empty for none."""
        if len(self._bodies[""]) < PACKED_BYTES_MIN:
            return ""
        return accepted_kind(request.headers.get("Accept-Encoding", ""))


def load_assets() -> dict[str, Asset]:
    """The page's files, by their path under `/static/`, such as `app.js` or `vendor/uPlot.esm.js`.

    They are small: they stay in memory. A request is looked up among these names, and never opens a file,
    so that no path can lead out of the folder.
    """
    assets = {}
    for name, file in _files(resources.files("logboom.web").joinpath("static")):
        content_type = CONTENT_TYPES.get(name.rpartition(".")[2])
        if content_type is not None:
            assets[name] = Asset(file.read_bytes(), content_type)
    return assets


def _files(folder: Traversable, path: str = "") -> Iterator[tuple[str, Traversable]]:
    """Every file of a folder and of those in it, with its path."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{path}{entry.name}/")
        else:
            yield f"{path}{entry.name}", entry


ASSETS: Final = web.AppKey("assets", dict[str, Asset])


class ForPrograms(NamedTuple):
    """Handler of `/` for programs, where a receiver serves it."""

    serve: Callable[[web.Request], Awaitable[web.Response]]


FOR_PROGRAMS: Final = web.AppKey("for_programs", ForPrograms)


async def root(request: web.Request) -> web.StreamResponse:
    """The WebSocket, or the page; for programs that ask for JSON, the answer of a receiver that has one."""
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return await live(request)
    if (
        FOR_PROGRAMS in request.app
        and "json" in request.headers.get("Accept", "")
        and not is_browser(request)
    ):
        return await request.app[FOR_PROGRAMS].serve(request)
    return _answer(request, INDEX)


async def static(request: web.Request) -> web.Response:
    """One of the page's files."""
    return _answer(request, request.match_info["name"])


def _answer(request: web.Request, name: str) -> web.Response:
    asset = request.app[ASSETS].get(name)
    if asset is None:
        raise web.HTTPNotFound
    kind = asset.kind_for(request)
    tag = f"{asset.tag}-{kind}" if kind else asset.tag
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if request.if_none_match and any(one.value == tag for one in request.if_none_match):
        return web.Response(status=304, headers=headers)
    if kind:
        headers["Content-Encoding"] = kind
    return web.Response(
        body=asset.body(kind), content_type=asset.content_type, charset="utf-8", headers=headers
    )
