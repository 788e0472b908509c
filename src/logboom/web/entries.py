"""`/api/entries`: POST stores, GET reads pages."""

import asyncio
import time
from typing import Any, Final

import msgspec
from aiohttp import web

from logboom.formats import ndjson
from logboom.journal.search import Page, Search
from logboom.protocols.jsonlines import JsonLines
from logboom.web.bodies import BodyError, EntryLines, Unpacking
from logboom.web.query import PageQuery, QueryError, page_query
from logboom.web.rendering import csv_of, json_lines, json_of
from logboom.web.site import DOCUMENTS_MAX, SITE, Site
from logboom.web.uploads import Account, Upload

BODY_IDLE_S_MAX: Final = 60.0
"""A sender whose body makes no progress for this long is gone, or never meant to come."""

SEARCH_S_MAX: Final = 2.0
"""A page that is not full by then is sent as it is, with the place where to go on."""

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
    upload = Upload(site, site.source(request.remote))
    try:
        await _store_body(request, site, upload)
    except BodyError as error:
        return _refusal(error, await upload.finish())
    account = await upload.finish()
    if not account.total:
        return _refusal(BodyError(400, "the body holds no entry"), account)
    headers = {"Retry-After": str(account.retry_after)} if account.retry_after else None
    return web.json_response(account.as_json(), status=account.status, headers=headers)


async def _store_body(request: web.Request, site: Site, upload: Upload) -> None:
    """Read, unpack, judge and submit a body piece by piece. Raises `BodyError`."""
    wants_levels = site.intake.limits.level_min is not None
    line_bytes_max = site.settings.line_bytes_max
    lines = JsonLines(_LEVELLED if wants_levels else _ENTRY, line_bytes_max, wants_levels=wants_levels)
    unpacking = Unpacking(request.headers.get("Content-Encoding", ""))
    entries = EntryLines(lines, request.content_type, line_bytes_max)
    slot = _DocumentSlot(site)
    try:
        while data := await _read(request):
            for piece in unpacking.feed(data):
                entries.feed(piece)
                slot.take_if(entries.is_document)
                await _submit(entries, upload)
        unpacking.end()
        entries.end()
        await _submit(entries, upload)
    finally:
        slot.release()


async def _read(request: web.Request) -> bytes:
    """What has come of the body; empty at its end."""
    try:
        async with asyncio.timeout(BODY_IDLE_S_MAX):
            return await request.content.readany()
    except TimeoutError:
        raise BodyError(408, f"nothing came for {BODY_IDLE_S_MAX:.0f} s") from None


async def _submit(entries: EntryLines, upload: Upload) -> None:
    while (batch := entries.take()) is not None:
        await upload.put(batch)


class _DocumentSlot:
    """One of the places for documents that are gathered in memory."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._taken = False

    def take_if(self, needed: bool) -> None:
        """Take a place, once. Raises `BodyError` when there is none."""
        if needed and not self._taken:
            if self._site.documents >= DOCUMENTS_MAX:
                raise BodyError(503, "too many JSON documents at once: send NDJSON, or try again")
            self._site.documents += 1
            self._taken = True

    def release(self) -> None:
        """Give it back."""
        self._site.documents -= self._taken
        self._taken = False


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
    try:
        query = page_query(request.query)
    except QueryError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    return await site.loop.run_in_executor(site.searching, _page, request, site, query)


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
    cursors: dict[str, Any] = {"before": before, "after": page.next - 1, "more": goes_on}
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
