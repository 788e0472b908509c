"""Codec of bodies whose shape is found out: JSON objects in all arrangements, MessagePack, forms, lines of text."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from logboom.formats.json_fields import DAMAGE, entries_of, objects_of, utf8
from logboom.formats.mapped import MappedEntry, batch_of
from logboom.formats.messagepack import MalformedError, PlainValues, walk
from logboom.model import Batch, Receipt, Verdict
from logboom.receivers.forward.payload import PayloadEntries
from logboom.receivers.http_push import BodyError, HttpReply, WholeBody
from logboom.receivers.webhook.python_form import entry_of_form

MESSAGEPACK: Final = frozenset({"application/msgpack", "application/x-msgpack", "application/vnd.msgpack"})
FORM: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 1000
"""Fields of one form."""

_PAIRS: Final = range(0x92, 0x93)
"""First byte of an array of two: a time and a record, as Fluent Bit sends it."""
_decode_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


class WebhookCodec(WholeBody):
    """Codec of one body. It is stored as a whole, or refused as a whole."""

    def decode(self, body: bytes) -> Batch | None:
        """See `WholeBody`. Raises `BodyError`."""
        entries = self._entries(body)
        if not entries:
            return None
        return batch_of(entries, len(body), levels=[entry.level for entry in entries])

    def _entries(self, body: bytes) -> Sequence[MappedEntry]:
        kind, start = self.request.content_type, body.lstrip()[:1]
        if kind in MESSAGEPACK:
            return _of_messagepack(body)
        if start not in (b"{", b"["):
            return _of_form(body) if kind == FORM else _of_text(body)
        documents = _documents(utf8(body), is_array=start == b"[")
        if documents is None and kind == "text/plain":  # a line of text may begin with a bracket
            return _of_text(body)
        return _mapped(documents)

    def answer(self, receipt: Receipt | None) -> HttpReply:
        """See `WholeBody`."""
        verdicts = receipt.verdicts if receipt is not None else b""
        if Verdict.TOO_LONG in verdicts:
            return self.refuse(BodyError(413, f"entry {verdicts.index(Verdict.TOO_LONG)} is too long"))
        return HttpReply(200, msgspec.json.encode({"entries": len(verdicts)}))

    def refuse(self, error: BodyError) -> HttpReply:
        """See `HttpCodec`."""
        return HttpReply(error.status, msgspec.json.encode({"error": str(error)}))


def _documents(body: bytes, *, is_array: bool) -> list[bytes] | None:
    """Cut JSON into objects: an array, or values one after the other; None: it is no JSON."""
    if not is_array:
        return objects_of(body)
    try:
        return [bytes(one) for one in _decode_list(body)]
    except DAMAGE:
        return None


def _mapped(documents: list[bytes] | None) -> Sequence[MappedEntry]:
    if documents is None:
        raise BodyError(400, "the body is not JSON")
    found: list[MappedEntry] = []
    for number, entry in enumerate(entries_of(documents)):
        if entry is None:
            raise BodyError(400, f"entry {number} is no JSON object")
        found.append(entry)
    return found


def _of_messagepack(body: bytes) -> Sequence[MappedEntry]:
    """Read records one after the other, with or without a time before each. Raises `BodyError`."""
    if body[:1] and body[0] in _PAIRS:
        payload, found = PayloadEntries("", body), list[MappedEntry]()
        while (part := payload.take()) is not None:
            if any(part.verdicts) or any(entry.raw for entry in part.entries):
                raise BodyError(400, "the body is not MessagePack that can be read")
            found += part.entries
        return found
    values, at = list[bytes](), 0
    try:
        while at < len(body):
            end, missing = walk(body, at, len(body), 1)
            if missing or end > len(body):
                raise BodyError(400, "the body breaks off")
            value = PlainValues().of(msgspec.msgpack.decode(body[at:end]))
            values += map(msgspec.json.encode, value if isinstance(value, list) else [value])
            at = end
    except (*DAMAGE, MalformedError, TypeError, ValueError) as error:
        raise BodyError(400, f"the body is not MessagePack: {error}") from None
    return _mapped(values)


def _of_form(body: bytes) -> Sequence[MappedEntry]:
    """Read a form: one entry. Raises `BodyError`."""
    try:
        pairs = parse_qsl(body.decode(errors="replace"), max_num_fields=FIELDS_MAX)
    except ValueError:
        raise BodyError(400, f"a form of more than {FIELDS_MAX} fields") from None
    if not pairs:
        return _of_text(body)
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields[name] = f"{fields[name]}\n{value}" if name in fields else value
    return [entry_of_form(fields)]


def _of_text(body: bytes) -> Sequence[MappedEntry]:
    return [MappedEntry(message=line) for line in body.decode(errors="replace").splitlines() if line.strip()]
