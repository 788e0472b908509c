"""Reading a server's entries as they come, by position: nothing missing and nothing twice over reconnects."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import msgspec

from logboom.clients.wire.http_api import ForeignServerError, HttpApi, NotReadableError

if TYPE_CHECKING:
    from aiohttp import ClientSession

DELAY_S_MIN: Final = 0.25
DELAY_S_MAX: Final = 10.0
"""Pauses between tries to reconnect; a reader has time, but somebody watches it."""
FIRST_ANSWER_S_MAX: Final = 10.0
"""Seconds for the first answer: until there is one, what listens there may be anything."""
DOUBTS_MAX: Final = 3
"""Connections that end without an answer, before there was any, until it is taken for another server's port."""
SILENCE_S_MAX: Final = 60.0
"""The server says something every 15 s; after this long it is gone."""
PAGE_ENTRIES_MAX: Final = 10_000
"""Of one page: the server's limit."""


class LivePage(msgspec.Struct):
    """What `/api/entries` answers."""

    entries: list[msgspec.Raw]
    after: int
    """The last sequence that was looked at."""
    more: bool
    before: int | None = None
    """What was not looked at yet stands before this one."""


class _Gap(msgspec.Struct):
    first: int
    last: int


class _GapEvent(msgspec.Struct):
    gap: _Gap


class Events:
    """Cuts a stream of server-sent events. Source: the HTML standard, section 9.2.6."""

    def __init__(self) -> None:
        self._rest = b""
        self.position: int | None = None
        """The id of the last event, which is the sequence of the last entry that was looked at."""

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The events that are complete: the event's name, empty for most, and its data."""
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        return [event for event in map(self._read, blocks) if event[1]]

    def _read(self, block: bytes) -> tuple[bytes, bytes]:
        name = data = b""
        for line in block.split(b"\n"):
            field, _, value = line.partition(b": ")
            if field == b"id" and value.lstrip(b"-").isdigit():
                self.position = int(value)
            elif field == b"event":
                name = value
            elif field == b"data":
                data += value
        return name, data


class LiveReader:
    """Reads one server.

    Args:
        api: of the server.
        wanted: the API's filters: `level`, `source`, `listener`, `q`, `since`.
        say: told about a server that is away, and about entries that were deleted before they could be read.
    """

    def __init__(self, api: HttpApi, wanted: Mapping[str, str], say: Callable[[str], object]) -> None:
        self._api = api
        self.url = api.url
        self._wanted = dict(wanted)
        self._say = say
        self._away = False
        self._met = False
        self._doubts = 0
        self.position = -1
        """The last sequence that was looked at."""

    async def recent(self, limit: int | None) -> AsyncGenerator[list[bytes]]:
        """The last `limit` entries, or, when `since` is wanted, all that there are; oldest first.

        Raises:
            OSError: the server can't be reached.
            NotReadableError: it refuses.
        """
        async with self._api.session(SILENCE_S_MAX) as session:
            if limit is not None:
                yield await self._last(session, limit)
                return
            more = True
            while more:
                parameters = {"after": str(self.position), "limit": str(PAGE_ENTRIES_MAX)}
                page = await self._page(session, parameters)
                self.position, more = page.after, page.more
                yield [bytes(entry) for entry in page.entries]

    async def _last(self, session: "ClientSession", limit: int) -> list[bytes]:
        """The last entries, oldest first. A search may take the server several answers."""
        page = await self._page(session, {"limit": str(max(1, limit))})
        self.position = page.after
        found = page.entries[:limit]
        while len(found) < limit and page.more:
            left = {"limit": str(limit - len(found)), "before": str(page.before)}
            page = await self._page(session, left)
            found += page.entries
        return [bytes(entry) for entry in reversed(found)]

    async def follow(self) -> AsyncGenerator[list[bytes]]:
        """What comes after the position, for ever. Raises `NotReadableError`."""
        delay_s = DELAY_S_MIN
        async with self._api.session(SILENCE_S_MAX) as session:
            while True:
                before = self.position
                try:
                    async with aclosing(self._connected(session)) as portions:
                        async for portion in portions:
                            yield portion
                    reason = "it ended the connection"
                except OSError as error:
                    reason = str(error) or "no answer"
                delay_s = DELAY_S_MIN if self.position != before else min(delay_s * 2, DELAY_S_MAX)
                self._tell_away(reason)
                await asyncio.sleep(delay_s)

    async def await_server(self, limit: int | None) -> AsyncGenerator[list[bytes]]:
        """As `recent`, for a server that may not be there yet."""
        delay_s = DELAY_S_MIN
        while True:
            try:
                async for portion in self.recent(limit):
                    yield portion
            except OSError as error:
                self._tell_away(str(error) or "no answer")
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, DELAY_S_MAX)
            else:
                return

    def _check_foreign(self, error: ForeignServerError) -> None:
        """Give up on a port that is no Logboom server's. Raises `NotReadableError`."""
        if self._met:
            return
        self._doubts += 1
        if error.is_sure or self._doubts >= DOUBTS_MAX:
            raise NotReadableError(
                f"{self.url} can't be read: {error}; is it the address of an http listener, such as "
                "http://127.0.0.1:8080?"
            ) from error

    def _tell_away(self, reason: str) -> None:
        if not self._away:
            self._say(f"🔌 {self.url} is away ({reason}), trying again")
        self._away = True

    async def _page(
        self, session: "ClientSession", parameters: Mapping[str, str], wanted: Mapping[str, str] | None = None
    ) -> LivePage:
        asked = {**(self._wanted if wanted is None else wanted), **parameters}
        silence_s_max = None if self._met else FIRST_ANSWER_S_MAX
        try:
            async with self._api.ask(session, "/api/entries", asked, silence_s_max=silence_s_max) as response:
                page = msgspec.json.decode(await response.read(), type=LivePage)
        except msgspec.DecodeError as error:
            raise NotReadableError(f"{self.url} is no Logboom server: {error}") from None
        except ForeignServerError as error:
            self._check_foreign(error)
            raise
        self._met = True
        return page

    async def _check_position(self, session: "ClientSession") -> None:
        """After an outage: a server that has fewer entries than were read has another journal now."""
        if self._away:
            page = await self._page(session, {"limit": "1"}, wanted={})
            if page.after < self.position:
                self._say(f"⚠️ {self.url} has begun a new journal, reading it from its start")
                self.position = -1

    async def _connected(self, session: "ClientSession") -> AsyncGenerator[list[bytes]]:
        """What one connection brings."""
        await self._check_position(session)
        parameters = {**self._wanted, "after": str(self.position)}
        events = Events()
        async with self._api.ask(session, "/api/tail", parameters) as response:
            if self._away:
                self._say(f"✅ {self.url} is back")
            self._away = False
            async for data in response.content.iter_any():
                found = events.feed(data)
                for gap in [data for name, data in found if name == b"gap"]:
                    self._say(_gap_text(gap))
                portion = [data for name, data in found if not name]
                if portion:
                    yield portion
                self.position = self.position if events.position is None else events.position


def _gap_text(data: bytes) -> str:
    try:
        gap = msgspec.json.decode(data, type=_GapEvent).gap
    except msgspec.DecodeError:
        return "⚠️ entries are missing here"
    return f"⚠️ {gap.last - gap.first + 1:,} entries were deleted before they could be read"
