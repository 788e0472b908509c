"""Connections from the background of an application, with a note of the server's absence."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable
from typing import Any

from logboom.clients.wire.bearer import TokenRefusedError
from logboom.clients.wire.dialect import Dialect, Link
from logboom.clients.wire.native import new_thread, original
from logboom.clients.wire.target import Target


class WatchedConnecting:
    """Connects to names that it resolves without asyncio's threads, and notes the server's absence.

    Args:
        dialect: the protocol.
        note: called with `away` after each try to connect.
    """

    def __init__(self, dialect: Dialect, note: Callable[..., object]) -> None:
        self._dialect = dialect
        self._note = note

    async def connect(self, target: Target) -> Link:
        """See `delivery.Connect`."""
        try:
            link = await self._connect_any(target)
        except (OSError, RuntimeError) as error:  # the latter: no more threads, the process is ending
            self._note(away=True)
            raise OSError(str(error)) from error
        except (asyncio.CancelledError, TokenRefusedError):  # the former: out of time
            self._note(away=True)
            raise
        self._note(away=False)
        return link

    async def _connect_any(self, target: Target) -> Link:
        trouble: OSError | None = None
        for host in await resolve(target):
            try:
                return await self._dialect.connect(target._replace(host=host, name=target.certified_name))
            except OSError as error:
                trouble = error
        raise trouble or OSError(f"no address for {target.host}")


async def resolve(target: Target) -> list[str]:
    """A host's addresses. asyncio would use a pool of threads, which is closed when the process is about to end."""
    with contextlib.suppress(ValueError):
        return [str(ipaddress.ip_address(target.host))]
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[str]] = loop.create_future()

    def settle(found: list[str], error: OSError | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(found)
        else:
            future.set_exception(error)

    def look_up() -> None:
        found: list[Any] = []
        failure = None
        try:
            found = original("socket", "getaddrinfo")(target.host, target.port, type=socket.SOCK_STREAM)
        except OSError as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, [address[4][0] for address in found], failure)

    try:
        new_thread(look_up, name="logboom-resolver").start()
    except RuntimeError:  # the process ends; from Python 3.12 on, no thread starts any more
        look_up()
    return await future
