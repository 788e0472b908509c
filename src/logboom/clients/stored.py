"""Asking a Logboom server which messages it has stored: what makes sending again harmless."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from logboom.clients.target import Target

if TYPE_CHECKING:
    from aiohttp import ClientSession

ASK_S_MAX: Final = 5.0
"""Beyond, messages are sent again on the chance that they come twice: better than never."""
PAGES_MAX: Final = 8
PAGE_ENTRIES: Final = 1000

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


def earlier(moment: str, seconds: float) -> str:
    """A message's time, moved back."""
    return (datetime.fromisoformat(moment) - timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def time_of_header(date: str | None) -> str:
    """The `Date` of an HTTP answer in the form of a message's time; empty when there is none to be read."""
    try:
        moment = parsedate_to_datetime(date or "")
    except ValueError:
        return ""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


async def find_stored(
    session: "ClientSession", target: Target, source: str, since: str, payloads: Sequence[bytes]
) -> set[bytes]:
    """Those of the messages that the server has.

    Args:
        session: to ask over.
        target: the WebSocket server; its API is at the same address.
        source: of the messages.
        since: the server's time before the first of them was sent.
        payloads: the messages, each with a timestamp of its own.

    Raises:
        OSError: the server can't be reached.
    """
    wanted = {_key(_decode(payload)): payload for payload in payloads}
    found: set[bytes] = set()
    parameters = {"source": source, "since": since, "limit": str(PAGE_ENTRIES)}
    try:
        async with asyncio.timeout(ASK_S_MAX):
            for _ in range(PAGES_MAX):
                page = await _page(session, target, parameters)
                entries = [entry["entry"] for entry in page.get("entries", [])]
                found |= {wanted[key] for key in map(_key, entries) if key in wanted}
                if len(found) == len(wanted) or not page.get("more"):
                    break
                parameters["before"] = str(page["before"])
    except (TimeoutError, ValueError, KeyError, TypeError, AttributeError):
        pass  # no Logboom, or a very busy one
    return found


async def _page(session: "ClientSession", target: Target, parameters: dict[str, str]) -> dict[str, Any]:
    url = str(target._replace(scheme=target.scheme.replace("ws", "http"))) + "/api/entries"
    async with session.get(url, params=parameters) as response:
        return _decode(await response.read()) if response.status == 200 else {}


def _key(entry: dict[str, Any]) -> bytes:
    """What tells a message from all others: everything in it."""
    return msgspec.json.encode(entry, order="sorted")
