"""Options of commands that connect to a server: TLS, and the token."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from logboom.cli.groups import OptionGroup
from logboom.cli.speaking import say

if TYPE_CHECKING:
    from logboom.clients.wire.tls_trust import Trust

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
    from logboom.clients.wire.tls_trust import Trust

    os.environ.setdefault(
        "GRPC_VERBOSITY", "NONE"
    )  # its core writes failures to stderr, in words for developers
    if skip_verify:
        say("⚠️ --insecure-skip-verify: the server's certificate is not looked at")
    return Trust(ca or "", client_cert or "", client_key or "", verify=not skip_verify, token=token or "")


@dataclass(frozen=True)
class ConnectionOptions(OptionGroup):
    """All of them."""

    ca: Ca = None
    client_cert: ClientCert = None
    client_key: ClientKey = None
    skip_verify: SkipVerify = False
    token: Token = None

    def trust(self) -> "Trust":
        """See `trust_of`."""
        return trust_of(
            self.ca, self.client_cert, self.client_key, skip_verify=self.skip_verify, token=self.token
        )
