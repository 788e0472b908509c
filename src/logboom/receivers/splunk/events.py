"""Codecs of Splunk's HTTP event collector: JSON events, one after the other, and raw lines."""

from collections.abc import Sequence
from itertools import repeat
from typing import Any, Final

import msgspec

from logboom.formats.json_columns import Fields, by_shape, take_columns
from logboom.formats.json_fields import (
    DAMAGE,
    LEVEL_KEYS,
    decode_objects,
    fields_of,
    objects_of,
    take,
    text_of,
    utf8,
)
from logboom.formats.mapped import MappedEntry, batch_of
from logboom.model import Batch, Receipt, Verdict
from logboom.receivers.http_push import BodyError, HttpReply, HttpRequest, WholeBody

MESSAGE_KEYS: Final = ("message", "line", "msg", "log")

_encode: Final = msgspec.json.encode
_CODES: Final = {400: 6, 413: 27, 429: 9, 503: 9}
_TEXTS: Final = {5: "No data", 6: "Invalid data format", 9: "Server is busy", 12: "Event field is required"}
_TEXTS_MORE: Final = {13: "Event field cannot be blank", 27: "Request entity too large"}


class _Event(msgspec.Struct, gc=False):
    event: msgspec.Raw = msgspec.Raw(b"")
    time: float | str | None = None
    host: str | None = None
    source: str | None = None
    sourcetype: str | None = None
    index: str | None = None
    fields: dict[str, Any] | None = None


_decoder: Final = msgspec.json.Decoder(_Event, strict=False)


class HecError(BodyError):
    """An event that cannot be stored; with it, none of the request is.

    Args:
        code: of the protocol.
        number: of the event, from 0.
    """

    def __init__(self, code: int, number: int) -> None:
        super().__init__(400, _TEXTS.get(code, _TEXTS_MORE.get(code, "")))
        self.code = code
        self.number = number


class _Collector(WholeBody):
    """Base of both kinds of bodies."""

    def answer(self, receipt: Receipt | None) -> HttpReply:
        """See `WholeBody`."""
        if receipt is None:
            return HttpReply(400, _encode({"text": "No data", "code": 5}))
        if Verdict.TOO_LONG in receipt.verdicts:
            number = receipt.verdicts.index(Verdict.TOO_LONG)
            return self.refuse(HecError(6, number))
        return HttpReply(200, b'{"text":"Success","code":0}')

    def refuse(self, error: BodyError) -> HttpReply:
        """See `HttpCodec`."""
        if isinstance(error, HecError):
            body = {"text": str(error), "code": error.code, "invalid-event-number": error.number}
            return HttpReply(400, _encode(body))
        code = _CODES.get(error.status, 6)
        text = _TEXTS.get(code, _TEXTS_MORE.get(code, "")) if code == 9 else str(error)
        return HttpReply(error.status, _encode({"text": text, "code": code}))


class EventCodec(_Collector):
    """Codec of JSON events."""

    def decode(self, body: bytes) -> Batch | None:
        """See `WholeBody`. Raises `HecError`."""
        if not body.strip():
            return None
        text = utf8(body)
        entries = usual_entries(text) or _any_entries(text)
        return batch_of(entries, len(body), levels=[entry.level for entry in entries])


class RawCodec(_Collector):
    """Codec of raw lines; host, source, sourcetype and index are in the query."""

    def decode(self, body: bytes) -> Batch | None:
        """See `WholeBody`."""
        query = self.request.query
        labels = {name: query[name] for name in ("index", "sourcetype") if query.get(name)}
        entries = [
            MappedEntry(
                message=line, source=query.get("source", ""), host=query.get("host", ""), labels=labels
            )
            for line in body.decode(errors="replace").splitlines()
            if line.strip()
        ]
        return batch_of(entries, len(body)) if entries else None


