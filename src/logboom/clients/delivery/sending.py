"""Functions behind `logboom send`: lines to a server, each settled."""

import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from itertools import islice
from typing import Final

from logboom.clients.delivery.delivery import Delivery, Policy, windows
from logboom.clients.delivery.line_reader import Read, read_lines
from logboom.clients.delivery.report import Report
from logboom.clients.wire.dialect import Dialect, UnfitLineError
from logboom.clients.wire.target import Target

DEFAULT_POLICY: Final = Policy()
OnWindow = Callable[[Report], object]
"""Called after each window, for example to draw progress."""


async def send_lines(
    lines: Iterable[bytes | str],
    target: Target,
    dialect: Dialect,
    *,
    policy: Policy = DEFAULT_POLICY,
    report: Report | None = None,
    raw: bool = False,
) -> Report:
    """Send lines, and wait until each of them is settled.

    Args:
        lines: the lines, with or without line ends; must not block.
        target: the server.
        dialect: the protocol; `dialect_registry.choose` makes both from a name and a URL.
        policy: window, timeouts and tries.
        report: is kept up to date during the run; a new one by default.
        raw: send every line as it is, also what the protocol does not allow.

    Returns:
        The report; `report.ok` is True when every line was acknowledged.

    Raises:
        ConnectFailedError: the server can't be reached; the report counts what was delivered before.
    """
    batches = _batches(lines, policy.window)
    return await send_batches(batches, target, dialect, policy=policy, report=report, raw=raw)


async def send_file(
    read: Read,
    target: Target,
    dialect: Dialect,
    *,
    policy: Policy = DEFAULT_POLICY,
    report: Report | None = None,
    raw: bool = False,
    on_window: OnWindow | None = None,
) -> Report:
    """Send what `read` brings, line by line, in bounded memory; see `send_lines`.

    Raises:
        ConnectFailedError: the server can't be reached; the report counts what was delivered before.
        OSError: the input can't be read.
    """
    report = report or Report()
    async with aclosing(read_lines(read, report, raw=raw)) as batches:
        return await send_batches(
            batches, target, dialect, policy=policy, report=report, raw=raw, on_window=on_window
        )


async def send_batches(
    batches: AsyncIterable[Sequence[bytes]],
    target: Target,
    dialect: Dialect,
    *,
    policy: Policy = DEFAULT_POLICY,
    report: Report | None = None,
    raw: bool = False,
    on_window: OnWindow | None = None,
) -> Report:
    """Send lines as they come, in batches of any size; see `send_lines`."""
    report = report or Report()
    delivery = Delivery(dialect, target, policy, report)
    encode = _as_it_is if raw else dialect.encode
    started_s = time.monotonic()
    try:
        await delivery.open()
        async for lines in batches:
            for window in windows(_encode(lines, encode, report), policy.window):
                await delivery.deliver(window)
                report.seconds = time.monotonic() - started_s
                if on_window is not None:
                    on_window(report)
        await delivery.finish()
    finally:
        report.seconds = time.monotonic() - started_s
        await delivery.close()
    return report


def _encode(lines: Sequence[bytes], encode: Callable[[bytes], bytes], report: Report) -> list[bytes]:
    """Encode lines, without the blank ones: servers skip those and never answer them."""
    payloads = []
    for line in lines:
        if not line or line.isspace():
            continue
        try:
            payloads.append(encode(line))
        except UnfitLineError as error:
            report.refuse_unsent(str(error))
    return payloads


def _as_it_is(line: bytes) -> bytes:
    return line + b"\n"


async def _batches(lines: Iterable[bytes | str], size: int) -> AsyncIterator[list[bytes]]:
    iterator = iter(lines)
    while batch := list(islice(iterator, size)):
        yield [(line.encode() if isinstance(line, str) else line).rstrip(b"\r\n") for line in batch]
