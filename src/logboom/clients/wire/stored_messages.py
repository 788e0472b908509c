"""Asking a Logboom server which messages it has stored: what makes sending again harmless."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from logboom.clients.wire.target import Target

if TYPE_CHECKING:
    from aiohttp import ClientSession

ASK_S_MAX: Final = 8.0
"""Beyond, the server is too busy: connecting fails, and is tried again. Less than the time for connecting."""
PAGES_MAX: Final = 64
"""Bound of the search. What other senders of the same name have sent since is in the pages, too. Beyond, messages are
sent again on the chance that they come twice: better than never."""
PAGE_ENTRIES: Final = 1000
_TOO_MANY: Final = 429

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
    session: "ClientSession", target: Target, since: str, payloads: Sequence[bytes]
) -> set[bytes]:
    """The messages that the server has.

    Args:
        session: to ask over.
        target: the WebSocket server; its API is at the same address.
        since: the server's time before the first of them was sent.
        payloads: the messages, each with a timestamp of its own.

    Raises:
        OSError: the server can't be reached, or does not answer in time.
    """
    wanted: dict[str, dict[bytes, bytes]] = {}
    for payload in payloads:
        message = _decode(payload)
        wanted.setdefault(str(message.get("source", "")), {})[_key(message)] = payload
    found: set[bytes] = set()
    async with asyncio.timeout(ASK_S_MAX):
        for source, messages in wanted.items():
            found |= await _find_of(session, target, source, since, messages)
    return found


async def _find_of(
    session: "ClientSession", target: Target, source: str, since: str, wanted: dict[bytes, bytes]
) -> set[bytes]:
    """The messages of one source that the server has."""
    found: set[bytes] = set()
    parameters = {"source": source, "since": since, "limit": str(PAGE_ENTRIES)}
    try:
        for _ in range(PAGES_MAX):
            page = await _page(session, target, parameters)
            entries = [entry["entry"] for entry in page.get("entries", [])]
            found |= {wanted[key] for key in map(_key, entries) if key in wanted}
            if len(found) == len(wanted) or not page.get("more"):
                break
            parameters["before"] = str(page["before"])
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # no Logboom
    return found


async def _page(session: "ClientSession", target: Target, parameters: dict[str, str]) -> dict[str, Any]:
    url = str(target._replace(scheme=target.scheme.replace("ws", "http"))) + "/api/entries"
    async with session.get(url, params=parameters) as response:
        if response.status >= 500 or response.status == _TOO_MANY:
            raise ConnectionError(f"it answers {response.status} when asked for what it has stored")
        return _decode(await response.read()) if response.status == 200 else {}


def _key(entry: dict[str, Any]) -> bytes:
    """The key that distinguishes a message from all others: everything in it."""
    return msgspec.json.encode(entry, order="sorted")
