"""Codec of Loki's push API: streams of lines, as JSON or as protobuf."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, Final

import msgspec

from logboom.formats.json_columns import Fields
from logboom.formats.json_fields import (
    DAMAGE,
    LEVEL_KEYS,
    MESSAGE_KEYS,
    fields_of,
    take,
    text_of,
    utf8,
)
from logboom.formats.levels import severity
from logboom.formats.mapped import MappedEntry, batch_of
from logboom.model import Batch, Receipt, Verdict
from logboom.receivers.http_push import BodyError, HttpReply, WholeBody
from logboom.receivers.loki.labels import parse_labels
from logboom.receivers.loki.stream_lines import StreamLines

SOURCE_LABELS: Final = ("service_name", "job", "app", "container_name")
LEVEL_LABELS: Final = ("level", "severity", "detected_level")
HOST_LABELS: Final = ("host", "hostname")


class _UsualStream(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A stream in the form of today, without metadata."""

    stream: dict[str, str]
    values: list[tuple[str, str]]


class _UsualPush(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    streams: list[_UsualStream]


class _Stream(msgspec.Struct, gc=False):
    stream: dict[str, str] | None = None
    values: list[list[msgspec.Raw]] = []
    labels: str | None = None
    entries: list["_OldEntry"] = []


class _OldEntry(msgspec.Struct, gc=False):
    ts: str
    line: msgspec.Raw


class _Push(msgspec.Struct, gc=False):
    streams: list[_Stream] = []


_usual_push: Final = msgspec.json.Decoder(_UsualPush).decode
_push: Final = msgspec.json.Decoder(_Push).decode
_metadata: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class PushCodec(WholeBody):
    """Codec of one push."""

    hold_s = 8.0  # its usual clients never try again

    def decode(self, body: bytes) -> Batch | None:
        """See `WholeBody`. Raises `BodyError`."""
        if "json" in self.request.content_type:
            streams: Iterable[tuple[dict[str, str], StreamLines]] = json_streams(utf8(body))
        else:
            from logboom.receivers.loki.protobuf import proto_streams  # noqa: PLC0415 - of an extra

            streams = proto_streams(body, self._body_bytes_max)
        entries = [entry for labels, lines in streams for entry in entries_of(labels, lines)]
        if not entries:
            return None
        batch = batch_of(entries, len(body), levels=[entry.level for entry in entries])
        batch.keys = b'"loki"'  # as in Loki, a line with the same labels, time and metadata is the same entry
        return batch

    def answer(self, receipt: Receipt | None) -> HttpReply:
        """See `WholeBody`."""
        if receipt is not None and Verdict.TOO_LONG in receipt.verdicts:
            return HttpReply(400, b"a line is too long\n", "text/plain")
        return HttpReply(204)

    def refuse(self, error: BodyError) -> HttpReply:
        """See `HttpCodec`."""
        return HttpReply(error.status, f"{error}\n".encode(), "text/plain")


def json_streams(body: bytes) -> list[tuple[dict[str, str], StreamLines]]:
    """Read a push as JSON, in its form of today and in the earlier one. Raises `BodyError`."""
    # Texts without these escapes are encoded again as they were sent; to look for one byte first takes less time.
    if b"\\" not in body or (b"\\u" not in body and b"\\/" not in body):
        try:
            return [_usual_lines(one) for one in _usual_push(body).streams]
        except (ValueError, *DAMAGE):
            pass
    return list(_any_streams(body))


def _usual_lines(stream: _UsualStream) -> tuple[dict[str, str], StreamLines]:
    times, texts = zip(*stream.values, strict=True) if stream.values else ((), ())
    return stream.stream, StreamLines(list(map(int, times)), list(texts), {})


def _any_streams(body: bytes) -> Iterator[tuple[dict[str, str], StreamLines]]:
    try:
        found = _push(body)
    except DAMAGE as error:
        raise BodyError(400, f"the body is no push request: {error}") from None
    for stream in found.streams:
        labels = stream.stream if stream.stream is not None else parse_labels(stream.labels or "{}")
        if labels is None:
            raise BodyError(400, f"the labels cannot be read: {str(stream.labels)[:100]}")
        lines = StreamLines([], [], {})
        try:
            for value in stream.values:
                _add_value(value, lines)
        except (ValueError, IndexError, *DAMAGE):
            raise BodyError(400, "a value is no list of a time in nanoseconds and a line") from None
        lines.times.extend(one.ts for one in stream.entries)
        lines.texts.extend(one.line for one in stream.entries)
        yield labels, lines


def _add_value(value: list[msgspec.Raw], lines: StreamLines) -> None:
    moment, line = value[:2]
    if bytes(line)[:1] != b'"':
        raise ValueError(value)
    if len(value) > 2:
        lines.metadata[len(lines.times)] = _metadata(value[2])
    lines.times.append(int(bytes(moment).strip(b'"')))
    lines.texts.append(line)


def entries_of(labels: dict[str, str], lines: StreamLines) -> Sequence[MappedEntry]:
    """Return the entry of each line of a stream."""
    source = next((labels[name] for name in SOURCE_LABELS if labels.get(name)), "")
    host = next((labels[name] for name in HOST_LABELS if labels.get(name)), "")
    level = next((labels[name] for name in LEVEL_LABELS if labels.get(name)), "")
    if severity(level) is None:  # some senders do not fill in their template: "$level"
        level = ""
    same = repeat(source), repeat(host), repeat(labels)
    entries = list(map(MappedEntry, lines.times, repeat(level), lines.texts, *same))
    for index, text in enumerate(lines.texts):
        if type(text) is not str or text[:1] == "{" or index in lines.metadata:
            _add_fields(entries[index], lines.metadata.get(index, {}))
    return entries


def _add_fields(entry: MappedEntry, metadata: Mapping[str, Any]) -> None:
    """Complete an entry with the metadata of its line, and with the fields of a line that is a JSON object."""
    attributes: Fields | dict[str, Any] = dict(metadata)
    if attributes and not entry.level:
        entry.level = _level_of(attributes)
    inner = _object_of(entry.message)
    if inner:
        found = take(inner, MESSAGE_KEYS)
        if found is not None:
            entry.message = found
            inner_level = text_of(take(inner, LEVEL_KEYS))
            if severity(entry.level) is None:
                entry.level = inner_level or entry.level
            attributes = {**inner, **attributes}
    entry.attributes = attributes


def _level_of(attributes: Mapping[str, Any]) -> str:
    return next((_text(attributes[name]) for name in LEVEL_LABELS if name in attributes), "")


def _text(value: Any) -> str:
    return text_of(value) if isinstance(value, msgspec.Raw) else str(value)


def _object_of(line: Any) -> Fields | None:
    """Return the fields of a line that is a JSON object; None: it is a text."""
    if isinstance(line, str):
        return fields_of(line.encode()) if line.startswith("{") else None
    return fields_of(text_of(line).encode()) if bytes(line)[1:2] == b"{" else None
