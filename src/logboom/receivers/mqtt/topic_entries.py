"""Messages of a broker as entries under the common names (`formats.mapped`)."""

import re
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from logboom.formats import ndjson
from logboom.formats.entry_level import LEVEL_KEYS, level_of
from logboom.formats.mapped import MappedEntry, batch_of
from logboom.model import REASONS_MAX, Batch, Verdict

MESSAGE_KEYS: Final = ("message", "msg", "text", "log")
TIME_KEYS: Final = ("time", "timestamp", "ts", "@timestamp")
SOURCE_KEYS: Final = ("source", "device", "device_id", "name")
_COLOURS: Final = re.compile("\x1b\\[[0-9;:]*[A-Za-z]")
_ESPHOME: Final = re.compile(r"(?:\[[0-9:.]+\])?\[(E|W|I|C|D|V|VV)\]\[")
"""Start of a line of ESPHome: time and letter of the level, then the component."""
_ESPHOME_LEVELS: Final = {"E": "ERROR", "W": "WARNING", "I": "INFO", "C": "DEBUG", "D": "DEBUG"}
_decoder: Final = ndjson.EntryDecoder(dict[str, Any] | None)


class Published(NamedTuple):
    """One message."""

    topic: str
    payload: bytes


def batch_of_messages(messages: Sequence[Published], topics: Sequence[str], bytes_max: int) -> Batch:
    """Return the batch of messages.

    Args:
        messages: at least one.
        topics: of the subscriptions, which say which level of a topic is the source.
        bytes_max: longest payload; longer ones are refused.
    """
    entries: list[MappedEntry] = []
    verdicts = bytearray()
    reasons: list[str] = []
    for topic, payload in messages:
        if len(payload) > bytes_max:
            verdicts.append(Verdict.TOO_LONG)
            reasons.append(f"message on {topic} of {len(payload)} bytes, the limit is {bytes_max}")
            continue
        verdicts.append(Verdict.ACCEPTED)
        entries.append(_entry(topic, payload, source_of(topic, topics)))
    size = sum([len(topic) + len(payload) for topic, payload in messages])
    levels: list[object] = [entry.level for entry in entries]
    return batch_of(
        entries, size, verdicts=bytes(verdicts), levels=levels, reasons=tuple(reasons[:REASONS_MAX])
    )


def source_of(topic: str, subscriptions: Sequence[str]) -> str:
    """Return the level of a topic that stands for its sender: that at the first `+`, or else the first."""
    levels = topic.split("/")
    for subscription in subscriptions:
        wanted = subscription.split("/")
        if "+" in wanted and _matches(wanted, levels):
            return levels[wanted.index("+")]
    return next(filter(None, levels), "")


def _matches(wanted: list[str], levels: list[str]) -> bool:
    if wanted[-1] == "#":
        wanted, levels = wanted[:-1], levels[: len(wanted) - 1]
    return len(wanted) == len(levels) and all(
        one in ("+", level) for one, level in zip(wanted, levels, strict=True)
    )


def _entry(topic: str, payload: bytes, source: str) -> MappedEntry:
    labels = {"topic": topic}
    raw = ""
    if not ndjson.is_utf8(payload):
        raw = b64encode(payload).decode()
    text = payload.decode(errors="replace")
    if text.lstrip().startswith("{"):
        fields = _fields(text.encode())
        if fields is not None:
            return _of_fields(fields, source, labels, raw)
    text = _COLOURS.sub("", text).rstrip("\r\n\0")
    found = _ESPHOME.match(text)
    level = _ESPHOME_LEVELS.get(found[1], "TRACE") if found else ""
    return MappedEntry(level=level, message=text, source=source, labels=labels, raw=raw)


def _fields(data: bytes) -> dict[str, Any] | None:
    """Return the fields of a JSON object; None for anything else."""
    verdict, found = ndjson.judge_line(ndjson.repaired(data), _decoder)
    return found if verdict is Verdict.ACCEPTED and isinstance(found, dict) else None


def _of_fields(fields: dict[str, Any], source: str, labels: dict[str, Any], raw: str) -> MappedEntry:
    level = level_of(fields)
    message = _take(fields, MESSAGE_KEYS)
    time = next(
        (fields.pop(key) for key in TIME_KEYS if isinstance(fields.get(key), str | int | float)), None
    )
    for key in LEVEL_KEYS:
        if isinstance(fields.get(key), str) and level:
            del fields[key]
    return MappedEntry(
        time=time,
        level=level,
        message=msgspec.UNSET if message is None else _COLOURS.sub("", message),
        source=_take(fields, SOURCE_KEYS) or source,
        host=_take(fields, ("host", "hostname")) or "",
        labels=labels,
        attributes=fields,
        raw=raw,
    )


def _take(fields: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """Remove the first of these fields that is a text, and return it."""
    for key in keys:
        if isinstance(fields.get(key), str):
            text = fields.pop(key)
            assert isinstance(text, str)  # noqa: S101 - the condition above
            return text
    return None
