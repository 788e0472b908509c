"""Options that several commands share, and how they become settings."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from logboom.cli import completion
from logboom.cli.speaking import say
from logboom.config import LOCAL_FILE, PROFILES, load, local_file, set_path
from logboom.errors import ConfigError
from logboom.settings import Table

if TYPE_CHECKING:
    from logboom.web.query import QueryError

DATA_DIR_DEFAULT: Final = "logboom-data"
DATA_DIR_VARIABLE: Final = "LOGBOOM_DATA_DIR"
URL_DEFAULT: Final = "http://127.0.0.1:8080"

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="Read settings from this TOML file.",
        show_default=f"./{LOCAL_FILE} where it is, and only its owner can write it",
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"A ready configuration, most as a drop-in for a source system: {', '.join(PROFILES)}.",
        autocompletion=completion.profiles,
    ),
]
DataDir = Annotated[
    str | None, typer.Option(metavar="DIR", help=f"Folder of the journal. [default: ./{DATA_DIR_DEFAULT}]")
]
Listen = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=HOST:PORT", help="Bind a listener elsewhere; may be given several times."),
]
Only = Annotated[str | None, typer.Option(metavar="NAME,…", help="Start only these listeners.")]
With = Annotated[
    str | None,
    typer.Option(
        "--with",
        metavar="NAME,…|all",
        help="Also open these receivers on their standard ports, TCP and UDP, on 127.0.0.1 or --host.",
        autocompletion=completion.receivers,
    ),
]
LogFile = Annotated[
    str | None, typer.Option(metavar="FILE", help="Also append each entry to this file, as JSON lines.")
]
LogFormat = Annotated[str | None, typer.Option(metavar="text|json", help="How the server's own log looks.")]
Host = Annotated[
    str | None, typer.Option(metavar="HOST", help="Bind the profile's listeners to this address.")
]
PortNumber = Annotated[
    int | None, typer.Option("--port", metavar="PORT", help="Bind the profile's listener to this port.")
]
Name = Annotated[
    str | None, typer.Option(metavar="NAME", help="Stands before each line of the server's own log.")
]
GrpcPort = Annotated[
    int | None,
    typer.Option("--grpc_port", "--grpc-port", metavar="PORT", help="Profile ordered: the port of gRPC."),
]
HostWord = Annotated[
    str | None, typer.Argument(metavar="HOST", help="The same as --host.", show_default=False)
]
PortWord = Annotated[
    int | None, typer.Argument(metavar="PORT", help="The same as --port.", show_default=False)
]
RedisUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Also keep recent entries in this Redis: redis://… or https://…"),
]
RedisToken = Annotated[
    str | None,
    typer.Option(metavar="TOKEN", help="Of an https:// Redis; or set LOGBOOM_OUTPUTS__REDIS__TOKEN."),
]
Insecure = Annotated[
    bool,
    typer.Option("--insecure", help="Let http be open to the network without a token, where you trust it."),
]
TcpOnly = Annotated[bool, typer.Option("--tcp_only", "--tcp-only", help="Profile ordered: leave gRPC out.")]

# What is read: entries of a journal, of a server, of Redis.
ReadDataDir = Annotated[
    str | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="The data directory.",
        show_default=f"that of --config or {DATA_DIR_VARIABLE}, else {DATA_DIR_DEFAULT}",
    ),
]
ReadRedis = Annotated[
    str | None,
    typer.Option("--redis", metavar="URL", help="Read from Redis: redis://, rediss://, unix:// or https://."),
]
ReadRedisToken = Annotated[
    str | None,
    typer.Option(metavar="TOKEN", envvar="LOGBOOM_REDIS_TOKEN", help="For https:// of the hosted service."),
]
Level = Annotated[
    str | None,
    typer.Option(metavar="LEVEL", help="Only this level and above.", autocompletion=completion.levels),
]
Source = Annotated[str | None, typer.Option(metavar="NAME", help="Only this sender: its name or address.")]
Listener = Annotated[str | None, typer.Option(metavar="NAME", help="Only what came over this listener.")]
QUERY_HELP: Final = (
    "Only entries that match: words, part*, field:value, level:>=warning, -not, a or b; see "
    "docs/how-to/query-language.md. Put it in single quotes."
)
Query = Annotated[list[str] | None, typer.Argument(metavar="[QUERY]...", help=QUERY_HELP)]
GREP: Final = "The query as an option; with both, entries must match both."
Grep = Annotated[
    str | None,
    typer.Option("--grep", metavar="QUERY", help=GREP),
]
Url = Annotated[str, typer.Option(metavar="URL", help="The server: http://HOST:PORT.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]

# How lines are sent.
As = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="PROTOCOL",
        help="Protocol to send with, such as ws or collector; needed where the URL's scheme does not show it.",
        autocompletion=completion.protocols,
    ),
]
Window = Annotated[int, typer.Option(min=1, help="Lines sent before their answers are awaited.")]
MaxWait = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="How long one line may wait for a rate limit.")
]
MAX_RECONNECTS: Final = "Tries to connect again, with growing pauses; 0: forever."


def settings_file(config: Path | None, warn: Callable[[str], object]) -> Path | None:
    """The file that settings are read from: the one that was named, else the working directory's own.

    Args:
        config: the file that was named.
        warn: called with the reason when a file that is there is not read.
    """
    if config is not None:
        return config
    found, refused = local_file()
    if refused:
        warn(refused)
    return found


def warn(text: str) -> None:
    """Write a warning to standard error."""
    say(f"⚠️ {text}")


def flag_table(
    *,
    data_dir: str | None = None,
    listen: list[str] | None = None,
    only: str | None = None,
    log_file: str | None = None,
    log_format: str | None = None,
    name: str | None = None,
    redis_url: str | None = None,
    redis_token: str | None = None,
) -> Table:
    """The flags, shaped like the TOML file. Raises `ConfigError`."""
    table: Table = {}
    for key, value in (("data_dir", data_dir), ("log_format", log_format), ("name", name)):
        if value is not None:
            table[key] = value
    if only is not None:
        table["only"] = [name.strip() for name in only.split(",") if name.strip()]
    for text in listen or []:
        name, host, port = parse_listen(text)
        set_path(table, ["listeners", name], {"host": host, "port": port})
    if log_file is not None:
        set_path(table, ["outputs", "log_file"], {"type": "jsonl", "path": log_file})
    redis = {key: value for key, value in (("url", redis_url), ("token", redis_token)) if value is not None}
    if redis:
        set_path(table, ["outputs", "redis"], {"type": "redis", **redis})
    return table


def data_dir_of(data_dir: str | None, config: Path | None) -> Path:
    """The data directory that a command means, as the server would find it. Raises `ConfigError`.

    Args:
        data_dir: of `--data-dir`.
        config: of `--config`.
    """
    if data_dir is None:
        file = settings_file(config, warn)
        if file is not None:
            return Path(load(file=file).data_dir)
    return Path(data_dir or os.environ.get(DATA_DIR_VARIABLE) or DATA_DIR_DEFAULT)


def data_dir_is_named(data_dir: str | None, config: Path | None) -> bool:
    """Return true if an option or the environment names a data directory; else the default one is meant."""
    return bool(data_dir or config or os.environ.get(DATA_DIR_VARIABLE))


def parse_listen(text: str) -> tuple[str, str, int]:
    """`NAME=HOST:PORT` in parts; an IPv6 host stands in brackets. Raises `ConfigError`."""
    name, equals, address = text.partition("=")
    host, colon, port = address.rpartition(":")
    if not equals or not colon or not port.isdecimal():
        raise ConfigError(f"--listen: found {text!r}, expected NAME=HOST:PORT such as device=0.0.0.0:5000")
    return name, host.removeprefix("[").removesuffix("]") or "*", int(port)


def option_error(error: "QueryError") -> typer.BadParameter:
    """A wrong parameter of the API, by the name that the command line has for it."""
    return typer.BadParameter(f"--{'grep' if error.name == 'q' else error.name}: {error.text}")


def query_of(words: list[str] | None, grep: str | None) -> str | None:
    """The query of a command line, as the API takes it; a wrong one ends the command, with a mark at the place."""
    from logboom.query.filter.filter_error import FilterError
    from logboom.query.filter.parser import parse

    queries = [text for text in (" ".join(words or ()), grep or "") if text.strip()]
    for text in queries:
        try:
            parse(text)
        except FilterError as error:
            shown = "\n".join(f"  {line}" for line in error.pointed().split("\n"))
            raise typer.BadParameter(f"the query, {error}\n\n{shown}") from None
    return queries[0] if len(queries) == 1 else " ".join(f"({text})" for text in queries) or None


def fields_option(default: str) -> Any:
    """Make the option that names fields.

    Args:
        default: shown in the help.
    """
    return typer.Option(
        "--fields",
        "--columns",
        metavar="NAME,…",
        help="Only these: sequence, received_at, time, source, sender, listener, level, message, entry, "
        "or fields of the entries such as temp or system.heap_free.",
        show_default=default,
    )


def fields_of(text: str | None) -> tuple[str, ...]:
    """The names of `fields_option`; wrong ones end the command."""
    from logboom.query import exporter

    try:
        return exporter.fields_of(text or "")
    except ValueError as error:
        raise typer.BadParameter(f"--fields: {error}") from None
