"""`/api/export.csv` and `/api/export.jsonl`: any part of the journal as a file, streamed."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Final

from aiohttp import web

from logboom.formats.compressing import ENDINGS, MEDIA_TYPES, accepted_kind
from logboom.pipeline.intake import Limit
from logboom.query.exporter import Export, Piece, packed
from logboom.web.query import ExportQuery, export_query
from logboom.web.site import SITE, Site

EXPORTS_MAX: Final = 4
"""Exports at once; each takes the interpreter for most of the time that its client reads as fast as it can."""

THREADS: Final = 2
"""Threads of exports only, so that searches and tails do not wait for exports."""

PORTION_BYTES: Final = 256 << 10
"""Bytes that are written at once."""

PORTION_S_MAX: Final = 0.25
"""And how long they may be gathered: a filter may leave nothing of many megabytes, and the server may be stopped."""

_CONTENT_TYPES: Final = {"csv": "text/csv", "jsonl": "application/x-ndjson"}


class Exports:
    """The exports of one site. Belongs to the event loop."""

    def __init__(self) -> None:
        self.running = 0
        self.threads = ThreadPoolExecutor(THREADS, "export")

    async def close(self, _: web.Application) -> None:
        """End the threads, once they have nothing to do."""
        self.threads.shutdown(wait=False, cancel_futures=True)


EXPORTS: Final = web.AppKey("exports", Exports)


def add_exports(application: web.Application) -> None:
    """Give an application what `export` needs."""
    application[EXPORTS] = Exports()
    application.on_cleanup.append(application[EXPORTS].close)


async def export(request: web.Request) -> web.StreamResponse:
    """Stream the matching entries, oldest first. HEAD returns the range."""
    site, exports = request.app[SITE], request.app[EXPORTS]
    form = request.match_info["form"]
    query = export_query(request.query)
    if exports.running >= EXPORTS_MAX:
        raise site.busy(Limit.EXPORTS, f"{EXPORTS_MAX} exports are running already")
    exports.running += 1
    try:
        whole = await site.loop.run_in_executor(exports.threads, _make, site, query, form)
        return await _send(request, whole, form, query.compress)
    finally:
        exports.running -= 1


def _make(site: Site, query: ExportQuery, form: str) -> Export:
    start = 0 if query.after is None else max(0, query.after + 1)
    return Export(site.log, query.wanted, form, fields=query.fields, start=start, end=query.before)


def _headers(request: web.Request, whole: Export, form: str, file_kind: str) -> dict[str, str]:
    """Return the headers; a file that is not compressed itself is compressed on the way if the client accepts it.

    Args:
        request: the request.
        whole: the export.
        form: `csv` or `jsonl`.
        file_kind: compression of the file.
    """
    name = f"logboom-{whole.first}-{whole.end}.{form}{ENDINGS.get(file_kind, '')}"
    headers = {
        "Content-Type": MEDIA_TYPES.get(file_kind) or f"{_CONTENT_TYPES[form]}; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "Vary": "Accept-Encoding",
        "X-Accel-Buffering": "no",
        "X-Logboom-First-Sequence": str(whole.first),
        "X-Logboom-End-Sequence": str(whole.end),
    }
    on_the_way = "" if file_kind else accepted_kind(request.headers.get("Accept-Encoding", ""))
    return headers | ({"Content-Encoding": on_the_way} if on_the_way else {})


async def _send(request: web.Request, whole: Export, form: str, file_kind: str) -> web.StreamResponse:
    """The answer. One that can't be ended as it should is cut off: no client takes a part for the whole."""
    response = web.StreamResponse(headers=_headers(request, whole, form, file_kind))
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    kind = file_kind or response.headers.get("Content-Encoding", "")
    try:
        async with aclosing(_portions(request, packed(whole, kind))) as portions:
            async for data in portions:
                await response.write(data)
        await response.write_eof()
    except ConnectionError:
        if request.transport is not None:
            request.transport.abort()
    return response


async def _portions(request: web.Request, pieces: Generator[Piece]) -> AsyncGenerator[bytes]:
    """Yield portions, each prepared while the one before is written: no more waits for a slow client."""
    site, threads = request.app[SITE], request.app[EXPORTS].threads
    job = threads.submit(_gather, pieces)
    try:
        while (found := await asyncio.wrap_future(job)) is not None:
            if site.closing:
                raise ConnectionAbortedError("the server is being stopped")
            job = threads.submit(_gather, pieces)
            yield found
    finally:
        job.add_done_callback(lambda _: pieces.close())


def _gather(pieces: Generator[Piece]) -> bytes | None:
    """The next portion; None at the end. On a thread."""
    ends_at = time.monotonic() + PORTION_S_MAX
    found: list[bytes] = []
    size = 0
    for piece in pieces:
        found.append(piece.data)
        size += len(piece.data)
        if size >= PORTION_BYTES or time.monotonic() > ends_at:
            return b"".join(found)
    return b"".join(found) if found else None
