"""Client side of `forward`: entries in chunks, each acknowledged under its identifier.

A chunk whose answer was lost is sent again under the same identifier, and stored once.
Contract: docs/contracts/forward.md.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from socket import gethostname
from typing import Any, ClassVar, Final

import msgspec

from logboom.clients.wire.bearer import TokenRefusedError
from logboom.clients.wire.dialect import Answers, Outcome, Reply, UnfitLineError
from logboom.clients.wire.line_dialect import REPLY_BYTES_MAX, LineLink
from logboom.clients.wire.mapped_dialect import PROGRAM, MappedDialect
from logboom.formats.messagepack import MalformedError, payload, walk

OWN_PREFIX: Final = "lb_"
"""Start of Logboom's own tokens; any other token is the shared key of the handshake."""

_SALT_BYTES: Final = 16
_MICROSECONDS: Final = 1_000_000
_ACKNOWLEDGED: Final = Reply(Outcome.ACKNOWLEDGED)
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode


class ForwardLink(LineLink):
    """A connection that carries chunks, and their acknowledgements."""

    _chunks: deque[tuple[str, int]]

    async def open(self) -> None:
        """See `line_dialect.LineLink`."""
        token = self._target.trust.token
        if token and not token.startswith(OWN_PREFIX):
            await self._shake_hands()
        else:
            await self.show_token()

    async def _shake_hands(self) -> None:
        """Prove the knowledge of the shared key. Raises OSError, and TokenRefusedError when the server refuses it."""
        from logboom.receivers.forward.handshake import ping, refusal_in_pong  # noqa: PLC0415 - rarely needed

        hello = await self._value()
        key, salt = self._target.trust.token, os.urandom(_SALT_BYTES)
        try:
            self._writer.write(ping(hello, key, gethostname(), salt))
            refusal = refusal_in_pong(await self._value(), hello, key, salt)
        except (TypeError, ValueError, LookupError):
            raise ConnectionAbortedError(
                "the server's part of the handshake is not that of Forward"
            ) from None
        if refusal:
            raise TokenRefusedError(f"{self._target} refuses the shared key: {refusal}")

    async def _value(self) -> Any:
        """Return the next value that the server sends."""
        while not (values := list(self._values())):
            data = await self._reader.read(REPLY_BYTES_MAX)
            if not data:
                raise self._turned_away()
            self._rest += data
        return values[0]

    def _write(self, payloads: Sequence[bytes], key: str) -> None:
        self._chunks = deque()
        for number, (tag, entries) in enumerate(groupby(payloads, _tag_of)):
            chunk = f"{key}/{number}" if number else key
            packed = [one[len(tag) :] for one in entries]
            options = _encode({"chunk": chunk, "size": len(packed)})
            self._writer.write(b"\x93" + tag + _encode(b"".join(packed)) + options)
            self._chunks.append((chunk, len(packed)))

    def _read(self, data: bytes) -> list[Reply]:
        self._rest += data
        replies: list[Reply] = []
        for answer in self._values():
            chunk, count = self._chunks.popleft() if self._chunks else ("", 0)
            if not isinstance(answer, dict) or not count or answer.get("ack") != chunk:
                raise ConnectionAbortedError(f"unexpected reply {str(answer)[:80]!r}")
            replies += [_ACKNOWLEDGED] * count
        return replies

    def _values(self) -> Iterator[Any]:
        """Take the complete values off what was received."""
        while self._rest:
            try:
                end, missing = walk(self._rest, 0, len(self._rest), 1)
                value = None if missing else _decode(self._rest[:end])
            except (MalformedError, msgspec.DecodeError, UnicodeDecodeError) as error:
                raise ConnectionAbortedError(f"a reply that is not MessagePack: {error}") from None
            if missing:
                self._check_rest()
                return
            self._rest = self._rest[end:]
            yield value


class ForwardDialect(MappedDialect):
    """Sends Forward messages with packed entries. The source of an entry is its tag."""

    name: ClassVar[str] = "forward"
    link: ClassVar[type[LineLink]] = ForwardLink
    port_default: ClassVar[int] = 24224
    answers: ClassVar[Answers] = Answers.EACH
    timeout_s: ClassVar[float] = 60.0  # one answer for the whole chunk
    keyed: ClassVar[bool] = True

    def encode_fields(self, fields: dict[str, Any], moment_us: int) -> bytes:
        """See `mapped_dialect.MappedDialect`: the tag, and behind it the entry."""
        seconds, rest = divmod(moment_us, _MICROSECONDS)
        tag = str(fields.pop("source", "") or PROGRAM)
        moment = msgspec.msgpack.Ext(0, seconds.to_bytes(4) + (rest * 1000).to_bytes(4))
        try:
            return _encode(tag) + _encode([moment, fields])
        except OverflowError:
            raise UnfitLineError("a number with more than 64 bits") from None


def _tag_of(one: bytes) -> bytes:
    """Return the tag in front of an entry, as it is encoded."""
    found = payload(one, 0)
    assert found is not None  # noqa: S101 - the dialect made it
    return one[: found[1]]
