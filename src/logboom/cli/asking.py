"""One question to a running server, with the messages and exit codes of commands that ask one."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

import typer

from logboom.cli.connecting import EXIT_NOT_CONNECTED, api_of
from logboom.cli.speaking import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from logboom.cli.connection_options import ConnectionOptions
    from logboom.clients.wire.http_api import HttpApi

SILENCE_S_MAX: Final = 30.0
"""The server has most answers in memory; a search or a test message takes it some seconds."""


def ask_server(
    url: str,
    connection: "ConnectionOptions",
    path: str,
    words: "Mapping[str, str]",
    *keys: str,
    method: str = "GET",
    body: object = None,
) -> dict[str, Any]:
    """Return the document at a path. Trouble ends the command.

    Args:
        url: of the server.
        connection: options of the connection.
        path: of the API.
        words: of the query.
        keys: that the document has.
        method: of the request.
        body: sent as JSON; None: nothing.

    Raises:
        NotReadableError: the answer is none of Logboom's, or a refusal.
    """
    try:
        return asyncio.run(_ask(api_of(url, connection), path, words, keys, method=method, body=body))
    except OSError as error:
        say(f"❌ can't connect: {error or 'no answer'}")
        raise typer.Exit(EXIT_NOT_CONNECTED) from None


async def _ask(
    api: "HttpApi",
    path: str,
    words: "Mapping[str, str]",
    keys: tuple[str, ...],
    *,
    method: str,
    body: object,
) -> dict[str, Any]:
    import msgspec

    from logboom.clients.wire.http_api import NotReadableError

    async with (
        api.session(SILENCE_S_MAX) as session,
        api.ask(session, path, dict(words), method=method, body=body) as response,
    ):
        try:
            document: dict[str, Any] = msgspec.json.decode(await response.read(), type=dict[str, Any])
            for key in keys:
                document[key]
        except (msgspec.DecodeError, KeyError):
            raise NotReadableError(f"{api.url} is no Logboom server") from None
    return document
