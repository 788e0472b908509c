"""`logboom health`."""

from typing import Annotated, Final

import typer

from logboom.cli import trust

TIMEOUT_S: Final = 5.0
"""A server that answers later than this is not well, whatever the answer is."""

Url = Annotated[
    str,
    typer.Option(metavar="URL", help="Where the server's http listener is."),
]
Strict = Annotated[bool, typer.Option("--strict", help="A warning counts as a failure, too.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the server's own document.")]


def health(
    *,
    url: Url = "http://127.0.0.1:8080",
    strict: Strict = False,
    as_json: AsJson = False,
    ca: trust.Ca = None,
    client_cert: trust.ClientCert = None,
    client_key: trust.ClientKey = None,
    skip_verify: trust.SkipVerify = False,
) -> None:
    """Ask a running server how it is.

    Made for container health checks: a warning, such as sensors that are silent, is no reason to restart a server.

    Examples:
      logboom health

      logboom health --url http://127.0.0.1:5000 --strict

    Exit codes: 0 well (or a warning), 1 an error or no answer, 2 wrong usage.
    """
    import json
    import urllib.error
    import urllib.request

    from logboom.clients.bearer import take_token
    from logboom.clients.tls import explain_connecting, trust_for
    from logboom.errors import ConfigError

    try:
        given = trust.trust_of(ca, client_cert, client_key, skip_verify=skip_verify)
        url, given = take_token(url, given)  # which is not needed here
        trusted = trust_for(given, url)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None
    context = trusted.context() if url.lower().startswith("https://") else None
    try:
        address = f"{url.rstrip('/')}/api/health"
        with urllib.request.urlopen(address, timeout=TIMEOUT_S, context=context) as answer:  # noqa: S310 - the user's own address
            document = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            document = _document_of(error.read())
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        text = explain_connecting(reason) if isinstance(reason, OSError) else reason
        typer.echo(f"❌ no answer from {url}: {text}", err=True)
        raise typer.Exit(1) from None
    status = document.get("status", "error")
    typer.echo(json.dumps(document, indent=2) if as_json else _summary(document))
    if status == "error" or (strict and status != "ok"):
        raise typer.Exit(1)


def _document_of(body: bytes) -> dict[str, object]:
    """The document of a 503; anything else that is no 200 is an error."""
    import json

    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if isinstance(document, dict) and "status" in document:
        return document
    return {"status": "error", "errors": [f"the answer is no health document: {body[:80]!r}"]}


def _summary(document: dict[str, object]) -> str:
    lines = [str(document.get("status", "error"))]
    for key in ("errors", "warnings"):
        found = document.get(key)
        lines += [f"- {text}" for text in found] if isinstance(found, list) else []
    return "\n".join(lines)
