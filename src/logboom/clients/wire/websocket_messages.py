"""WebSocket messages, the client's side: made, and their answers read. Contract: docs/contracts/websocket.md."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from logboom.clients.wire.dialect import NO_FIELDS, Outcome, Reply, UnfitLineError, as_text

MESSAGE_BYTES_MAX: Final = 1 << 20
"""The largest message of the contract. A server disconnects whoever sends more, so it must never be sent."""

LOG: Final = "log"
HEARTBEAT: Final = "heartbeat"
STATUS: Final = "status"
ERROR: Final = "error"

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - the document's times have no zone; they are UTC
_LIMITED: Final = "rate limit exceeded"
_BUSY: Final = "storage unavailable"
_ACKNOWLEDGED: Final = Reply(Outcome.ACKNOWLEDGED)
_FILTERED: Final = Reply(Outcome.FILTERED)


class StampedMessage(bytes):
    """A message whose timestamp no other message of this client has: it can be found again at the server."""

    __slots__ = ()


class _Message(msgspec.Struct, gc=False):
    message: str | list[str]


class _Answer(msgspec.Struct, gc=False):
    status: str
    timestamp: str = ""
    message_id: int | UnsetType = UNSET
    message: Raw | UnsetType = UNSET
    type: Raw | UnsetType = UNSET
    source: Raw | UnsetType = UNSET
    retry_after_s: float = 0.0


class MessageAnswer(msgspec.Struct, gc=False):
    """An answer to one message."""

    reply: Reply
    timestamp: str
    """The server's time; empty when it gave none."""


_decode_message: Final = msgspec.json.Decoder(_Message).decode
_decode_answer: Final = msgspec.json.Decoder(_Answer).decode
_decode_text: Final = msgspec.json.Decoder(str).decode
_encode: Final = msgspec.json.Encoder().encode


def is_message(line: bytes) -> bool:
    """Whether a line is a message already."""
    try:
        _decode_message(line)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def stamp(moment_us: int) -> str:
    """Microseconds since the epoch as the document writes times: ISO 8601 with microseconds, without zone."""
    return (_EPOCH + timedelta(microseconds=moment_us)).isoformat(timespec="microseconds")


def make_message(
    lines: str | list[str],
    moment_us: int,
    source: str,
    kind: str = LOG,
    fields: Mapping[str, str] = NO_FIELDS,
) -> StampedMessage:
    """One message.

    Args:
        lines: the text, or several lines of it.
        moment_us: microseconds since the epoch; must be another one for each message of a client.
        source: the sender's name, for example `whaleon-36381824`.
        kind: `log`, `heartbeat`, `status` or `error`.
        fields: further ones, beyond the document.

    Raises:
        UnfitLineError: it is larger than `MESSAGE_BYTES_MAX`.
    """
    count = len(lines) if isinstance(lines, list) else 1
    message = {
        "timestamp": stamp(moment_us),
        "message": lines,
        "source": source,
        "type": kind,
        "line_count": count,
        **fields,
    }
    return StampedMessage(checked(_encode(message)))


def checked(message: bytes) -> bytes:
    """The message, if it is not too large. Raises `UnfitLineError`."""
    if len(message) > MESSAGE_BYTES_MAX:
        raise UnfitLineError(f"message longer than {MESSAGE_BYTES_MAX} bytes")
    return message


def text_of(line: bytes) -> str | list[str]:
    """A line as the `message` of a message; several lines become a list."""
    text = as_text(line)
    return text.split("\n") if "\n" in text else text


def read_answer(text: bytes | str) -> MessageAnswer | None:
    """Read what came from the server; None: no answer to us, but a message of another peer."""
    try:
        answer = _decode_answer(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if answer.type is not UNSET or answer.source is not UNSET:
        return None
    reply = _reply(answer)
    return MessageAnswer(reply, answer.timestamp) if reply else None


def _reply(answer: _Answer) -> Reply | None:
    if answer.message is UNSET:
        if answer.status == "received" and answer.message_id is not UNSET:
            return _ACKNOWLEDGED
        return _FILTERED if answer.status == "filtered" else None
    if answer.status != ERROR:
        return None
    try:
        reason = _decode_text(bytes(answer.message))
    except msgspec.DecodeError:
        return None
    if reason == _LIMITED:
        return Reply(Outcome.LIMITED, reason, max(0.0, answer.retry_after_s))
    return Reply(Outcome.BUSY if reason == _BUSY else Outcome.REFUSED, reason)
