"""Delivery of lines: windows, answers, resends, reconnects. The same for every dialect."""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from logboom.clients.delivery.report import Report
from logboom.clients.wire.dialect import FINAL, Answers, ConnectFailedError, Dialect, Link, Outcome, Reply
from logboom.clients.wire.target import Target

WINDOW_BYTES_MAX: Final = 1 << 20
"""Bytes of one window: what a client holds for lines not yet acknowledged, a longer line aside."""
LOST_LINES_MAX: Final = 5
"""Lines, or windows that have a key, given up in a row because the connection was lost each time: after that, the
server is taken for broken rather than the lines."""
LIMIT_REPORTED_S: Final = 60.0
"""The least time between two messages of a rate limit to the user: pauses may be short, and many."""

LIMIT_PAUSE_S_MIN: Final = 0.01
"""Pause after a rate limit for which the server names no time: no busy loop."""
_SETBACKS: Final = frozenset({Outcome.BUSY, Outcome.LOST, Outcome.AMBIGUOUS})
_SENT: Final = Reply(Outcome.SENT)
_UNANSWERED: Final = Reply(Outcome.UNANSWERED, "not acknowledged")


Connect = Callable[[Target], Awaitable[Link]]
"""Opens a connection; raises OSError."""


def exponential(
    first_s: float, tries: int, *, factor: float = 2.0, delay_s_max: float = 30.0
) -> tuple[float, ...]:
    """Delays between `tries` tries: `first_s`, then `factor` times as long, up to `delay_s_max`."""
    return tuple(min(first_s * factor**i, delay_s_max) for i in range(tries - 1))


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Persistence of a client."""

    window: int = 256
    """Lines sent before their answers are awaited."""
    ack_timeout_s: float | None = None
    """Seconds without any answer after which the lines are sent again; None: what suits the protocol."""
    tries: int = 3
    """Number of times that a line is sent alone, or a window with a key as a whole, before it is given up."""
    delays_s: tuple[float, ...] = exponential(0.25, 6)
    """Seconds between tries to connect; there is one try more than delays."""
    endless: bool = False
    """Continue trying to connect, at the last of the delays, forever."""
    wait_s_max: float = 120.0
    """Seconds that lines may wait for a rate limit, without one of them being taken, before they are given up."""
    connect_timeout_s: float = 10.0
    linger_s: float = 5.0
    """Seconds to wait, where there are no answers, for the server to close after the last line."""

    def pauses(self) -> Iterator[float]:
        """Seconds to wait before each try to connect."""
        yield 0.0
        yield from self.delays_s
        while self.endless:
            yield self.delay_s(len(self.delays_s))

    def delay_s(self, tries: int) -> float:
        """Seconds to wait after the given number of tries."""
        return self.delays_s[min(tries, len(self.delays_s)) - 1] if self.delays_s else 0.0


class Delivery:
    """Delivers lines to one server over one connection at a time, and keeps the report.

    Lines go out in windows: all of one, then all its answers. A window ends with every line settled:
    acknowledged, or given up. This matters where acks are only counted (`Answers.COUNTED`): after a
    silently refused line all later acks seem to be for the line before theirs. Only when there are as many
    acks as lines is any line known to be stored. Otherwise, as after a lost connection, the lines of the
    window are sent again one by one, each answered before the next, on connections on which no late ack
    can arrive. Where windows have idempotency keys (`Dialect.keyed`), the whole window is sent again under
    its key instead: the server knows which of its lines are stored.

    Args:
        dialect: the protocol.
        target: the server.
        policy: timeouts and tries.
        report: is kept up to date; may be shared by several deliveries of one event loop.
        connect: called for each try to connect, for example to report its result; None: the dialect's own.
    """

    def __init__(
        self,
        dialect: Dialect,
        target: Target,
        policy: Policy,
        report: Report,
        *,
        connect: Connect | None = None,
    ) -> None:
        self._dialect = dialect
        self._say = dialect.say  # a dialect drops its own after the first message
        self._open_link = connect or dialect.connect
        self._target = target
        self._policy = policy
        self.report = report
        self._timeout_s = dialect.timeout_s if policy.ack_timeout_s is None else policy.ack_timeout_s
        self._link: Link | None = None
        self._pause_until = 0.0  # loop time; a limit or trouble is the server's, not a line's
        self._setbacks = 0  # exchanges in a row that ended with a loss or a busy server
        self._lost_lines = 0
        self._last_window = 0
        self._keys = map(f"{os.urandom(8).hex()}-{{:x}}".format, itertools.count())

    @property
    def connected(self) -> bool:
        """True while there is a connection that is not known to be lost."""
        return self._link is not None and not self._link.lost

    async def open(self) -> None:
        """Connect now, not with the first line.

        Raises:
            ConnectFailedError: the server can't be reached.
        """
        await self._connected()

    async def deliver(self, payloads: Sequence[bytes], key: str = "") -> None:
        """Send one window of encoded lines; return when each of them is settled.

        Args:
            payloads: the lines.
            key: where the dialect is `keyed`, the window's idempotency key: the same only for the same window, also
                in a later process. Empty: a new one.

        Raises:
            ConnectFailedError: the server can't be reached; lines not settled stay `report.unresolved`.
        """
        self.report.sent += len(payloads)
        self._last_window = len(payloads)
        key = (key or next(self._keys)) if self._dialect.keyed else ""
        await self._settle(payloads, await self._exchange(payloads, key), key, tries=1)

    async def finish(self) -> None:
        """End the delivery. If the protocol has no answers, wait until the server has taken all lines."""
        if self._link is None or self._dialect.answers is not Answers.NONE:
            return
        try:
            await self._link.finish(self._policy.linger_s)
        except OSError:
            self.report.unconfirmed -= self._last_window
            self.report.refuse("connection lost", self._last_window)

    async def close(self) -> None:
        """Drop the connection. Idempotent."""
        if self._link is not None:
            link, self._link = self._link, None
            await link.close()

    async def _settle(
        self, payloads: Sequence[bytes], replies: Sequence[Reply], key: str, *, tries: int
    ) -> None:
        """Send lines again until the answer to each is final, or they are given up."""
        waited_s, unsettled = 0.0, len(payloads)
        while open_ := [reply for reply in replies if reply.outcome not in FINAL]:
            if len(payloads) > 1 and (not key or Outcome.AMBIGUOUS in {reply.outcome for reply in open_}):
                await self._settle_each(payloads, replies, key)
                return
            if len(open_) < unsettled:
                waited_s, unsettled = 0.0, len(open_)
            limited = open_[0].outcome is Outcome.LIMITED
            pause_s = max(0.0, self._pause_until - asyncio.get_running_loop().time())
            waited_s += pause_s if limited else 0.0
            if waited_s > self._policy.wait_s_max or (tries >= self._policy.tries and not limited):
                break
            await asyncio.sleep(pause_s)
            self.report.resent += len(open_)
            payloads = self._still_needed(payloads, replies)
            replies = await self._exchange(payloads, key)
            tries += not any(reply.outcome is Outcome.LIMITED for reply in replies)
        for reply in replies:
            self._count(reply)
        if open_:
            self._give_up(open_[0])

    def _still_needed(self, payloads: Sequence[bytes], replies: Sequence[Reply]) -> list[bytes]:
        """Count lines that the server will never store; return the others, which have to stay together under their key.

        Stored ones stay, since equal lines under one key differ by their number. They count for no limit there.
        """
        needed = []
        for payload, reply in zip(payloads, replies, strict=True):
            if reply.outcome in FINAL and reply.outcome is not Outcome.ACKNOWLEDGED:
                self.report.count(reply)
            else:
                needed.append(payload)
        return needed

    async def _settle_each(self, payloads: Sequence[bytes], replies: Sequence[Reply], key: str) -> None:
        """Send the lines that are not settled one by one: it is unknown which of them is at fault."""
        for index, (payload, reply) in enumerate(zip(payloads, replies, strict=True)):
            await self._settle([payload], [reply], f"{key}/{index}" if key else "", tries=0)

    def _count(self, reply: Reply) -> None:
        if reply.outcome in FINAL:
            self.report.count(reply)
        else:
            self.report.refuse(reply.reason)

    def _give_up(self, reply: Reply) -> None:
        self._lost_lines = self._lost_lines + 1 if reply.outcome is Outcome.LOST else 0
        if self._lost_lines >= LOST_LINES_MAX:
            raise ConnectFailedError(f"{self._target} drops every connection: {reply.reason}")

    async def _exchange(self, payloads: Sequence[bytes], key: str) -> list[Reply]:
        """Send lines and await their answers: as many replies as lines, in order."""
        replies = await self._try_exchange(payloads, key)
        now = asyncio.get_running_loop().time()
        outcomes = {reply.outcome for reply in replies}
        if Outcome.LIMITED in outcomes:
            wait_s = max(reply.retry_after_s for reply in replies)
            self._pause_until = now + max(wait_s, self._policy.delay_s(1), LIMIT_PAUSE_S_MIN)
            self._tell_limit(now)
        elif outcomes & _SETBACKS:
            self._setbacks += 1
            self._pause_until = now + self._policy.delay_s(self._setbacks)
        else:
            self._setbacks = 0
        return replies

    def _tell_limit(self, now: float) -> None:
        """Let the user know of a rate limit: once per pause of all connections, at most once per minute."""
        if self._say is not None and now >= self.report.limited_until:
            pause_s = self._pause_until - now
            self._say(
                f"⚠️ {self._target}: rate limit exceeded; the server takes more lines in {pause_s:.0f} s"
            )
            self.report.limited_until = max(self._pause_until, now + LIMIT_REPORTED_S)

    async def _try_exchange(self, payloads: Sequence[bytes], key: str) -> list[Reply]:
        link = await self._connected()
        replies: list[Reply] = []
        try:
            async with asyncio.timeout(self._timeout_s) as deadline:
                link.send(payloads, key)
                await self._converse(link, len(payloads), replies, deadline)
        except TimeoutError:
            trouble = _UNANSWERED
        except OSError as error:
            trouble = Reply(Outcome.LOST, _loss(error))
        else:
            self._lost_lines = 0
            return replies
        await self.close()
        if self._dialect.answers is Answers.COUNTED:
            replies.clear()
        return replies + [trouble] * (len(payloads) - len(replies))

    async def _converse(
        self, link: Link, count: int, replies: list[Reply], deadline: asyncio.Timeout
    ) -> None:
        """Fill `replies`; each answer that comes gives the next ones the full time again."""
        if self._dialect.answers is Answers.NONE:
            await link.flush()
            replies += [_SENT] * count
        while (missing := count - len(replies)) > 0:
            got = await link.receive()
            replies += got[:missing]
            if len(got) > missing:
                raise ConnectionAbortedError("more replies than lines")
            if got:
                deadline.reschedule(asyncio.get_running_loop().time() + self._timeout_s)

    async def _connected(self) -> Link:
        if self._link is not None and self._link.lost:
            await self.close()
        if self._link is None:
            self._link = await self._connect()
        return self._link

    async def _connect(self) -> Link:
        cause: OSError | None = None
        for delay_s in self._policy.pauses():
            await asyncio.sleep(delay_s)
            try:
                async with asyncio.timeout(self._policy.connect_timeout_s):
                    return await self._open_link(self._target)
            except OSError as error:
                cause = error
        reason = str(cause) or f"no answer within {self._policy.connect_timeout_s:g} s"
        raise ConnectFailedError(f"can't connect to {self._target}: {reason}") from cause


def windows(payloads: Sequence[bytes], count_max: int) -> Iterator[Sequence[bytes]]:
    """Cut encoded lines into windows of `count_max` lines and `WINDOW_BYTES_MAX`, at least one line each."""
    start = size = 0
    for index, payload in enumerate(payloads):
        if index > start and (index - start == count_max or size + len(payload) > WINDOW_BYTES_MAX):
            yield payloads[start:index]
            start, size = index, 0
        size += len(payload)
    if start < len(payloads):
        yield payloads[start:]


def _loss(error: OSError) -> str:
    """Reason of a lost connection for the user: the system's reasons need no detail, a peer's garbage does."""
    garbage = isinstance(error, ConnectionAbortedError) and not error.errno
    return f"connection lost: {error}" if garbage else "connection lost"
