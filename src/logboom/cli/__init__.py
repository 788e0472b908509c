"""The command line: one file a command or group of them. Heavy imports wait until a command runs."""

import sys
from typing import Annotated

import typer

from logboom.cli import (
    alerts,
    cert,
    completion,
    config,
    docs,
    export,
    health,
    logs,
    prove,
    run,
    send,
    serve,
    simulate,
    stats,
    tail,
    token,
    verify,
)
from logboom.cli.help_text import Command, Group, help_of
from logboom.cli.speaking import prepare_streams, say
from logboom.cli.words import with_checked_words
from logboom.errors import LogboomError

app = typer.Typer(
    name="logboom",
    cls=Group,
    help="One log-collection server: it answers only when an entry is safe on disk.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        import logboom

        typer.echo(f"logboom {logboom.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("serve")(serve.serve)
app.command("send")(send.send)
app.command("run", context_settings=run.SETTINGS)(run.run)
app.command("tail")(tail.tail)
app.command("logs")(logs.logs)
app.command("export")(export.export)
app.command("stats")(stats.stats)
app.add_typer(simulate.app, name="simulate")
app.command("health")(health.health)
app.command("verify")(verify.verify)
app.command("prove")(prove.prove)
app.add_typer(config.app, name="config")
app.add_typer(alerts.app, name="alerts")
app.add_typer(token.app, name="token")
app.command("cert")(cert.cert)
app.command("completion")(completion.completion)
app.command("docs", hidden=True)(docs.docs)


def _finish(group: typer.Typer) -> None:
    """Give every command its help, and the check of its words."""
    for command in group.registered_commands:
        if command.callback is not None:
            command.cls = Command
            command.help = help_of(command.callback.__doc__ or "")
            command.callback = with_checked_words(command.callback)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            inner.typer_instance.info.cls = Group
            _finish(inner.typer_instance)


_finish(app)


def main() -> None:
    """Entry point of the `logboom` command. Errors of ours end with one line and exit code 1."""
    prepare_streams()
    completion.answer_shell()
    try:
        app(prog_name=completion.PROGRAM)
    except LogboomError as error:
        say(f"❌ {error}")
        sys.exit(1)
