"""Output `redis`: keys as in docs/contracts/redis-layout.md, each entry exactly once."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta

from logboom.errors import OutputError, TakenAwayError
from logboom.formats.records import records_of
from logboom.formats.redaction import place
from logboom.journal.log import Block
from logboom.model import Record
from logboom.outputs.base import OutputSettings
from logboom.outputs.journal_id import journal_id
from logboom.outputs.redis_clients import (
    NATIVE_SCHEMES,
    REST_SCHEMES,
    Client,
    is_rest,
    make_client,
    scheme,
)
from logboom.outputs.redis_layout import MOVED, REFUSED, SCRIPT, Limits, Transaction

WEEK_S: Final = 604_800
"""Seconds after which entries expire, as viewers of the layout expect."""

RECENT_MAX: Final = 100
GLOBAL_MAX: Final = 1000
"""Lengths of the lists of recent entries, as viewers of the layout expect."""

ENTRIES_MAX: Final = 1000
"""Most entries per transaction: Redis, which runs one command at a time, is busy with it for about 5 ms."""

NATIVE_CHARS_MAX: Final = 4 << 20
"""Most characters per transaction: four messages of the largest size that the WebSocket accepts."""

REST_CHARS_MAX: Final = 64 << 10
"""The same over REST: the hosted service accepts requests of 1 MB, and a character may need 12 bytes in JSON."""


CHECK_INTERVAL_S: Final = 10.0
"""Interval of the check that Redis still has the position when idle. Not over REST, where requests cost money."""


class RedisSettings(OutputSettings, kw_only=True, forbid_unknown_fields=True):
    """`type = "redis"`: hashes, lists and counts in a Redis database, with an expiry."""

    url: Annotated[
        str,
        Meta(
            description="`redis://[user:password@]host:port/database`, `rediss://…` (TLS), `unix:///path/to/socket`, "
            "or `https://…` for the REST dialect of hosted services."
        ),
    ] = "redis://127.0.0.1:6379/0"
    token: Annotated[str, Meta(description="Bearer token of the REST dialect.")] = ""
    expire_s: Annotated[
        int, Meta(ge=1, description="Age at which entries are deleted, seconds since receipt.")
    ] = WEEK_S
    recent_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Length of the list of each source's recent entries.")
    ] = RECENT_MAX
    global_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Length of the list of all recent entries.")
    ] = GLOBAL_MAX

    def __post_init__(self) -> None:
        schemes = NATIVE_SCHEMES + REST_SCHEMES
        if "://" not in self.url or scheme(self.url) not in schemes:  # the rest may be secret
            raise ValueError(f"`url` has to start with one of {', '.join(f'{name}://' for name in schemes)}")
        if is_rest(self.url) != bool(self.token):
            need = "needs a `token`" if is_rest(self.url) else "contains its password, and takes no `token`"
            raise ValueError(f"a `url` that starts with {scheme(self.url)}:// {need}")

    def limits(self) -> Limits:
        """The limits of storage and of one transaction."""
        rest = is_rest(self.url)
        return Limits(
            expire_s=self.expire_s,
            recent_max=self.recent_max,
            global_max=self.global_max,
            entries_max=ENTRIES_MAX,
            chars_max=REST_CHARS_MAX if rest else NATIVE_CHARS_MAX,
            message_chars_max=REST_CHARS_MAX if rest else None,
        )


class RedisOutput:
    """Output that writes each block with one or a few scripts, which also update the position.

    The position is stored in Redis with the entries: a Redis that restarts empty, or with the state of some seconds
    before it was killed, has the matching position, and the rest is read from the journal again.

    Args:
        settings: validated settings.
        name: name of the output in the configuration.
        data_dir: data directory, which has the identifier of the journal.
        clock: seconds since the epoch.
        timer: seconds, monotonic.
    """

    def __init__(
        self,
        settings: RedisSettings,
        name: str,
        data_dir: Path,
        *,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.damaged = 0
        self._settings = settings
        self._limits = settings.limits()
        self._position_key = f"logboom:{name}:position"
        self._data_dir = data_dir
        self._clock = clock
        self._selection = settings.selection()
        self._client: Client | None = None
        self._journal = ""
        self._saved = 0
        self._next = 0
        self._timer = timer
        self._checked_at = 0.0

    def open(self) -> None:
        """See `Output.open`. Raises `OSError`, `OutputError`."""
        self.close()
        self._journal = journal_id(self._data_dir)
        self._client = make_client(self._settings.url, self._settings.token)
        self._saved = self._next = self._find_position()
        self._checked_at = self._timer()

    def write(self, block: Block) -> None:
        """See `Output.write`: each transaction is stored at once, as durably as Redis does. Raises `OutputError`."""
        lines = self._selection.of(block, self._next)
        records = records_of(lines.sequences, lines.timed) if lines.data else []
        if records:
            self._store(records, block.next_sequence)
        self.damaged += len(lines.sequences) - len(records)
        self._next = max(self._next, block.next_sequence)

    def flush(self) -> None:
        """See `Output.flush`. Raises `OutputError`."""
        if self._next != self._saved:  # only entries that are not selected were read
            self._run(Transaction(self._limits, self._clock()), self._next)
        elif not is_rest(self._settings.url) and self._timer() - self._checked_at >= CHECK_INTERVAL_S:
            self._checked_at = self._timer()
            self._check_position()

    @property
    def skipped(self) -> int:
        """See `Output.skipped`."""
        return self._selection.skipped

    def position(self) -> int:
        """See `Output.position`."""
        return self._saved

    def rewind(self, sequence: int) -> None:
        """See `Output.rewind`. Raises `OutputError`."""
        self._connected().hset(self._position_key, self._journal, str(sequence))
        self._saved = self._next = sequence

    def close(self) -> None:
        """See `Output.close`."""
        if self._client is not None:
            self._client.close()
        self._client = None

    def _find_position(self) -> int:
        found = self._connected().hget(self._position_key, self._journal) or "0"
        if not found.isdecimal():
            raise OutputError(f"{self._position_key} in Redis holds {found[:40]!r}, expected a number")
        return int(found)

    def _check_position(self) -> None:
        """Raise `TakenAwayError` when Redis has lost entries, and with them the position."""
        if self._find_position() < self._saved:
            raise TakenAwayError(
                f"{place(self._settings.url)} was emptied, or has an earlier state: "
                "the entries that the journal still has are written again"
            )

    def _store(self, records: list[Record], end: int) -> None:
        """Write `records` in as many transactions as needed; the last one moves the position to `end`."""
        now_s = self._clock()
        transaction = Transaction(self._limits, now_s)
        for record in records:
            if not transaction.add(record):
                self._run(transaction, record.sequence)
                transaction = Transaction(self._limits, now_s)
                transaction.add(record)
        self._run(transaction, end)

    def _run(self, transaction: Transaction, after: int) -> None:
        arguments = transaction.arguments(self._position_key, self._journal, self._saved, after)
        answer = self._connected().run(SCRIPT, *arguments)
        if answer == MOVED:
            self._check_position()
            raise OutputError(
                f"its position in Redis is not {self._saved} any more: an earlier request was executed late, "
                "or a copy of this data directory is served by another process"
            )
        if answer and not answer.startswith(REFUSED):
            raise OutputError(
                f"the key {answer!r} in Redis has a value that Logboom did not write: "
                "rename it, or use another database"
            )
        self._saved = self._next = after
        if answer:
            raise OutputError(
                f"Redis stored an entry, but could not count it: {answer.removeprefix(REFUSED)}"
            )

    def _connected(self) -> Client:
        if self._client is None:
            raise OutputError(f"not connected to {place(self._settings.url)}")
        return self._client
