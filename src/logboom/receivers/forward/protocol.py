"""`forward`: Fluent Forward, acknowledged by chunk once its entries are stored.

Contract: docs/contracts/forward.md.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from logboom.formats.compressed import KINDS
from logboom.formats.mapped import batch_of
from logboom.formats.messagepack import MalformedError
from logboom.model import REASONS_MAX, Acker, Batch, Receipt, Verdict
from logboom.receivers.forward.handshake import Handshake
from logboom.receivers.forward.json_form import JSON_STARTS, WHITE_SPACE, JsonMessages
from logboom.receivers.forward.modes import ForwardMessage, ForwardMessages, Mode
from logboom.receivers.forward.partial_lines import MARK, PartialLines
from logboom.receivers.forward.payload import SLICE_BYTES, PayloadEntries, Slice, any_value, kept_raw

CHUNK_CHARS_MAX: Final = 128
"""Longest chunk identifier that stands in keys as it is; of a longer one, its hash."""

RUN_MESSAGES_MAX: Final = 1000
"""Messages of one entry each that make up a batch; their answers are written at once."""

_SIGNALS: Final = {1: "metrics", 2: "traces"}
_NOT_STORED: Final = frozenset({Verdict.FAILED, Verdict.LIMITED})
_MARK: Final = MARK.encode()
_encode: Final = msgspec.msgpack.Encoder().encode
_encode_json: Final = msgspec.json.Encoder().encode


class ChunkAnswer:
    """The acker of a batch.

    Args:
        acks: acknowledgements of the batch, in order.
        before: the answer to the batch before, of the same chunk; a chunk is acknowledged only as a whole.
        each: one acknowledgement per entry; otherwise they are those of the batch as a whole.
    """

    __slots__ = ("_acks", "_before", "_each", "failed")

    def __init__(
        self, acks: Sequence[bytes], before: "ChunkAnswer | None" = None, *, each: bool = False
    ) -> None:
        self._acks = acks
        self._before = before
        self._each = each
        self.failed = False

    def __call__(self, receipt: Receipt) -> bytes:
        """See `model.Acker`."""
        if self._each:
            pairs = zip(receipt.verdicts, self._acks, strict=True)
            return b"".join([ack for verdict, ack in pairs if verdict not in _NOT_STORED])
        self.failed = (self._before is not None and self._before.failed) or any(
            verdict in _NOT_STORED for verdict in set(receipt.verdicts)
        )
        self._before = None
        return b"" if self.failed else b"".join(self._acks)


class ForwardProtocol:
    """One connection.

    Args:
        message_bytes_max: longest message.
        handshake: of a listener with a shared key.
    """

    __slots__ = (
        "_begun",
        "_broken",
        "_current",
        "_eof",
        "_handshake",
        "_message_bytes_max",
        "_messages",
        "_next",
        "_parts",
        "_replies",
        "fatal",
    )
    name = "forward"
    identity: str | None = None

    def __init__(self, *, message_bytes_max: int = 16 << 20, handshake: Handshake | None = None) -> None:
        self._messages: ForwardMessages | JsonMessages = ForwardMessages(message_bytes_max)
        self._message_bytes_max = message_bytes_max
        self._handshake = handshake
        self._replies = [handshake.hello()] if handshake else []  # not of entries
        self._current: _Chunk | None = None
        self._parts = PartialLines()
        self._begun = self._eof = False
        self._next: ForwardMessage | None = None
        self._broken = ""  # why nothing behind what was read can be read
        self.fatal: str | None = None

    def receive_data(self, data: bytes | memoryview) -> None:
        """See `model.WireProtocol`."""
        if not self._begun:
            data = bytes(data).lstrip(WHITE_SPACE)
            self._begun = bool(data)
            if data and data[0] in JSON_STARTS:
                self._messages = JsonMessages(self._message_bytes_max)
        self._messages.feed(data)

    def receive_eof(self) -> None:
        """A message that is not complete has no acknowledgement: its sender sends it again."""
        self._eof = True

    def next_batch(self) -> tuple[Batch, Acker] | None:
        """See `model.WireProtocol`."""
        while True:
            if self._current is not None:
                item = self._current.next()
                if item is not None:
                    return item
                if self._current.is_empty:
                    self._replies += self._current.acks
                self._current = None
            if self._replies:
                return self._reply()
            message = self._take()
            if message is None:
                return self._give_out_parts()
            if message.mode is Mode.MESSAGE:
                self._current = self._chunk_of(self._run(message))
            elif message.mode is Mode.PING:
                self._shake(message)
            else:
                self._current = self._chunk_of([message])

    def _chunk_of(self, messages: list[ForwardMessage]) -> "_Chunk":
        is_json = isinstance(self._messages, JsonMessages)
        return _Chunk(messages, _encode_json if is_json else _encode, self._parts)

    def _give_out_parts(self) -> tuple[Batch, Acker] | None:
        """Return the parts of lines whose ends do not come; None if there are none."""
        size, parts = len(self._parts), self._parts.overdue(eof=self._eof or bool(self._broken))
        if not parts:
            self.fatal = self._broken or None
            return None
        return batch_of(parts, size + 1, levels=[part.level for part in parts]), lambda _: b""

    def _reply(self) -> tuple[Batch, Acker]:
        """Return what stands between the answers to entries, as the answer to a batch without any."""
        replies, self._replies = b"".join(self._replies), []
        self.fatal = self._broken or None
        return Batch(b"", b"", size_bytes=0), lambda _: replies

    def data_to_send(self) -> bytes:
        """Nothing but answers; the calls, one per second, are the clock of parts that wait."""
        self._parts.tick()
        return b""

    def buffered_bytes(self) -> int:
        """See `model.WireProtocol`."""
        held = len(self._current) if self._current else 0
        held += len(self._messages) + (self._next.size_bytes if self._next else 0)
        return held + len(self._parts)

    def _take(self) -> ForwardMessage | None:
        """Return the next message."""
        message, self._next = self._next, None
        if message is not None:
            return message
        if self._broken:
            return None
        try:
            message = self._messages.take()
        except MalformedError as error:
            self._broken = f"not Fluent Forward: {error}"
            return None
        if message is not None and self._handshake is not None and message.mode is not Mode.PING:
            self._broken = "a client without the shared key: it sent no PING"
            return None
        return message

    def _run(self, first: ForwardMessage) -> list[ForwardMessage]:
        """Return a message of one entry with those behind it that can be in the same batch."""
        run, size = [first], first.size_bytes
        kind = _run_kind(first)
        while size < SLICE_BYTES and len(run) < RUN_MESSAGES_MAX:
            message = self._take()
            if message is None or not kind or _run_kind(message) != kind:
                self._next = message
                break
            run.append(message)
            size += message.size_bytes
        return run

    def _shake(self, ping: ForwardMessage) -> None:
        """ChunkAnswer the client's part of the handshake; a second one has no place."""
        if self._handshake is None:
            self._broken = "a client with a shared key, and this listener has none"
            return
        try:
            values = any_value(ping.data)
        except MalformedError:
            values = []
        reply, refusal = self._handshake.answer(values)
        self._replies += [reply] if reply else []
        self._broken = refusal
        self._handshake = None


