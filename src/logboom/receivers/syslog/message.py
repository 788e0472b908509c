"""One syslog message of any shape: RFC 5424, RFC 3164, and what is neither.

Nothing is dropped: a header that can't be read stays in the message. `message_columns` reads the usual shapes faster,
with the same result.
"""

import base64
import re
from typing import Any, Final, NamedTuple

import msgspec

from logboom.formats.nesting import is_too_deep
from logboom.receivers.syslog.stamps import MONTHS, Stamps
from logboom.receivers.syslog.structured import read_structured
from logboom.receivers.syslog.syslog_entry import FACILITY_OF, LEVEL_OF, PRI, PRI_DEFAULT, Labels, SyslogEntry

BYTE_ORDER_MARK: Final = "\ufeff"
COOKIE: Final = "@cee:"
"""Mark before JSON in messages for rsyslog and syslog-ng."""
TAIL: Final = b"\0\r\n"
"""Bytes that senders put behind a message."""

RFC3339: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
STAMP: Final = rf"(?:{'|'.join(MONTHS)}) [ 0-3]\d \d\d:\d\d:\d\d"
TAG: Final = r"([^ :\[\n]{1,128})(?:\[([^\] \n]{0,128})\])?:"

_PRI: Final = re.compile(PRI)
WORD: Final = r"[^ \n]+"
_HEADER_5424: Final = re.compile(
    rf"1 +(-|{RFC3339}) +({WORD}) +({WORD}) +({WORD}) +({WORD}) +(?=-(?: |\Z)|\[)"
)
_SEQUENCE: Final = re.compile(r"(\d{1,10}): +(?=[*.]?\w)")
_TIME_3164: Final = re.compile(
    rf"(?:-|({RFC3339})|[*.]?({'|'.join(MONTHS)}) +(\d{{1,2}}) +(?:(\d{{4}}) +)?(\d\d:\d\d:\d\d)(?:[.,](\d{{1,9}}))?"
    r"(?: (\d{4})(?= ))?(?: [A-Z]{3,4}(?=:))?)(?::(?= ))?(?= |\Z)"
)
_TAG: Final = re.compile(rf"{TAG}(?= |\Z)")
_TAG_BARE: Final = re.compile(r"([^ :\[\n]{1,128})\[([^\] \n]{1,128})\](?= )")
_WORD: Final = re.compile(WORD)
_objects: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Header(NamedTuple):
    """Header of a message, and its end."""

    end: int
    time: str | None = None
    host: str = ""
    source: str = ""
    procid: str = ""
    msgid: str = ""
    attributes: dict[str, Any] = {}  # noqa: RUF012 - never changed


def read_message(data: bytes, stamps: Stamps) -> SyslogEntry:
    """Return the entry of one message, without its frame.

    Args:
        data: bytes of any kind; line ends and zero bytes behind the text do not belong to it.
        stamps: reads the times of RFC 3164.
    """
    data = data.rstrip(TAIL)
    raw = ""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode(errors="replace")
        raw = base64.b64encode(data).decode()
    found = _PRI.match(text)
    if found is None:
        return SyslogEntry(
            None, LEVEL_OF[PRI_DEFAULT], text, labels=Labels(FACILITY_OF[PRI_DEFAULT]), raw=raw
        )
    start = found.end()
    header = _header_5424(text, start) or _header_3164(text, start, stamps)
    return _entry(found[1], header, text[header.end :], raw)


def _entry(priority: str, header: _Header, message: str, raw: str) -> SyslogEntry:
    """Return the entry of a header and the text behind it."""
    message = _without_gap(message)
    attributes = {**header.attributes, **_fields_of(message)}
    return SyslogEntry(
        header.time,
        LEVEL_OF[priority],
        message,
        _given(header.source),
        _given(header.host),
        Labels(FACILITY_OF[priority], _given(header.procid), _given(header.msgid)),
        attributes or msgspec.UNSET,
        raw,
    )


def _without_gap(message: str) -> str:
    """Return the text without the space that ends its header, and a second one (rsyslog); more are its indentation."""
    message = message.removeprefix(" ")
    if message.startswith(" ") and not message.startswith("  "):
        message = message[1:]
    return message.removeprefix(BYTE_ORDER_MARK)


def _given(word: str) -> str:
    return "" if word == "-" else word


def _fields_of(message: str) -> dict[str, Any]:
    """Return the fields of a message that is a JSON object, with numbers as they came; else none."""
    text = message[len(COOKIE) :].lstrip() if message.startswith(COOKIE) else message
    if not text.startswith("{"):
        return {}
    line = text.replace("\r", " ").replace("\n", " ").encode()
    if is_too_deep(line):
        return {}
    try:
        return _objects.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return {}


def _header_5424(text: str, start: int) -> _Header | None:
    """Return the header of RFC 5424 that begins behind the priority; None: it is none."""
    found = _HEADER_5424.match(text, start)
    if found is None:
        return None
    attributes: dict[str, Any] = {}
    end = found.end()
    if text.startswith("-", end):
        end += 1
    else:
        attributes, end = read_structured(text, end)
    time = None if found[1] == "-" else found[1].replace(",", ".")
    host, source, procid, msgid = found[2], found[3], found[4], found[5]
    return _Header(end, time, host, source, procid, msgid, attributes)


def _header_3164(text: str, start: int, stamps: Stamps) -> _Header:
    """Return the header of RFC 3164, or as much of it as there is."""
    attributes: dict[str, Any] = {}
    sequence = _SEQUENCE.match(text, start)  # Cisco
    if sequence is not None:
        attributes["sequence"] = int(sequence[1])
        start = sequence.end()
    found = _TIME_3164.match(text, start)
    if found is None:
        return _tagged(text, start, _Header(start, attributes=attributes))
    time = _time_of(found, stamps)
    if time is None and found[0] != "-":
        return _Header(start, attributes=attributes)  # it only looks like one: it stays text
    return _origin(text, found.end(), _Header(found.end(), time, attributes=attributes))


def _time_of(found: re.Match[str], stamps: Stamps) -> str | None:
    if found[1]:
        return found[1].replace(",", ".")
    if not found[2]:
        return None
    year = found[4] or found[7]
    stamp = f"{found[2]} {found[3]:>2} {found[5]}"
    if not year and not found[6]:
        return stamps[stamp]
    return stamps.read(stamp, int(year) if year else None, f".{found[6]}" if found[6] else "")


def _origin(text: str, start: int, header: _Header) -> _Header:
    """Add host and tag. Docker and BusyBox leave out the host, nginx sends an empty one, others leave out the tag."""
    start += text.startswith(" ", start)
    if text.startswith(" ", start):
        return _tagged(text, start + 1, header)
    if _TAG.match(text, start) is not None:
        return _tagged(text, start, header)
    word = _WORD.match(text, start)
    if word is None:
        return header._replace(end=start)
    return _tagged(text, word.end() + text.startswith(" ", word.end()), header._replace(host=word[0]))


def _tagged(text: str, start: int, header: _Header) -> _Header:
    """Add the tag, if there is one."""
    tag = _TAG.match(text, start) or _TAG_BARE.match(text, start)
    if tag is None:
        return header._replace(end=start)
    return header._replace(end=tag.end(), source=tag[1], procid=tag[2] or "")
