"""`logboom simulate`: senders to try a server with."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Final

import typer

from logboom.cli import options
from logboom.cli.connecting import EXIT_FAILED, EXIT_OK, choose_server
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.groups import grouped
from logboom.cli.speaking import say

if TYPE_CHECKING:
    from logboom.cli.connecting import Server
    from logboom.clients.delivery.report import Report
    from logboom.clients.simulate.simulation import Load

app = typer.Typer(
    help="Play a device, a sensor gateway or an application, to try a server.", no_args_is_help=True
)

_EXITS: Final = (
    "Exit codes: 0 everything was acknowledged (also after Ctrl-C), 1 something was not, 2 wrong usage."
)

_To = Annotated[str, typer.Option(metavar="URL", help="The server: tcp://HOST:PORT.")]
_Count = Annotated[int, typer.Option(min=0, help="Lines of each connection; 0: until Ctrl-C.")]
_Rate = Annotated[
    float, typer.Option(min=0, help="Lines per second of each connection; 0: as fast as the answers allow.")
]
_Connections = Annotated[int, typer.Option(min=1, help="Connections at once, each a sender of its own.")]
_Seed = Annotated[int | None, typer.Option(help="Makes the data, times included, the same in every run.")]


@app.command(epilog=_EXITS)
@grouped
def device(
    *,
    to: _To = "tcp://127.0.0.1:5000",
    count: _Count = 12,
    rate: _Rate = 5.0,
    connections: _Connections = 1,
    boot_seq: Annotated[
        int, typer.Option(min=0, help="Of the first device; each further one is one up.")
    ] = 1,
    heartbeat_interval: Annotated[
        float, typer.Option(min=0.001, metavar="SECONDS", help="Idle time after which a heartbeat is sent.")
    ] = 1.0,
    heartbeats: Annotated[int, typer.Option(min=0, help="Heartbeats after the last entry.")] = 3,
    ack_timeout: Annotated[
        float, typer.Option(min=0.001, metavar="SECONDS", help="Silence after which a line is sent again.")
    ] = 2.0,
    retries: Annotated[int, typer.Option(min=1, help="How often a line is sent before it is given up.")] = 3,
    backoff: Annotated[
        str, typer.Option(metavar="SECONDS,…", help="Pauses between tries to reconnect; then it gives up.")
    ] = "5,10,30",
    seed: _Seed = None,
    connection: ConnectionOptions,
) -> None:
    """Devices: boot, entries without time, NTP sync, entries with time, heartbeats when idle.

    One line at a time, each sent again until it is acknowledged, as the firmware does. Several devices have their
    serial in each line, as `device`, so that each is a source of its own.
    """
    from logboom.clients.delivery.delivery import Policy
    from logboom.clients.simulate.simulated_device import DeviceLife, simulate_devices

    policy = Policy(window=1, ack_timeout_s=ack_timeout, tries=retries, delays_s=_delays(backoff))
    life = DeviceLife(boot_seq=boot_seq, heartbeat_s=heartbeat_interval, heartbeats=heartbeats)

    def start(server: "Server", load: "Load", report: "Report") -> "Coroutine[object, object, object]":
        return simulate_devices(*server, load, life, policy=policy, report=report, say=say)

    _simulate("device", to, (count, rate, connections, seed), start, connection)


@app.command(epilog=_EXITS)
@grouped
def sensor(
    *,
    to: _To = "tcp://127.0.0.1:6000",
    count: _Count = 20,
    rate: _Rate = 10.0,
    connections: _Connections = 1,
    bare: Annotated[
        bool, typer.Option("--bare", help="Leave the newlines out, as some gateways do.")
    ] = False,
    window: options.Window = 256,
    seed: _Seed = None,
    connection: ConnectionOptions,
) -> None:
    """Sensor gateways: temperature, humidity and light that vary slowly. The server never answers."""
    from logboom.clients.delivery.delivery import Policy
    from logboom.clients.simulate.simulated_sensor import simulate_sensors

    def start(server: "Server", load: "Load", report: "Report") -> "Coroutine[object, object, object]":
        return simulate_sensors(*server, load, policy=Policy(window=window), report=report, bare=bare)

    _simulate("gateway", to, (count, rate, connections, seed), start, connection)


@app.command("app", epilog=_EXITS)
@grouped
def application(
    *,
    to: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The server.", show_default="the protocol's port on 127.0.0.1"),
    ] = None,
    as_: Annotated[
        str,
        typer.Option(
            "--as", metavar="PROTOCOL", help="collector, capnp, grpc, or any other that send knows."
        ),
    ] = "collector",
    count: _Count = 50,
    rate: _Rate = 0.0,
    connections: _Connections = 1,
    level: Annotated[
        str | None, typer.Option(help="The level of all lines.", show_default="a realistic mix")
    ] = None,
    max_wait: options.MaxWait = 0.0,
    window: options.Window = 100,
    seed: _Seed = None,
    connection: ConnectionOptions,
) -> None:
    """Applications that log; counts the replies, of protocols that have some."""
    from logboom.clients.delivery.delivery import Policy
    from logboom.clients.simulate.simulated_app import simulate_apps
    from logboom.clients.wire.dialect_registry import DIALECTS

    policy = Policy(window=window, wait_s_max=max_wait)

    def start(server: "Server", load: "Load", report: "Report") -> "Coroutine[object, object, object]":
        return simulate_apps(*server, load, policy=policy, report=report, level=level)

    if to is None and as_ in DIALECTS:
        to = f"{DIALECTS[as_].schemes[0]}://127.0.0.1:{DIALECTS[as_].port_default}"
    _simulate(as_, to or "", (count, rate, connections, seed), start, connection)


def _simulate(
    protocol: str,
    url: str,
    figures: tuple[int, float, int, int | None],
    start: Callable[["Server", "Load", "Report"], "Coroutine[object, object, object]"],
    connection: ConnectionOptions,
) -> None:
    """Run a simulation to its end or to Ctrl-C, print its summary, and exit with its code."""
    from logboom.cli.event_loop import run
    from logboom.clients.delivery.report import Report
    from logboom.clients.simulate.simulation import Load

    server = choose_server(protocol, url, connection)
    count, rate, connections, seed = figures
    load = Load(count=count, rate=rate, connections=connections, seed=seed)
    report = Report()
    try:
        run(start(server, load, report))
    except KeyboardInterrupt:  # what is still open then was not refused
        report.sent -= report.unresolved
    if report.stopped:
        say(f"❌ {report.stopped}")
    say(report.summary())
    raise typer.Exit(EXIT_OK if report.ok else EXIT_FAILED)


def _delays(text: str) -> tuple[float, ...]:
    """Read a list of seconds such as `5,10,30`."""
    try:
        delays = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        delays = (-1.0,)
    if not all(0 <= delay < float("inf") for delay in delays):
        raise typer.BadParameter(f"{text!r} is not a list of seconds such as 5,10,30")
    return delays
