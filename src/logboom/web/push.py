"""Body pump of all HTTP codecs: reads, unpacks and limits a body, submits its batches, sends the codec's reply."""

import asyncio
import copy
from functools import partial
from math import ceil
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from logboom.model import Batch, Receipt, Source, Verdict
from logboom.pipeline.deduplicator import KEY_BYTES_MAX, KEY_HEADER, REQUEST_ENTRIES_MAX, RequestKey
from logboom.pipeline.intake import Limit
from logboom.pipeline.keylog import encoded_key
from logboom.receivers.http_push import BodyError, HttpCodec, HttpReply, HttpRequest, HttpRoute
from logboom.web.bodies import BODY_BYTES_MAX, unpacking_of
from logboom.web.site import HELD_BYTES_MAX, SITE, Site

BODY_IDLE_S_MAX: Final = 60.0
"""A sender whose body makes no progress for this long is gone, or never meant to come."""

HELD_FREE_BYTES: Final = 64 << 10
"""Bytes of an unfinished line or document that every body may hold: few lines are longer."""

HELD_S_MAX: Final = 60.0
"""A body that holds more must be complete in this time: 4 MiB over a slow line. Otherwise a few slow senders would
take the memory that there is for all."""

STORE_RETRY_S: Final = 0.25
"""Pause between attempts to store a batch that was refused by the journal."""

RETRY_AFTER_S: Final = 1
"""Value of `Retry-After` where a codec's reply has none: clients that retry do so soon, and back off by themselves."""

_TRY_AGAIN: Final = frozenset({429, 503})


async def serve_push(
    route: HttpRoute, settings: Any, request: web.Request, source: Source | None = None
) -> web.Response:
    """Answer a request to a receiver's route.

    Args:
        route: of the receiver.
        settings: of the receiver, as they are now.
        request: whose body is not read yet.
        source: of the entries; None: the peer.
    """
    opened = route.open(_head_of(request), settings)
    if isinstance(opened, HttpReply):
        return _response(opened)
    site = request.app[SITE]
    pump = Pump(request, site, opened, source or site.source(request.remote))
    return _response(await pump.run())


def _head_of(request: web.Request) -> HttpRequest:
    return HttpRequest(
        request.method,
        request.path,
        request.match_info,
        request.query,
        request.headers,
        request.content_type.lower(),
    )


def _response(reply: HttpReply) -> web.Response:
    headers = dict(reply.headers)
    if reply.status in _TRY_AGAIN:
        headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    if reply.body:
        headers["Content-Type"] = reply.content_type
    response = web.Response(status=reply.status, body=reply.body, headers=headers)
    if reply.close:
        response.force_close()
    return response