def _run_kind(message: ForwardMessage) -> tuple[str, bool] | None:
    """Return what the messages of a run have in common; None for a message that stands alone."""
    if message.mode is not Mode.MESSAGE or "fluent_signal" in message.options:
        return None
    return message.tag, isinstance(message.options.get("chunk"), str | bytes)


class _Chunk:
    """The entries of one message, or of a run of messages with one entry each; their batches and answers.

    Args:
        messages: one; or several of one entry each, with the same tag.
        encode: encodes an acknowledgement.
        parts: joins lines that were sent in parts, where no part waits for an acknowledgement.
    """

    __slots__ = ("_ahead", "_answer", "_entries", "_keys", "_number", "_parts", "_single", "acks")

    def __init__(
        self, messages: list[ForwardMessage], encode: Callable[[Any], bytes], parts: PartialLines
    ) -> None:
        self._single = messages[0].mode is Mode.MESSAGE
        chunks = [message.options.get("chunk") for message in messages]
        self._keys = [key for key in map(_key_of, chunks) if key]
        self.acks = [encode({"ack": chunk}) for chunk in chunks if isinstance(chunk, str | bytes)]
        """Acknowledgements; none if the client asks for none."""
        has_parts = self._single and any(_MARK in message.data for message in messages)
        self._parts = parts if has_parts and not self.acks else None
        self._entries = _entries_of(messages)
        self._ahead = self._entries.take()
        self._number = 0
        self._answer: ChunkAnswer | None = None

    def __len__(self) -> int:
        """Bytes that wait."""
        return 0 if self._ahead is None else self._ahead.size_bytes + len(self._entries)

    @property
    def is_empty(self) -> bool:
        """True if it had no entries."""
        return self._answer is None

    def next(self) -> tuple[Batch, ChunkAnswer] | None:
        """Return the next batch and its answer; None after the last one."""
        while (found := self._ahead) is not None:
            self._ahead = self._entries.take()
            if self._parts is not None:
                entries = self._parts.join(found.entries)
                verdicts = bytes(len(entries)) + found.verdicts.replace(b"\0", b"")
                found = found._replace(entries=entries, verdicts=verdicts)
            if found.verdicts:
                return self._batch_of(found)
        return None

    def _batch_of(self, found: Slice) -> tuple[Batch, ChunkAnswer]:
        entries, verdicts, size_bytes, reasons = found
        levels: list[object] = [entry.level for entry in entries]
        batch = batch_of(entries, size_bytes, verdicts=verdicts, levels=levels, reasons=reasons[:REASONS_MAX])
        first, self._number = self._number, self._number + len(verdicts)
        if self._keys:
            batch.keys = self._keys_of(first, verdicts)
        return batch, self._answer_to(first)

    def _answer_to(self, first: int) -> ChunkAnswer:
        if self._single:
            acks = self.acks[first : self._number]
            self._answer = ChunkAnswer(acks, each=bool(acks))
        else:
            self._answer = ChunkAnswer(self.acks if self._ahead is None else (), self._answer)
        return self._answer

    def _keys_of(self, first: int, verdicts: bytes) -> list[bytes]:
        """Return one key per accepted entry: its chunk, and its place there."""
        accepted: Iterable[int] = range(first, first + len(verdicts))
        if verdicts.count(Verdict.ACCEPTED) < len(verdicts):
            accepted = [number for number in accepted if verdicts[number - first] == Verdict.ACCEPTED]
        if self._single:
            return [b'"%s:0"' % self._keys[number] for number in accepted]
        [key] = self._keys
        form = b'"%b:%%d"' % key.replace(b"%", b"%%")
        return [form % number for number in accepted]


