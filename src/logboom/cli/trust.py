"""Options of commands that connect to a server: TLS, and the token."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from logboom.clients.tls import Trust

_PANEL: Final = "TLS"
TOKEN_VARIABLE: Final = "LOGBOOM_TOKEN"  # noqa: S105 - a name

Ca = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=_PANEL,
        help="PEM file of the authority that signed the server's certificate.",
        show_default="those of the system",
    ),
]
ClientCert = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", rich_help_panel=_PANEL, help="Certificate to show to a server that wants one."
    ),
]
ClientKey = Annotated[
    str | None, typer.Option(metavar="FILE", rich_help_panel=_PANEL, help="The key of --client-cert.")
]
SkipVerify = Annotated[
    bool,
    typer.Option(
        "--insecure-skip-verify",
        rich_help_panel=_PANEL,
        help="Take any certificate: whoever is on the way can read and change everything.",
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN",
        envvar=TOKEN_VARIABLE,
        help="Where the server asks for one. Better set the variable: others see the options in ps.",
    ),
]


def trust_of(
    ca: str | None,
    client_cert: str | None,
    client_key: str | None,
    *,
    skip_verify: bool,
    token: str | None = None,
) -> "Trust":
    """What the options say. Who connects checks whether it can be used (`clients.tls.trust_for`)."""
    from logboom.clients.tls import Trust

    os.environ.setdefault(
        "GRPC_VERBOSITY", "NONE"
    )  # its core writes failures to stderr, in words for developers
    if skip_verify:
        typer.echo("⚠️ --insecure-skip-verify: the server's certificate is not looked at", err=True)
    return Trust(ca or "", client_cert or "", client_key or "", verify=not skip_verify, token=token or "")


def warn_if_exposed(url: str, trusted: "Trust", say: Callable[[str], object]) -> None:
    """Say that others can read the token on its way, if they can."""
    from logboom.clients.bearer import exposure

    if warning := exposure(url, trusted):
        say(f"⚠️ {warning}")
