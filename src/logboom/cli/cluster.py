"""`logboom cluster`: create, look at and try out the servers that replicate entries."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from logboom.cli import options
from logboom.cli.speaking import answer, say
from logboom.config import load
from logboom.errors import ConfigError
from logboom.extras import require

if TYPE_CHECKING:
    from logboom.cluster.cluster_settings import ClusterSettings
    from logboom.cluster.inspection import ClusterState
    from logboom.settings import Settings

app = typer.Typer(
    name="cluster",
    help="Servers that replicate entries, so that an answered entry survives the loss of a machine.",
    no_args_is_help=True,
)


@app.command("init")
def init(
    *,
    replicas: Annotated[int, typer.Option(min=1, max=5, help="Servers with the whole stream.")] = 3,
    bytes_max: Annotated[
        int,
        typer.Option(min=0, help="Size at which the oldest entries leave the stream, bytes. 0: no limit."),
    ] = 0,
    config: options.ConfigFile = None,
    profile: options.Profile = None,
) -> None:
    """Create the stream of the table `[cluster]` on its servers. Done before, it changes nothing.

    Examples:
      logboom cluster init --config logboom.toml

      logboom cluster init --bytes-max 500000000000

    Exit codes: 0 it is there, 1 it can't be created or has unsafe settings, 2 wrong command line.
    """
    from logboom.cluster.stream import create_stream

    _, settings = _settings(config, profile)
    made = asyncio.run(create_stream(settings, replicas, bytes_max))
    answer(f"stream {settings.stream}: {'created' if made else 'is there already'}")


@app.command("status")
def status(*, config: options.ConfigFile = None, profile: options.Profile = None) -> None:
    """Show the servers, the replicas of the stream, how far each Logboom has forwarded, and which one writes an output.

    Example:
      logboom cluster status --config logboom.toml

    Exit codes: 0 all is in order, 1 something is not, 2 wrong command line.
    """
    import sys

    from logboom.cluster.inspection import inspect
    from logboom.cluster.leases import holdings
    from logboom.cluster.stream import fronts
    from logboom.viewer.tables import write_table

    _, settings = _settings(config, profile)
    state = asyncio.run(inspect(settings))
    rows = [(one.url, one.name, one.version, one.unsafe or one.trouble or "in order") for one in state.nodes]
    if rows:
        write_table(sys.stdout, ("SERVER", "NAME", "VERSION", "STATE"), rows)
    _print_stream(settings, state)
    if state.last:
        found = asyncio.run(fronts(settings))
        write_table(
            sys.stdout,
            ("JOURNAL", "MESSAGES", "FORWARDED UP TO"),
            [(one.journal, f"{one.messages:,}", f"{one.position:,}") for one in found],
        )
        if leases := asyncio.run(holdings(settings)):
            write_table(
                sys.stdout,
                ("OUTPUT", "WRITTEN BY", "UP TO"),
                [
                    (name, one.server if one.holder else "none", f"{one.position:,}")
                    for name, one in leases.items()
                ],
            )
    for text in (*state.unsafe, *state.troubles):
        say(f"❌ {text}")
    raise typer.Exit(1 if state.unsafe or state.troubles else 0)


def _print_stream(settings: "ClusterSettings", state: "ClusterState") -> None:
    if not (state.leader or state.replicas or state.last):
        return
    answer(
        f"stream {settings.stream}: {state.messages:,} messages, {state.bytes:,} bytes, "
        f"from {state.first:,} to {state.last:,}; leader {state.leader or 'none'}"
    )
    for name, current, lag in state.replicas:
        answer(f"  replica {name}: {'up to date' if current else f'{lag:,} operations behind'}")


@app.command("verify")
def verify(
    *,
    config: options.ConfigFile = None,
    profile: options.Profile = None,
    data_dir: options.DataDir = None,
) -> None:
    """Compare the copy in the data directory with the stream, line by line.

    The server may be running. Two copies are the same if their commands print the same digest for the same range.

    Example:
      logboom cluster verify --config logboom.toml

    Exit codes: 0 the same, 1 different or not comparable, 2 wrong command line.
    """
    from logboom.cluster.comparison import compare
    from logboom.cluster.copy_log import CopyLog
    from logboom.cluster.membership import COPY_FOLDER

    everything, settings = _settings(config, profile, data_dir)
    folder = Path(everything.data_dir, COPY_FOLDER)
    found = asyncio.run(compare(settings, folder, CopyLog(folder / "journal")))
    answer(f"sequences {found.first} to {found.end - 1}: SHA-256 {found.digest}")
    if not found.good:
        say(f"❌ the stream has other lines: SHA-256 {found.stream_digest}")
        raise typer.Exit(1)
    say("✅ the copy has the lines of the stream")


@app.command("demo")
def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the servers keep their data.")
    ] = Path("logboom-cluster"),
) -> None:
    """Run three NATS servers on this machine until Ctrl-C, for trying out. Not for use: they share one disk.

    It creates the stream, and writes a configuration for Logboom into FOLDER.

    Example:
      logboom cluster demo

    Exit codes: 0 ended by Ctrl-C, 1 a server can't be started or has ended.
    """
    import signal
    import time

    from logboom.cluster.cluster_settings import ClusterSettings
    from logboom.cluster.stream import create_stream
    from logboom.testing.nats_cluster import DemoCluster, write_config

    require("cluster", "logboom cluster demo")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the three servers would go on
    with DemoCluster(folder.absolute()) as cluster:
        cluster.wait_until_reachable()
        settings = ClusterSettings(urls=cluster.urls, monitor_urls=cluster.monitor_urls)
        cluster.wait_for_leader(lambda: asyncio.run(create_stream(settings, 3, 0)))
        path = write_config(folder, settings)
        say(f"✅ three servers run: {', '.join(cluster.urls)}")
        say(f"💬 start Logboom in another terminal: logboom serve --config {path}")
        try:
            while True:
                cluster.check()
                time.sleep(0.5)
        except KeyboardInterrupt:
            say("💬 stopping the three servers")


def _settings(
    config: Path | None, profile: str | None, data_dir: str | None = None
) -> "tuple[Settings, ClusterSettings]":
    """Load the settings. Raises `ConfigError` without a table `[cluster]`."""
    from logboom.cluster.cluster_settings import cluster_settings

    require("cluster", "logboom cluster")
    file = options.settings_file(config, options.warn)
    everything = load(profile=profile, file=file, flags=options.flag_table(data_dir=data_dir))
    settings = cluster_settings(everything.cluster)
    if settings is None:
        raise ConfigError(
            "cluster.urls: missing; name the servers of the NATS cluster in the table [cluster]"
        )
    return everything, settings
