"""A connection to PostgreSQL for a thread of its own: blocking calls, each with a time limit.

asyncpg is loaded when the first one is made.
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
"""A server that takes longer is as good as away; the same limits as for Redis."""

CLOSE_TIMEOUT_S: Final = 1.0
"""For a polite good-bye: the runner is to close, not to wait."""

ERROR_CHARS_MAX: Final = 300
"""Of the server's text: it is one line of the operational log."""

_SETUP: Final = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;
SET idle_in_transaction_session_timeout = '60s'; SET client_min_messages = warning; SET timezone = 'UTC';
"""
"""A commit has to be durable, since the journal may delete what we say we have. When we vanish without a
good-bye, the server notices within a minute: what we hold locked would keep our next connection waiting."""

T = TypeVar("T")
Work = Callable[["asyncpg.Connection[Any]"], Coroutine[Any, Any, T]]


class RefusedDataError(OutputError):
    """The server does not take a value that was sent; the text says why."""


class PostgresConnection:
    """Connects when it is made, with an event loop that runs only inside of its calls.

    Args:
        url: `postgresql://…`, which may hold a password.

    Raises:
        OutputError: there is no library, the URL can't be read, or the server can't be reached.
    """

    def __init__(self, url: str) -> None:
        try:
            import asyncpg  # noqa: PLC0415 - an extra, and it takes its time
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
        """What `work` returns.

        Raises:
            RefusedDataError: the server does not take a value that was sent.
            TakenAwayError: a table or the schema is not there.
            OutputError: any other trouble; without the password.
        """
        if self._connection is None:
            raise OutputError(f"not connected to {self._place}")
        return self._guard(work(self._connection), timeout_s)

    def close(self) -> None:
        """Let go of the connection, at once where it does not answer. Idempotent."""
        if self._loop.is_closed():
            return
        connection, self._connection = self._connection, None
        if connection is not None:
            polite = not connection.is_closed() and not connection.is_in_transaction()
            with suppress(Exception):
                if polite:
                    self._finish(connection.close(), CLOSE_TIMEOUT_S)
            connection.terminate()
        self._end_tasks()
        self._loop.close()

    def _guard(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Run `work`; make our errors of the library's."""
        library = self._library
        try:
            return self._finish(work, timeout_s)
        except TimeoutError:
            raise OutputError(f"{self._place}: no answer within {timeout_s:g} s") from None
        except (library.DataError, library.ProgramLimitExceededError) as error:
            raise RefusedDataError(f"{self._place}: {_line(error)}") from None
        except (library.UndefinedTableError, library.InvalidSchemaNameError) as error:
            raise TakenAwayError(f"{self._place}: {_line(error)}: going on with a new one") from None
        except (library.PostgresError, library.InternalClientError, OSError) as error:
            raise OutputError(f"{self._place}: {_line(error)}") from None
        except (library.ClientConfigurationError, ValueError):  # whose text may have a part of the password
            raise OutputError(
                "url: it can't be read; special characters in a password are written as %2F, %40 and so on"
            ) from None
        except library.InterfaceError as error:
            raise OutputError(f"{self._place}: {_line(error)}") from None

    def _finish(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Not `asyncio.wait_for`: it waits until the library has cancelled, and that waits for the server."""
        task = self._loop.create_task(work)
        done, _ = self._loop.run_until_complete(asyncio.wait({task}, timeout=timeout_s))
        if done:
            return task.result()
        if self._connection is not None:
            self._connection.terminate()
        self._end_tasks()
        raise TimeoutError

    def _end_tasks(self) -> None:
        """Those of the library too; and let transports notice that they were closed."""
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        if tasks:
            done, _ = self._loop.run_until_complete(asyncio.wait(tasks, timeout=CLOSE_TIMEOUT_S))
            for task in done:
                if not task.cancelled():
                    task.exception()  # nobody else asks for it, and the loop would complain


async def _connect(url: str) -> "asyncpg.Connection[Any]":
    import asyncpg  # noqa: PLC0415 - see above

    settings = {"application_name": "logboom"}
    return await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, server_settings=settings)


def _line(error: BaseException) -> str:
    """The first line of its text: the next ones may show rows."""
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    return text[:ERROR_CHARS_MAX]
