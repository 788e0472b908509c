"""Blocking connection to PostgreSQL with a time limit per call, for use on an output's thread.

asyncpg is imported by the first connection.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from logboom.errors import OutputError, TakenAwayError
from logboom.formats.redaction import place

if TYPE_CHECKING:
    import asyncpg

SCHEMES: Final = ("postgresql", "postgres")

CONNECT_TIMEOUT_S: Final = 5.0
ANSWER_TIMEOUT_S: Final = 10.0
"""A server that takes longer counts as unreachable; the limits are the same as for Redis."""

CLOSE_TIMEOUT_S: Final = 1.0
"""Time limit for an orderly close."""

ERROR_CHARS_MAX: Final = 300
"""Longest error text of the server that is logged."""

_SETUP: Final = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;
SET idle_in_transaction_session_timeout = '60s'; SET client_min_messages = warning; SET timezone = 'UTC';
"""
"""A commit has to be durable, since the journal may delete entries afterwards. When this process vanishes, the server
notices within a minute: until then its locks would delay the next connection."""

T = TypeVar("T")
Work = Callable[["asyncpg.Connection[Any]"], Coroutine[Any, Any, T]]


class RefusedDataError(OutputError):
    """The server rejected a value; the text has the reason."""


class PostgresConnection:
    """Connection that is opened by the constructor; its event loop runs only during calls.

    Args:
        url: `postgresql://…`, which may contain a password.

    Raises:
        OutputError: asyncpg is missing, the URL is not valid, or the server can't be reached.
    """

    def __init__(self, url: str) -> None:
        try:
            import asyncpg  # noqa: PLC0415 - an extra, and slow to import
        except ImportError as error:
            raise OutputError(
                f"needs the library asyncpg ({error}); install it with: pip install 'logboom[postgres]'"
            ) from error
        self._library = asyncpg
        self._place = place(url)
        self._connection: asyncpg.Connection[Any] | None = None
        self._loop = asyncio.new_event_loop()
        try:
            self._connection = self._guard(_connect(url), CONNECT_TIMEOUT_S)
            self.run(lambda connection: connection.execute(_SETUP))
        except BaseException:
            self.close()
            raise

    def run(self, work: Work[T], timeout_s: float = ANSWER_TIMEOUT_S) -> T:
        """Run `work`, and return its result.

        Raises:
            RefusedDataError: the server rejected a value.
            TakenAwayError: a table or the schema is missing.
            OutputError: any other error; the text has no password.
        """
        if self._connection is None:
            raise OutputError(f"not connected to {self._place}")
        return self._guard(work(self._connection), timeout_s)

    def close(self) -> None:
        """Close the connection, without waiting for a server that does not answer. Idempotent."""
        if self._loop.is_closed():
            return
        connection, self._connection = self._connection, None
        if connection is not None:
            orderly = not connection.is_closed() and not connection.is_in_transaction()
            with suppress(Exception):
                if orderly:
                    self._finish(connection.close(), CLOSE_TIMEOUT_S)
            connection.terminate()
        self._end_tasks()
        self._loop.close()

    def _guard(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Run `work`, and translate the library's errors."""
        library = self._library
        try:
            return self._finish(work, timeout_s)
        except TimeoutError:
            raise OutputError(f"{self._place}: no answer within {timeout_s:g} s") from None
        except (library.DataError, library.ProgramLimitExceededError) as error:
            raise RefusedDataError(f"{self._place}: {_line(error)}") from None
        except (library.UndefinedTableError, library.InvalidSchemaNameError) as error:
            raise TakenAwayError(f"{self._place}: {_line(error)}: continuing with a new one") from None
        except (library.PostgresError, library.InternalClientError, OSError) as error:
            raise OutputError(f"{self._place}: {_line(error)}") from None
        except (library.ClientConfigurationError, ValueError):  # whose text may have a part of the password
            raise OutputError(
                "url: it can't be read; special characters in a password are written as %2F, %40 and so on"
            ) from None
        except library.InterfaceError as error:
            raise OutputError(f"{self._place}: {_line(error)}") from None

    def _finish(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Run `work` with a time limit. `asyncio.wait_for` would wait for the library, which waits for the server."""
        task = self._loop.create_task(work)
        done, _ = self._loop.run_until_complete(asyncio.wait({task}, timeout=timeout_s))
        if done:
            return task.result()
        if self._connection is not None:
            self._connection.terminate()
        self._end_tasks()
        raise TimeoutError

    def _end_tasks(self) -> None:
        """Cancel all tasks, also the library's, and let transports handle their close."""
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        if tasks:
            done, _ = self._loop.run_until_complete(asyncio.wait(tasks, timeout=CLOSE_TIMEOUT_S))
            for task in done:
                if not task.cancelled():
                    task.exception()  # retrieved, otherwise the loop would log it


async def _connect(url: str) -> "asyncpg.Connection[Any]":
    import asyncpg  # noqa: PLC0415 - see above

    settings = {"application_name": "logboom"}
    return await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, server_settings=settings)


def _line(error: BaseException) -> str:
    """First line of an error's text: the following lines may contain rows."""
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    return text[:ERROR_CHARS_MAX]
