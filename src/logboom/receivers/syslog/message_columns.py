"""Many syslog messages at once: the usual shapes are read by one regular expression, and handled by column.

No Python code runs per message: `findall` gives rows, `zip` turns them into columns, `map` makes the entries. What the
expressions do not match is read by `message.read_message`, with the same result.
"""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import UNSET, UnsetType

from logboom.receivers.syslog.message import BYTE_ORDER_MARK, COOKIE, STAMP, TAIL, read_message
from logboom.receivers.syslog.stamps import Stamps
from logboom.receivers.syslog.structured import read_structured
from logboom.receivers.syslog.syslog_entry import FACILITY_OF, LEVEL_OF, PRI, Labels, SyslogEntry
from logboom.remembered import Remembered

_GIVEN: Final = r"(?:-|([^ \n]+))"
_TEXT: Final = rf" (?: (?! ))?(?![ {{{BYTE_ORDER_MARK}]|{COOKIE})(.*)"
"""A message's text that needs no further look: no indentation, mark or JSON."""
_TIME: Final = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))"
_STRUCTURED: Final = r'(?:-|((?:\[(?:[^"\]\n]|"(?:[^"\\\n]|\\.)*+")*+\])++))'

_RFC5424: Final = re.compile(
    rf"^(?:{PRI}1 {_TIME} {_GIVEN} {_GIVEN} {_GIVEN} {_GIVEN} {_STRUCTURED}{_TEXT}|.*)$", re.MULTILINE
)
_RFC3164: Final = re.compile(
    rf"^(?:{PRI}({STAMP}) (?!\d{{4}} )(?:(?!-)([^ :\[\n]+) )?"
    rf"(?!-)([^ :\[\n]{{1,128}})(?:\[(?!-)([^\] \n]{{1,128}})\])?:{_TEXT}|.*)$",
    re.MULTILINE,
)
"""Both match every line; one of another shape has empty groups."""

STRUCTURED_CACHE_BYTES: Final = 1 << 20
"""Structured data that is remembered: most senders repeat theirs."""


def read_messages(messages: Sequence[bytes], stamps: Stamps) -> list[SyslogEntry]:
    """Return one entry per message; none of them may be blank.

    Args:
        messages: without their frames.
        stamps: reads the times of RFC 3164; refreshed.
    """
    stamps.refresh()
    joined = b"\n".join(messages)
    if joined.count(b"\n") >= len(messages) or b"\r" in joined or b"\0" in joined:
        messages = [one.rstrip(TAIL) for one in messages]
        joined = b"\n".join(messages)
    try:
        if joined.count(b"\n") < len(messages):
            return _read_lines(joined.decode(), messages, stamps)
    except UnicodeDecodeError:
        pass
    return _read_apart(messages, stamps)


def _read_apart(messages: Sequence[bytes], stamps: Stamps) -> list[SyslogEntry]:
    """Read those of several lines, or with bytes that are not UTF-8, one by one, and the others together."""
    plain = [b"\n" not in one and _is_utf8(one) for one in messages]
    together = [one for one, is_plain in zip(messages, plain, strict=True) if is_plain]
    entries = iter(_read_lines(b"\n".join(together).decode(), together, stamps) if together else ())
    return [
        next(entries) if is_plain else read_message(one, stamps)
        for one, is_plain in zip(messages, plain, strict=True)
    ]


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read_lines(text: str, messages: Sequence[bytes], stamps: Stamps) -> list[SyslogEntry]:
    """Read messages of one line each; `text` has them all."""
    shapes = (_entries_5424, _entries_3164)
    first, second = shapes if ">1 " in text[:7] else reversed(shapes)
    entries, odd = first(text, stamps)
    if not odd:
        return entries
    rest, still_odd = second(b"\n".join([messages[index] for index in odd]).decode(), stamps)
    for index, entry in zip(odd, rest, strict=True):
        entries[index] = entry
    for place in still_odd:
        index = odd[place]
        entries[index] = read_message(messages[index], stamps)
    return entries


_Found = tuple[list[SyslogEntry], list[int]]
"""The entries of all lines, and the indices of those that have another shape: their entries mean nothing."""


def _entries_5424(text: str, _stamps: Stamps) -> _Found:
    columns = zip(*_RFC5424.findall(text), strict=True)
    priorities, times, hosts, sources, procids, msgids, structured, texts = columns
    labels = map(Labels, map(FACILITY_OF.__getitem__, priorities), procids, msgids)
    levels = map(LEVEL_OF.__getitem__, priorities)
    odd = [] if all(priorities) else [index for index, one in enumerate(priorities) if not one]
    if not any(structured):
        return list(map(SyslogEntry, times, levels, texts, sources, hosts, labels)), odd
    attributes = list(map(_parameters_of.__getitem__, structured))
    if None in attributes:
        odd = sorted({*odd, *(index for index, one in enumerate(attributes) if one is None)})
    return list(map(SyslogEntry, times, levels, texts, sources, hosts, labels, attributes)), odd


def _read_parameters(structured: str) -> dict[str, str] | UnsetType | None:
    """Return the parameters of structured data, unset where there is none; None: not all of it can be read."""
    if not structured:
        return UNSET
    found, end = read_structured(structured, 0)
    return found if end == len(structured) else None


_parameters_of: Final = Remembered(_read_parameters, STRUCTURED_CACHE_BYTES)


def _entries_3164(text: str, stamps: Stamps) -> _Found:
    columns = zip(*_RFC3164.findall(text), strict=True)
    priorities, times, hosts, sources, procids, texts = columns
    labels = map(Labels, map(FACILITY_OF.__getitem__, priorities), procids)
    levels = map(LEVEL_OF.__getitem__, priorities)
    moments = list(map(stamps.__getitem__, times))
    odd = [index for index, one in enumerate(moments) if one is None] if None in moments else []
    return list(map(SyslogEntry, moments, levels, texts, sources, hosts, labels)), odd