def usual_entries(body: bytes) -> list[MappedEntry]:
    """Read events that are objects, all at once; returns none for a body that has others, or is not good."""
    try:
        events = _decoder.decode_lines(body)
        objects = decode_objects(b"[" + b",".join([one.event for one in events]) + b"]")
    except DAMAGE:
        return []
    if len(objects) != len(events):
        return []
    return by_shape(_of_shape, objects, events)


def _of_shape(
    keys: tuple[str, ...], objects: Sequence[Fields], events: Sequence[_Event]
) -> list[MappedEntry]:
    """Return the entries of events that are objects with the same keys."""
    messages, levels = ([name for name in names if name in keys] for names in (MESSAGE_KEYS, LEVEL_KEYS))
    columns = None
    if len(messages) == 1 and len(levels) < 2:
        columns = take_columns([one.event for one in events], objects, (messages[0], *levels))
    if columns is None:
        return list(map(_entry, events, repeat(0)))
    known: dict[tuple[str | None, str | None], dict[str, Any]] = {}
    return list(
        map(
            MappedEntry,
            [None if one.time is None else str(one.time) for one in events],
            columns.texts(1) if levels else repeat(""),
            columns.raw[0],
            [one.source or "" for one in events],
            [one.host or "" for one in events],
            [
                known.get(place := (one.index, one.sourcetype)) or known.setdefault(place, _labels_of(one))
                if one.fields is None
                else _labels_of(one)
                for one in events
            ],
            objects,
        )
    )


def _labels_of(event: _Event) -> dict[str, Any]:
    labels = {"index": event.index, "sourcetype": event.sourcetype, **(event.fields or {})}
    return {name: value for name, value in labels.items() if value is not None}


def _any_entries(body: bytes) -> list[MappedEntry]:
    """Read events of any kind. Raises `HecError`."""
    pieces = objects_of(body)
    if pieces is None:
        raise HecError(6, 0)
    entries = []
    for number, piece in enumerate(pieces):
        try:
            event = _decoder.decode(piece)
        except DAMAGE:
            raise HecError(6, number) from None
        entries.append(_entry(event, number))
    return entries


def _entry(event: _Event, number: int) -> MappedEntry:
    """Return the entry of an event. Raises `HecError`."""
    raw = bytes(event.event)
    if not raw:
        raise HecError(12, number)
    if raw in {b'""', b"null"}:
        raise HecError(13, number)
    message: Any = event.event if raw[:1] == b'"' else raw.decode()
    attributes: Fields = {}
    level: Any = None
    if raw[:1] == b"{":
        attributes = fields_of(raw) or {}
        message = take(attributes, MESSAGE_KEYS) or ("" if "line" in attributes else raw.decode())
        level = take(attributes, LEVEL_KEYS)
        if message == raw.decode():
            attributes = {}
    return MappedEntry(
        time=None if event.time is None else str(event.time),
        level=text_of(level),
        message=message,
        source=event.source or "",
        host=event.host or "",
        labels=_labels_of(event),
        attributes=attributes,
    )


def acknowledged(body: bytes) -> Sequence[int]:
    """Return the numbers in a request for acknowledgements. Raises `BodyError`."""
    try:
        return msgspec.json.decode(body, type=_Acks).acks
    except DAMAGE:
        raise BodyError(400, "Invalid data format") from None


class _Acks(msgspec.Struct):
    acks: list[int]


class AckCodec(WholeBody):
    """Codec of a request for acknowledgements: whatever was answered with success is stored."""

    def __init__(self, request: HttpRequest, body_bytes_max: int) -> None:
        super().__init__(request, body_bytes_max)
        self._numbers: Sequence[int] = ()

    def decode(self, body: bytes) -> Batch | None:
        """See `WholeBody`."""
        self._numbers = acknowledged(body)
        return None

    def answer(self, receipt: Receipt | None) -> HttpReply:  # noqa: ARG002 - there is no batch
        """See `WholeBody`."""
        return HttpReply(200, _encode({"acks": {str(number): True for number in self._numbers}}))

    def refuse(self, error: BodyError) -> HttpReply:
        """See `HttpCodec`."""
        return HttpReply(error.status, _encode({"text": str(error), "code": 6}))
