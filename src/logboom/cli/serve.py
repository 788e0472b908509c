"""`logboom serve`."""

from collections.abc import Callable, Iterable
from typing import Final

from logboom.cli import options
from logboom.config import load, set_path
from logboom.durable import keep_private
from logboom.errors import ConfigError
from logboom.extras import advice, is_missing
from logboom.receivers.base import ReceiverType, Transport
from logboom.receivers.registry import NAMES, receiver
from logboom.settings import ListenerSettings, Settings, Table

_GRPC: Final = "grpc"


def serve(
    host_word: options.HostWord = None,
    port_word: options.PortWord = None,
    *,
    config: options.ConfigFile = None,
    profile: options.Profile = None,
    data_dir: options.DataDir = None,
    listen: options.Listen = None,
    only: options.Only = None,
    with_: options.With = None,
    host: options.Host = None,
    port: options.PortNumber = None,
    log_file: options.LogFile = None,
    log_format: options.LogFormat = None,
    name: options.Name = None,
    grpc_port: options.GrpcPort = None,
    tcp_only: options.TcpOnly = False,
    redis_url: options.RedisUrl = None,
    redis_token: options.RedisToken = None,
    insecure: options.Insecure = False,
) -> None:
    """Start the server.

    With nothing given: the settings of ./logboom.toml where there is one, else every listener on its usual port, and
    the journal in ./logboom-data. The address of the page is printed at the start.

    Examples:
      logboom serve

      logboom serve --only device --listen device=127.0.0.1:5001 --log-file all.jsonl

      logboom serve --with loki,otlp

      logboom serve --profile collector

      logboom serve --profile ordered --name MyLogServer --port 9020 --grpc_port 9021

      logboom serve --profile live 0.0.0.0 9000 --insecure --redis-url redis://127.0.0.1:6379

    SIGTERM and Ctrl-C answer what is in flight, then stop. SIGHUP reads the configuration again.

    Exit codes: 0 stopped as asked, 1 could not start, 2 wrong command line.
    """
    flags = options.flag_table(
        data_dir=data_dir,
        listen=listen,
        only=only,
        log_file=log_file,
        log_format=log_format,
        name=name,
        redis_url=redis_url,
        redis_token=redis_token,
    )
    if insecure:
        flags["insecure"] = True
    host, port = host or host_word, port_word if port is None else port
    warnings: list[str] = []
    file = options.settings_file(config, warnings.append)
    if profile is not None or port is not None or not with_:
        _add_address(flags, profile, host, port)
    _add_grpc(flags, profile, grpc_port, tcp_only=tcp_only)
    if with_:
        warnings += _add_receivers(flags, load(profile=profile, file=file), with_, host)

    def load_settings() -> Settings:
        return load(profile=profile, file=file, flags=flags)

    notes = [("warning", text) for text in warnings]
    if file is not None:
        notes.append(("info", f"settings from {file.absolute()}"))
    run_server(load_settings, notes)


def _add_address(flags: Table, profile: str | None, host: str | None, port: int | None) -> None:
    """`--host` and `--port`, as the source systems' own servers have them: the port is the first listener's."""
    if host is None and port is None:
        return
    if profile is None:
        raise ConfigError("--host and --port belong to a --profile; without one, use --listen NAME=HOST:PORT")
    settings = load(profile=profile, environment={})
    names = settings.only
    if host is not None:
        for name in names:  # the page, where it is an extra, stays where it is: an open one needs a token
            listener = settings.listeners[name]
            if name == names[0] or getattr(listener, "health_open", False) or not listener.serves_entries:
                set_path(flags, ["listeners", name, "host"], host)
    if port is not None:
        set_path(flags, ["listeners", names[0], "port"], port)


