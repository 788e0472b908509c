"""The TLS options of commands that connect to a server."""

import os
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from logboom.clients.tls import Trust

_PANEL: Final = "TLS"

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


def trust_of(
    ca: str | None, client_cert: str | None, client_key: str | None, *, skip_verify: bool
) -> "Trust":
    """What the options say. Who connects checks whether it can be used (`clients.tls.trust_for`)."""
    from logboom.clients.tls import Trust

    os.environ.setdefault(
        "GRPC_VERBOSITY", "NONE"
    )  # its core writes failures to stderr, in words for developers
    if skip_verify:
        typer.echo("⚠️ --insecure-skip-verify: the server's certificate is not looked at", err=True)
    return Trust(ca or "", client_cert or "", client_key or "", verify=not skip_verify)
