"""What commands that talk to a server have in common: who is connected to, what is said, how it ends."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import typer

from logboom.cli.speaking import say

if TYPE_CHECKING:
    from logboom.cli.connection_options import ConnectionOptions
    from logboom.clients.wire.dialect import Dialect
    from logboom.clients.wire.http_api import HttpApi
    from logboom.clients.wire.target import Target
    from logboom.clients.wire.tls_trust import Trust

    Server = tuple[Dialect, Target]

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
"""The server refuses, or a line was not acknowledged."""
EXIT_NOT_CONNECTED: Final = 3


@contextmanager
def wrong_usage() -> Iterator[None]:
    """A `ConfigError` in here is about the command line, and ends the command."""
    from logboom.errors import ConfigError, ExtraMissingError

    try:
        yield
    except ExtraMissingError:
        raise
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None


@contextmanager
def until_nobody_reads() -> Iterator[None]:
    """End well when whoever reads standard output has gone: `| head`."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit from None


def choose_server(
    protocol: str | None, url: str, connection: "ConnectionOptions", tell: Callable[[str], object] = say
) -> "Server":
    """The protocol and the server that the options mean. Wrong ones end the command."""
    from logboom.clients.wire.dialect_registry import choose

    with wrong_usage():
        dialect, target = choose(protocol, url, connection.trust())
    _warn_if_exposed(str(target), target.trust, tell)
    dialect.say = tell
    return dialect, target


def api_of(url: str, connection: "ConnectionOptions") -> "HttpApi":
    """The HTTP side of the server that the options mean. Wrong ones end the command."""
    from logboom.clients.wire.http_api import HttpApi

    with wrong_usage():
        api = HttpApi(url, connection.trust())
    _warn_if_exposed(api.url, api.trust, say)
    return api


def _warn_if_exposed(url: str, trust: "Trust", tell: Callable[[str], object]) -> None:
    """Say that others can read the token on its way, if they can."""
    from logboom.clients.wire.bearer import exposure

    if warning := exposure(url, trust):
        tell(f"⚠️ {warning}")
