"""`logboom health`."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from logboom.cli import options, trust
from logboom.cli.speaking import answer, answer_json, say

if TYPE_CHECKING:
    from logboom.clients.tls import Trust

TIMEOUT_S: Final = 5.0
"""A server that answers later than this is not well, whatever the answer is."""

DEFAULT_URL: Final = "http://127.0.0.1:8080"
DATA_DIR_VARIABLE: Final = "LOGBOOM_DATA_DIR"

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
    ca: trust.Ca = None,
    client_cert: trust.ClientCert = None,
    client_key: trust.ClientKey = None,
    skip_verify: trust.SkipVerify = False,
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
            given = trust.trust_of(ca, client_cert, client_key, skip_verify=skip_verify)
            document = _ask_url(url or DEFAULT_URL, given)
        except ConfigError as error:
            raise typer.BadParameter(str(error)) from None
    status = document.get("status", "error")
    if as_json:
        answer_json(document, indent=2)
    else:
        for line in _summary(document):
            answer(line)
    if status == "error" or (strict and status != "ok"):
        raise typer.Exit(1)


def _ask_directly(config: options.ConfigFile, data_dir: str | None) -> dict[str, Any] | None:
    """The document of the server of the data directory; None when there is no such directory and none was named."""
    import os
    from pathlib import Path

    from logboom.config import load
    from logboom.ops.health_socket import NAME, ask

    file = options.settings_file(config, options.warn)
    folder = Path(load(file=file, flags=options.flag_table(data_dir=data_dir)).data_dir)
    try:
        return _document_of(ask(folder, TIMEOUT_S))
    except (FileNotFoundError, NotADirectoryError):
        named = data_dir is not None or config is not None or DATA_DIR_VARIABLE in os.environ
        if not named and not folder.exists():
            return None
        say(f"❌ no server runs in {folder}; --data-dir or --url names another")
        raise typer.Exit(1) from None
    except OSError as error:
        raise _no_answer(str(folder / NAME), error.strerror or error) from None


def _ask_url(url: str, given: "Trust") -> dict[str, Any]:
    """The document of an http listener. Raises `ConfigError` when the TLS options are wrong."""
    import urllib.error
    import urllib.request

    from logboom.clients.bearer import take_token
    from logboom.clients.tls import explain_connecting, trust_for

    url, given = take_token(url, given)  # which is not needed here
    trusted = trust_for(given, url)
    context = trusted.context() if url.lower().startswith("https://") else None
    try:
        address = f"{url.rstrip('/')}/api/health"
        with urllib.request.urlopen(address, timeout=TIMEOUT_S, context=context) as answer:  # noqa: S310 - the user's own address
            return _document_of(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return _document_of(error.read())
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise _no_answer(url, explain_connecting(reason) if isinstance(reason, OSError) else reason) from None


def _no_answer(where: str, why: object) -> typer.Exit:
    say(f"❌ no answer from {where}: {why}")
    return typer.Exit(1)


def _document_of(body: bytes) -> dict[str, Any]:
    """What was answered, well or not; anything else is an error."""
    import json

    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if isinstance(document, dict) and "status" in document:
        return document
    return {"status": "error", "errors": [f"the answer is no health document: {body[:80]!r}"]}


def _summary(document: dict[str, Any]) -> list[str]:
    lines = [str(document.get("status", "error"))]
    for key in ("errors", "warnings"):
        found = document.get(key)
        lines += [f"- {text}" for text in found] if isinstance(found, list) else []
    return lines
