"""Times of journal lines: their own or those of their arrival, by typed decoding of the few fields that count."""

from typing import Any, Final

import msgspec

from logboom.formats.entry_time import TIME_KEYS, time_of
from logboom.formats.levelled import read_lines
from logboom.formats.partial import fields_struct, line_struct
from logboom.formats.records import records_of

_decoder: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(
    line_struct(fields_struct(TIME_KEYS), "received_at")
)


def time_of_line(line: Any) -> str:
    """Return the time of a decoded line, which has `received_at`, `time` and the `TIME_KEYS` of its `entry`."""
    entry = line.entry
    if (
        entry.ts is None
        and entry.time is None
        and entry.timestamp is None
        and entry.get("@timestamp") is None
    ):
        return str(line.time or line.received_at)
    return line.time or time_of(entry, line.received_at)


def times_of_lines(data: bytes, count: int) -> list[tuple[str, str]]:
    """Return time and receive time of each line; two empty texts for a line that is damaged.

    Args:
        data: whole lines.
        count: their number.
    """
    lines = read_lines(_decoder, data, count)
    if lines is not None:
        return [(time_of_line(line), line.received_at) for line in lines]
    records = {record.sequence: record for record in records_of(range(count), data)}
    return [
        (records[number].time, records[number].received_at) if number in records else ("", "")
        for number in range(count)
    ]
