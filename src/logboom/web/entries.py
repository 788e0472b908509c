"""`/api/entries`: POST stores, GET reads pages."""

import asyncio
import time
from functools import partial
from typing import Any, Final

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from logboom.formats import ndjson
from logboom.framing.jsonlines import JsonLines
from logboom.model import IMPORTED, Source
from logboom.pipeline.deduplicator import KEY_BYTES_MAX, KEY_HEADER, REQUEST_ENTRIES_MAX, RequestKey
from logboom.pipeline.intake import Limit
from logboom.pipeline.keylog import encoded_key
from logboom.query.search import Page, Search
from logboom.receivers.http_push import BodyError
from logboom.web.bodies import EntryLines, Unpacking, check_bad
from logboom.web.query import PageQuery, QueryError, import_source, page_query
from logboom.web.rendering import csv_of, json_lines, json_of
from logboom.web.site import HELD_BYTES_MAX, SITE, Site
from logboom.web.uploads import Account, Upload

BODY_IDLE_S_MAX: Final = 60.0
"""A sender whose body makes no progress for this long is gone, or never meant to come."""

SEARCH_S_MAX: Final = 2.0
"""A page that is not full by then is sent as it is, with the place where to go on."""

HELD_FREE_BYTES: Final = 64 << 10
"""What a body may always hold until the end of a line or a document comes: few lines are longer."""

HELD_S_MAX: Final = 60.0
"""A body that holds more must get there in this time: 4 MiB over a slow line. Else a few who dribble would take
the memory that there is for all."""

BUSY_RETRY_S: Final = 1
"""When a client may try again that came while too many others were at it."""


class _Entry(msgspec.Struct, gc=False):
    """Entries have no required fields."""


class _Levelled(msgspec.Struct, gc=False):
    """For listeners that filter by level."""

    level: object = None


_ENTRY: Final = ndjson.entry_decoder(_Entry)
_LEVELLED: Final = ndjson.entry_decoder(_Levelled)


async def post(request: web.Request) -> web.Response:
    """Store what the body holds; one verdict an entry."""
    site = request.app[SITE]
    upload = Upload(site, _source_of(request, site), _key_of(request))
    try:
        await _store_body(request, site, upload)
    except BodyError as error:
        if error.limit:
            site.intake.counters.limit_reached(Limit(error.limit))
        return _refusal(error, await upload.finish())
    account = await upload.finish()
    if not account.total:
        return _refusal(BodyError(400, "the body holds no entry"), account)
    headers = {"Retry-After": str(account.retry_after)} if account.retry_after else None
    return web.json_response(account.as_json(), status=account.status, headers=headers)


def _source_of(request: web.Request, site: Site) -> Source:
    """Return the source of the body's entries. Raises `web.HTTPBadRequest`."""
    source = site.source(request.remote)
    try:
        name = import_source(request.query)
    except QueryError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    return source if name is None else Source(IMPORTED, name, source.peer)


def _key_of(request: web.Request) -> RequestKey | None:
    """The request's `Idempotency-Key`. Raises `web.HTTPBadRequest` for one that can't be kept."""
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not (0 < len(key) <= KEY_BYTES_MAX and key.isascii() and key.isprintable()):
        raise web.HTTPBadRequest(
            text=f"{KEY_HEADER}: expected 1 to {KEY_BYTES_MAX} printable ASCII characters"
        )
    return RequestKey(encoded_key("http", key))


async def _store_body(request: web.Request, site: Site, upload: Upload) -> None:
    """Read, unpack, judge and submit a body piece by piece. Raises `BodyError`."""
    wants_levels = site.intake.limits.level_min is not None
    line_bytes_max = site.settings.line_bytes_max
    lines = JsonLines(_LEVELLED if wants_levels else _ENTRY, line_bytes_max, wants_levels=wants_levels)
    unpacking = Unpacking(request.headers.get("Content-Encoding", ""))
    entries = EntryLines(lines, request.content_type, line_bytes_max)
    share = _Share(site)
    try:
        while data := await _read(request):
            for piece in unpacking.feed(data):
                entries.feed(piece)
                await _submit(entries, upload)
                share.hold(entries.held_bytes)
        unpacking.end()
        await _end(site, entries)
        await _submit(entries, upload)
    finally:
        share.release()


async def _read(request: web.Request) -> bytes:
    """What has come of the body; empty at its end. Raises `BodyError` when nothing more can come."""
    try:
        async with asyncio.timeout(BODY_IDLE_S_MAX):
            return await request.content.readany()
    except TimeoutError:
        raise BodyError(408, f"nothing came for {BODY_IDLE_S_MAX:.0f} s", Limit.BODY_TIME) from None
    except (ConnectionError, web.RequestPayloadError, HttpProcessingError):
        raise BodyError(400, "the body broke off, or its rest can't be read") from None