def _add_receivers(flags: Table, settings: Settings, names: str, host: str | None) -> list[str]:
    """`--with`: add listeners on standard ports to those that there are; returns what to warn of.

    Raises:
        ConfigError: no receiver has such a name.
    """
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in chosen if name not in ("all", *NAMES)]:
        raise ConfigError(
            f"--with: found {unknown[0]!r}, expected all, or some of {', '.join(sorted(NAMES))}"
        )
    kinds = [receiver(name) for name in (NAMES if "all" in chosen else chosen)]
    if "all" in chosen:  # one that connects outwards has no standard address
        kinds = [kind for kind in kinds if issubclass(kind.settings, ListenerSettings)]
    missing = [kind.name for kind in kinds if "all" in chosen and kind.extra and is_missing(kind.extra)]
    running = flags.get("only") or settings.only
    added = []
    for kind in kinds:
        for name, table in _tables_of(kind) if kind.name not in missing else ():
            added.append(name)
            if name not in settings.listeners:
                given = flags.setdefault("listeners", {}).get(name, {})  # of --listen
                flags["listeners"][name] = {**table, "host": host or "127.0.0.1", **given}
    if running:
        flags["only"] = list(dict.fromkeys((*running, *added)))
    return [f"--with: {name} is left out: {advice(receiver(name).extra)}" for name in missing]


def _tables_of(kind: ReceiverType) -> list[tuple[str, Table]]:
    """Return names and settings of the listeners of a receiver: that for datagrams is one of its own."""
    tables: list[tuple[str, Table]] = [(kind.name, {})]
    if kind.transport() is not Transport.UDP and Transport.UDP in kind.transports:
        tables.append((f"{kind.name}-udp", {"protocol": kind.name, "transport": "udp"}))
    return tables


def _add_grpc(flags: Table, profile: str | None, grpc_port: int | None, *, tcp_only: bool) -> None:
    """`--grpc_port` and `--tcp_only`, as the ordered log server has them."""
    if grpc_port is None and not tcp_only:
        return
    names = load(profile=profile, environment={}).only
    if _GRPC not in names:
        raise ConfigError(
            "--grpc_port and --tcp_only belong to --profile ordered; elsewhere, use --listen grpc=HOST:PORT and --only"
        )
    if grpc_port is not None:
        set_path(flags, ["listeners", _GRPC, "port"], grpc_port)
    if tcp_only:
        flags["only"] = [name for name in flags.get("only", names) if name != _GRPC]


def run_server(load_settings: Callable[[], Settings], notes: Iterable[tuple[str, str]] = ()) -> None:
    """Run the server in this process until it is stopped.

    Args:
        load_settings: called at the start and for each reload.
        notes: first lines of the operational log, each with its kind.
    """
    import asyncio
    import sys

    from logboom import app, server_process
    from logboom.cli.event_loop import loop_factory
    from logboom.ops.heap import share_heap
    from logboom.ops.oplog import OperationalLog
    from logboom.pipeline.open_files import raise_limit

    settings = load_settings()
    raise_limit()  # the event loop opens files, too
    keep_private()
    share_heap()
    sys.setswitchinterval(
        0.0005
    )  # the writer's thread needs the interpreter for microseconds: let it in soon
    if settings.confine:  # before there are threads: they would keep their power
        _confine(settings)
    log = OperationalLog(name=settings.name, json_lines=settings.log_format == "json")

    for kind, text in notes:
        log.event(kind, text)
    if settings.confine:
        log.event("info", "confined: writes go to the data directory and the outputs' folders only")

    async def main() -> None:
        await server_process.serve(app.App(settings, log), load_settings)

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())


def _confine(settings: Settings) -> None:
    """Give up what the server does not need. Raises `ConfigError`."""
    import os
    from pathlib import Path

    from logboom.ops.confine import confine
    from logboom.outputs.registry import output_folders

    data_dir = Path(settings.data_dir)
    os.environ["TMPDIR"] = os.environ["SQLITE_TMPDIR"] = str(data_dir.absolute())
    confine([data_dir, *output_folders(settings.outputs)])
