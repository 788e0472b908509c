"""`logboom serve`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from logboom.cli import options
from logboom.config import Settings, Table, load, set_path
from logboom.errors import ConfigError

if TYPE_CHECKING:
    import asyncio


def serve(
    *,
    config: options.ConfigFile = None,
    profile: options.Profile = None,
    data_dir: options.DataDir = None,
    listen: options.Listen = None,
    only: options.Only = None,
    host: options.Host = None,
    port: options.PortNumber = None,
    log_file: options.LogFile = None,
    log_format: options.LogFormat = None,
) -> None:
    """Start the server.

    With nothing given: every listener on its usual port, the journal in ./logboom-data.

    Examples:
      logboom serve

      logboom serve --only device --listen device=127.0.0.1:5001 --log-file all.jsonl

      logboom serve --profile collector

    SIGTERM and Ctrl-C answer what is in flight, then stop. SIGHUP reads the configuration again.

    Exit codes: 0 stopped as asked, 1 could not start, 2 wrong command line.
    """
    flags = options.flag_table(
        data_dir=data_dir, listen=listen, only=only, log_file=log_file, log_format=log_format
    )
    _add_address(flags, profile, host, port)

    def load_settings() -> Settings:
        return load(profile=profile, file=config, flags=flags)

    run_server(load_settings)


def _add_address(flags: Table, profile: str | None, host: str | None, port: int | None) -> None:
    """`--host` and `--port`, as the source systems' own servers have them."""
    if host is None and port is None:
        return
    if profile is None:
        raise ConfigError("--host and --port belong to a --profile; without one, use --listen NAME=HOST:PORT")
    name = load(profile=profile, environment={}).only[0]
    for key, value in (("host", host), ("port", port)):
        if value is not None:
            set_path(flags, ["listeners", name, key], value)


def run_server(load_settings: Callable[[], Settings]) -> None:
    """Run the server in this process until it is told to stop."""
    import asyncio
    import sys

    from logboom import app
    from logboom.ops.oplog import OperationalLog

    settings = load_settings()
    sys.setswitchinterval(
        0.0005
    )  # the writer's thread needs the interpreter for microseconds: let it in soon
    log = OperationalLog(json_lines=settings.log_format == "json")

    async def main() -> None:
        await app.serve(app.App(settings, log), load_settings)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main())


def _loop_factory() -> Callable[[], "asyncio.AbstractEventLoop"] | None:
    """Uvloop's loop; None where it does not exist: asyncio's own does the same, slower."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return None
    return new_event_loop
