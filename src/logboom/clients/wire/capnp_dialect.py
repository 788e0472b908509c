"""`capnp`, the client's side: length-prefixed packed messages, never an answer. Contract: docs/contracts/capnp.md."""

import os
import socket
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import msgspec

from logboom.clients.wire.dialect import Answers, Reply, as_text, json_object
from logboom.clients.wire.line_dialect import LineDialect, LineLink
from logboom.clients.wire.target import Target
from logboom.formats.capnp_entry import TEXTS
from logboom.formats.capnp_schemas import schemas
from logboom.formats.entry_level import LEVEL_KEYS, level_of
from logboom.formats.entry_time import TIME_KEYS
from logboom.formats.levels import wire_number
from logboom.formats.records import MESSAGE_KEYS

_SERVICE_KEYS: Final = ("service", "service_name")
_INFO: Final = 3
_KEPT: Final = frozenset({"level", "timestamp", "serviceName"})


def snake(name: str) -> str:
    """A field's name as Python and gRPC spell it."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


FIELD_OF_KEY: Final[dict[str, str]] = {
    **{snake(name): name for name in TEXTS},
    **{name: name for name in TEXTS},
    **dict.fromkeys(LEVEL_KEYS, "level"),
    **dict.fromkeys(MESSAGE_KEYS, "message"),
    **dict.fromkeys(TIME_KEYS, "timestamp"),
    **dict.fromkeys(_SERVICE_KEYS, "serviceName"),
}
"""Which field a JSON object's key goes to: the document's own names, those of Python, and common synonyms."""

_decode: Final = msgspec.json.Decoder(dict[str, object]).decode


def frame(payload: bytes) -> bytes:
    """A frame as it goes over the wire."""
    return len(payload).to_bytes(4, "big") + payload


class CapnpDialect(LineDialect):
    """Sends `LoggerMsg` messages.

    JSON objects whose keys all have a field become messages with those fields. Of others, level, time and
    service are taken over, and the object's text is the message: nothing is left out. Other lines are INFO messages.
    What names no service is from `source`.

    Args:
        hello: fields of the `HelloMsg` that opens each connection, for example `{"fromName": "shop"}`; None: as
            older clients, which send none.
    """

    name: ClassVar[str] = "capnp"
    schemes: ClassVar[tuple[str, ...]] = ("capnp", "tcp", "capnps", "tcps", "tls")
    port_default: ClassVar[int] = 9020
    answers: ClassVar[Answers] = Answers.NONE
    timeout_s: ClassVar[float] = 30.0  # there is no answer to wait for, only room to send

    def __init__(self, hello: dict[str, str] | None = None) -> None:
        self._hello = hello
        self._own = {"hostname": socket.gethostname(), "processId": str(os.getpid())}

    def encode(self, line: bytes) -> bytes:
        """See `dialect.Dialect`."""
        found = json_object(line)
        fields = fields_of(found) if found is not None else {"level": _INFO, "message": as_text(line)}
        if not fields.get("timestamp"):
            fields["timestamp"] = datetime.now(UTC).isoformat(timespec="microseconds")
        return self.encode_fields({**self._own, "serviceName": self.source, **fields})

    @staticmethod
    def encode_fields(fields: dict[str, Any]) -> bytes:
        """The frame of one message.

        Args:
            fields: texts by the document's names; `level` as the enum's number.
        """
        message = schemas().reader.LoggerText.new_message(**fields)
        return frame(message.to_bytes_packed())

    @staticmethod
    def parse(line: bytes) -> Reply | None:  # noqa: ARG004 - whatever it is, it is not expected
        """See `lines.LineDialect`."""
        return None

    async def connect(self, target: Target) -> LineLink:
        """See `dialect.Dialect`."""
        link = await super().connect(target)
        if self._hello is not None:
            link.send([frame(schemas().logger.HelloMsg.new_message(**self._hello).to_bytes())])
        return link


def fields_of(line: bytes) -> dict[str, Any]:
    """A JSON object's fields, as `encode_fields` takes them."""
    entry = _decode(line)
    fields: dict[str, Any] = {}
    complete = True
    for key, value in entry.items():
        field = FIELD_OF_KEY.get(key)
        sent = level_of(entry) if field == "level" and value is not None else value
        fits = field is not None and field not in fields and _put(fields, field, sent)
        complete = complete and fits
    if complete:
        return fields
    kept = {field: value for field, value in fields.items() if field in _KEPT}
    if "level" not in kept:  # it may stand deeper
        _put(kept, "level", level_of(entry))
    return {**kept, "message": as_text(line)}


def _put(fields: dict[str, Any], field: str, value: object) -> bool:
    """Set a field, unless it has no form for the value."""
    if value is None:
        return True  # as good as absent
    if field == "level":
        number = wire_number(value)
        if number is None:
            return False
        fields[field] = number
    elif isinstance(value, str):
        fields[field] = value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        fields[field] = str(value)
    else:
        return False
    return True
