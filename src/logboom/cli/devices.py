"""`logboom devices`: the devices of a running server."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from logboom.cli import options
from logboom.cli.asking import ask_server
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.groups import grouped
from logboom.cli.speaking import answer_json, say
from logboom.formats.asked_times import shown_time

if TYPE_CHECKING:
    from collections.abc import Iterable


class DeviceState(StrEnum):
    """State of a device."""

    OK = "ok"
    GAPS = "gaps"
    CRASH_LOOP = "crash_loop"


_Name = Annotated[
    str,
    typer.Argument(
        metavar="[NAME]",
        help="One device, by its own name or the given one, with its boots, gaps and reboots.",
    ),
]
_Find = Annotated[
    str, typer.Option(metavar="TEXT", help="Only devices with this in a name, address, listener or firmware.")
]
_State = Annotated[DeviceState | None, typer.Option(help="Only devices in this state.", show_default="all")]
_Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="Devices at most, those seen last.")]
_Given = Annotated[
    str | None,
    typer.Option(
        "--set-name",
        metavar="TEXT",
        help="Give the device this name, shown next to its own; an empty one removes it.",
        show_default=False,
    ),
]
_Listener = Annotated[
    str, typer.Option(metavar="LISTENER", help="Only devices of this listener, where two have one name.")
]


@grouped
def devices(
    name: _Name = "",
    *,
    find: _Find = "",
    state: _State = None,
    listener: _Listener = "",
    limit: _Limit = 1000,
    set_name: _Given = None,
    url: options.Url = options.URL_DEFAULT,
    as_json: options.AsJson = False,
    connection: ConnectionOptions,
) -> None:
    """Show the devices that count their boots and lines: missing lines, reboots, uptime, clock.

    MISSING is the number of lines that did not come within a minute after a later one; LATE is the number of those
    that came after all. A name that is set with --set-name is kept in the server's data directory; where tokens are
    required, that takes the scope `admin`.

    Examples:
      logboom devices

      logboom devices --state gaps --find greenhouse

      logboom devices pump-1 --url http://192.168.1.10:8080

      logboom devices 192.168.1.17 --set-name 'Pump in the cellar'

    Exit codes: 0 done, 1 the server refuses, is no Logboom server, or has no such device, 2 wrong usage,
    3 could not connect.
    """
    if set_name is not None and not name:
        raise typer.BadParameter("--set-name needs the NAME of a device, as `logboom devices` shows it")
    words = {"name": name, "listener": listener, "find": find, "state": "" if state is None else state.value}
    words = {key: word for key, word in words.items() if word} | {"limit": str(limit)}
    document = ask_server(url, connection, "/api/devices", words, "devices", "total")
    found = document["devices"]
    if set_name is not None and found:
        _set_name(found, set_name, url, connection)
        return
    if as_json:
        answer_json(document, indent=2)
        return
    if not found:
        say(_none(name, is_chosen=bool(listener or find or state)))
        raise typer.Exit(1 if name else 0)
    _write_devices(found)
    if name:
        for device in found:
            _write_one(device)
    elif document["total"] > len(found):
        say(f"💬 {len(found):,} of {document['total']:,} devices, those seen last: see --find and --state")


def _none(name: str, *, is_chosen: bool) -> str:
    if name:
        return f"❌ there is no device {name}"
    return (
        "💬 no device is like that" if is_chosen else "💬 no device has sent anything that counts its boots"
    )


def _set_name(found: list[dict[str, Any]], given: str, url: str, connection: ConnectionOptions) -> None:
    """Give the device that was found a name. Several of them end the command."""
    if len(found) > 1:
        places = ", ".join(f"{one['name']} of listener {one['listener']}" for one in found[:5])
        say(f"❌ {len(found)} devices have this name: {places}; choose with its own name and --listener")
        raise typer.Exit(1)
    [one] = found
    body = {"listener": one["listener"], "name": one["name"], "given_name": given}
    done = ask_server(url, connection, "/api/devices/name", {}, "given_name", method="PUT", body=body)
    is_named = f"is now named {done['given_name']}" if done["given_name"] else "has only its own name now"
    say(f"✅ {one['name']} {is_named}")


def _write_devices(found: list[dict[str, Any]]) -> None:
    rows = [
        (
            f"{one['given_name']} ({one['name']})" if one["given_name"] else one["name"],
            one["state"].replace("_", " "),
            shown_time(one["last_seen"], None),
            f"{one['boots']:,}",
            _duration(one["uptime_ms"]),
            one["firmware"],
            f"{one['missing']:,}",
            f"{one['late']:,}",
            "" if one["clock_s"] is None else f"{one['clock_s']:+.1f} s",
        )
        for one in found
    ]
    headers = ("DEVICE", "STATE", "LAST SEEN", "BOOTS", "UPTIME", "FIRMWARE", "MISSING", "LATE", "CLOCK")
    _table(headers, rows, numbers=frozenset({3, 6, 7, 8}))


def _write_one(device: dict[str, Any]) -> None:
    rows = [
        (
            str(one["boot_seq"]),
            shown_time(one["started_at"], None) if one["started_at"] else "",
            _duration(one["uptime_ms"]),
            one["reset_reason"],
            f"{one['lines']:,}",
            f"{one['missing']:,}",
        )
        for one in device["boot_list"]
    ]
    _table(("BOOT", "STARTED", "UPTIME", "RESET", "LINES", "MISSING"), rows, numbers=frozenset({0, 4, 5}))
    gaps = [
        (
            str(one["boot_seq"]),
            f"{one['first']}-{one['last']}",
            f"{one['lines']:,}",
            shown_time(one["before"], None) if one["before"] else "",
            shown_time(one["noticed_at"], None),
        )
        for one in device["gaps"]
    ]
    if gaps:
        _table(("BOOT", "MISSING SEQ", "LINES", "LINE BEFORE", "LINE AFTER"), gaps, numbers=frozenset({0, 2}))


def _table(headers: tuple[str, ...], rows: "Iterable[tuple[str, ...]]", numbers: frozenset[int]) -> None:
    from logboom.viewer.tables import write_table

    write_table(sys.stdout, headers, list(rows), numbers=numbers)


def _duration(milliseconds: int | None) -> str:
    """Format an uptime: `45 s`, `12 min`, `3.5 h`, `2.1 days`."""
    if milliseconds is None:
        return ""
    seconds = milliseconds / 1000
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}" if unit == "min" else f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
