"""`logboom health`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from logboom.cli import connection_options, options
from logboom.cli.health_report import TIMEOUT_S, document_of, report
from logboom.cli.speaking import say

if TYPE_CHECKING:
    from logboom.clients.wire.tls_trust import Trust

Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Ask an http listener. Without it, the server of the data directory is asked directly.",
        show_default=False,
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="A warning counts as a failure, too.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the server's own document.")]


def health(
    *,
    url: Url = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    strict: Strict = False,
    as_json: AsJson = False,
    ca: connection_options.Ca = None,
    client_cert: connection_options.ClientCert = None,
    client_key: connection_options.ClientKey = None,
    skip_verify: connection_options.SkipVerify = False,
) -> None:
    """Ask a running server how it is.

    Made for container health checks: a warning, such as sensors that are silent, is no reason to restart a server.

    The server is found by its data directory, whatever it listens on: that of --data-dir, --config or
    LOGBOOM_DATA_DIR, else ./logboom-data. Where none is named and there is no ./logboom-data,
    http://127.0.0.1:8080 is asked.

    Examples:
      logboom health

      logboom health --config /etc/logboom/logboom.toml

      logboom health --url http://127.0.0.1:5000 --strict

    Exit codes: 0 well (or a warning), 1 an error or no answer, 2 wrong usage.
    """
    from logboom.errors import ConfigError

    document = None
    if url is None:
        document = _ask_directly(config, data_dir)
    if document is None:
        try:
            given = connection_options.trust_of(ca, client_cert, client_key, skip_verify=skip_verify)
            document = _ask_url(url or options.URL_DEFAULT, given)
        except ConfigError as error:
            raise typer.BadParameter(str(error)) from None
    raise typer.Exit(report(document, as_json=as_json, strict=strict))


def _ask_directly(config: options.ConfigFile, data_dir: str | None) -> dict[str, Any] | None:
    """The document of the server of the data directory; None when there is no such directory and none was named."""
    from logboom.ops.health_client import NAME, ask

    folder = options.data_dir_of(data_dir, config)
    try:
        return document_of(ask(str(folder), TIMEOUT_S))
    except (FileNotFoundError, NotADirectoryError):
        if not options.data_dir_is_named(data_dir, config) and not folder.exists():
            return None
        say(f"❌ no server runs in {folder}; --data-dir or --url names another")
        raise typer.Exit(1) from None
    except OSError as error:
        raise _no_answer(str(folder / NAME), error.strerror or error) from None


def _ask_url(url: str, given: "Trust") -> dict[str, Any]:
    """The document of an http listener. Raises `ConfigError` when the TLS options are wrong."""
    import urllib.error
    import urllib.request

    from logboom.clients.wire.bearer import take_token
    from logboom.clients.wire.tls_stream import explain_connecting
    from logboom.clients.wire.tls_trust import trust_for

    url, given = take_token(url, given)  # which is not needed here
    trusted = trust_for(given, url)
    context = trusted.context() if url.lower().startswith("https://") else None
    try:
        address = f"{url.rstrip('/')}/api/health"
        with urllib.request.urlopen(address, timeout=TIMEOUT_S, context=context) as answer:  # noqa: S310 - the user's own address
            return document_of(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return document_of(error.read())
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise _no_answer(url, explain_connecting(reason) if isinstance(reason, OSError) else reason) from None


def _no_answer(where: str, why: object) -> typer.Exit:
    say(f"❌ no answer from {where}: {why}")
    return typer.Exit(1)
