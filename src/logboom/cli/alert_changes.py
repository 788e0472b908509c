"""Commands of `logboom alerts` that change a running server's alerts, and the trial of a rule."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from logboom.cli import options
from logboom.cli.asking import ask_server
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.groups import OptionGroup, grouped
from logboom.cli.speaking import answer, answer_json, say
from logboom.cli.time_options import exact
from logboom.formats.asked_times import shown_time
from logboom.formats.quantities import duration_us

SINCE_DEFAULT: Final = "7d"
SHOWN_MAX: Final = 20
"""Firings of a trial that are listed, the last ones."""


class Severity(StrEnum):
    """Severity of a rule."""

    WARNING = "warning"
    CRITICAL = "critical"


_Name = Annotated[str, typer.Argument(metavar="RULE", help="Name of the rule.")]
_Query = Annotated[str, typer.Argument(metavar="QUERY", help="Query that selects the entries.")]
_Subject = Annotated[
    str, typer.Argument(metavar="[SUBJECT]", help="One alert of the rule, as `logboom alerts list` shows it.")
]
_Threshold = Annotated[
    int, typer.Option(min=1, metavar="NUMBER", help="Number of entries at which it fires.")
]
_Window = Annotated[str, typer.Option(metavar="TIME", help="Length of the window: 30s, 5m, 2h, 7d.")]
_Fewer = Annotated[bool, typer.Option("--fewer", help="Fire at fewer entries than that instead.")]
_For = Annotated[str, typer.Option("--for", metavar="TIME", help="Time for which that must last.")]
_Clear = Annotated[
    str, typer.Option(metavar="TIME", help="Time for which it must be over until it is resolved.")
]
_Severity = Annotated[Severity, typer.Option(help="Severity of its alerts.")]
_Targets = Annotated[
    list[str],
    typer.Option(
        "--target",
        metavar="TARGET",
        help="Target of its messages, as `logboom alerts list` names it; may be repeated.",
        show_default="all of alerts.notify",
    ),
]


@dataclass(frozen=True)
class RuleOptions(OptionGroup):
    """Options about when a rule fires."""

    threshold: _Threshold = 1
    window: _Window = "5m"
    fewer: _Fewer = False
    for_: _For = "0s"
    clear: _Clear = "0s"

    def table(self, query: str) -> dict[str, Any]:
        """Return the settings of the rule. A wrong time ends the command."""
        return {
            "query": query,
            "threshold": self.threshold,
            "window_s": _seconds("window", self.window),
            "fewer": self.fewer,
            "for_s": _seconds("for", self.for_),
            "clear_s": _seconds("clear", self.clear),
        }


def _seconds(option: str, text: str) -> float:
    found = duration_us(text)
    if found is None:
        raise typer.BadParameter(f"--{option}: found {text!r}, expected a time such as 30s, 5m, 2h or 7d")
    return found / 1e6


@grouped
def add(
    name: _Name,
    query: _Query,
    *,
    rule: RuleOptions,
    severity: _Severity = Severity.WARNING,
    target: _Targets = [],  # noqa: B006 - typer copies it
    replace: Annotated[bool, typer.Option("--replace", help="Replace the rule of this name.")] = False,
    url: options.Url = options.URL_DEFAULT,
    connection: ConnectionOptions,
) -> None:
    """Make a rule on a running server: an alert fires when enough entries match a query within a time.

    It counts entries that arrive from now on, and is kept in the server's data directory. Where tokens are required,
    it takes the scope `admin`.

    Examples:
      logboom alerts add pump_dry 'source:greenhouse* "is dry"' --threshold 3 --window 5m

      logboom alerts add no_backup '"backup finished"' --fewer --window 25h --severity critical

    Exit codes: 0 done, 1 the server refuses or is no Logboom server, 2 wrong usage, 3 could not connect.
    """
    table = {**rule.table(query), "severity": severity.value, "targets": target}
    if replace:
        ask_server(
            url, connection, f"/api/alerts/rules/{quote(name, safe='')}", {}, "name", method="PUT", body=table
        )
    else:
        ask_server(
            url, connection, "/api/alerts/rules", {}, "name", method="POST", body={"name": name, **table}
        )
    say(f"✅ the rule {name} is {'replaced' if replace else 'made'}")


@grouped
def remove(name: _Name, *, url: options.Url = options.URL_DEFAULT, connection: ConnectionOptions) -> None:
    """Remove a rule that was made on the page or by `logboom alerts add`; its alert ends without a message.

    Examples:
      logboom alerts remove pump_dry

    Exit codes: 0 done, 1 there is no such rule, or the server refuses, 2 wrong usage, 3 could not connect.
    """
    ask_server(url, connection, f"/api/alerts/rules/{quote(name, safe='')}", {}, "removed", method="DELETE")
    say(f"✅ the rule {name} is removed")


@grouped
def trial(
    query: _Query,
    *,
    rule: RuleOptions,
    since: Annotated[str, typer.Option(metavar="TIME", help="Begin of the trial.")] = SINCE_DEFAULT,
    as_json: options.AsJson = False,
    url: options.Url = options.URL_DEFAULT,
    connection: ConnectionOptions,
) -> None:
    """Try a rule over the entries of the past: how often would it have fired? Nothing is changed or sent.

    Examples:
      logboom alerts try 'level:>=error' --threshold 100 --window 10m --since "last 30 d"

    Exit codes: 0 done, 1 the server refuses or is no Logboom server, 2 wrong usage, 3 could not connect.
    """
    body = {**rule.table(query), "since": exact("since", since, "")}
    found = ask_server(url, connection, "/api/alerts/trial", {}, "fired", "firings", method="POST", body=body)
    if as_json:
        answer_json(found)
        return
    for one in found["firings"][-SHOWN_MAX:]:
        until = shown_time(one["until"], None)
        answer(f"{shown_time(one['since'], None)}  until {until}  {one['matches']:,} entries")
    times = "once" if found["fired"] == 1 else f"{found['fired']:,} times"
    say(
        f"would have fired {times} since {shown_time(found['since'], None)}; {found['entries']:,} entries match"
    )
    if found.get("limit") == "steps":
        say("⚠️ too many entries match to go further back: choose a longer --window, or a later --since")
    elif not found["complete"]:
        say("⚠️ there was no time to go further back: name a word in the query, or choose a later --since")


@grouped
def mute(
    name: _Name,
    subject: _Subject = "",
    *,
    for_: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 30m, 2h, 7d.")] = "",
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Until when, in place of --for.")] = None,
    url: options.Url = options.URL_DEFAULT,
    connection: ConnectionOptions,
) -> None:
    """Mute a rule, or one of its alerts: it is shown, but no message is sent about it.

    The end of an alert is sent if its begin was. What still fires when the time is over is sent then.

    Examples:
      logboom alerts mute pump_dry --for 2h

      logboom alerts mute source_silent 'pump (device)' --until 'tomorrow 8:00'

    Exit codes: 0 done, 1 there is no such rule, or the server refuses, 2 wrong usage, 3 could not connect.
    """
    if bool(for_) == bool(until):
        raise typer.BadParameter("expected --for or --until")
    end = exact("until", until, "") or _in(_seconds("for", for_))
    body = {"rule": name, "subject": subject, "until": end}
    ask_server(url, connection, "/api/alerts/mutes", {}, "muted", method="POST", body=body)
    say(f"✅ {name} is muted until {shown_time(end, None)}")


def _in(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


@grouped
def unmute(
    name: _Name,
    subject: _Subject = "",
    *,
    url: options.Url = options.URL_DEFAULT,
    connection: ConnectionOptions,
) -> None:
    """Mute a rule, or one of its alerts, no longer.

    Examples:
      logboom alerts unmute pump_dry

    Exit codes: 0 done, 1 it is not muted, or the server refuses, 2 wrong usage, 3 could not connect.
    """
    words = {"rule": name, **({"subject": subject} if subject else {})}
    ask_server(url, connection, "/api/alerts/mutes", words, "unmuted", method="DELETE")
    say(f"✅ {name} is not muted any more")


@grouped
def acknowledge(
    name: _Name,
    subject: _Subject,
    *,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Withdraw the acknowledgement.")] = False,
    url: options.Url = options.URL_DEFAULT,
    connection: ConnectionOptions,
) -> None:
    """Acknowledge an alert that fires: the page shows who takes care of it, until it ends.

    Examples:
      logboom alerts ack source_silent 'pump (device)'

    Exit codes: 0 done, 1 it does not fire, or the server refuses, 2 wrong usage, 3 could not connect.
    """
    place, path = {"rule": name, "subject": subject}, "/api/alerts/acknowledgements"
    if withdraw:
        ask_server(url, connection, path, place, "acknowledged", method="DELETE")
    else:
        ask_server(url, connection, path, {}, "acknowledged", method="POST", body=place)
    say(f"✅ {name} is {'no longer acknowledged' if withdraw else 'acknowledged'}")


def add_to(app: typer.Typer) -> None:
    """Add the commands to `logboom alerts`."""
    for name, command in (
        ("add", add),
        ("remove", remove),
        ("try", trial),
        ("mute", mute),
        ("unmute", unmute),
        ("ack", acknowledge),
    ):
        app.command(name)(command)
