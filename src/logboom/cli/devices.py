"""`logboom devices`: the devices of a running server."""

import sys
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

_Name = Annotated[str, typer.Argument(metavar="[NAME]", help="One device, with its boots, gaps and reboots.")]


@grouped
def devices(
    name: _Name = "",
    *,
    url: options.Url = options.URL_DEFAULT,
    as_json: options.AsJson = False,
    connection: ConnectionOptions,
) -> None:
    """Show the devices that count their boots and lines: missing lines, reboots, uptime, clock.

    MISSING is the number of lines that did not come within a minute after a later one; LATE is the number of those
    that came after all.

    Examples:
      logboom devices

      logboom devices pump-1 --url http://192.168.1.10:8080

    Exit codes: 0 done, 1 the server refuses, is no Logboom server, or has no such device, 2 wrong usage,
    3 could not connect.
    """
    document = ask_server(url, connection, "/api/devices", {"name": name} if name else {}, "devices")
    if as_json:
        answer_json(document, indent=2)
        return
    found = document["devices"]
    if not found:
        say(
            f"❌ there is no device {name}"
            if name
            else "💬 no device has sent anything that counts its boots"
        )
        raise typer.Exit(1 if name else 0)
    _write_devices(found)
    if name:
        for device in found:
            _write_one(device)


def _write_devices(found: list[dict[str, Any]]) -> None:
    rows = [
        (
            one["name"],
            "crash loop" if one["crash_loop"] else "gaps" if one["missing"] else "ok",
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