def _key_of(chunk: Any) -> bytes:
    """Return the start of a chunk's keys, as in a JSON string; empty without a chunk."""
    if not isinstance(chunk, str | bytes):
        return b""
    text = chunk if isinstance(chunk, str) else chunk.hex()
    if len(text) > CHUNK_CHARS_MAX or not text.isascii():
        text = sha256(text.encode(errors="replace")).hexdigest()
    return b"forward:" + msgspec.json.encode(text)[1:-1]


class _Kept:
    """In place of the entries of a message: one slice that was made already."""

    def __init__(self, found: Slice) -> None:
        self._found: Slice | None = found

    def __len__(self) -> int:
        return 0

    def take(self) -> Slice | None:
        """Return the slice, once."""
        found, self._found = self._found, None
        return found


def _entries_of(messages: list[ForwardMessage]) -> PayloadEntries | _Kept:
    first = messages[0]
    tag, size = first.tag, first.size_bytes
    data = first.data if len(messages) == 1 else b"".join([message.data for message in messages])
    signal = first.options.get("fluent_signal")
    if isinstance(signal, int) and signal in _SIGNALS:
        reason = f"{_SIGNALS[signal]} of {tag}: only logs are stored"
        return _Kept(Slice([], bytes([Verdict.NOT_OBJECT]), size, (reason,)))
    compressed = first.options.get("compressed") or "text"
    if compressed == "text" or first.mode is not Mode.PACKED:
        return PayloadEntries(tag, data)
    if isinstance(compressed, str) and compressed in KINDS:
        return PayloadEntries(tag, data, compressed)
    return _Kept(kept_raw(tag, f"entries of {tag}: unknown compression {str(compressed)[:40]!r}", data))