async def _end(site: Site, entries: EntryLines) -> None:
    """The body is complete. A large array takes half a second to look at: others go on meanwhile."""
    if entries.is_document and entries.held_bytes > HELD_FREE_BYTES:
        async with site.taking_apart:
            await asyncio.to_thread(entries.end)
    else:
        entries.end()


async def _submit(entries: EntryLines, upload: Upload) -> None:
    """Hand over what there is. Others have their turn after each batch: many of bad lines take their time.

    Raises:
        BodyError: too many entries were bad.
    """
    while (batch := entries.take()) is not None:
        await upload.put(batch)
        if upload.keyed_entries > REQUEST_ENTRIES_MAX:
            text = f"more than {REQUEST_ENTRIES_MAX} entries under one {KEY_HEADER}: send smaller bodies"
            raise BodyError(413, text)
        check_bad(upload.account.invalid)
        await asyncio.sleep(0)
    await asyncio.sleep(0)  # blank lines and packed ones bring nothing, and take time as well


class _Share:
    """What one body holds in memory, of what all may."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._bytes = 0
        self._since = 0.0

    def hold(self, held_bytes: int) -> None:
        """So much waits for its end now. Raises `BodyError` when that is too much, or takes too long."""
        now, wanted = self._site.loop.time(), max(0, held_bytes - HELD_FREE_BYTES)
        if not self._bytes:
            self._since = now
        elif wanted and now - self._since > HELD_S_MAX:
            text = f"a line or a document did not end within {HELD_S_MAX:.0f} s"
            raise BodyError(408, text, Limit.BODY_TIME)
        if wanted > self._bytes and self._site.held_bytes + wanted - self._bytes > HELD_BYTES_MAX:
            text = "too many long lines or JSON documents at once: send shorter ones, or try again"
            raise BodyError(503, text, Limit.HELD_BYTES)
        self._site.held_bytes += wanted - self._bytes
        self._bytes = wanted

    def release(self) -> None:
        """Give it back."""
        self._site.held_bytes -= self._bytes
        self._bytes = 0


def _refusal(error: BodyError, account: Account) -> web.Response:
    """The answer to a body that could not be taken to its end; entries before the trouble may be stored."""
    headers = {}
    if error.status == 503:
        headers["Retry-After"] = str(BUSY_RETRY_S)
    if error.status == 415:
        headers |= {"Accept-Encoding": "gzip, zstd", "Accept-Post": "application/json, application/x-ndjson"}
    body = {"error": str(error), **account.as_json()}
    response = web.json_response(body, status=error.status, headers=headers)
    response.force_close()  # the rest of the body is not wanted
    return response


async def get(request: web.Request) -> web.Response:
    """A page of entries: backward from the newest, or forward."""
    site = request.app[SITE]
    query = page_query(request.query)
    return await site.search(request, partial(_page, request, site, query))


def _page(request: web.Request, site: Site, query: PageQuery) -> web.Response:
    """Search and render; on a thread."""
    ends_at = time.monotonic() + SEARCH_S_MAX
    journal = site.journal
    search = Search(
        journal.folder, lambda: journal.committed, lambda: site.closing or time.monotonic() > ends_at
    )
    start = 0 if query.after is None else query.after + 1
    reads_forward = query.after is not None and query.before is None
    read = search.forward if reads_forward else search.backward
    page = read(query.wanted, query.limit, start=start, end=query.before)
    goes_on = page.more
    before = page.first if (goes_on or reads_forward) and page.first > 0 else None
    cursors: dict[str, Any] = {
        "before": before,
        "after": page.next - 1,
        "more": goes_on,
        "first": page.start,
        "reached_at": page.reached_at or None,
    }
    onward = {"after": page.next - 1} if reads_forward else {"before": page.first}
    headers = {"Cache-Control": "no-store"}
    if goes_on:
        headers["Link"] = f'<{request.rel_url.update_query(onward)}>; rel="next"'
    body, content_type = _render(page, query.format, cursors)
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)


def _render(page: Page, form: str, cursors: dict[str, Any]) -> tuple[bytes, str]:
    if form == "csv":
        return csv_of(page.found), "text/csv"
    if form == "jsonl":
        return json_lines(page.found), "application/x-ndjson"
    entries = b",\n".join(map(json_of, page.found))
    return b'{"entries":[%b],%b\n' % (entries, msgspec.json.encode(cursors)[1:]), "application/json"