class Pump:
    """Takes one body.

    Args:
        request: whose body is read.
        site: of the listener.
        codec: of the request.
        source: of the entries.

    Raises:
        web.HTTPBadRequest: the request's `Idempotency-Key` cannot be kept.
    """

    def __init__(self, request: web.Request, site: Site, codec: HttpCodec, source: Source) -> None:
        self._request = request
        self._site = site
        self._codec = codec
        self._key = _key_of(request)
        self._inlet = site.inlet(source)

    async def run(self) -> HttpReply:
        """Store what the body holds, and return the codec's reply."""
        deduplicator = self._site.intake.deduplicator
        if self._key is None or not self._key.window or deduplicator is None:
            return await self._take_body()
        is_whole = False
        deduplicator.open(self._key, self._site.log.end)
        try:
            reply = await self._take_body()
            is_whole = not reply.close
        finally:
            deduplicator.close(self._key, whole=is_whole)
        return reply

    async def _take_body(self) -> HttpReply:
        try:
            await self._store_body()
        except BodyError as error:
            if error.limit:
                self._site.intake.counters.limit_reached(Limit(error.limit))
            await self._inlet.settled()
            if error.status == 503 and self._codec.refusal_pause_s and not self._site.closing:
                await asyncio.sleep(self._codec.refusal_pause_s)
            reply = self._codec.refuse(error)._replace(close=True)  # the rest of the body is not read
            if not error.retry_after_s:
                return reply
            return reply._replace(headers={**reply.headers, "Retry-After": str(ceil(error.retry_after_s))})
        await self._inlet.settled()
        return self._codec.reply()

    async def _store_body(self) -> None:
        """Read, unpack, judge and submit a body piece by piece. Raises `BodyError`."""
        codec, share = self._codec, _Share(self._site)
        unpacking = unpacking_of(
            self._request.headers.get("Content-Encoding", ""),
            trusted=codec.trusts_encoding,
            bytes_max=None if codec.is_endless else BODY_BYTES_MAX,
        )
        codec.begin()
        try:
            while data := await _read(self._request):
                for piece in unpacking.feed(data):
                    codec.feed(piece)
                    await self._submit()
                    share.hold(codec.held_bytes)
            for piece in unpacking.end():
                codec.feed(piece)
            await self._end()
            await self._submit()
        finally:
            share.release()

    async def _end(self) -> None:
        """Note the end of the body. To decode a large document takes half a second: others go on meanwhile."""
        codec = self._codec
        if codec.is_document and codec.held_bytes > HELD_FREE_BYTES:
            async with self._site.taking_apart:
                await asyncio.to_thread(codec.end)
        else:
            codec.end()

    async def _submit(self) -> None:
        """Submit what is complete. Others have their turn after each batch: many bad lines take their time."""
        while (batch := self._codec.take()) is not None:
            await self._put(batch)
            await asyncio.sleep(0)
        await asyncio.sleep(0)  # blank lines and packed ones bring nothing, and take time as well

    async def _put(self, batch: Batch) -> None:
        """Submit a batch, once there is room for it. Raises `BodyError`."""
        self._site.intake.counters.received(self._site.loop.time())
        await self._inlet.room()
        if self._key is not None and not batch.digests:
            batch.digests = self._key.digests(batch.entries)
            batch.keys = self._key.encoded
            if self._key.entries > REQUEST_ENTRIES_MAX:
                text = f"more than {REQUEST_ENTRIES_MAX} entries under one {KEY_HEADER}: send smaller bodies"
                raise BodyError(413, text)
        if self._codec.hold_s:
            await self._put_patiently(batch)
        else:
            self._inlet.put(batch, partial(self._codec.settle, batch))

    async def _put_patiently(self, batch: Batch) -> None:
        """Submit a batch until it is stored, for `hold_s` at most: many clients drop what is refused.

        Raises:
            BodyError: the journal refuses it still, or the rate limit does.
        """
        ends_at = self._site.loop.time() + self._codec.hold_s
        receipt = await self._store(batch)
        while Verdict.FAILED in receipt.verdicts:
            if self._site.closing or self._site.loop.time() + STORE_RETRY_S > ends_at:
                raise BodyError(503, "storage unavailable")
            await asyncio.sleep(STORE_RETRY_S)
            receipt = await self._store(batch)
        if Verdict.LIMITED in receipt.verdicts:
            raise BodyError(429, "rate limit exceeded", retry_after_s=max(1.0, receipt.retry_after_s))
        self._codec.settle(batch, receipt)

    async def _store(self, batch: Batch) -> Receipt:
        return await self._inlet.store(copy.copy(batch))  # the intake changes what it gets


def _key_of(request: web.Request) -> RequestKey | None:
    """Return the request's `Idempotency-Key`. Raises `web.HTTPBadRequest` for one that cannot be kept."""
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not (0 < len(key) <= KEY_BYTES_MAX and key.isascii() and key.isprintable()):
        raise web.HTTPBadRequest(
            text=f"{KEY_HEADER}: expected 1 to {KEY_BYTES_MAX} printable ASCII characters"
        )
    window = request.query.get("window", "") if "import" in request.query else ""
    return RequestKey(encoded_key("http", key), window)


async def _read(request: web.Request) -> bytes:
    """Return some of the body; empty at its end. Raises `BodyError` when nothing more can come."""
    try:
        async with asyncio.timeout(BODY_IDLE_S_MAX):
            return await request.content.readany()
    except TimeoutError:
        raise BodyError(408, f"nothing came for {BODY_IDLE_S_MAX:.0f} s", Limit.BODY_TIME) from None
    except (ConnectionError, web.RequestPayloadError, HttpProcessingError):
        raise BodyError(400, "the body broke off, or its rest can't be read") from None


class _Share:
    """Memory that one body holds, of the memory for all of them."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._bytes = 0
        self._since = 0.0

    def hold(self, held_bytes: int) -> None:
        """Note that so much waits for its end. Raises `BodyError` when that is too much, or takes too long."""
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
        """Give all of it back."""
        self._site.held_bytes -= self._bytes
        self._bytes = 0
