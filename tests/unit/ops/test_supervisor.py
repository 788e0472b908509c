"""A listener that dies is started again, with back-off, and each step is told."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from logboom.errors import ListenerError
from logboom.ops.oplog import EMOJI
from logboom.ops.supervisor import BACKOFF_FIRST_S, BACKOFF_LAST_S, Supervised, supervise
from logboom.pipeline.intake import Intake
from logboom.settings import ListenerSettings


class Enough(BaseException):
    """Ends the supervision in a test; not an error of the listener."""


class FakeListener:
    """Dies by the book: one line of the script a life."""

    name = "device"
    intake: Intake
    ports: list[int]

    def __init__(self, script: list[Exception | None]) -> None:
        self.script = script
        self.calls: list[str] = []

    async def start(self) -> None:
        self.calls.append("start")
        await self._next()

    async def run(self) -> None:
        self.calls.append("run")
        await self._next()

    async def _next(self) -> None:
        if not self.script:
            raise Enough
        step = self.script.pop(0)
        if step is not None:
            raise step

    def stop(self) -> None:
        self.calls.append("stop")

    async def drain(self, deadline_s: float) -> None:
        raise NotImplementedError

    def configure(self, settings: ListenerSettings) -> None:
        raise NotImplementedError

    def journal_advanced(self) -> None:
        raise NotImplementedError


def run(
    script: list[Exception | None],
    sleep: Callable[[float], Awaitable[None]] | None = None,
    clock: Callable[[], float] = lambda: 0.0,
) -> tuple[FakeListener, Supervised[FakeListener], list[tuple[str, str]], list[float]]:
    listener = FakeListener(script)
    supervised = Supervised(listener)
    reports: list[tuple[str, str]] = []
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        assert not supervised.alive

    async def main() -> None:
        await supervise(supervised, lambda kind, text: reports.append((kind, text)), sleep or pause, clock)

    with pytest.raises(Enough, match=r"^$"):
        asyncio.run(main())
    return listener, supervised, reports, pauses


def test_a_dead_listener_is_stopped_and_started_again() -> None:
    listener, supervised, reports, pauses = run([ListenerError("device stopped accepting"), None])
    assert listener.calls == ["run", "stop", "start", "run"]
    assert reports == [
        ("fatal", "listener device died: device stopped accepting"),
        ("restarting", "listener device restarts in 0.5 s"),
    ]
    assert pauses == [BACKOFF_FIRST_S]
    assert supervised.alive
    assert supervised.trouble is None
    assert supervised.restarts == 1


def test_every_kind_that_is_told_has_its_emoji() -> None:
    _, _, reports, _ = run([OSError("gone"), None])
    assert {EMOJI[kind] for kind, _ in reports} == {"💥", "🔄"}


def test_the_pause_doubles_up_to_a_limit() -> None:
    failures: list[Exception | None] = [OSError("port taken")] * 10
    _, supervised, _, pauses = run(failures)
    assert pauses == [min(BACKOFF_FIRST_S * 2**number, BACKOFF_LAST_S) for number in range(10)]
    assert supervised.trouble == "port taken"
    assert not supervised.alive


def test_a_long_life_sets_the_pause_back() -> None:
    moments = iter([0.0, 1.0, 2.0, 3.0, 3.0 + BACKOFF_LAST_S + 1])
    deaths: list[Exception | None] = [OSError("a"), None, OSError("b"), None, OSError("c"), None]
    _, _, _, pauses = run(deaths, clock=lambda: next(moments, 1000.0))
    assert pauses == [0.5, 1.0, 0.5]


def test_a_failed_start_is_told_apart_from_a_death() -> None:
    _, _, reports, _ = run([OSError("gone"), OSError("port taken"), None])
    assert [text for _, text in reports[::2]] == [
        "listener device died: gone",
        "listener device does not start: port taken",
    ]


def test_a_listener_that_ends_quietly_has_died_too() -> None:
    listener, _, reports, _ = run([None, None])
    assert listener.calls[:3] == ["run", "stop", "start"]
    assert reports[0] == ("fatal", "listener device died: ended unexpectedly")


def test_being_cancelled_is_not_dying() -> None:
    listener = FakeListener([asyncio.CancelledError()])  # type: ignore[list-item]
    reports: list[tuple[str, str]] = []

    async def main() -> None:
        await supervise(Supervised(listener), lambda kind, text: reports.append((kind, text)))

    with pytest.raises(asyncio.CancelledError, match=r"^$"):
        asyncio.run(main())
    assert reports == []
    assert listener.calls == ["run"]
