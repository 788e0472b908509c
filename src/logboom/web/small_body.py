"""Bodies of requests that are short documents: a login, a query."""

import asyncio

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from logboom.pipeline.intake import Limit
from logboom.web.site import SITE


async def read_small_body(request: web.Request, bytes_max: int, seconds_max: float, what: str) -> bytes:
    """Return the body, of a known length or in chunks.

    Args:
        request: the request.
        bytes_max: limit for its length, bytes.
        seconds_max: time limit.
        what: noun for the text of a refusal.

    Raises:
        web.HTTPException: it is too long, does not come, or can't be read.
    """
    body = bytearray()
    size = request.content_length or 0
    try:
        async with asyncio.timeout(seconds_max):
            while size <= bytes_max and (data := await request.content.readany()):
                body += data
                size = max(size, len(body))
    except TimeoutError:
        counters = request.app[SITE].intake.counters
        counters.slow_closed += 1
        counters.limit_reached(Limit.BODY_TIME)
        raise web.HTTPRequestTimeout(text=f"the body did not come within {seconds_max:.0f} s") from None
    except HttpProcessingError:
        raise web.HTTPBadRequest(text="the body can't be read") from None
    if size > bytes_max:
        raise web.HTTPRequestEntityTooLarge(
            bytes_max, size, text=f"found more than {bytes_max} bytes, expected {what}"
        )
    return bytes(body)
