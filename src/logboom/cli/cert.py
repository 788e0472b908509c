"""`logboom cert`: certificates for a network of one's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from logboom.cli.speaking import answer_lines, say

if TYPE_CHECKING:
    from logboom.ops.certificates import Pair, PairFiles

_CA: Final = "ca"
_SERVER: Final = "server"

_Dir = Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where the files are, and are made.")]
_Host = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|ADDRESS", help="Under which clients know the server; may be given several times."
    ),
]
_Client = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Also make a client's certificate; may be given several times."),
]
_Days = Annotated[
    int, typer.Option(min=1, max=3650, help="How long they are valid; the authority: ten years.")
]
_Force = Annotated[bool, typer.Option("--force", help="Replace what is there, except for the authority.")]


def cert(
    *,
    folder: _Dir = Path("certs"),
    host: _Host = None,
    days: _Days = 825,
    client: _Client = None,
    force: _Force = False,
) -> None:
    """Make certificates for servers and clients of one's own network.

    Makes an authority (ca.pem, ca.key) where there is none, and with it a certificate for the server (server.pem,
    server.key) and for each --client NAME (NAME.pem, NAME.key). The server's is always good for localhost, too.
    Clients need ca.pem only. Keep ca.key off the server: who has it can pretend to be any server and any client.

    Examples:
      logboom cert --dir certs --host logboom.local --host 192.168.1.10

      logboom cert --dir certs --client esp32-hall-2

      logboom cert --dir certs --host logboom.local --force

    Exit codes: 0 made, 1 it could not be made, or is there already, 2 wrong usage.
    """
    from logboom.errors import ConfigError
    from logboom.extras import require

    require("tls", "logboom cert")
    from logboom.ops import certificates

    hosts, clients = host or [], client or []
    ca_files, server = certificates.files_of(folder, _CA), certificates.files_of(folder, _SERVER)
    wants_server = bool(hosts) or not clients
    taken = {_CA, _SERVER} & set(clients)
    if taken:
        raise ConfigError(f"--client {taken.pop()}: that name is taken")
    wanted = [certificates.files_of(folder, name) for name in clients] + [server] * wants_server
    if not force:
        _check_absent(wanted)
    ca = _authority(ca_files)
    made: list[tuple[PairFiles, Pair]] = []
    if wants_server:
        made.append((server, certificates.make_server(ca, hosts, days)))
    made += [
        (certificates.files_of(folder, name), certificates.make_client(ca, name, days)) for name in clients
    ]
    for files, pair in made:
        certificates.write_pair(files, pair)
        until = pair.certificate.not_valid_after_utc.date()
        say(f"✅ {files.certificate} and {files.key}, valid until {until}")
    if wants_server:
        _explain_server(ca_files, server, hosts)
    if clients:
        _explain_clients(ca_files, certificates.files_of(folder, clients[0]), hosts)


def _check_absent(wanted: "list[PairFiles]") -> None:
    """Raises `ConfigError` when a file is there already: no key is overwritten by accident."""
    from logboom.errors import ConfigError

    for path in [path for files in wanted for path in files if path.exists()]:
        raise ConfigError(f"{path} is there already; --force replaces it")


def _authority(files: "PairFiles") -> "Pair":
    """The authority that is there, or a new one. It is never replaced: every client trusts it."""
    from logboom.ops import certificates

    if files.certificate.exists() or files.key.exists():
        return certificates.read_pair(files)
    pair = certificates.make_ca()
    certificates.write_pair(files, pair)
    say(f"✅ {files.certificate} and {files.key}: a new authority")
    return pair


def _explain_server(ca: "PairFiles", server: "PairFiles", hosts: list[str]) -> None:
    certificate, key = server.certificate.absolute(), server.key.absolute()
    answer_lines(
        "\n# In the configuration, for each listener that shall speak TLS:\n"
        "[listeners.collector]\n"
        f'tls_cert = "{certificate}"\n'
        f'tls_key = "{key}"\n\n'
        "# A client:\n"
        f"logboom send app.log --to tcps://{hosts[0] if hosts else 'localhost'}:9000 --as collector "
        f"--ca {ca.certificate}"
    )


def _explain_clients(ca: "PairFiles", client: "PairFiles", hosts: list[str]) -> None:
    answer_lines(
        "\n# In the configuration, so that only clients with a certificate of this authority may connect:\n"
        f'tls_client_ca = "{ca.certificate.absolute()}"\n\n'
        "# Such a client:\n"
        f"logboom send app.log --to tcps://{hosts[0] if hosts else 'localhost'}:9000 --as collector "
        f"--ca {ca.certificate} --client-cert {client.certificate} --client-key {client.key}"
    )
