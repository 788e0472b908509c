"""The times that commands take: written by people, in their own zone; sent and compared in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Annotated

import typer

from logboom.cli.groups import OptionGroup
from logboom.formats.asked_times import EXAMPLES, asked_time, zone_of

TIME_HELP = f"{EXAMPLES}, or now"


class TimeOf(StrEnum):
    """The times that a command goes by."""

    TIME = "time"
    RECEIVED = "received"


Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help=f"Only entries since then: {TIME_HELP}. Times are local, see --tz."),
]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Only entries before then, in the same forms; a day alone means its end."
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="TIME", help=f"Entries at or after: {TIME_HELP}. Times are local, see --tz."
    ),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to", metavar="TIME", help="Entries before, in the same forms; a day alone includes that day."
    ),
]
By = Annotated[
    TimeOf,
    typer.Option(
        "--by",
        help="The times that count: those of the entries, which are their senders' where these gave any that can be "
        "right, or those of arrival.",
    ),
]
Zone = Annotated[
    str,
    typer.Option(
        "--tz",
        metavar="ZONE",
        help="Zone of times without one: Europe/Berlin, UTC, +02:00.",
        show_default="this machine's",
    ),
]


@dataclass(frozen=True)
class Span(OptionGroup):
    """A span of time as `--since` and `--until`."""

    since: Since = None
    until: Until = None
    by: By = TimeOf.TIME
    tz: Zone = ""

    @property
    def zone(self) -> tzinfo | None:
        """The zone; None: this machine's. A wrong one ends the command."""
        return zone_from(self.tz)

    def words(self) -> dict[str, str | None]:
        """Return the API's parameters: times as ISO 8601, UTC; None for one that was not given.

        A wrong time ends the command.
        """
        return {
            "by": None if self.by is TimeOf.TIME else self.by.value,
            "since": exact("since", self.since, self.tz),
            "until": exact("until", self.until, self.tz, is_end=True),
        }


def zone_from(name: str) -> tzinfo | None:
    """The zone of a name; None: this machine's. A wrong one ends the command."""
    try:
        return zone_of(name)
    except ValueError as error:
        raise typer.BadParameter(f"--tz: {error}") from None


def exact(option: str, text: str | None, zone: str, *, is_end: bool = False) -> str | None:
    """A time of the command line as ISO 8601, UTC; see `asked_times.asked_time`. A wrong one ends the command."""
    if not text:
        return None
    try:
        moment = asked_time(text, datetime.now(UTC), zone_from(zone), is_end=is_end)
    except ValueError as error:
        raise typer.BadParameter(f"--{option}: {error}") from None
    return moment.isoformat(timespec="microseconds")
