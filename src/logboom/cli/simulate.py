"""`logboom simulate`: senders to try a server with."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Final

import typer

from logboom.cli import trust

if TYPE_CHECKING:
    from logboom.clients.report import Report
    from logboom.clients.simulation import Load
    from logboom.clients.target import Target

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
_Window = Annotated[int, typer.Option(min=1, help="Lines sent before their answers are awaited.")]


@app.command(epilog=_EXITS)
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
    token: trust.Token = None,
) -> None:
    """Devices: boot, entries without time, NTP sync, entries with time, heartbeats when idle.

    One line at a time, each sent again until it is acknowledged, as the firmware does.
    """
    from logboom.clients.delivery import Policy
    from logboom.clients.simulated_device import DeviceLife, simulate_devices

    policy = Policy(window=1, ack_timeout_s=ack_timeout, tries=retries, delays_s=_delays(backoff))
    life = DeviceLife(boot_seq=boot_seq, heartbeat_s=heartbeat_interval, heartbeats=heartbeats)

    def start(target: "Target", load: "Load", report: "Report") -> "Coroutine[object, object, object]":
        return simulate_devices(target, load, life, policy=policy, report=report, say=_say)

    _simulate("device", to, (count, rate, connections, seed), start, token=token)


@app.command(epilog=_EXITS)
def sensor(
    *,
    to: _To = "tcp://127.0.0.1:6000",
    count: _Count = 20,
    rate: _Rate = 10.0,
    connections: _Connections = 1,
    bare: Annotated[
        bool, typer.Option("--bare", help="Leave the newlines out, as some gateways do.")
    ] = False,
    window: _Window = 256,
    seed: _Seed = None,
    token: trust.Token = None,
) -> None:
    """Sensor gateways: temperature, humidity and light that vary slowly. The server never answers."""
    from logboom.clients.delivery import Policy
    from logboom.clients.simulated_sensor import simulate_sensors

    def start(target: "Target", load: "Load", report: "Report") -> "Coroutine[object, object, object]":
        return simulate_sensors(target, load, policy=Policy(window=window), report=report, bare=bare)

    _simulate("gateway", to, (count, rate, connections, seed), start, token=token)


@app.command("app", epilog=_EXITS)
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
    max_wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long one line may wait for a rate limit.")
    ] = 0.0,
    window: _Window = 100,
    seed: _Seed = None,
    token: trust.Token = None,
) -> None:
    """Applications that log; counts the replies, of protocols that have some."""
    from logboom.clients.delivery import Policy
    from logboom.clients.dialects import DIALECTS
    from logboom.clients.simulated_app import simulate_apps

    policy = Policy(window=window, wait_s_max=max_wait)

    def start(target: "Target", load: "Load", report: "Report") -> "Coroutine[object, object, object]":
        dialect = DIALECTS[as_]()
        return simulate_apps(target, load, dialect=dialect, policy=policy, report=report, level=level)

    if to is None and as_ in DIALECTS:
        to = f"{DIALECTS[as_].schemes[0]}://127.0.0.1:{DIALECTS[as_].port_default}"
    _simulate(as_, to or "", (count, rate, connections, seed), start, token=token)


def _simulate(
    protocol: str,
    url: str,
    figures: tuple[int, float, int, int | None],
    start: Callable[["Target", "Load", "Report"], "Coroutine[object, object, object]"],
    *,
    token: str | None,
) -> None:
    """Run a simulation to its end or to Ctrl-C, print its summary, and exit with its code."""
    from logboom.clients.dialects import choose
    from logboom.clients.report import Report
    from logboom.clients.running import run
    from logboom.clients.simulation import Load
    from logboom.errors import ConfigError

    try:
        _, target = choose(protocol, url, trust.trust_of(None, None, None, skip_verify=False, token=token))
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None
    trust.warn_if_exposed(str(target), target.trust, _say)
    count, rate, connections, seed = figures
    load = Load(count=count, rate=rate, connections=connections, seed=seed)
    report = Report()
    try:
        run(start(target, load, report))
    except KeyboardInterrupt:  # what is still open then was not refused
        report.sent -= report.unresolved
    if report.stopped:
        _say(f"❌ {report.stopped}")
    _say(report.summary())
    raise typer.Exit(0 if report.ok else 1)


def _delays(text: str) -> tuple[float, ...]:
    """Read a list of seconds such as `5,10,30`."""
    try:
        delays = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        delays = (-1.0,)
    if not all(0 <= delay < float("inf") for delay in delays):
        raise typer.BadParameter(f"{text!r} is not a list of seconds such as 5,10,30")
    return delays


def _say(text: str) -> None:
    typer.echo(text, err=True)
