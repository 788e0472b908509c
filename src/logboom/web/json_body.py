"""Reading of a small JSON body."""

import asyncio
from typing import Final, TypeVar

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from logboom.pipeline.intake import Limit
from logboom.web.site import SITE

BODY_S_MAX: Final = 10.0
"""Time limit for a small body, seconds."""

T = TypeVar("T")


def body_refusals(bytes_max: int) -> dict[str, str]:
    """Return the statuses with which `read_json` refuses a body, for `Route.refusals`."""
    return {
        "408": "The body did not come in time",
        "413": f"The body is too long: more than {bytes_max} bytes",
    }


async def read_json(request: web.Request, kind: type[T], bytes_max: int, expected: str) -> T:
    """Return the decoded body.

    Args:
        request: the request.
        kind: type of the content.
        bytes_max: size of the longest body.
        expected: description of the content, for the texts of errors.

    Raises:
        web.HTTPException: it is too long, does not come in time, or is something else.
    """
    body = await _read(request, bytes_max, expected)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):  # bytes of an unknown client
        raise web.HTTPBadRequest(text=f"expected {expected}") from None


async def _read(request: web.Request, bytes_max: int, expected: str) -> bytes:
    """Return the body, of a known length or in chunks."""
    body = bytearray()
    size = request.content_length or 0
    try:
        async with asyncio.timeout(BODY_S_MAX):
            while size <= bytes_max and (data := await request.content.readany()):
                body += data
                size = max(size, len(body))
    except TimeoutError:
        counters = request.app[SITE].intake.counters
        counters.slow_closed += 1
        counters.limit_reached(Limit.BODY_TIME)
        raise web.HTTPRequestTimeout(text=f"the body did not come within {BODY_S_MAX:.0f} s") from None
    except HttpProcessingError:
        raise web.HTTPBadRequest(text="the body can't be read") from None
    if size > bytes_max:
        raise web.HTTPRequestEntityTooLarge(
            bytes_max, size, text=f"found more than {bytes_max} bytes, expected {expected}"
        )
    return bytes(body)
