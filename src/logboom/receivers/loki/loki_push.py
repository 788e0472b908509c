"""Codec of Loki's push API: streams of lines, as JSON or as protobuf."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from logboom.formats.json_fields import (
    DAMAGE,
    LEVEL_KEYS,
    MESSAGE_KEYS,
    Fields,
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
from logboom.receivers.loki.stream_line import StreamLine

SOURCE_LABELS: Final = ("service_name", "job", "app", "container_name")
LEVEL_LABELS: Final = ("level", "severity", "detected_level")
HOST_LABELS: Final = ("host", "hostname")


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


_push: Final = msgspec.json.Decoder(_Push).decode
_metadata: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class PushCodec(WholeBody):
    """Codec of one push."""

    hold_s = 8.0  # its usual clients never try again

    def decode(self, body: bytes) -> Batch | None:
        """See `WholeBody`. Raises `BodyError`."""
        if "json" in self.request.content_type:
            streams = _json_streams(utf8(body))
        else:
            from logboom.receivers.loki.protobuf import proto_streams  # noqa: PLC0415 - of an extra

            streams = proto_streams(body, self._body_bytes_max)
        entries = [entry for labels, lines in streams for entry in _entries(labels, lines)]
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


def _json_streams(body: bytes) -> Iterator[tuple[dict[str, str], Iterable[StreamLine]]]:
    """Read a push as JSON, in its form of today and in the earlier one. Raises `BodyError`."""
    try:
        found = _push(body)
    except DAMAGE as error:
        raise BodyError(400, f"the body is no push request: {error}") from None
    for stream in found.streams:
        labels = stream.stream if stream.stream is not None else parse_labels(stream.labels or "{}")
        if labels is None:
            raise BodyError(400, f"the labels cannot be read: {str(stream.labels)[:100]}")
        try:
            yield (
                labels,
                [*map(_value, stream.values), *(StreamLine(one.ts, one.line, {}) for one in stream.entries)],
            )
        except (ValueError, IndexError, *DAMAGE):
            raise BodyError(400, "a value is no list of a time in nanoseconds and a line") from None


def _value(value: list[msgspec.Raw]) -> StreamLine:
    moment, line = value[:2]
    if bytes(line)[:1] != b'"':
        raise ValueError(value)
    return StreamLine(int(bytes(moment).strip(b'"')), line, _metadata(value[2]) if len(value) > 2 else {})


def _entries(labels: dict[str, str], lines: Iterable[StreamLine]) -> Iterator[MappedEntry]:
    source = next((labels[name] for name in SOURCE_LABELS if labels.get(name)), "")
    host = next((labels[name] for name in HOST_LABELS if labels.get(name)), "")
    stream_level = next((labels[name] for name in LEVEL_LABELS if labels.get(name)), "")
    is_known = severity(stream_level) is not None
    for line in lines:
        message: Any = line.line
        level: str = stream_level
        attributes: Fields | dict[str, Any] = dict(line.metadata) if line.metadata else {}
        if not is_known:  # some senders do not fill in their template: "$level"
            level = _level_of(attributes) if attributes else ""
        inner = _object_of(message)
        if inner:
            found = take(inner, MESSAGE_KEYS)
            if found is not None:
                message = found
                inner_level = text_of(take(inner, LEVEL_KEYS))
                if severity(level) is None:
                    level = inner_level or level
                attributes = {**inner, **attributes}
        yield MappedEntry(
            time=line.time,
            level=level,
            message=message,
            source=source,
            host=host,
            labels=labels,
            attributes=attributes,
        )


def _level_of(attributes: Mapping[str, Any]) -> str:
    return next((_text(attributes[name]) for name in LEVEL_LABELS if name in attributes), "")


def _text(value: Any) -> str:
    return text_of(value) if isinstance(value, msgspec.Raw) else str(value)


def _object_of(line: Any) -> Fields | None:
    """Return the fields of a line that is a JSON object; None: it is a text."""
    if isinstance(line, str):
        return fields_of(line.encode()) if line.startswith("{") else None
    return fields_of(text_of(line).encode()) if bytes(line)[1:2] == b"{" else None
