"""Every command and where it is. Only the one that is asked for is imported: others would double its start."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from logboom.cli import completion
from logboom.cli.help_text import HelpCommand, HelpGroup, help_of
from logboom.cli.speaking import prepare_streams, say
from logboom.cli.words import with_checked_words
from logboom.errors import LogboomError


class CommandPlace(NamedTuple):
    """The module and function of a command."""

    module: str
    """In `logboom.cli`."""
    function: str = ""
    """Empty: the module is a group, and has an `app`."""
    takes_options: bool = True
    """False: options behind the first argument are the argument's own."""
    hidden: bool = False


COMMANDS: Final = {
    "serve": CommandPlace("serve", "serve"),
    "send": CommandPlace("send", "send"),
    "run": CommandPlace("run", "run", takes_options=False),
    "import": CommandPlace("import_files", "import_files"),
    "tail": CommandPlace("tail", "tail"),
    "logs": CommandPlace("logs", "logs"),
    "export": CommandPlace("export", "export"),
    "sql": CommandPlace("sql", "sql"),
    "stats": CommandPlace("stats", "stats"),
    "fields": CommandPlace("fields", "fields"),
    "patterns": CommandPlace("patterns", "patterns"),
    "devices": CommandPlace("devices", "devices"),
    "refused": CommandPlace("refused", "refused"),
    "simulate": CommandPlace("simulate"),
    "health": CommandPlace("health", "health"),
    "verify": CommandPlace("verify", "verify"),
    "prove": CommandPlace("prove", "prove"),
    "config": CommandPlace("config"),
    "alerts": CommandPlace("alerts"),
    "token": CommandPlace("token"),
    "cat": CommandPlace("archive", "cat"),
    "storage": CommandPlace("archive", "storage"),
    "pack": CommandPlace("archive", "pack"),
    "unpack": CommandPlace("archive", "unpack"),
    "restore": CommandPlace("restore", "restore"),
    "cluster": CommandPlace("cluster"),
    "cert": CommandPlace("cert", "cert"),
    "completion": CommandPlace("completion", "completion"),
    "docs": CommandPlace("docs", "docs", hidden=True),
}
"""In the order of the help."""


def _print_version(wanted: bool) -> None:
    if wanted:
        import logboom

        typer.echo(f"logboom {logboom.__version__}")
        raise typer.Exit


def _options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def make_app(only: str = "") -> typer.Typer:
    """The command line with one command, or with all of them when there is none of that name."""
    made = typer.Typer(
        name="logboom",
        cls=HelpGroup,
        help="One log-collection server: it answers only when an entry is safe on disk.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_options)
    for name, place in COMMANDS.items():
        if only not in COMMANDS or name == only:
            _add(made, name, place)
    _finish(made)
    return made


def _add(app: typer.Typer, name: str, place: CommandPlace) -> None:
    module = import_module(f"logboom.cli.{place.module}")
    if place.function:
        command = getattr(module, place.function)
        settings = {} if place.takes_options else {"allow_interspersed_args": False}
        app.command(name, context_settings=settings, hidden=place.hidden)(command)
    else:
        app.add_typer(module.app, name=name)


def _finish(group: typer.Typer) -> None:
    """Give every command its help, and the check of its words."""
    for command in group.registered_commands:
        if command.callback is not None:
            command.cls = HelpCommand
            command.help = help_of(command.callback.__doc__ or "")
            command.callback = with_checked_words(command.callback)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            inner.typer_instance.info.cls = HelpGroup
            _finish(inner.typer_instance)


def run(words: list[str]) -> None:
    """Run the command line. Errors of ours end with one line and exit code 1."""
    prepare_streams()
    completion.answer_shell()
    try:
        make_app(words[0] if words else "")(prog_name=completion.PROGRAM)
    except LogboomError as error:
        say(f"❌ {error}")
        sys.exit(1)


if TYPE_CHECKING:
    app: typer.Typer
    """All of it, made when it is asked for first."""


def __getattr__(name: str) -> object:
    if name != "app":
        raise AttributeError(f"module 'logboom.cli.commands' has no attribute {name!r}")
    made = globals()["app"] = make_app()
    return made
